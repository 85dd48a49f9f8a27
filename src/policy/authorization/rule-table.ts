// Finds the rules that may match a request without a look at the others: by exact principals, namespaces,
// service accounts, request principals, and paths.

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
  /** By field, by value: only the fields that a rule has a key of. */
  readonly #byField = new Map<KeyField, Map<string, Placed[]>>()
  /** Those without keys: any request may match. */
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
    // A rule that denies can match a connection that has none of its keys, because HTTP's are left out.
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

/** The first of the rules that matches, where it stands before the one that was found. */
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
