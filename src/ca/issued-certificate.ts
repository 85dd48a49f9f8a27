// What a CA hands out, and the steps on the way there.

import type { Certificate, DistinguishedName, GeneralName, SerialNumber } from '../x509/index.ts'

/** What will be in one certificate, beside the key of the request. */
export interface CertificateContent {
  /** Exactly these, in this order. */
  readonly subjectAltName: readonly GeneralName[]
  /** Default: empty. */
  readonly subject?: DistinguishedName | undefined
  /** Default: the profile's. */
  readonly ttlSeconds?: number | undefined
  /** What a policy allows, whatever was asked for or is the default; shortens, and refuses nothing. */
  readonly maximumTtlSeconds?: number | undefined
}

/** Linted bytes that this CA will sign once, for a request that was proven. */
export interface PreparedCertificate extends LintedBytes {
  /** Its request was proven before. */
  readonly proven: true
}

/** Linted bytes that this CA will have signed once, by workers that prove the request before. */
export interface UnprovenCertificate extends LintedBytes {
  /** Its request is proven by whoever signs. */
  readonly proven: false
}

interface LintedBytes {
  /** The number that it will have. */
  readonly serialNumber: SerialNumber
  /** The exact bytes to sign. */
  readonly tbs: Uint8Array
  /** When it will expire. */
  readonly notAfter: Date
}

/** A signed, checked certificate with what its holder has to send along. */
export interface IssuedCertificate {
  /** The leaf. */
  readonly certificate: Certificate
  /** Its issuers, the nearest first, without the root. The same array for all certificates of one CA certificate. */
  readonly chain: readonly Certificate[]
  /** The roots of the trust domain. */
  readonly roots: readonly Certificate[]
}
