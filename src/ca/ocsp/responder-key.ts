// The delegated key that signs OCSP responses for one CA key: short-lived, replaced before it ends.

import { PkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { Certificate, OcspCertificateId, keyPurposeOids } from '../../x509/index.ts'
import type { PublicKey, Signer } from '../../x509/index.ts'
import { assembleSigned, encodeTbsCertificate, requireSigner } from '../../x509/internal.ts'
import { signChecked } from '../authority/sign-checked.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'

/** A key and the certificate by which the CA delegates OCSP to it (RFC 6960 §4.2.2.2). */
export interface ResponderCredential {
  readonly signer: Signer
  readonly certificate: Certificate
}

/**
 * Creates a new key and certificate if there is none, or half of the validity is over. The key is kept in
 * memory: a restarted process creates another one.
 */
export class ResponderKey {
  readonly issuer: Certificate
  readonly keyIdentifier: KeyIdentifier
  /** The identifiers of the issuer, by hash algorithm. */
  readonly #identifiers = new Map<string, OcspCertificateId>()
  readonly #issuerSigner: Signer
  readonly #clock: Clock
  #current: ResponderCredential | undefined
  #making: Promise<ResponderCredential> | undefined

  constructor(issuer: Certificate, issuerSigner: Signer, clock: Clock) {
    this.issuer = issuer
    this.keyIdentifier = keyIdentifierOf(issuer.subjectKeyIdentifier ?? new Uint8Array())
    this.#issuerSigner = issuerSigner
    this.#clock = clock
  }

  /**
   * Whether a request is about a certificate of this issuer, by the hashes of name and key; the NULL
   * parameters of the algorithm are optional.
   */
  isIssuerOf({ hash, issuerNameHash, issuerKeyHash, serialNumberBytes }: OcspCertificateId): boolean {
    if (hash === undefined) return false
    let own = this.#identifiers.get(hash)
    if (own === undefined)
      this.#identifiers.set(hash, (own = OcspCertificateId.of({ serialNumberBytes }, this.issuer, hash)))
    return equalBytes(own.issuerNameHash, issuerNameHash) && equalBytes(own.issuerKeyHash, issuerKeyHash)
  }

  /**
   * While the key of the CA cannot sign, the current delegated key is used until its certificate expires.
   *
   * @throws ERR_CA_EXPIRED, ERR_CA_SIGNATURE; the errors of the signer of the CA
   */
  async credential(): Promise<ResponderCredential> {
    const current = this.#current
    if (current !== undefined && this.#isWithin(current.certificate, renewAtMs)) return current
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined
    })
    try {
      return await this.#making
    } catch (error) {
      if (current !== undefined && this.#isWithin(current.certificate, ({ notAfterMs }) => notAfterMs))
        return current
      throw error
    }
  }

  /** A certificate that was made while the clock was far ahead is not valid yet. */
  #isWithin(certificate: Certificate, endOf: (certificate: Certificate) => number): boolean {
    const nowMs = this.#clock.now()
    return nowMs >= certificate.notBeforeMs && nowMs < endOf(certificate)
  }

  async #make(): Promise<ResponderCredential> {
    const signer = await SoftwareSigner.generate('P-256')
    const certificate = await this.#certify(signer.publicKey)
    this.#current = { signer, certificate }
    return this.#current
  }

  async #certify(publicKey: PublicKey): Promise<Certificate> {
    const { issuer } = this
    const nowMs = this.#clock.now()
    if (nowMs >= issuer.notAfterMs)
      throw new PkiError(
        'ERR_CA_EXPIRED',
        `${issuer.subject.toString()} is valid until ${issuer.notAfter.toISOString()} and certifies no ` +
          `OCSP responder after that; the time is ${new Date(nowMs).toISOString()}`,
      )
    const { signatureAlgorithm } = requireSigner(this.#issuerSigner)
    const tbs = encodeTbsCertificate(
      {
        issuer: issuer.subject,
        subject: 'CN=OCSP responder',
        publicKey,
        notBefore: new Date(Math.max(nowMs - backdateMs, issuer.notBeforeMs)),
        notAfter: new Date(Math.min(nowMs + ttlMs, issuer.notAfterMs)),
        extensions: {
          authorityKeyIdentifier: issuer.subjectKeyIdentifier,
          subjectKeyIdentifier: publicKey,
          keyUsage: ['digitalSignature'],
          basicConstraints: { ca: false },
          extendedKeyUsage: [keyPurposeOids.ocspSigning],
          other: [noCheck],
        },
      },
      signatureAlgorithm,
    )
    const signature = await signChecked(tbs, signatureAlgorithm, this.#issuerSigner, issuer.publicKey)
    return Certificate.parse(assembleSigned(tbs, signatureAlgorithm, signature))
  }
}

function renewAtMs({ notBeforeMs, notAfterMs }: Certificate): number {
  return (notBeforeMs + notAfterMs) / 2
}

/**
 * id-pkix-ocsp-nocheck: the revocation of the responder itself cannot be checked, so its certificate is
 * short-lived (RFC 6960 §4.2.2.2.1).
 */
const noCheck = { oid: '1.3.6.1.5.5.7.48.1.5', critical: false, value: Uint8Array.of(5, 0) }
const ttlMs = 24 * 3600 * 1000
const backdateMs = 120_000
