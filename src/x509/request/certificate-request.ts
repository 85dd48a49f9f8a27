// A certification request (RFC 2986, PKCS #10, with extension requests by RFC 2985 section 5.4.2): a view
// over its DER.

import { describeSignatureAlgorithm, unverifiedReason } from '../algorithms/signature-fault.ts'
import type { Pkcs10CertificateRequest } from '@peculiar/x509'
import { readWhole, smallInteger, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { decodeOnePem, encodePem } from '../../internal/pem.ts'
import { readSigned } from '../algorithms/signed-parts.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import { PublicKey } from '../algorithms/public-key.ts'
import { verifySignatureOnce } from '../algorithms/verify-signature.ts'
import { CertificateExtensions } from '../certificate/certificate-extensions.ts'
import { inputBytes, toPeculiarRequest } from '../interchange.ts'
import type { RawData } from '../interchange.ts'
import { defineInspect, formatKey, formatNames, formatRows, readable, readableList } from '../describe.ts'
import { DistinguishedName } from '../names/distinguished-name.ts'
import { formatGeneralName } from '../names/general-name.ts'
import { readParseOptions } from '../tolerances.ts'
import type { ParseOptions, Tolerance } from '../tolerances.ts'
import { readAttributes, readChallengePassword, valuesOf } from './request-attributes.ts'
import type { FoundAttribute } from './request-attributes.ts'

/**
 * Every accepted form of a request: an object of this class, DER, PEM with one block, or an object of
 * `@peculiar/x509`.
 *
 * @inline
 */
export type CertificateRequestInput = CertificateRequest | Uint8Array | string | RawData

/**
 * A certification request. Its extension getters (`subjectAltName`, `basicConstraints`, …) return what the
 * sender *requests*; no policy has approved it.
 *
 * @example
 * ```ts
 * const proven = CertificateRequest.from(pem).verify() // throws if the sender does not hold the key
 * proven.publicKey.checkStrength()
 * ```
 */
export class CertificateRequest extends CertificateExtensions {
  /** DER of the whole request, as found. */
  readonly der: Uint8Array
  /** DER of the CertificationRequestInfo: the signed bytes; a view. */
  readonly info: Uint8Array
  /** The requested name, often empty. */
  readonly subject: DistinguishedName
  /** The key to be certified. */
  readonly publicKey: PublicKey
  /** The signature algorithm of the request. */
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The signature, as it is in the BIT STRING; `verify` checks it. */
  readonly signature: Uint8Array
  readonly #attributes: readonly FoundAttribute[]
  #types: readonly string[] | undefined

  private constructor(der: Uint8Array, tolerances: readonly Tolerance[]) {
    const request = readWhole(der, tags.sequence, 'CertificationRequest')
    const {
      tbs: infoDer,
      content: info,
      algorithm,
      signature,
    } = readSigned(request, 'certificationRequestInfo')
    request.finish('CertificationRequest')

    const version = smallInteger(info.expect(tags.integer, 'version'), 'version')
    if (version !== 0)
      throw new PkiError('ERR_CSR_MALFORMED', `found version ${String(version)}, expected 0 (RFC 2986 4.1)`)
    const subject = info.expect(tags.sequence, 'subject').element()
    const spki = info.expect(tags.sequence, 'subjectPKInfo').element()
    const { attributes, requested } = readAttributes(info)
    info.finish('certificationRequestInfo')

    super(requested, tolerances)
    this.der = der
    this.info = infoDer
    this.subject = DistinguishedName.over(subject, tolerances, 'subject')
    this.publicKey = PublicKey.over(spki)
    this.signatureAlgorithm = AlgorithmIdentifier.parse(algorithm)
    this.signature = signature
    this.#attributes = attributes
  }

  /**
   * Parses a copy of DER; the signature is not checked, see `verify`. The values of attributes other than the
   * extension request are decoded on first use.
   *
   * @throws ERR_CSR_TOO_LARGE above 64 KiB, ERR_CSR_MALFORMED, ERR_DER, ERR_EXTENSION_DUPLICATE,
   *   ERR_OID_INVALID, ERR_INVALID_ARGUMENT if not given octets
   */
  static parse(der: Uint8Array, options?: ParseOptions): CertificateRequest {
    const { length } = requireOctets(der, 'the DER of a certification request')
    if (length > maxOctets) throw tooLarge(length)
    return new CertificateRequest(new Uint8Array(der), readParseOptions('CertificateRequest.parse', options))
  }

  /** A request in any form. @throws as `parse` and `fromPem`; ERR_INVALID_ARGUMENT */
  static from(input: CertificateRequestInput, options?: ParseOptions): CertificateRequest {
    if (input instanceof CertificateRequest) return input
    if (typeof input === 'string') return CertificateRequest.fromPem(input, options)
    return CertificateRequest.parse(inputBytes(input, pemLabels, 'certification request'), options)
  }

  /** The request in a PEM text that contains exactly one. @throws ERR_PEM, ERR_CSR_TOO_LARGE; as `parse` */
  static fromPem(pem: string | Uint8Array, options?: ParseOptions): CertificateRequest {
    const { length } = typeof pem === 'string' ? pem : requireOctets(pem, 'PEM must be a string or octets')
    if (length > maxPemLength) throw tooLarge(length)
    const der = decodeOnePem(pem, pemLabels)
    if (der.length > maxOctets) throw tooLarge(der.length)
    return new CertificateRequest(der, readParseOptions('CertificateRequest.fromPem', options))
  }

  /**
   * Checks the proof of possession: the request is signed with the private half of its own key.
   *
   * @throws ERR_CSR_SIGNATURE; ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS,
   *   ERR_KEY_MALFORMED, ERR_ALGORITHM_UNSUPPORTED
   */
  verify(): ProvenRequest {
    if (this.signatureAlgorithm.signatureAlgorithm === undefined) {
      throw new PkiError(
        'ERR_ALGORITHM_UNSUPPORTED',
        `the request is signed with ${describeSignatureAlgorithm(this.signatureAlgorithm)}, ` +
          'which is not supported',
      )
    }
    if (!verifySignatureOnce(this.publicKey, this.signatureAlgorithm, this.info, this.signature)) {
      this.publicKey.keyObject() // reports an unusable key with its own code, not as a bad signature
      throw new PkiError(
        'ERR_CSR_SIGNATURE',
        'the request does not prove possession of its key: ' +
          unverifiedReason(this, this.publicKey, 'its own key'),
      )
    }
    return new Proven(this)
  }

  /** Types of the attributes, dotted, in order. */
  get attributes(): readonly string[] {
    this.#types ??= Object.freeze(this.#attributes.map(({ type }) => type))
    return this.#types
  }

  /**
   * DER of the values of an attribute, by its type; undefined if the request does not have it.
   *
   * @throws ERR_CSR_MALFORMED if it has no value; ERR_DER, ERR_DER_DEPTH, ERR_OID_INVALID,
   *   ERR_STRING_INVALID, ERR_TIME_INVALID for a value that is not DER
   */
  attributeValues(type: string): readonly Uint8Array[] | undefined {
    const found = this.#attributes.find((attribute) => attribute.type === type)
    return found && valuesOf(found)
  }

  /**
   * The challenge password (RFC 2985 §5.4.1). A secret: `toString` and `toJSON` do not show it.
   * @throws ERR_CSR_MALFORMED, ERR_DER, ERR_STRING_INVALID
   */
  get challengePassword(): string | undefined {
    return readChallengePassword(this.#attributes)
  }

  /**
   * Decodes the subject, the key, every requested extension and the values of every attribute now.
   * @throws the first fault found
   */
  checkAll(): void {
    void this.subject.rdns
    const { problem } = this.publicKey.info
    if (problem?.code === 'ERR_KEY_MALFORMED')
      throw new PkiError(problem.code, `subjectPKInfo: ${problem.detail}`)
    this.checkExtensions()
    this.checkLocations()
    for (const attribute of this.#attributes) valuesOf(attribute)
    readChallengePassword(this.#attributes)
  }

  /** One PEM block. */
  toPem(): string {
    return encodePem('CERTIFICATE REQUEST', this.der)
  }

  /**
   * The main fields, one per line; also the output of `util.inspect`. An
   * unreadable field is shown with the reason.
   */
  override toString(): string {
    return formatRows('CertificateRequest', [
      ['subject', () => (this.subject.isEmpty ? undefined : this.subject.toString())],
      ['names', () => formatNames(this.subjectAltName)],
      ['key', () => formatKey(this.publicKey)],
      ['signed with', () => this.signatureAlgorithm.signatureAlgorithm ?? this.signatureAlgorithm.oid],
      ['attributes', () => this.attributes.join(', ')],
    ])
  }

  /** The main fields. Never throws: an unreadable field holds the reason. */
  toJSON(): Record<string, unknown> {
    return {
      subject: readable(() => this.subject.toString()),
      subjectAltName: readableList(() => this.subjectAltName?.map(formatGeneralName)),
      keyAlgorithm: readable(() => formatKey(this.publicKey)),
      signatureAlgorithm: readable(
        () => this.signatureAlgorithm.signatureAlgorithm ?? this.signatureAlgorithm.oid,
      ),
      attributes: this.attributes,
    }
  }

  /** The request as an object of `@peculiar/x509`, which is loaded on first use. */
  toPeculiar(): Pkcs10CertificateRequest {
    return toPeculiarRequest(this.der)
  }
}

defineInspect(CertificateRequest.prototype)

/** A request whose signature was verified; only `CertificateRequest.verify` makes one. */
export interface ProvenRequest {
  /** The request whose signature was verified. */
  readonly request: CertificateRequest
  /** Its key; the sender has proved possession of the private half. */
  readonly publicKey: PublicKey
}

/** Whether `value` was made by `CertificateRequest.verify`, checked at run time. */
export function isProvenRequest(value: unknown): value is ProvenRequest {
  return Proven.is(value)
}

/** The private field can be set only in this file, so its presence is the proof. */
class Proven implements ProvenRequest {
  readonly #request: CertificateRequest

  constructor(request: CertificateRequest) {
    this.#request = request
  }

  get request(): CertificateRequest {
    return this.#request
  }

  get publicKey(): PublicKey {
    return this.#request.publicKey
  }

  static is(value: unknown): boolean {
    return typeof value === 'object' && value !== null && #request in value
  }
}

function tooLarge(length: number): PkiError {
  return new PkiError(
    'ERR_CSR_TOO_LARGE',
    `the certification request has ${String(length)} octets; the maximum is ${String(maxOctets)}`,
  )
}

const pemLabels = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']
const maxOctets = 64 * 1024
/** Base64 of the octets, line ends and the two marks. */
const maxPemLength = Math.ceil((maxOctets * 4) / 3) + 8 * 1024
