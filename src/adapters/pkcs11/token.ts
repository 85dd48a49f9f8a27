// One token: its slot, its mechanisms, its sessions, and the login that is never tried twice with a wrong PIN.

import { isUtf8 } from 'node:buffer'
import { PkiError } from '../../errors/index.ts'
import type { Logger } from '../../runtime/index.ts'
import { ck } from './cryptoki.ts'
import type { Cryptoki, Handle, TokenInfo } from './cryptoki.ts'
import type { Pkcs11Module } from './pkcs11-module.ts'
import { HsmError, ckr, hsmError, returnValueOf } from './return-value.ts'

/** Which token: by label, by serial number, or both. Exactly one must match. */
export interface TokenSelector {
  /** CKA label, without the blanks that pad it. */
  readonly label?: string | undefined
  /** The token's serial number, without the blanks that pad it. */
  readonly serialNumber?: string | undefined
}

/**
 * Gives the user PIN when a login needs it; may ask a vault or a person. A buffer is overwritten after use; a string cannot be,
 * and the binding makes one for the moment of C_Login in any case.
 */
export type PinSource = (token: {
  readonly label: string
  readonly serialNumber: string
}) => PinValue | Promise<PinValue>

/** A PIN, UTF-8. */
export type PinValue = Uint8Array | string

/** An open session. It carries one operation at a time, and is thrown away after any failure. */
export interface TokenSession {
  readonly handle: Handle
  readonly moduleEpoch: number
  readonly tokenEpoch: number
  /** Octets that a native thread is reading: the binding keeps no reference to its input. */
  input: Buffer | undefined
}

/** A connected token. Its epoch grows each time it is connected; handles from before are void. */
export class Token {
  readonly module: Pkcs11Module
  readonly #selector: TokenSelector
  readonly #pin: PinSource
  readonly #useFinalPinTry: boolean
  readonly #logger: Logger
  #slot: Handle | undefined
  #moduleEpoch = 0
  #epoch = 0
  #label = ''
  #serialNumber = ''
  #loginRequired = true
  #mechanisms: ReadonlySet<number> = new Set()
  #pinRefusal: HsmError | undefined
  #loggingIn: Promise<void> | undefined
  /** Logins in a row of which nobody knows whether the token judged the PIN. */
  #unclearLogins = 0
  /** Sessions that the token did not close when it was asked; it may have them still. */
  #unclosed: TokenSession[] = []

  constructor(
    module: Pkcs11Module,
    options: { selector: TokenSelector; pin: PinSource; useFinalPinTry: boolean; logger: Logger },
  ) {
    this.module = module
    this.#selector = options.selector
    this.#pin = options.pin
    this.#useFinalPinTry = options.useFinalPinTry
    this.#logger = options.logger
  }

  get label(): string {
    return this.#label
  }

  get serialNumber(): string {
    return this.#serialNumber
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Mechanisms as C_GetMechanismList gives them. */
  get mechanisms(): ReadonlySet<number> {
    return this.#mechanisms
  }

  /** The refusal that stops all logins, until `allowLogin`. */
  get pinRefusal(): HsmError | undefined {
    return this.#pinRefusal
  }

  /** Somebody says that the PIN source now has another PIN. PINs that were refused before are still not sent again. */
  allowLogin(): void {
    this.#pinRefusal = undefined
    this.#unclearLogins = 0
  }

  /**
   * Finds the slot anew.
   *
   * @throws ERR_HSM_TOKEN_NOT_FOUND, ERR_HSM_UNAVAILABLE
   */
  connect(): void {
    const cryptoki = this.module.functions
    this.#slot = undefined
    this.#epoch++
    const [slot, info] = this.#find(cryptoki)
    try {
      this.#mechanisms = new Set(cryptoki.C_GetMechanismList(slot))
    } catch (error) {
      throw hsmError(error, 'C_GetMechanismList')
    }
    this.#slot = slot
    this.#moduleEpoch = this.module.epoch
    this.#label = trimmed(info.label)
    this.#serialNumber = trimmed(info.serialNumber)
    this.#loginRequired = (info.flags & ck.CKF_LOGIN_REQUIRED) !== 0
  }

  /**
   * Opens a session and sees to it that it is logged in.
   *
   * @throws ERR_HSM_PIN, ERR_HSM_SESSION_LIMIT, ERR_HSM_UNAVAILABLE, ERR_HSM_TOKEN_NOT_FOUND
   */
  async open(mode: 'read' | 'write'): Promise<TokenSession> {
    if (this.#slot === undefined || this.#moduleEpoch !== this.module.epoch) this.connect()
    this.closeLeftovers()
    const cryptoki = this.module.functions
    const flags = ck.CKF_SERIAL_SESSION | (mode === 'write' ? ck.CKF_RW_SESSION : 0)
    let handle: Handle
    try {
      handle = cryptoki.C_OpenSession(this.#slot as unknown as Handle, flags)
    } catch (error) {
      throw hsmError(error, 'C_OpenSession')
    }
    const session: TokenSession = {
      handle,
      moduleEpoch: this.#moduleEpoch,
      tokenEpoch: this.#epoch,
      input: undefined,
    }
    try {
      if (this.#loginRequired && !this.#isLoggedIn(session)) {
        this.#loggingIn ??= this.#login(session).finally(() => {
          this.#loggingIn = undefined
        })
        await this.#loggingIn
      }
    } catch (error) {
      this.close(session)
      throw hsmError(error, 'the login')
    }
    return session
  }

  /** Whether the session is of an earlier connection. */
  isStale(session: TokenSession): boolean {
    return session.tokenEpoch !== this.#epoch || session.moduleEpoch !== this.module.epoch
  }

  /** Closes a session; the login ends with the last one (PKCS #11 v3.0 §5.6.2). */
  close(session: TokenSession): void {
    // In a new epoch the same number may be somebody else's session.
    if (session.moduleEpoch !== this.module.epoch) return
    try {
      this.module.functions.C_CloseSession(session.handle)
    } catch (error) {
      // Where it is not gone already, with the token or the library, every bad moment of a token would cost it a session for good.
      const value = returnValueOf(error)
      if ((value === undefined || !sessionGone.has(value)) && this.#unclosed.length < maxUnclosed)
        this.#unclosed.push(session)
    }
  }

  /** Asks once more for what could not be closed before. */
  closeLeftovers(): void {
    for (const session of this.#unclosed.splice(0)) this.close(session)
  }

  #find(cryptoki: Cryptoki): [slot: Handle, info: TokenInfo] {
    const { label, serialNumber } = this.#selector
    const found: [Handle, TokenInfo][] = []
    const others: string[] = []
    let failure: PkiError | undefined
    try {
      for (const slot of cryptoki.C_GetSlotList(true)) {
        try {
          const info = cryptoki.C_GetTokenInfo(slot)
          const isOther =
            (label !== undefined && trimmed(info.label) !== label) ||
            (serialNumber !== undefined && trimmed(info.serialNumber) !== serialNumber)
          if (!isOther) found.push([slot, info])
          else if (trimmed(info.label) !== '') others.push(JSON.stringify(trimmed(info.label)))
        } catch (error) {
          failure = hsmError(error, 'C_GetTokenInfo')
        }
      }
    } catch (error) {
      throw hsmError(error, 'C_GetSlotList')
    }
    const [only] = found
    if (only !== undefined && found.length === 1) return only
    const wanted = [
      ...(label === undefined ? [] : [`label ${JSON.stringify(label)}`]),
      ...(serialNumber === undefined ? [] : [`serial number ${JSON.stringify(serialNumber)}`]),
    ].join(' and ')
    const shown =
      others.length === 0 ? 'none that was initialised' : `others: ${others.slice(0, 8).join(', ')}`
    const what =
      found.length === 0
        ? `no token has the ${wanted}; the library shows ${shown}`
        : `${String(found.length)} tokens have the ${wanted}; one is wanted: give its serial number too`
    // One that was connected before is lost; whether it ever was there, is the question of the first time only.
    if (found.length === 0 && this.#serialNumber !== '')
      throw new HsmError('ERR_HSM_UNAVAILABLE', `the token is gone: ${what}`, 'none', 'device', failure)
    throw new HsmError(
      'ERR_HSM_TOKEN_NOT_FOUND',
      what,
      'none',
      found.length === 0 ? 'device' : 'request',
      failure,
    )
  }

  #isLoggedIn(session: TokenSession): boolean {
    const { state } = this.module.functions.C_GetSessionInfo(session.handle)
    return state === ck.CKS_RO_USER_FUNCTIONS || state === ck.CKS_RW_USER_FUNCTIONS
  }

  async #login(session: TokenSession): Promise<void> {
    if (this.#pinRefusal !== undefined) throw this.#pinRefusal
    // Fails for a token that was removed, before a PIN is asked for; and the token itself knows of refused PINs.
    const { flags } = this.module.functions.C_GetTokenInfo(this.#slot as Handle)
    this.#checkPinCounter(flags)
    const pin: unknown = await this.#pin({ label: this.#label, serialNumber: this.#serialNumber })
    const octets = pinOctets(pin)
    try {
      // What is no PIN is not sent: an empty variable would cost one of a few attempts, and what is no UTF-8 would be sent as something else.
      if (octets.length === 0 || octets.length > maxPinOctets || !isUtf8(octets)) {
        throw new PkiError('ERR_INVALID_ARGUMENT', `a PIN is 1 to ${String(maxPinOctets)} octets of UTF-8`)
      }
      if (this.module.isRefusedPin(this.#serialNumber, octets))
        throw this.#refuse('the token refused this very PIN before; it is not sent again', 'none')
      if (this.isStale(session))
        throw new HsmError(
          'ERR_HSM_UNAVAILABLE',
          'the token was lost while the PIN was asked for',
          'none',
          'session',
        )
      this.#sendPin(session, octets, flags)
    } finally {
      octets.fill(0)
    }
  }

  #sendPin(session: TokenSession, octets: Uint8Array, flagsBefore: number): void {
    try {
      this.module.functions.C_Login(
        session.handle,
        ck.CKU_USER,
        Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('utf8'),
      )
      this.#unclearLogins = 0
      this.#logger.info({ token: this.#label, serialNumber: this.#serialNumber }, 'logged in to the token')
    } catch (error) {
      const value = returnValueOf(error)
      // Somebody else in this process was faster; the login is per token, not per session.
      if (value === ckr.USER_ALREADY_LOGGED_IN) return
      const failure = hsmError(error, 'C_Login')
      const returnValue = failure instanceof HsmError ? failure.returnValue : 'none'
      if (
        (failure instanceof HsmError && failure.failureClass === 'pin') ||
        this.#countedWrongPin(flagsBefore)
      ) {
        this.module.rememberRefusedPin(this.#serialNumber, octets)
        throw this.#refuse(
          `the token refused the PIN with ${returnValue}; nothing tries again by itself`,
          returnValue,
        )
      }
      // Whoever tries again and again, as after any other failure, would lock a token that answers a wrong PIN in its own way.
      const judged = pinVerdict(value)
      if (judged === 'unknown' || (judged === 'unclear' && ++this.#unclearLogins >= maxUnclearLogins)) {
        throw this.#refuse(
          `the token answered a login with ${returnValue}, and may count it as a wrong PIN; nothing tries again by itself`,
          returnValue,
        )
      }
      throw failure
    }
  }

  /** Whether the token says now that a wrong PIN was sent, and did not say so before. */
  #countedWrongPin(flagsBefore: number): boolean {
    try {
      return (
        (this.module.functions.C_GetTokenInfo(this.#slot as Handle).flags & ~flagsBefore & wrongPinFlags) !==
        0
      )
    } catch {
      return false // gone: it did not judge anything
    }
  }

  #checkPinCounter(flags: number): void {
    if ((flags & ck.CKF_USER_PIN_LOCKED) !== 0)
      throw this.#refuse('the PIN of the token is locked', 'CKF_USER_PIN_LOCKED')
    if ((flags & ck.CKF_USER_PIN_FINAL_TRY) !== 0 && !this.#useFinalPinTry) {
      throw this.#refuse(
        'one more wrong PIN would lock the token; log in by hand first',
        'CKF_USER_PIN_FINAL_TRY',
      )
    }
    if ((flags & ck.CKF_USER_PIN_COUNT_LOW) !== 0) {
      this.#logger.warn(
        { token: this.#label, serialNumber: this.#serialNumber },
        'a wrong PIN was sent to the token since the last login',
      )
    }
  }

  #refuse(message: string, returnValue: string): HsmError {
    this.#pinRefusal = new HsmError('ERR_HSM_PIN', message, returnValue, 'pin')
    this.#logger.error({ token: this.#label, serialNumber: this.#serialNumber, returnValue }, message)
    return this.#pinRefusal
  }
}

/** A copy where it was text; the caller's own buffer, to be overwritten, where it was one. @throws ERR_INVALID_ARGUMENT */
function pinOctets(pin: unknown): Uint8Array {
  if (typeof pin === 'string') return Buffer.from(pin, 'utf8')
  if (pin instanceof Uint8Array) return pin
  throw new PkiError('ERR_INVALID_ARGUMENT', 'the PIN source gave no PIN: a string or octets are wanted')
}

/**
 * Whether a return value of C_Login leaves the PIN unjudged: `no` where the call did not get so far, `unclear` for a device that failed on
 * the way, `unknown` for all others, a vendor's own among them.
 */
function pinVerdict(value: number | undefined): 'no' | 'unclear' | 'unknown' {
  if (value === undefined || unjudged.has(value)) return 'no'
  return failedOnTheWay.has(value) ? 'unclear' : 'unknown'
}

function trimmed(text: string): string {
  return text.replace(/[ \0]+$/, '')
}

/** More than any token takes; CK_TOKEN_INFO says 255 at most on those known. */
const maxPinOctets = 1024
/** Of tokens that lock, none known does so before the third wrong PIN: so many are never sent. */
const maxUnclearLogins = 2
/** SESSION_CLOSED, SESSION_HANDLE_INVALID, DEVICE_REMOVED, TOKEN_NOT_PRESENT, CRYPTOKI_NOT_INITIALIZED. */
const sessionGone: ReadonlySet<number> = new Set([0xb0, 0xb3, 0x32, 0xe0, 0x190])
const maxUnclosed = 1024
const wrongPinFlags = ck.CKF_USER_PIN_COUNT_LOW | ck.CKF_USER_PIN_FINAL_TRY | ck.CKF_USER_PIN_LOCKED
/** HOST_MEMORY, SLOT_ID_INVALID, CANT_LOCK, DEVICE_REMOVED, no such function or session, token gone, another kind of user or session, not initialised. */
const unjudged: ReadonlySet<number> = new Set([
  0x02, 0x03, 0x0a, 0x32, 0x54, 0x90, 0xb0, 0xb3, 0xb7, 0xe0, 0xe1, 0x103, 0x104, 0x105, 0x190,
])
/** GENERAL_ERROR, FUNCTION_FAILED, DEVICE_ERROR, DEVICE_MEMORY, FUNCTION_CANCELED. */
const failedOnTheWay: ReadonlySet<number> = new Set([0x05, 0x06, 0x30, 0x31, 0x50])
