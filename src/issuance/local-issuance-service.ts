// The service over a CA in this process: each method reads as its steps.

import type { Caller } from '../auth/index.ts'
import type { CaStorage, CertificateAuthority } from '../ca/index.ts'
import type { CertificateId } from '../ca/internal.ts'
import { measuredStorage } from '../ca/internal.ts'
import { readOptions } from '../internal/options.ts'
import type { IssuancePolicy } from '../policy/index.ts'
import { metricNames, systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { safeMetrics } from '../runtime/internal.ts'
import { Certificate } from '../x509/index.ts'
import { admit, admitCaller, throwIfAborted } from './admission.ts'
import type { IssuanceRequest } from './admission.ts'
import { rotateExpiring } from './batch-rotation.ts'
import { decide } from './decision.ts'
import { IssuanceEvents } from './issuance-events.ts'
import type {
  IssuancePlan,
  IssuanceService,
  IssuanceServiceOptions,
  RevokeCertificateOptions,
} from './issuance-contract.ts'
import { CertificateLifecycle } from './lifecycle.ts'
import { trimmedOf } from './issuance-answer.ts'
import type { IssuanceAnswer } from './issuance-answer.ts'
import { Administrators } from './records/administrators.ts'
import { AuditTrail } from './records/audit-trail.ts'
import { BlockList } from './records/refusal/block-list.ts'
import { Refusals } from './records/refusal/refusals.ts'
import { Receipts } from './records/receipts.ts'
import { Retention } from './records/retention.ts'
import { RecordedSigning } from './recorded-signing.ts'
import { countUsage } from './usage.ts'

/** What `createIssuanceService` has checked. */
export interface LocalIssuanceOptions extends Omit<IssuanceServiceOptions, 'policy'> {
  readonly policy: IssuancePolicy
}

type Method<Name extends keyof IssuanceService> = IssuanceService[Name]
type Result<Name extends keyof IssuanceService> = ReturnType<IssuanceService[Name]>

/** Admits, decides, signs on record, and tells what happened. */
export class LocalIssuanceService implements IssuanceService, AsyncDisposable {
  readonly #authority: CertificateAuthority
  readonly #storage: CaStorage
  readonly #policy: IssuancePolicy
  readonly #clock: Clock
  readonly #signing: RecordedSigning
  readonly #lifecycle: CertificateLifecycle
  readonly #blocks: BlockList
  readonly #events: IssuanceEvents
  readonly #trail: AuditTrail
  readonly #refusals: Refusals
  readonly #retention: Retention
  readonly #usage: LocalIssuanceOptions['usage']
  readonly #publishesRevocations: boolean

  constructor(options: LocalIssuanceOptions) {
    const { authority, policy, audit = false, clock = systemClock, keyReuse = 'allow' } = options
    const { logger, pruneIntervalSeconds, lookBackSeconds } = options
    const metrics = safeMetrics('createIssuanceService', options.metrics)
    this.#authority = authority
    this.#storage = measuredStorage(authority.storage, { metrics, clock })
    const { certificates: store, blocks } = this.#storage
    this.#policy = policy
    this.#usage = options.usage
    this.#clock = clock
    const { name } = authority.trustDomain
    this.#events = new IssuanceEvents('createIssuanceService', logger, metrics, name)
    this.#publishesRevocations = options.publishRevocations === true
    this.#trail = new AuditTrail(audit ? this.#storage.audit : undefined, clock)
    this.#refusals = new Refusals(this.#events, this.#trail)
    const administrators = new Administrators(options.isAdministrator)
    const shared = { authority, store, clock, administrators, trail: this.#trail, events: this.#events }
    this.#lifecycle = new CertificateLifecycle(shared)
    this.#blocks = new BlockList({ ...shared, blocks })
    this.#signing = new RecordedSigning({
      ...{ ...shared, keyReuse },
      receipts: new Receipts(options.receipts, clock, this.#events),
    })
    this.#retention = new Retention({ ...shared, pruneIntervalSeconds, lookBackSeconds })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#retention[Symbol.asyncDispose]()
    await this.#trail.settle().catch((error: unknown) => {
      this.#events.tell({ kind: 'refusal unrecorded', action: 'issue', error })
    })
  }

  async issue(request: IssuanceRequest, caller: Caller): Result<'issue'> {
    return this.#events.measure(metricNames.csrProcessingSeconds, this.#clock, () =>
      this.#refusals.tell('issue', caller, undefined, () => this.#issue('issue', request, caller)),
    )
  }

  async plan(request: IssuanceRequest, caller: Caller): Promise<IssuancePlan> {
    const admitted = admit('plan', request, caller)
    const decision = await decide(this.#policy, admitted, true)
    const { content, rule } = decision
    const prepared = await this.#authority.prepare(admitted.csr, content, { signal: admitted.signal })
    const { tbs, notAfter } = prepared
    return Object.freeze({ rule, trimmed: trimmedOf(decision, prepared), content, tbs, notAfter })
  }

  async renew(...[certificate, request, caller]: Parameters<Method<'renew'>>): Result<'renew'> {
    return this.#events.measure(metricNames.rotationSeconds, this.#clock, () =>
      this.#refusals.tell('renew', caller, certificate, async () => {
        const holder = admitCaller(caller)
        const { record, identity } = await this.#lifecycle.requireRenewable(certificate, holder)
        const { issuer, serialNumber } = record
        return this.#issue('renew', request, { ...holder, identities: [identity] }, { issuer, serialNumber })
      }),
    )
  }

  async revoke(...[certificate, reason, caller, options]: Parameters<Method<'revoke'>>): Promise<void> {
    await this.#refusals.tell('revoke', caller, certificate, async () => {
      const by = admitCaller(caller)
      const read = readOptions<RevokeCertificateOptions>('revoke', options, { certificate: 'guard' })
      const given = read.certificate === undefined ? undefined : Certificate.from(read.certificate)
      const { identity, ...id } = await this.#lifecycle.revoke(certificate, reason, by, given)
      this.#events.tell({ kind: 'revoked', id, identity, reason, caller: by })
      if (this.#publishesRevocations) await this.#authority.issueCrls()
    })
  }

  async release(...[certificate, caller]: Parameters<Method<'release'>>): Promise<void> {
    await this.#refusals.tell('release', caller, certificate, async () => {
      const by = admitCaller(caller)
      const { identity, ...id } = await this.#lifecycle.release(certificate, by)
      this.#events.tell({ kind: 'released', id, identity, caller: by })
      if (this.#publishesRevocations) await this.#authority.issueCrls()
    })
  }

  async status(...[certificate]: Parameters<Method<'status'>>): Result<'status'> {
    return this.#lifecycle.status(certificate)
  }

  async search(...[query]: Parameters<Method<'search'>>): Result<'search'> {
    return this.#lifecycle.search(query)
  }

  async block(...[subject, reason, caller]: Parameters<Method<'block'>>): Promise<void> {
    await this.#refusals.tell('block', caller, undefined, async () => {
      const by = admitCaller(caller)
      const text = await this.#blocks.block(subject, reason, by)
      this.#events.tell({ kind: 'blocked', subject: text, reason, caller: by })
    })
  }

  async unblock(...[subject, caller]: Parameters<Method<'unblock'>>): Promise<boolean> {
    return this.#refusals.tell('unblock', caller, undefined, async () => {
      const by = admitCaller(caller)
      const text = await this.#blocks.unblock(subject, by)
      if (text !== undefined) this.#events.tell({ kind: 'unblocked', subject: text, caller: by })
      return text !== undefined
    })
  }

  async blocks(): Result<'blocks'> {
    return this.#blocks.list()
  }

  rotateExpiring(...[options]: Parameters<Method<'rotateExpiring'>>): Result<'rotateExpiring'> {
    const context = { storage: this.#storage, clock: this.#clock }
    return rotateExpiring({ ...context, renew: (...args) => this.#renewStanding(...args) }, options)
  }

  async #issue(
    method: string,
    request: IssuanceRequest,
    caller: Caller,
    renews?: CertificateId,
  ): Promise<IssuanceAnswer> {
    const admitted = admit(method, request, caller)
    const decision = await decide(this.#policy, admitted)
    throwIfAborted(admitted.signal)
    const answer = await this.#signing.issue(admitted, decision, renews)
    if (this.#usage !== undefined) countUsage(this.#usage, admitted, decision, answer)
    if (renews !== undefined && decision.revokesRenewed) await this.#supersede(renews, caller)
    return answer
  }

  /** Revokes a renewed certificate, by the holder of the new one. */
  async #supersede(renewed: CertificateId, caller: Caller): Promise<void> {
    const { identity, ...id } = await this.#lifecycle.revoke(renewed, 'superseded', caller, undefined)
    this.#events.tell({ kind: 'revoked', id, identity, reason: 'superseded', caller })
    if (this.#publishesRevocations) await this.#authority.issueCrls()
  }

  /** Renews from a standing request: for the identity on record, and once for each key. */
  #renewStanding(
    ...[record, csr, idempotencyKey]: Parameters<Parameters<typeof rotateExpiring>[0]['renew']>
  ): Promise<IssuanceAnswer> {
    const { issuer, serialNumber, identity } = record
    const caller: Caller = { identities: [identity], credential: 'standing-request', claims: {} }
    return this.#refusals.tell('renew', caller, record, async () => {
      this.#lifecycle.requireValid(record)
      const admitted = admit('rotateExpiring', { csr }, caller)
      const decision = await decide(this.#policy, admitted)
      const renewed = { issuer, serialNumber }
      const answer = await this.#signing.issueOnce(admitted, decision, renewed, idempotencyKey)
      if (decision.revokesRenewed) await this.#supersede(renewed, caller)
      return answer
    })
  }
}
