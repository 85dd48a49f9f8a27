// Issuance: decide → sign → record, for a caller that was authenticated. What adapters and embedding services call.

import { checkCaller } from '../auth/composite-authenticator.ts'
import type { Caller } from '../auth/index.ts'
import { revocationReasons } from '../ca/certificate-store.ts'
import { MemoryCertificateStore } from '../ca/memory-certificate-store.ts'
import type {
  CertificateAuthority,
  CertificateContent,
  CertificateRecord,
  CertificateStore,
  CertificateWorkers,
  IssuedCertificate,
  PreparedCertificate,
  RevocationReason,
} from '../ca/index.ts'
import { PkiError, errorCodes, isPkiError } from '../errors/index.ts'
import { callerIdentityPolicy } from '../policy/caller-identity-policy.ts'
import type { IssuanceDecision, IssuancePolicy } from '../policy/index.ts'
import { noMetrics, silentLogger, systemClock } from '../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../runtime/index.ts'
import { CertificateRequest } from '../x509/index.ts'
import type { Certificate, CertificateRequestInput, PublicKey, SerialNumber } from '../x509/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import { Turnstile } from './turnstile.ts'

/** What a caller asks for. */
export interface IssuanceRequest {
  /** At most 64 KiB. */
  readonly csr: CertificateRequestInput
  /** Default: the profile's. */
  readonly ttlSeconds?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What `issue` would do. */
export interface IssuancePlan {
  /** The policy's rule that allows it. */
  readonly rule: string
  /** What the request asked for and will not get. */
  readonly trimmed: readonly string[]
  readonly content: CertificateContent
  readonly notAfter: Date
  /** The bytes that would be signed, with a serial number that will not be used again. */
  readonly tbs: Uint8Array
}

/** What is known of a certificate. */
export interface CertificateStatus {
  readonly serialNumber: SerialNumber
  readonly identity: string
  readonly state: 'unknown outcome' | 'failed' | 'valid' | 'expired' | 'revoked'
  readonly notAfter: Date
  readonly revocation: CertificateRecord['revocation']
}

/** Issues, renews and revokes. */
export interface IssuanceService {
  /** @throws ERR_CSR_*, ERR_PEM, ERR_DER, ERR_KEY_*, ERR_POLICY_*, ERR_TTL, ERR_ABORTED, ERR_AUTHENTICATOR_FAILED, ERR_CA_*, ERR_LINT, ERR_PREPARED_EXPIRED; what signer and store throw */
  issue(request: IssuanceRequest, caller: Caller): Promise<IssuedCertificate>
  /** The same path, with nothing signed and nothing recorded. */
  plan(request: IssuanceRequest, caller: Caller): Promise<IssuancePlan>
  /** As `issue`, for the holder of a certificate that is still good. @throws ERR_CERTIFICATE_UNKNOWN, ERR_RENEWAL_REFUSED */
  renew(serialNumber: SerialNumber, request: IssuanceRequest, caller: Caller): Promise<IssuedCertificate>
  /** By the holder, or an administrator. @throws ERR_CERTIFICATE_UNKNOWN, ERR_POLICY_DENIED, ERR_INVALID_ARGUMENT */
  revoke(serialNumber: SerialNumber, reason: RevocationReason, caller: Caller): Promise<void>
  /** What is on record; undefined for a serial number that nobody knows. */
  status(serialNumber: SerialNumber): Promise<CertificateStatus | undefined>
}

/** Options of `createIssuanceService`. */
export interface IssuanceServiceOptions {
  /** The CA that signs. */
  readonly authority: CertificateAuthority
  /** Default: `callerIdentityPolicy` for the trust domain of the authority. */
  readonly policy?: IssuancePolicy | undefined
  /** Default: in memory. */
  readonly store?: CertificateStore | undefined
  /** Threads that prove, sign and check, for thousands of certificates a second; default: this thread. */
  readonly workers?: CertificateWorkers | undefined
  /** Who may revoke what is not its own, by `true` and nothing else; default nobody. */
  readonly isAdministrator?: ((caller: Caller) => boolean) | undefined
  readonly clock?: Clock | undefined
  /** Gets a line for every outcome: issued, not issued, not renewed, revoked, not revoked. */
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/**
 * The service for one CA.
 *
 * @throws ERR_INVALID_ARGUMENT without one
 * @example
 * ```ts
 * const service = createIssuanceService({ authority })
 * const { certificate, chain: issuers } = await service.issue({ csr, ttlSeconds: 3600 }, caller)
 * ```
 */
export function createIssuanceService(options: IssuanceServiceOptions): IssuanceService {
  if (typeof (options as Partial<IssuanceServiceOptions> | undefined)?.authority?.prepare !== 'function') {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'authority is a CA that createCertificateAuthority made')
  }
  return new LocalIssuanceService(options)
}

interface Decided {
  /** Its signature is not verified yet. */
  readonly csr: CertificateRequest
  readonly content: CertificateContent
  readonly rule: string
  readonly trimmed: readonly string[]
}

class LocalIssuanceService implements IssuanceService {
  readonly #authority: CertificateAuthority
  readonly #policy: IssuancePolicy
  readonly #store: CertificateStore
  readonly #workers: CertificateWorkers | undefined
  readonly #turnstile = new Turnstile(provedAtOnce)
  readonly #isAdministrator: (caller: Caller) => boolean
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: Metrics

  constructor(options: IssuanceServiceOptions) {
    this.#authority = options.authority
    this.#policy = options.policy ?? callerIdentityPolicy({ trustDomain: options.authority.trustDomain })
    this.#store = options.store ?? new MemoryCertificateStore()
    this.#workers = options.workers
    this.#isAdministrator = options.isAdministrator ?? (() => false)
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#metrics = options.metrics ?? noMetrics
  }

  async issue(request: IssuanceRequest, caller: Caller): Promise<IssuedCertificate> {
    try {
      const room = this.#workers?.room?.()
      if (room !== undefined) await room
      const decided = this.#decide(request, caller)
      const decision = decided instanceof Promise ? await decided : decided
      throwIfAborted(request)
      return await this.#issue(decision, request, caller)
    } catch (error) {
      throw this.#noteRefused('certificate not issued', error, caller)
    }
  }

  async #issue(
    { csr, content, rule, trimmed }: Decided,
    request: IssuanceRequest,
    caller: Caller,
  ): Promise<IssuedCertificate> {
    const prepared =
      this.#workers === undefined
        ? await this.#prove(csr, content, request)
        : this.#authority.prepareUnproven(csr, content)
    const { serialNumber } = prepared
    const recorded = this.#store.recordIntent(this.#intent(prepared, content, csr.publicKey))
    // A store that answers at once lets the bytes reach a thread at once.
    if (recorded !== undefined) await recorded
    let issued: IssuedCertificate
    try {
      throwIfAborted(request)
      issued = await (prepared.proven
        ? this.#authority.sign(prepared, request)
        : this.#authority.proveAndSign(prepared, this.#workers as CertificateWorkers))
    } catch (error) {
      // After a lost worker nobody knows whether it signed: the record stays "intended", which counts as issued.
      if (!isPkiError(error, 'ERR_WORKER_LOST')) await this.#recordFailure(serialNumber)
      throw error
    }
    const done = this.#recordIssued(issued.certificate)
    if (done !== undefined) await done
    this.#noteIssued(issued.certificate, content, caller, rule, trimmed)
    return issued
  }

  /** Proved and linted, on this thread. What comes after may wait for a store or a token, and holds nobody up. */
  async #prove(
    csr: CertificateRequest,
    content: CertificateContent,
    request: IssuanceRequest,
  ): Promise<PreparedCertificate> {
    const turn = this.#turnstile.enter()
    try {
      if (turn !== undefined) {
        await turn
        throwIfAborted(request)
      }
      await csr.publicKey.prepare()
      return this.#authority.prepare(csr.verify(), content)
    } finally {
      this.#turnstile.leave()
    }
  }

  #noteIssued(
    { serialNumber, notAfterMs }: Certificate,
    content: CertificateContent,
    caller: Caller,
    rule: string,
    trimmed: readonly string[],
  ): void {
    this.#metrics.count('certificates_issued')
    if (this.#logger === silentLogger) return
    const notAfter = new Date(notAfterMs)
    this.#logger.info(
      {
        serialNumber,
        identity: identityOf(content),
        notAfter,
        rule,
        trimmed: trimmed.length === 0 ? undefined : trimmed,
        credential: caller.credential,
      },
      'certificate issued',
    )
  }

  async plan(request: IssuanceRequest, caller: Caller): Promise<IssuancePlan> {
    const { content, csr, rule, trimmed } = await this.#decide(request, caller)
    const { tbs, notAfter } = this.#authority.prepare(csr.verify(), content)
    return { rule, trimmed, content, tbs, notAfter }
  }

  async renew(
    serialNumber: SerialNumber,
    request: IssuanceRequest,
    caller: Caller,
  ): Promise<IssuedCertificate> {
    let identity: SpiffeId | undefined
    try {
      checkCaller(caller, transport)
      const record = await this.#require(serialNumber)
      const { state } = this.#statusOf(record)
      if (state !== 'valid')
        throw new PkiError('ERR_RENEWAL_REFUSED', `certificate ${serialNumber} is ${state}`)
      identity = caller.identities.find((id) => id.toString() === record.identity)
      if (identity === undefined)
        throw new PkiError('ERR_RENEWAL_REFUSED', `certificate ${serialNumber} is not the caller's`)
    } catch (error) {
      throw this.#noteRefused('certificate not renewed', error, caller, serialNumber)
    }
    return this.issue(request, { ...caller, identities: [identity] })
  }

  async revoke(serialNumber: SerialNumber, reason: RevocationReason, caller: Caller): Promise<void> {
    let identity: string
    try {
      checkCaller(caller, transport)
      if (!revocationReasons.has(reason))
        throw new PkiError('ERR_INVALID_ARGUMENT', 'a reason of RFC 5280 §5.3.1 for a whole list is wanted')
      const record = await this.#require(serialNumber)
      identity = record.identity
      const isHolder = caller.identities.some((id) => id.toString() === identity)
      // A promise is no true: whoever writes an asynchronous check must not make everybody an administrator.
      const isAdministrator: unknown = isHolder || this.#isAdministrator(caller)
      if (isAdministrator !== true)
        throw new PkiError('ERR_POLICY_DENIED', `certificate ${serialNumber} is not the caller's to revoke`)
      await this.#store.revoke(serialNumber, reason, new Date(this.#clock.now()))
    } catch (error) {
      throw this.#noteRefused('certificate not revoked', error, caller, serialNumber)
    }
    this.#metrics.count('certificates_revoked', { reason })
    this.#logger.info(
      { serialNumber, identity, reason, by: caller.identities.map(String) },
      'certificate revoked',
    )
  }

  async status(serialNumber: SerialNumber): Promise<CertificateStatus | undefined> {
    const record = await this.#store.find(serialNumber)
    return record === undefined ? undefined : this.#statusOf(record)
  }

  /** Cheap checks first: size and form, then policy; the one signature check comes after. */
  #decide(request: IssuanceRequest, caller: Caller): Decided | Promise<Decided> {
    throwIfAborted(request)
    checkCaller(caller, transport)
    const csr = CertificateRequest.from((Object(request) as IssuanceRequest).csr)
    csr.publicKey.checkStrength()
    let decision: unknown
    try {
      decision = this.#policy.decide({ csr, ttlSeconds: request.ttlSeconds }, caller)
    } catch (cause) {
      throw policyFailed(cause)
    }
    return isThenable(decision) ? this.#decideLater(csr, decision) : this.#allowed(csr, decision)
  }

  async #decideLater(csr: CertificateRequest, decision: PromiseLike<unknown>): Promise<Decided> {
    let answer: unknown
    try {
      answer = await decision
    } catch (cause) {
      throw policyFailed(cause)
    }
    return this.#allowed(csr, answer)
  }

  /** Only `true` allows: a policy is somebody's code, and what it answers need not be what its types say. */
  #allowed(csr: CertificateRequest, answer: unknown): Decided {
    const decision = (
      typeof answer === 'object' && answer !== null ? answer : {}
    ) as Partial<IssuanceDecision>
    if (decision.allowed === false) {
      const { code, reason, rule } = decision
      this.#metrics.count('certificates_refused', { rule: String(rule) })
      throw new PkiError(
        code !== undefined && Object.hasOwn(errorCodes, code) ? code : 'ERR_POLICY_DENIED',
        `${String(reason)} (rule ${String(rule)})`,
      )
    }
    const { allowed, content, rule, trimmed } = decision as Partial<
      Extract<IssuanceDecision, { readonly allowed: true }>
    >
    if (allowed !== true || content === undefined || !Array.isArray(content.subjectAltName))
      throw new PkiError('ERR_POLICY_FAILED', 'the policy answered with something that is no decision')
    return { csr, content, rule: String(rule), trimmed: Array.isArray(trimmed) ? trimmed : [] }
  }

  /** Nothing is let out that is not on record. */
  #recordIssued({ serialNumber, der }: Certificate): Promise<void> | undefined {
    try {
      return this.#store
        .recordOutcome(serialNumber, { certificate: der })
        ?.catch((error: unknown) => this.#notRecorded(serialNumber, error))
    } catch (error) {
      return this.#notRecorded(serialNumber, error)
    }
  }

  #notRecorded(serialNumber: SerialNumber, error: unknown): never {
    this.#logger.error({ serialNumber, reason: textOf(error) }, 'the outcome could not be recorded')
    throw error
  }

  /** The line and the count of what was not done; the error, to be thrown. */
  #noteRefused(message: string, error: unknown, caller: Caller, serialNumber?: SerialNumber): unknown {
    const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
    this.#metrics.count('certificates_failed', { code })
    if (this.#logger === silentLogger) return error
    const { identities, credential } = (
      typeof caller === 'object' && (caller as unknown) !== null ? caller : {}
    ) as Partial<Caller>
    const names = Array.isArray(identities) ? identities.slice(0, 8).map(String) : []
    this.#logger.warn({ serialNumber, code, reason: textOf(error), identities: names, credential }, message)
    return error
  }

  async #recordFailure(serialNumber: SerialNumber): Promise<void> {
    try {
      await this.#store.recordOutcome(serialNumber, { failed: true })
    } catch (cause) {
      // The record stays "intended", which counts as issued; the failure that the caller must see is the first one.
      this.#logger.error({ serialNumber, reason: textOf(cause) }, 'the outcome could not be recorded')
    }
  }

  #intent(
    { serialNumber, notAfter }: Pick<PreparedCertificate, 'serialNumber' | 'notAfter'>,
    content: CertificateContent,
    publicKey: PublicKey,
  ): Parameters<CertificateStore['recordIntent']>[0] {
    return {
      serialNumber,
      notAfter,
      identity: identityOf(content),
      keyIdentifier: publicKey.keyIdentifier,
      intendedAt: new Date(this.#clock.now()),
    }
  }

  async #require(serialNumber: SerialNumber): Promise<CertificateRecord> {
    const record = await this.#store.find(serialNumber)
    if (record === undefined)
      throw new PkiError('ERR_CERTIFICATE_UNKNOWN', `no certificate has the serial number ${serialNumber}`)
    return record
  }

  #statusOf(record: CertificateRecord): CertificateStatus {
    const { serialNumber, identity, notAfter, revocation } = record
    return { serialNumber, identity, notAfter, revocation, state: stateOf(record, this.#clock.now()) }
  }
}

function policyFailed(cause: unknown): PkiError {
  return isPkiError(cause)
    ? cause
    : new PkiError('ERR_POLICY_FAILED', 'the policy could not decide', { cause })
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

/** For the log: stores and signers are anybody's, and so is the length of what they say. */
function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : 'unknown').slice(0, 1024)
}

function stateOf(record: CertificateRecord, nowMs: number): CertificateStatus['state'] {
  if (record.revocation !== undefined) return 'revoked'
  if (record.state === 'failed') return 'failed'
  if (record.state === 'intended') return 'unknown outcome'
  // The last second belongs to the validity.
  return nowMs < record.notAfter.getTime() + 1000 ? 'valid' : 'expired'
}

function identityOf(content: CertificateContent): string {
  const uri = content.subjectAltName.find(({ type }) => type === 'uri')
  return uri?.type === 'uri' ? uri.value : ''
}

function throwIfAborted(request: IssuanceRequest): void {
  const { signal } = Object(request) as Partial<IssuanceRequest>
  if (signal?.aborted === true) throw new PkiError('ERR_ABORTED', 'the caller is gone')
}

/** Who answers for callers, in messages. */
const transport = 'the transport'
/** Enough to keep the thread pool, which imports keys, in work; few enough that 1,000 requests do not wait for one another. */
const provedAtOnce = 32
