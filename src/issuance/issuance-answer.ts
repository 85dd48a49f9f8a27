// The answer of the service, and the text about omitted names and shortened validity.

import type { IssuedCertificate, PreparedCertificate } from '../ca/index.ts'
import { isPkiError } from '../errors/index.ts'
import { printable, shortened as shortText } from '../internal/values/outside-text.ts'
import type { CertificateRequest, DistinguishedName } from '../x509/index.ts'
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

/**
 * The items that the policy omits, the requested subject if the certificate has another, and the validity
 * that the end of the issuing chain shortens, as text.
 */
export function trimmedOf(
  { trimmed, content }: Decision,
  { shortened }: Pick<PreparedCertificate, 'shortened'>,
  { subject }: Pick<CertificateRequest, 'subject'>,
): readonly string[] {
  const more: string[] = []
  if (!subject.isEmpty) {
    const [asked, given] = [subjectText(subject), content.subject?.toString()]
    if (asked !== given)
      more.push(`the request asks for the subject ${asked}; the certificate has ${given ?? 'none'}`)
  }
  if (shortened !== undefined) {
    const { by, from, to } = shortened
    const end = `${to.toISOString()} (requested: ${from.toISOString()})`
    more.push(`validity: shortened by the ${by} to end at ${end}`)
  }
  return more.length === 0 ? trimmed : Object.freeze([...trimmed, ...more])
}

/** Text from outside, escaped. A subject that cannot be read is not used, so the request is not refused. */
function subjectText(subject: DistinguishedName): string {
  try {
    return shortText(printable(subject.toString()), maxSubjectText)
  } catch (error) {
    if (isPkiError(error)) return '(which cannot be read)'
    throw error
  }
}

/** Characters of a requested subject that are shown. */
const maxSubjectText = 200
