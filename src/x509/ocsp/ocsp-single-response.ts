// A single response of an OCSP response, about one certificate (RFC 6960 §4.2.1).

import {
  contextConstructed,
  contextPrimitive,
  generalizedTimeContent,
  nullContent,
  tags,
} from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { isPkiError, PkiError } from '../../errors/index.ts'
import { parseReasonCode } from '../extensions/revocation-extensions.ts'
import type { CrlReason } from '../extensions/revocation-extensions.ts'
import type { Extension } from '../extensions/extension.ts'
import type { Tolerance } from '../tolerances.ts'
import { OcspCertificateId } from './ocsp-certificate-id.ts'
import { readExtensionList } from './ocsp-extensions.ts'

/** The status of one certificate according to a responder. @inline */
export type OcspCertificateStatus =
  | { readonly status: 'good' | 'unknown' }
  /**
   * `revokedAt` is undefined, and `reason` is `unspecified`, if the response has them in an unreadable form.
   */
  | { readonly status: 'revoked'; readonly revokedAt: Date | undefined; readonly reason: CrlReason }

/** A single response. @inline */
export interface OcspSingleResponse {
  /** The certificate whose status this is. */
  readonly certificateId: OcspCertificateId
  /** The status of the certificate. */
  readonly certificateStatus: OcspCertificateStatus
  /** When the status was known to be correct. */
  readonly thisUpdate: Date
  /** When newer information will be available; undefined if it is available at any time. */
  readonly nextUpdate: Date | undefined
  /** Extensions of this single response. */
  readonly extensions: readonly Extension[]
}

/**
 * @throws ERR_OCSP_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_LIMIT_EXCEEDED above 1,024
 */
export function readResponses(
  list: DerReader,
  tolerances: readonly Tolerance[],
): readonly OcspSingleResponse[] {
  const responses: OcspSingleResponse[] = []
  while (!list.done) {
    if (responses.length >= maxResponses)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `the OCSP response is about more than ${maxResponses} certificates`,
      )
    responses.push(readSingle(list.expect(tags.sequence, 'SingleResponse').inner(), tolerances))
  }
  if (responses.length === 0)
    throw new PkiError('ERR_OCSP_MALFORMED', 'the OCSP response is about no certificate')
  return Object.freeze(responses)
}

function readSingle(one: DerReader, tolerances: readonly Tolerance[]): OcspSingleResponse {
  const certificateId = OcspCertificateId.over(one.expect(tags.sequence, 'certID').element())
  const certificateStatus = Object.freeze(readStatus(one))
  const thisUpdate = readTime(one, 'thisUpdate')
  const nextUpdate = one.optional(contextConstructed(0), 'nextUpdate')
    ? readWrappedTime(one, 'nextUpdate')
    : undefined
  const extensions = one.optional(contextConstructed(1), 'singleExtensions')
    ? readExtensionList(one, 'singleExtensions', tolerances)
    : noExtensions
  one.finish('SingleResponse')
  return Object.freeze({ certificateId, certificateStatus, thisUpdate, nextUpdate, extensions })
}

/** @throws ERR_OCSP_MALFORMED, ERR_DER */
export function readStatus(reader: DerReader): OcspCertificateStatus {
  const tag = reader.next('certStatus')
  if (tag === contextPrimitive(0) || tag === contextPrimitive(2)) {
    nullContent(reader, 'certStatus')
    return { status: tag === contextPrimitive(0) ? 'good' : 'unknown' }
  }
  if (tag !== contextConstructed(1))
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `certStatus: found tag 0x${tag.toString(16)}, expected 0x80 (good), 0xa1 (revoked) or 0x82 (unknown)`,
    )
  return readRevokedInfo(reader.inner())
}

/** The tag means "revoked"; an unreadable date or reason does not change that. */
function readRevokedInfo(info: DerReader): OcspCertificateStatus {
  let revokedAt: Date | undefined
  let reason: CrlReason | undefined
  try {
    revokedAt = readTime(info, 'revocationTime')
    if (info.optional(contextConstructed(0), 'revocationReason')) reason = parseReasonCode(info.content())
    info.finish('RevokedInfo')
  } catch (error) {
    if (!isPkiError(error)) throw error
    reason = undefined // an unreadable reason might be a hold: treated as permanent
  }
  return { status: 'revoked', revokedAt, reason: reason ?? 'unspecified' }
}

function readWrappedTime(reader: DerReader, what: string): Date {
  const inner = reader.inner()
  const time = readTime(inner, what)
  inner.finish(what)
  return time
}

/** A GeneralizedTime. @throws ERR_DER, ERR_TIME_INVALID */
export function readTime(reader: DerReader, what: string): Date {
  return new Date(generalizedTimeContent(reader.expect(tags.generalizedTime, what), what))
}

export const maxResponses = 1024
const noExtensions: readonly Extension[] = Object.freeze([])
