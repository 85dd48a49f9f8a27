// The certificate authority in this process: prepares and signs certificates, and rotates its material.

import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { checkCounts, checkMeasures, requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { safeMetrics } from '../../runtime/internal.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { TrustBundleSet } from '../../svid/bundle-source.ts'
import { TrustBundle } from '../../svid/trust-bundle.ts'
import { CertificateRequest } from '../../x509/index.ts'
import type { Certificate, Crl } from '../../x509/index.ts'
import type { SignOptions } from '../../x509/internal.ts'
import type { IssueCrlOptions } from '../crl/crl-issuer.ts'
import { readCrlDistribution } from '../crl/crl-shards.ts'
import { IssuerCrls } from '../crl/issuer-crls.ts'
import { createRevocationLookup } from '../crl/revocation-lookup.ts'
import type { RevocationLookup } from '../crl/revocation-lookup.ts'
import { measuredSigning, measuredStorage } from '../measured/measured-calls.ts'
import type { CallMetrics } from '../measured/measured-calls.ts'
import { OcspResponder } from '../ocsp/ocsp-responder.ts'
import type { OcspAnswer } from '../ocsp/ocsp-responder.ts'
import { readProfile, workloadProfile } from '../profile/certificate-profile.ts'
import type { CaStorage } from '../records/ca-storage.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import { createMemoryStorage } from '../records/memory/memory-storage.ts'
import type {
  CertificateAuthority,
  CertificateAuthorityOptions,
  RotateOptions,
} from './certificate-authority.ts'
import { readContent } from './certificate-content.ts'
import type { CertificateContent, IssuedCertificate, PreparedCertificate } from './issued-certificate.ts'
import { CurrentIssuers } from './issuer/current-issuers.ts'
import { Issuer } from './issuer/issuer.ts'
import type { IssuerSettings } from './issuer/issuer.ts'
import { HandedOut } from './issuer/handed-out.ts'
import { KnownIssuers } from './issuer/known-issuers.ts'
import { PreparedToken } from './prepared-token.ts'
import { RequestProver, throwIfAborted } from './request-prover.ts'
import { copiesOf, materialKinds, readSigningMaterial } from './signing-material.ts'
import type { ReadMaterial, SigningMaterial } from './signing-material.ts'

/**
 * Creates a CA for one trust domain. Before it is returned, our own validator verifies an unsigned test leaf
 * against its material.
 *
 * @throws ERR_CA_MATERIAL if certificate, key, chain and roots do not belong together, or the validator would
 * refuse certificates of the CA; ERR_CA_EXPIRED, ERR_CA_NOT_YET_VALID; ERR_INVALID_ARGUMENT; as
 * `Certificate.from`
 * @example
 * ```ts
 * const ca = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer })
 * const caIssuance = createIssuanceService({ authority: ca })
 * ```
 */
export function createCertificateAuthority(options: CertificateAuthorityOptions): CertificateAuthority {
  return createGuardedAuthority(options, () => undefined)
}

/**
 * Like `createCertificateAuthority`; `requireSigning` throws while no certificate may be signed. CRLs and
 * OCSP responses are still signed. @throws as `createCertificateAuthority`
 */
export function createGuardedAuthority(
  options: CertificateAuthorityOptions,
  requireSigning: () => void,
): CertificateAuthority {
  return new LocalCertificateAuthority(
    readOptions('createCertificateAuthority', options, {
      ...materialKinds,
      trustDomain: 'required',
      profile: 'optional',
      minTtlSeconds: 'optional',
      storage: 'optional',
      crlTtlSeconds: 'optional',
      crlDistribution: 'optional',
      ocspTtlSeconds: 'optional',
      clock: 'optional',
      metrics: 'optional',
    }),
    requireSigning,
  )
}

class LocalCertificateAuthority implements CertificateAuthority {
  readonly trustDomain: TrustDomain
  readonly storage: CaStorage
  readonly revocation: RevocationLookup
  readonly crlTtlSeconds: number
  readonly #settings: IssuerSettings
  readonly #clock: Clock
  readonly #measure: CallMetrics
  readonly #bundles: TrustBundleSet
  readonly #crls: IssuerCrls
  readonly #ocsp: OcspResponder
  readonly #handedOut = new HandedOut()
  readonly #prover = new RequestProver()
  readonly #known = new KnownIssuers()
  readonly #requireSigning: () => void
  readonly #issuers: CurrentIssuers
  /** The last requested rotation. */
  #rotating: Promise<void> = Promise.resolve()

  constructor(options: CertificateAuthorityOptions, requireSigning: () => void) {
    this.#requireSigning = requireSigning
    this.trustDomain = TrustDomain.from(options.trustDomain)
    const distribution = readCrlDistribution(options.crlDistribution)
    this.#clock = options.clock ?? systemClock
    this.#settings = {
      trustDomain: this.trustDomain,
      profile: readProfile(options.profile ?? workloadProfile),
      minTtlSeconds: requireCount('minTtlSeconds', options.minTtlSeconds ?? 60, 1),
      distribution,
    }
    this.#measure = {
      metrics: safeMetrics('createCertificateAuthority', options.metrics),
      clock: this.#clock,
    }
    const issuer = this.#issuerOf(readSigningMaterial(options))
    this.#issuers = new CurrentIssuers(issuer)
    this.#bundles = new TrustBundleSet([this.#bundleOf(issuer)])
    this.storage = options.storage ?? createMemoryStorage({ clock: this.#clock })
    const { crlTtlSeconds = 24 * 3600, ocspTtlSeconds = 3600 } = options
    checkCounts({ crlTtlSeconds, ocspTtlSeconds }, 1)
    this.crlTtlSeconds = crlTtlSeconds
    const storage = measuredStorage(this.storage, this.#measure)
    const shared = { storage, clock: this.#clock }
    this.#crls = new IssuerCrls({ ...shared, ttlSeconds: crlTtlSeconds, distribution })
    this.#crls.add(issuer)
    this.#known.add(issuer, this.#clock.now())
    this.#ocsp = new OcspResponder({ ...shared, ttlSeconds: ocspTtlSeconds })
    this.#ocsp.add(issuer)
    this.revocation = createRevocationLookup(storage.certificates)
  }

  get certificate(): Certificate {
    return this.#issuers.main.shared.certificate
  }

  get chain(): readonly Certificate[] {
    return this.#issuers.main.shared.chain
  }

  chainOf(issuer: KeyIdentifier): readonly Certificate[] | undefined {
    return this.#known.chainOf(issuer, this.#issuers.roots)
  }

  get roots(): readonly Certificate[] {
    return this.#issuers.sharedRoots
  }

  async prepare(
    request: CertificateRequest,
    content: CertificateContent,
    options?: SignOptions,
  ): Promise<PreparedCertificate> {
    if (!(request instanceof CertificateRequest))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `prepare: the request must be a CertificateRequest, found ${nameOf(request)}`,
      )
    const { signal } = readSignOptions('prepare', options)
    const wanted = readContent('prepare', content)
    throwIfAborted(signal)
    request.publicKey.checkStrength()
    const { workers } = this.#issuers.of(request.publicKey)
    if (workers === undefined) await this.#prover.prove(request, signal)
    else await workers.prove(request, { signal })
    return this.#prepare(request, wanted)
  }

  /** Uses the current issuer: a rotation may have happened while the proof was verified. */
  #prepare(request: CertificateRequest, content: CertificateContent): PreparedCertificate {
    this.#requireSigning()
    const { publicKey } = request
    const issuer = this.#issuers.of(request.publicKey)
    const nowMs = this.#clock.now()
    const validity = issuer.validity(content, nowMs)
    const linted = issuer.prepare(publicKey, content, validity, nowMs)
    return new PreparedToken(
      this,
      { linted, issuer, shortened: validity.shortened },
      nowMs,
      this.#clock.monotonic(),
    )
  }

  async sign(prepared: PreparedCertificate, options?: SignOptions): Promise<IssuedCertificate> {
    const signOptions = readSignOptions('sign', options)
    const { linted, issuer, shortened } = PreparedToken.use(prepared, this, this.#clock)
    this.#requireSigning()
    this.#issuers.requireTrusted(issuer)
    const certificate = await issuer.sign(linted, signOptions)
    // The roots may have changed while the signer worked.
    this.#requireSigning()
    this.#issuers.requireTrusted(issuer)
    return Object.freeze({ certificate, chain: issuer.shared.chain, roots: this.roots, shortened })
  }

  async issueCrl(options?: IssueCrlOptions): Promise<Crl> {
    return this.#handedOut.list(await this.#crls.issue(this.#issuers.main.certificate, options))
  }

  async issueCrls(): Promise<readonly Crl[]> {
    const { main, canary } = this.#issuers
    const inUse = canary === undefined ? [] : [canary.certificate]
    const lists = await this.#crls.issueAll(main.certificate, inUse)
    return Object.freeze(lists.map((list) => this.#handedOut.list(list)))
  }

  async answerOcsp(request: Uint8Array): Promise<OcspAnswer> {
    const { response, maxAgeSeconds, tag, failure } = await this.#ocsp.answer(
      requireOctets(request, 'answerOcsp: the request'),
    )
    // The responder caches the octets of a response with a tag, for later clients.
    const octets = tag === undefined ? response : new Uint8Array(response)
    return Object.freeze({ response: octets, maxAgeSeconds, tag, failure })
  }

  trustBundle(): TrustBundle {
    return this.bundleFor(this.trustDomain) as TrustBundle
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    const own = this.#bundles.bundleFor(trustDomain)
    return own && this.#handedOut.bundle(own)
  }

  onChange(listener: () => void): () => void {
    return this.#bundles.onChange(() => {
      listener()
    })
  }

  onTrustBundleChange(listener: (bundle: TrustBundle) => void): () => void {
    return this.#bundles.onChange(({ bundle }) => {
      if (bundle !== undefined) listener(this.#handedOut.bundle(bundle))
    })
  }

  async rotate(material: SigningMaterial, options: RotateOptions = {}): Promise<void> {
    // Read before waiting: the caller may change the object afterwards.
    const read = readSigningMaterial(readOptions('rotate', material, materialKinds))
    const { share = 1 } = readOptions('rotate', options, { share: 'guard' })
    checkMeasures({ share }, Number.MIN_VALUE, 1)
    const rotated = this.#rotating.then(async () => {
      const next = this.#issuerOf(read)
      await next.tryKey()
      // Signing may have taken a long time.
      next.recheck(this.#clock.now())
      if (share < 1) this.#issuers.requireBoth(next)
      const bundle = this.#bundleOf(next)
      this.#crls.add(next)
      this.#known.add(next, this.#clock.now())
      this.#ocsp.add(next)
      this.#issuers.replace(next, share)
      this.#bundles.set(bundle)
    })
    this.#rotating = rotated.catch(() => undefined)
    return rotated
  }

  /** @throws as `Issuer` */
  #issuerOf(material: ReadMaterial): Issuer {
    return new Issuer(measuredSigning(material, this.#measure), this.#settings, this.#clock.now())
  }

  #bundleOf({ roots }: Issuer): TrustBundle {
    return new TrustBundle(this.trustDomain, { x509Authorities: copiesOf(roots) })
  }
}

function readSignOptions(caller: string, options: SignOptions | undefined): SignOptions {
  return options === undefined ? noOptions : readOptions(caller, options, { signal: 'optional' })
}

const noOptions: SignOptions = Object.freeze({})
