// A client of Vault's PKI secrets engine, by its public HTTP API.

import type { RemoteSigner, UpstreamAuthority } from '../../ca/index.ts'
import { PkiError } from '../../errors/index.ts'
import { checkCounts } from '../../internal/numbers.ts'
import { checkMethods, checkTexts } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { createGuardedFetcher, systemClock } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import type { Clock, GuardedFetcher, Logger } from '../../runtime/index.ts'
import { VaultHttp, requireMount } from './vault-http.ts'
import { VaultSigner } from './vault-signer.ts'
import type { VaultSignerOptions } from './vault-signer.ts'
import { VaultToken } from './vault-token.ts'
import type { VaultAuth } from './vault-token.ts'
import { VaultUpstream, readVaultUpstreamOptions } from './vault-upstream.ts'
import type { VaultUpstreamOptions } from './vault-upstream.ts'

/** Options of `createVaultClient`. @inline */
export interface VaultClientOptions {
  /** `https://vault.example:8200`; `http:` is accepted only for a loopback address. */
  readonly address: string
  /** One of `token`, `appRole` and `kubernetes`. */
  readonly auth: VaultAuth
  /** The namespace, of Vault Enterprise or OpenBao. */
  readonly namespace?: string
  /** Roots in PEM for the TLS of Vault. Default: the platform's. */
  readonly caCertificates?: string
  /** Maximum time of each request with its response, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Replaces the built-in fetcher, for example to use a proxy. The code that creates it must close it. */
  readonly fetcher?: GuardedFetcher
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
}

/** A client of one Vault. Disposing of it ends the renewal of its token. @inline */
export interface VaultClient extends AsyncDisposable {
  /** The CA of a mount as the parent CA of a `RotatingAuthority`. @throws ERR_INVALID_ARGUMENT */
  upstream(options?: VaultUpstreamOptions): UpstreamAuthority
  /** A role of a mount that signs leaves, for `createRegistrationAuthority`. @throws ERR_INVALID_ARGUMENT */
  signer(options: VaultSignerOptions): RemoteSigner
}

/**
 * A client of Vault or OpenBao. It logs in at the first call, renews its token at two thirds of its validity,
 * and logs in again if the token was revoked. Responses of at most 256 KiB are accepted; redirects are not
 * followed.
 *
 * @throws ERR_INVALID_ARGUMENT for an address that is neither `https:` nor loopback, or not exactly one kind
 *   of `auth`
 * @example
 * ```ts
 * await using vault = createVaultClient({
 *   address: 'https://vault.example:8200',
 *   auth: { kubernetes: { role: 'spiffe-ca', jwt: () => readPassphrase() } },
 * })
 * const upstream = vault.upstream({ mount: 'pki' })
 * ```
 */
export function createVaultClient(options: VaultClientOptions): VaultClient {
  const read = readOptions('createVaultClient', options, {
    address: 'required',
    auth: 'required',
    namespace: 'guard',
    caCertificates: 'guard',
    timeoutMs: 'optional',
    fetcher: 'guard',
    clock: 'optional',
    logger: 'optional',
  })
  const { timeoutMs = 10_000, caCertificates, clock = systemClock, namespace } = read
  checkCounts({ timeoutMs }, 1)
  checkTexts('createVaultClient', { namespace, caCertificates })
  checkMethods('createVaultClient', { fetcher: read.fetcher }, 'fetch')
  if (namespace !== undefined && !/^[\x21-\x7e]{1,256}$/.test(namespace))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createVaultClient: namespace must be visible ASCII characters, found ${nameOf(namespace)}`,
    )
  const address = readAddress(read.address)
  const auth = readAuth(read.auth)
  const own =
    read.fetcher === undefined
      ? createGuardedFetcher({
          // The operator configures the address, and Vault is usually in a private network.
          allowedNetworks: ['0.0.0.0/0', '::/0'],
          ...(address.protocol === 'http:' ? { dangerouslyAllowHttp: true } : {}),
          ...(caCertificates === undefined ? {} : { caCertificates }),
          ...{ timeoutMs, clock },
        })
      : undefined
  const http = new VaultHttp(read.fetcher ?? (own as GuardedFetcher), address, namespace)
  const token = new VaultToken(http, auth, clock, safeLogger('createVaultClient', read.logger))
  return Object.freeze({
    upstream: (given?: VaultUpstreamOptions) =>
      new VaultUpstream(http, token, readVaultUpstreamOptions(given)),
    signer: (given: VaultSignerOptions) => new VaultSigner(http, token, given),
    async [Symbol.asyncDispose]() {
      token.close()
      await own?.[Symbol.asyncDispose]()
    },
  })
}

function readAddress(text: string): URL {
  let url: URL | undefined
  try {
    url = new URL(text)
  } catch {
    url = undefined
  }
  const isLoopback = url !== undefined && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (
    url === undefined ||
    !isPlain ||
    !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback))
  )
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createVaultClient: address must be an https: URL, or an http: one of a loopback address, without ' +
        'user, query and fragment',
    )
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

function readAuth(given: VaultAuth): VaultAuth {
  const auth = readOptions('auth', given, { token: 'guard', appRole: 'guard', kubernetes: 'guard' })
  if (Object.keys(auth).length !== 1)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'auth: one of token, appRole and kubernetes is required')
  const { appRole, kubernetes } = auth
  if (appRole !== undefined)
    readOptions('auth.appRole', appRole, { roleId: 'required', secretId: 'required', mount: 'guard' })
  if (kubernetes !== undefined)
    readOptions('auth.kubernetes', kubernetes, { role: 'required', jwt: 'required', mount: 'guard' })
  for (const mount of [appRole?.mount, kubernetes?.mount]) if (mount !== undefined) requireMount(mount)
  return auth
}
