// The token of a Vault client: obtained by a login, renewed before it expires, and obtained again if it was
// revoked.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { isJsonObject } from '../../internal/json.ts'
import type { JsonObject } from '../../internal/json.ts'
import { abortable } from '../../internal/turns/waiting.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import type { VaultHttp } from './vault-http.ts'

type Supplied = string | (() => string | Promise<string>)

/** How the client authenticates; exactly one member is required. @inline */
export interface VaultAuth {
  /** A token that another program obtained. */
  readonly token?: Supplied
  readonly appRole?: {
    readonly roleId: string
    readonly secretId: Supplied
    /** Default `approle`. */
    readonly mount?: string
  }
  readonly kubernetes?: {
    readonly role: string
    /** The token of the service account: read each time, because the kubelet replaces it. */
    readonly jwt: Supplied
    /** Default `kubernetes`. */
    readonly mount?: string
  }
}

/** Supplies the token. Disposing of it ends the renewal. */
export class VaultToken {
  readonly #http: VaultHttp
  readonly #auth: VaultAuth
  readonly #clock: Clock
  readonly #logger: Logger
  #token: string | undefined
  #login: Promise<string> | undefined
  #cancel = (): void => undefined
  #isClosed = false

  constructor(http: VaultHttp, auth: VaultAuth, clock: Clock, logger: Logger) {
    this.#http = http
    this.#auth = auth
    this.#clock = clock
    this.#logger = logger
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
    this.#token = undefined
  }

  /**
   * Calls `perform` with the token. If Vault refuses the token, it may have been revoked: the client logs in
   * once and tries again. A valid token without the permission is kept, because each login would leave one
   * more token in Vault. @throws the errors of `perform`; ERR_CA_UNAUTHENTICATED, ERR_CA_UNAVAILABLE,
   * ERR_CLOSED
   */
  async with<Result>(
    perform: (token: string) => Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    const token = await abortable(this.#current(), signal)
    try {
      return await perform(token)
    } catch (error) {
      if (!isPkiError(error, 'ERR_CA_UNAUTHENTICATED') || (await this.#isValid(token, signal))) throw error
      if (this.#token === token) this.#token = undefined
      const next = await abortable(this.#current(), signal)
      // A token that another program obtained is refused again.
      if (next === token) throw error
      return perform(next)
    }
  }

  /** @throws the errors of `VaultHttp.call` except ERR_CA_UNAUTHENTICATED */
  async #isValid(token: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.#http.call({ method: 'GET', path: 'auth/token/lookup-self', token, signal })
      return true
    } catch (error) {
      if (isPkiError(error, 'ERR_CA_UNAUTHENTICATED')) return false
      throw error
    }
  }

  /** Concurrent calls share a login. */
  #current(): Promise<string> {
    if (this.#isClosed) return Promise.reject(new PkiError('ERR_CLOSED', 'the Vault client was closed'))
    if (this.#token !== undefined) return Promise.resolve(this.#token)
    this.#login ??= this.#obtain().finally(() => {
      this.#login = undefined
    })
    return this.#login
  }

  async #obtain(): Promise<string> {
    const { token, appRole, kubernetes } = this.#auth
    if (token !== undefined) {
      const given = await supply(token, 'token')
      const { data } = await this.#http.call({ method: 'GET', path: 'auth/token/lookup-self', token: given })
      const { ttl, renewable } = isJsonObject(data) ? data : ({} as JsonObject)
      return this.#keep(given, ttl, renewable)
    }
    if (appRole !== undefined) {
      const { roleId, secretId, mount = 'approle' } = appRole
      return this.#logIn(mount, { role_id: roleId, secret_id: await supply(secretId, 'secretId') })
    }
    const { role, jwt, mount = 'kubernetes' } = kubernetes as NonNullable<typeof kubernetes>
    return this.#logIn(mount, { role, jwt: (await supply(jwt, 'jwt')).trim() })
  }

  async #logIn(mount: string, body: JsonObject): Promise<string> {
    const { auth } = await this.#http.call({ method: 'POST', path: `auth/${mount}/login`, body })
    return this.#keepAuth(auth)
  }

  #keepAuth(auth: JsonObject[string]): string {
    const {
      client_token: token,
      lease_duration: ttl,
      renewable,
    } = isJsonObject(auth) ? auth : ({} as JsonObject)
    if (typeof token !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(token))
      throw new PkiError('ERR_CA_REPLY', `the login at ${this.#http.origin} returned no token`)
    return this.#keep(token, ttl, renewable)
  }

  #keep(token: string, ttl: JsonObject[string], renewable: JsonObject[string]): string {
    if (this.#isClosed) throw new PkiError('ERR_CLOSED', 'the Vault client was closed')
    this.#token = token
    this.#cancel()
    // 0: it does not expire.
    const seconds = typeof ttl === 'number' && ttl > 0 ? Math.min(ttl, maxTtlSeconds) : 0
    if (seconds > 0) this.#renewLater(token, renewable === true, seconds)
    return token
  }

  /** Schedules the renewal at two thirds of the remaining validity. */
  #renewLater(token: string, renewable: boolean, seconds: number): void {
    this.#cancel = this.#clock.schedule(
      () => void this.#renew(token, renewable, seconds),
      Math.max(1000, (seconds * 1000 * 2) / 3),
    )
  }

  /** A method, because the client may have been closed during a wait. */
  #hasEnded(): boolean {
    return this.#isClosed
  }

  /**
   * If the renewal fails, the next call logs in. For a token that another program obtained there is no login:
   * the renewal is retried while the token is valid.
   */
  async #renew(token: string, renewable: boolean, seconds: number): Promise<void> {
    if (this.#isClosed || this.#token !== token) return
    try {
      if (renewable) {
        const request = { method: 'POST', path: 'auth/token/renew-self', token, body: {} } as const
        const { auth } = await this.#http.call(request)
        if (this.#token === token) this.#keepAuth(auth)
        return
      }
      this.#token = undefined
      if (this.#auth.token === undefined) await this.#current()
    } catch (error) {
      if (this.#hasEnded()) return
      const leftSeconds = seconds / 3
      if (this.#token === token && this.#auth.token === undefined) this.#token = undefined
      else if (this.#token === token && leftSeconds >= 1) this.#renewLater(token, renewable, leftSeconds)
      this.#logger.warn(
        { reason: String(error) },
        'the token of Vault was not renewed; the renewal is tried again',
      )
    }
  }
}

async function supply(given: Supplied, name: string): Promise<string> {
  const value: unknown = typeof given === 'function' ? await given() : given
  if (typeof value === 'string' && /^[\x21-\x7e]{1,16384}\s*$/.test(value)) return value.trim()
  throw new PkiError(
    'ERR_CA_UNAUTHENTICATED',
    `${name} returned something other than text of visible ASCII characters`,
  )
}

/** 32 days, Vault's own maximum. */
const maxTtlSeconds = 32 * 24 * 3600
