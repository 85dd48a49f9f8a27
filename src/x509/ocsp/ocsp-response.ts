// OCSP responses (RFC 6960 §4.2): a view over their DER.

import { contextConstructed, element, readOid, readWhole, sequence, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { basicOcspToAccuse } from '../accusing/accusing-ocsp-fields.ts'
import { noTolerances, readParseOptions } from '../tolerances.ts'
import type { ParseOptions, Tolerance } from '../tolerances.ts'
import { basicResponse } from './ocsp-extensions.ts'
import { BasicOcspResponse, checkOcspSize } from './basic-ocsp-response.ts'

/** OCSPResponseStatus; every value except `successful` means that there is no answer. */
export type OcspResponseStatus =
  'successful' | 'malformedRequest' | 'internalError' | 'tryLater' | 'sigRequired' | 'unauthorized'

/** An OCSP response. `answer` is present if the status is `successful`. */
export class OcspResponse {
  /** DER of the whole response. */
  readonly der: Uint8Array
  /** `successful`, or the reason why there is no answer. */
  readonly status: OcspResponseStatus
  /** The signed answer; undefined unless `status` is `successful`. */
  readonly answer: BasicOcspResponse | undefined

  private constructor(der: Uint8Array, tolerances: readonly Tolerance[]) {
    const { status, basic } = readEnvelope(der)
    this.der = der
    this.status = status
    this.answer = basic && BasicOcspResponse.parse(basic, tolerances)
  }

  /**
   * Parses a copy of DER. `tolerances` may accept encoded default values, empty extensions and invalid octets
   * in the responder's name.
   *
   * @throws ERR_OCSP_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_OID_INVALID, ERR_NAME_INVALID,
   * ERR_EXTENSION_DUPLICATE, ERR_EXTENSION_MALFORMED,
   * ERR_LIMIT_EXCEEDED above 256 KiB, 1,024 answers or 16 certificates
   */
  static parse(der: Uint8Array, options?: ParseOptions): OcspResponse {
    checkOcspSize(der)
    return new OcspResponse(new Uint8Array(der), readParseOptions('OcspResponse.parse', options))
  }

  /** Like `parse`, for a response that was parsed before. @throws as `parse` */
  static from(input: OcspResponse | Uint8Array, options?: ParseOptions): OcspResponse {
    return input instanceof OcspResponse ? input : OcspResponse.parse(input, options)
  }

  /** An unsigned response that gives the reason why there is no answer. */
  static refusal(status: Exclude<OcspResponseStatus, 'successful'>): OcspResponse {
    const der = sequence(element(tags.enumerated, Uint8Array.of(statuses.indexOf(status))))
    return new OcspResponse(der, noTolerances)
  }
}

/**
 * The answer of a response that `OcspResponse.parse` refuses, as far as it can be read: see
 * `readBasicOcspToAccuse`. Use it for revocations only, because the omitted parts could show another status.
 *
 * @throws as `OcspResponse.parse`
 */
export function readAnswerToAccuse(
  der: Uint8Array,
  tolerances: readonly Tolerance[],
): BasicOcspResponse | undefined {
  checkOcspSize(der)
  const basic = basicOcspToAccuse(new Uint8Array(der))
  return basic && BasicOcspResponse.toAccuse(basic, tolerances)
}

/** The status, and the octets of the BasicOCSPResponse. */
function readEnvelope(der: Uint8Array): {
  readonly status: OcspResponseStatus
  readonly basic: Uint8Array | undefined
} {
  const reader = readWhole(der, tags.sequence, 'OCSPResponse')
  const octets = reader.expect(tags.enumerated, 'responseStatus').content()
  const status = octets.length === 1 ? statuses[octets[0] as number] : undefined
  if (status === undefined) throw new PkiError('ERR_OCSP_MALFORMED', 'the OCSP response status is unknown')
  let basic: Uint8Array | undefined
  if (reader.optional(contextConstructed(0), 'responseBytes')) {
    const wrapper = reader.inner()
    const bytes = wrapper.expect(tags.sequence, 'responseBytes').inner()
    wrapper.finish('responseBytes')
    const type = readOid(bytes, 'responseType')
    if (type !== basicResponse)
      throw new PkiError(
        'ERR_OCSP_MALFORMED',
        `the OCSP response has the type ${type}; expected id-pkix-ocsp-basic`,
      )
    basic = bytes.expect(tags.octetString, 'response').content()
    bytes.finish('responseBytes')
  }
  reader.finish('OCSPResponse')
  if ((basic === undefined) === (status === 'successful'))
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `the OCSP response has the status ${status} with${basic === undefined ? 'out' : ''} an answer`,
    )
  return { status, basic }
}

/** The index is the number; 4 is not used. */
const statuses: readonly (OcspResponseStatus | undefined)[] = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  undefined,
  'sigRequired',
  'unauthorized',
]
