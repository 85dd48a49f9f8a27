// A role of Vault's PKI secrets engine that signs leaves, for a registration authority.

import type { RemoteSigner } from '../../ca/index.ts'
import { certificatesOf, isSelfSigned } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { isJsonObject } from '../../internal/json.ts'
import type { JsonObject } from '../../internal/json.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { formatIpAddress } from '../../x509/internal.ts'
import type { GeneralName } from '../../x509/index.ts'
import { VaultUpstream, readVaultUpstreamOptions } from './vault-upstream.ts'
import type { VaultUpstreamOptions } from './vault-upstream.ts'
import type { VaultHttp } from './vault-http.ts'
import type { VaultToken } from './vault-token.ts'

/** Options of `VaultClient.signer`. @inline */
export interface VaultSignerOptions extends VaultUpstreamOptions {
  /**
   * The role of the mount. It must have `use_csr_common_name`, `use_csr_sans` and `require_cn` false, and
   * allow
   * the names: `allowed_uri_sans` with `spiffe://<trust domain>/*`.
   */
  readonly role: string
}

type Request = Parameters<RemoteSigner['sign']>[0]
type Answer = Awaited<ReturnType<RemoteSigner['sign']>>

/** Signs through `sign` of the role, with the names of the policy's decision. */
export class VaultSigner implements RemoteSigner {
  readonly name: string
  readonly #http: VaultHttp
  readonly #token: VaultToken
  readonly #path: string
  readonly #upstream: VaultUpstream

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(http: VaultHttp, token: VaultToken, options: VaultSignerOptions) {
    const { role, ...mounted } = readOptions('signer', options, {
      role: 'required',
      mount: 'guard',
      issuer: 'guard',
      roots: 'guard',
    })
    if (typeof role !== 'string' || !/^[\w.-]{1,128}$/.test(role) || /^\.+$/.test(role))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `signer: role must be the name of a role, found ${nameOf(role)}`,
      )
    const read = readVaultUpstreamOptions(mounted)
    const { mount, issuer } = read
    this.#path = issuer === undefined ? `${mount}/sign/${role}` : `${mount}/issuer/${issuer}/sign/${role}`
    this.#upstream = new VaultUpstream(http, token, read)
    this.#http = http
    this.#token = token
    this.name = `${this.#upstream.name} role ${role}`
  }

  async sign({ csr, subjectAltName, subject, ttlSeconds, signal }: Request): Promise<Answer> {
    if (subject !== undefined)
      throw new PkiError('ERR_CA_REFUSED', `${this.name} signs certificates with an empty subject only`)
    const body = {
      csr: csr.toPem(),
      format: 'pem',
      ttl: `${ttlSeconds}s`,
      exclude_cn_from_sans: true,
      ...namesOf(subjectAltName),
    }
    const { data } = await this.#token.with(
      (token) => this.#http.call({ method: 'POST', path: this.#path, body, token, signal }),
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
      roots: this.#upstream.rootsOf(above),
    })
  }

  roots(signal?: AbortSignal): Promise<Answer['roots']> {
    return this.#upstream.roots(signal)
  }
}

/**
 * Vault takes lists as text with commas, so a name with a comma would become two names. @throws
 * ERR_CA_REFUSED
 */
function namesOf(names: readonly GeneralName[]): JsonObject {
  const lists: Record<'uri_sans' | 'alt_names' | 'ip_sans', string[]> = {
    uri_sans: [],
    alt_names: [],
    ip_sans: [],
  }
  for (const name of names) {
    if (name.type === 'uri') lists.uri_sans.push(name.value)
    else if (name.type === 'dns') lists.alt_names.push(name.value)
    else if (name.type === 'ip') lists.ip_sans.push(formatIpAddress(name.address))
    else throw new PkiError('ERR_CA_REFUSED', `names of the type ${name.type} cannot be sent to Vault`)
  }
  const all = [...lists.uri_sans, ...lists.alt_names]
  if (all.some((name) => /[,\s]/.test(name)))
    throw new PkiError('ERR_CA_REFUSED', 'a name with a comma or a space cannot be sent to Vault')
  return Object.fromEntries(Object.entries(lists).map(([key, list]) => [key, list.join(',')]))
}
