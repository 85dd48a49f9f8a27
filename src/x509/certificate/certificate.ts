// A certificate as a view over its DER, decoded on demand (RFC 5280 section 4.1).

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
} from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { decodeOnePem, decodePemBlocks, encodePem } from '../../internal/pem.ts'
import { AlgorithmIdentifier, checkSignedAlgorithm, readSigned } from '../algorithms/signature-algorithm.ts'
import { PublicKey } from '../algorithms/public-key.ts'
import { verifySignature } from '../algorithms/verify-signature.ts'
import { CertificateExtensions } from './certificate-extensions.ts'
import {
  defineInspect,
  formatFingerprint,
  formatKey,
  formatNames,
  formatRows,
  formatTime,
  namesOf,
  readable,
  readableList,
} from '../describe.ts'
import { inputBytes, toNodeCertificate, toPeculiarCertificate } from '../interchange.ts'
import type { RawData } from '../interchange.ts'
import { parseBlocks } from '../pem-blocks.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import { serialNumberFromBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'
import { readParseOptions, refuseExplicitDefault } from '../tolerances.ts'
import type { ParseOptions, Tolerance } from '../tolerances.ts'

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
      const { der, tbsStart } = assemble(tbs, model.#algorithmDer, signature)
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

  private constructor(der: Uint8Array, parts: Parts) {
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
        `the certificate has ${String(length)} octets; at most ${String(maxOctets)} are read`,
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
    const { der, tbsStart } = assemble(tbs, algorithm, signature)
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

  /** The certificate as a `node:crypto` object. @throws ERR_CERTIFICATE_MALFORMED if Node cannot parse it */
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
    return formatRows('Certificate', [
      ['subject', () => (this.subject.isEmpty ? undefined : this.subject.toString())],
      ['names', () => formatNames(this.subjectAltName)],
      ['signed by', () => (this.isSelfIssued ? 'itself' : this.issuer.toString())],
      ['key', () => `${formatKey(this.publicKey)}, for ${this.keyUsage?.names.join(' and ') ?? 'anything'}`],
      ['valid', () => `${formatTime(this.notBefore)} to ${formatTime(this.notAfter)}`],
      ['serial', () => this.serialNumber],
      ['SHA-256', () => formatFingerprint(this.fingerprint())],
    ])
  }

  /** The main fields as strings. Never throws: an unreadable field holds the reason. */
  toJSON(): Record<string, unknown> {
    return {
      subject: readable(() => this.subject.toString()),
      issuer: readable(() => this.issuer.toString()),
      serialNumber: readable(() => this.serialNumber),
      notBefore: this.notBefore.toISOString(),
      notAfter: this.notAfter.toISOString(),
      uris: readableList(() => namesOf(this.subjectAltName, 'uri')),
      dnsNames: readableList(() => namesOf(this.subjectAltName, 'dns')),
      ipAddresses: readableList(() => namesOf(this.subjectAltName, 'ip')),
      isCa: readable(() => String(this.basicConstraints?.ca === true)) === 'true',
      keyAlgorithm: readable(() => formatKey(this.publicKey)),
      signatureAlgorithm: readable(
        () => this.signatureAlgorithm.signatureAlgorithm ?? this.signatureAlgorithm.oid,
      ),
      sha256Fingerprint: formatFingerprint(this.fingerprint()),
    }
  }
}

defineInspect(Certificate.prototype)

/** The parsed parts of a certificate; slices of its DER. */
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
  | 'tolerances'
> {
  readonly extensions: DerReader | CertificateExtensions | (() => DerReader) | undefined
  readonly algorithmDer: Uint8Array
}

/** `Certificate`: the signed octets, their algorithm, the signature. */
function assemble(
  tbs: Uint8Array,
  algorithm: Uint8Array,
  signature: Uint8Array,
): { readonly der: Uint8Array; readonly tbsStart: number } {
  const bitsLength = 1 + signature.length
  const length = tbs.length + algorithm.length + headerLength(bitsLength) + bitsLength
  const der = new Uint8Array(headerLength(length) + length)
  const tbsStart = writeHeader(der, 0, tags.sequence, length)
  der.set(tbs, tbsStart)
  der.set(algorithm, tbsStart + tbs.length)
  // The octet before the signature is the count of unused bits: 0.
  der.set(
    signature,
    1 + writeHeader(der, tbsStart + tbs.length + algorithm.length, tags.bitString, bitsLength),
  )
  return { der, tbsStart }
}

/** The octets of `der` at the position of `view` in another buffer, moved by `shift`. */
function sameView(der: Uint8Array, shift: number, { byteOffset, length }: Uint8Array): Uint8Array {
  return der.subarray(byteOffset + shift, byteOffset + shift + length)
}

/** Reads the frame; names, key and values of extensions are not decoded. */
function readParts(der: Uint8Array, tolerances: readonly Tolerance[]): Parts {
  const certificate = readWhole(der, tags.sequence, 'Certificate')
  const {
    tbs: tbsDer,
    content: tbs,
    algorithm: algorithmDer,
    signature,
  } = readSigned(certificate, 'tbsCertificate')
  certificate.finish('Certificate')

  const version = readVersion(tbs, tolerances)
  const serialNumberBytes = tbs.expect(tags.integer, 'serialNumber').content()
  checkInteger(der, tbs.contentStart, tbs.contentEnd, 'serialNumber')
  if (serialNumberBytes.length > maxSerialOctets)
    throw new PkiError(
      'ERR_SERIAL_INVALID',
      `the serial number has ${serialNumberBytes.length} octets; at most ${maxSerialOctets} are read`,
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
      throw new PkiError('ERR_CERTIFICATE_MALFORMED', 'a version 1 certificate has a unique identifier')
    bitStringContent(tbs, 'uniqueIdentifier')
    hasUniqueIdentifiers = true
  }
  let list: DerReader | undefined
  if (tbs.optional(contextConstructed(3))) {
    if (version !== 3)
      throw new PkiError(
        'ERR_CERTIFICATE_MALFORMED',
        `a version ${String(version)} certificate has extensions`,
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
    issuer: DistinguishedName.over(issuer, tolerances),
    subject: DistinguishedName.over(subject, tolerances),
    notBeforeMs,
    notAfterMs,
    publicKey: PublicKey.over(spki),
    hasUniqueIdentifiers,
    tolerances,
    extensions: list,
    algorithmDer,
  }
}

/** `version [0] EXPLICIT INTEGER DEFAULT v1`: 0, 1 or 2 for version 1, 2 or 3. */
function readVersion(tbs: DerReader, tolerances: readonly Tolerance[]): 1 | 2 | 3 {
  if (!tbs.optional(contextConstructed(0))) return 1
  const wrapper = tbs.inner()
  const value = smallInteger(wrapper.expect(tags.integer, 'version'), 'version')
  wrapper.finish('version')
  if (value === 0) refuseExplicitDefault('version 1', tolerances)
  if (value > 2)
    throw new PkiError(
      'ERR_CERTIFICATE_MALFORMED',
      `version ${String(value + 1)}; only 1 to 3 exist (RFC 5280 4.1.2.1)`,
    )
  return (value + 1) as 1 | 2 | 3
}

const pemLabels = ['CERTIFICATE', 'X509 CERTIFICATE']
const maxOctets = 1024 * 1024
/** Above the 20 octets of RFC 5280 4.1.2.2, which path validation enforces: certificates with more exist. */
const maxSerialOctets = 1024
