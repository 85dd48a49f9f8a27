// The facts about one request, in the form that rules compare.

import { isPkiError } from '../../errors/index.ts'
import { parseIpAddress } from '../../internal/ip-address.ts'
import { istio, SpiffeId } from '../../spiffe/index.ts'
import type { TrustDomainAliases } from '../../spiffe/index.ts'
import { normalizePath } from './request-path.ts'
import type { PathNormalization } from './request-path.ts'

/** A request or a connection, as the calling code has verified it. Omit what is not known. @inline */
export interface AuthorizationRequest {
  /** The SPIFFE ID of the peer, authenticated by mutual TLS. Omitted: the peer is not authenticated. */
  readonly principal?: SpiffeId | string | undefined
  /** The claims of a verified token. Omitted: there is no token. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** The address of the peer of the connection: `ipBlocks`, `source.ip`. */
  readonly sourceIp?: string | undefined
  /**
   * The address of the original client, as trusted proxies report it: `remoteIpBlocks`, `remote.ip`. Default:
   * `sourceIp`.
   */
  readonly remoteIp?: string | undefined
  /** The local address of the connection. */
  readonly destinationIp?: string | undefined
  /** The local port of the connection. */
  readonly destinationPort?: number | undefined
  /** The server name of the TLS handshake. */
  readonly sni?: string | undefined
  /** The HTTP method; omit it for a connection that is not HTTP. */
  readonly method?: string | undefined
  /** The request target: path and query. */
  readonly path?: string | undefined
  /** The authority of the request, including the port if it was sent. */
  readonly host?: string | undefined
  /** By lower-case name; each is one value or a list of all values. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined
}

/** Texts of a request; undefined if they are not known. */
type KnownTexts = readonly string[] | undefined

/** A request, read once. */
export interface Facts {
  readonly http: boolean
  /** The principal under every name of its trust domain, without `spiffe://`. Empty: none. */
  readonly principals: KnownTexts
  readonly namespaces: KnownTexts
  /** `namespace/name`. */
  readonly serviceAccounts: KnownTexts
  readonly requestPrincipals: readonly string[]
  readonly claims: Readonly<Record<string, unknown>> | undefined
  readonly sourceIp: Uint8Array | undefined
  readonly remoteIp: Uint8Array | undefined
  readonly destinationIp: Uint8Array | undefined
  readonly port: string | undefined
  readonly sni: KnownTexts
  readonly methods: KnownTexts
  readonly paths: KnownTexts
  readonly hosts: KnownTexts
  readonly headers: AuthorizationRequest['headers']
}

/** A value that cannot be read counts as not known. Every HTTP request has a method, a path and a host. */
export function factsOf(
  request: AuthorizationRequest,
  aliases: TrustDomainAliases,
  normalization: PathNormalization,
): Facts {
  const { claims, destinationPort, headers, sourceIp } = request
  const id = idOf(request.principal)
  const workload = id && istio.tryParse(id)
  const nobody = request.principal !== undefined && id === undefined ? undefined : none
  const issuer = claimTexts(claims, ['iss'])[0]
  const subject = claimTexts(claims, ['sub'])[0]
  return {
    http: request.method !== undefined,
    principals: id === undefined ? nobody : namesOf(id, aliases),
    namespaces: workload === undefined ? nobody : [workload.namespace],
    serviceAccounts: workload === undefined ? nobody : [`${workload.namespace}/${workload.serviceAccount}`],
    requestPrincipals: issuer === undefined || subject === undefined ? none : [`${issuer}/${subject}`],
    claims,
    sourceIp: addressOf(sourceIp),
    remoteIp: addressOf(request.remoteIp ?? sourceIp),
    destinationIp: addressOf(request.destinationIp),
    port: destinationPort === undefined ? undefined : String(destinationPort),
    sni: request.sni === undefined ? none : texts(request.sni),
    methods: texts(request.method),
    paths: texts(request.path)?.map((path) => normalizePath(path, normalization)),
    hosts: texts(request.host),
    headers,
  }
}

/**
 * The texts of a claim: a string, or each string of a list. Scopes are a list in one string (RFC 8693 §4.2).
 */
export function claimTexts(
  claims: Readonly<Record<string, unknown>> | undefined,
  path: readonly string[],
): readonly string[] {
  let value: unknown = claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
      return none
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  if (Array.isArray(value)) return value.filter((one): one is string => typeof one === 'string')
  if (typeof value !== 'string') return none
  const isScopes = path.length === 1 && (path[0] === 'scope' || path[0] === 'permission')
  return isScopes && value.includes(' ') ? [value, ...value.split(' ')] : [value]
}

/**
 * The values of a header: each value and the joined values, or only the joined values for a match that must
 * hold for all. A list that is too long to split counts as not known.
 */
export function headerTexts({ headers }: Facts, name: string, each: boolean): KnownTexts {
  const value: unknown = headers !== undefined && Object.hasOwn(headers, name) ? headers[name] : undefined
  if (value === undefined) return none
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (!values.every((one) => typeof one === 'string')) return undefined
  const joined = values.join(',')
  if (!each || (values.length === 1 && !joined.includes(','))) return [joined]
  const listed = joined.split(',', maxListed + 1)
  if (listed.length > maxListed) return undefined
  return [joined, ...values, ...listed.map((one) => one.trim())]
}

function namesOf(id: SpiffeId, aliases: TrustDomainAliases): readonly string[] {
  try {
    return aliases.expand(id).map(nameOf)
  } catch (error) {
    // With a longer name of the trust domain the ID exceeds its maximum length: that name is skipped.
    if (!isPkiError(error, 'ERR_SPIFFE_ID_INVALID')) throw error
    return [id.trustDomain, aliases.trustDomain, ...aliases.aliases]
      .map((name) => SpiffeId.tryParse(`${scheme}${name.name}${id.path}`))
      .filter((one) => one !== undefined)
      .map(nameOf)
  }
}

function nameOf(id: SpiffeId): string {
  return id.toString().slice(scheme.length)
}

function idOf(principal: unknown): SpiffeId | undefined {
  if (principal instanceof SpiffeId) return principal
  return typeof principal === 'string' ? SpiffeId.tryParse(principal) : undefined
}

function addressOf(text: unknown): Uint8Array | undefined {
  return typeof text === 'string' ? parseIpAddress(text) : undefined
}

function texts(value: unknown): KnownTexts {
  return typeof value === 'string' ? [value] : undefined
}

const none: readonly string[] = []
const scheme = 'spiffe://'
const maxListed = 64
