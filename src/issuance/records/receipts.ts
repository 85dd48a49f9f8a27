// Receipts for requests with `receipt: true`: the proof that the record of the certificate is in the audit
// log.

import { PkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { IssuanceEvents } from '../events/issuance-events.ts'

/** The part of an `AuditLog` that makes receipts. @inline */
export interface ReceiptLog {
  /** Resolves with the receipt when the entry, which is not stored yet, is in the log. */
  receiptOf(entry: Uint8Array, signal: AbortSignal): Promise<string>
}

/** A receipt that is made after its record is stored. */
export interface ComingReceipt {
  /**
   * Resolves to the receipt; undefined after the time limit, and then the certificate is returned without it.
   */
  text(): Promise<string | undefined>
  /** Must be called if the record is not stored. */
  cancel(): void
}

/** Waits for receipts, for a bounded time. */
export class Receipts {
  readonly #log: ReceiptLog | undefined
  readonly #clock: Pick<Clock, 'schedule'>
  readonly #events: Pick<IssuanceEvents, 'tell'>

  constructor(
    log: ReceiptLog | undefined,
    clock: Pick<Clock, 'schedule'>,
    events: Pick<IssuanceEvents, 'tell'>,
  ) {
    this.#log = log
    this.#clock = clock
    this.#events = events
  }

  /** Must be called before anything is signed. @throws ERR_INVALID_ARGUMENT */
  requireAvailable(wanted: boolean): void {
    if (!wanted || this.#log !== undefined) return
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'receipt: this service issues no receipts; createIssuanceService was given no `receipts`',
    )
  }

  /**
   * Must be called before the record is stored, because after that the log may integrate it at any moment.
   */
  await(entry: Uint8Array, signal: AbortSignal | undefined): ComingReceipt {
    const ended = new AbortController()
    const end = (): void => {
      ended.abort()
    }
    signal?.addEventListener('abort', end)
    let stop = (): void => undefined
    const coming = (this.#log as ReceiptLog).receiptOf(entry, ended.signal).finally(() => {
      stop()
      signal?.removeEventListener('abort', end)
    })
    coming.catch(() => undefined)
    return {
      text: async () => {
        // The record is durable, and a working log integrates it within a second.
        stop = this.#clock.schedule(end, longestWaitMs)
        try {
          return await coming
        } catch (error) {
          this.#events.tell({ kind: 'no receipt', error })
          return undefined
        }
      },
      cancel: end,
    }
  }
}

const longestWaitMs = 5000
