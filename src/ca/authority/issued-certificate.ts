// The inputs and results of a CA: requested content, prepared certificates, issued certificates.

import type { Certificate, DistinguishedName, GeneralName } from '../../x509/index.ts'
import type { CertificateId, KeyIdentifier } from '../records/certificate-record.ts'

/** The content of one certificate, in addition to the key of the request. */
export interface CertificateContent {
  /** Exactly these names, in this order. */
  readonly subjectAltName: readonly GeneralName[]
  /** Default: empty. */
  readonly subject?: DistinguishedName | undefined
  /**
   * Validity in seconds. Default: that of the profile. Above the maximum of the profile, the request is
   * refused with ERR_TTL.
   */
  readonly ttlSeconds?: number | undefined
  /**
   * The longest validity that a policy allows, in seconds; a longer one is
   * shortened, which `shortened` reports.
   */
  readonly maxTtlSeconds?: number | undefined
}

/** How the validity of a certificate differs from the requested one. @inline */
export interface ShortenedValidity {
  /** The limit: `maxTtlSeconds` of the content, or the end of a certificate of the issuing chain. */
  readonly by: 'policy' | 'issuer'
  /** The notAfter from `ttlSeconds` or the profile's default. */
  readonly from: Date
  /** The notAfter of the certificate. */
  readonly to: Date
}

/**
 * Bytes that passed the lints, with the issuer and serial number that identify the certificate. This CA signs
 * them once, within 60 s.
 */
export interface PreparedCertificate extends CertificateId {
  /** The key identifier of the certified key: RFC 7093 §2 method 1. */
  readonly keyIdentifier: KeyIdentifier
  /** DER of the TBSCertificate: the exact bytes to sign. A copy. */
  readonly tbs: Uint8Array
  /** The last second of the validity. */
  readonly notAfter: Date
  /** The CRL shard of the certificate, which must be recorded with it. Default: the complete list. */
  readonly shard?: string | undefined
  /** Undefined if the validity was not shortened. */
  readonly shortened: ShortenedValidity | undefined
}

/** A signed, checked certificate, with the issuers that its holder sends along. Frozen. */
export interface IssuedCertificate {
  /** The leaf. */
  readonly certificate: Certificate
  /**
   * Its issuers, the nearest first, without the root. The same frozen array
   * for all certificates of one CA certificate.
   */
  readonly chain: readonly Certificate[]
  /** The roots of the trust domain. */
  readonly roots: readonly Certificate[]
  /** Undefined if the validity was not shortened. */
  readonly shortened?: ShortenedValidity | undefined
}
