// OCSP requests and the identifier of a certificate in them: RFC 6960 §4.1, RFC 9654 (nonce).

import { hash as digest, randomBytes } from 'node:crypto'
import {
  DerReader,
  contextConstructed,
  explicit,
  integer,
  integerContent,
  nullElement,
  octetString,
  oid,
  readWhole,
  sequence,
  smallInteger,
  tags,
} from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { equalBytes, requireOctets } from '../internal/bytes.ts'
import { AlgorithmIdentifier } from './algorithms/signature-algorithm.ts'
import { PublicKey } from './algorithms/public-key.ts'
import { Certificate } from './certificate.ts'
import type { CertificateInput } from './certificate.ts'
import { encodeExtension, readExtensions } from './extensions/extension.ts'
import type { Extension } from './extensions/extension.ts'
import type { DistinguishedName } from './names/distinguished-name.ts'

/** Who issued a certificate: a name and a key. */
export interface CertificateIssuer {
  /** The name that the certificate gives as its issuer. */
  readonly subject: DistinguishedName
  /** The key that signed the certificate. */
  readonly publicKey: PublicKey
}

/** A certificate, or what is known of it. */
export type IdentifiedCertificate = Pick<Certificate, 'serialNumberBytes'> &
  Partial<Pick<Certificate, 'issuer'>>

/** CertID: a certificate by hashes of its issuer's name and key, and its serial number. */
export class OcspCertificateId {
  /** DER of the CertID. */
  readonly der: Uint8Array
  /** The hash that identifies the issuer; undefined where it is not one of these. */
  readonly hash: 'sha1' | 'sha256' | undefined
  /** The hash of the issuer's name, as DER. */
  readonly issuerNameHash: Uint8Array
  /** The hash of the issuer's key: the content of its BIT STRING. */
  readonly issuerKeyHash: Uint8Array
  /** Content octets. */
  readonly serialNumberBytes: Uint8Array

  private constructor(der: Uint8Array) {
    const reader = readWhole(der, tags.sequence, 'CertID')
    const { oid: algorithm } = AlgorithmIdentifier.parse(
      reader.expect(tags.sequence, 'hashAlgorithm').element(),
    )
    this.der = der
    this.hash = algorithm === hashOids.sha1 ? 'sha1' : algorithm === hashOids.sha256 ? 'sha256' : undefined
    this.issuerNameHash = reader.expect(tags.octetString, 'issuerNameHash').content()
    this.issuerKeyHash = reader.expect(tags.octetString, 'issuerKeyHash').content()
    this.serialNumberBytes = integerContent(reader.expect(tags.integer, 'serialNumber'), 'serialNumber')
    reader.finish('CertID')
  }

  /** @throws ERR_DER, ERR_OID_INVALID */
  static parse(der: Uint8Array): OcspCertificateId {
    return new OcspCertificateId(der)
  }

  /**
   * The identifier of a certificate of this issuer, each in any form that certificates are taken in. SHA-1 identifies, it protects nothing, and
   * responders know it: RFC 5019 §2.1.1 has clients use it.
   *
   * @throws as `Certificate.from`
   */
  static of(
    certificate: IdentifiedCertificate | CertificateInput,
    issuer: CertificateIssuer | CertificateInput,
    hash: 'sha1' | 'sha256' = 'sha1',
  ): OcspCertificateId {
    return OcspCertificateId.#of(
      isIdentified(certificate) ? certificate : Certificate.from(certificate),
      isIssuer(issuer) ? issuer : Certificate.from(issuer),
      hash,
    )
  }

  static #of(
    certificate: IdentifiedCertificate,
    issuer: CertificateIssuer,
    hash: 'sha1' | 'sha256',
  ): OcspCertificateId {
    return new OcspCertificateId(
      sequence(
        sequence(oid(hashOids[hash]), nullElement()),
        octetString(digest(hash, issuerName(certificate, issuer), 'buffer')),
        octetString(digest(hash, issuer.publicKey.subjectPublicKey, 'buffer')),
        integer(certificate.serialNumberBytes),
      ),
    )
  }

  /** Whether it is this certificate of this issuer; both hashes are compared. */
  identifies(certificate: IdentifiedCertificate, issuer: CertificateIssuer): boolean {
    if (this.hash === undefined || !equalBytes(this.serialNumberBytes, certificate.serialNumberBytes))
      return false
    const { hash } = this
    const named = [issuerName(certificate, issuer), issuer.subject.der].some((name) =>
      equalBytes(this.issuerNameHash, digest(hash, name, 'buffer')),
    )
    return named && equalBytes(this.issuerKeyHash, digest(hash, issuer.publicKey.subjectPublicKey, 'buffer'))
  }
}

function isIdentified(
  certificate: IdentifiedCertificate | CertificateInput,
): certificate is IdentifiedCertificate {
  return (Object(certificate) as Partial<IdentifiedCertificate>).serialNumberBytes instanceof Uint8Array
}

function isIssuer(issuer: CertificateIssuer | CertificateInput): issuer is CertificateIssuer {
  return (
    (Object(issuer) as Partial<CertificateIssuer>).publicKey instanceof PublicKey &&
    'subject' in Object(issuer)
  )
}

/** RFC 6960 §4.1.1: "the DER encoding of the issuer's name field in the certificate being checked", which the issuer may spell otherwise. */
function issuerName({ issuer: named }: IdentifiedCertificate, { subject }: CertificateIssuer): Uint8Array {
  return named?.equals(subject) === true ? named.der : subject.der
}

/** A request for the status of certificates. */
export class OcspRequest {
  /** DER of the whole request. */
  readonly der: Uint8Array
  /** The certificates that are asked about. */
  readonly certificateIds: readonly OcspCertificateId[]
  /** Extensions of the request, known or not. */
  readonly extensions: readonly Extension[]
  /** The octets that the response has to repeat. */
  readonly nonce: Uint8Array | undefined

  private constructor(der: Uint8Array) {
    const outer = readWhole(der, tags.sequence, 'OCSPRequest')
    const tbs = outer.expect(tags.sequence, 'tbsRequest').inner()
    // A signed request is read as one that is not: whom a responder serves is not decided by it here.
    if (outer.optional(contextConstructed(0))) finishOne(outer, 'optionalSignature')
    outer.finish('OCSPRequest')
    readVersion(tbs)
    if (tbs.optional(contextConstructed(1))) finishOne(tbs, 'requestorName')
    const list = tbs.expect(tags.sequence, 'requestList').inner()
    const ids: OcspCertificateId[] = []
    while (!list.done) {
      if (ids.length >= maxCertificates)
        throw new PkiError(
          'ERR_LIMIT_EXCEEDED',
          `an OCSP request for more than ${maxCertificates} certificates`,
        )
      const one = list.expect(tags.sequence, 'Request').inner()
      ids.push(OcspCertificateId.parse(one.expect(tags.sequence, 'reqCert').element()))
      if (one.optional(contextConstructed(0)))
        refuseCritical(readExtensionList(one, 'singleRequestExtensions'))
      one.finish('Request')
    }
    if (ids.length === 0)
      throw new PkiError('ERR_OCSP_MALFORMED', 'an OCSP request for no certificate at all')
    this.extensions = tbs.optional(contextConstructed(2)) ? readExtensionList(tbs, 'requestExtensions') : []
    tbs.finish('tbsRequest')
    refuseCritical(this.extensions)
    this.der = der
    this.certificateIds = ids
    this.nonce = readNonce(this.extensions)
  }

  /** @throws ERR_OCSP_MALFORMED, ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_DUPLICATE, ERR_LIMIT_EXCEEDED above 64 KiB or 256 certificates */
  static parse(der: Uint8Array): OcspRequest {
    const { length } = requireOctets(der, 'the DER of an OCSP request')
    if (length > maxOctets)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `an OCSP request of ${length} octets; at most ${maxOctets} are read`,
      )
    return new OcspRequest(der)
  }

  /** A request; `nonce: true` makes one of 32 random octets (RFC 9654 §2.1). @throws ERR_INVALID_ARGUMENT */
  static of(
    certificateIds: readonly OcspCertificateId[],
    options: { readonly nonce?: boolean | Uint8Array | undefined } = {},
  ): OcspRequest {
    const count = Array.isArray(certificateIds) ? certificateIds.length : 0
    if (count === 0 || count > maxCertificates) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `a request for ${count} certificates; 1 to ${maxCertificates} are wanted`,
      )
    }
    const nonce =
      options.nonce === true ? randomBytes(32) : options.nonce === false ? undefined : options.nonce
    const extensions =
      nonce === undefined ? [] : [explicit(2, sequence(encodeExtension(nonceExtension(nonce))))]
    return new OcspRequest(
      sequence(sequence(sequence(...certificateIds.map(({ der }) => sequence(der))), ...extensions)),
    )
  }
}

/** `[n] EXPLICIT` around one element that is not looked into. */
function finishOne(reader: DerReader, what: string): void {
  const wrapper = reader.inner()
  wrapper.next()
  wrapper.finish(what)
}

/** RFC 6960 §4.4: an extension that is not known may be passed over, unless it is critical. */
function refuseCritical(extensions: readonly Extension[]): void {
  const unknown = extensions.find(({ oid: type, critical }) => critical && type !== nonceOid)
  if (unknown !== undefined)
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `an OCSP request with the critical extension ${unknown.oid}, which is not known (RFC 6960 §4.4)`,
    )
}

/** `[n] EXPLICIT Extensions` that was read last. */
export function readExtensionList(reader: DerReader, what: string): Extension[] {
  const wrapper = reader.inner()
  const list = wrapper.expect(tags.sequence, what).inner()
  wrapper.finish(what)
  return readExtensions(list, what)
}

/** `version [0] EXPLICIT INTEGER DEFAULT v1`, which DER leaves out. @throws ERR_OCSP_MALFORMED */
export function readVersion(reader: DerReader): void {
  if (!reader.optional(contextConstructed(0))) return
  const version = smallInteger(reader.inner().expect(tags.integer, 'version'), 'version')
  throw new PkiError(
    'ERR_OCSP_MALFORMED',
    version === 0
      ? 'version 1 is the default and must be left out (X.690 11.5)'
      : `version ${version + 1} of OCSP; 1 is wanted`,
  )
}

/** An OCTET STRING within the extension; the bare octets that some write, older than RFC 6960, are refused. @throws ERR_OCSP_MALFORMED, ERR_DER */
export function readNonce(extensions: readonly Extension[]): Uint8Array | undefined {
  const extension = extensions.find((one) => one.oid === nonceOid)
  if (extension === undefined) return undefined
  const reader = new DerReader(extension.value)
  const nonce = reader.expect(tags.octetString, 'nonce').content()
  reader.finish('nonce')
  if (nonce.length === 0 || nonce.length > maxNonce)
    throw new PkiError(
      'ERR_OCSP_MALFORMED',
      `a nonce of ${nonce.length} octets; 1 to ${maxNonce} are wanted (RFC 9654 §2.1)`,
    )
  return nonce
}

/** @throws ERR_INVALID_ARGUMENT */
export function nonceExtension(nonce: Uint8Array): Extension {
  if (nonce.length === 0 || nonce.length > maxNonce)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `a nonce of ${nonce.length} octets; 1 to ${maxNonce} are wanted`,
    )
  return { oid: nonceOid, critical: false, value: octetString(nonce) }
}

const hashOids = { sha1: '1.3.14.3.2.26', sha256: '2.16.840.1.101.3.4.2.1' } as const
const nonceOid = '1.3.6.1.5.5.7.48.1.2'
const maxNonce = 128
const maxOctets = 64 * 1024
const maxCertificates = 256
