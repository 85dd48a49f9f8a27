// The valid policy graph of RFC 9618: one node per policy and depth, with the results of the tree of RFC 5280
// §6.1.2 (a), which mappings can make grow exponentially.

import { anyPolicy } from '../../x509/internal.ts'
import type { PolicyMapping } from '../../x509/internal.ts'
import type { Budget } from '../budget.ts'

interface PolicyNode {
  readonly policy: string
  /** Policies that satisfy this one in the next certificate. */
  expected: ReadonlySet<string>
  /** Nodes of the depth above. */
  readonly parents: readonly PolicyNode[]
  children: number
}

/** The graph; only its last depth is extended. */
export class PolicyGraph {
  #depths: Map<string, PolicyNode>[] = [rootDepth()]
  readonly #budget: Budget | undefined

  /**
   * Every step over a policy, mapping or node is counted. Their number is limited by the octets of the
   * certificates, but the steps repeat for each path.
   */
  constructor(budget: Budget | undefined) {
    this.#budget = budget
  }

  /** Whether no policy is valid (the RFC's "NULL"). */
  get isEmpty(): boolean {
    return this.#last.size === 0
  }

  get #last(): Map<string, PolicyNode> {
    return this.#depths[this.#depths.length - 1] as Map<string, PolicyNode>
  }

  /** No certificate policies extension: RFC 9618 §5.1 (e). */
  clear(): void {
    this.#depths = [new Map<string, PolicyNode>()]
  }

  /**
   * RFC 9618 §5.1 (d): the policies of the next certificate; `anyCounts`: whether its anyPolicy is processed.
   */
  extend(policies: readonly string[], anyCounts: boolean): void {
    const above = this.#last
    const expecting = new Map<string, PolicyNode[]>()
    this.#spend(policies.length)
    for (const parent of above.values()) {
      this.#spend(parent.expected.size)
      for (const policy of parent.expected) {
        const there = expecting.get(policy)
        if (there === undefined) expecting.set(policy, [parent])
        else there.push(parent)
      }
    }
    const next = new Map<string, PolicyNode>()
    const any = above.get(anyPolicy)
    for (const policy of policies) {
      if (policy === anyPolicy) continue
      const parents = expecting.get(policy) ?? (any === undefined ? undefined : [any])
      if (parents !== undefined) next.set(policy, node(policy, parents))
    }
    if (anyCounts && policies.includes(anyPolicy)) {
      for (const [policy, parents] of expecting)
        if (!next.has(policy)) next.set(policy, node(policy, parents))
    }
    this.#depths.push(next)
    this.#prune(this.#depths.length - 2)
  }

  /** RFC 5280 §6.1.4 (b) in the form of RFC 9618 §5.2. `allowed`: policy_mapping > 0. */
  map(mappings: readonly PolicyMapping[], allowed: boolean): void {
    this.#spend(mappings.length)
    const last = this.#last
    const mapped = new Map<string, Set<string>>()
    for (const { issuerDomainPolicy, subjectDomainPolicy } of mappings) {
      const there = mapped.get(issuerDomainPolicy)
      if (there === undefined) mapped.set(issuerDomainPolicy, new Set([subjectDomainPolicy]))
      else there.add(subjectDomainPolicy)
    }
    const any = last.get(anyPolicy)
    for (const [policy, expected] of mapped) {
      const there = last.get(policy)
      if (!allowed) {
        if (there === undefined) continue
        last.delete(policy)
        for (const parent of there.parents) parent.children--
      } else if (there !== undefined) {
        there.expected = expected
      } else if (any !== undefined) {
        const added = node(policy, any.parents)
        added.expected = expected
        last.set(policy, added)
      }
    }
    if (!allowed) this.#prune(this.#depths.length - 2)
  }

  /**
   * The authority-constrained set of RFC 9618 §5.3 (g): the policies, by the anchor's names, that are valid
   * for the leaf. It includes anyPolicy if that is valid for the leaf.
   */
  constrainedSet(): Set<string> {
    const found = new Set<string>()
    for (let depth = 1; depth < this.#depths.length; depth++) {
      for (const { policy, parents } of (this.#depths[depth] as Map<string, PolicyNode>).values()) {
        if (policy !== anyPolicy && parents.some((parent) => parent.policy === anyPolicy)) found.add(policy)
      }
    }
    if (this.#last.has(anyPolicy)) found.add(anyPolicy)
    return found
  }

  /** Deletes nodes without children from `depth` upwards. */
  #prune(from: number): void {
    for (let depth = from; depth >= 0; depth--) {
      const nodes = this.#depths[depth] as Map<string, PolicyNode>
      const before = nodes.size
      this.#spend(before)
      for (const [policy, { children, parents }] of nodes) {
        if (children > 0) continue
        nodes.delete(policy)
        for (const parent of parents) parent.children--
      }
      // No node above this depth has lost a child.
      if (nodes.size === before) return
    }
  }

  #spend(count: number): void {
    this.#budget?.spend('policyNodes', count)
  }
}

function node(policy: string, parents: readonly PolicyNode[]): PolicyNode {
  for (const parent of parents) parent.children++
  return { policy, expected: new Set([policy]), parents, children: 0 }
}

/** Depth 0: anyPolicy, which matches every policy of the anchor. */
function rootDepth(): Map<string, PolicyNode> {
  const depth = new Map<string, PolicyNode>()
  depth.set(anyPolicy, node(anyPolicy, []))
  return depth
}
