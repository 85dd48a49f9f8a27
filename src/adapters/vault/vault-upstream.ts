// A mount of Vault's PKI secrets engine as the parent CA: sign-intermediate, and its chain.

import type { UpstreamAuthority } from '../../ca/index.ts'
import { certificatesOf, isSelfSigned } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { isJsonObject } from '../../internal/json.ts'
import type { JsonObject } from '../../internal/json.ts'
import { shownValue } from '../../internal/values/name-of.ts'
import { Certificate } from '../../x509/index.ts'
import { requireMount } from './vault-http.ts'
import type { VaultHttp } from './vault-http.ts'
import type { VaultToken } from './vault-token.ts'

/** Options of `VaultClient.upstream`. @inline */
export interface VaultUpstreamOptions {
  /** The path of the secrets engine. Default `pki`. */
  readonly mount?: string
  /** The issuer of the mount, by name or id. Default: the default issuer of the mount. */
  readonly issuer?: string
  /**
   * The roots, required if the chain of the mount does not contain them. Default: the self-signed
   * certificates of the chain.
   */
  readonly roots?: readonly Certificate[]
}

interface ReadOptions {
  readonly mount: string
  readonly issuer: string | undefined
  readonly roots: readonly Certificate[] | undefined
}

/** @throws ERR_INVALID_ARGUMENT */
export function readVaultUpstreamOptions(options: VaultUpstreamOptions | undefined): ReadOptions {
  const read = readOptions('upstream', options, { mount: 'guard', issuer: 'guard', roots: 'guard' })
  const { mount = 'pki', issuer } = read
  if (issuer !== undefined && !/^[\w-]{1,128}$/.test(issuer))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `upstream: issuer must be a name or id of an issuer, found ${shownValue(issuer)}`,
    )
  const roots = read.roots?.map((root) => Certificate.from(root))
  return { mount: requireMount(mount), issuer, roots: roots && Object.freeze(roots) }
}

type Answer = Awaited<ReturnType<UpstreamAuthority['issueIntermediate']>>
type Request = Parameters<UpstreamAuthority['issueIntermediate']>[0]

/** Calls `sign-intermediate` with the subject and the URI of the request. */
export class VaultUpstream implements UpstreamAuthority {
  readonly name: string
  readonly #http: VaultHttp
  readonly #token: VaultToken
  readonly #options: ReadOptions

  constructor(http: VaultHttp, token: VaultToken, options: ReadOptions) {
    this.#http = http
    this.#token = token
    this.#options = options
    this.name = `Vault ${http.origin} ${options.mount}`
  }

  async issueIntermediate({ csr, ttlSeconds, signal }: Request): Promise<Answer> {
    const { mount, issuer } = this.#options
    const path =
      issuer === undefined ? `${mount}/root/sign-intermediate` : `${mount}/issuer/${issuer}/sign-intermediate`
    const body = {
      csr: csr.toPem(),
      format: 'pem',
      ttl: `${ttlSeconds}s`,
      // Subject and names of the request, which is then compared with the answer.
      use_csr_values: true,
      max_path_length: 0,
    }
    const { data } = await this.#token.with(
      (token) => this.#http.call({ method: 'POST', path, body, token, signal }),
      signal,
    )
    const {
      certificate,
      ca_chain: chain,
      issuing_ca: issuing,
    } = isJsonObject(data) ? data : ({} as JsonObject)
    const [leaf] = certificatesOf(this.name, [certificate])
    if (leaf === undefined) throw new PkiError('ERR_CA_REPLY', `${this.name} answered without a certificate`)
    const above = certificatesOf(this.name, [...(Array.isArray(chain) ? (chain as unknown[]) : []), issuing])
    return Object.freeze({
      certificate: leaf,
      chain: Object.freeze(above.filter((one) => !isSelfSigned(one))),
      roots: this.rootsOf(above),
    })
  }

  async roots(signal?: AbortSignal): Promise<readonly Certificate[]> {
    const { mount, issuer } = this.#options
    const path = issuer === undefined ? `${mount}/cert/ca_chain` : `${mount}/issuer/${issuer}`
    const { data } = await this.#token.with(
      (token) => this.#http.call({ method: 'GET', path, token, signal }),
      signal,
    )
    const { certificate, ca_chain: chain } = isJsonObject(data) ? data : ({} as JsonObject)
    // Older versions return all certificates in one text; newer ones also return a list.
    const listed: readonly unknown[] = Array.isArray(chain) ? chain : [chain]
    return this.rootsOf(certificatesOf(this.name, [certificate, ...listed]))
  }

  /** The roots in the certificates of an answer, or the configured ones. @throws ERR_CA_REPLY */
  rootsOf(chain: readonly Certificate[]): readonly Certificate[] {
    const roots = this.#options.roots ?? chain.filter(isSelfSigned)
    if (roots.length > 0) return Object.freeze([...roots])
    throw new PkiError(
      'ERR_CA_REPLY',
      `the chain of ${this.name} has no self-signed certificate; give its roots by the option roots`,
    )
  }
}
