// A certificate: a lazy view over its DER. RFC 5280 section 4.1.

import { createHash } from 'node:crypto'
import type { X509Certificate as NodeCertificate } from 'node:crypto'
import type { X509Certificate as PeculiarCertificate } from '@peculiar/x509'
import {
  bitStringContent,
  checkInteger,
  contextConstructed,
  contextPrimitive,
  headerLength,
  readTime,
  readWhole,
  smallInteger,
  tags,
  writeHeader,
} from '../der/index.ts'
import type { DerReader } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { requireOctets } from '../internal/bytes.ts'
import { decodeOnePem, decodePemBlocks, encodePem } from '../internal/pem.ts'
import { AlgorithmIdentifier, checkSignedAlgorithm, readSigned } from './algorithms/signature-algorithm.ts'
import { PublicKey } from './algorithms/public-key.ts'
import { verifySignature } from './algorithms/verify-signature.ts'
import { CertificateExtensions } from './certificate-extensions.ts'
import { inputBytes, toNodeCertificate, toPeculiarCertificate } from './interchange.ts'
import type { RawData } from './interchange.ts'
import { DistinguishedName } from './names/distinguished-name.ts'
import { serialNumberFromBytes } from './serial-number.ts'
import type { SerialNumber } from './serial-number.ts'

/** Every form a certificate is taken in: ours, DER, PEM of one block, `node:crypto`'s, `@peculiar/x509`'s. */
export type CertificateInput = Certificate | Uint8Array | string | NodeCertificate | RawData

/**
 * An X.509 certificate.
 *
 * `parse` checks the outer structure, the version rules and the list of extensions; names, the key and the values of extensions are
 * decoded when first asked for and then throw what is wrong with them. `checkAll` does all of it at once.
 *
 * @example
 * ```ts
 * const certificate = Certificate.from(pem) // or DER, or an object of node:crypto or @peculiar/x509
 * console.log(certificate.subject.toString(), certificate.notAfter, certificate.subjectAltName)
 * ```
 */
export class Certificate extends CertificateExtensions {
  /** DER of the whole certificate, as found. */
  readonly der: Uint8Array
  /** DER of the TBSCertificate: the signed bytes; a view. */
  readonly tbs: Uint8Array
  /** As people count: 3 is the one with extensions. */
  readonly version: 1 | 2 | 3
  /** Content octets of the serial number. */
  readonly serialNumberBytes: Uint8Array
  /** The signature: the octets of the BIT STRING. */
  readonly signature: Uint8Array
  /** The name of whoever signed it. */
  readonly issuer: DistinguishedName
  /** The name of its holder; empty in most X.509-SVIDs. */
  readonly subject: DistinguishedName
  /** First and last millisecond-exact second of validity, in ms since the epoch; both belong to it. */
  readonly notBeforeMs: number
  /** The same for `notAfter`. */
  readonly notAfterMs: number
  /** The certified key; judged when it is first used. */
  readonly publicKey: PublicKey
  /** Whether it has an issuer or subject unique identifier, which CAs must not write any more (RFC 5280 §4.1.2.8). */
  readonly hasUniqueIdentifiers: boolean
  readonly #algorithmDer: Uint8Array
  #signatureAlgorithm: AlgorithmIdentifier | undefined
  #serialNumber: SerialNumber | undefined

  private constructor(der: Uint8Array, parts: Parts) {
    super(parts.extensions)
    this.der = der
    this.tbs = parts.tbs
    this.version = parts.version
    this.serialNumberBytes = parts.serialNumberBytes
    this.signature = parts.signature
    this.issuer = parts.issuer
    this.subject = parts.subject
    this.notBeforeMs = parts.notBeforeMs
    this.notAfterMs = parts.notAfterMs
    this.publicKey = parts.publicKey
    this.hasUniqueIdentifiers = parts.hasUniqueIdentifiers
    this.#algorithmDer = parts.algorithmDer
  }

  /**
   * Parses DER. The bytes are kept, not copied: do not change them afterwards.
   *
   * @throws ERR_CERTIFICATE_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_SERIAL_INVALID, ERR_ALGORITHM_MISMATCH, ERR_EXTENSION_DUPLICATE,
   * ERR_OID_INVALID, ERR_LIMIT_EXCEEDED above 1 MiB, ERR_INVALID_ARGUMENT for what are no octets
   */
  static parse(der: Uint8Array): Certificate {
    const { length } = requireOctets(der, 'the DER of a certificate')
    if (length > maxOctets)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `a certificate of ${String(length)} octets; at most ${String(maxOctets)} are read`,
      )
    return new Certificate(der, readParts(der))
  }

  /** A certificate in any form. @throws as `parse` and `fromPem`; ERR_INVALID_ARGUMENT */
  static from(input: CertificateInput): Certificate {
    if (input instanceof Certificate) return input
    if (typeof input === 'string') return Certificate.fromPem(input)
    return Certificate.parse(inputBytes(input, pemLabels, 'certificate'))
  }

  /** The one certificate of a PEM text. @throws ERR_PEM; as `parse` */
  static fromPem(pem: string | Uint8Array): Certificate {
    return Certificate.parse(decodeOnePem(pem, pemLabels))
  }

  /** Every certificate of a PEM text, in order; blocks with other labels are passed over. @throws ERR_PEM; as `parse` */
  static listFromPem(pem: string | Uint8Array): Certificate[] {
    return decodePemBlocks(pem, pemLabels).map((der) => Certificate.parse(der))
  }

  /** Upper-case hexadecimal; `-` before a negative one. */
  get serialNumber(): SerialNumber {
    this.#serialNumber ??= serialNumberFromBytes(this.serialNumberBytes)
    return this.#serialNumber
  }

  /** The outer one, which is the same as the one that is signed. @throws ERR_DER, ERR_OID_INVALID */
  get signatureAlgorithm(): AlgorithmIdentifier {
    this.#signatureAlgorithm ??= AlgorithmIdentifier.parse(this.#algorithmDer)
    return this.#signatureAlgorithm
  }

  /** First moment of validity. */
  get notBefore(): Date {
    return new Date(this.notBeforeMs)
  }

  /** Last second of validity; it belongs to the period. */
  get notAfter(): Date {
    return new Date(this.notAfterMs)
  }

  /** Whether issuer and subject are the same name (RFC 5280 §6.1). */
  get isSelfIssued(): boolean {
    return this.issuer.equals(this.subject)
  }

  /** The same certificate with another signature: what is signed stays as it was read, and is not read again. */
  withSignature(signature: Uint8Array): Certificate {
    const { tbs } = this
    const algorithm = this.#algorithmDer
    const bitsLength = 1 + signature.length
    const length = tbs.length + algorithm.length + headerLength(bitsLength) + bitsLength
    const der = new Uint8Array(headerLength(length) + length)
    const tbsStart = writeHeader(der, 0, tags.sequence, length)
    der.set(tbs, tbsStart)
    der.set(algorithm, tbsStart + tbs.length)
    // The octet before the signature counts unused bits: none.
    der.set(
      signature,
      1 + writeHeader(der, tbsStart + tbs.length + algorithm.length, tags.bitString, bitsLength),
    )
    const signed = new Certificate(der, {
      tbs: der.subarray(tbsStart, tbsStart + tbs.length),
      version: this.version,
      serialNumberBytes: this.serialNumberBytes,
      signature: der.subarray(der.length - signature.length),
      issuer: this.issuer,
      subject: this.subject,
      notBeforeMs: this.notBeforeMs,
      notAfterMs: this.notAfterMs,
      publicKey: this.publicKey,
      hasUniqueIdentifiers: this.hasUniqueIdentifiers,
      extensions: this,
      algorithmDer: algorithm,
    })
    signed.#serialNumber = this.#serialNumber
    signed.#signatureAlgorithm = this.#signatureAlgorithm
    return signed
  }

  /** Whether the signature verifies with this key; says nothing else about the issuer. */
  verifySignatureBy(issuerKey: PublicKey): boolean {
    return verifySignature(issuerKey, this.signatureAlgorithm, this.tbs, this.signature)
  }

  /** SHA-256 over the DER. */
  fingerprint(): Uint8Array {
    return new Uint8Array(createHash('sha256').update(this.der).digest())
  }

  /**
   * Decodes every field and every known extension now.
   *
   * @throws the first fault found: ERR_DER, ERR_NAME_INVALID, ERR_STRING_INVALID, ERR_KEY_MALFORMED, ERR_EXTENSION_MALFORMED, …
   */
  checkAll(): void {
    void this.signatureAlgorithm
    void this.issuer.rdns
    void this.subject.rdns
    const { problem } = this.publicKey.info
    if (problem?.code === 'ERR_KEY_MALFORMED')
      throw new PkiError(problem.code, `subjectPublicKeyInfo: ${problem.detail}`)
    this.checkExtensions()
  }

  /** Whether both are the same certificate, byte for byte. */
  equals(other: Certificate): boolean {
    return Buffer.compare(this.der, other.der) === 0
  }

  /** One PEM block. */
  toPem(): string {
    return encodePem('CERTIFICATE', this.der)
  }

  /** The certificate as `node:crypto` has it. @throws ERR_CERTIFICATE_MALFORMED where Node refuses it */
  toNode(): NodeCertificate {
    return toNodeCertificate(this.der)
  }

  /** The certificate as `@peculiar/x509` has it; loads that package on first use. */
  toPeculiar(): PeculiarCertificate {
    return toPeculiarCertificate(this.der)
  }

  /** The fields people look at. */
  toJSON(): Record<string, unknown> {
    return {
      serialNumber: this.serialNumber,
      issuer: this.issuer.toString(),
      subject: this.subject.toString(),
      notBefore: this.notBefore.toISOString(),
      notAfter: this.notAfter.toISOString(),
      subjectAltName: this.subjectAltName,
    }
  }
}

/** What a certificate is made of; slices of its DER. */
interface Parts extends Pick<
  Certificate,
  | 'tbs'
  | 'version'
  | 'serialNumberBytes'
  | 'signature'
  | 'issuer'
  | 'subject'
  | 'notBeforeMs'
  | 'notAfterMs'
  | 'publicKey'
  | 'hasUniqueIdentifiers'
> {
  readonly extensions: DerReader | CertificateExtensions | undefined
  readonly algorithmDer: Uint8Array
}

/** Reads the frame; names, key and extensions' values stay as they are. */
function readParts(der: Uint8Array): Parts {
  const certificate = readWhole(der, tags.sequence, 'Certificate')
  const {
    tbs: tbsDer,
    content: tbs,
    algorithm: algorithmDer,
    signature,
  } = readSigned(certificate, 'tbsCertificate')
  certificate.finish('Certificate')

  const version = readVersion(tbs)
  const serialNumberBytes = tbs.expect(tags.integer, 'serialNumber').content()
  checkInteger(der, tbs.contentStart, tbs.contentEnd, 'serialNumber')
  if (serialNumberBytes.length > maxSerialOctets)
    throw new PkiError(
      'ERR_SERIAL_INVALID',
      `a serial number of ${String(serialNumberBytes.length)} octets; at most 20 are allowed (RFC 5280 4.1.2.2)`,
    )
  checkSignedAlgorithm(tbs, algorithmDer, 'RFC 5280 4.1.1.2')
  const issuer = tbs.expect(tags.sequence, 'issuer').element()
  const validity = tbs.expect(tags.sequence, 'validity').inner()
  const notBeforeMs = readTime(validity, 'notBefore')
  const notAfterMs = readTime(validity, 'notAfter')
  validity.finish('validity')
  const subject = tbs.expect(tags.sequence, 'subject').element()
  const spki = tbs.expect(tags.sequence, 'subjectPublicKeyInfo').element()
  // RFC 5280 4.1.2.8: unique identifiers need version 2 or 3; 4.1.2.9: extensions need version 3.
  let hasUniqueIdentifiers = false
  for (const n of [1, 2]) {
    if (!tbs.optional(contextPrimitive(n))) continue
    if (version === 1)
      throw new PkiError('ERR_CERTIFICATE_MALFORMED', 'a unique identifier in a certificate of version 1')
    bitStringContent(tbs, 'uniqueIdentifier')
    hasUniqueIdentifiers = true
  }
  let list: DerReader | undefined
  if (tbs.optional(contextConstructed(3))) {
    if (version !== 3)
      throw new PkiError(
        'ERR_CERTIFICATE_MALFORMED',
        `extensions in a certificate of version ${String(version)}`,
      )
    const wrapper = tbs.inner()
    list = wrapper.expect(tags.sequence, 'extensions').inner()
    wrapper.finish('extensions')
  }
  tbs.finish('tbsCertificate')

  return {
    tbs: tbsDer,
    version,
    serialNumberBytes,
    signature,
    issuer: DistinguishedName.fromDer(issuer),
    subject: DistinguishedName.fromDer(subject),
    notBeforeMs,
    notAfterMs,
    publicKey: PublicKey.fromSpki(spki),
    hasUniqueIdentifiers,
    extensions: list,
    algorithmDer,
  }
}

/** `version [0] EXPLICIT INTEGER DEFAULT v1`: 0, 1 or 2 for version 1, 2 or 3. */
function readVersion(tbs: DerReader): 1 | 2 | 3 {
  if (!tbs.optional(contextConstructed(0))) return 1
  const wrapper = tbs.inner()
  const value = smallInteger(wrapper.expect(tags.integer, 'version'), 'version')
  wrapper.finish('version')
  if (value === 0) throw new PkiError('ERR_DER', 'version 1 is the default and must be left out (X.690 11.5)')
  if (value > 2)
    throw new PkiError(
      'ERR_CERTIFICATE_MALFORMED',
      `version ${String(value + 1)}; only 1 to 3 exist (RFC 5280 4.1.2.1)`,
    )
  return (value + 1) as 2 | 3
}

const pemLabels = ['CERTIFICATE', 'X509 CERTIFICATE']
const maxOctets = 1024 * 1024
const maxSerialOctets = 20
