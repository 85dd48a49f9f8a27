// One PKCS#11 library in this process: loaded and initialised once, shared
// by tokens, finalised after the last one closes.

import { createHmac, randomBytes } from 'node:crypto'
import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import { systemClock } from '../../../runtime/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import { ck, loadPkcs11Binding, reasonOf } from './cryptoki.ts'
import type { Cryptoki, Pkcs11Binding } from './cryptoki.ts'
import { namedCalls } from './named-calls.ts'
import { ckr, deviceLost, hsmError, returnValueOf } from './return-value.ts'

/** Options for loading a library. @inline */
export interface Pkcs11ModuleOptions {
  /** The binding; by default the optional peer `pkcs11js`, loaded on first use. */
  readonly pkcs11?: Pkcs11Binding | undefined
  /** Times waiting. Default `systemClock`. */
  readonly clock?: Clock | undefined
}

/**
 * A loaded library. C_Initialize is process-global in the library, so tokens of one library share one such
 * object: pass it to each `Pkcs11KeyManager.open`. Only the object that initialised the library finalises it.
 */
export class Pkcs11Module implements AsyncDisposable {
  /** The path of the vendor's library. */
  readonly path: string
  readonly #cryptoki: Cryptoki
  /** PINs that a token refused, as keyed digests, by serial number of the token. */
  readonly #refusedPins = new Map<string, Set<string>>()
  readonly #pinDigestKey = randomBytes(32)
  readonly #drained: (() => void)[] = []
  /** Tokens that use the library through this object, and whether each works. */
  readonly #tokens = new Map<object, boolean>()
  readonly #clock: Clock
  #reinitialisedAt = Number.NEGATIVE_INFINITY
  #initialised = false
  #owner = false
  #epoch = 0
  #pending = 0
  #reinitialising: Promise<void> | undefined
  #closing = false
  #closed = false

  private constructor(path: string, cryptoki: Cryptoki, clock: Clock) {
    this.path = path
    this.#clock = clock
    this.#cryptoki = cryptoki
  }

  /**
   * Loads and initialises the library.
   *
   * @throws ERR_PKCS11_MODULE_NOT_INSTALLED, ERR_PKCS11_LIBRARY,
   *   ERR_INVALID_ARGUMENT for another type than string
   */
  static async load(path: string, options: Pkcs11ModuleOptions = {}): Promise<Pkcs11Module> {
    // For another type than string, the binding loads a path of its own choice, for example this program.
    if (typeof path !== 'string' || path === '')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `the path of the vendor's library must be a string, found ${nameOf(path)}`,
      )
    const { pkcs11, clock = systemClock } = readOptions<Pkcs11ModuleOptions>('Pkcs11Module.load', options, {
      pkcs11: 'optional',
      clock: 'optional',
    })
    const binding = pkcs11 ?? (await loadPkcs11Binding())
    const cryptoki = namedCalls(new binding.PKCS11())
    try {
      cryptoki.load(path)
    } catch (cause) {
      throw new PkiError(
        'ERR_PKCS11_LIBRARY',
        `the PKCS#11 library ${JSON.stringify(path)} cannot be loaded: ${reasonOf(cause)}`,
        { cause },
      )
    }
    const module = new Pkcs11Module(path, cryptoki, clock)
    try {
      module.#initialise()
    } catch (cause) {
      const { message } = hsmError(cause, 'C_Initialize')
      throw new PkiError(
        'ERR_PKCS11_LIBRARY',
        `the PKCS#11 library ${JSON.stringify(path)} cannot be initialised: ${message}; its configuration ` +
          'may be missing or unreadable (SoftHSM: SOFTHSM2_CONF)',
        { cause },
      )
    }
    return module
  }

  /** Increases with each C_Initialize: handles of an earlier epoch are invalid or refer to other objects. */
  get epoch(): number {
    return this.#epoch
  }

  /** The functions of the library that return at once. @throws ERR_CLOSED */
  get functions(): Cryptoki {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the PKCS#11 module was closed')
    if (!this.#initialised) throw deviceLost('the PKCS#11 library is not initialised')
    return this.#cryptoki
  }

  /**
   * Starts a call that a native thread completes. No call starts while finalising is pending, and the library
   * is not finalised before all calls return: finalising during a call is undefined (PKCS #11 v3.0 §5.4).
   */
  start<T>(epoch: number, call: (cryptoki: Cryptoki) => Promise<T>): Promise<T> {
    if (this.#reinitialising !== undefined || epoch !== this.#epoch)
      throw deviceLost('the PKCS#11 library was initialised again')
    const result = call(this.functions)
    this.#pending++
    result.then(this.#finished, this.#finished)
    return result
  }

  /** Registers a token as user of the library; `close` unregisters it. */
  attach(token: object): void {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the PKCS#11 module was closed')
    this.#tokens.set(token, true)
  }

  /** Unregisters a token; the last one finalises a library that its owner has closed. */
  async detach(token: object): Promise<void> {
    if (this.#tokens.delete(token) && this.#closing && this.#tokens.size === 0) await this.#finalise()
  }

  /** Records whether a token works, for `mayReinitialise`. */
  setHealth(token: object, healthy: boolean): void {
    if (this.#tokens.has(token)) this.#tokens.set(token, healthy)
  }

  /**
   * Whether one token may have the library reinitialised. This closes the
   * sessions of every token, so while others work it is done rarely.
   */
  mayReinitialise(token: object): boolean {
    const othersWork = [...this.#tokens].some(([other, healthy]) => other !== token && healthy)
    return !othersWork || this.#clock.monotonic() - this.#reinitialisedAt >= sharedReinitialiseMs
  }

  /**
   * C_Finalize and C_Initialize, once for all concurrent requests of one epoch.
   *
   * @throws ERR_HSM_UNAVAILABLE while calls hang in the library, or if it cannot be initialised
   */
  reinitialise(epoch: number): Promise<void> {
    if (epoch !== this.#epoch && this.#initialised) return Promise.resolve()
    this.#reinitialising ??= this.#reinitialise().finally(() => {
      this.#reinitialising = undefined
    })
    return this.#reinitialising
  }

  /** Whether the token has refused this PIN before. */
  isRefusedPin(serialNumber: string, pin: Uint8Array): boolean {
    return this.#refusedPins.get(serialNumber)?.has(this.#pinDigest(pin)) ?? false
  }

  /** Remembers that the token refused this PIN; kept as a digest under a random key. */
  rememberRefusedPin(serialNumber: string, pin: Uint8Array): void {
    const refused = this.#refusedPins.get(serialNumber) ?? new Set()
    refused.add(this.#pinDigest(pin))
    this.#refusedPins.set(serialNumber, refused)
  }

  /** Closes the module: the library is finalised now, or when the last token that uses it has closed. */
  async close(): Promise<void> {
    this.#closing = true
    if (this.#tokens.size === 0) await this.#finalise()
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #finished = (): void => {
    this.#pending--
    if (this.#pending === 0) for (const done of this.#drained.splice(0)) done()
  }

  /** Resolves to whether no call is running in the library, waiting a limited time. */
  #drain(): Promise<boolean> {
    if (this.#pending === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      const stop = this.#clock.schedule(() => {
        resolve(false)
      }, drainMs)
      this.#drained.push(() => {
        stop()
        resolve(true)
      })
    })
  }

  async #finalise(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // Finalising during a hanging call would crash the process, so the library stays initialised.
    if (!(await this.#drain()) || !this.#owner || !this.#initialised) return
    this.#initialised = false
    try {
      this.#cryptoki.C_Finalize()
    } catch {
      // Finalised by other code, or the device is gone: nothing to release.
    }
  }

  async #reinitialise(): Promise<void> {
    if (!(await this.#drain()))
      throw deviceLost('calls hang in the PKCS#11 library, so it cannot be initialised again')
    this.#reinitialisedAt = this.#clock.monotonic()
    if (this.#owner && this.#initialised) {
      this.#initialised = false
      try {
        this.#cryptoki.C_Finalize()
        this.#epoch++
      } catch {
        // A library that lost its device may refuse this too. C_Initialize shows whether it is usable; if it
        // reports that it is initialised, the old sessions are still open and can be closed.
      }
    }
    try {
      this.#initialise()
    } catch (cause) {
      throw hsmError(cause, 'C_Initialize')
    }
  }

  #initialise(): void {
    try {
      // Without CKF_OS_LOCKING_OK the library may assume a single thread, and
      // signing on libuv's threads crashes it.
      this.#cryptoki.C_Initialize({ flags: ck.CKF_OS_LOCKING_OK })
      this.#owner = true
      this.#epoch++
    } catch (error) {
      if (returnValueOf(error) !== ckr.CRYPTOKI_ALREADY_INITIALIZED) throw error
      // Another object or thread of this process initialised it: it may be used but not finalised here. If it
      // was this object, C_Finalize was refused just now.
      if (this.#epoch === 0) this.#epoch++
    }
    this.#initialised = true
  }

  #pinDigest(pin: Uint8Array): string {
    return createHmac('sha256', this.#pinDigestKey).update(pin).digest('base64')
  }
}

/** How long to wait for running calls before finalising. */
const drainMs = 2_000
/** How often one token may reinitialise a library that working tokens share. */
const sharedReinitialiseMs = 30_000
