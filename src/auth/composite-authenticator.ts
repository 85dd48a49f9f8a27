// Tries several authenticators in order, and logs and counts refusals.

import { isPkiError, PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import { metricNames } from '../runtime/index.ts'
import { safeLogger, safeMetrics } from '../runtime/internal.ts'
import type { Logger, Metrics } from '../runtime/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'
import { authenticatorFailed, checkCaller, requireAuthenticator } from './require-caller.ts'

/** Options of `CompositeAuthenticator`. @inline */
export interface CompositeAuthenticatorOptions {
  /** Tried in this order; the first that returns a caller decides. */
  readonly authenticators: readonly Authenticator[]
  /**
   * The effect of an invalid credential. `deny` ends the call. `try-next` continues with the next
   * authenticator, as Istio does: then an expired client certificate together with a valid token is accepted.
   * If no authenticator returns a caller, the first failure is thrown. Default `deny`.
   */
  readonly onFailure?: 'deny' | 'try-next' | undefined
  /**
   * Logs a warning with code and reason for every failure, also for one after
   * which `try-next` continues. Default: none.
   */
  readonly logger?: Logger | undefined
  /** Counts `authentication_failures{authenticator, code}`. Default: none. */
  readonly metrics?: Metrics | undefined
}

/**
 * Tries authenticators in order.
 *
 * The reason of a failure is logged and counted in `authentication_failures`; the transport answers every
 * failure with the same text.
 *
 * @example
 * ```ts
 * const composite = new CompositeAuthenticator({ authenticators: [authenticator], logger: console })
 * ```
 */
export class CompositeAuthenticator implements Authenticator {
  /** The names of its authenticators, joined by commas. */
  readonly name: string
  readonly #authenticators: readonly Authenticator[]
  readonly #tryNext: boolean
  readonly #logger: Logger
  readonly #metrics: Metrics

  /**
   * @throws ERR_INVALID_ARGUMENT an empty list, an object that is not an
   *   authenticator, an unknown `onFailure`
   */
  constructor(options: CompositeAuthenticatorOptions) {
    const { authenticators, onFailure, logger, metrics } = readOptions('CompositeAuthenticator', options, {
      authenticators: 'required',
      onFailure: 'optional',
      logger: 'optional',
      metrics: 'optional',
    })
    this.#authenticators = [...authenticators]
    if (this.#authenticators.length === 0)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'CompositeAuthenticator: authenticators is empty, so every call would be denied',
      )
    for (const one of this.#authenticators) requireAuthenticator('CompositeAuthenticator', one)
    this.name = this.#authenticators.map(({ name }) => name).join(', ')
    if (onFailure !== undefined && !onFailures.includes(onFailure))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `CompositeAuthenticator: onFailure is ${JSON.stringify(onFailure)}; expected deny or try-next`,
      )
    this.#tryNext = onFailure === 'try-next'
    this.#logger = safeLogger('CompositeAuthenticator', logger)
    this.#metrics = safeMetrics('CompositeAuthenticator', metrics)
  }

  /**
   * The first caller that an authenticator returns.
   *
   * @throws ERR_CREDENTIAL_INVALID, ERR_CLIENT_CERTIFICATE_UNTRUSTED, ERR_AUTHENTICATOR_FAILED; ERR_ABORTED
   *   when the caller has disconnected
   */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    let first: PkiError | undefined
    for (const authenticator of this.#authenticators) {
      try {
        const caller = await authenticator.authenticate(request)
        if (caller !== undefined) return checkCaller(caller, authenticator.name)
      } catch (cause) {
        const error = isPkiError(cause) ? cause : authenticatorFailed(authenticator.name, cause)
        this.#report(authenticator, error, request)
        if (!this.#tryNext) throw error
        first ??= error
      }
      if (request.signal.aborted) throw new PkiError('ERR_ABORTED', 'the caller has disconnected')
    }
    if (first !== undefined) throw first
    return undefined
  }

  #report({ name }: Authenticator, error: PkiError, { peer }: AuthenticationRequest): void {
    const { code, message: reason } = error
    this.#logger.warn(
      { authenticator: name, code, reason, cause: causeOf(error), peer: peer?.address },
      'authentication failed',
    )
    this.#metrics.count(metricNames.authenticationFailures, { authenticator: name, code })
  }
}

/**
 * The cause of a failure by its code or class name: the text of a parser's error may quote the credential.
 */
function causeOf({ cause }: PkiError): string | undefined {
  if (cause === undefined) return undefined
  if (!(cause instanceof Error)) return typeof cause
  const { code } = cause as { readonly code?: unknown }
  return typeof code === 'string' ? code : cause.name
}

const onFailures: readonly unknown[] = ['deny', 'try-next']
