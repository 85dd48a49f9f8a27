// The signed part of an OCSP response: single responses and the responder (RFC 6960 §4.2.1).

import { hash as digest } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { readBasicOcspToAccuse } from '../accusing/accusing-ocsp-fields.ts'
import type { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import type { PublicKey } from '../algorithms/public-key.ts'
import { verifySignature } from '../algorithms/verify-signature.ts'
import type { Extension } from '../extensions/extension.ts'
import type { DistinguishedName } from '../names/distinguished-name.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { readBasicOcsp } from './basic-ocsp-fields.ts'
import type { BasicOcspParts } from './basic-ocsp-fields.ts'
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

  private constructor(parts: BasicOcspParts) {
    this.tbs = parts.tbs
    this.signatureAlgorithm = parts.signatureAlgorithm
    this.signature = parts.signature
    this.responder = parts.responder
    this.producedAt = parts.producedAt
    this.responses = parts.responses
    this.extensions = parts.extensions
    this.nonce = parts.nonce
    this.certificates = parts.certificates
  }

  /** A response over the content of `responseBytes`, which never changes. @throws as `OcspResponse.parse` */
  static parse(der: Uint8Array, tolerances: readonly Tolerance[] = noTolerances): BasicOcspResponse {
    checkOcspSize(der)
    return new BasicOcspResponse(readBasicOcsp(der, tolerances))
  }

  /** Like `readAnswerToAccuse`, over octets that never change. */
  static toAccuse(der: Uint8Array, tolerances: readonly Tolerance[]): BasicOcspResponse {
    return new BasicOcspResponse(readBasicOcspToAccuse(der, tolerances))
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

const maxOctets = 256 * 1024
