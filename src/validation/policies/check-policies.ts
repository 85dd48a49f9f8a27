// The valid policy graph of RFC 9618: one node per policy and depth, so that mappings cannot make it grow exponentially
// as the tree of RFC 5280 §6.1.2 (a) does. Same results, linear size.
// Certificate policies over a path: RFC 5280 §6.1.2 to §6.1.5, with the graph of RFC 9618.

import { PkiError } from '../../errors/index.ts'
import { anyPolicy } from '../../x509/index.ts'
import type { Certificate, PolicyMapping } from '../../x509/index.ts'
import type { Budget } from '../budget.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
// What a caller wants of certificate policies: RFC 5280 §6.1.1 (c), (e), (f), (g).

/** The policy inputs of a path validation. */
export interface PolicyInputs {
  /** Policies that the caller accepts. Default: any. */
  readonly initialPolicySet?: readonly string[] | undefined
  /** Whether some policy of the set must hold for the path. Default false. */
  readonly explicitPolicy?: boolean | undefined
  /** Whether policy mappings are ignored from the start. Default false. */
  readonly inhibitPolicyMapping?: boolean | undefined
  /** Whether anyPolicy counts for nothing from the start. Default false. */
  readonly inhibitAnyPolicy?: boolean | undefined
}

/** A text `'true'` would count as "no". @throws ERR_INVALID_ARGUMENT */
export function checkPolicyInputs(inputs: PolicyInputs | undefined): void {
  if (inputs === undefined) return
  const { initialPolicySet, explicitPolicy, inhibitPolicyMapping, inhibitAnyPolicy } = inputs
  if (initialPolicySet !== undefined && !Array.isArray(initialPolicySet))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'initialPolicySet is a list of object identifiers')
  if (
    [explicitPolicy, inhibitPolicyMapping, inhibitAnyPolicy].some(
      (flag: unknown) => flag !== undefined && typeof flag !== 'boolean',
    )
  ) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'explicitPolicy, inhibitPolicyMapping and inhibitAnyPolicy are true or false',
    )
  }
}

interface PolicyNode {
  readonly policy: string
  /** Policies that satisfy this one in the next certificate. */
  expected: ReadonlySet<string>
  /** Nodes of the depth above. */
  readonly parents: readonly PolicyNode[]
  children: number
}

/** The graph, of which only the last depth is extended. */
class PolicyGraph {
  #depths: Map<string, PolicyNode>[] = [rootDepth()]
  readonly #budget: Budget | undefined

  /** Every step over a policy, mapping or node is counted, as there are no more of them than bytes, but they are walked again for each path. */
  constructor(budget: Budget | undefined) {
    this.#budget = budget
  }

  /** Whether no policy is valid any more (the RFC's "NULL"). */
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

  /** RFC 9618 §5.1 (d): the policies of the next certificate; `anyCounts` says whether its anyPolicy does. */
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

  /** RFC 5280 §6.1.4 (b) as RFC 9618 §5.2 has it. `allowed`: policy_mapping > 0. */
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
   * The authority-constrained set of RFC 9618 §5.3 (g): policies, as the anchor names them, under which the leaf stands;
   * with anyPolicy among them where the leaf stands under it too.
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
      // Nobody above has lost a child.
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

/** Depth 0: anyPolicy, which stands for every policy of the anchor. */
function rootDepth(): Map<string, PolicyNode> {
  const depth = new Map<string, PolicyNode>()
  depth.set(anyPolicy, node(anyPolicy, []))
  return depth
}

/** The user-constrained policy set, or why the path is refused. */
export type PolicyOutcome = { readonly policies: readonly string[] } | { readonly rejection: Rejection }

/** Whether policies can refuse this path at all: most paths have none, and then nothing is computed until asked for. */
export function policiesMatter(
  path: readonly Certificate[],
  inputs: PolicyInputs | undefined,
  anchor: Certificate | undefined,
): boolean {
  if (inputs?.explicitPolicy === true || anchor?.policyConstraints?.requireExplicitPolicy !== undefined)
    return true
  for (const certificate of path) {
    if (
      certificate.policyConstraints?.requireExplicitPolicy !== undefined ||
      certificate.policyMappings !== undefined
    )
      return true
  }
  return false
}

/**
 * Runs the policy part of the algorithm. `path`: leaf first, without the anchor. What an anchor's own certificate requires or inhibits
 * holds too (RFC 5937 §3); its policies and mappings are nobody's below. Without a budget it costs what it costs: for a path that was verified.
 *
 * @throws ERR_PATH_BUDGET
 */
export function checkPolicies(
  path: readonly Certificate[],
  inputs: PolicyInputs = {},
  anchor?: Certificate,
  budget?: Budget,
): PolicyOutcome {
  const length = path.length
  const graph = new PolicyGraph(budget)
  // §6.1.2 (d), (e), (f): counts of certificates after which the indicator holds.
  const initially = (inhibited: boolean | undefined, ofAnchor: number | undefined): number =>
    inhibited === true ? 0 : Math.min(length + 1, ofAnchor ?? length + 1)
  let explicitPolicy = initially(inputs.explicitPolicy, anchor?.policyConstraints?.requireExplicitPolicy)
  let inhibitAny = initially(inputs.inhibitAnyPolicy, anchor?.inhibitAnyPolicy)
  let mapping = initially(inputs.inhibitPolicyMapping, anchor?.policyConstraints?.inhibitPolicyMapping)

  for (let i = length - 1; i >= 0; i--) {
    const certificate = path[i] as Certificate
    const isLeaf = i === 0
    const selfIssued = certificate.isSelfIssued
    const policies = certificate.certificatePolicies
    if (policies === undefined) graph.clear()
    else if (!graph.isEmpty)
      graph.extend(
        policies.map(({ policy }) => policy),
        inhibitAny > 0 || (!isLeaf && selfIssued),
      )
    if (explicitPolicy === 0 && graph.isEmpty)
      return refuse('§6.1.3 (f)', 'no policy is valid here and one is required', certificate)
    const constraints = certificate.policyConstraints
    if (isLeaf) {
      // §6.1.5 (a), (b)
      if (explicitPolicy > 0) explicitPolicy--
      if (constraints?.requireExplicitPolicy === 0) explicitPolicy = 0
      break
    }
    const mappings = certificate.policyMappings
    if (mappings !== undefined) {
      if (
        mappings.some(
          (each) => each.issuerDomainPolicy === anyPolicy || each.subjectDomainPolicy === anyPolicy,
        )
      ) {
        return refuse('§6.1.4 (a)', 'a policy mapping from or to anyPolicy', certificate)
      }
      graph.map(mappings, mapping > 0)
    }
    // §6.1.4 (h), (i), (j)
    if (!selfIssued) {
      if (explicitPolicy > 0) explicitPolicy--
      if (mapping > 0) mapping--
      if (inhibitAny > 0) inhibitAny--
    }
    explicitPolicy = Math.min(explicitPolicy, constraints?.requireExplicitPolicy ?? explicitPolicy)
    mapping = Math.min(mapping, constraints?.inhibitPolicyMapping ?? mapping)
    inhibitAny = Math.min(inhibitAny, certificate.inhibitAnyPolicy ?? inhibitAny)
  }

  const policies = userConstrained(graph, inputs.initialPolicySet)
  if (explicitPolicy === 0 && policies.length === 0) {
    return refuse(
      '§6.1.5 (g)',
      'no policy that the caller accepts is valid for the path, and one is required',
      path[0],
    )
  }
  return { policies }
}

/** §6.1.5 (g): what the caller accepts of what the path offers. */
function userConstrained(graph: PolicyGraph, wanted: readonly string[] | undefined): string[] {
  if (graph.isEmpty) return []
  const offered = graph.constrainedSet()
  if (wanted === undefined || wanted.includes(anyPolicy)) return [...offered]
  return offered.has(anyPolicy)
    ? [...new Set(wanted)]
    : [...new Set(wanted)].filter((policy) => offered.has(policy))
}

function refuse(section: string, message: string, certificate: Certificate | undefined): PolicyOutcome {
  return { rejection: reject('ERR_PATH_POLICY', `RFC 5280 ${section}`, message, certificate) }
}
