// An index of rules by exact principals, namespaces, service accounts, request principals and paths: only
// rules that can match a request are tested.

import type { AuthorizationRule } from './authorization-rule.ts'
import { ruleMatches } from './authorization-rule.ts'
import type { Facts } from './facts.ts'

interface Placed {
  readonly rule: AuthorizationRule
  readonly place: number
}

/** The rules of one action for one workload. */
export class RuleTable {
  readonly #rules: readonly AuthorizationRule[]
  readonly #denies: boolean
  /** By field, then by value; only fields that are the key of a rule. */
  readonly #byField = new Map<KeyField, Map<string, Placed[]>>()
  /** Rules without keys: any request can match them. */
  readonly #others: Placed[] = []

  constructor(rules: readonly AuthorizationRule[], denies: boolean) {
    this.#rules = rules
    this.#denies = denies
    for (const [place, rule] of rules.entries()) {
      const keys = rule.keys.sources ?? rule.keys.paths
      if (keys === undefined) this.#others.push({ rule, place })
      for (const key of new Set(keys)) this.#index(key, { rule, place })
    }
  }

  /** The first rule that matches, in the order of the policies. */
  find(facts: Facts): AuthorizationRule | undefined {
    const matches = (rule: AuthorizationRule): boolean => ruleMatches(rule, facts, this.#denies)
    // A DENY rule can match a connection with none of its keys: HTTP attributes are ignored for it.
    if (!facts.http) return this.#rules.find(matches)
    let first = this.#others.find(({ rule }) => matches(rule))
    for (const [field, byValue] of this.#byField) {
      const values = facts[field]
      if (values === undefined) return this.#rules.find(matches)
      for (const value of values) first = earliest(byValue.get(value), first, matches)
    }
    return first?.rule
  }

  /** A key is a field, a space and a value. */
  #index(key: string, placed: Placed): void {
    const space = key.indexOf(' ')
    const field = key.slice(0, space) as KeyField
    const value = key.slice(space + 1)
    const byValue = this.#byField.get(field) ?? new Map<string, Placed[]>()
    this.#byField.set(field, byValue)
    const known = byValue.get(value)
    if (known === undefined) byValue.set(value, [placed])
    else known.push(placed)
  }
}

type KeyField = 'principals' | 'requestPrincipals' | 'namespaces' | 'serviceAccounts' | 'paths'

/** The first matching rule, if it precedes the one that was found. */
function earliest(
  candidates: readonly Placed[] | undefined,
  found: Placed | undefined,
  matches: (rule: AuthorizationRule) => boolean,
): Placed | undefined {
  for (const placed of candidates ?? []) {
    if (found !== undefined && placed.place > found.place) return found
    if (matches(placed.rule)) return placed
  }
  return found
}
