// Several authenticators as one, asked in order.

import { PkiError, isPkiError } from '../errors/index.ts'
import { noMetrics, silentLogger } from '../runtime/index.ts'
import type { Logger, Metrics } from '../runtime/index.ts'
import { authenticatorFailed, checkCaller } from './authentication-error.ts'
import type { AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'

/** Options of `CompositeAuthenticator`. */
export interface CompositeAuthenticatorOptions {
  /** Asked in this order; the first that answers with a caller decides. */
  readonly authenticators: readonly Authenticator[]
  /**
   * What a bad credential does: `deny` at once, or `try-next` as Istio does, where a stale client certificate beside a good token is
   * allowed. With `try-next`, the first failure is thrown if nobody vouches for the caller. Default `deny`.
   */
  readonly onFailure?: 'deny' | 'try-next' | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/**
 * Asks authenticators in order.
 *
 * The reason of a failure goes to the log and the counter `authentication_failures`; what leaves the process is the transport's, and
 * is the same text for all.
 */
export class CompositeAuthenticator implements Authenticator {
  readonly name: string
  readonly #authenticators: readonly Authenticator[]
  readonly #tryNext: boolean
  readonly #logger: Logger
  readonly #metrics: Metrics

  constructor(options: CompositeAuthenticatorOptions) {
    this.#authenticators = [...options.authenticators]
    if (this.#authenticators.length === 0) throw new PkiError('ERR_INVALID_ARGUMENT', 'no authenticators: nobody could ever be authenticated')
    this.name = this.#authenticators.map(({ name }) => name).join(', ')
    this.#tryNext = options.onFailure === 'try-next'
    this.#logger = options.logger ?? silentLogger
    this.#metrics = options.metrics ?? noMetrics
  }

  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    let first: PkiError | undefined
    for (const authenticator of this.#authenticators) {
      try {
        const caller = await authenticator.authenticate(request)
        if (caller !== undefined) return checkCaller(caller, authenticator.name)
      } catch (cause) {
        const error = isPkiError(cause) ? cause : authenticatorFailed(authenticator.name, cause)
        this.#logger.warn({ authenticator: authenticator.name, code: error.code, reason: error.message, peer: request.peer?.address }, 'authentication failed')
        this.#metrics.count('authentication_failures', { authenticator: authenticator.name, code: error.code })
        if (!this.#tryNext) throw error
        first ??= error
      }
      if (request.signal.aborted) throw new PkiError('ERR_ABORTED', 'the caller is gone')
    }
    if (first !== undefined) throw first
    return undefined
  }
}
