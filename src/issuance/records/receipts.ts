// Receipts for those who ask: the proof that the record of their certificate is in the audit log.

import { PkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { IssuanceEvents } from '../events/issuance-events.ts'

/** The part of an `AuditLog` that hands out receipts. @inline */
export interface ReceiptLog {
  /** Resolves with the receipt when the entry, which is not stored yet, is in the log. */
  receiptOf(entry: Uint8Array, signal: AbortSignal): Promise<string>
}

/** A receipt that comes after its record is stored. */
export interface ComingReceipt {
  /** Undefined where it does not come in time: the certificate is issued all the same. */
  text(): Promise<string | undefined>
  /** The record is not stored. */
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

  /** Before anything is signed. @throws ERR_INVALID_ARGUMENT */
  requireAvailable(wanted: boolean): void {
    if (!wanted || this.#log !== undefined) return
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'receipt: this service issues no receipts; createIssuanceService was given no `receipts`',
    )
  }

  /** Before the record is stored: once it is, the log may take it at any moment. */
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
        // The record is durable, and a log that is well takes it within a second.
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
