// The options of Pkcs11KeyManager.open.

import { PkiError } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { checkFlags, checkTexts } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import { Pkcs11Module } from './cryptoki/pkcs11-module.ts'
import type { CheckSignatures } from './pkcs11-signer.ts'
import type { TokenSelector } from './token/find-slot.ts'
import type { TokenConnectionOptions } from './token/token-recovery.ts'
import type { PinSource } from './token/token-login.ts'

/** Options of `Pkcs11KeyManager.open`. @inline */
export interface Pkcs11KeyManagerOptions {
  /** The vendor's library: its path, or a module that other tokens of this process share. */
  readonly module: string | Pkcs11Module
  /** By label, serial number or both; exactly one token must match. */
  readonly token: TokenSelector
  /**
   * Called at each login. A call that does not answer within two minutes, or twelve times `timeoutMs` if that
   * is longer, fails with ERR_HSM_TIMEOUT. A PIN that the token refused is never sent again. A key with
   * CKA_ALWAYS_AUTHENTICATE needs a login for each signature.
   */
  readonly pin: PinSource
  /**
   * The number of sessions in the pool, each with one operation at a time.
   * Generating or destroying a key opens one more. Default 8.
   */
  readonly maxSessions?: number | undefined
  /** The number of operations that may wait for a session. Default 4,096. */
  readonly maxWaiting?: number | undefined
  /**
   * How long an operation waits for a session, and again for the answer of the token, in ms. Generating a key
   * may take twelve times as long, and at least 120,000 ms. Default 10,000.
   */
  readonly timeoutMs?: number | undefined
  /**
   * The number of consecutive failures after which calls fail at once: of the token, until it works again; of
   * one key while the token works, for two seconds at a time. Default 5.
   */
  readonly maxFailures?: number | undefined
  /** Whether to log in when one more wrong PIN would lock the token. Default false. */
  readonly useFinalPinTry?: boolean | undefined
  /**
   * `always`: each signature is verified before it is returned, which costs as much as a
   * signature of a software token. `caller`: only its form is checked, and the caller
   * verifies it. A `CertificateAuthority` of this package verifies each certificate, so
   * `caller` is safe if only such CAs sign with these keys. Default `always`.
   */
  readonly checkSignatures?: CheckSignatures | undefined
  /** The clock for waiting times; default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Logs lost and found tokens, refused PINs and refused templates. Default: none. */
  readonly logger?: Logger | undefined
  /** Counts `hsm_failures_total{class}` and `hsm_reconnects_total`. Default: none. */
  readonly metrics?: Metrics | undefined
}

/** The options with their defaults. */
export interface ReadPkcs11Options {
  readonly library: string | Pkcs11Module
  readonly selector: TokenSelector
  readonly pin: PinSource
  readonly useFinalPinTry: boolean
  readonly checkSignatures: CheckSignatures
  readonly connection: TokenConnectionOptions
}

/** @throws ERR_INVALID_ARGUMENT */
export function readPkcs11Options(options: Pkcs11KeyManagerOptions): ReadPkcs11Options {
  const given = readOptions<Pkcs11KeyManagerOptions>(caller, options, {
    module: 'required',
    token: 'required',
    pin: 'required',
    maxSessions: 'optional',
    maxWaiting: 'optional',
    timeoutMs: 'optional',
    maxFailures: 'optional',
    useFinalPinTry: 'optional',
    checkSignatures: 'optional',
    clock: 'optional',
    logger: 'optional',
    metrics: 'optional',
  })
  if (typeof given.module !== 'string' && !(given.module instanceof Pkcs11Module)) {
    throw invalid("module must be the path of the vendor's library or a Pkcs11Module")
  }
  if (typeof given.pin !== 'function') throw invalid('pin must be a function that returns the PIN')
  checkFlags(caller, { useFinalPinTry: given.useFinalPinTry })
  const { checkSignatures = 'always' } = given
  // An unknown value must not disable the check.
  if (!['always', 'caller'].includes(checkSignatures))
    throw invalid('checkSignatures must be always or caller')
  return {
    library: given.module,
    selector: readSelector(given.token),
    pin: given.pin,
    useFinalPinTry: given.useFinalPinTry === true,
    checkSignatures,
    connection: readConnection(given),
  }
}

function readSelector(selector: TokenSelector): TokenSelector {
  const read = readOptions<TokenSelector>(`${caller} token`, selector, {
    label: 'guard',
    serialNumber: 'guard',
  })
  // A slot without an initialised token has an empty label.
  checkTexts(`${caller} token`, { label: read.label, serialNumber: read.serialNumber })
  if (read.label === undefined && read.serialNumber === undefined) {
    throw invalid('token must have a label or a serialNumber')
  }
  return read
}

function readConnection(given: Readonly<Pkcs11KeyManagerOptions>): TokenConnectionOptions {
  const {
    maxSessions = 8,
    maxWaiting = 4096,
    timeoutMs = 10_000,
    maxFailures = 5,
    clock = systemClock,
  } = given
  checkCounts({ maxSessions, maxFailures }, 1)
  checkCounts({ maxWaiting }, 0)
  checkMeasures({ timeoutMs }, 1)
  const logger = safeLogger(caller, given.logger)
  const metrics = safeMetrics(caller, given.metrics)
  return { maxSessions, maxWaiting, timeoutMs, maxFailures, clock, logger, metrics }
}

function invalid(what: string): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', `${caller}: ${what}`)
}

const caller = 'Pkcs11KeyManager.open'
