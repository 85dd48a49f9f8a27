// A token connection: runs operations on sessions of a pool, and again where recovery has helped.

import { PkiError } from '../../../errors/index.ts'
import type { Cryptoki } from '../cryptoki/cryptoki.ts'
import { HsmError, hsmError, inToken } from '../cryptoki/return-value.ts'
import { SessionPool } from './session-pool.ts'
import type { SessionPoolCounts } from './session-pool.ts'
import { KeyFailures } from './key-failures.ts'
import { TokenRecovery } from './token-recovery.ts'
import type { TokenConnectionOptions } from './token-recovery.ts'
import type { Token, TokenSession } from './token.ts'

/**
 * `ready`: calls pass. `unavailable`: calls fail at once until the token
 * works again. `pin-refused`: a new PIN is needed.
 */
export type TokenHealth = 'ready' | 'unavailable' | 'pin-refused' | 'closed'

/** An operation; it receives an exclusive session, and a function that starts a call on it. */
export type Operation<T> = (session: TokenSession, cryptoki: Cryptoki) => Promise<T>

/** How one operation is run. */
export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  /** Identifies the key whose failures are counted. */
  readonly key?: string | undefined
  /** The id of the key, for messages. */
  readonly id?: string | undefined
}

/** Runs operations on a token, over a pool, with one retry, reconnection and a breaker. */
export class TokenConnection {
  readonly token: Token
  readonly #pool: SessionPool
  readonly #recovery: TokenRecovery
  readonly #options: TokenConnectionOptions
  readonly #keyFailures: KeyFailures
  #writing: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(token: Token, options: TokenConnectionOptions) {
    this.token = token
    this.#options = options
    const { maxSessions, maxWaiting, timeoutMs, clock } = options
    this.#pool = new SessionPool({
      size: maxSessions,
      queueLimit: maxWaiting,
      timeoutMs,
      clock,
      open: () => token.open('read'),
      close: (session) => {
        token.close(session)
      },
      isStale: (session) => token.isStale(session),
    })
    this.#recovery = new TokenRecovery(token, this.#pool, options)
    this.#keyFailures = new KeyFailures(options.maxFailures, clock)
    this.#recovery.attach()
  }

  get health(): TokenHealth {
    if (this.#closed) return 'closed'
    if (this.token.login.refusal !== undefined) return 'pin-refused'
    return this.#recovery.isUnavailable ? 'unavailable' : 'ready'
  }

  get counts(): SessionPoolCounts {
    return this.#pool.counts
  }

  /** Finds the token and logs in, so that a wrong label or PIN fails at the start. */
  async start(): Promise<void> {
    await this.#recovery.start()
  }

  /**
   * Runs a repeatable operation: after the loss of a session or of the token it is
   * retried once. A signal ends the wait for a session; a running call is not
   * stopped. `key` names the key that the operation uses, to count its failures.
   *
   * @throws ERR_HSM_UNAVAILABLE, ERR_HSM_QUEUE_FULL, ERR_HSM_TIMEOUT,
   *   ERR_HSM_REFUSED, ERR_HSM_PIN, ERR_ABORTED, ERR_CLOSED
   */
  async run<T>(operation: Operation<T>, { signal, key, id }: RunOptions = {}): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt === maxAttempts
      this.#check(isLast ? undefined : key)
      const { epoch } = this.token
      let session: TokenSession | undefined
      try {
        const acquired = this.#pool.acquire(signal)
        session = acquired instanceof Promise ? await acquired : acquired
        const result = await this.#pool.watch(session, operation(session, this.token.module.functions))
        this.#pool.release(session)
        this.#recovery.succeeded()
        if (key !== undefined) this.#keyFailures.succeeded(key)
        return result
      } catch (error) {
        const failure = this.#named(error, id)
        const again =
          session === undefined
            ? await this.#recovery.recover(failure, epoch)
            : await this.#failedIn(session, failure, key, isLast)
        if (!again || isLast) throw failure
      }
    }
  }

  #check(key: string | undefined): void {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the key manager was closed')
    this.#recovery.check()
    if (key !== undefined) this.#keyFailures.check(key)
  }

  /** Handles a failed operation; resolves to whether a retry makes sense. */
  async #failedIn(
    session: TokenSession,
    failure: PkiError,
    key: string | undefined,
    isLast: boolean,
  ): Promise<boolean> {
    const isOfKey = key !== undefined && this.#isOfKey(failure, session, key, isLast)
    const spare = failure.code === 'ERR_HSM_PIN' ? await this.#sessionInPlaceOf(session) : undefined
    this.#pool.discard(session)
    if (spare !== undefined) this.#pool.adopt(spare)
    if (isAnswer(failure)) this.#recovery.succeeded()
    if (!isOfKey) return this.#recovery.recover(failure, session.tokenEpoch)
    this.#recovery.report(failure)
    if (isLast) this.#keyFailures.failed(key, failure)
    return true
  }

  /**
   * A refused PIN of one key (CKA_ALWAYS_AUTHENTICATE) must not end the login of the others: it ends with the
   * last session, so another one is opened before that of the failure is closed.
   */
  async #sessionInPlaceOf(session: TokenSession): Promise<TokenSession | undefined> {
    if (!this.token.hasSession(session)) return undefined
    try {
      return await this.token.open('read')
    } catch {
      return undefined // the token has no more sessions
    }
  }

  /**
   * Whether a failure that looks like the loss of session or token concerns only the key: the
   * token still has the session. A device failure first counts against the token, because
   * libraries that lost their device may still report the session; if it recurs after
   * reconnecting, or the key failed in the same way before, it counts against the key.
   */
  #isOfKey(failure: PkiError, session: TokenSession, key: string, isRepeated: boolean): boolean {
    if (!(failure instanceof HsmError)) return false
    const { failureClass } = failure
    if (failureClass !== 'session' && failureClass !== 'device') return false
    if (failureClass === 'device' && !isRepeated && !this.#keyFailures.has(key)) return false
    return this.token.hasSession(session)
  }

  /**
   * Runs an operation that changes the token, one after the other, on its own session; it is never retried.
   * After ERR_HSM_TIMEOUT the outcome is unknown: the token may still complete it.
   */
  write<T>(operation: Operation<T>, id: string): Promise<T> {
    const result = this.#writing.then(() => this.#write(operation, id))
    this.#writing = result.catch(() => undefined)
    return result
  }

  /**
   * Allows the PIN source to be called again after a refusal, and connects.
   * @throws ERR_HSM_PIN and as `run`
   */
  async allowLogin(): Promise<void> {
    this.token.login.allow()
    await this.#recovery.reconnect()
  }

  /** Ends running operations, closes all sessions (which ends the login) and unregisters from the library. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#recovery.stop()
    await this.#limited(this.#writing, this.#options.timeoutMs).catch(() => undefined)
    await this.#pool.close()
    this.token.closeLeftovers()
    await this.#recovery.detach()
  }

  #named(error: unknown, id: string | undefined): PkiError {
    return inToken(hsmError(error, 'the operation'), this.token.label, id)
  }

  async #write<T>(operation: Operation<T>, id: string): Promise<T> {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the token was closed')
    this.#recovery.check()
    const session = await this.#openForWriting(id)
    const running = operation(session, this.token.module.functions)
    // When the call returns, however late: until then it uses its session.
    const close = (): void => this.token.close(session)
    running.then(close, close)
    try {
      return await this.#limited(running, longTimeoutMs(this.#options.timeoutMs))
    } catch (error) {
      const failure = this.#named(error, id)
      await this.#recovery.recover(failure, session.tokenEpoch)
      throw failure
    }
  }

  #limited<T>(running: Promise<T>, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (): void =>
        reject(
          new PkiError(
            'ERR_HSM_TIMEOUT',
            `the token did not answer for ${String(timeoutMs)} ms; it may still complete the operation`,
          ),
        )
      const stop = this.#options.clock.schedule(late, timeoutMs)
      running.then(resolve, reject).finally(stop)
    })
  }

  async #openForWriting(id: string): Promise<TokenSession> {
    for (let attempt = 1; ; attempt++) {
      const epoch = this.token.epoch
      try {
        return await this.token.open('write')
      } catch (error) {
        const failure = this.#named(error, id)
        const full = failure instanceof HsmError && failure.failureClass === 'limit' && this.#pool.shed()
        if (attempt === maxAttempts || !(full || (await this.#recovery.recover(failure, epoch))))
          throw failure
      }
    }
  }
}

/** Whether the token works and refused the operation, because of a key or of the request. */
function isAnswer(failure: PkiError): boolean {
  return (
    failure.code === 'ERR_KEY_NOT_FOUND' ||
    failure.code === 'ERR_HSM_KEY_AMBIGUOUS' ||
    failure.code === 'ERR_HSM_KEY_PROTECTION' ||
    (failure instanceof HsmError && failure.failureClass === 'request' && failure.returnValue !== 'none')
  )
}

/** K9: at most one retry per request. */
const maxAttempts = 2

/** For generating an RSA key, which takes a minute on some tokens, and for a PIN, which a person may type. */
export function longTimeoutMs(timeoutMs: number): number {
  return Math.max(12 * timeoutMs, 120_000)
}
