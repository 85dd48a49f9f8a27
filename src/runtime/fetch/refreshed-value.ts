// A value that is reloaded when it is old: one load at a time, a pause after a failure, and limited use of
// the last good value.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { abortable } from '../../internal/turns/waiting.ts'
import type { Clock } from '../clock.ts'

/** A value, and the time for which it is fresh. */
export interface LoadedValue<T> {
  readonly value: T
  readonly freshSeconds: number
}

/** How a value is loaded and kept. */
export interface RefreshedValueOptions<T> {
  /** Names the value in messages, as in `the keys of https://issuer.example`. */
  readonly what: string
  /** Loads it. `signal` is aborted when the owner is closed. */
  readonly load: (signal: AbortSignal) => Promise<LoadedValue<T>>
  readonly clock: Clock
  /** Minimum time between any two loads, in seconds. */
  readonly cooldownSeconds: number
  /** While loading fails, how long after its freshness the last value is used, in seconds. */
  readonly maxStaleSeconds: number
  /** Whether an error ends the use of the last value. */
  readonly forgetOn?: ((error: PkiError) => boolean) | undefined
  /** Called with the error of every failed load. */
  readonly onFailure?: ((error: PkiError) => void) | undefined
}

interface Held<T> {
  readonly value: T
  readonly refreshAt: number
  readonly freshUntil: number
  readonly usableUntil: number
}

/** Uses no timers: a call of `get` or `reload` starts a load. */
export class RefreshedValue<T> implements AsyncDisposable {
  readonly #options: RefreshedValueOptions<T>
  readonly #closed = new AbortController()
  #held: Held<T> | undefined
  #flight: Promise<T> | undefined
  #failure: PkiError | undefined
  #lastLoad = -Infinity

  constructor(options: RefreshedValueOptions<T>) {
    this.#options = options
  }

  /**
   * Returns the value. A fresh value is returned at once; in the last quarter of its lifetime a reload starts
   * in the background. Otherwise the value is reloaded first; if that fails, the last value is returned until
   * its time has passed.
   *
   * @throws the error of the load, if no value may be used; ERR_ABORTED; ERR_CLOSED
   */
  async get(signal?: AbortSignal): Promise<T> {
    if (this.#closed.signal.aborted) throw this.#closedError()
    const held = this.#usable()
    const now = this.#options.clock.monotonic()
    if (held !== undefined) {
      // After a failure, callers do not wait for the next attempt while the last value may be used.
      const mayWait = now >= held.freshUntil && this.#failure === undefined
      if (!mayWait) {
        if (now >= held.refreshAt) void this.#start()?.catch(ignore)
        return held.value
      }
    }
    return this.#loaded(signal)
  }

  /**
   * Returns the value after a reload. Within the cool-down after the last load it returns the current value
   * instead. @throws as `get`
   */
  async reload(signal?: AbortSignal): Promise<T> {
    if (this.#closed.signal.aborted) throw this.#closedError()
    return this.#loaded(signal)
  }

  async #loaded(signal: AbortSignal | undefined): Promise<T> {
    const flight = this.#start()
    if (flight !== undefined) {
      try {
        return await abortable(flight, signal)
      } catch (error) {
        if (signal?.aborted === true) throw error
      }
    }
    const held = this.#usable()
    if (held !== undefined) return held.value
    throw this.#failure ?? new PkiError('ERR_FETCH_FAILED', `${this.#options.what}: not loaded yet`)
  }

  /** The running load, or a new one; undefined during the cool-down. */
  #start(): Promise<T> | undefined {
    if (this.#flight !== undefined) return this.#flight
    const { clock, cooldownSeconds } = this.#options
    if (clock.monotonic() - this.#lastLoad < cooldownSeconds * 1000) return undefined
    this.#lastLoad = clock.monotonic()
    this.#flight = this.#load().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #load(): Promise<T> {
    const { load, clock, maxStaleSeconds, forgetOn, onFailure, what } = this.#options
    try {
      const { value, freshSeconds } = await load(this.#closed.signal)
      const now = clock.monotonic()
      const freshUntil = now + freshSeconds * 1000
      this.#held = {
        value,
        refreshAt: now + freshSeconds * 750,
        freshUntil,
        usableUntil: freshUntil + maxStaleSeconds * 1000,
      }
      this.#failure = undefined
      return value
    } catch (cause) {
      const error = isPkiError(cause)
        ? cause
        : new PkiError('ERR_FETCH_FAILED', `${what} cannot be loaded`, { cause })
      this.#failure = error
      if (forgetOn?.(error) === true) this.#held = undefined
      onFailure?.(error)
      throw error
    }
  }

  #usable(): Held<T> | undefined {
    const held = this.#held
    if (held === undefined || this.#options.clock.monotonic() < held.usableUntil) return held
    this.#held = undefined
    return undefined
  }

  #closedError(): PkiError<'ERR_CLOSED'> {
    return new PkiError('ERR_CLOSED', `${this.#options.what}: the owner was closed`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    await this.#flight?.catch(ignore)
    this.#held = undefined
  }
}

const ignore = (): void => undefined
