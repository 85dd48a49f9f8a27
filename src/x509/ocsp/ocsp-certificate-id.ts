// The identifier of a certificate in OCSP: RFC 6960 §4.1.1.

import { hash as digest } from 'node:crypto'
import {
  integer,
  integerContent,
  nullElement,
  octetString,
  oid,
  readWhole,
  sequence,
  tags,
} from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { equalBytes, requireOctets } from '../../internal/bytes.ts'
import { shownValue } from '../../internal/values/name-of.ts'
import { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import { PublicKey } from '../algorithms/public-key.ts'
import { Certificate } from '../certificate/certificate.ts'
import type { CertificateInput } from '../certificate/certificate.ts'
import { serialValue } from '../crl/entry-octets.ts'
import type { DistinguishedName } from '../names/distinguished-name.ts'

/** The issuer of a certificate: a name and a key. */
export interface CertificateIssuer {
  /** The issuer name in the certificate. */
  readonly subject: DistinguishedName
  /** The key that signed the certificate. */
  readonly publicKey: PublicKey
}

/** A hash of a CertID. @inline */
type OcspHash = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** A certificate, or its known properties. */
export type IdentifiedCertificate = Pick<Certificate, 'serialNumberBytes'> &
  Partial<Pick<Certificate, 'issuer'>>

/** CertID: identifies a certificate by hashes of its issuer's name and key, and its serial number. */
export class OcspCertificateId {
  /** DER of the CertID. */
  readonly der: Uint8Array
  /** The hash that identifies the issuer; undefined if it is not supported. */
  readonly hash: OcspHash | undefined
  /** The hash of the issuer's name, as DER. */
  readonly issuerNameHash: Uint8Array
  /** The hash of the issuer's key: the content of its BIT STRING. */
  readonly issuerKeyHash: Uint8Array
  /** Content octets. */
  readonly serialNumberBytes: Uint8Array

  private constructor(der: Uint8Array, isToAccuse = false) {
    const reader = readWhole(der, tags.sequence, 'CertID')
    const { oid: algorithm } = AlgorithmIdentifier.parse(
      reader.expect(tags.sequence, 'hashAlgorithm').element(),
    )
    this.der = der
    this.hash = hashNames.find((name) => hashOids[name] === algorithm)
    this.issuerNameHash = reader.expect(tags.octetString, 'issuerNameHash').content()
    this.issuerKeyHash = reader.expect(tags.octetString, 'issuerKeyHash').content()
    reader.expect(tags.integer, 'serialNumber')
    if (isToAccuse) {
      this.serialNumberBytes = valueOf(reader)
      return
    }
    this.serialNumberBytes = integerContent(reader, 'serialNumber')
    reader.finish('CertID')
  }

  /** Parses a copy of DER. @throws ERR_DER, ERR_OID_INVALID, ERR_INVALID_ARGUMENT */
  static parse(der: Uint8Array): OcspCertificateId {
    return new OcspCertificateId(requireOctets(der, 'the DER of a CertID').slice())
  }

  /**
   * A CertID over octets that never change: those of a copied request or response.
   *
   * @internal
   */
  static over(der: Uint8Array): OcspCertificateId {
    return new OcspCertificateId(der)
  }

  /**
   * Like `over`, for revocations only: the serial number may be padded (X.690 8.3.2), because its value is
   * certain, and elements after it are ignored.
   *
   * @internal
   */
  static toAccuse(der: Uint8Array): OcspCertificateId {
    return new OcspCertificateId(der, true)
  }

  /**
   * The identifier of a certificate of this issuer, each in any accepted form of a certificate. The SHA-1
   * hash only identifies and protects nothing. All responders support it: RFC 5019 §2.1.1 requires clients to
   * use it.
   *
   * @throws as `Certificate.from`; ERR_INVALID_ARGUMENT for another hash
   */
  static of(
    certificate: IdentifiedCertificate | CertificateInput,
    issuer: CertificateIssuer | CertificateInput,
    hash: OcspHash = 'sha1',
  ): OcspCertificateId {
    if (!hashNames.includes(hash))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `a CertID cannot have the hash ${shownValue(hash)}; expected ${hashNames.join(', ')}`,
      )
    return OcspCertificateId.#of(
      isIdentified(certificate) ? certificate : Certificate.from(certificate),
      isIssuer(issuer) ? issuer : Certificate.from(issuer),
      hash,
    )
  }

  static #of(
    certificate: IdentifiedCertificate,
    issuer: CertificateIssuer,
    hash: OcspHash,
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

  /** Whether it identifies this certificate of this issuer; both hashes are compared. */
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

/** The INTEGER read last, without padding. @throws ERR_DER */
function valueOf({ bytes, start, contentEnd }: DerReader): Uint8Array {
  const value = serialValue(bytes, start, contentEnd)
  if (value === undefined) throw new PkiError('ERR_DER', 'serialNumber: the INTEGER cannot be read')
  return bytes.subarray(value.start, value.end)
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

/**
 * RFC 6960 §4.1.1: "the DER encoding of the issuer's name field in the certificate being checked", which may
 * differ from the encoding in the issuer's certificate.
 */
function issuerName({ issuer: named }: IdentifiedCertificate, { subject }: CertificateIssuer): Uint8Array {
  return named?.equals(subject) === true ? named.der : subject.der
}

/** The hashes that clients use, without MD5. */
const hashOids = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const satisfies Record<OcspHash, string>
const hashNames = Object.keys(hashOids) as readonly OcspHash[]
