// Recovery of a token: after a failure, connects again as its class requires, and refuses calls meanwhile.

import { PkiError } from '../../../errors/index.ts'
import { metricNames } from '../../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { HsmError, ckr, deviceLost, hsmError, inToken, returnValueOf } from '../cryptoki/return-value.ts'
import type { SessionPool } from './session-pool.ts'
import type { Token } from './token.ts'

/** Sizes, limits, and the sinks for log and metrics. */
export interface TokenConnectionOptions {
  readonly maxSessions: number
  readonly maxWaiting: number
  readonly timeoutMs: number
  readonly maxFailures: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Records whether one token works, and recovers it. The module identifies the token by this object. */
export class TokenRecovery {
  readonly #token: Token
  readonly #pool: SessionPool
  readonly #options: TokenConnectionOptions
  readonly #breaker: CircuitBreaker
  #reconnecting: Promise<void> | undefined
  #closed = false

  constructor(token: Token, pool: SessionPool, options: TokenConnectionOptions) {
    this.#token = token
    this.#pool = pool
    this.#options = options
    this.#breaker = new CircuitBreaker({
      clock: options.clock,
      threshold: options.maxFailures,
      firstProbeMs: 100,
      longestProbeMs: 2_000,
      probe: () => this.reconnect(),
    })
  }

  get isUnavailable(): boolean {
    return this.#breaker.isOpen
  }

  /** Registers the token as user of the library. @throws ERR_CLOSED */
  attach(): void {
    this.#token.module.attach(this)
  }

  /** Unregisters the token. */
  detach(): Promise<void> {
    return this.#token.module.detach(this)
  }

  /** Finds the token and logs in. */
  async start(): Promise<void> {
    this.#token.connect()
    try {
      this.#pool.adopt(await this.#token.open('read'))
    } catch (error) {
      throw inToken(hsmError(error, 'opening a session'), this.#token.label)
    }
  }

  /** @throws ERR_HSM_UNAVAILABLE while calls fail at once */
  check(): void {
    this.#breaker.check()
  }

  /** Records that the token has answered. */
  succeeded(): void {
    this.#breaker.succeeded()
  }

  /** Ends the probes; nothing is recovered afterwards. */
  stop(): void {
    this.#closed = true
    this.#breaker.stop()
  }

  /** Recovers as the failure requires; resolves to whether a retry makes sense. */
  async recover(failure: PkiError, epoch: number): Promise<boolean> {
    if (failure.code === 'ERR_HSM_TIMEOUT') this.#failed(failure, false)
    if (!(failure instanceof HsmError) || this.#closed) return false
    const { failureClass } = failure
    this.report(failure)
    if (failureClass !== 'session' && failureClass !== 'device') return false
    this.#failed(failure, false)
    if (failureClass === 'session') return true
    try {
      if (epoch === this.#token.epoch || this.#reconnecting !== undefined) await this.reconnect()
      return true
    } catch (error) {
      this.#failed(inToken(hsmError(error, 'connecting again'), this.#token.label), true)
      return false
    }
  }

  /** Counts and logs a failure. */
  report(failure: PkiError): void {
    if (!(failure instanceof HsmError)) return
    const { failureClass, returnValue } = failure
    this.#options.metrics.count(metricNames.hsmFailures, { class: failureClass })
    if (failureClass !== 'session' && failureClass !== 'device') return
    this.#options.logger.warn({ token: this.#token.label, returnValue, class: failureClass }, failure.message)
  }

  #failed(failure: PkiError, gone: boolean): void {
    this.#breaker.failed(failure, gone)
    if (!this.#breaker.isOpen) return
    this.#token.module.setHealth(this, false)
    this.#pool.failWaiting(
      new PkiError('ERR_HSM_UNAVAILABLE', `the wait was ended: ${failure.message}`, { cause: failure }),
    )
  }

  /** Connects again, once for all concurrent callers. @throws as `Token.connect` and `Token.open` */
  reconnect(): Promise<void> {
    this.#reconnecting ??= this.#connectAgain().finally(() => {
      this.#reconnecting = undefined
    })
    return this.#reconnecting
  }

  async #connectAgain(): Promise<void> {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the token was closed')
    if (this.#token.login.refusal !== undefined) throw this.#token.login.refusal
    while (this.#pool.shed());
    const { module } = this.#token
    const { epoch } = module
    try {
      await this.start()
    } catch (error) {
      if (!needsInitialisation(error)) throw error
      if (!module.mayReinitialise(this))
        throw deviceLost('the token is lost; its library is not initialised again while other tokens use it')
      await module.reinitialise(epoch)
      await this.start()
    }
    module.setHealth(this, true)
    this.#options.metrics.count(metricNames.hsmReconnects)
    this.#options.logger.info(
      { token: this.#token.label, serialNumber: this.#token.serialNumber },
      'connected to the token again',
    )
  }
}

function needsInitialisation(error: unknown): boolean {
  if (error instanceof HsmError) return error.failureClass === 'device' || error.failureClass === 'session'
  return returnValueOf(error) === ckr.CRYPTOKI_NOT_INITIALIZED
}
