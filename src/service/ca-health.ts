// The health of a CA service: the problems of its store, key, CRLs, certificates and audit log.

import { randomBytes } from 'node:crypto'
import type { CertificateAuthority } from '../ca/index.ts'
import type { KeyManager } from '../keys/index.ts'
import { isPkiError } from '../errors/index.ts'
import { waitFor } from '../internal/turns/waiting.ts'
import { metricNames } from '../runtime/index.ts'
import type { Clock, Metrics } from '../runtime/index.ts'
import { verifySignature } from '../x509/index.ts'
import type { Crl, Signer } from '../x509/index.ts'

/** The parts of a CA in its health report. @inline */
type HealthPart = 'store' | 'signer' | 'crl' | 'root' | 'chain' | 'audit'

/** The health of a CA; compatible with the option `readiness` of `createHttpHandler`. @inline */
export interface CaHealth {
  /** Whether it can issue certificates that relying parties accept. */
  readonly ready: boolean
  /** Whether it can become ready again without a restart of the process. */
  readonly live: boolean
  /**
   * The problems, one sentence each, which begins with the part: `store`, `signer`, `crl`, `root`, `chain` or
   * `audit`; empty if there are none.
   */
  readonly problems: readonly string[]
}

/** The dependencies of the health check. */
export interface HealthContext {
  readonly authority: CertificateAuthority
  /** Returns the error of the store, as `SqliteStorage.failure`. */
  readonly storeFailure: () => unknown
  readonly keys: KeyManager
  /** The key of the issuing certificates, of which there may be several versions. */
  readonly keyId: string
  readonly clock: Clock
  readonly metrics: Metrics
  readonly hasAudit: boolean
}

interface Problem {
  readonly part: HealthPart
  readonly message: string
  readonly isFatal: boolean
}

/** Checks a CA; calls within five seconds share one check. */
export class CaHealthCheck {
  readonly #context: HealthContext
  #lists: readonly Crl[] = []
  /** The error of the last attempt of a part. */
  readonly #failures = new Map<'crl' | 'audit', string>()
  readonly #holder = randomBytes(16).toString('hex')
  #signer: Signer | undefined
  #last: { readonly untilMs: number; readonly found: Promise<CaHealth> } | undefined

  constructor(context: HealthContext) {
    this.#context = context
  }

  /** Records the lists that were issued last. */
  issued(lists: readonly Crl[]): void {
    this.#lists = lists
    this.#failures.delete('crl')
  }

  /** Records a failed attempt, or a successful one if there is no error. */
  attempted(part: 'crl' | 'audit', error?: unknown): void {
    if (error === undefined) this.#failures.delete(part)
    else this.#failures.set(part, reasonOf(error))
  }

  /** Never rejects: a part that cannot be checked is a problem. */
  health(): Promise<CaHealth> {
    const nowMs = this.#context.clock.monotonic()
    if (this.#last === undefined || nowMs >= this.#last.untilMs)
      this.#last = { untilMs: nowMs + sharedMs, found: this.#look() }
    return this.#last.found
  }

  async #look(): Promise<CaHealth> {
    const found = await Promise.all([
      this.#guarded('store', () => this.#store()),
      this.#guarded('signer', () => this.#sign()),
      this.#guarded('audit', () => this.#audit()),
    ])
    const problems = [...found.flat(), ...this.#crls(), ...this.#certificates()]
    const { metrics } = this.#context
    for (const part of parts)
      metrics.gauge(metricNames.healthProblems, problems.some((one) => one.part === part) ? 1 : 0, { part })
    return Object.freeze({
      ready: !problems.some(({ isFatal }) => isFatal),
      // A full disk, or an unreachable database: after a restart, lists and OCSP responses would be missing
      // as well.
      live: !isPkiError(this.#context.storeFailure(), 'ERR_STORE_FAILED'),
      problems: Object.freeze(problems.map(({ part, message }) => `${part}: ${message}`)),
    })
  }

  /** A check that fails, or does not end in time, is a problem of its part. */
  async #guarded(part: HealthPart, look: () => Promise<readonly Problem[]>): Promise<readonly Problem[]> {
    const deadline = new AbortController()
    const late = waitFor(this.#context.clock, maxLookMs, deadline.signal).then((): readonly Problem[] => [
      { part, message: `no answer within ${maxLookMs / 1000} s`, isFatal: part !== 'audit' },
    ])
    late.catch(() => undefined)
    const looked = look().catch((error: unknown): readonly Problem[] => [
      { part, message: reasonOf(error), isFatal: part !== 'audit' },
    ])
    try {
      return await Promise.race([looked, late])
    } finally {
      deadline.abort()
    }
  }

  async #store(): Promise<readonly Problem[]> {
    if (this.#context.storeFailure() !== undefined) await this.#write()
    const failure = this.#context.storeFailure()
    if (failure !== undefined)
      return [{ part: 'store', message: `it does not write: ${reasonOf(failure)}`, isFatal: true }]
    await this.#timed(metricNames.storeSeconds, () =>
      this.#context.authority.storage.certificates.query({ limit: 1 }),
    )
    return []
  }

  /**
   * Makes a trial write, because a store recovers only with a successful write, and a CA that is not ready
   * gets no requests.
   */
  async #write(): Promise<void> {
    try {
      await this.#context.authority.storage.leases.acquire('health', this.#holder, 1)
    } catch {
      // The failure of the store is reported.
    }
  }

  async #sign(): Promise<readonly Problem[]> {
    const { publicKey, subject } = this.#context.authority.certificate
    const signer = await this.#signerOf()
    if (signer === undefined)
      return [{ part: 'signer', message: `the key of ${subject.toString()} is missing`, isFatal: true }]
    // Octets that are not a certificate, and never the same.
    const data = Buffer.concat([Buffer.from('spiffe-pki: does this key sign? '), randomBytes(16)])
    const signature = await this.#timed(metricNames.signerSeconds, async () => signer.sign(data))
    return verifySignature(publicKey, signer.signatureAlgorithm, data, signature)
      ? []
      : [
          {
            part: 'signer',
            message: `a signature by the key of ${subject.toString()} does not verify with its certificate`,
            isFatal: true,
          },
        ]
  }

  /** The key of the issuing certificate of now. */
  async #signerOf(): Promise<Signer | undefined> {
    const { keys, keyId, authority } = this.#context
    const { publicKey } = authority.certificate
    if (this.#signer?.publicKey.equals(publicKey) === true) return this.#signer
    const newest = await keys.getSigner(keyId)
    if (newest?.publicKey.equals(publicKey) === true) return (this.#signer = newest)
    for (const { version } of await keys.listKeys(keyId)) {
      const signer = await keys.getSigner(keyId, version)
      if (signer?.publicKey.equals(publicKey) === true) return (this.#signer = signer)
    }
    return undefined
  }

  async #audit(): Promise<readonly Problem[]> {
    const { authority, hasAudit, metrics } = this.#context
    if (!hasAudit) return []
    const { pending } = await authority.storage.audit.size()
    metrics.gauge(metricNames.auditPending, pending)
    const failure = this.#failures.get('audit')
    if (failure !== undefined)
      return [
        { part: 'audit', message: `no checkpoint, ${pending} records wait: ${failure}`, isFatal: false },
      ]
    return pending > maxAuditPending
      ? [{ part: 'audit', message: `${pending} records are not in the log yet`, isFatal: false }]
      : []
  }

  #crls(): readonly Problem[] {
    const { clock, metrics } = this.#context
    const nowMs = clock.now()
    const problems: Problem[] = []
    let age = 0
    let left = Infinity
    for (const { thisUpdate, nextUpdate, issuer, crlNumber } of this.#lists) {
      const [startMs, endMs] = [thisUpdate.getTime(), nextUpdate?.getTime() ?? Infinity]
      age = Math.max(age, nowMs - startMs)
      left = Math.min(left, endMs - nowMs)
      // Renewed at two thirds of its life: at five sixths several attempts have failed.
      if (nowMs < startMs + ((endMs - startMs) * 5) / 6) continue
      const name = `CRL ${crlNumber?.toString() ?? ''} of ${issuer.toString()}`
      const end = nextUpdate?.toISOString() ?? ''
      const message = `${name} is from ${thisUpdate.toISOString()} and ends at ${end}`
      problems.push({ part: 'crl', message, isFatal: nowMs >= endMs })
    }
    if (this.#lists.length > 0) {
      metrics.gauge(metricNames.crlAge, age / 1000)
      metrics.gauge(metricNames.crlLife, left / 1000)
    }
    const failure = this.#failures.get('crl')
    if (failure !== undefined)
      problems.push({
        part: 'crl',
        message: `no list could be issued: ${failure}`,
        isFatal: this.#lists.length === 0,
      })
    return problems.slice(0, maxProblems)
  }

  #certificates(): readonly Problem[] {
    const { authority, clock, metrics } = this.#context
    const nowMs = clock.now()
    const rootEndMs = Math.min(...authority.roots.map(({ notAfterMs }) => notAfterMs))
    const chain = [authority.certificate, ...authority.chain]
    const chainEndMs = Math.min(...chain.map(({ notAfterMs }) => notAfterMs))
    metrics.gauge(metricNames.rootExpiry, rootEndMs / 1000)
    metrics.gauge(metricNames.citadelRootExpiry, rootEndMs / 1000)
    metrics.gauge(metricNames.citadelRootExpirySeconds, (rootEndMs - nowMs) / 1000)
    metrics.gauge(metricNames.citadelChainExpiry, chainEndMs / 1000)
    metrics.gauge(metricNames.citadelChainExpirySeconds, (chainEndMs - nowMs) / 1000)
    const problems: Problem[] = []
    const valid = authority.roots.filter(({ notAfterMs }) => notAfterMs > nowMs)
    for (const { subject, notAfter, notAfterMs, notBeforeMs } of authority.roots)
      if (nowMs > notAfterMs - (notAfterMs - notBeforeMs) / 20)
        problems.push({
          part: 'root',
          message:
            `${subject.toString()} ${nowMs > notAfterMs ? 'expired' : 'expires'} at ` +
            notAfter.toISOString(),
          isFatal: valid.length === 0,
        })
    for (const { subject, notBefore, notAfter, notAfterMs, notBeforeMs } of chain)
      if (nowMs > notAfterMs - (notAfterMs - notBeforeMs) / 20 || nowMs < notBeforeMs)
        problems.push({
          part: 'chain',
          message:
            `${subject.toString()} is valid from ${notBefore.toISOString()} to ` + notAfter.toISOString(),
          isFatal: nowMs >= notAfterMs || nowMs < notBeforeMs,
        })
    return problems.slice(0, maxProblems)
  }

  async #timed<T>(
    name: typeof metricNames.storeSeconds | typeof metricNames.signerSeconds,
    perform: () => Promise<T>,
  ): Promise<T> {
    const { clock, metrics } = this.#context
    const startMs = clock.monotonic()
    const value = await perform()
    metrics.observe(name, (clock.monotonic() - startMs) / 1000)
    return value
  }
}

const parts: readonly HealthPart[] = ['store', 'signer', 'crl', 'root', 'chain', 'audit']
/** Requests of `/ready` within this time share one check. */
const sharedMs = 5000
const maxLookMs = 5000
/** A sequencer integrates 4,096 at a time, once a second. */
const maxAuditPending = 20_000
/** Maximum number of problems of one part. */
const maxProblems = 8

function reasonOf(failure: unknown): string {
  return String(failure).slice(0, 512)
}
