// The token between lint and signature: these bytes, by this CA, once, soon.
// A CA: prepare → lint → sign → check. It does not know who is calling.

import { randomBytes } from 'node:crypto'
import { bitString, sequence } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { SpiffeId, TrustDomain } from '../spiffe/index.ts'
import { TrustBundleSet } from '../svid/bundle-source.ts'
import { TrustBundle } from '../svid/trust-bundle.ts'
import type { BundleSource } from '../svid/index.ts'
import { Budget } from '../validation/budget.ts'
import { checkNameConstraints } from '../validation/names/check-name-constraints.ts'
import { Certificate, generateSerialNumber, isProvenRequest, signatureAlgorithms, verifySignature } from '../x509/index.ts'
import type { NameConstraints, ProvenRequest, PublicKey, RevocationList, SerialNumber, Signer } from '../x509/index.ts'
import { lintCertificate } from './certificate-lints.ts'
import { profileBelow, validitySeconds, workloadProfile, LeafTemplate } from './certificate-profile.ts'
import type { CertificateProfile } from './certificate-profile.ts'
import type { CertificateStore } from './certificate-store.ts'
import type { CertificateContent, IssuedCertificate, PreparedCertificate } from './issued-certificate.ts'
import { RevocationListIssuer } from './revocation-list-issuer.ts'

/** Only its CA can make one that its CA will sign: the private field cannot be forged, and is cleared at its first use. */
class PreparedToken implements PreparedCertificate {
  readonly serialNumber: SerialNumber
  /** As it was linted: the bytes with a signature that verifies nothing. */
  readonly #linted: Certificate
  readonly #issuer: Issuer
  readonly #wallMs: number
  readonly #monotonicMs: number
  #authority: object | undefined

  constructor(authority: object, issuer: Issuer, linted: Certificate, wallMs: number, monotonicMs: number) {
    this.serialNumber = linted.serialNumber
    this.#linted = linted
    this.#issuer = issuer
    this.#wallMs = wallMs
    this.#monotonicMs = monotonicMs
    this.#authority = authority
  }

  /** A copy: what was linted is what is signed, whatever its holder does. */
  get tbs(): Uint8Array {
    return this.#linted.tbs.slice()
  }

  get notAfter(): Date {
    return this.#linted.notAfter
  }

  /** What was linted and by whom it is to be signed, if `prepared` is of this CA, was not used, and is fresh. @throws ERR_INVALID_ARGUMENT, ERR_PREPARED_EXPIRED */
  static use(prepared: unknown, authority: object, clock: Clock): { readonly linted: Certificate, readonly issuer: Issuer } {
    if (typeof prepared !== 'object' || prepared === null || !(#authority in prepared) || prepared.#authority !== authority) {
      throw new PkiError('ERR_INVALID_ARGUMENT', 'these bytes were not prepared by this CA, or were signed already')
    }
    prepared.#authority = undefined
    // Both clocks: the monotonic one stands still while a machine sleeps, the other may be set.
    const age = Math.max(clock.monotonic() - prepared.#monotonicMs, Math.abs(clock.now() - prepared.#wallMs))
    if (age > maximumAgeMs) throw new PkiError('ERR_PREPARED_EXPIRED', `bytes that were prepared ${Math.round(age / 1000)} s ago; at most ${maximumAgeMs / 1000} s are taken`)
    return { linted: prepared.#linted, issuer: prepared.#issuer }
  }
}

/** Signs certificates for requests whose key was proven. As a `BundleSource`, it has the roots of its trust domain, whatever they are by then. */
export interface CertificateAuthority extends BundleSource {
  readonly trustDomain: TrustDomain
  /** The certificate that it signs with. */
  readonly certificate: Certificate
  /** What holders send along with their certificates: the issuers, the nearest first, without the root. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  /** Linted bytes, to be signed once and within 60 s; the serial number is 128 random bits unless it was drawn before. @throws ERR_TTL, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_CA_EXPIRED, ERR_LINT, ERR_INVALID_ARGUMENT */
  prepare(request: ProvenRequest, content: CertificateContent, serialNumber?: Uint8Array): PreparedCertificate
  /** When a certificate with this content would end. @throws ERR_TTL, ERR_CA_EXPIRED, ERR_INVALID_ARGUMENT */
  notAfter(content: CertificateContent): Date
  /**
   * Signs those bytes and no others, and checks what came out.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_PREPARED_EXPIRED, ERR_CA_SIGNATURE; what the signer throws
   */
  sign(prepared: PreparedCertificate): Promise<IssuedCertificate>
  /** A new list of what was revoked, its number above the last. @throws ERR_INVALID_ARGUMENT without a store, ERR_CA_EXPIRED, ERR_CA_SIGNATURE, ERR_LINT; what store and signer throw */
  revocationList(): Promise<RevocationList>
  /** The roots of the trust domain at this moment, as a SPIFFE trust bundle. */
  trustBundle(): TrustBundle
  /** Calls `listener` with the new bundle after each change of it. Returns what stops it. */
  onTrustBundleChange(listener: (bundle: TrustBundle) => void): () => void
  /**
   * Goes on with other material, at once and for all that is prepared from then on. What was prepared before is signed by the CA that prepared it, as
   * long as one of the roots above it stays. A root is changed in three steps, with the time in between that its users need: publish it (the same
   * CA, both roots), sign with it (the new CA, both roots), drop the old one. The lists of an old key are made by an authority of that key.
   *
   * @throws ERR_CA_MATERIAL, ERR_CA_EXPIRED, ERR_CA_SIGNATURE for material that does not belong together or whose key does not sign: then nothing has
   * changed; what a listener throws, after the change
   */
  rotate(material: SigningMaterial): Promise<void>
}

/** What a CA signs with. `CaMaterial` and `CaCredential` are some. */
export interface SigningMaterial {
  readonly certificate: Certificate
  /** Signs for `certificate`. */
  readonly signer: Signer
  /** The issuers of `certificate`, the nearest first, without the root. Default none: a root, or signed by one. */
  readonly chain?: readonly Certificate[] | undefined
  /** Default: `certificate` itself, if it is self-signed. */
  readonly roots?: readonly Certificate[] | undefined
}

/** Options of `createCertificateAuthority`. */
export interface CertificateAuthorityOptions extends SigningMaterial {
  /** The one that it serves; its roots make the trust bundle. */
  readonly trustDomain: TrustDomain | string
  /** The template of its leaves. Default `workloadProfile`. */
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
 * @throws ERR_CA_MATERIAL when certificate, key, chain and roots do not belong together; ERR_INVALID_ARGUMENT for a profile that means nothing
 */
export function createCertificateAuthority(options: CertificateAuthorityOptions): CertificateAuthority {
  return new LocalCertificateAuthority(options)
}

class LocalCertificateAuthority implements CertificateAuthority {
  readonly trustDomain: TrustDomain
  readonly #profile: CertificateProfile
  readonly #clock: Clock
  readonly #bundles: TrustBundleSet
  readonly #lists: RevocationListIssuer
  /** Replaced as a whole: everything for one certificate comes from one of them. */
  #issuer: Issuer

  constructor(options: CertificateAuthorityOptions) {
    this.trustDomain = TrustDomain.from(options.trustDomain)
    this.#profile = options.profile ?? workloadProfile
    this.#clock = options.clock ?? systemClock
    this.#issuer = new Issuer(options, this.trustDomain, this.#profile)
    this.#bundles = new TrustBundleSet([this.#bundleOf(this.#issuer)])
    this.#lists = new RevocationListIssuer({ store: options.store, ttlSeconds: options.revocationListTtlSeconds, clock: this.#clock })
  }

  get certificate(): Certificate {
    return this.#issuer.certificate
  }

  get chain(): readonly Certificate[] {
    return this.#issuer.chain
  }

  get roots(): readonly Certificate[] {
    return this.#issuer.roots
  }

  prepare(request: ProvenRequest, content: CertificateContent, serialNumber: Uint8Array = generateSerialNumber()): PreparedCertificate {
    if (!isProvenRequest(request)) throw new PkiError('ERR_INVALID_ARGUMENT', 'a request whose signature was verified is wanted')
    const { publicKey } = request
    publicKey.checkStrength()
    const nowMs = this.#clock.now()
    return new PreparedToken(this, this.#issuer, this.#issuer.prepare(publicKey, content, serialNumber, nowMs), nowMs, this.#clock.monotonic())
  }

  notAfter(content: CertificateContent): Date {
    return new Date(this.#issuer.validity(content, this.#clock.now()).notAfterMs)
  }

  async sign(prepared: PreparedCertificate): Promise<IssuedCertificate> {
    const { linted, issuer } = PreparedToken.use(prepared, this, this.#clock)
    this.#requireTrusted(issuer)
    // A copy for the signer, which may be anybody's code: the bytes that it is given are not those that are compared.
    const signing = issuer.signer.sign(linted.tbs.slice())
    const certificate = issuer.finish(linted, signing instanceof Uint8Array ? signing : await signing)
    this.#requireTrusted(issuer)
    return { certificate, chain: issuer.chain, roots: this.#issuer.roots }
  }

  revocationList(): Promise<RevocationList> {
    return this.#lists.next(this.#issuer.certificate, this.#issuer.signer)
  }

  trustBundle(): TrustBundle {
    return this.#bundles.bundleFor(this.trustDomain) as TrustBundle
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#bundles.bundleFor(trustDomain)
  }

  onTrustBundleChange(listener: (bundle: TrustBundle) => void): () => void {
    return this.#bundles.onChange(({ bundle }) => {
      if (bundle !== undefined) listener(bundle)
    })
  }

  async rotate(material: SigningMaterial): Promise<void> {
    const next = new Issuer(material, this.trustDomain, this.#profile)
    next.requireValid(this.#clock.now())
    await next.prove()
    const bundle = this.#bundleOf(next)
    this.#issuer = next
    this.#bundles.set(bundle)
  }

  #bundleOf({ roots }: Issuer): TrustBundle {
    return new TrustBundle(this.trustDomain, { x509Authorities: roots })
  }

  /** Invariant: no client sees a chain that does not verify with the roots served at the same time. */
  #requireTrusted(issuer: Issuer): void {
    if (issuer === this.#issuer || issuer.anchors.some((anchor) => this.#issuer.roots.some((root) => root.equals(anchor)))) return
    throw new PkiError('ERR_PREPARED_EXPIRED', 'the roots above the CA that prepared these bytes are not trusted any more')
  }
}

/** One CA certificate with its key and what is above it: all that a signature needs, worked out once. */
class Issuer {
  readonly certificate: Certificate
  readonly signer: Signer
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  /** Those of the roots that the chain ends in. */
  readonly anchors: readonly Certificate[]
  readonly #publicKey: PublicKey
  readonly #profile: CertificateProfile
  readonly #template: LeafTemplate
  /** What follows the signed bytes before there is a signature: the algorithm, and a signature that verifies nothing. */
  readonly #unsigned: Uint8Array
  readonly #notAfterMs: number
  readonly #notBeforeMs: number
  /** Present where a CA above, or this one, constrains names. */
  readonly #constraints: { readonly above: readonly Certificate[], readonly root: NameConstraints | undefined } | undefined
  readonly #trustDomain: TrustDomain | undefined

  constructor({ certificate, signer, chain = [], roots = ownRoot(certificate) }: SigningMaterial, trustDomain: TrustDomain, profile: CertificateProfile) {
    this.certificate = certificate
    this.signer = signer
    this.#publicKey = certificate.publicKey
    this.#profile = profileBelow(certificate, profile)
    this.roots = roots
    const isRoot = roots.some((root) => root.equals(certificate))
    this.chain = isRoot ? [] : [certificate, ...chain]
    checkMaterial(certificate, signer, this.chain, roots)
    this.#trustDomain = trustDomainOf(certificate)
    // What is above may be of another: X-4 lets a CA sign the CAs of other trust domains.
    if (this.#trustDomain?.equals(trustDomain) === false) {
      throw new PkiError('ERR_CA_MATERIAL', `the CA certificate is of ${this.#trustDomain.name}, not of ${trustDomain.name} (X-4)`)
    }
    this.#template = new LeafTemplate(certificate, signer.signatureAlgorithm, this.#profile)
    this.#unsigned = Buffer.concat([signatureAlgorithms[signer.signatureAlgorithm].identifier, bitString(noSignature)])
    // No leaf lives longer than what is above it, however far up; several roots may vouch for it, the longest counts.
    const above = [certificate, ...this.chain]
    this.anchors = isRoot ? [certificate] : signersOf(this.chain.at(-1) as Certificate, roots)
    this.#notAfterMs = Math.min(...above.map(({ notAfterMs }) => notAfterMs), Math.max(...this.anchors.map(({ notAfterMs }) => notAfterMs)))
    this.#notBeforeMs = Math.max(...above.map(({ notBeforeMs }) => notBeforeMs), Math.min(...this.anchors.map(({ notBeforeMs }) => notBeforeMs)))
    this.#constraints = [...above, ...this.anchors].some(({ nameConstraints }) => nameConstraints !== undefined) ? { above: this.chain, root: this.anchors[0]?.nameConstraints } : undefined
  }

  /** The bytes to sign, linted, with a signature that verifies nothing. */
  prepare(publicKey: PublicKey, content: CertificateContent, serialNumber: Uint8Array, nowMs: number): Certificate {
    const { notBeforeMs, notAfterMs } = this.validity(content, nowMs)
    const tbs = this.#template.encode({ serialNumber, notBeforeMs, notAfterMs, subject: content.subject, publicKey, subjectAltName: content.subjectAltName })
    const unsigned = Certificate.parse(sequence(tbs, this.#unsigned))
    lintCertificate({ certificate: unsigned, issuer: this.certificate, issuerTrustDomain: this.#trustDomain, publicKey, wantedNames: content.subjectAltName, profile: this.#profile, nowMs })
    this.#lintNames(unsigned)
    return unsigned
  }

  /** The certificate with its signature, if it is one. @throws ERR_CA_SIGNATURE */
  finish(linted: Certificate, signature: Uint8Array): Certificate {
    const { tbs } = linted
    // A faulty signature must not leave: it may tell the key (Bellcore), and nobody could use it.
    if (!verifySignature(this.#publicKey, this.signer.signatureAlgorithm, tbs, signature)) {
      throw new PkiError('ERR_CA_SIGNATURE', `the signature of key ${this.signer.id} does not verify; it was not let out`)
    }
    const certificate = linted.withSignature(signature)
    if (Buffer.compare(certificate.tbs, tbs) !== 0) throw new PkiError('ERR_CA_SIGNATURE', 'the certificate does not hold the bytes that were linted')
    return certificate
  }

  /** Has the key sign something that is no certificate: a CA is proved before it is used. @throws ERR_CA_SIGNATURE; what the signer throws */
  async prove(): Promise<void> {
    const text = Buffer.concat([Buffer.from('spiffe-pki: does this key sign? '), randomBytes(16)])
    if (!verifySignature(this.#publicKey, this.signer.signatureAlgorithm, text, await this.signer.sign(Uint8Array.from(text)))) {
      throw new PkiError('ERR_CA_SIGNATURE', `the signature of key ${this.signer.id} does not verify; the CA was not taken`)
    }
  }

  /** Whole seconds: RFC 5280 §4.1.2.5 knows no others, and the last one belongs to the validity. */
  validity({ ttlSeconds, maximumTtlSeconds }: CertificateContent, nowMs: number): { notBeforeMs: number, notAfterMs: number } {
    this.requireValid(nowMs)
    if (maximumTtlSeconds !== undefined && !(Number.isSafeInteger(maximumTtlSeconds) && maximumTtlSeconds > 0)) {
      throw new PkiError('ERR_INVALID_ARGUMENT', `a policy's limit of ${maximumTtlSeconds} s; a positive whole number is wanted`)
    }
    const second = Math.floor(nowMs / 1000) * 1000
    const seconds = Math.min(validitySeconds(this.#profile, ttlSeconds), maximumTtlSeconds ?? Infinity)
    return {
      notBeforeMs: Math.max(second - this.#profile.backdateSeconds * 1000, this.#notBeforeMs),
      notAfterMs: Math.min(second + seconds * 1000, this.#notAfterMs),
    }
  }

  /** @throws ERR_CA_EXPIRED */
  requireValid(nowMs: number): void {
    if (nowMs >= this.#notAfterMs + 1000 || nowMs < this.#notBeforeMs) throw new PkiError('ERR_CA_EXPIRED', 'the CA certificate, or one above it, is not valid now')
  }

  /** L33: the leaf keeps every name constraint above it. */
  #lintNames(leaf: Certificate): void {
    if (this.#constraints === undefined) return
    const fault = checkNameConstraints([leaf, ...this.#constraints.above], this.#constraints.root, new Budget())
    if (fault !== undefined) throw new PkiError('ERR_LINT', `L33 (${fault.rule}): ${fault.message}`)
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
/** From lint to signature: the clock, the CA and the policy are still what they were. */
const maximumAgeMs = 60_000
