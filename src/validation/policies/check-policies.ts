// Certificate policies over a path: RFC 5280 §6.1.2 to §6.1.5, with the graph of RFC 9618.

import { anyPolicy } from '../../x509/internal.ts'
import type { Certificate } from '../../x509/index.ts'
import type { Budget } from '../budget.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import { PolicyGraph } from './policy-graph.ts'
import type { PolicyInputs } from './policy-inputs.ts'

/** The user-constrained policy set, or the rejection of the path. */
export type PolicyOutcome = { readonly policies: readonly string[] } | { readonly rejection: Rejection }

/**
 * Whether policies can refuse this path at all: most paths have none, and
 * the result is then computed on demand.
 */
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
 * Runs the policy part of the algorithm. `path`: leaf first, without the anchor. The policies and policy
 * constraints of the anchor's own certificate apply too (RFC 5937 §3.2); its mappings do not. Without a
 * budget the cost is not limited: only for verified paths.
 *
 * @throws ERR_PATH_BUDGET
 */
export function checkPolicies(
  path: readonly Certificate[],
  inputs: PolicyInputs = {},
  anchor?: Certificate,
  budget?: Budget,
): PolicyOutcome {
  const graph = new PolicyGraph(budget)
  const counters = new PolicyCounters(path.length, inputs, anchor)
  for (let i = path.length - 1; i >= 0; i--) {
    const certificate = path[i] as Certificate
    extendBy(graph, certificate, counters.anyPolicyCounts(certificate, i === 0))
    if (counters.requiresPolicy && graph.isEmpty)
      return refuse(
        '§6.1.3 (f)',
        'an explicit policy is required, but no policy is valid at this certificate',
        certificate,
      )
    if (i === 0) {
      counters.wrapUp(certificate)
      break
    }
    const fault = mapBy(graph, certificate, counters.allowsMapping)
    if (fault !== undefined) return fault
    counters.next(certificate)
  }
  const policies = userConstrained(graph, acceptedPolicies(inputs.initialPolicySet, anchor))
  if (counters.requiresPolicy && policies.length === 0) {
    return refuse(
      '§6.1.5 (g)',
      'an explicit policy is required, but no policy of caller and anchor is valid for the whole path',
      path[0],
    )
  }
  return { policies }
}

/** RFC 9618 §5.1 (d), (e). */
function extendBy(graph: PolicyGraph, { certificatePolicies }: Certificate, anyCounts: boolean): void {
  if (certificatePolicies === undefined) graph.clear()
  else if (!graph.isEmpty)
    graph.extend(
      certificatePolicies.map(({ policy }) => policy),
      anyCounts,
    )
}

/** §6.1.4 (a), (b). */
function mapBy(graph: PolicyGraph, certificate: Certificate, allowed: boolean): PolicyOutcome | undefined {
  const mappings = certificate.policyMappings
  if (mappings === undefined) return undefined
  const ofAny = mappings.some(
    (each) => each.issuerDomainPolicy === anyPolicy || each.subjectDomainPolicy === anyPolicy,
  )
  if (ofAny) return refuse('§6.1.4 (a)', 'it maps a policy from or to anyPolicy', certificate)
  graph.map(mappings, allowed)
  return undefined
}

/**
 * explicit_policy, policy_mapping and inhibit_anyPolicy: the number of
 * certificates after which each applies (§6.1.2 (d), (e), (f)).
 */
class PolicyCounters {
  #explicitPolicy: number
  #mapping: number
  #inhibitAny: number

  constructor(length: number, inputs: PolicyInputs, anchor: Certificate | undefined) {
    const initially = (inhibited: boolean | undefined, ofAnchor: number | undefined): number =>
      inhibited === true ? 0 : Math.min(length + 1, ofAnchor ?? length + 1)
    const constraints = anchor?.policyConstraints
    this.#explicitPolicy = initially(inputs.explicitPolicy, constraints?.requireExplicitPolicy)
    this.#mapping = initially(inputs.inhibitPolicyMapping, constraints?.inhibitPolicyMapping)
    this.#inhibitAny = initially(inputs.inhibitAnyPolicy, anchor?.inhibitAnyPolicy)
  }

  get requiresPolicy(): boolean {
    return this.#explicitPolicy === 0
  }

  get allowsMapping(): boolean {
    return this.#mapping > 0
  }

  /** §6.1.3 (d)(2). */
  anyPolicyCounts(certificate: Certificate, isLeaf: boolean): boolean {
    return this.#inhibitAny > 0 || (!isLeaf && certificate.isSelfIssued)
  }

  /** §6.1.4 (h), (i), (j). */
  next({ isSelfIssued, policyConstraints, inhibitAnyPolicy }: Certificate): void {
    if (!isSelfIssued) {
      this.#explicitPolicy = Math.max(0, this.#explicitPolicy - 1)
      this.#mapping = Math.max(0, this.#mapping - 1)
      this.#inhibitAny = Math.max(0, this.#inhibitAny - 1)
    }
    this.#explicitPolicy = Math.min(
      this.#explicitPolicy,
      policyConstraints?.requireExplicitPolicy ?? Infinity,
    )
    this.#mapping = Math.min(this.#mapping, policyConstraints?.inhibitPolicyMapping ?? Infinity)
    this.#inhibitAny = Math.min(this.#inhibitAny, inhibitAnyPolicy ?? Infinity)
  }

  /** §6.1.5 (a), (b). */
  wrapUp({ policyConstraints }: Certificate): void {
    this.#explicitPolicy = Math.max(0, this.#explicitPolicy - 1)
    if (policyConstraints?.requireExplicitPolicy === 0) this.#explicitPolicy = 0
  }
}

/**
 * RFC 5937 §3.2: the policies of an anchor's certificate restrict the
 * initial policy set; undefined = any policy.
 */
function acceptedPolicies(
  wanted: readonly string[] | undefined,
  anchor: Certificate | undefined,
): readonly string[] | undefined {
  const ofAnchor = anchor?.certificatePolicies?.map(({ policy }) => policy)
  if (ofAnchor === undefined || ofAnchor.includes(anyPolicy)) return wanted
  if (wanted === undefined || wanted.includes(anyPolicy)) return ofAnchor
  return wanted.filter((policy) => ofAnchor.includes(policy))
}

/** §6.1.5 (g): the policies of the path that the caller accepts. */
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
