// The X.509 authorities of a trust bundle, without the unusable ones, which are reported with their position
// and the reason.

import { isPkiError, PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { bytesKey } from '../internal/bytes.ts'
import { subjectOf } from '../validation/internal.ts'
import { Certificate } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'

/** A skipped entry of a trust bundle, and the reason. @inline */
export interface IgnoredKey {
  /** Name of the trust domain of the bundle. */
  readonly trustDomain: string
  /**
   * Place from 0: in `keys` of a SPIFFE bundle, among the certificates of a PEM text, in `x509Authorities`.
   */
  readonly index: number
  /** The subject of the certificate, if it can be read; untrusted text, escaped. */
  readonly subject?: string | undefined
  /** The fault as an error code. */
  readonly code: PkiErrorCode
  /** The fault in words. */
  readonly reason: string
}

/** The usable certificates, without duplicates. */
export interface UsableAuthorities {
  readonly certificates: ReadonlyMap<string, Certificate>
  readonly ignored: readonly IgnoredKey[]
}

/**
 * Reads the certificates that a caller trusts. A malformed certificate is skipped; the others are still read.
 *
 * @throws ERR_LIMIT_EXCEEDED above `maxCount`; ERR_INVALID_ARGUMENT if a value is not a certificate in any
 * form; if no certificate can be parsed, the error of the first
 */
export function readAuthorities(
  inputs: Iterable<CertificateInput>,
  trustDomain: string,
  maxCount: number,
): UsableAuthorities {
  const certificates = new Map<string, Certificate>()
  const ignored: IgnoredKey[] = []
  let index = 0
  let isAnyParsed = false
  for (const input of inputs) {
    if (index >= maxCount) throw tooMany(maxCount)
    try {
      const certificate = Certificate.from(input)
      isAnyParsed = true
      // Parse now everything that verification needs: otherwise the fault would appear later as a failure of
      // an SVID.
      certificate.checkPathFields()
      certificates.set(bytesKey(certificate.der), certificate)
    } catch (error) {
      if (!isPkiError(error)) throw error
      const { code, message } = error
      if (code === 'ERR_INVALID_ARGUMENT')
        throw new PkiError(code, `x509Authorities[${index}]: ${message}`, { cause: error })
      ignored.push(Object.freeze({ trustDomain, index, subject: subjectOf(input), code, reason: message }))
    }
    index++
  }
  const [first] = ignored
  if (first !== undefined && !isAnyParsed)
    throw new PkiError(first.code, `no X.509 authority can be read: ${describeIgnoredKeys(ignored)}`)
  return { certificates, ignored }
}

/** @throws always: ERR_LIMIT_EXCEEDED */
export function tooMany(maxCount: number): PkiError {
  return new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxCount} authorities in one trust bundle`)
}

/** Describes the first skipped entry, and counts the others. */
function describeIgnoredKeys([first, ...more]: readonly IgnoredKey[]): string {
  if (first === undefined) return ''
  const name = first.subject === undefined ? '' : ` (${first.subject})`
  const others = more.length === 0 ? '' : `, and ${more.length} more`
  return `entry ${first.index}${name} was skipped: ${first.reason}${others}`
}

/**
 * The end of a message about a bundle without authorities: the reason, if entries were skipped.
 */
export function whyNone({ ignored }: { readonly ignored: readonly IgnoredKey[] }): string {
  return ignored.length === 0 ? '' : `; ${describeIgnoredKeys(ignored)}`
}
