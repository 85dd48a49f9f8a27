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
  /** The purpose: processes that hold leases of one name exclude one another. */
  readonly name: string
  /** Names this process: unique. Default a random UUID. */
  readonly holder?: string | undefined
  /**
   * How long the others wait after this process has stopped, in milliseconds: renewed at a third of it.
   * Default 15,000; 30 to 3,600,000.
   */
  readonly ttlMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
}

/** A lease as one process has it, now or later. @inline */
export interface HeldLease extends AsyncDisposable {
  /** Names this process among the holders. */
  readonly holder: string
  /**
   * For the writes of a leader; undefined while this process does not lead. The store has the last word: a
   * process that was stopped has a fence for a moment after its lease has ended.
   */
  readonly fence: Fence | undefined
  /**
   * Performs what only a leader does. Undefined where this process does not lead, and where a write was
   * refused because another process leads now.
   *
   * @throws what `perform` throws, but ERR_LEASE_STALE
   */
  lead<Answer>(perform: (fence: Fence) => Promise<Answer>): Promise<Answer | undefined>
}

/**
 * Tries to acquire a lease, and keeps trying: at each third of its life it is renewed, or another try is
 * made. The end is counted on a monotonic clock from before the store was asked, so that this process stops
 * before the store gives the lease to another one. An error of the store is logged; the lease is kept to its
 * end. Disposing of it releases the lease.
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

/** What was read from the options. */
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

  /** One try now, and the next ones later. */
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
    // From before the store is asked, less a tenth, since clocks do not run alike: never after the store's
    // end.
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
      // The lease goes on to its end: the store may answer again before it.
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
