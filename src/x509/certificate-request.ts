// A certification request (CSR): a view over its DER. RFC 2986 (PKCS #10), extension requests by RFC 2985 section 5.4.2.
// A certification request from any Signer. RFC 2986; extension request by RFC 2985 section 5.4.2.

import type { Pkcs10CertificateRequest } from '@peculiar/x509'
import {
  checkWellFormed,
  contextConstructed,
  explicit,
  integer,
  oid,
  oidContent,
  readWhole,
  sequence,
  setOf,
  smallInteger,
  tags,
} from '../der/index.ts'
import type { DerReader } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { requireOctets } from '../internal/bytes.ts'
import { decodeOnePem, encodePem } from '../internal/pem.ts'
import { AlgorithmIdentifier, readSigned } from './algorithms/signature-algorithm.ts'
import { PublicKey } from './algorithms/public-key.ts'
import type { Signer } from './algorithms/signer.ts'
import { verifySignature } from './algorithms/verify-signature.ts'
import { assembleSigned, requireSigner } from './certificate-builder.ts'
import { CertificateExtensions } from './certificate-extensions.ts'
import { encodeExtensionFields } from './extension-fields.ts'
import type { ExtensionFields } from './extension-fields.ts'
import { encodeExtension } from './extensions/extension.ts'
import { inputBytes, toPeculiarRequest } from './interchange.ts'
import type { RawData } from './interchange.ts'
import { DistinguishedName } from './names/distinguished-name.ts'

/** Every form a request is taken in: ours, DER, PEM of one block, `@peculiar/x509`'s. */
export type CertificateRequestInput = CertificateRequest | Uint8Array | string | RawData

/**
 * A certification request. Its extension getters (`subjectAltName`, `basicConstraints`, …) give what the requester *asks* for, which
 * nobody has agreed to yet.
 *
 * @example
 * ```ts
 * const proven = CertificateRequest.from(pem).verify() // throws where the sender does not hold the key
 * proven.publicKey.checkStrength()
 * ```
 */
export class CertificateRequest extends CertificateExtensions {
  /** DER of the whole request, as found. */
  readonly der: Uint8Array
  /** DER of the CertificationRequestInfo: the signed bytes; a view. */
  readonly info: Uint8Array
  /** The name that is asked for: a wish, often empty. */
  readonly subject: DistinguishedName
  /** The key that a certificate is asked for. */
  readonly publicKey: PublicKey
  /** What the request is signed with. */
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The signature, as it is in the BIT STRING; `verify` checks it. */
  readonly signature: Uint8Array
  /** Types of the attributes, dotted, in order. */
  readonly attributes: readonly string[]

  private constructor(der: Uint8Array) {
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
      throw new PkiError('ERR_CSR_MALFORMED', `version ${String(version)} where 0 is wanted (RFC 2986 4.1)`)
    const subject = info.expect(tags.sequence, 'subject').element()
    const spki = info.expect(tags.sequence, 'subjectPKInfo').element()
    const { types, requested } = readAttributes(info)
    info.finish('certificationRequestInfo')

    super(requested)
    this.der = der
    this.info = infoDer
    this.subject = DistinguishedName.fromDer(subject)
    this.publicKey = PublicKey.fromSpki(spki)
    this.signatureAlgorithm = AlgorithmIdentifier.parse(algorithm)
    this.signature = signature
    this.attributes = types
  }

  /**
   * Parses DER; the signature is not checked, see `verify`.
   *
   * @throws ERR_CSR_TOO_LARGE above 64 KiB, ERR_CSR_MALFORMED, ERR_DER, ERR_EXTENSION_DUPLICATE, ERR_OID_INVALID, ERR_INVALID_ARGUMENT for what
   * are no octets
   */
  static parse(der: Uint8Array): CertificateRequest {
    const { length } = requireOctets(der, 'the DER of a certification request')
    if (length > maxOctets) throw tooLarge(length)
    return new CertificateRequest(der)
  }

  /** A request in any form. @throws as `parse` and `fromPem`; ERR_INVALID_ARGUMENT */
  static from(input: CertificateRequestInput): CertificateRequest {
    if (input instanceof CertificateRequest) return input
    if (typeof input === 'string') return CertificateRequest.fromPem(input)
    return CertificateRequest.parse(inputBytes(input, pemLabels, 'certification request'))
  }

  /** The one request of a PEM text. @throws ERR_PEM, ERR_CSR_TOO_LARGE; as `parse` */
  static fromPem(pem: string | Uint8Array): CertificateRequest {
    const { length } = typeof pem === 'string' ? pem : requireOctets(pem, 'PEM that is no text')
    if (length > maxPemLength) throw tooLarge(length)
    return CertificateRequest.parse(decodeOnePem(pem, pemLabels))
  }

  /**
   * Checks the proof of possession: the request's signature by the private half of its own key.
   *
   * @throws ERR_CSR_SIGNATURE; ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS, ERR_KEY_MALFORMED, ERR_ALGORITHM_UNSUPPORTED
   */
  verify(): ProvenRequest {
    if (this.signatureAlgorithm.signatureAlgorithm === undefined) {
      throw new PkiError(
        'ERR_ALGORITHM_UNSUPPORTED',
        `the request is signed with ${this.signatureAlgorithm.oid}`,
      )
    }
    if (!verifySignature(this.publicKey, this.signatureAlgorithm, this.info, this.signature)) {
      this.publicKey.keyObject() // so that an unusable key is called one, not a bad signature
      throw new PkiError('ERR_CSR_SIGNATURE', 'the signature of the request does not verify with its own key')
    }
    return new Proven(this)
  }

  /** Decodes the subject, the key and every requested extension now. @throws the first fault found */
  checkAll(): void {
    void this.subject.rdns
    const { problem } = this.publicKey.info
    if (problem?.code === 'ERR_KEY_MALFORMED')
      throw new PkiError(problem.code, `subjectPKInfo: ${problem.detail}`)
    this.checkExtensions()
  }

  /** One PEM block. */
  toPem(): string {
    return encodePem('CERTIFICATE REQUEST', this.der)
  }

  /** The request as `@peculiar/x509` has it; loads that package on first use. */
  toPeculiar(): Pkcs10CertificateRequest {
    return toPeculiarRequest(this.der)
  }
}

/** A request whose signature was verified; only `CertificateRequest.verify` makes one. */
export interface ProvenRequest {
  /** The request whose signature was verified. */
  readonly request: CertificateRequest
  /** Its key, which the sender was shown to hold. */
  readonly publicKey: PublicKey
}

/** Whether `value` really came from `CertificateRequest.verify`: types are gone at run time. */
export function isProvenRequest(value: unknown): value is ProvenRequest {
  return Proven.is(value)
}

/** The private field is the proof: nothing outside this file can make an object that has it. */
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

/** `[0] IMPLICIT SET OF Attribute`: the types, and the content of the one extension request. */
function readAttributes(info: DerReader): { types: string[]; requested: DerReader | undefined } {
  const types: string[] = []
  let requested: DerReader | undefined
  const set = info.expect(contextConstructed(0), 'attributes').inner()
  while (!set.done) {
    if (types.length >= maxAttributes)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${String(maxAttributes)} attributes`)
    const attribute = set.expect(tags.sequence, 'Attribute').inner()
    const type = oidContent(attribute.expect(tags.oid, 'attribute type'))
    const values = attribute.expect(tags.set, 'attribute values').inner()
    checkWellFormed(attribute.element(), `attribute ${type}`)
    attribute.finish('Attribute')
    if (values.done)
      throw new PkiError(
        'ERR_CSR_MALFORMED',
        `attribute ${type} without a value (RFC 2986 4.1: SET SIZE (1..MAX))`,
      )
    if (types.includes(type)) throw new PkiError('ERR_CSR_MALFORMED', `attribute ${type} twice`)
    types.push(type)
    if (type !== extensionRequest) continue
    requested = values.expect(tags.sequence, 'extensionRequest').inner()
    values.finish('extensionRequest: one value (RFC 2985 5.4.2)')
  }
  return { types, requested: requested?.done === true ? undefined : requested }
}

function tooLarge(length: number): PkiError {
  return new PkiError(
    'ERR_CSR_TOO_LARGE',
    `a certification request of ${String(length)} octets; at most ${String(maxOctets)} are read`,
  )
}

const pemLabels = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']
const extensionRequest = '1.2.840.113549.1.9.14'
const maxOctets = 64 * 1024
/** base64 of the octets, line ends and the two marks. */
const maxPemLength = Math.ceil((maxOctets * 4) / 3) + 8 * 1024
const maxAttributes = 32

/** What a request asks for; the key is the signer's. */
export interface CertificateRequestFields {
  /** Parsed, or RFC 4514 text. Default: empty. */
  readonly subject?: DistinguishedName | string | undefined
  /** Extensions to ask for; a CA takes from them what its policy allows, often nothing. */
  readonly extensions?: ExtensionFields | undefined
}

/**
 * Builds a request for the signer's key and signs it: the proof of possession.
 *
 * @throws ERR_NAME_INVALID, ERR_INVALID_ARGUMENT; what the signer throws
 * @example
 * ```ts
 * const request = await buildCertificateRequest({ extensions: { subjectAltName: [generalName.uri('spiffe://td.example/web')] } }, signer)
 * ```
 */
export async function buildCertificateRequest(
  fields: CertificateRequestFields,
  signer: Signer,
): Promise<CertificateRequest> {
  const { publicKey, signatureAlgorithm } = requireSigner(signer)
  const { subject: name = '', extensions: asked = {} } = Object(fields) as CertificateRequestFields
  const subject = DistinguishedName.from(name)
  const extensions = encodeExtensionFields(asked, subject.isEmpty)
  const attributes =
    extensions.length === 0
      ? []
      : [sequence(oid(extensionRequest), setOf(sequence(...extensions.map(encodeExtension))))]
  const info = sequence(integer(0), subject.der, publicKey.spki, explicit(0, ...attributes))
  return CertificateRequest.parse(assembleSigned(info, signatureAlgorithm, await signer.sign(info)))
}
