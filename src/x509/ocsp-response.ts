// OCSP responses: a view over their DER, and a builder. RFC 6960 §4.2.

import { hash as digest } from 'node:crypto'
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  element,
  encodeGeneralizedTime,
  explicit,
  generalizedTimeContent,
  nullContent,
  octetString,
  oid,
  oidContent,
  readWhole,
  sequence,
  tags,
} from '../der/index.ts'
import type { DerReader } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { requireOctets } from '../internal/bytes.ts'
import { AlgorithmIdentifier, readSigned, signatureAlgorithms } from './algorithms/signature-algorithm.ts'
import type { PublicKey } from './algorithms/public-key.ts'
import type { Signer } from './algorithms/signer.ts'
import { verifySignature } from './algorithms/verify-signature.ts'
import type { Certificate } from './certificate.ts'
import { requireSigner } from './certificate-builder.ts'
import { encodeReasonCode, parseReasonCode } from './extensions/revocation-extensions.ts'
import type { CrlReason } from './extensions/revocation-extensions.ts'
import { encodeExtension } from './extensions/extension.ts'
import type { Extension } from './extensions/extension.ts'
import { DistinguishedName } from './names/distinguished-name.ts'
import {
  OcspCertificateId,
  nonceExtension,
  readExtensionList,
  readNonce,
  readVersion,
} from './ocsp-request.ts'

/** OCSPResponseStatus; everything but `successful` says that there is no answer. */
export type OcspResponseStatus =
  'successful' | 'malformedRequest' | 'internalError' | 'tryLater' | 'sigRequired' | 'unauthorized'

/** What a responder says of one certificate. */
export type OcspCertificateStatus =
  | { readonly status: 'good' | 'unknown' }
  | { readonly status: 'revoked'; readonly revokedAt: Date; readonly reason: CrlReason }

/** One answer. */
export interface OcspSingleResponse {
  /** The certificate that it is about. */
  readonly certificateId: OcspCertificateId
  /** What the responder says of it. */
  readonly certificateStatus: OcspCertificateStatus
  /** When this was known to be right. */
  readonly thisUpdate: Date
  /** When there will be newer information; undefined where it is there at any time. */
  readonly nextUpdate: Date | undefined
  /** Extensions of this answer alone. */
  readonly extensions: readonly Extension[]
}

/** An OCSP response. `answer` is there where the status is `successful`. */
export class OcspResponse {
  /** DER of the whole response. */
  readonly der: Uint8Array
  /** Whether there is an answer, or why not. */
  readonly status: OcspResponseStatus
  /** The signed answer; undefined unless `status` is `successful`. */
  readonly answer: BasicOcspResponse | undefined

  private constructor(der: Uint8Array) {
    const reader = readWhole(der, tags.sequence, 'OCSPResponse')
    const octets = reader.expect(tags.enumerated, 'responseStatus').content()
    const status = octets.length === 1 ? statuses[octets[0] as number] : undefined
    if (status === undefined) throw new PkiError('ERR_OCSP_MALFORMED', 'an OCSP response of no known status')
    let answer: BasicOcspResponse | undefined
    if (reader.optional(contextConstructed(0))) {
      const wrapper = reader.inner()
      const bytes = wrapper.expect(tags.sequence, 'responseBytes').inner()
      wrapper.finish('responseBytes')
      const type = oidContent(bytes.expect(tags.oid, 'responseType'))
      if (type !== basicResponse)
        throw new PkiError(
          'ERR_OCSP_MALFORMED',
          `an OCSP response of type ${type}; id-pkix-ocsp-basic is wanted`,
        )
      answer = BasicOcspResponse.parse(bytes.expect(tags.octetString, 'response').content())
      bytes.finish('responseBytes')
    }
    reader.finish('OCSPResponse')
    if ((answer === undefined) === (status === 'successful'))
      throw new PkiError(
        'ERR_OCSP_MALFORMED',
        `an OCSP response of status ${status} with${answer === undefined ? 'out' : ''} an answer`,
      )
    this.der = der
    this.status = status
    this.answer = answer
  }

  /**
   * Parses DER. The bytes are kept, not copied: do not change them afterwards.
   *
   * @throws ERR_OCSP_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_OID_INVALID, ERR_NAME_INVALID, ERR_EXTENSION_DUPLICATE, ERR_EXTENSION_MALFORMED,
   * ERR_LIMIT_EXCEEDED above 256 KiB, 1,024 answers or 16 certificates
   */
  static parse(der: Uint8Array): OcspResponse {
    checkSize(der)
    return new OcspResponse(der)
  }

  /** The same for a response that was read before. @throws as `parse` */
  static from(input: OcspResponse | Uint8Array): OcspResponse {
    return input instanceof OcspResponse ? input : OcspResponse.parse(input)
  }

  /** A response that says why there is no answer. It is not signed. */
  static refusal(status: Exclude<OcspResponseStatus, 'successful'>): OcspResponse {
    return new OcspResponse(sequence(element(tags.enumerated, Uint8Array.of(statuses.indexOf(status)))))
  }
}

/** BasicOCSPResponse: signed answers. */
export class BasicOcspResponse {
  /** DER of the ResponseData: the signed bytes; a view. */
  readonly tbs: Uint8Array
  /** What it is signed with. */
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The signature, as it is in the BIT STRING. */
  readonly signature: Uint8Array
  /** Who signed: a name, or the SHA-1 hash of a key. */
  readonly responder: { readonly name: DistinguishedName } | { readonly keyHash: Uint8Array }
  /** When it was signed. */
  readonly producedAt: Date
  /** One answer for each certificate that it is about. */
  readonly responses: readonly OcspSingleResponse[]
  /** Extensions of the response as a whole. */
  readonly extensions: readonly Extension[]
  /** The nonce of the request that it answers; undefined where it repeats none. */
  readonly nonce: Uint8Array | undefined
  /** DER of the certificates that came along; nobody vouches for them yet. */
  readonly certificates: readonly Uint8Array[]

  private constructor(der: Uint8Array) {
    const outer = readWhole(der, tags.sequence, 'BasicOCSPResponse')
    const { tbs: tbsDer, content: tbs, algorithm, signature } = readSigned(outer, 'tbsResponseData')
    this.tbs = tbsDer
    this.signatureAlgorithm = AlgorithmIdentifier.parse(algorithm)
    this.signature = signature
    this.certificates = outer.optional(contextConstructed(0)) ? readCertificates(outer) : []
    outer.finish('BasicOCSPResponse')
    readVersion(tbs)
    this.responder = readResponder(tbs)
    this.producedAt = readTime(tbs, 'producedAt')
    this.responses = readResponses(tbs.expect(tags.sequence, 'responses').inner())
    this.extensions = tbs.optional(contextConstructed(1)) ? readExtensionList(tbs, 'responseExtensions') : []
    tbs.finish('tbsResponseData')
    this.nonce = readNonce(this.extensions)
  }

  /** The content of `responseBytes`; as `OcspResponse.parse`. */
  static parse(der: Uint8Array): BasicOcspResponse {
    checkSize(der)
    return new BasicOcspResponse(der)
  }

  /** Whether the signature verifies with this key; says nothing of who may sign. */
  verifySignatureBy(key: PublicKey): boolean {
    return verifySignature(key, this.signatureAlgorithm, this.tbs, this.signature)
  }

  /** Whether the responder names itself by this name or key. */
  isBy({
    subject,
    publicKey,
  }: {
    readonly subject: DistinguishedName
    readonly publicKey: PublicKey
  }): boolean {
    if ('name' in this.responder) return this.responder.name.equals(subject)
    return Buffer.compare(this.responder.keyHash, digest('sha1', publicKey.subjectPublicKey, 'buffer')) === 0
  }
}

/** What will be in a response. */
export interface OcspResponseFields {
  /** When it is signed; written to the second. */
  readonly producedAt: Date
  /** One answer a certificate, 1 to 1,024. */
  readonly responses: readonly (Pick<
    OcspSingleResponse,
    'certificateId' | 'certificateStatus' | 'thisUpdate'
  > & { readonly nextUpdate?: Date | undefined })[]
  /** That of the request. */
  readonly nonce?: Uint8Array | undefined
  /** The responder's own certificate, where it is not the issuer itself. */
  readonly certificates?: readonly Certificate[] | undefined
}

/**
 * Builds and signs a response; the responder is named by its key.
 *
 * @throws ERR_INVALID_ARGUMENT; what the signer throws
 */
export async function buildOcspResponse(fields: OcspResponseFields, signer: Signer): Promise<OcspResponse> {
  const { publicKey, signatureAlgorithm } = requireSigner(signer)
  const { responses, producedAt, nonce, certificates = [] } = Object(fields) as Partial<OcspResponseFields>
  if (!Array.isArray(responses) || responses.length === 0 || !(producedAt instanceof Date)) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a response has its time, producedAt, and one answer or more')
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

function encodeSingle({
  certificateId,
  certificateStatus,
  thisUpdate,
  nextUpdate,
}: OcspResponseFields['responses'][number]): Uint8Array {
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
  if (status.status !== 'revoked') return element(contextPrimitive(status.status === 'good' ? 0 : 2))
  // As in a CRL: "unspecified" is said by leaving the reason out (RFC 5280 §5.3.1).
  const reason = status.reason === 'unspecified' ? [] : [explicit(0, encodeReasonCode(status.reason))]
  return element(contextConstructed(1), encodeGeneralizedTime(status.revokedAt.getTime()), ...reason)
}

function checkSize(der: Uint8Array): void {
  const { length } = requireOctets(der, 'the DER of an OCSP response')
  if (length > maxOctets)
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `an OCSP response of ${length} octets; at most ${maxOctets} are read`,
    )
}

function readResponses(list: DerReader): OcspSingleResponse[] {
  const responses: OcspSingleResponse[] = []
  while (!list.done) {
    if (responses.length >= maxResponses)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `an OCSP response about more than ${maxResponses} certificates`,
      )
    const one = list.expect(tags.sequence, 'SingleResponse').inner()
    const certificateId = OcspCertificateId.parse(one.expect(tags.sequence, 'certID').element())
    const certificateStatus = readStatus(one)
    const thisUpdate = readTime(one, 'thisUpdate')
    const nextUpdate = one.optional(contextConstructed(0)) ? readWrappedTime(one, 'nextUpdate') : undefined
    const extensions = one.optional(contextConstructed(1)) ? readExtensionList(one, 'singleExtensions') : []
    one.finish('SingleResponse')
    responses.push({ certificateId, certificateStatus, thisUpdate, nextUpdate, extensions })
  }
  if (responses.length === 0)
    throw new PkiError('ERR_OCSP_MALFORMED', 'an OCSP response about no certificate at all')
  return responses
}

function readStatus(reader: DerReader): OcspCertificateStatus {
  const tag = reader.next()
  if (tag === contextPrimitive(0) || tag === contextPrimitive(2)) {
    nullContent(reader, 'certStatus')
    return { status: tag === contextPrimitive(0) ? 'good' : 'unknown' }
  }
  if (tag !== contextConstructed(1))
    throw new PkiError('ERR_OCSP_MALFORMED', `tag 0x${tag.toString(16)} is no certificate status`)
  const info = reader.inner()
  const revokedAt = readTime(info, 'revocationTime')
  const reason = info.optional(contextConstructed(0)) ? parseReasonCode(info.content()) : 'unspecified'
  info.finish('RevokedInfo')
  return { status: 'revoked', revokedAt, reason }
}

function readResponder(reader: DerReader): BasicOcspResponse['responder'] {
  const tag = reader.next()
  const inner = reader.inner()
  if (tag === contextConstructed(1)) {
    const name = DistinguishedName.fromDer(inner.expect(tags.sequence, 'responderID').element())
    inner.finish('responderID')
    void name.rdns
    return { name }
  }
  if (tag !== contextConstructed(2))
    throw new PkiError('ERR_OCSP_MALFORMED', 'the responder names itself neither by name nor by key')
  const keyHash = inner.expect(tags.octetString, 'responderID').content()
  inner.finish('responderID')
  if (keyHash.length !== 20)
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `a key hash of ${keyHash.length} octets; SHA-1 has 20 (RFC 6960 §4.2.1)`,
    )
  return { keyHash }
}

function readCertificates(reader: DerReader): Uint8Array[] {
  const wrapper = reader.inner()
  const list = wrapper.expect(tags.sequence, 'certs').inner()
  wrapper.finish('certs')
  const certificates: Uint8Array[] = []
  while (!list.done) {
    if (certificates.length >= maxCertificates)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `an OCSP response with more than ${maxCertificates} certificates`,
      )
    certificates.push(list.expect(tags.sequence, 'Certificate').element())
  }
  return certificates
}

function readWrappedTime(reader: DerReader, what: string): Date {
  const inner = reader.inner()
  const time = readTime(inner, what)
  inner.finish(what)
  return time
}

function readTime(reader: DerReader, what: string): Date {
  return new Date(generalizedTimeContent(reader.expect(tags.generalizedTime, what), what))
}

/** The number is the place; 4 is not used. */
const statuses: readonly (OcspResponseStatus | undefined)[] = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  undefined,
  'sigRequired',
  'unauthorized',
]
const basicResponse = '1.3.6.1.5.5.7.48.1.1'
const maxOctets = 256 * 1024
const maxResponses = 1024
const maxCertificates = 16
