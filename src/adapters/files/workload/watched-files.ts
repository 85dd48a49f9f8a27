// A value that is read from files, and read again when they change: by events of the file system and by
// polling.

import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { isPkiError, PkiError } from '../../../errors/index.ts'
import { generationOf } from '../../../internal/files/mounted-files.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import { metricNames } from '../../../runtime/index.ts'
import { LatestValue } from '../../../secrets/internal.ts'

/** A value, and a text that differs if the value has changed. */
export interface LoadedFiles<T> {
  readonly value: T
  readonly fingerprint: string
}

/** How files are read and watched. */
export interface WatchedFilesOptions<T> {
  /** For messages. */
  readonly what: string
  readonly directories: readonly string[]
  readonly load: () => Promise<LoadedFiles<T>>
  readonly pollMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * Reads the files at once, and again after changes until it is disposed of. After a refused change the
 * previous value remains.
 */
export class WatchedFiles<T> implements AsyncDisposable {
  readonly latest: LatestValue<T> = new LatestValue<T>()
  readonly #options: WatchedFilesOptions<T>
  readonly #watchers = new Map<string, FSWatcher>()
  #fingerprint: string | undefined
  #failure: PkiError | undefined
  #loadedMs: number | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #cancelPoll = (): void => undefined
  #cancelDebounce: (() => void) | undefined
  #closed = false

  constructor(options: WatchedFilesOptions<T>) {
    this.#options = options
    void this.reload()
  }

  /** Why the last reading was refused; undefined after a success. */
  get failure(): PkiError | undefined {
    return this.#failure
  }

  /** Resolves after a read that begins now or later. It never rejects: see `failure`. */
  reload(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    if (this.#running === undefined) {
      this.#running = this.#read().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    // A read in progress may have started before the change that the caller reports.
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.reload()
    })
    return this.#next
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#cancelPoll()
    this.#cancelDebounce?.()
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
    await this.#running
  }

  async #read(): Promise<void> {
    const { load, clock, logger, metrics, what } = this.#options
    this.#cancelPoll()
    // Watched before they are read, so that a later change causes an event.
    await this.#watch()
    try {
      const { value, fingerprint } = await load()
      const isRecovered = this.#failure !== undefined
      this.#failure = undefined
      this.#loadedMs = clock.monotonic()
      if (fingerprint !== this.#fingerprint) {
        this.#fingerprint = fingerprint
        this.#set(value)
        logger.info({ files: what }, 'secret read from files')
      } else if (isRecovered) logger.info({ files: what }, 'the files are valid again, with the same content')
    } catch (error) {
      this.#refuse(error)
    }
    const ageMs = this.#loadedMs === undefined ? undefined : clock.monotonic() - this.#loadedMs
    if (ageMs !== undefined) metrics.gauge(metricNames.secretFilesAge, ageMs / 1000)
    if (!this.#closed) this.#cancelPoll = clock.schedule(() => void this.reload(), this.#options.pollMs)
  }

  #refuse(cause: unknown): void {
    const { what, logger, metrics } = this.#options
    const error = isPkiError(cause)
      ? cause
      : new PkiError('ERR_SECRET_FILES', `${what} cannot be read: ${String(cause)}`, { cause })
    metrics.count(metricNames.fileSecretFailures)
    // A repeated failure is logged once. Its message may have the time of the attempt.
    if (this.#failure === undefined || withoutTimes(error) !== withoutTimes(this.#failure))
      logger.error(
        { files: what, code: error.code, reason: error.message },
        'files refused; the previous secret, if any, remains in use',
      )
    this.#failure = error
  }

  #set(value: T): void {
    try {
      this.latest.set(value)
    } catch (error) {
      this.#options.logger.error({ reason: String(error) }, 'a listener of the files threw an error')
    }
  }

  /** One watcher for each directory that a path or a link names now. */
  async #watch(): Promise<void> {
    const wanted = new Set<string>()
    for (const directory of this.#options.directories) {
      wanted.add(directory)
      for (const place of [await realpath(directory).catch(() => undefined), await generationOf(directory)])
        if (place !== undefined) wanted.add(place)
    }
    if (this.#closed) return
    for (const [place, watcher] of this.#watchers) {
      // The name may refer to another directory by now, while the watcher still reports events of the old
      // one.
      watcher.close()
      this.#watchers.delete(place)
    }
    for (const place of wanted) this.#watchOne(place)
  }

  #watchOne(place: string): void {
    const failed = (error: unknown): void => {
      // Polling detects changes without an event.
      this.#options.metrics.count(metricNames.fileWatcherFailures)
      this.#options.logger.debug({ place, reason: String(error) }, 'directory not watched; it is polled')
      this.#watchers.get(place)?.close()
      this.#watchers.delete(place)
    }
    try {
      const watcher = watch(place, { persistent: false }, () => this.#debounced())
      watcher.on('error', failed)
      this.#watchers.set(place, watcher)
    } catch (error) {
      failed(error)
    }
  }

  #debounced(): void {
    if (this.#closed) return
    this.#cancelDebounce ??= this.#options.clock.schedule(() => {
      this.#cancelDebounce = undefined
      void this.reload()
    }, debounceMs)
  }
}

function withoutTimes({ message }: PkiError): string {
  return message.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '')
}

/** The delay with which Istio's agent waits until a set of files is complete. */
const debounceMs = 100
