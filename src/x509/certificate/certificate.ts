// A certificate as a view over its DER, decoded on demand (RFC 5280 section 4.1).

import { createHash } from 'node:crypto'
import type { X509Certificate as NodeCertificate } from 'node:crypto'
import type { X509Certificate as PeculiarCertificate } from '@peculiar/x509'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { decodeOnePem, decodePemBlocks, encodePem } from '../../internal/pem.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import { PublicKey } from '../algorithms/public-key.ts'
import { verifySignature } from '../algorithms/verify-signature.ts'
import { CertificateExtensions } from './certificate-extensions.ts'
import { assembleCertificate, readParts, sameView } from './certificate-parts.ts'
import type { CertificateParts } from './certificate-parts.ts'
import { certificateToJson, formatCertificate } from './describe-certificate.ts'
import { defineInspect } from '../describe.ts'
import { inputBytes, toNodeCertificate, toPeculiarCertificate } from '../interchange.ts'
import type { RawData } from '../interchange.ts'
import { parseBlocks } from '../pem-blocks.ts'
import type { DistinguishedName } from '../names/distinguished-name.ts'
import { serialNumberFromBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'
import { readParseOptions } from '../tolerances.ts'
import type { ParseOptions } from '../tolerances.ts'

/**
 * Every accepted form of a certificate: an object of this class, DER, PEM with one block, or an object of
 * `node:crypto` or `@peculiar/x509`.
 */
export type CertificateInput = Certificate | Uint8Array | string | NodeCertificate | RawData

/**
 * The certificate with these signed octets and this signature, not parsed. `tbs` must have the layout of
 * `model`: the same octets except in the values of serial number, key and extensions, and those values have
 * the same lengths. Not part of the package's public API.
 */
export let certificateOfLayout: (
  model: Certificate,
  tbs: Uint8Array,
  serialNumber: SerialNumber,
  signature: Uint8Array,
) => Certificate

/**
 * An X.509 certificate.
 *
 * `parse` checks the outer structure, the version rules and the list of extensions;
 * names, the key and the values of extensions are decoded on first use, which
 * throws for a malformed one. `checkAll` decodes everything at once.
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
  /** The version number as usually written: 3 is the version with extensions. */
  readonly version: 1 | 2 | 3
  /** Content octets of the serial number. */
  readonly serialNumberBytes: Uint8Array
  /** The signature: the octets of the BIT STRING. */
  readonly signature: Uint8Array
  /** The issuer's name. */
  readonly issuer: DistinguishedName
  /** The subject's name; empty in most X.509-SVIDs. */
  readonly subject: DistinguishedName
  /** The start of validity in ms since the epoch; inclusive. */
  readonly notBeforeMs: number
  /** The end of validity in ms since the epoch; inclusive. */
  readonly notAfterMs: number
  /** The certified key; checked on first use. */
  readonly publicKey: PublicKey
  /**
   * Whether it has an issuer or subject unique identifier, which conforming
   * CAs do not write (RFC 5280 §4.1.2.8).
   */
  readonly hasUniqueIdentifiers: boolean
  readonly #algorithmDer: Uint8Array
  #signatureAlgorithm: AlgorithmIdentifier | undefined
  #serialNumber: SerialNumber | undefined

  static {
    certificateOfLayout = (model, tbs, serialNumber, signature) => {
      const { der, tbsStart } = assembleCertificate(tbs, model.#algorithmDer, signature)
      const shift = tbsStart - model.tbs.byteOffset
      const certificate = new Certificate(der, {
        tbs: der.subarray(tbsStart, tbsStart + tbs.length),
        version: model.version,
        serialNumberBytes: sameView(der, shift, model.serialNumberBytes),
        signature: der.subarray(der.length - signature.length),
        issuer: model.issuer,
        subject: model.subject,
        notBeforeMs: model.notBeforeMs,
        notAfterMs: model.notAfterMs,
        publicKey: PublicKey.over(sameView(der, shift, model.publicKey.spki)),
        hasUniqueIdentifiers: model.hasUniqueIdentifiers,
        tolerances: model.tolerances,
        extensions: () => readParts(der, model.tolerances).extensions as DerReader,
        algorithmDer: model.#algorithmDer,
      })
      certificate.#serialNumber = serialNumber
      certificate.#signatureAlgorithm = model.signatureAlgorithm
      return certificate
    }
  }

  private constructor(der: Uint8Array, parts: CertificateParts) {
    super(parts.extensions, parts.tolerances)
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
   * Parses a copy of DER.
   *
   * @throws ERR_CERTIFICATE_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_SERIAL_INVALID,
   *   ERR_ALGORITHM_MISMATCH, ERR_EXTENSION_DUPLICATE, ERR_OID_INVALID,
   *   ERR_LIMIT_EXCEEDED above 1 MiB, ERR_INVALID_ARGUMENT if not given octets
   */
  static parse(der: Uint8Array, options?: ParseOptions): Certificate {
    const { length } = requireOctets(der, 'the DER of a certificate')
    if (length > maxOctets)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `the certificate has ${String(length)} octets; the maximum is ${String(maxOctets)}`,
      )
    const own = new Uint8Array(der)
    return new Certificate(own, readParts(own, readParseOptions('Certificate.parse', options)))
  }

  /** A certificate in any form. @throws as `parse` and `fromPem`; ERR_INVALID_ARGUMENT */
  static from(input: CertificateInput, options?: ParseOptions): Certificate {
    if (input instanceof Certificate) return input
    if (typeof input === 'string') return Certificate.fromPem(input, options)
    return Certificate.parse(inputBytes(input, pemLabels, 'certificate'), options)
  }

  /** The certificate in a PEM text that contains exactly one. @throws ERR_PEM; as `parse` */
  static fromPem(pem: string | Uint8Array, options?: ParseOptions): Certificate {
    return Certificate.parse(decodeOnePem(pem, pemLabels), options)
  }

  /**
   * Every certificate of a PEM text, in order; blocks with other labels are skipped.
   * @throws ERR_PEM; as `parse`
   */
  static listFromPem(pem: string | Uint8Array, options?: ParseOptions): Certificate[] {
    return parseBlocks(decodePemBlocks(pem, pemLabels), (der) => Certificate.parse(der, options))
  }

  /** Upper-case hexadecimal, with `-` for a negative number. */
  get serialNumber(): SerialNumber {
    this.#serialNumber ??= serialNumberFromBytes(this.serialNumberBytes)
    return this.#serialNumber
  }

  /** The outer identifier, which is equal to the signed one. @throws ERR_DER, ERR_OID_INVALID */
  get signatureAlgorithm(): AlgorithmIdentifier {
    this.#signatureAlgorithm ??= AlgorithmIdentifier.parse(this.#algorithmDer)
    return this.#signatureAlgorithm
  }

  /** The first second of validity. */
  get notBefore(): Date {
    return new Date(this.notBeforeMs)
  }

  /** The last second of validity, inclusive. */
  get notAfter(): Date {
    return new Date(this.notAfterMs)
  }

  /** Whether issuer and subject are the same name (self-issued, RFC 5280 §6.1). */
  get isSelfIssued(): boolean {
    return this.issuer.equals(this.subject)
  }

  /** The same certificate with another signature; shares the parsed fields. */
  withSignature(signature: Uint8Array): Certificate {
    const { tbs } = this
    const algorithm = this.#algorithmDer
    const { der, tbsStart } = assembleCertificate(tbs, algorithm, signature)
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
      tolerances: this.tolerances,
      extensions: this,
      algorithmDer: algorithm,
    })
    signed.#serialNumber = this.#serialNumber
    signed.#signatureAlgorithm = this.#signatureAlgorithm
    return signed
  }

  /** Whether the signature verifies with this key; does not check anything else of the issuer. */
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
   * @throws the first fault found: ERR_DER, ERR_NAME_INVALID,
   *   ERR_STRING_INVALID, ERR_KEY_MALFORMED, ERR_EXTENSION_MALFORMED, …
   */
  checkAll(): void {
    this.checkPathFields()
    this.checkLocations()
  }

  /**
   * Like `checkAll`, without the extensions that only give locations, which RFC 5280 section 6 does not read;
   * `checkLocations` checks them.
   *
   * @throws as `checkAll`
   */
  checkPathFields(): void {
    void this.signatureAlgorithm
    this.issuer.check()
    this.subject.check()
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

  /**
   * The certificate as a `node:crypto` object. @throws ERR_CERTIFICATE_MALFORMED if Node cannot parse it;
   * ERR_KEY_EXPLICIT_PARAMETERS, because Node would import the key
   */
  toNode(): NodeCertificate {
    return toNodeCertificate(this.der)
  }

  /** The certificate as an object of `@peculiar/x509`, which is loaded on first use. */
  toPeculiar(): PeculiarCertificate {
    return toPeculiarCertificate(this.der)
  }

  /**
   * The main fields, one per line; also the output of `util.inspect`. An
   * unreadable field is shown with the reason.
   */
  override toString(): string {
    return formatCertificate(this)
  }

  /** The main fields as strings. Never throws: an unreadable field holds the reason. */
  toJSON(): Record<string, unknown> {
    return certificateToJson(this)
  }
}

defineInspect(Certificate.prototype)

const pemLabels = ['CERTIFICATE', 'X509 CERTIFICATE']
const maxOctets = 1024 * 1024
