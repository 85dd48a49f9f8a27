// The contract and the options of a certificate authority, which prepares, lints, signs and checks
// certificates, and does not authenticate callers.

import type { Clock, Metrics } from '../../runtime/index.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import type { TrustBundle } from '../../svid/trust-bundle.ts'
import type { BundleSource } from '../../svid/index.ts'
import type { Certificate, CertificateRequest } from '../../x509/index.ts'
import type { SignOptions } from '../../x509/internal.ts'
import type { CrlIssuer } from '../crl/crl-issuer.ts'
import type { CrlDistribution } from '../crl/crl-shards.ts'
import type { RevocationLookup } from '../crl/revocation-lookup.ts'
import type { OcspAnswer } from '../ocsp/ocsp-responder.ts'
import type { CertificateProfile } from '../profile/certificate-profile.ts'
import type { CaStorage } from '../records/ca-storage.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import type { CertificateContent, IssuedCertificate, PreparedCertificate } from './issued-certificate.ts'
import type { SigningMaterial } from './signing-material.ts'

/**
 * Signs certificates for requests with proven possession of the key. As a `BundleSource` it returns the roots
 * current at the time of the call.
 */
export interface CertificateAuthority extends BundleSource, CrlIssuer {
  readonly trustDomain: TrustDomain
  /** The storage of certificates, revocations and CRLs. The code that creates it must close it. */
  readonly storage: CaStorage
  /**
   * Looks up certificates in `storage`: a `ClientCertificateAuthenticator` with this CA as its `bundles`
   * calls it for every authentication.
   */
  readonly revocation: RevocationLookup
  /** The certificate of the signing key. */
  readonly certificate: Certificate
  /**
   * The issuers that holders send along with their certificates, the nearest first, without the root. Frozen.
   */
  readonly chain: readonly Certificate[]
  /** Frozen. */
  readonly roots: readonly Certificate[]
  /**
   * Returns `chain` for a certificate that the CA issued earlier, by the key identifier of its issuer: a
   * canary, or the issuer before a rotation. Undefined for an unknown key, or if none of its roots is trusted
   * any more. Without this method `certificate` is the only issuer.
   */
  chainOf?(issuer: KeyIdentifier): readonly Certificate[] | undefined
  /**
   * Verifies the proof of possession of the request, on a worker if there are workers, and creates the exact
   * bytes to sign. They have passed the lints, can be signed once within 60 s, and have a serial number of
   * 128 random bits.
   *
   * @throws ERR_CSR_SIGNATURE, ERR_ALGORITHM_UNSUPPORTED, ERR_TTL, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED,
   * ERR_CA_EXPIRED, ERR_CA_NOT_YET_VALID, ERR_LINT, ERR_ABORTED, ERR_INVALID_ARGUMENT; the errors of the
   * workers
   */
  prepare(
    request: CertificateRequest,
    content: CertificateContent,
    options?: SignOptions,
  ): Promise<PreparedCertificate>
  /**
   * Signs exactly those bytes and verifies the signature over the finished certificate.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_PREPARED_EXPIRED, ERR_CA_SIGNATURE, ERR_ABORTED; the errors of the
   * signer or the workers
   */
  sign(prepared: PreparedCertificate, options?: SignOptions): Promise<IssuedCertificate>
  /**
   * Answers an OCSP request (RFC 6960) from `storage`, for certificates of every current and earlier signing
   * key of the CA in this process. A delegated key signs; its certificate is valid for 24 h and is replaced
   * after 12 h. A malformed request, or one for certificates of other CAs, gets the corresponding response;
   * input from outside never makes this method throw.
   */
  answerOcsp(request: Uint8Array): Promise<OcspAnswer>
  /** The current roots of the trust domain, as a SPIFFE trust bundle. */
  trustBundle(): TrustBundle
  /**
   * Calls `listener` with the new bundle after each change of it. Returns a function that stops the calls.
   */
  onTrustBundleChange(listener: (bundle: TrustBundle) => void): () => void
  /**
   * Replaces the signing material for all certificates prepared after this call. Certificates that were
   * prepared before are signed by the CA that prepared them, as long as one of the roots above it remains.
   * Overlapping calls take effect one after the other, in their order.
   *
   * Change a root in three steps, each with the time that relying parties need in between: publish it (the
   * same CA, both roots), sign with it (the new CA, both roots), remove the old one.
   *
   * With a `share` below 1 the material signs for that share of the keys, chosen by their key identifiers: a
   * canary. For the other keys nothing changes. The next call ends the canary: either the new material signs
   * for all keys, or the old material does again. The roots of the material are added to the trust bundle,
   * and must include one above the current CA.
   *
   * @throws ERR_CA_MATERIAL, ERR_CA_EXPIRED, ERR_CA_NOT_YET_VALID, ERR_CA_SIGNATURE for material that is
   *   inconsistent or whose key does not sign (the CA is then unchanged); ERR_INVALID_ARGUMENT; errors of
   *   listeners, after the change
   */
  rotate(material: SigningMaterial, options?: RotateOptions): Promise<void>
}

/** Options of `CertificateAuthority.rotate`. @inline */
export interface RotateOptions {
  /** The share of issuance that moves to the new material: above 0, at most 1. Default 1. */
  readonly share?: number
}

/** Options of `createCertificateAuthority`. @inline */
export interface CertificateAuthorityOptions extends SigningMaterial {
  /** The trust domain of the CA; the roots are its trust bundle. */
  readonly trustDomain: TrustDomain | string
  /** The template of its leaf certificates. Default `workloadProfile`. */
  readonly profile?: CertificateProfile | undefined
  /**
   * The minimum validity, in seconds, to which the end of the issuing chain may shorten a certificate; below
   * it the CA refuses with ERR_CA_EXPIRED. Default 60.
   */
  readonly minTtlSeconds?: number | undefined
  /** The storage for certificates, revocations and CRLs. Two CAs may share one. Default: in memory. */
  readonly storage?: CaStorage | undefined
  /** Time from a CRL to its nextUpdate, in seconds. Default 24 h. */
  readonly crlTtlSeconds?: number | undefined
  /**
   * Where CRLs are published, their shards, and delta CRLs. Default: one complete list, not named in
   * certificates.
   */
  readonly crlDistribution?: CrlDistribution | undefined
  /** From thisUpdate to nextUpdate of OCSP responses, in seconds. Default 1 h. */
  readonly ocspTtlSeconds?: number | undefined
  readonly clock?: Clock | undefined
  /** Receives the duration of each signature, and of each call of the storage that this CA makes itself. */
  readonly metrics?: Metrics | undefined
}
