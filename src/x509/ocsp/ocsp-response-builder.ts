// Builds an OCSP response from its fields (RFC 6960 §4.2).

import { hash as digest } from 'node:crypto'
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  element,
  encodeGeneralizedTime,
  explicit,
  octetString,
  oid,
  sequence,
  tags,
} from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { signatureAlgorithms } from '../algorithms/signature-algorithm.ts'
import type { Signer } from '../algorithms/signer.ts'
import type { Certificate } from '../certificate/certificate.ts'
import { requireSigner } from '../certificate/certificate-builder.ts'
import { encodeExtension } from '../extensions/extension.ts'
import { encodeReasonCode } from '../extensions/revocation-extensions.ts'
import { basicResponse, nonceExtension } from './ocsp-extensions.ts'
import { OcspResponse } from './ocsp-response.ts'
import type { OcspCertificateStatus, OcspSingleResponse } from './ocsp-single-response.ts'

/** The contents of a response. @inline */
export interface OcspResponseFields {
  /** The time of the signature; written to the second. */
  readonly producedAt: Date
  /** One single response per certificate, 1 to 1,024. */
  readonly responses: readonly (Pick<
    OcspSingleResponse,
    'certificateId' | 'certificateStatus' | 'thisUpdate'
  > & { readonly nextUpdate?: Date | undefined })[]
  /** The nonce of the request. Omit it if the request has none. */
  readonly nonce?: Uint8Array | undefined
  /** The responder's own certificate, if the responder is not the issuer itself. */
  readonly certificates?: readonly Certificate[] | undefined
}

/**
 * Builds and signs a response; the responder ID is the hash of its key.
 *
 * @throws ERR_INVALID_ARGUMENT; the errors of the signer
 */
export async function buildOcspResponse(fields: OcspResponseFields, signer: Signer): Promise<OcspResponse> {
  const { publicKey, signatureAlgorithm } = requireSigner(signer)
  const {
    responses,
    producedAt,
    nonce,
    certificates = [],
  } = readOptions<OcspResponseFields>('buildOcspResponse', fields, {
    producedAt: 'required',
    responses: 'required',
    nonce: 'optional',
    certificates: 'optional',
  }) as Partial<OcspResponseFields>
  if (!Array.isArray(responses) || responses.length === 0 || !(producedAt instanceof Date)) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a response needs producedAt and at least one answer')
  }
  const tbs = sequence(
    explicit(2, octetString(digest('sha1', publicKey.subjectPublicKey, 'buffer'))),
    encodeGeneralizedTime(producedAt.getTime()),
    sequence(...(responses as OcspResponseFields['responses']).map(encodeSingle)),
    ...(nonce === undefined ? [] : [explicit(1, sequence(encodeExtension(nonceExtension(nonce))))]),
  )
  const signature = await signer.sign(tbs)
  const sent = certificates.length === 0 ? [] : [explicit(0, sequence(...certificates.map(({ der }) => der)))]
  const basic = sequence(
    tbs,
    signatureAlgorithms[signatureAlgorithm].identifier,
    bitString(signature),
    ...sent,
  )
  return OcspResponse.parse(
    sequence(
      element(tags.enumerated, Uint8Array.of(0)),
      explicit(0, sequence(oid(basicResponse), octetString(basic))),
    ),
  )
}

type SingleFields = OcspResponseFields['responses'][number]

function encodeSingle(single: SingleFields): Uint8Array {
  const { certificateId, certificateStatus, thisUpdate, nextUpdate } = readOptions<SingleFields>(
    'buildOcspResponse: responses',
    single,
    {
      certificateId: 'required',
      certificateStatus: 'required',
      thisUpdate: 'required',
      nextUpdate: 'optional',
    },
  )
  if (nextUpdate !== undefined && !(thisUpdate.getTime() < nextUpdate.getTime()))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'nextUpdate is not after thisUpdate')
  return sequence(
    certificateId.der,
    encodeStatus(certificateStatus),
    encodeGeneralizedTime(thisUpdate.getTime()),
    ...(nextUpdate === undefined ? [] : [explicit(0, encodeGeneralizedTime(nextUpdate.getTime()))]),
  )
}

function encodeStatus(status: OcspCertificateStatus): Uint8Array {
  if (status.status !== 'revoked') {
    if (status.status === 'good') return element(contextPrimitive(0))
    if ((status.status as unknown) === 'unknown') return element(contextPrimitive(2))
    // Any other word must not become the answer "unknown".
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'certificateStatus must have a status: good, revoked or unknown',
    )
  }
  if (!(status.revokedAt instanceof Date))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a status "revoked" needs its date, revokedAt')
  // As in a CRL: "unspecified" is expressed by omitting the reason (RFC 5280 §5.3.1).
  const reason = status.reason === 'unspecified' ? [] : [explicit(0, encodeReasonCode(status.reason))]
  return element(contextConstructed(1), encodeGeneralizedTime(status.revokedAt.getTime()), ...reason)
}
