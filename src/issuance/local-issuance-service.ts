// The service over a CA in this process: its parts, and which part performs each method.

import type { Caller } from '../auth/index.ts'
import type { CaStorage } from '../ca/index.ts'
import { measuredStorage } from '../ca/internal.ts'
import type { IssuancePolicy } from '../policy/index.ts'
import { metricNames, systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { safeMetrics } from '../runtime/internal.ts'
import { admitCaller } from './admission.ts'
import type { IssuanceRequest } from './admission.ts'
import type { IssuancePlan, IssuanceService } from './issuance-contract.ts'
import type { IssuanceServiceOptions } from './issuance-service-options.ts'
import { IssuanceEvents } from './events/issuance-events.ts'
import { Issuing } from './issuing.ts'
import { Administration } from './lifecycle/administration.ts'
import { rotateExpiring } from './lifecycle/batch-rotation.ts'
import { CertificateLifecycle } from './lifecycle/certificate-lifecycle.ts'
import { RecordedSigning } from './recorded-signing.ts'
import { Administrators } from './records/administrators.ts'
import { AuditTrail } from './records/audit-trail.ts'
import { Receipts } from './records/receipts.ts'
import { BlockList } from './records/refusal/block-list.ts'
import { Refusals } from './records/refusal/refusals.ts'
import { Retention } from './records/retention.ts'

/** The options that `createIssuanceService` has checked. */
export interface LocalIssuanceOptions extends Omit<IssuanceServiceOptions, 'policy'> {
  readonly policy: IssuancePolicy
}

type Method<Name extends keyof IssuanceService> = IssuanceService[Name]
type Result<Name extends keyof IssuanceService> = ReturnType<IssuanceService[Name]>

/** Admits requests, decides, signs and records, and reports events. */
export class LocalIssuanceService implements IssuanceService, AsyncDisposable {
  readonly #storage: CaStorage
  readonly #clock: Clock
  readonly #events: IssuanceEvents
  readonly #trail: AuditTrail
  readonly #refusals: Refusals
  readonly #lifecycle: CertificateLifecycle
  readonly #blocks: BlockList
  readonly #administration: Administration
  readonly #issuing: Issuing
  readonly #retention: Retention

  constructor(options: LocalIssuanceOptions) {
    const { authority, audit = false, clock = systemClock, keyReuse = 'allow' } = options
    const { logger, pruneIntervalSeconds, lookBackSeconds } = options
    const metrics = safeMetrics('createIssuanceService', options.metrics)
    this.#storage = measuredStorage(authority.storage, { metrics, clock })
    const { certificates: store, blocks } = this.#storage
    this.#clock = clock
    const { name } = authority.trustDomain
    const events = new IssuanceEvents('createIssuanceService', logger, metrics, name)
    const trail = new AuditTrail(audit ? this.#storage.audit : undefined, clock)
    this.#events = events
    this.#trail = trail
    this.#refusals = new Refusals(events, trail)
    const administrators = new Administrators(options.isAdministrator)
    const shared = { authority, store, clock, administrators, trail, events, refusals: this.#refusals }
    this.#lifecycle = new CertificateLifecycle(shared)
    this.#blocks = new BlockList({ ...shared, blocks })
    const parts = { ...shared, lifecycle: this.#lifecycle, blocks: this.#blocks }
    this.#administration = new Administration({
      ...parts,
      publishesRevocations: options.publishRevocations === true,
    })
    const receipts = new Receipts(options.receipts, clock, events)
    this.#issuing = new Issuing({
      ...parts,
      policy: options.policy,
      usage: options.usage,
      administration: this.#administration,
      signing: new RecordedSigning({ ...shared, keyReuse, receipts }),
    })
    const { crlTtlSeconds } = authority
    this.#retention = new Retention({ ...shared, pruneIntervalSeconds, lookBackSeconds, crlTtlSeconds })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#retention[Symbol.asyncDispose]()
    await this.#trail.settle().catch((error: unknown) => {
      this.#events.tell({ kind: 'refusal unrecorded', action: 'issue', error })
    })
  }

  issue(request: IssuanceRequest, caller: Caller): Result<'issue'> {
    return this.#events.measure(metricNames.csrProcessingSeconds, this.#clock, () =>
      this.#refusals.tell('issue', caller, undefined, () => this.#issuing.issue('issue', request, caller)),
    )
  }

  async plan(request: IssuanceRequest, caller: Caller): Promise<IssuancePlan> {
    return this.#issuing.plan(request, caller)
  }

  async renew(...[certificate, request, caller]: Parameters<Method<'renew'>>): Result<'renew'> {
    return this.#events.measure(metricNames.rotationSeconds, this.#clock, () =>
      this.#refusals.tell('renew', caller, certificate, async () => {
        const holder = admitCaller(caller)
        const { idempotencyKey } = Object(request) as Partial<IssuanceRequest>
        const mayBeRetry = idempotencyKey !== undefined
        const { record, identity } = await this.#lifecycle.requireRenewable(certificate, holder, mayBeRetry)
        return this.#issuing.issue('renew', request, { ...holder, identities: [identity] }, record)
      }),
    )
  }

  async revoke(...asked: Parameters<Method<'revoke'>>): Promise<void> {
    await this.#administration.revoke(...asked)
  }

  async release(...asked: Parameters<Method<'release'>>): Promise<void> {
    await this.#administration.release(...asked)
  }

  async status(...[certificate]: Parameters<Method<'status'>>): Result<'status'> {
    return this.#lifecycle.status(certificate)
  }

  async search(...[query]: Parameters<Method<'search'>>): Result<'search'> {
    return this.#lifecycle.search(query)
  }

  async block(...asked: Parameters<Method<'block'>>): Promise<void> {
    await this.#administration.block(...asked)
  }

  async unblock(...asked: Parameters<Method<'unblock'>>): Promise<boolean> {
    return this.#administration.unblock(...asked)
  }

  async blocks(): Result<'blocks'> {
    return this.#blocks.list()
  }

  rotateExpiring(...[options]: Parameters<Method<'rotateExpiring'>>): Result<'rotateExpiring'> {
    const context = { storage: this.#storage, clock: this.#clock }
    return rotateExpiring({ ...context, renew: (...asked) => this.#issuing.renewStanding(...asked) }, options)
  }
}
