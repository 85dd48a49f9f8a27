// A token that comes back: every call goes through here, and every failure is put into its class and answered as that class is.

import { PkiError } from '../../errors/index.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { Cryptoki } from './cryptoki.ts'
import { HsmError, ckr, deviceLost, hsmError, returnValueOf } from './return-value.ts'
import { SessionPool } from './session-pool.ts'
import type { SessionPoolCounts } from './session-pool.ts'
import type { Token, TokenSession } from './token.ts'

/** `ready`: calls pass. `unavailable`: calls fail at once until the token is back. `pin-refused`: somebody must bring a new PIN. */
export type TokenHealth = 'ready' | 'unavailable' | 'pin-refused' | 'closed'

/** Sizes, limits and what is reported to. */
export interface TokenConnectionOptions {
  readonly sessions: number
  readonly queueLimit: number
  readonly timeoutMs: number
  readonly failureThreshold: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What an operation is given: a session that is its own, and the way to start a call on it. */
export type Operation<T> = (session: TokenSession, cryptoki: Cryptoki) => Promise<T>

/** Runs operations on a token, over a pool, with one retry, reconnection and a breaker. */
export class TokenConnection {
  readonly token: Token
  readonly #pool: SessionPool
  readonly #breaker: CircuitBreaker
  readonly #options: TokenConnectionOptions
  #reconnecting: Promise<void> | undefined
  #writing: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(token: Token, options: TokenConnectionOptions) {
    this.token = token
    this.#options = options
    const { sessions, queueLimit, timeoutMs, clock } = options
    this.#pool = new SessionPool({
      size: sessions,
      queueLimit,
      timeoutMs,
      clock,
      open: () => token.open('read'),
      close: (session) => {
        token.close(session)
      },
      isStale: (session) => token.isStale(session),
    })
    this.#breaker = new CircuitBreaker({
      clock,
      threshold: options.failureThreshold,
      firstProbeMs: 100,
      longestProbeMs: 2_000,
      probe: () => this.#reconnect(),
    })
    token.module.attach(this)
  }

  get health(): TokenHealth {
    if (this.#closed) return 'closed'
    if (this.token.pinRefusal !== undefined) return 'pin-refused'
    return this.#breaker.isOpen ? 'unavailable' : 'ready'
  }

  get counts(): SessionPoolCounts {
    return this.#pool.counts
  }

  /** Finds the token and logs in, so that a wrong label or PIN shows at the start. */
  async start(): Promise<void> {
    this.token.connect()
    this.#pool.adopt(await this.token.open('read'))
  }

  /**
   * Runs an operation that may be repeated: after the loss of a session or of the token it is tried once more. A signal ends the waiting for
   * a session; what runs, runs on.
   *
   * @throws ERR_HSM_UNAVAILABLE, ERR_HSM_QUEUE_FULL, ERR_HSM_TIMEOUT, ERR_HSM_REFUSED, ERR_HSM_PIN, ERR_ABORTED, ERR_CLOSED
   */
  async run<T>(operation: Operation<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw new PkiError('ERR_CLOSED', 'the token was closed')
      this.#breaker.check()
      const epoch = this.token.epoch
      let session: TokenSession | undefined
      try {
        const acquired = this.#pool.acquire(signal)
        session = acquired instanceof Promise ? await acquired : acquired
        const result = await this.#pool.watch(session, operation(session, this.token.module.functions))
        this.#pool.release(session)
        this.#breaker.succeeded()
        return result
      } catch (error) {
        if (session !== undefined) this.#pool.discard(session)
        const failure = hsmError(error, 'the operation')
        if (session !== undefined && isAnswer(failure)) this.#breaker.succeeded()
        const again = await this.#recover(failure, session?.tokenEpoch ?? epoch)
        if (!again || attempt === maxAttempts) throw failure
      }
    }
  }

  /**
   * Runs an operation that changes the token, one after the other, on a session of its own; it is never repeated. After ERR_HSM_TIMEOUT
   * nobody knows whether it was done: the token may do it yet.
   */
  write<T>(operation: Operation<T>): Promise<T> {
    const result = this.#writing.then(() => this.#write(operation))
    this.#writing = result.catch(() => undefined)
    return result
  }

  /** Lets the PIN source be asked again after a refusal, and connects. @throws ERR_HSM_PIN and as `run` */
  async allowLogin(): Promise<void> {
    this.token.allowLogin()
    await this.#reconnect()
  }

  /** Ends what runs, closes all sessions (which ends the login) and gives the share in the library back. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#breaker.stop()
    await this.#limited(this.#writing, this.#options.timeoutMs).catch(() => undefined)
    await this.#pool.close()
    this.token.closeLeftovers()
    await this.token.module.detach(this)
  }

  async #write<T>(operation: Operation<T>): Promise<T> {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the token was closed')
    this.#breaker.check()
    const session = await this.#openForWriting()
    const running = operation(session, this.token.module.functions)
    // When it comes back, however late: a call that hangs has its session still.
    const close = (): void => this.token.close(session)
    running.then(close, close)
    try {
      return await this.#limited(
        running,
        Math.max(writeTimeouts * this.#options.timeoutMs, leastWriteTimeoutMs),
      )
    } catch (error) {
      const failure = hsmError(error, 'the operation')
      await this.#recover(failure, session.tokenEpoch)
      throw failure
    }
  }

  #limited<T>(running: Promise<T>, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (): void =>
        reject(
          new PkiError(
            'ERR_HSM_TIMEOUT',
            `the token did not answer for ${String(timeoutMs)} ms; it may do what it was asked yet`,
          ),
        )
      const stop = this.#options.clock.schedule(late, timeoutMs)
      running.then(resolve, reject).finally(stop)
    })
  }

  async #openForWriting(): Promise<TokenSession> {
    for (let attempt = 1; ; attempt++) {
      const epoch = this.token.epoch
      try {
        return await this.token.open('write')
      } catch (error) {
        const failure = hsmError(error, 'opening a session')
        const full = failure instanceof HsmError && failure.failureClass === 'limit' && this.#pool.shed()
        if (attempt === maxAttempts || !(full || (await this.#recover(failure, epoch)))) throw failure
      }
    }
  }

  /** Does what the failure asks for; resolves with whether trying again makes sense. */
  async #recover(failure: PkiError, epoch: number): Promise<boolean> {
    if (failure.code === 'ERR_HSM_TIMEOUT') this.#failed(failure, false)
    if (!(failure instanceof HsmError) || this.#closed) return false
    const { failureClass, returnValue } = failure
    this.#options.metrics.count('hsm_failures_total', { class: failureClass })
    if (failureClass !== 'session' && failureClass !== 'device') return false
    this.#options.logger.warn({ token: this.token.label, returnValue, class: failureClass }, failure.message)
    this.#failed(failure, false)
    if (failureClass === 'session') return true
    try {
      if (epoch === this.token.epoch || this.#reconnecting !== undefined) await this.#reconnect()
      return true
    } catch (error) {
      this.#failed(hsmError(error, 'connecting again'), true)
      return false
    }
  }

  #failed(failure: PkiError, gone: boolean): void {
    this.#breaker.failed(failure, gone)
    if (!this.#breaker.isOpen) return
    this.token.module.setHealth(this, false)
    this.#pool.failWaiting(
      new PkiError('ERR_HSM_UNAVAILABLE', `given up waiting: ${failure.message}`, { cause: failure }),
    )
  }

  #reconnect(): Promise<void> {
    this.#reconnecting ??= this.#connectAgain().finally(() => {
      this.#reconnecting = undefined
    })
    return this.#reconnecting
  }

  async #connectAgain(): Promise<void> {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the token was closed')
    if (this.token.pinRefusal !== undefined) throw this.token.pinRefusal
    while (this.#pool.shed());
    const { module } = this.token
    const { epoch } = module
    try {
      await this.start()
    } catch (error) {
      if (!needsInitialisation(error)) throw error
      if (!module.mayReinitialise(this))
        throw deviceLost(
          'the token is lost; its library is not initialised anew while it serves other tokens',
        )
      await module.reinitialise(epoch)
      await this.start()
    }
    module.setHealth(this, true)
    this.#options.metrics.count('hsm_reconnects_total')
    this.#options.logger.info(
      { token: this.token.label, serialNumber: this.token.serialNumber },
      'connected to the token again',
    )
  }
}

/** Whether the token worked and said no: about a key, or a request. */
function isAnswer(failure: PkiError): boolean {
  return (
    failure.code === 'ERR_KEY_NOT_FOUND' ||
    failure.code === 'ERR_HSM_KEY_AMBIGUOUS' ||
    failure.code === 'ERR_HSM_KEY_PROTECTION' ||
    (failure instanceof HsmError && failure.failureClass === 'request' && failure.returnValue !== 'none')
  )
}

function needsInitialisation(error: unknown): boolean {
  if (error instanceof HsmError) return error.failureClass === 'device' || error.failureClass === 'session'
  return returnValueOf(error) === ckr.CRYPTOKI_NOT_INITIALIZED
}

/** K9: at most one more try per request. */
const maxAttempts = 2
/** Making an RSA key takes some tokens a minute. */
const writeTimeouts = 12
const leastWriteTimeoutMs = 120_000
