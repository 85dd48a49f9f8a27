// The Logger contract, the silent default, and the wrapper that ignores a failing logger.

import { PkiError } from '../errors/index.ts'

/**
 * Writes one structured line with pino's signature, so that a pino logger
 * can be passed directly. Fields never hold secrets.
 */
export interface Logger {
  /** Detail for troubleshooting: every refusal of a peer, every retry. */
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  /** A normal event, such as an issued certificate. */
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  /** A refused request, or a failure that was handled. */
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  /** A failure that needs an operator. */
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

const ignore = (): void => undefined

/** A logger that writes nothing; the default. */
export const silentLogger: Logger = Object.freeze({
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
})

/**
 * Wraps a logger so that calls that throw or reject are ignored: a failing log must not fail an issuance.
 * `silentLogger` if none is given. `owner` is the public function or class that error messages name.
 *
 * @throws ERR_INVALID_ARGUMENT a method of `Logger` is missing
 */
export function safeLogger(owner: string, logger: Logger | undefined): Logger {
  if (logger === undefined || logger === silentLogger) return silentLogger
  if (logger instanceof SafeLogger) return logger
  requireMethods(owner, 'logger', logger, ['debug', 'info', 'warn', 'error'])
  return new SafeLogger(logger)
}

class SafeLogger implements Logger {
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    attempt(() => this.#logger.debug(fields, message))
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    attempt(() => this.#logger.info(fields, message))
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    attempt(() => this.#logger.warn(fields, message))
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    attempt(() => this.#logger.error(fields, message))
  }
}

/**
 * Runs a callback of the host and ignores its failure. A rejection of an async callback is caught too;
 * unhandled, it would end the process.
 */
export function attempt(call: () => unknown): void {
  try {
    const answer = call()
    if (answer instanceof Promise) answer.catch(ignore)
  } catch {
    // Not reported: the sink itself is what failed.
  }
}

/**
 * Checks that an object has the methods of a contract.
 * @throws ERR_INVALID_ARGUMENT names the missing method
 */
export function requireMethods(
  owner: string,
  option: string,
  given: unknown,
  methods: readonly string[],
): void {
  const found = Object(given) as Readonly<Record<string, unknown>>
  const missing = methods.find((method) => typeof found[method] !== 'function')
  if (missing === undefined) return
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${owner}: the option ${option} has no method ${missing}; it needs ${methods.join(', ')}`,
  )
}
