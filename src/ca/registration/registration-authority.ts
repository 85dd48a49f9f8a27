// A registration authority, which decides and verifies, has another CA sign, and records its answers.

import { createHash } from 'node:crypto'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { TrustBundle, TrustBundleSet } from '../../svid/index.ts'
import { CertificateRequest, parseSerialNumber } from '../../x509/index.ts'
import type { Certificate, SerialNumber } from '../../x509/index.ts'
import type { SignOptions } from '../../x509/internal.ts'
import { generateSerialNumber } from '../../x509/internal.ts'
import type { CertificateAuthority } from '../authority/certificate-authority.ts'
import type {
  CertificateContent,
  IssuedCertificate,
  PreparedCertificate,
} from '../authority/issued-certificate.ts'
import { throwIfAborted } from '../authority/request-prover.ts'
import { createRevocationLookup } from '../crl/revocation-lookup.ts'
import { readProfile, validitySeconds, workloadProfile } from '../profile/certificate-profile.ts'
import type { CertificateProfile } from '../profile/certificate-profile.ts'
import type { CaStorage } from '../records/ca-storage.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import { createMemoryStorage } from '../records/memory/memory-storage.ts'
import { checkRemoteLeaf } from './check-remote-leaf.ts'
import { readRoots } from './remote-certificates.ts'
import { remoteRecords } from './remote-records.ts'
import type { RemoteSigner, RemoteSigningRequest } from './remote-signer.ts'

/** Options of `createRegistrationAuthority`. @inline */
export interface RegistrationAuthorityOptions {
  readonly trustDomain: TrustDomain | string
  /** Signs the certificates that the issuance service has decided on. */
  readonly signer: RemoteSigner
  /** The validity, the purposes and the number of names. Default `workloadProfile`. */
  readonly profile?: CertificateProfile | undefined
  /** The storage of decisions and answers. Default: in memory. */
  readonly storage?: CaStorage | undefined
  readonly clock?: Clock | undefined
}

/**
 * An authority for `createIssuanceService` whose certificates another CA signs. Each request is forwarded
 * after the issuance service has decided. The answer must have the key of the request, exactly the names of
 * the decision, at most the decided validity, a path to a root of the CA, and the purposes of the profile.
 * The decision is recorded under a request number before it is forwarded, and the certificate under its
 * serial number before it is returned. The CA itself provides CRLs and OCSP responses: `issueCrl`,
 * `answerOcsp` and `rotate` throw ERR_CA_REFUSED.
 *
 * @throws ERR_CA_UNAVAILABLE and other errors of `roots` of the signer; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const registration = await createRegistrationAuthority({ trustDomain: 'example.org', signer: remoteSigner
 * })
 * const forwarding = createIssuanceService({ authority: registration })
 * ```
 */
export async function createRegistrationAuthority(
  options: RegistrationAuthorityOptions,
): Promise<CertificateAuthority> {
  const read = readOptions('createRegistrationAuthority', options, {
    trustDomain: 'required',
    signer: 'required',
    profile: 'optional',
    storage: 'optional',
    clock: 'optional',
  })
  return new RegistrationAuthority(read, await rootsOf(read.signer))
}

/** A decision that was not forwarded yet. */
interface Pending {
  readonly request: RemoteSigningRequest
  readonly monotonicMs: number
}

class RegistrationAuthority implements CertificateAuthority {
  readonly trustDomain: TrustDomain
  readonly storage: CaStorage
  readonly revocation: CertificateAuthority['revocation']
  readonly #signer: RemoteSigner
  readonly #profile: CertificateProfile
  readonly #clock: Clock
  readonly #bundles: TrustBundleSet
  /** The issuer of the records that have a request number. */
  readonly #issuer: KeyIdentifier
  readonly #pending = new WeakMap<PreparedCertificate, Pending>()
  #roots: readonly Certificate[]
  /** The time of the last answer with each root. */
  #seen: readonly { readonly root: Certificate; readonly lastMs: number }[] = []
  #chain: readonly Certificate[] = Object.freeze([])

  constructor(options: RegistrationAuthorityOptions, roots: readonly Certificate[]) {
    this.trustDomain = TrustDomain.from(options.trustDomain)
    this.#signer = options.signer
    this.#profile = readProfile(options.profile ?? workloadProfile)
    this.#clock = options.clock ?? systemClock
    this.#roots = this.#withEarlier(roots)
    this.#bundles = new TrustBundleSet([this.#bundle()])
    const digest = createHash('sha256').update(`registration authority ${this.trustDomain.name}`).digest()
    this.#issuer = keyIdentifierOf(digest.subarray(0, 20))
    const storage = options.storage ?? createMemoryStorage({ clock: this.#clock })
    const certificates = remoteRecords(storage.certificates, (issuer) => issuer === this.#issuer)
    this.storage = Object.freeze({
      ...storage,
      certificates,
      [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    })
    this.revocation = createRevocationLookup(certificates)
  }

  /** The issuer of the last certificate; the first root before there is one. */
  get certificate(): Certificate {
    return (this.#chain[0] ?? this.#roots[0]) as Certificate
  }

  get chain(): readonly Certificate[] {
    return this.#chain
  }

  get roots(): readonly Certificate[] {
    return this.#roots
  }

  async prepare(
    request: CertificateRequest,
    content: CertificateContent,
    options: SignOptions = {},
  ): Promise<PreparedCertificate> {
    if (!(request instanceof CertificateRequest))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `prepare: the request must be a CertificateRequest, found ${nameOf(request)}`,
      )
    throwIfAborted(options.signal)
    request.publicKey.checkStrength()
    const { publicKey } = request.verify()
    const { subjectAltName, subject, ttlSeconds, maxTtlSeconds = Infinity } = content
    const given: unknown = subjectAltName
    const { maxNames } = this.#profile
    if (!Array.isArray(given)) throw new PkiError('ERR_LINT', 'subjectAltName must be an array of names')
    if (given.length > maxNames)
      throw new PkiError('ERR_LINT', `found ${given.length} names; the profile allows at most ${maxNames}`)
    requireCount('maxTtlSeconds of the content', maxTtlSeconds, 1, Infinity)
    const asked = validitySeconds(this.#profile, ttlSeconds)
    const seconds = Math.min(asked, maxTtlSeconds)
    const nowMs = Math.floor(this.#clock.now() / 1000) * 1000
    const notAfter = new Date(nowMs + seconds * 1000)
    const prepared: PreparedCertificate = Object.freeze({
      serialNumber: requestNumber(),
      issuer: this.#issuer,
      keyIdentifier: keyIdentifierOf(publicKey.keyIdentifier),
      // The content to forward; the remote CA makes the certificate.
      tbs: new Uint8Array(request.info),
      notAfter,
      shortened:
        seconds < asked
          ? Object.freeze({ by: 'policy' as const, from: new Date(nowMs + asked * 1000), to: notAfter })
          : undefined,
    })
    const names = Object.freeze(subjectAltName.map((name) => Object.freeze({ ...name })))
    this.#pending.set(prepared, {
      request: { csr: request, subjectAltName: names, subject, ttlSeconds: seconds },
      monotonicMs: this.#clock.monotonic(),
    })
    return prepared
  }

  async sign(prepared: PreparedCertificate, options: SignOptions = {}): Promise<IssuedCertificate> {
    const pending = this.#pending.get(prepared)
    if (pending === undefined)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'sign: the certificate was not prepared by this authority, or was forwarded before',
      )
    this.#pending.delete(prepared)
    if (this.#clock.monotonic() - pending.monotonicMs > maxAgeMs)
      throw new PkiError(
        'ERR_PREPARED_EXPIRED',
        'the request was prepared over 60 s ago; it was not forwarded',
      )
    throwIfAborted(options.signal)
    const answer = await asked(this.#signer, () =>
      this.#signer.sign({ ...pending.request, signal: options.signal }),
    )
    const { certificate, chain, roots } = checkRemoteLeaf(answer, pending.request, {
      signer: this.#signer.name,
      trustDomain: this.trustDomain,
      profile: this.#profile,
      nowMs: this.#clock.now(),
    })
    this.#take(chain, roots)
    return Object.freeze({ certificate, chain, roots: this.#roots, shortened: prepared.shortened })
  }

  trustBundle(): TrustBundle {
    return this.#bundles.bundleFor(this.trustDomain) as TrustBundle
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#bundles.bundleFor(trustDomain)
  }

  onChange(listener: () => void): () => void {
    return this.#bundles.onChange(() => {
      listener()
    })
  }

  onTrustBundleChange(listener: (bundle: TrustBundle) => void): () => void {
    return this.#bundles.onChange(({ bundle }) => {
      if (bundle !== undefined) listener(bundle)
    })
  }

  issueCrl(): Promise<never> {
    return Promise.reject(this.#elsewhere('CRLs'))
  }

  async issueCrls(): Promise<readonly never[]> {
    return Object.freeze([])
  }

  answerOcsp(): Promise<never> {
    return Promise.reject(this.#elsewhere('OCSP responses'))
  }

  rotate(): Promise<never> {
    return Promise.reject(this.#elsewhere('keys'))
  }

  #elsewhere(what: string): PkiError {
    return new PkiError(
      'ERR_CA_REFUSED',
      `a registration authority has no ${what}; ${this.#signer.name} has them`,
    )
  }

  #take(chain: readonly Certificate[], answered: readonly Certificate[]): void {
    this.#chain = chain
    const roots = this.#withEarlier(answered)
    const isSame =
      roots.length === this.#roots.length &&
      roots.every((root, at) => root.equals(this.#roots[at] as Certificate))
    if (isSame) return
    this.#roots = roots
    this.#bundles.set(this.#bundle())
  }

  /**
   * A root that the CA no longer returns stays in the bundle until the last leaf below it has expired (R1).
   */
  #withEarlier(roots: readonly Certificate[]): readonly Certificate[] {
    const nowMs = this.#clock.now()
    const keptMs = nowMs - (this.#profile.maxTtlSeconds + toleranceSeconds) * 1000
    const earlier = this.#seen.filter(
      ({ root, lastMs }) =>
        lastMs >= keptMs && nowMs < root.notAfterMs + 1000 && !roots.some((one) => one.equals(root)),
    )
    this.#seen = [...roots.map((root) => ({ root, lastMs: nowMs })), ...earlier].slice(0, maxKept)
    return Object.freeze(this.#seen.map(({ root }) => root))
  }

  #bundle(): TrustBundle {
    return new TrustBundle(this.trustDomain, { x509Authorities: this.#roots })
  }
}

async function rootsOf(signer: RemoteSigner): Promise<readonly Certificate[]> {
  const roots = readRoots(signer.name, await asked(signer, () => signer.roots()))
  if (roots.length > 0) return roots
  throw new PkiError('ERR_CA_REPLY', `${signer.name} has no root`)
}

/** Calls the signer and converts its errors, because a signer may be implemented by a user. */
async function asked<Answer>({ name }: RemoteSigner, perform: () => Promise<Answer>): Promise<Answer> {
  try {
    return await perform()
  } catch (cause) {
    if (isPkiError(cause)) throw cause
    throw new PkiError('ERR_CA_UNAVAILABLE', `${name} failed: ${String(cause)}`, { cause })
  }
}

function requestNumber(): SerialNumber {
  return parseSerialNumber(Buffer.from(generateSerialNumber()).toString('hex'))
}

/** The lifetime of prepared bytes, as for every authority. */
const maxAgeMs = 60_000
/** The tolerance for the end of a certificate, as in `checkRemoteLeaf`. */
const toleranceSeconds = 300
/** Maximum number of roots, including the previous ones. */
const maxKept = 128
