// One token: its slot, its mechanisms, its sessions.

import { ck } from '../cryptoki/cryptoki.ts'
import type { Handle } from '../cryptoki/cryptoki.ts'
import type { Pkcs11Module } from '../cryptoki/pkcs11-module.ts'
import { HsmError, hsmError, returnValueOf } from '../cryptoki/return-value.ts'
import { findSlot, trimmed } from './find-slot.ts'
import type { TokenSelector } from './find-slot.ts'
import { TokenLogin } from './token-login.ts'
import type { LoginOptions, LoginTarget } from './token-login.ts'

/** An open session. It performs one operation at a time, and is closed after any failure. */
export interface TokenSession {
  readonly handle: Handle
  readonly moduleEpoch: number
  readonly tokenEpoch: number
  /** Octets that a native thread reads: the binding keeps no reference to its input. */
  input: Buffer | undefined
}

/** A connected token. Its epoch increases with each connection; handles of an earlier epoch are invalid. */
export class Token {
  readonly module: Pkcs11Module
  readonly login: TokenLogin
  readonly #selector: TokenSelector
  #target: LoginTarget | undefined
  #moduleEpoch = 0
  #epoch = 0
  #label = ''
  #serialNumber = ''
  #loginRequired = true
  #mechanisms: ReadonlySet<number> = new Set()
  #loggingIn: Promise<void> | undefined
  /** Sessions that the token failed to close; they may still be open. */
  #unclosed: TokenSession[] = []

  constructor(module: Pkcs11Module, options: LoginOptions & { readonly selector: TokenSelector }) {
    this.module = module
    this.#selector = options.selector
    this.login = new TokenLogin(module, options)
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

  /** Mechanisms from C_GetMechanismList. */
  get mechanisms(): ReadonlySet<number> {
    return this.#mechanisms
  }

  /**
   * Finds the slot again.
   *
   * @throws ERR_HSM_TOKEN_NOT_FOUND, ERR_HSM_UNAVAILABLE
   */
  connect(): void {
    const cryptoki = this.module.functions
    this.#target = undefined
    this.#epoch++
    const { slot, info } = findSlot(cryptoki, this.#selector, this.#serialNumber !== '')
    try {
      this.#mechanisms = new Set(cryptoki.C_GetMechanismList(slot))
    } catch (error) {
      throw hsmError(error, 'C_GetMechanismList')
    }
    this.#moduleEpoch = this.module.epoch
    this.#label = trimmed(info.label)
    this.#serialNumber = trimmed(info.serialNumber)
    this.#loginRequired = (info.flags & ck.CKF_LOGIN_REQUIRED) !== 0
    this.#target = { slot, label: this.#label, serialNumber: this.#serialNumber }
  }

  /**
   * Opens a logged-in session.
   *
   * @throws ERR_HSM_PIN, ERR_HSM_SESSION_LIMIT, ERR_HSM_UNAVAILABLE, ERR_HSM_TOKEN_NOT_FOUND
   */
  async open(mode: 'read' | 'write'): Promise<TokenSession> {
    if (this.#target === undefined || this.#moduleEpoch !== this.module.epoch) this.connect()
    this.closeLeftovers()
    const target = this.#connected()
    const flags = ck.CKF_SERIAL_SESSION | (mode === 'write' ? ck.CKF_RW_SESSION : 0)
    let handle: Handle
    try {
      handle = this.module.functions.C_OpenSession(target.slot, flags)
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
        this.#loggingIn ??= this.#logIn(session, target).finally(() => {
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

  /** A PIN for one operation with a key that needs its own login; the caller overwrites it. */
  requestPin(): Promise<Uint8Array> {
    return this.login.requestPin(this.#connected())
  }

  /** Logs in for the operation that was just initialised on the session (CKU_CONTEXT_SPECIFIC). */
  logInForOperation(session: TokenSession, pin: Uint8Array): void {
    this.login.sendPin(session.handle, this.#connected(), pin, 'context-specific')
  }

  /** Whether the session is of an earlier connection. */
  isStale(session: TokenSession): boolean {
    return session.tokenEpoch !== this.#epoch || session.moduleEpoch !== this.module.epoch
  }

  /**
   * Whether the token still has this session, logged in (C_GetSessionInfo). If
   * so, a failure on it is not the loss of the token.
   */
  hasSession(session: TokenSession): boolean {
    if (this.isStale(session)) return false
    try {
      return !this.#loginRequired || this.#isLoggedIn(session)
    } catch {
      return false
    }
  }

  /** Closes a session; the login ends with the last one (PKCS #11 v3.0 section 5.6.2). */
  close(session: TokenSession): void {
    // In a new epoch the same number may be another session.
    if (session.moduleEpoch !== this.module.epoch) return
    try {
      this.module.functions.C_CloseSession(session.handle)
    } catch (error) {
      // A session that fails to close is closed later; otherwise each failure
      // would cost the token one session permanently.
      const value = returnValueOf(error)
      const isGone = value !== undefined && sessionGone.has(value)
      if (!isGone && this.#unclosed.length < maxUnclosed) this.#unclosed.push(session)
    }
  }

  /** Closes the sessions that failed to close before. */
  closeLeftovers(): void {
    for (const session of this.#unclosed.splice(0)) this.close(session)
  }

  #connected(): LoginTarget {
    if (this.#target !== undefined) return this.#target
    throw new HsmError('ERR_HSM_UNAVAILABLE', 'the token is not connected', 'none', 'device')
  }

  #isLoggedIn(session: TokenSession): boolean {
    const { state } = this.module.functions.C_GetSessionInfo(session.handle)
    return state === ck.CKS_RO_USER_FUNCTIONS || state === ck.CKS_RW_USER_FUNCTIONS
  }

  async #logIn(session: TokenSession, target: LoginTarget): Promise<void> {
    const pin = await this.login.requestPin(target)
    try {
      if (this.isStale(session)) {
        const what = 'the token was lost while the PIN source was called'
        throw new HsmError('ERR_HSM_UNAVAILABLE', what, 'none', 'session')
      }
      this.login.sendPin(session.handle, target, pin, 'user')
    } finally {
      pin.fill(0)
    }
  }
}

/** SESSION_CLOSED, SESSION_HANDLE_INVALID, DEVICE_REMOVED, TOKEN_NOT_PRESENT, CRYPTOKI_NOT_INITIALIZED. */
const sessionGone: ReadonlySet<number> = new Set([0xb0, 0xb3, 0x32, 0xe0, 0x190])
const maxUnclosed = 1024
