// Holding a lease: acquires it when it is free, renews it in time, gives its fence, and stops at its loss.

import { randomUUID } from 'node:crypto'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import type { Fence, Lease, LeaseStore } from '../records/lease-store.ts'

/** Options of `holdLease`. @inline */
export interface HoldLeaseOptions {
  readonly leases: LeaseStore
  /** The purpose of the lease: only one process at a time can hold the lease of a name. */
  readonly name: string
  /** The name of this process, which must be unique. Default: a random UUID. */
  readonly holder?: string | undefined
  /**
   * How long other processes wait after this process has stopped, in milliseconds; the lease is renewed at a
   * third of it. 30 to 3,600,000; default 15,000.
   */
  readonly ttlMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
}

/** A lease that one process holds or waits for. @inline */
export interface HeldLease extends AsyncDisposable {
  /** The name of this process. */
  readonly holder: string
  /**
   * The fence for the writes of a leader; undefined while this process is not the leader. The store decides:
   * a process that was suspended may still have a fence for a moment after its lease has ended.
   */
  readonly fence: Fence | undefined
  /**
   * Runs a task of the leader. Resolves to undefined if this process is not the leader, or if a write was
   * refused because another process is now the leader.
   *
   * @throws the errors of `perform` except ERR_LEASE_STALE
   */
  lead<Answer>(perform: (fence: Fence) => Promise<Answer>): Promise<Answer | undefined>
}

/**
 * Tries to acquire a lease, and repeats: after each third of its duration the lease is renewed, or another
 * attempt is made. The end is measured on a monotonic clock from before the call of the store, so that this
 * process stops before the store gives the lease to another one. An error of the store is logged; the lease
 * remains in use until its end. Disposing of it releases the lease.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * await using lease = await holdLease({ leases: storage.leases, name: 'audit' })
 * await lease.lead((fence) => log.integrate(fence))
 * ```
 */
export async function holdLease(options: HoldLeaseOptions): Promise<HeldLease> {
  const read = readOptions('holdLease', options, {
    leases: 'required',
    name: 'required',
    holder: 'optional',
    ttlMs: 'optional',
    clock: 'optional',
    logger: 'optional',
  })
  const { name, holder = randomUUID() } = read
  if (typeof name !== 'string' || name === '' || typeof holder !== 'string' || holder === '')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'holdLease: name and holder must be text and not empty')
  const holding = new Holding({
    ...{ leases: read.leases, name, holder },
    ttlMs: requireCount('ttlMs', read.ttlMs ?? 15_000, 30, 3_600_000),
    clock: read.clock ?? systemClock,
    logger: safeLogger('holdLease', read.logger),
  })
  await holding.start()
  return holding
}

/** The checked options. */
interface HoldingSettings {
  readonly leases: LeaseStore
  readonly name: string
  readonly holder: string
  readonly ttlMs: number
  readonly clock: Clock
  readonly logger: Logger
}

class Holding implements HeldLease {
  readonly #settings: HoldingSettings
  #lease: Lease | undefined
  /** The end of the lease by the monotonic clock. */
  #endMs = -Infinity
  #isStopped = false
  #trying: Promise<void> = Promise.resolve()
  #cancel = (): void => undefined

  constructor(settings: HoldingSettings) {
    this.#settings = settings
  }

  get holder(): string {
    return this.#settings.holder
  }

  get fence(): Fence | undefined {
    const lease = this.#lease
    if (lease === undefined || this.#isStopped || this.#settings.clock.monotonic() >= this.#endMs)
      return undefined
    return { name: lease.name, epoch: lease.epoch }
  }

  async lead<Answer>(perform: (fence: Fence) => Promise<Answer>): Promise<Answer | undefined> {
    const { fence } = this
    if (fence === undefined) return undefined
    try {
      return await perform(fence)
    } catch (error) {
      if (!isPkiError(error, 'ERR_LEASE_STALE')) throw error
      if (this.#lease?.epoch === fence.epoch)
        this.#lose(`the store refused epoch ${fence.epoch}: another process has a later one`)
      return undefined
    }
  }

  /** Makes one attempt now, and schedules the next ones. */
  async start(): Promise<void> {
    await (this.#trying = this.#try())
    this.#later()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStopped) return this.#trying
    this.#isStopped = true
    this.#cancel()
    this.#trying = this.#trying.then(() => this.#release())
    return this.#trying
  }

  #later(): void {
    if (this.#isStopped) return
    const { clock, ttlMs } = this.#settings
    this.#cancel = clock.schedule(() => {
      this.#trying = this.#try().then(() => this.#later())
    }, ttlMs / 3)
  }

  async #try(): Promise<void> {
    const { leases, name, holder, ttlMs, clock, logger } = this.#settings
    // Measured from before the call of the store, minus a tenth, because clocks differ in speed: never later
    // than the store's end.
    const endMs = clock.monotonic() + ttlMs * 0.9
    try {
      const lease = await leases.acquire(name, holder, ttlMs)
      if (lease === undefined) {
        if (this.#lease !== undefined) this.#lose('another process holds it')
        return
      }
      if (lease.epoch !== this.#lease?.epoch)
        logger.info({ lease: name, holder, epoch: lease.epoch }, 'this process holds the lease')
      this.#lease = lease
      this.#endMs = endMs
    } catch (error) {
      // The lease remains in use until its end, because the store may answer again before that.
      const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
      logger.warn({ lease: name, holder, code, message: String(error) }, 'the lease could not be requested')
    }
  }

  #lose(reason: string): void {
    const { name, holder, logger } = this.#settings
    this.#lease = undefined
    logger.warn({ lease: name, holder, reason }, 'this process has lost the lease')
  }

  async #release(): Promise<void> {
    const { leases, logger, name } = this.#settings
    const lease = this.#lease
    this.#lease = undefined
    if (lease === undefined) return
    try {
      await leases.release(lease)
    } catch (error) {
      logger.warn(
        { lease: name, message: String(error) },
        'the lease was not released; it remains until it expires',
      )
    }
  }
}
