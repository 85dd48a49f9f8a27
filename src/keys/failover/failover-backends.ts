// The managers of a FailoverKeyManager: which one is tried, which is skipped, and after which failures.

import { PkiError, isPkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { metricNames } from '../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import type { KeyManager } from '../key-manager.ts'

/**
 * Failures of a backend after which the next manager is tried; no signature was returned.
 *
 * | code | fault |
 * |---|---|
 * | `ERR_HSM_UNAVAILABLE` | the token does not answer, or its circuit breaker is open |
 * | `ERR_HSM_TOKEN_NOT_FOUND` | no slot has the token |
 * | `ERR_PKCS11_LIBRARY` | the library cannot be loaded or initialised |
 * | `ERR_HSM_PIN` | the token is locked, or refused the PIN |
 * | `ERR_HSM_SESSION_LIMIT`, `ERR_HSM_QUEUE_FULL` | it has no free session |
 * | `ERR_HSM_TIMEOUT` | it does not answer in time |
 * | `ERR_KEY_STORAGE` | files cannot be read |
 *
 * Every other code is thrown: a wrong signature (`ERR_HSM_SIGNATURE`), a refusal (`ERR_HSM_REFUSED`,
 * `ERR_HSM_KEY_PROTECTION`, `ERR_HSM_KEY_AMBIGUOUS`), a missing key (`ERR_KEY_NOT_FOUND`), a closed manager
 * (`ERR_CLOSED`), an aborted call (`ERR_ABORTED`), an invalid argument.
 */
export const failoverCodes: ReadonlySet<PkiErrorCode> = new Set<PkiErrorCode>([
  'ERR_HSM_UNAVAILABLE',
  'ERR_HSM_SESSION_LIMIT',
  'ERR_HSM_QUEUE_FULL',
  'ERR_HSM_TIMEOUT',
  'ERR_HSM_PIN',
  'ERR_HSM_TOKEN_NOT_FOUND',
  'ERR_PKCS11_LIBRARY',
  'ERR_KEY_STORAGE',
])

/** One manager, and the time until which it is skipped. */
export interface FailoverBackend {
  readonly keys: KeyManager
  readonly place: number
  /** Skipped before this time of the monotonic clock. */
  downUntil: number
}

interface Failure {
  readonly manager: number
  readonly error: PkiError
}

interface FailoverOptions {
  readonly retryAfterMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** The managers, in the order in which they are tried. */
export class FailoverBackends {
  readonly all: readonly FailoverBackend[]
  readonly #options: FailoverOptions

  constructor(managers: readonly KeyManager[], options: FailoverOptions) {
    this.#options = options
    this.all = managers.map((keys, place) => ({ keys, place, downUntil: Number.NEGATIVE_INFINITY }))
  }

  /** Tries the managers in order. If all fail: the code of the last failure, and the messages of all. */
  async first<T>(call: (backend: FailoverBackend) => Promise<T>): Promise<T> {
    const { clock, logger, metrics, retryAfterMs } = this.#options
    const failures: Failure[] = []
    let passedOver: FailoverBackend | undefined
    for (const backend of this.all) {
      if (clock.monotonic() < backend.downUntil) {
        passedOver ??= backend
        continue
      }
      const wasDown = backend.downUntil > Number.NEGATIVE_INFINITY
      // One call retries a failed manager; concurrent calls continue with the next.
      if (wasDown) backend.downUntil = clock.monotonic() + retryAfterMs
      try {
        const result = await call(backend)
        backend.downUntil = Number.NEGATIVE_INFINITY
        if (wasDown) logger.info({ manager: backend.place }, 'a key manager works again')
        return result
      } catch (error) {
        const isFault = isPkiError(error) && failoverCodes.has(error.code)
        // A full queue is caused by load, not by a fault: the manager is not skipped. Any other error means
        // that the manager is available.
        const isDown = isFault && error.code !== 'ERR_HSM_QUEUE_FULL'
        backend.downUntil = isDown ? clock.monotonic() + retryAfterMs : Number.NEGATIVE_INFINITY
        if (!isFault) {
          // This manager does not have the key: report the failure of the manager before it.
          if (isPkiError(error, 'ERR_KEY_NOT_FOUND') && failures.length > 0) continue
          throw error
        }
        failures.push({ manager: backend.place, error })
        metrics.count(metricNames.keyManagerFailovers, { code: error.code })
        logger.warn(
          { manager: backend.place, code: error.code },
          'a key manager failed; the next one is tried',
        )
      }
    }
    if (failures.length > 0) throw allFailed(failures)
    // All are skipped: one further attempt is better than refusing without any.
    return call(passedOver as FailoverBackend)
  }
}

/** One error for the failures of several managers: a message without the first would hide a wrong PIN. */
function allFailed(failures: readonly Failure[]): PkiError {
  const { error: last } = failures.at(-1) as Failure
  if (failures.length === 1) return last
  const messages = failures.map(({ manager, error }) => `manager ${manager}: ${error.message}`)
  return new PkiError(last.code, `${failures.length} key managers failed: ${messages.join('; ')}`, {
    cause: last,
  })
}
