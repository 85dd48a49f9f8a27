// A CA: prepare → lint → sign → check. It does not know who is calling.

import { PkiError } from '../errors/index.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { SpiffeId, TrustDomain } from '../spiffe/index.ts'
import { TrustBundle } from '../svid/index.ts'
import { Certificate, assembleSigned, generateSerialNumber, isProvenRequest, verifySignature } from '../x509/index.ts'
import type { ProvenRequest, PublicKey, Signer } from '../x509/index.ts'
import { lintCertificate } from './certificate-lints.ts'
import { validitySeconds, workloadProfile } from './certificate-profile.ts'
import type { CertificateProfile } from './certificate-profile.ts'
import type { CertificateContent, IssuedCertificate, PreparedCertificate } from './issued-certificate.ts'
import { LeafTemplate } from './leaf-template.ts'
import { PreparedToken } from './prepared-certificate.ts'

/** Signs certificates for requests whose key was proven. */
export interface CertificateAuthority {
  readonly trustDomain: TrustDomain
  /** The certificate that it signs with. */
  readonly certificate: Certificate
  /** Linted bytes, to be signed once. @throws ERR_TTL, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_CA_EXPIRED, ERR_LINT, ERR_INVALID_ARGUMENT */
  prepare(request: ProvenRequest, content: CertificateContent): PreparedCertificate
  /** Signs those bytes and no others, and checks what came out. @throws ERR_INVALID_ARGUMENT, ERR_CA_SIGNATURE; what the signer throws */
  sign(prepared: PreparedCertificate): Promise<IssuedCertificate>
  /** The roots of the trust domain, as a SPIFFE trust bundle. */
  trustBundle(): TrustBundle
}

/** Options of `createCertificateAuthority`. */
export interface CertificateAuthorityOptions {
  readonly trustDomain: TrustDomain | string
  readonly certificate: Certificate
  /** Signs for `certificate`. */
  readonly signer: Signer
  /** The issuers of `certificate`, the nearest first, without the root. Default none: a root, or signed by one. */
  readonly chain?: readonly Certificate[] | undefined
  /** Default: `certificate` itself, if it is self-signed. */
  readonly roots?: readonly Certificate[] | undefined
  readonly profile?: CertificateProfile | undefined
  readonly clock?: Clock | undefined
}

/**
 * A CA for one trust domain.
 *
 * @throws ERR_CA_MATERIAL when certificate, key, chain and roots do not belong together
 */
export function createCertificateAuthority(options: CertificateAuthorityOptions): CertificateAuthority {
  return new LocalCertificateAuthority(options)
}

class LocalCertificateAuthority implements CertificateAuthority {
  readonly trustDomain: TrustDomain
  readonly certificate: Certificate
  readonly #publicKey: PublicKey
  readonly #signer: Signer
  readonly #chain: readonly Certificate[]
  readonly #roots: readonly Certificate[]
  readonly #profile: CertificateProfile
  readonly #clock: Clock
  readonly #template: LeafTemplate
  readonly #notAfterMs: number
  readonly #bundle: TrustBundle
  readonly #issuerTrustDomain: TrustDomain | undefined

  constructor(options: CertificateAuthorityOptions) {
    const { certificate, signer } = options
    this.trustDomain = TrustDomain.from(options.trustDomain)
    this.certificate = certificate
    this.#publicKey = certificate.publicKey
    this.#signer = signer
    this.#profile = options.profile ?? workloadProfile
    this.#clock = options.clock ?? systemClock
    this.#roots = options.roots ?? [certificate]
    const isRoot = this.#roots.some((root) => root.equals(certificate))
    this.#chain = isRoot ? [] : [certificate, ...(options.chain ?? [])]
    checkMaterial(certificate, signer, this.#chain, this.#roots)
    this.#issuerTrustDomain = trustDomainOf(certificate)
    if (this.#issuerTrustDomain?.equals(this.trustDomain) === false) {
      throw new PkiError('ERR_CA_MATERIAL', `the CA certificate is of ${this.#issuerTrustDomain.name}, not of ${this.trustDomain.name} (X-4)`)
    }
    this.#template = new LeafTemplate(certificate, signer.signatureAlgorithm, this.#profile)
    // NotAfter never passes an issuer's, however far up.
    this.#notAfterMs = Math.min(certificate.notAfterMs, ...this.#chain.map(({ notAfterMs }) => notAfterMs))
    this.#bundle = new TrustBundle(this.trustDomain, { x509Authorities: this.#roots })
  }

  prepare(request: ProvenRequest, content: CertificateContent): PreparedCertificate {
    if (!isProvenRequest(request)) throw new PkiError('ERR_INVALID_ARGUMENT', 'a request whose signature was verified is wanted')
    const { publicKey } = request
    publicKey.checkStrength()
    const { nowMs, notBeforeMs, notAfterMs } = this.#validity(content)
    const serialNumber = generateSerialNumber()
    const tbs = this.#template.encode({ serialNumber, notBeforeMs, notAfterMs, subject: content.subject, publicKey, subjectAltName: content.subjectAltName })
    const unsigned = Certificate.parse(assembleSigned(tbs, this.#signer.signatureAlgorithm, noSignature))
    lintCertificate({ certificate: unsigned, issuer: this.certificate, issuerTrustDomain: this.#issuerTrustDomain, publicKey, profile: this.#profile, nowMs })
    return new PreparedToken(this, { serialNumber, tbs, notAfterMs })
  }

  async sign(prepared: PreparedCertificate): Promise<IssuedCertificate> {
    const tbs = PreparedToken.use(prepared, this)
    const signing = this.#signer.sign(tbs)
    const signature = signing instanceof Uint8Array ? signing : await signing
    // A faulty signature must not leave: it may tell the key (Bellcore), and nobody could use it.
    if (!verifySignature(this.#publicKey, this.#signer.signatureAlgorithm, tbs, signature)) {
      throw new PkiError('ERR_CA_SIGNATURE', `the signature of key ${this.#signer.id} does not verify; it was not let out`)
    }
    const certificate = Certificate.parse(assembleSigned(tbs, this.#signer.signatureAlgorithm, signature))
    if (Buffer.compare(certificate.tbs, tbs) !== 0) throw new PkiError('ERR_CA_SIGNATURE', 'the certificate does not hold the bytes that were linted')
    return { certificate, chain: this.#chain, roots: this.#roots }
  }

  trustBundle(): TrustBundle {
    return this.#bundle
  }

  /** Whole seconds: RFC 5280 §4.1.2.5 knows no others, and the last one belongs to the validity. */
  #validity(content: CertificateContent): { nowMs: number, notBeforeMs: number, notAfterMs: number } {
    const nowMs = this.#clock.now()
    const second = Math.floor(nowMs / 1000) * 1000
    if (nowMs > this.#notAfterMs || nowMs < this.certificate.notBeforeMs) throw new PkiError('ERR_CA_EXPIRED', 'the CA certificate, or one above it, is not valid now')
    const seconds = validitySeconds(this.#profile, content.ttlSeconds)
    return {
      nowMs,
      notBeforeMs: Math.max(second - this.#profile.backdateSeconds * 1000, this.certificate.notBeforeMs),
      notAfterMs: Math.min(second + seconds * 1000, this.#notAfterMs),
    }
  }
}

/** The key is the certificate's, the certificate is a CA's, and each of the chain is signed by the next, the last by a root. */
function checkMaterial(certificate: Certificate, signer: Signer, chain: readonly Certificate[], roots: readonly Certificate[]): void {
  const wrong = (what: string): PkiError => new PkiError('ERR_CA_MATERIAL', what)
  if (!certificate.publicKey.equals(signer.publicKey)) throw wrong('the key is not the one of the CA certificate')
  for (const issuer of [certificate, ...chain, ...roots]) {
    if (issuer.basicConstraints?.ca !== true) throw wrong(`${issuer.subject.toString()} is no CA certificate (RFC 5280 §4.2.1.9)`)
    if (issuer.keyUsage?.has('keyCertSign') === false) throw wrong(`${issuer.subject.toString()} may not sign certificates (RFC 5280 §4.2.1.3)`)
  }
  chain.forEach((child, at) => {
    const parents = at + 1 < chain.length ? [chain[at + 1] as Certificate] : roots
    if (!parents.some((parent) => child.issuer.equals(parent.subject) && child.verifySignatureBy(parent.publicKey))) {
      throw wrong(`${child.subject.toString()} is not signed by ${at + 1 < chain.length ? 'the next certificate of the chain' : 'a root'}`)
    }
  })
}

/** The trust domain that a CA certificate names in its URI, if it has one. */
function trustDomainOf(certificate: Certificate): TrustDomain | undefined {
  const uri = certificate.subjectAltName?.find(({ type }) => type === 'uri')
  return uri?.type === 'uri' && uri.value.startsWith('spiffe:') ? SpiffeId.parse(uri.value).trustDomain : undefined
}

/** In the place of the signature while the bytes are linted. */
const noSignature = Uint8Array.of(0)
