// One token: its slot, its mechanisms, its sessions, and the login that is never tried twice with a wrong PIN (threats K10).

import { PkiError } from '../../errors/index.ts'
import type { Logger } from '../../runtime/index.ts'
import { ck } from './cryptoki.ts'
import type { Cryptoki, Handle, TokenInfo } from './cryptoki.ts'
import type { Pkcs11Module } from './pkcs11-module.ts'
import { HsmError, ckr, hsmError, returnValueOf } from './return-value.ts'

/** Which token: by label, by serial number, or both. Exactly one must match. */
export interface TokenSelector {
  readonly label?: string
  readonly serialNumber?: string
}

/**
 * Gives the user PIN when a login needs it; may ask a vault or a person. A buffer is overwritten after use; a string cannot be,
 * and the binding makes one for the moment of C_Login in any case.
 */
export type PinSource = (token: { readonly label: string; readonly serialNumber: string }) => PinValue | Promise<PinValue>

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

  constructor(module: Pkcs11Module, options: { selector: TokenSelector; pin: PinSource; useFinalPinTry: boolean; logger: Logger }) {
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
    const cryptoki = this.module.functions
    const flags = ck.CKF_SERIAL_SESSION | (mode === 'write' ? ck.CKF_RW_SESSION : 0)
    let handle: Handle
    try {
      handle = cryptoki.C_OpenSession(this.#slot as unknown as Handle, flags)
    } catch (error) {
      throw hsmError(error, 'C_OpenSession')
    }
    const session: TokenSession = { handle, moduleEpoch: this.#moduleEpoch, tokenEpoch: this.#epoch, input: undefined }
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
    } catch {
      // It is gone already, with the token or the library.
    }
  }

  /** Whether the token still answers to its name: a removed one may keep its sessions and lose its objects only. */
  isPresent(): boolean {
    try {
      return this.#slot !== undefined && trimmed(this.module.functions.C_GetTokenInfo(this.#slot).serialNumber) === this.#serialNumber
    } catch {
      return false
    }
  }

  #find(cryptoki: Cryptoki): [slot: Handle, info: TokenInfo] {
    const { label, serialNumber } = this.#selector
    const found: [Handle, TokenInfo][] = []
    let failure: PkiError | undefined
    try {
      for (const slot of cryptoki.C_GetSlotList(true)) {
        try {
          const info = cryptoki.C_GetTokenInfo(slot)
          if (label !== undefined && trimmed(info.label) !== label) continue
          if (serialNumber !== undefined && trimmed(info.serialNumber) !== serialNumber) continue
          found.push([slot, info])
        } catch (error) {
          failure = hsmError(error, 'C_GetTokenInfo')
        }
      }
    } catch (error) {
      throw hsmError(error, 'C_GetSlotList')
    }
    const [only] = found
    if (only !== undefined && found.length === 1) return only
    const what = `${String(found.length)} tokens with ${JSON.stringify(this.#selector)}; exactly one is wanted`
    throw new HsmError('ERR_HSM_TOKEN_NOT_FOUND', what, 'none', found.length === 0 ? 'device' : 'request', failure)
  }

  #isLoggedIn(session: TokenSession): boolean {
    const { state } = this.module.functions.C_GetSessionInfo(session.handle)
    return state === ck.CKS_RO_USER_FUNCTIONS || state === ck.CKS_RW_USER_FUNCTIONS
  }

  async #login(session: TokenSession): Promise<void> {
    if (this.#pinRefusal !== undefined) throw this.#pinRefusal
    // Fails for a token that was removed, before a PIN is asked for; and the token itself knows of refused PINs.
    this.#checkPinCounter(this.module.functions.C_GetTokenInfo(this.#slot as Handle).flags)
    const pin = await this.#pin({ label: this.#label, serialNumber: this.#serialNumber })
    const octets = typeof pin === 'string' ? Buffer.from(pin, 'utf8') : pin
    try {
      if (octets.length > maxPinOctets) throw new PkiError('ERR_INVALID_ARGUMENT', `a PIN of more than ${String(maxPinOctets)} octets`)
      if (this.module.isRefusedPin(this.#serialNumber, octets)) throw this.#refuse('the token refused this very PIN before; it is not sent again', 'none')
      if (this.isStale(session)) throw new HsmError('ERR_HSM_UNAVAILABLE', 'the token was lost while the PIN was asked for', 'none', 'session')
      this.#sendPin(session, octets)
    } finally {
      octets.fill(0)
    }
  }

  #sendPin(session: TokenSession, octets: Uint8Array): void {
    try {
      this.module.functions.C_Login(session.handle, ck.CKU_USER, Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('utf8'))
      this.#logger.info({ token: this.#label, serialNumber: this.#serialNumber }, 'logged in to the token')
    } catch (error) {
      // Somebody else in this process was faster; the login is per token, not per session.
      if (returnValueOf(error) === ckr.USER_ALREADY_LOGGED_IN) return
      const failure = hsmError(error, 'C_Login')
      if (failure instanceof HsmError && failure.failureClass === 'pin') {
        this.module.rememberRefusedPin(this.#serialNumber, octets)
        throw this.#refuse(`the token refused the PIN with ${failure.returnValue}; nothing tries again by itself`, failure.returnValue)
      }
      throw failure
    }
  }

  #checkPinCounter(flags: number): void {
    if ((flags & ck.CKF_USER_PIN_LOCKED) !== 0) throw this.#refuse('the PIN of the token is locked', 'CKF_USER_PIN_LOCKED')
    if ((flags & ck.CKF_USER_PIN_FINAL_TRY) !== 0 && !this.#useFinalPinTry) {
      throw this.#refuse('one more wrong PIN would lock the token; log in by hand first', 'CKF_USER_PIN_FINAL_TRY')
    }
    if ((flags & ck.CKF_USER_PIN_COUNT_LOW) !== 0) {
      this.#logger.warn({ token: this.#label, serialNumber: this.#serialNumber }, 'a wrong PIN was sent to the token since the last login')
    }
  }

  #refuse(message: string, returnValue: string): HsmError {
    this.#pinRefusal = new HsmError('ERR_HSM_PIN', message, returnValue, 'pin')
    this.#logger.error({ token: this.#label, serialNumber: this.#serialNumber, returnValue }, message)
    return this.#pinRefusal
  }
}

function trimmed(text: string): string {
  return text.replace(/[ \0]+$/, '')
}

/** More than any token takes; CK_TOKEN_INFO says 255 at most on those known. */
const maxPinOctets = 1024
