// A CA: prepare → lint → sign → check. It does not know who is calling.

import { PkiError } from '../errors/index.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { TrustDomain } from '../spiffe/index.ts'
import { TrustBundleSet } from '../svid/bundle-source.ts'
import { TrustBundle } from '../svid/trust-bundle.ts'
import type { BundleSource } from '../svid/index.ts'
import { CertificateRequest, generateSerialNumber, isProvenRequest } from '../x509/index.ts'
import type {
  Certificate,
  ProvenRequest,
  PublicKey,
  RevocationList,
  SerialNumber,
  SignOptions,
} from '../x509/index.ts'
import { workloadProfile } from './certificate-profile.ts'
import type { CertificateProfile } from './certificate-profile.ts'
import type { CertificateStore } from './certificate-store.ts'
import type { CertificateWorkers } from './certificate-workers.ts'
import type {
  CertificateContent,
  IssuedCertificate,
  PreparedCertificate,
  UnprovenCertificate,
} from './issued-certificate.ts'
import { Issuer } from './issuer.ts'
import type { SigningMaterial } from './issuer.ts'
import { RevocationListIssuer } from './revocation-list-issuer.ts'

/** Signs certificates for requests whose key was proven. As a `BundleSource`, it has the roots of its trust domain, whatever they are by then. */
export interface CertificateAuthority extends BundleSource {
  readonly trustDomain: TrustDomain
  /** The certificate that it signs with. */
  readonly certificate: Certificate
  /** What holders send along with their certificates: the issuers, the nearest first, without the root. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  /** Linted bytes, to be signed once and within 60 s; the serial number is 128 random bits. @throws ERR_TTL, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_CA_EXPIRED, ERR_LINT, ERR_INVALID_ARGUMENT */
  prepare(request: ProvenRequest, content: CertificateContent): PreparedCertificate
  /**
   * Signs those bytes and no others, and checks what came out.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_PREPARED_EXPIRED, ERR_CA_SIGNATURE; what the signer throws
   */
  sign(prepared: PreparedCertificate, options?: SignOptions): Promise<IssuedCertificate>
  /** As `prepare`, for a request that is proven where it is signed for. @throws as `prepare` */
  prepareUnproven(request: CertificateRequest, content: CertificateContent): UnprovenCertificate
  /**
   * Has workers prove the request, sign those bytes and no others, and check what came out.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_PREPARED_EXPIRED, ERR_CA_MATERIAL for workers with another key; what the workers throw
   */
  proveAndSign(unproven: UnprovenCertificate, workers: CertificateWorkers): Promise<IssuedCertificate>
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
 * @throws ERR_CA_MATERIAL when certificate, key, chain and roots do not belong together; ERR_INVALID_ARGUMENT for a profile that means nothing; as
 * `Certificate.from` for one that cannot be read
 * @example
 * ```ts
 * const ca = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer })
 * const caIssuance = createIssuanceService({ authority: ca })
 * ```
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
    if (typeof (options as unknown) !== 'object' || (options as unknown) === null)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a CA wants trustDomain, certificate and signer')
    this.trustDomain = TrustDomain.from(options.trustDomain)
    this.#profile = options.profile ?? workloadProfile
    this.#clock = options.clock ?? systemClock
    this.#issuer = new Issuer(options, this.trustDomain, this.#profile)
    this.#bundles = new TrustBundleSet([this.#bundleOf(this.#issuer)])
    this.#lists = new RevocationListIssuer({
      store: options.store,
      ttlSeconds: options.revocationListTtlSeconds,
      clock: this.#clock,
    })
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

  prepare(request: ProvenRequest, content: CertificateContent): PreparedCertificate {
    if (!isProvenRequest(request))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a request whose signature was verified is wanted')
    return this.#prepare(request.publicKey, content, undefined) as PreparedCertificate
  }

  async sign(prepared: PreparedCertificate, options?: SignOptions): Promise<IssuedCertificate> {
    const { linted, issuer, request } = PreparedToken.use(prepared, this, this.#clock)
    if (request !== undefined)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'the request of these bytes was not proven')
    this.#requireTrusted(issuer)
    const signing = issuer.sign(linted, options)
    return this.#answer(issuer, linted, signing instanceof Uint8Array ? signing : await signing)
  }

  prepareUnproven(request: CertificateRequest, content: CertificateContent): UnprovenCertificate {
    if (!(request instanceof CertificateRequest))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a request is wanted')
    return this.#prepare(request.publicKey, content, request) as UnprovenCertificate
  }

  async proveAndSign(unproven: UnprovenCertificate, workers: CertificateWorkers): Promise<IssuedCertificate> {
    const { linted, issuer, request } = PreparedToken.use(unproven, this, this.#clock)
    if (request === undefined)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'the request of these bytes was proven: they are for `sign`')
    this.#requireTrusted(issuer)
    return this.#answer(issuer, linted, await issuer.signBy(workers, request, linted))
  }

  #prepare(
    publicKey: PublicKey,
    content: CertificateContent,
    request: CertificateRequest | undefined,
  ): PreparedToken {
    const { subjectAltName } = Object(content) as Partial<CertificateContent>
    if (!Array.isArray(subjectAltName))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'the content of a certificate has subjectAltName, a list of names',
      )
    publicKey.checkStrength()
    const nowMs = this.#clock.now()
    return new PreparedToken(
      this,
      this.#issuer,
      this.#issuer.prepare(publicKey, content, generateSerialNumber(), nowMs),
      request,
      nowMs,
      this.#clock.monotonic(),
    )
  }

  #answer(issuer: Issuer, linted: Certificate, signature: Uint8Array): IssuedCertificate {
    const certificate = issuer.assemble(linted, signature)
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
    if (
      issuer === this.#issuer ||
      issuer.anchors.some((anchor) => this.#issuer.roots.some((root) => root.equals(anchor)))
    )
      return
    throw new PkiError(
      'ERR_PREPARED_EXPIRED',
      'the roots above the CA that prepared these bytes are not trusted any more',
    )
  }
}

/** Only its CA can make one that its CA will sign: the private field cannot be forged, and is cleared at its first use. */
class PreparedToken {
  readonly serialNumber: SerialNumber
  /** As it was linted: the bytes with a signature that verifies nothing. */
  readonly #linted: Certificate
  readonly #issuer: Issuer
  readonly #wallMs: number
  readonly #monotonicMs: number
  /** Present as long as it is not proven. */
  readonly #request: CertificateRequest | undefined
  #authority: object | undefined

  constructor(
    authority: object,
    issuer: Issuer,
    linted: Certificate,
    request: CertificateRequest | undefined,
    wallMs: number,
    monotonicMs: number,
  ) {
    this.serialNumber = linted.serialNumber
    this.#linted = linted
    this.#issuer = issuer
    this.#request = request
    this.#wallMs = wallMs
    this.#monotonicMs = monotonicMs
    this.#authority = authority
  }

  get proven(): boolean {
    return this.#request === undefined
  }

  /** A copy: what was linted is what is signed, whatever its holder does. */
  get tbs(): Uint8Array {
    return this.#linted.tbs.slice()
  }

  get notAfter(): Date {
    return this.#linted.notAfter
  }

  /** What was linted and by whom it is to be signed, if `prepared` is of this CA, was not used, and is fresh. @throws ERR_INVALID_ARGUMENT, ERR_PREPARED_EXPIRED */
  static use(
    prepared: unknown,
    authority: object,
    clock: Clock,
  ): {
    readonly linted: Certificate
    readonly issuer: Issuer
    readonly request: CertificateRequest | undefined
  } {
    if (
      typeof prepared !== 'object' ||
      prepared === null ||
      !(#authority in prepared) ||
      prepared.#authority !== authority
    ) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'these bytes were not prepared by this CA, or were signed already',
      )
    }
    prepared.#authority = undefined
    // Both clocks: the monotonic one stands still while a machine sleeps, the other may be set.
    const age = Math.max(clock.monotonic() - prepared.#monotonicMs, Math.abs(clock.now() - prepared.#wallMs))
    if (age > maximumAgeMs)
      throw new PkiError(
        'ERR_PREPARED_EXPIRED',
        `bytes that were prepared ${Math.round(age / 1000)} s ago; at most ${maximumAgeMs / 1000} s are taken`,
      )
    return { linted: prepared.#linted, issuer: prepared.#issuer, request: prepared.#request }
  }
}

/** From lint to signature: the clock, the CA and the policy are still what they were. */
const maximumAgeMs = 60_000
