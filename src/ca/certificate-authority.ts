// The token between lint and signature: these bytes, by this CA, once.
// A CA: prepare → lint → sign → check. It does not know who is calling.

import { bitString, sequence } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { SpiffeId, TrustDomain } from '../spiffe/index.ts'
import { TrustBundle } from '../svid/index.ts'
import { Budget, checkNameConstraints } from '../validation/index.ts'
import { Certificate, generateSerialNumber, isProvenRequest, signatureAlgorithms, verifySignature } from '../x509/index.ts'
import type { NameConstraints, ProvenRequest, PublicKey, RevocationList, SerialNumber, Signer } from '../x509/index.ts'
import { lintCertificate } from './certificate-lints.ts'
import { validitySeconds, workloadProfile, LeafTemplate } from './certificate-profile.ts'
import type { CertificateProfile } from './certificate-profile.ts'
import type { CertificateStore } from './certificate-store.ts'
import type { CertificateContent, IssuedCertificate, PreparedCertificate } from './issued-certificate.ts'
import { RevocationListIssuer } from './revocation-list-issuer.ts'

/** Only its CA can make one that its CA will sign: the private field cannot be forged, and is cleared at its first use. */
class PreparedToken implements PreparedCertificate {
  readonly serialNumber: SerialNumber
  /** As it was linted: the bytes with a signature that verifies nothing. */
  readonly #linted: Certificate
  #issuer: object | undefined

  constructor(issuer: object, linted: Certificate) {
    this.serialNumber = linted.serialNumber
    this.#linted = linted
    this.#issuer = issuer
  }

  /** A copy: what was linted is what is signed, whatever its holder does. */
  get tbs(): Uint8Array {
    return this.#linted.tbs.slice()
  }

  get notAfter(): Date {
    return this.#linted.notAfter
  }

  /** What was linted, if `prepared` is of this issuer and was not used. @throws ERR_INVALID_ARGUMENT */
  static use(prepared: PreparedCertificate, issuer: object): Certificate {
    if (!(#issuer in prepared) || prepared.#issuer !== issuer) {
      throw new PkiError('ERR_INVALID_ARGUMENT', 'these bytes were not prepared by this CA, or were signed already')
    }
    prepared.#issuer = undefined
    return prepared.#linted
  }
}

/** Signs certificates for requests whose key was proven. */
export interface CertificateAuthority {
  readonly trustDomain: TrustDomain
  /** The certificate that it signs with. */
  readonly certificate: Certificate
  /** What holders send along with their certificates: the issuers, the nearest first, without the root. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  /** Linted bytes, to be signed once; the serial number is 128 random bits unless it was drawn before. @throws ERR_TTL, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_CA_EXPIRED, ERR_LINT, ERR_INVALID_ARGUMENT */
  prepare(request: ProvenRequest, content: CertificateContent, serialNumber?: Uint8Array): PreparedCertificate
  /** When a certificate with this content would end. @throws ERR_TTL, ERR_CA_EXPIRED */
  notAfter(content: CertificateContent): Date
  /** Signs those bytes and no others, and checks what came out. @throws ERR_INVALID_ARGUMENT, ERR_CA_SIGNATURE; what the signer throws */
  sign(prepared: PreparedCertificate): Promise<IssuedCertificate>
  /** A new list of what was revoked, its number above the last. @throws ERR_INVALID_ARGUMENT without a store, ERR_CA_SIGNATURE */
  revocationList(): Promise<RevocationList>
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
  /** Where revocations are; the one that issuance writes to. */
  readonly store?: CertificateStore | undefined
  /** From one list to the next update, in seconds. Default 24 h. */
  readonly revocationListTtlSeconds?: number | undefined
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
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  readonly #profile: CertificateProfile
  readonly #clock: Clock
  readonly #template: LeafTemplate
  /** What follows the signed bytes before there is a signature: the algorithm, and a signature that verifies nothing. */
  readonly #unsigned: Uint8Array
  readonly #notAfterMs: number
  readonly #notBeforeMs: number
  /** Present where a CA above, or this one, constrains names. */
  readonly #constraints: { readonly above: readonly Certificate[], readonly root: NameConstraints | undefined } | undefined
  readonly #bundle: TrustBundle
  readonly #issuerTrustDomain: TrustDomain | undefined
  readonly #lists: RevocationListIssuer

  constructor(options: CertificateAuthorityOptions) {
    const { certificate, signer } = options
    this.trustDomain = TrustDomain.from(options.trustDomain)
    this.certificate = certificate
    this.#publicKey = certificate.publicKey
    this.#signer = signer
    this.#profile = options.profile ?? workloadProfile
    this.#clock = options.clock ?? systemClock
    this.roots = options.roots ?? ownRoot(certificate)
    const isRoot = this.roots.some((root) => root.equals(certificate))
    this.chain = isRoot ? [] : [certificate, ...(options.chain ?? [])]
    checkMaterial(certificate, signer, this.chain, this.roots)
    this.#issuerTrustDomain = trustDomainOf(certificate)
    if (this.#issuerTrustDomain?.equals(this.trustDomain) === false) {
      throw new PkiError('ERR_CA_MATERIAL', `the CA certificate is of ${this.#issuerTrustDomain.name}, not of ${this.trustDomain.name} (X-4)`)
    }
    this.#template = new LeafTemplate(certificate, signer.signatureAlgorithm, this.#profile)
    this.#unsigned = Buffer.concat([signatureAlgorithms[signer.signatureAlgorithm].identifier, bitString(noSignature)])
    // No leaf lives longer than what is above it, however far up; several roots may vouch for it, the longest counts.
    const above = [certificate, ...this.chain]
    const anchors = isRoot ? [certificate] : signersOf(this.chain.at(-1) as Certificate, this.roots)
    this.#notAfterMs = Math.min(...above.map(({ notAfterMs }) => notAfterMs), Math.max(...anchors.map(({ notAfterMs }) => notAfterMs)))
    this.#notBeforeMs = Math.max(...above.map(({ notBeforeMs }) => notBeforeMs), Math.min(...anchors.map(({ notBeforeMs }) => notBeforeMs)))
    this.#constraints = [...above, ...anchors].some(({ nameConstraints }) => nameConstraints !== undefined) ? { above: this.chain, root: anchors[0]?.nameConstraints } : undefined
    this.#bundle = new TrustBundle(this.trustDomain, { x509Authorities: this.roots })
    this.#lists = new RevocationListIssuer({ certificate, signer, store: options.store, ttlSeconds: options.revocationListTtlSeconds, clock: this.#clock })
  }

  prepare(request: ProvenRequest, content: CertificateContent, serialNumber: Uint8Array = generateSerialNumber()): PreparedCertificate {
    if (!isProvenRequest(request)) throw new PkiError('ERR_INVALID_ARGUMENT', 'a request whose signature was verified is wanted')
    const { publicKey } = request
    publicKey.checkStrength()
    const { nowMs, notBeforeMs, notAfterMs } = this.#validity(content)
    const tbs = this.#template.encode({ serialNumber, notBeforeMs, notAfterMs, subject: content.subject, publicKey, subjectAltName: content.subjectAltName })
    const unsigned = Certificate.parse(sequence(tbs, this.#unsigned))
    lintCertificate({ certificate: unsigned, issuer: this.certificate, issuerTrustDomain: this.#issuerTrustDomain, publicKey, wantedNames: content.subjectAltName, profile: this.#profile, nowMs })
    this.#lintNames(unsigned)
    return new PreparedToken(this, unsigned)
  }

  notAfter(content: CertificateContent): Date {
    return new Date(this.#validity(content).notAfterMs)
  }

  async sign(prepared: PreparedCertificate): Promise<IssuedCertificate> {
    const linted = PreparedToken.use(prepared, this)
    const { tbs } = linted
    const signing = this.#signer.sign(tbs)
    const signature = signing instanceof Uint8Array ? signing : await signing
    // A faulty signature must not leave: it may tell the key (Bellcore), and nobody could use it.
    if (!verifySignature(this.#publicKey, this.#signer.signatureAlgorithm, tbs, signature)) {
      throw new PkiError('ERR_CA_SIGNATURE', `the signature of key ${this.#signer.id} does not verify; it was not let out`)
    }
    const certificate = linted.withSignature(signature)
    if (Buffer.compare(certificate.tbs, tbs) !== 0) throw new PkiError('ERR_CA_SIGNATURE', 'the certificate does not hold the bytes that were linted')
    return { certificate, chain: this.chain, roots: this.roots }
  }

  trustBundle(): TrustBundle {
    return this.#bundle
  }

  revocationList(): Promise<RevocationList> {
    return this.#lists.next()
  }

  /** L33: the leaf keeps every name constraint above it. */
  #lintNames(leaf: Certificate): void {
    if (this.#constraints === undefined) return
    const fault = checkNameConstraints([leaf, ...this.#constraints.above], this.#constraints.root, new Budget())
    if (fault !== undefined) throw new PkiError('ERR_LINT', `L33 (${fault.rule}): ${fault.message}`)
  }

  /** Whole seconds: RFC 5280 §4.1.2.5 knows no others, and the last one belongs to the validity. */
  #validity(content: CertificateContent): { nowMs: number, notBeforeMs: number, notAfterMs: number } {
    const nowMs = this.#clock.now()
    const second = Math.floor(nowMs / 1000) * 1000
    if (nowMs >= this.#notAfterMs + 1000 || nowMs < this.#notBeforeMs) throw new PkiError('ERR_CA_EXPIRED', 'the CA certificate, or one above it, is not valid now')
    const seconds = Math.min(validitySeconds(this.#profile, content.ttlSeconds), content.maximumTtlSeconds ?? Infinity)
    return {
      nowMs,
      notBeforeMs: Math.max(second - this.#profile.backdateSeconds * 1000, this.#notBeforeMs),
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
    // RFC 5280 §4.2.1.9: as many CA certificates stand below the one at this place, the leaf not counted.
    const allowed = child.basicConstraints?.pathLength
    if (allowed !== undefined && allowed < at) throw wrong(`${child.subject.toString()} allows ${allowed} CA certificates below it, and there are ${at}`)
    const parents = at + 1 < chain.length ? [chain[at + 1] as Certificate] : roots.filter(({ basicConstraints }) => (basicConstraints?.pathLength ?? Infinity) > at)
    if (!parents.some((parent) => child.issuer.equals(parent.subject) && child.verifySignatureBy(parent.publicKey))) {
      throw wrong(`${child.subject.toString()} is not signed by ${at + 1 < chain.length ? 'the next certificate of the chain' : 'a root'}`)
    }
  })
}

/** A CA without roots is its own, if it signed itself. */
function ownRoot(certificate: Certificate): readonly Certificate[] {
  if (certificate.isSelfIssued && certificate.verifySignatureBy(certificate.publicKey)) return [certificate]
  throw new PkiError('ERR_CA_MATERIAL', 'the CA certificate is no root, and no roots were given')
}

function signersOf(child: Certificate, roots: readonly Certificate[]): readonly Certificate[] {
  return roots.filter((root) => child.issuer.equals(root.subject) && child.verifySignatureBy(root.publicKey))
}

/** The trust domain that a CA certificate names in its URI, if it has one. */
function trustDomainOf(certificate: Certificate): TrustDomain | undefined {
  const uri = certificate.subjectAltName?.find(({ type }) => type === 'uri')
  return uri?.type === 'uri' && uri.value.startsWith('spiffe:') ? SpiffeId.parse(uri.value).trustDomain : undefined
}

/** In the place of the signature while the bytes are linted. */
const noSignature = Uint8Array.of(0)
