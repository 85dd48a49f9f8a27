// Requests to one Vault: its headers, its errors, the paths of its mounts.

import { callRemoteCa } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import type { JsonObject } from '../../internal/json.ts'
import type { GuardedFetcher } from '../../runtime/index.ts'

/** A request to Vault. */
export interface VaultRequest {
  readonly method: 'GET' | 'POST'
  /** Below `/v1/`. */
  readonly path: string
  readonly body?: JsonObject | undefined
  readonly token?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Sends requests to one Vault. */
export class VaultHttp {
  readonly #fetcher: GuardedFetcher
  readonly #address: URL
  readonly #namespace: string | undefined

  constructor(fetcher: GuardedFetcher, address: URL, namespace: string | undefined) {
    this.#fetcher = fetcher
    this.#address = address
    this.#namespace = namespace
  }

  get origin(): string {
    return this.#address.origin
  }

  /** The JSON object of an answer with status 200. @throws as `callRemoteCa` */
  call({ method, path, body, token, signal }: VaultRequest): Promise<JsonObject> {
    return callRemoteCa(this.#fetcher, {
      name: `Vault ${this.origin}`,
      url: new URL(`v1/${path}`, this.#address),
      headers: {
        // Vault's protection against requests that a server is tricked into.
        'x-vault-request': 'true',
        ...(token === undefined ? {} : { 'x-vault-token': token }),
        ...(this.#namespace === undefined ? {} : { 'x-vault-namespace': this.#namespace }),
      },
      reasonOf: ({ errors }) =>
        Array.isArray(errors) ? errors.filter((one) => typeof one === 'string').join('; ') : '',
      secrets: [token, body?.['secret_id'], body?.['jwt']],
      ...{ method, body, signal },
    })
  }
}

/**
 * Checks the segments of a path, so that the request cannot reach another path. @throws ERR_INVALID_ARGUMENT
 */
export function requireMount(mount: unknown): string {
  const isPath = typeof mount === 'string' && /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(mount)
  if (isPath && mount.length <= 256) return mount
  throw new PkiError('ERR_INVALID_ARGUMENT', 'the path of a mount must be names, separated by /')
}
