// The answer of the service, and the text about omitted names and shortened validity.

import type { IssuedCertificate, PreparedCertificate } from '../ca/index.ts'
import type { Decision } from './decision.ts'

/** A certificate with the details of the decision. Frozen. @inline */
export interface IssuanceAnswer extends IssuedCertificate {
  /** The name of the policy's rule that allowed it. */
  readonly rule: string
  /**
   * The requested names, extensions and validity that the certificate does not have, as text; empty if there
   * are none.
   */
  readonly trimmed: readonly string[]
  /**
   * The proof that the certificate is in the audit log, if requested: C2SP tlog-proof, for
   * `createReceiptChecker`. Undefined if no checkpoint was signed within five seconds, and for the
   * certificate of an earlier request with the same idempotency key.
   */
  readonly receipt?: string | undefined
}

/** The items that the policy omits, and the validity that the end of the issuing chain shortens, as text. */
export function trimmedOf(
  { trimmed }: Decision,
  { shortened }: Pick<PreparedCertificate, 'shortened'>,
): readonly string[] {
  if (shortened === undefined) return trimmed
  const { by, from, to } = shortened
  const end = `${to.toISOString()} (requested: ${from.toISOString()})`
  return Object.freeze([...trimmed, `validity: shortened by the ${by} to end at ${end}`])
}
