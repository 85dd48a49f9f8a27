// How authenticators say no, and how callers are checked before anything is done for them.
// Several authenticators as one, asked in order.

import { isPkiError, PkiError } from '../errors/index.ts'
import { noMetrics, silentLogger } from '../runtime/index.ts'
import type { Logger, Metrics } from '../runtime/index.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { AuthenticationError, AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'

/**
 * A credential that is present and bad. The text is for the log: transports answer every failed authentication alike.
 *
 * @param message What was found and what was wanted; never the credential itself.
 */
export function authenticationError(
  message: string,
  options?: { readonly cause?: unknown },
): AuthenticationError {
  return new PkiError('ERR_CREDENTIAL_INVALID', message, options)
}

/**
 * The caller, or an error: there is no anonymous caller.
 *
 * @throws ERR_CREDENTIAL_MISSING when no authenticator found a credential of its kind; ERR_CREDENTIAL_INVALID,
 * ERR_CLIENT_CERTIFICATE_UNTRUSTED when one found a bad one; ERR_AUTHENTICATOR_FAILED when one could not tell
 */
export async function requireCaller(
  authenticator: Authenticator,
  request: AuthenticationRequest,
): Promise<Caller> {
  if (typeof (Object(authenticator) as Partial<Authenticator>).authenticate !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'an authenticator is wanted')
  let caller: Caller | undefined
  try {
    caller = await authenticator.authenticate(request)
  } catch (cause) {
    throw isPkiError(cause) ? cause : authenticatorFailed(authenticator.name, cause)
  }
  if (caller === undefined)
    throw new PkiError('ERR_CREDENTIAL_MISSING', `no credential that ${authenticator.name} knows was sent`)
  return checkCaller(caller, authenticator.name)
}

/**
 * Checks what an authenticator answered: a caller without an identity, or with one that is no SpiffeId, is nobody; so is one without a kind of
 * credential or claims, which policies and records rely on.
 *
 * @throws ERR_AUTHENTICATOR_FAILED
 */
export function checkCaller(caller: Caller, name: string): Caller {
  const { identities, credential, claims, kubernetes }: Readonly<Partial<Record<keyof Caller, unknown>>> =
    isObject(caller) ? caller : {}
  if (!Array.isArray(identities) || identities.length === 0)
    throw failed(name, 'answered with a caller that has no identity')
  if (identities.length > maxIdentities)
    throw failed(name, `answered with ${identities.length} identities; at most ${maxIdentities} are taken`)
  if (!identities.every((id) => id instanceof SpiffeId))
    throw failed(name, 'answered with an identity that is not a SpiffeId')
  if (typeof credential !== 'string' || credential === '')
    throw failed(name, 'answered with a caller of no kind of credential')
  if (!isObject(claims) || Array.isArray(claims)) throw failed(name, 'answered with a caller without claims')
  if (
    kubernetes !== undefined &&
    !(
      isObject(kubernetes) &&
      typeof kubernetes['namespace'] === 'string' &&
      typeof kubernetes['serviceAccount'] === 'string'
    )
  ) {
    throw failed(name, 'answered with a caller of a pod without namespace or service account')
  }
  return caller
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** An authenticator that could not tell, which denies as a bad credential does. */
function authenticatorFailed(name: string, cause: unknown): PkiError<'ERR_AUTHENTICATOR_FAILED'> {
  return new PkiError('ERR_AUTHENTICATOR_FAILED', `${name} could not judge the credential`, { cause })
}

function failed(name: string, what: string): PkiError<'ERR_AUTHENTICATOR_FAILED'> {
  return new PkiError('ERR_AUTHENTICATOR_FAILED', `${name} ${what}`)
}

/** What broke an authenticator, by name: the words of a parser may quote the credential. */
function causeOf({ cause }: PkiError): string | undefined {
  if (cause === undefined) return undefined
  if (!(cause instanceof Error)) return typeof cause
  const { code } = cause as { readonly code?: unknown }
  return typeof code === 'string' ? code : cause.name
}

const maxIdentities = 64
const onFailures: readonly unknown[] = ['deny', 'try-next']

/** Options of `CompositeAuthenticator`. */
export interface CompositeAuthenticatorOptions {
  /** Asked in this order; the first that answers with a caller decides. */
  readonly authenticators: readonly Authenticator[]
  /**
   * What a bad credential does: `deny` at once, or `try-next` as Istio does, where a stale client certificate beside a good token is
   * allowed. With `try-next`, the first failure is thrown if nobody vouches for the caller. Default `deny`.
   */
  readonly onFailure?: 'deny' | 'try-next' | undefined
  /** Gets a warning with code and reason for every failure, also for one that `try-next` forgives. Default: none. */
  readonly logger?: Logger | undefined
  /** Counts `authentication_failures{authenticator, code}`. Default: none. */
  readonly metrics?: Metrics | undefined
}

/**
 * Asks authenticators in order.
 *
 * The reason of a failure goes to the log and the counter `authentication_failures`; what leaves the process is the transport's, and
 * is the same text for all.
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

  /** @throws ERR_INVALID_ARGUMENT for an empty list, and for another `onFailure` */
  constructor(options: CompositeAuthenticatorOptions) {
    this.#authenticators = [
      ...((options as Partial<CompositeAuthenticatorOptions> | undefined)?.authenticators ?? []),
    ]
    if (this.#authenticators.length === 0)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'no authenticators: nobody could ever be authenticated')
    this.name = this.#authenticators.map(({ name }) => name).join(', ')
    const { onFailure = 'deny' } = options
    if (!onFailures.includes(onFailure))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `onFailure is ${JSON.stringify(onFailure)}; deny or try-next is wanted`,
      )
    this.#tryNext = onFailure === 'try-next'
    this.#logger = options.logger ?? silentLogger
    this.#metrics = options.metrics ?? noMetrics
  }

  /** The first caller that an authenticator answers with. @throws ERR_CREDENTIAL_INVALID, ERR_CLIENT_CERTIFICATE_UNTRUSTED, ERR_AUTHENTICATOR_FAILED; ERR_ABORTED when the caller is gone */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    let first: PkiError | undefined
    for (const authenticator of this.#authenticators) {
      try {
        const caller = await authenticator.authenticate(request)
        if (caller !== undefined) return checkCaller(caller, authenticator.name)
      } catch (cause) {
        const error = isPkiError(cause) ? cause : authenticatorFailed(authenticator.name, cause)
        this.#logger.warn(
          {
            authenticator: authenticator.name,
            code: error.code,
            reason: error.message,
            cause: causeOf(error),
            peer: request.peer?.address,
          },
          'authentication failed',
        )
        this.#metrics.count('authentication_failures', {
          authenticator: authenticator.name,
          code: error.code,
        })
        if (!this.#tryNext) throw error
        first ??= error
      }
      if (request.signal.aborted) throw new PkiError('ERR_ABORTED', 'the caller is gone')
    }
    if (first !== undefined) throw first
    return undefined
  }
}
