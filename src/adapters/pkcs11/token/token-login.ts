// The login to a token, which never sends a refused PIN again, because three wrong PINs lock most tokens.

import { isUtf8 } from 'node:buffer'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { traceOfFile } from '../../../internal/passphrase.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import { ck } from '../cryptoki/cryptoki.ts'
import type { Handle } from '../cryptoki/cryptoki.ts'
import type { Pkcs11Module } from '../cryptoki/pkcs11-module.ts'
import { HsmError, ckr, hsmError, returnValueOf } from '../cryptoki/return-value.ts'
import { pinVerdict } from './pin-verdict.ts'

/**
 * Returns the user PIN for a login; may be asynchronous. A buffer is overwritten after use; a string cannot
 * be, and the binding creates one during C_Login in any case.
 */
export type PinSource = (token: {
  readonly label: string
  readonly serialNumber: string
}) => PinValue | Promise<PinValue>

/** A PIN, UTF-8. @inline */
export type PinValue = Uint8Array | string

/** The token to log in to, as currently connected. */
export interface LoginTarget {
  readonly slot: Handle
  readonly label: string
  readonly serialNumber: string
}

/**
 * The user type: the user, once per token; or the user again for one operation (PKCS #11 v3.0 section 5.6.8).
 */
export type LoginKind = 'user' | 'context-specific'

/** What a login needs beside the token. */
export interface LoginOptions {
  readonly pin: PinSource
  /** How long the source may take. */
  readonly pinTimeoutMs: number
  readonly useFinalPinTry: boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** The logins to one token. */
export class TokenLogin {
  readonly #module: Pkcs11Module
  readonly #options: LoginOptions
  #refusal: HsmError | undefined
  /** Consecutive logins for which it is unknown whether the token checked the PIN. */
  #unclear = 0

  constructor(module: Pkcs11Module, options: LoginOptions) {
    this.#module = module
    this.#options = options
  }

  /** The refusal that stops all logins, until `allow`. */
  get refusal(): HsmError | undefined {
    return this.#refusal
  }

  /** Allows the PIN source to be called again. Refused PINs are still not sent again. */
  allow(): void {
    this.#refusal = undefined
    this.#unclear = 0
  }

  /**
   * Gets a PIN from the source; the caller overwrites it.
   *
   * @throws ERR_HSM_PIN; ERR_INVALID_ARGUMENT for octets that cannot be a PIN, which are not sent
   */
  async requestPin(target: LoginTarget): Promise<Uint8Array> {
    if (this.#refusal !== undefined) throw this.#refusal
    // Fails for a removed token before the source is called.
    this.#checkFlags(target, this.#module.functions.C_GetTokenInfo(target.slot).flags)
    const { label, serialNumber } = target
    const octets = pinOctets(await this.#askSource({ label, serialNumber }))
    try {
      checkPin(octets)
      if (this.#module.isRefusedPin(serialNumber, octets)) {
        throw this.#refuse(
          target,
          'the token has refused this PIN before, and it is not sent again: return another one from the ' +
            'function `pin`; if the token now has this PIN, start the process again',
          'none',
        )
      }
      return octets
    } catch (error) {
      octets.fill(0)
      throw error
    }
  }

  /**
   * A source that never answers must not keep the token from being connected again.
   * @throws ERR_HSM_REFUSED if the source fails, ERR_HSM_TIMEOUT; nothing was sent to the token
   */
  async #askSource(token: Parameters<PinSource>[0]): Promise<PinValue> {
    const { pin, pinTimeoutMs, clock } = this.#options
    let stop = (): void => undefined
    let isLate = false
    try {
      return await new Promise<PinValue>((resolve, reject) => {
        stop = clock.schedule(() => {
          isLate = true
          const what = `the PIN source did not answer for ${pinTimeoutMs} ms; it is called again later`
          reject(new PkiError('ERR_HSM_TIMEOUT', what))
        }, pinTimeoutMs)
        Promise.resolve(pin(token)).then((value) => {
          if (isLate && value instanceof Uint8Array) value.fill(0)
          resolve(value)
        }, reject)
      })
    } catch (cause) {
      if (isPkiError(cause)) throw cause
      // The text of the error may have the secret in it.
      const what = 'the PIN source failed: the function `pin` threw or rejected; see the cause'
      throw new HsmError('ERR_HSM_REFUSED', what, 'none', 'request', cause)
    } finally {
      stop()
    }
  }

  /** Sends a PIN, once. @throws ERR_HSM_PIN, ERR_HSM_UNAVAILABLE */
  sendPin(session: Handle, target: LoginTarget, octets: Uint8Array, kind: LoginKind): void {
    const { functions } = this.#module
    const { flags } = functions.C_GetTokenInfo(target.slot)
    const user = kind === 'user' ? ck.CKU_USER : ck.CKU_CONTEXT_SPECIFIC
    const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('utf8')
    try {
      functions.C_Login(session, user, text)
    } catch (error) {
      // Another session of this process has logged in already: the login is per token, not per session. Some
      // tokens answer a context-specific login like that too; if it did not count, the signature fails.
      if (returnValueOf(error) === ckr.USER_ALREADY_LOGGED_IN) return
      throw this.#judge(error, target, octets, flags)
    }
    this.#unclear = 0
    if (kind === 'user') this.#options.logger.info(about(target), 'logged in to the token')
  }

  #judge(error: unknown, target: LoginTarget, octets: Uint8Array, flagsBefore: number): PkiError {
    const failure = hsmError(error, 'C_Login')
    const returnValue = failure instanceof HsmError ? failure.returnValue : 'none'
    const isPinFailure = failure instanceof HsmError && failure.failureClass === 'pin'
    const wasCounted = this.#countedWrongPin(target, flagsBefore)
    const state = pinStates.get(returnValue)
    // The PIN itself may be right: it is not remembered as refused, so that it is sent after the repair.
    if (state !== undefined && !wasCounted) {
      return this.#refuse(target, `${state} (${returnValue}); then call allowLogin`, returnValue)
    }
    if (isPinFailure || wasCounted) {
      this.#module.rememberRefusedPin(target.serialNumber, octets)
      return this.#refuse(
        target,
        `the token refused the PIN with ${returnValue}; it is not sent again: return another one from ` +
          'the function `pin`, then call allowLogin',
        returnValue,
      )
    }
    // Repeating a login after an unknown failure would lock a token that answers
    // a wrong PIN with a vendor-defined value.
    const verdict = pinVerdict(returnValueOf(error))
    if (verdict === 'unknown' || (verdict === 'unclear' && ++this.#unclear >= maxUnclearLogins)) {
      return this.#refuse(
        target,
        `the token returned ${returnValue} for a login and may count it as a wrong PIN; it is not ` +
          'repeated until ' +
          'allowLogin is called',
        returnValue,
      )
    }
    return failure
  }

  /** Whether the flags of the token show a wrong PIN since the last check. */
  #countedWrongPin({ slot }: LoginTarget, flagsBefore: number): boolean {
    try {
      return (this.#module.functions.C_GetTokenInfo(slot).flags & ~flagsBefore & wrongPinFlags) !== 0
    } catch {
      return false // The token is gone, so it did not check the PIN.
    }
  }

  #checkFlags(target: LoginTarget, flags: number): void {
    if ((flags & ck.CKF_USER_PIN_LOCKED) !== 0) {
      throw this.#refuse(target, `${pinIsLocked}; then call allowLogin`, 'CKF_USER_PIN_LOCKED')
    }
    if ((flags & ck.CKF_USER_PIN_FINAL_TRY) !== 0 && !this.#options.useFinalPinTry) {
      throw this.#refuse(
        target,
        'one more wrong PIN would lock the token; log in with another tool first, which resets the counter',
        'CKF_USER_PIN_FINAL_TRY',
      )
    }
    if ((flags & ck.CKF_USER_PIN_COUNT_LOW) !== 0) {
      this.#options.logger.warn(about(target), 'a wrong PIN was sent to the token since the last login')
    }
  }

  #refuse(target: LoginTarget, what: string, returnValue: string): HsmError {
    const message = `token ${JSON.stringify(target.label)}: ${what}`
    this.#refusal = new HsmError('ERR_HSM_PIN', message, returnValue, 'pin')
    this.#options.logger.error({ ...about(target), returnValue }, message)
    return this.#refusal
  }
}

/** A copy of text; for octets the caller's own buffer, which is overwritten. @throws ERR_INVALID_ARGUMENT */
function pinOctets(pin: unknown): Uint8Array {
  if (typeof pin === 'string') return Buffer.from(pin, 'utf8')
  if (pin instanceof Uint8Array) return pin
  throw new PkiError('ERR_INVALID_ARGUMENT', 'the PIN source returned neither text nor octets')
}

/** An unset variable, or a file with more than the PIN, would use up one of few attempts. */
function checkPin(octets: Uint8Array): void {
  if (octets.length === 0 || octets.length > maxPinOctets || !isUtf8(octets)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `the PIN has ${octets.length} octets or is not UTF-8; 1 to ${maxPinOctets} octets of UTF-8 are ` +
        'required. It was not sent',
    )
  }
  const hasLines = octets.includes(0x0a) || octets.includes(0x0d)
  const trace = traceOfFile(octets) ?? (hasLines ? 'has several lines' : undefined)
  if (trace !== undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', `the PIN ${trace}; correct its source. It was not sent`)
}

function about({ label, serialNumber }: LoginTarget): {
  readonly token: string
  readonly serialNumber: string
} {
  return { token: label, serialNumber }
}

const pinIsLocked =
  'the user PIN is locked after wrong attempts: unlock it as the security officer ' +
  '(pkcs11-tool --login --login-type so --init-pin)'
/** States of the user PIN in which a token refuses every PIN, and the next step. */
const pinStates: ReadonlyMap<string, string> = new Map([
  [
    'CKR_PIN_EXPIRED',
    'the user PIN has expired: set a new one (pkcs11-tool --login --change-pin), and return it from the ' +
      'function `pin`',
  ],
  ['CKR_PIN_LOCKED', pinIsLocked],
  [
    'CKR_USER_PIN_NOT_INITIALIZED',
    'the token has no user PIN yet: set it as the security officer ' +
      '(pkcs11-tool --login --login-type so --init-pin)',
  ],
])
/** Above the limit of any known token. */
const maxPinOctets = 1024
/** No known token locks before the third wrong PIN. */
const maxUnclearLogins = 2
const wrongPinFlags = ck.CKF_USER_PIN_COUNT_LOW | ck.CKF_USER_PIN_FINAL_TRY | ck.CKF_USER_PIN_LOCKED
