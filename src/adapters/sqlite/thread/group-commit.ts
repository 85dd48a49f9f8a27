// Concurrent operations share one transaction and one wait for the disk; each is answered after the commit.

import { requireClock } from '../../../ca/internal.ts'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { blockOperations } from './block-operations.ts'
import { certificateOperations } from './certificate-operations.ts'
import { resultCodeOf, resultCodes, storeError } from './database.ts'
import type { Database } from './database.ts'
import { FileIdentity } from './file-identity.ts'
import { addAuditEntries, leaderOperations } from './leader-operations.ts'
import { oneTimeOperations } from './one-time-operations.ts'
import type { StoreFailure, StoreOperations, StoreReply, StoreRequest } from '../messages.ts'

type Answer = readonly [id: number, failure: StoreFailure | null, answer: unknown]
type Operation = StoreRequest['operations'][number]
type Answers = Extract<StoreReply, { kind: 'answers' }>

/** Runs the operations of a store, one group at a time. */
export class GroupCommit {
  readonly #database: Database
  readonly #file: FileIdentity
  readonly #operations: StoreOperations
  /** The time of the request, by the clock of the store. */
  #nowMs = 0
  /** The latest recorded time. */
  #latestMs: number

  constructor(database: Database) {
    this.#database = database
    this.#file = new FileIdentity(database.path)
    this.#latestMs = this.#recordedMs()
    const audit = (entries: readonly Uint8Array[]): void => addAuditEntries(database, entries)
    const { requireUnblocked, ...blocks } = blockOperations(database, audit)
    this.#operations = {
      ...blocks,
      // A clock that was set back does not make an expired value valid again.
      ...oneTimeOperations(database, () => Math.max(this.#nowMs, this.#latestMs)),
      ...certificateOperations(database, {
        audit,
        requireUnblocked,
        requireClock: () => requireClock(this.#nowMs, this.#latestMs),
      }),
      ...leaderOperations(database, audit, () => this.#nowMs),
      latestTime: () => this.#latestMs,
    }
  }

  /**
   * Runs the first request, and those that `next` returns, until there are no more or the group is full.
   *
   * @throws ERR_STORE_FAILED if the state of the file is unknown
   */
  perform(first: StoreRequest, next: () => StoreRequest | undefined): Answers {
    const group: StoreRequest[] = []
    const before = this.#database.changes
    this.#file.require()
    try {
      this.#database.exec('BEGIN')
      const answers: Answer[] = []
      for (let request: StoreRequest | undefined = first; request !== undefined;) {
        group.push(request)
        this.#nowMs = request.nowMs
        for (const operation of request.operations) answers.push(this.#answer(operation))
        request = answers.length < maxGroup ? next() : undefined
      }
      const hasWritten = this.#database.changes > before
      if (hasWritten) this.#recordTime()
      this.#database.exec('COMMIT')
      return { kind: 'answers', answers, unavailable: hasWritten ? null : undefined }
    } catch (error) {
      this.#rollback(error)
      return this.#recover(group, error)
    }
  }

  /** A refusal is a result; another error ends the group. */
  #answer([id, name, args]: Operation): Answer {
    try {
      const operation = this.#operations[name] as (...given: readonly unknown[]) => unknown
      return [id, null, operation(...args)]
    } catch (error) {
      if (!isPkiError(error)) throw error
      return [id, failureOf(error), undefined]
    }
  }

  /** A value that the database refuses must not fail the other operations: each is run again separately. */
  #recover(group: readonly StoreRequest[], cause: unknown): Answers {
    const operations = group.flatMap((request) => request.operations)
    const code = resultCodeOf(cause)
    const isOfOne = code === undefined || code === resultCodes.constraint
    if (isOfOne && operations.length > 1) {
      const alone = group.flatMap(({ nowMs, operations: all }) =>
        all.map((operation) => this.perform({ nowMs, operations: [operation] }, () => undefined)),
      )
      return { kind: 'answers', answers: alone.flatMap(({ answers }) => answers), unavailable: undefined }
    }
    const failure = isOfOne
      ? new PkiError('ERR_INVALID_ARGUMENT', `the database refused a value: ${textOf(cause)}`)
      : storeError(cause, this.#database.path)
    if (failure.code === 'ERR_STORE_FAILED') throw failure
    const failed = failureOf(failure)
    return {
      kind: 'answers',
      answers: operations.map(([id]) => [id, failed, undefined] as const),
      unavailable: isOfOne ? undefined : failed,
    }
  }

  /** At most once a second, because it costs a page of the log. */
  #recordTime(): void {
    if (this.#nowMs < this.#latestMs + 1000) return
    this.#latestMs = this.#nowMs
    this.#database.run(`UPDATE counters SET value = ? WHERE name = 'clock_ms'`, this.#nowMs)
  }

  #recordedMs(): number {
    return Number(this.#database.value(`SELECT value FROM counters WHERE name = 'clock_ms'`))
  }

  #rollback(error: unknown): void {
    try {
      this.#database.exec('ROLLBACK')
      this.#latestMs = this.#recordedMs()
    } catch (cause) {
      // SQLite may have ended the transaction itself: then no transaction is active.
      if (resultCodeOf(cause) === sqliteError) return
      throw new PkiError('ERR_STORE_FAILED', storeError(error, this.#database.path).message, { cause })
    }
  }
}

function failureOf({ code, message }: PkiError): StoreFailure {
  return { code, message }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const sqliteError = 1
/** Operations of one transaction. */
const maxGroup = 1024
