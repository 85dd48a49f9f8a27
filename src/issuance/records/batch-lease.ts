// The lease of a batch rotation, which is extended during the run.

import { randomUUID } from 'node:crypto'
import type { CaStorage } from '../../ca/index.ts'
import { isPkiError } from '../../errors/index.ts'
import { waitFor } from '../../internal/turns/waiting.ts'
import type { Clock } from '../../runtime/index.ts'

/** One batch rotation at a time in all processes of a CA. */
export class BatchLease {
  readonly #holder = randomUUID()
  readonly #leases: CaStorage['leases']
  readonly #clock: Clock
  #stop: () => void = () => undefined
  #lease: Awaited<ReturnType<CaStorage['leases']['acquire']>>
  #isEnded = false
  /** Whether the lease was lost, so that another run may have begun. */
  isLost = false

  private constructor(leases: CaStorage['leases'], clock: Clock) {
    this.#leases = leases
    this.#clock = clock
  }

  /**
   * Waits until an earlier run has ended, or until its lease has expired after a crash. @throws ERR_ABORTED
   */
  static async wait(
    leases: CaStorage['leases'],
    clock: Clock,
    signal: AbortSignal | undefined,
  ): Promise<BatchLease> {
    const lease = new BatchLease(leases, clock)
    while (!(await lease.#acquire())) await waitFor(clock, leaseMs / 10, signal)
    lease.#extendLater()
    return lease
  }

  async release(): Promise<void> {
    this.#isEnded = true
    this.#stop()
    if (this.#lease !== undefined) await this.#leases.release(this.#lease).catch(() => undefined)
  }

  async #acquire(): Promise<boolean> {
    const epoch = this.#lease?.epoch
    const lease = await this.#leases.acquire('batch-rotation', this.#holder, leaseMs)
    if (lease === undefined || (epoch !== undefined && lease.epoch !== epoch)) return false
    this.#lease = lease
    return true
  }

  #extendLater(): void {
    if (this.#isEnded) return
    this.#stop = this.#clock.schedule(() => {
      this.#acquire().then(
        (isHeld) => {
          if (isHeld) this.#extendLater()
          else this.isLost = true
        },
        // The store may answer again before the lease ends.
        (error: unknown) => {
          if (isPkiError(error, 'ERR_CLOSED')) this.isLost = true
          else this.#extendLater()
        },
      )
    }, leaseMs / 3)
  }
}

const leaseMs = 15_000
