// What the service answers, and what it says about what was cut.

import type { IssuedCertificate, PreparedCertificate } from '../ca/index.ts'
import type { Decision } from './decision.ts'

/** A certificate with what the decision says about it. Frozen. @inline */
export interface IssuanceAnswer extends IssuedCertificate {
  /** The name of the policy's rule that allowed it. */
  readonly rule: string
  /**
   * What was asked for and is not in the certificate, in words: names,
   * extensions, validity. Empty where nothing was cut.
   */
  readonly trimmed: readonly string[]
  /**
   * The proof that the certificate is in the audit log, where the request asked for it: C2SP tlog-proof, for
   * `createReceiptChecker`. Undefined where no checkpoint came within five seconds, and for a certificate of
   * an earlier request with the same idempotency key.
   */
  readonly receipt?: string | undefined
}

/** What is cut, in words: by the policy, and by the end of the issuing chain. */
export function trimmedOf(
  { trimmed }: Decision,
  { shortened }: Pick<PreparedCertificate, 'shortened'>,
): readonly string[] {
  if (shortened === undefined) return trimmed
  const { by, from, to } = shortened
  const end = `${to.toISOString()} (requested: ${from.toISOString()})`
  return Object.freeze([...trimmed, `validity: shortened by the ${by} to end at ${end}`])
}
