// Certificate policies over a path: RFC 5280 §6.1.2 to §6.1.5, with the graph of RFC 9618.

import { anyPolicy } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
import { PolicyGraph } from './policy-graph.ts'
import type { PolicyInputs } from './policy-inputs.ts'

/** The user-constrained policy set, or why the path is refused. */
export type PolicyOutcome = { readonly policies: readonly string[] } | { readonly rejection: Rejection }

/** Whether policies can refuse this path at all: most paths have none, and then nothing is computed until asked for. */
export function policiesMatter(path: readonly Certificate[], inputs: PolicyInputs | undefined): boolean {
  if (inputs?.explicitPolicy === true) return true
  for (const certificate of path) {
    if (certificate.policyConstraints?.requireExplicitPolicy !== undefined || certificate.policyMappings !== undefined) return true
  }
  return false
}

/** Runs the policy part of the algorithm. `path`: leaf first, without the anchor. */
export function checkPolicies(path: readonly Certificate[], inputs: PolicyInputs = {}): PolicyOutcome {
  const length = path.length
  const graph = new PolicyGraph()
  // §6.1.2 (d), (e), (f): counts of certificates after which the indicator holds.
  let explicitPolicy = inputs.explicitPolicy === true ? 0 : length + 1
  let inhibitAny = inputs.inhibitAnyPolicy === true ? 0 : length + 1
  let mapping = inputs.inhibitPolicyMapping === true ? 0 : length + 1

  for (let i = length - 1; i >= 0; i--) {
    const certificate = path[i] as Certificate
    const isLeaf = i === 0
    const selfIssued = certificate.isSelfIssued
    const policies = certificate.certificatePolicies
    if (policies === undefined) graph.clear()
    else if (!graph.isEmpty) graph.extend(policies.map(({ policy }) => policy), inhibitAny > 0 || (!isLeaf && selfIssued))
    if (explicitPolicy === 0 && graph.isEmpty) return refuse('§6.1.3 (f)', 'no policy is valid here and one is required', certificate)
    const constraints = certificate.policyConstraints
    if (isLeaf) {
      // §6.1.5 (a), (b)
      if (explicitPolicy > 0) explicitPolicy--
      if (constraints?.requireExplicitPolicy === 0) explicitPolicy = 0
      break
    }
    const mappings = certificate.policyMappings
    if (mappings !== undefined) {
      if (mappings.some((each) => each.issuerDomainPolicy === anyPolicy || each.subjectDomainPolicy === anyPolicy)) {
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
    return refuse('§6.1.5 (g)', 'no policy that the caller accepts is valid for the path, and one is required', path[0])
  }
  return { policies }
}

/** §6.1.5 (g): what the caller accepts of what the path offers. */
function userConstrained(graph: PolicyGraph, wanted: readonly string[] | undefined): string[] {
  if (graph.isEmpty) return []
  const offered = graph.constrainedSet()
  if (wanted === undefined || wanted.includes(anyPolicy)) return [...offered]
  return offered.has(anyPolicy) ? [...new Set(wanted)] : [...new Set(wanted)].filter((policy) => offered.has(policy))
}

function refuse(section: string, message: string, certificate: Certificate | undefined): PolicyOutcome {
  return { rejection: reject('ERR_PATH_POLICY', `RFC 5280 ${section}`, message, certificate) }
}
