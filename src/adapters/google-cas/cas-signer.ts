// A CA pool of Google's Certificate Authority Service that signs leaves, for a registration authority.

import { randomUUID } from 'node:crypto'
import type { RemoteSigner } from '../../ca/index.ts'
import { callRemoteCa, certificatesOf, isSelfSigned } from '../../ca/internal.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { isJsonObject } from '../../internal/json.ts'
import type { JsonObject, JsonValue } from '../../internal/json.ts'
import { encodePem } from '../../internal/pem.ts'
import { checkTexts } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import { abortable } from '../../internal/turns/waiting.ts'
import { nameOf, shownValue } from '../../internal/values/name-of.ts'
import { createGuardedFetcher } from '../../runtime/index.ts'
import type { GuardedFetcher } from '../../runtime/index.ts'
import { formatIpAddress } from '../../x509/internal.ts'
import type { GeneralName } from '../../x509/index.ts'

/** Options of `createCasSigner`. @inline */
export interface CasSignerOptions {
  /** `projects/<project>/locations/<location>/caPools/<pool>`. */
  readonly pool: string
  /** Returns an OAuth 2.0 access token with the scope `cloud-platform`; called before each request. */
  readonly accessToken: () => string | Promise<string>
  /** Default `https://privateca.googleapis.com`; `http:` is accepted only for a loopback address. */
  readonly endpoint?: string
  /** Replaces the built-in fetcher, for example to use a proxy. The code that creates it must close it. */
  readonly fetcher?: GuardedFetcher
}

/** Disposing of it closes its connections. @inline */
export interface CasSigner extends RemoteSigner, AsyncDisposable {}

/**
 * A signer for `createRegistrationAuthority`: creates certificates in a CA pool, with the names of the
 * policy's decision and an empty subject. Written from the public REST API, version 1, and tested against a
 * fake of it.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const cas = createCasSigner({ pool: 'projects/p/locations/europe-west1/caPools/mesh', accessToken:
 * readPassphrase })
 * await createRegistrationAuthority({ trustDomain: 'example.org', signer: cas })
 * ```
 */
export function createCasSigner(options: CasSignerOptions): CasSigner {
  const read = readOptions('createCasSigner', options, {
    pool: 'required',
    accessToken: 'required',
    endpoint: 'guard',
    fetcher: 'guard',
  })
  const { pool, accessToken, endpoint = 'https://privateca.googleapis.com' } = read
  if (
    typeof pool !== 'string' ||
    !/^projects\/[\w:.-]{1,64}\/locations\/[\w-]{1,64}\/caPools\/[\w-]{1,63}$/.test(pool)
  )
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createCasSigner: pool must be projects/<project>/locations/<location>/caPools/<pool>, ' +
        `found ${shownValue(pool)}`,
    )
  if (typeof accessToken !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createCasSigner: accessToken must be a function, found ${nameOf(accessToken)}`,
    )
  checkTexts('createCasSigner', { endpoint })
  const url = endpointOf(endpoint)
  const own =
    read.fetcher === undefined
      ? createGuardedFetcher(
          url.protocol === 'http:'
            ? { allowedNetworks: ['127.0.0.0/8', '::1/128'], dangerouslyAllowHttp: true, timeoutMs: 10_000 }
            : { timeoutMs: 10_000 },
        )
      : undefined
  return new GoogleCasSigner(read.fetcher ?? (own as GuardedFetcher), own, url, pool, accessToken)
}

type Request = Parameters<RemoteSigner['sign']>[0]
type Answer = Awaited<ReturnType<RemoteSigner['sign']>>

class GoogleCasSigner implements CasSigner {
  readonly name: string
  readonly #fetcher: GuardedFetcher
  readonly #own: GuardedFetcher | undefined
  readonly #endpoint: URL
  readonly #pool: string
  readonly #accessToken: CasSignerOptions['accessToken']

  constructor(
    fetcher: GuardedFetcher,
    own: GuardedFetcher | undefined,
    endpoint: URL,
    pool: string,
    accessToken: CasSignerOptions['accessToken'],
  ) {
    this.#fetcher = fetcher
    this.#own = own
    this.#endpoint = endpoint
    this.#pool = pool
    this.#accessToken = accessToken
    this.name = `Google CAS ${pool}`
  }

  async sign({ csr, subjectAltName, subject, ttlSeconds, signal }: Request): Promise<Answer> {
    if (subject !== undefined)
      throw new PkiError('ERR_CA_REFUSED', `${this.name} signs certificates with an empty subject only`)
    const request = randomUUID()
    const answer = await this.#call(`certificates?certificateId=c-${request}&requestId=${request}`, signal, {
      lifetime: `${ttlSeconds}s`,
      config: {
        publicKey: {
          format: 'PEM',
          key: Buffer.from(encodePem('PUBLIC KEY', csr.publicKey.spki)).toString('base64'),
        },
        subjectConfig: { subject: {}, subjectAltName: namesOf(subjectAltName) },
        x509Config: {
          caOptions: { isCa: false },
          keyUsage: {
            baseKeyUsage: { digitalSignature: true, keyEncipherment: csr.publicKey.algorithm === 'RSA' },
            extendedKeyUsage: { serverAuth: true, clientAuth: true },
          },
        },
      },
    })
    const { pemCertificate, pemCertificateChain } = answer
    const [certificate] = certificatesOf(this.name, [pemCertificate])
    if (certificate === undefined)
      throw new PkiError('ERR_CA_REPLY', `${this.name} answered without a certificate`)
    const chain = certificatesOf(
      this.name,
      Array.isArray(pemCertificateChain) ? (pemCertificateChain as unknown[]) : [],
    )
    return Object.freeze({
      certificate,
      chain: Object.freeze(chain.filter((one) => !isSelfSigned(one))),
      // The roots of the whole pool, which may have several CAs, instead of those of the CA that signed.
      roots: await this.roots(signal),
    })
  }

  async roots(signal?: AbortSignal): Promise<Answer['roots']> {
    const { caCerts } = await this.#call(':fetchCaCerts', signal, {})
    const texts = (Array.isArray(caCerts) ? (caCerts as readonly JsonValue[]) : []).flatMap((one) =>
      isJsonObject(one) && Array.isArray(one['certificates']) ? (one['certificates'] as unknown[]) : [],
    )
    const roots = certificatesOf(this.name, texts).filter(isSelfSigned)
    if (roots.length > 0) return Object.freeze(roots)
    throw new PkiError('ERR_CA_REPLY', `${this.name} has no self-signed certificate in its chains`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own?.[Symbol.asyncDispose]()
  }

  async #call(path: string, signal: AbortSignal | undefined, body: JsonObject): Promise<JsonObject> {
    const token = await abortable(this.#token(), signal)
    const separator = path.startsWith(':') ? '' : '/'
    return callRemoteCa(this.#fetcher, {
      name: this.name,
      method: 'POST',
      url: new URL(`v1/${this.#pool}${separator}${path}`, this.#endpoint),
      headers: { authorization: `Bearer ${token}` },
      reasonOf: ({ error }) =>
        isJsonObject(error) && typeof error['message'] === 'string' ? error['message'] : '',
      secrets: [token],
      ...{ body, signal },
    })
  }

  async #token(): Promise<string> {
    let token: unknown
    try {
      token = await this.#accessToken()
    } catch (cause) {
      throw isPkiError(cause)
        ? cause
        : new PkiError('ERR_CA_UNAUTHENTICATED', 'accessToken returned no token', { cause })
    }
    // RFC 6750 §2.1.
    if (typeof token === 'string' && /^[A-Za-z0-9._~+/-]+=*$/.test(token)) return token
    throw new PkiError('ERR_CA_UNAUTHENTICATED', 'accessToken returned something other than a bearer token')
  }
}

function endpointOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isLoopback = url !== undefined && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  const isPlain = url?.href === `${url?.origin}/`
  if (url !== undefined && isPlain && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)))
    return url
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    'createCasSigner: endpoint must be an https: URL, or an http: one of a loopback address, without ' +
      'user, path, query and fragment',
  )
}

/** @throws ERR_CA_REFUSED */
function namesOf(names: readonly GeneralName[]): JsonObject {
  const lists = { uris: [] as string[], dnsNames: [] as string[], ipAddresses: [] as string[] }
  for (const name of names) {
    if (name.type === 'uri') lists.uris.push(name.value)
    else if (name.type === 'dns') lists.dnsNames.push(name.value)
    else if (name.type === 'ip') lists.ipAddresses.push(formatIpAddress(name.address))
    else throw new PkiError('ERR_CA_REFUSED', `names of the type ${name.type} cannot be sent to Google CAS`)
  }
  return lists
}
