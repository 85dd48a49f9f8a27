// The signed part of an OCSP response: single responses and the responder (RFC 6960 §4.2.1).

import { hash as digest } from 'node:crypto'
import { contextConstructed, readWhole, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { readSigned } from '../algorithms/signed-parts.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import type { PublicKey } from '../algorithms/public-key.ts'
import { verifySignature } from '../algorithms/verify-signature.ts'
import type { Extension } from '../extensions/extension.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { readExtensionList, readNonce, readVersion, readableNonce } from './ocsp-extensions.ts'
import { readResponses, readTime } from './ocsp-single-response.ts'
import type { OcspSingleResponse } from './ocsp-single-response.ts'

/** BasicOCSPResponse: signed single responses. */
export class BasicOcspResponse {
  /** DER of the ResponseData: the signed bytes; a view. */
  readonly tbs: Uint8Array
  /** The signature algorithm. */
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The signature, as it is in the BIT STRING. */
  readonly signature: Uint8Array
  /** The responder: a name, or the SHA-1 hash of a key. */
  readonly responder: { readonly name: DistinguishedName } | { readonly keyHash: Uint8Array }
  /** The time of the signature. */
  readonly producedAt: Date
  /** One single response for each certificate. */
  readonly responses: readonly OcspSingleResponse[]
  /** Extensions of the response as a whole. */
  readonly extensions: readonly Extension[]
  /** The nonce copied from the request; undefined if it is absent. */
  readonly nonce: Uint8Array | undefined
  /** DER of the included certificates, which are not verified yet. */
  readonly certificates: readonly Uint8Array[]

  private constructor(der: Uint8Array, tolerances: readonly Tolerance[], toAccuse: boolean) {
    const outer = readWhole(der, tags.sequence, 'BasicOCSPResponse')
    const { tbs: tbsDer, content: tbs, algorithm, signature } = readSigned(outer, 'tbsResponseData')
    this.tbs = tbsDer
    this.signatureAlgorithm = AlgorithmIdentifier.parse(algorithm)
    this.signature = signature
    this.certificates = outer.optional(contextConstructed(0)) ? readCertificates(outer) : noItems
    outer.finish('BasicOCSPResponse')
    readVersion(tbs, tolerances)
    this.responder = Object.freeze(readResponder(tbs, tolerances))
    this.producedAt = readTime(tbs, 'producedAt')
    this.responses = readResponses(tbs.expect(tags.sequence, 'responses').inner(), tolerances, toAccuse)
    this.extensions = Object.freeze(
      tbs.optional(contextConstructed(1)) ? readExtensionList(tbs, 'responseExtensions', tolerances) : [],
    )
    tbs.finish('tbsResponseData')
    this.nonce = toAccuse ? readableNonce(this.extensions) : readNonce(this.extensions)
  }

  /**
   * Over the content of `responseBytes`, which never changes; as `OcspResponse.parse`, or `toAccuse` as
   * `readAnswerToAccuse`.
   */
  static parse(
    der: Uint8Array,
    tolerances: readonly Tolerance[] = noTolerances,
    toAccuse = false,
  ): BasicOcspResponse {
    checkOcspSize(der)
    return new BasicOcspResponse(der, tolerances, toAccuse)
  }

  /** Whether the signature verifies with this key; does not check the responder's authority. */
  verifySignatureBy(key: PublicKey): boolean {
    return verifySignature(key, this.signatureAlgorithm, this.tbs, this.signature)
  }

  /** Whether the responder ID is this name or key. */
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

/** @throws ERR_LIMIT_EXCEEDED above 256 KiB; ERR_INVALID_ARGUMENT */
export function checkOcspSize(der: Uint8Array): void {
  const { length } = requireOctets(der, 'the DER of an OCSP response')
  if (length > maxOctets)
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `the OCSP response has ${length} octets; the maximum is ${maxOctets}`,
    )
}

function readResponder(reader: DerReader, tolerances: readonly Tolerance[]): BasicOcspResponse['responder'] {
  const tag = reader.next()
  const inner = reader.inner()
  if (tag === contextConstructed(1)) {
    const name = DistinguishedName.over(
      inner.expect(tags.sequence, 'responderID').element(),
      tolerances,
      'responderID',
    )
    inner.finish('responderID')
    void name.rdns
    return { name }
  }
  if (tag !== contextConstructed(2))
    throw new PkiError('ERR_OCSP_MALFORMED', 'the responder ID is neither a name nor a key hash')
  const keyHash = inner.expect(tags.octetString, 'responderID').content()
  inner.finish('responderID')
  if (keyHash.length !== 20)
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `the key hash has ${keyHash.length} octets; expected 20, of SHA-1 (RFC 6960 §4.2.1)`,
    )
  return { keyHash }
}

function readCertificates(reader: DerReader): readonly Uint8Array[] {
  const wrapper = reader.inner()
  const list = wrapper.expect(tags.sequence, 'certs').inner()
  wrapper.finish('certs')
  const certificates: Uint8Array[] = []
  while (!list.done) {
    if (certificates.length >= maxCertificates)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `the OCSP response has more than ${maxCertificates} certificates`,
      )
    certificates.push(list.expect(tags.sequence, 'Certificate').element())
  }
  return Object.freeze(certificates)
}

const noItems: readonly Uint8Array[] = Object.freeze([])
const maxOctets = 256 * 1024
const maxCertificates = 16
