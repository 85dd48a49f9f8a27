// A decision that nothing can change after it was made.

import type { IssuanceDecision } from './issuance-policy.ts'

/** The decision that allows a certificate. */
export type AllowedDecision = Extract<IssuanceDecision, { allowed: true }>

/** A frozen copy, names included. */
export function frozenDecision(decision: AllowedDecision): AllowedDecision {
  const { content, trimmed } = decision
  const subjectAltName = content.subjectAltName.map((name) => Object.freeze({ ...name }))
  return Object.freeze({
    ...decision,
    content: Object.freeze({ ...content, subjectAltName: Object.freeze(subjectAltName) }),
    trimmed: Object.freeze([...trimmed]),
  })
}
