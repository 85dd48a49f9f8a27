// Compares the clock of this process with the latest recorded time: while the clock is behind it, nothing is
// issued.

import { requireClock } from '../../ca/internal.ts'
import type { Clock } from '../../runtime/index.ts'
import type { Connections } from './connections.ts'
import { timeStatement } from './open-schema.ts'

/**
 * Compares the clock with the latest recorded time at every intent, and records the time at most once a
 * second.
 */
export class StoreClock {
  readonly #connections: Connections
  readonly #schema: string
  readonly #clock: Clock
  #latestMs: number
  #recordedAtMs: number
  #recording: Promise<void> | undefined

  constructor(connections: Connections, schema: string, clock: Clock, latestMs: number) {
    this.#connections = connections
    this.#schema = schema
    this.#clock = clock
    this.#latestMs = latestMs
    this.#recordedAtMs = clock.monotonic()
  }

  /** @throws ERR_STORE_CLOCK; errors of the server */
  async require(): Promise<void> {
    requireClock(this.#clock.now(), this.#latestMs)
    if (this.#clock.monotonic() - this.#recordedAtMs < 1000) return
    this.#recording ??= this.#record().finally(() => {
      this.#recording = undefined
    })
    await this.#recording
    requireClock(this.#clock.now(), this.#latestMs)
  }

  async #record(): Promise<void> {
    const [row] = await this.#connections.query(timeStatement(this.#schema), this.#clock.now())
    this.#latestMs = Number(row?.['value'])
    this.#recordedAtMs = this.#clock.monotonic()
  }
}
