// Authenticates clients of a proxy that terminates TLS, by the header (XFCC) of configured proxies that have
// authenticated themselves.

import { PkiError } from '../../errors/index.ts'
import { isInNetwork, parseIpAddress, parseIpNetwork } from '../../internal/ip-address.ts'
import type { IpNetwork } from '../../internal/ip-address.ts'
import { readOptions } from '../../internal/options.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { singleHeader } from '../jwt/bearer-token.ts'
import { authenticationError, checkCaller, requireAuthenticator } from '../require-caller.ts'
import { AcceptedTrustDomains } from '../spiffe/accepted-trust-domains.ts'
import { lastXfccElement, xfccHeader } from './xfcc-header.ts'
import type { XfccElement } from './xfcc-header.ts'

/** Options of `XfccAuthenticator`. @inline */
export interface XfccAuthenticatorOptions {
  /**
   * Networks of the proxies, such as `10.0.3.0/24`. Empty: the authenticator is disabled. Loopback addresses
   * are not exempt.
   */
  readonly proxyNetworks: readonly string[]
  /**
   * SPIFFE IDs of the proxies; `By` in the header must be the ID of the proxy that sent it. Empty: the
   * authenticator is disabled.
   */
  readonly proxyIdentities: readonly (SpiffeId | string)[]
  /** Verifies the proxy's own certificate: an `X509SvidAuthenticator` or `ClientCertificateAuthenticator`. */
  readonly proxyAuthenticator?: Authenticator
  /** Our own trust domain. */
  readonly trustDomain: TrustDomain | string
  /** Other trust domains whose identities proxies may forward. Default: none. */
  readonly federatesWith?: readonly (TrustDomain | string)[] | undefined
  /** Accepts proxies at every address; only their certificate is checked. */
  readonly dangerouslyAnyAddress?: boolean | undefined
  /**
   * Accepts every peer in the networks as a proxy: every process on those machines can then claim any
   * identity.
   */
  readonly dangerouslyWithoutProxyIdentity?: boolean | undefined
  /**
   * Accepts proxies as callers: without the header, the next authenticator may accept the certificate of the
   * proxy, and `URI` may name a proxy. A client without a certificate, or behind a second proxy, then has the
   * identity of that proxy.
   */
  readonly dangerouslyProxiesAsCallers?: boolean | undefined
}

/**
 * Authenticates by `x-forwarded-client-cert`. The peer must be in `proxyNetworks` and authenticate as one of
 * `proxyIdentities` by mutual TLS. Only the last element of the header counts, which this proxy appended: its
 * `By` names the proxy, its only `URI` the client. Subject and DNS names are ignored.
 *
 * Configure the proxy to write the header for every request: Envoy's `SANITIZE_SET` or `APPEND_FORWARD`. The
 * header from any other peer is refused. Also refused are a proxy without the header, because its client
 * presented no certificate, and a proxy behind a proxy: in both cases the client is not known. In `anyOf`,
 * place this authenticator before those of client certificates.
 *
 * @example
 * ```ts
 * const byProxy = new XfccAuthenticator({
 *   proxyNetworks: ['10.0.3.0/24'],
 *   proxyIdentities: ['spiffe://example.org/ns/istio-ingress/sa/gateway'],
 *   proxyAuthenticator: authenticator,
 *   trustDomain: 'example.org',
 * })
 * ```
 */
export class XfccAuthenticator implements Authenticator {
  /** `xfcc`. */
  readonly name = 'xfcc'
  readonly #networks: readonly IpNetwork[] | undefined
  readonly #identities: ReadonlySet<string>
  readonly #proxies: Authenticator | undefined
  readonly #accepted: AcceptedTrustDomains
  readonly #off: boolean
  readonly #proxiesAsCallers: boolean

  /** @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID, ERR_TRUST_DOMAIN_INVALID */
  constructor(options: XfccAuthenticatorOptions) {
    const read = readOptions<XfccAuthenticatorOptions>('XfccAuthenticator', options, {
      proxyNetworks: 'required',
      proxyIdentities: 'required',
      proxyAuthenticator: 'guard',
      trustDomain: 'required',
      federatesWith: 'optional',
      dangerouslyAnyAddress: 'optional',
      dangerouslyWithoutProxyIdentity: 'optional',
      dangerouslyProxiesAsCallers: 'optional',
    })
    const { proxyNetworks, proxyIdentities, proxyAuthenticator } = read
    const [anyAddress, noIdentity] = [
      read.dangerouslyAnyAddress === true,
      read.dangerouslyWithoutProxyIdentity === true,
    ]
    if (!Array.isArray(proxyNetworks) || !Array.isArray(proxyIdentities))
      throw bad('proxyNetworks and proxyIdentities must be lists')
    if (anyAddress && noIdentity)
      throw bad(
        'dangerouslyAnyAddress and dangerouslyWithoutProxyIdentity exclude each other: no check would remain',
      )
    this.#networks = anyAddress ? undefined : proxyNetworks.map(readNetwork)
    this.#identities = new Set(proxyIdentities.map((id) => SpiffeId.from(id as SpiffeId | string).toString()))
    this.#off = this.#identities.size === 0 || this.#networks?.length === 0
    if (!noIdentity && !this.#off) {
      if (proxyAuthenticator === undefined)
        throw bad('the option proxyAuthenticator is required; it authenticates the proxies')
      this.#proxies = requireAuthenticator('XfccAuthenticator', proxyAuthenticator)
    }
    this.#proxiesAsCallers = read.dangerouslyProxiesAsCallers === true
    this.#accepted = new AcceptedTrustDomains('XfccAuthenticator', read)
  }

  /** @throws ERR_CREDENTIAL_INVALID; what `proxyAuthenticator` throws */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    if (this.#off) return undefined
    const header = singleHeader(request, xfccHeader, maxHeaderLength)
    if (header === undefined) {
      this.#refuseProxyAlone(request)
      return undefined
    }
    if (!this.#isInNetworks(request))
      throw authenticationError(
        `${xfccHeader} from ${request.peer?.address ?? 'a peer without an address'}, which is not in ` +
          'proxyNetworks',
      )
    const proxy = await this.#proxyOf(request)
    const element = lastXfccElement(header)
    const by = element.by.filter((name) => this.#identities.has(name))
    if (by.length === 0 || (proxy !== undefined && !by.includes(proxy)))
      throw authenticationError(`By of ${xfccHeader} does not name the proxy that sent it`)
    const id = this.#clientOf(element)
    const { hash } = element
    if (hash !== undefined && !/^[0-9a-f]{64}$/i.test(hash))
      throw authenticationError(`Hash in ${xfccHeader} is not 64 hexadecimal digits`)
    const caller = {
      identities: [id],
      credential: 'xfcc',
      claims: {
        ...this.#accepted.require(id),
        proxy: proxy ?? by[0],
        ...(hash === undefined ? {} : { certificateSha256: hash.toLowerCase() }),
      },
    }
    return checkCaller(caller, this.name)
  }

  /** The one URI of the client's certificate. */
  #clientOf({ uri: uris }: XfccElement): SpiffeId {
    const [uri, ...more] = uris
    // X509-SVID §2: one URI. With two, it is not known which one the proxy verified.
    if (uri === undefined || more.length > 0)
      throw authenticationError(`${xfccHeader} has ${uris.length} values of URI; expected one`)
    const id = SpiffeId.tryParse(uri)
    if (id?.hasPath !== true)
      throw authenticationError(`URI in ${xfccHeader} is not the SPIFFE ID of a workload`)
    if (!this.#proxiesAsCallers && this.#identities.has(id.toString()))
      throw authenticationError(`URI in ${xfccHeader} is ${uri}, itself a proxy; expected the client`)
    return id
  }

  #isInNetworks({ peer }: AuthenticationRequest): boolean {
    if (this.#networks === undefined) return true
    const address = peer === undefined ? undefined : parseIpAddress(peer.address)
    return address !== undefined && this.#networks.some((network) => isInNetwork(address, network))
  }

  /**
   * Envoy writes no header for a client without a certificate: the next authenticator would accept the
   * proxy's own certificate as the client's. The certificate is not verified here, because the request is
   * refused in either case.
   */
  #refuseProxyAlone(request: AuthenticationRequest): void {
    if (this.#proxiesAsCallers || !this.#isInNetworks(request)) return
    for (const name of request.tls?.presentedChain[0]?.subjectAltName ?? [])
      if (name.type === 'uri' && this.#identities.has(name.value))
        throw authenticationError(
          `the proxy ${name.value} sent a request without ${xfccHeader}, the header that names its client`,
        )
  }

  /** The authenticated identity of the proxy; undefined if it does not have to authenticate. */
  async #proxyOf(request: AuthenticationRequest): Promise<string | undefined> {
    if (this.#proxies === undefined) return undefined
    const shown = await this.#proxies.authenticate(request)
    const id = shown?.identities.map(String).find((name) => this.#identities.has(name))
    if (id !== undefined) return id
    throw authenticationError(
      `${xfccHeader} from a peer that ` +
        (shown === undefined
          ? 'presented no certificate'
          : `is ${shown.identities.join()}, which is not in proxyIdentities`),
    )
  }
}

function readNetwork(text: string): IpNetwork {
  const network = parseIpNetwork(text)
  // ::/0, and 0.0.0.0/0 in the mapped form.
  if (
    network.bits === 0 ||
    (network.bits === 96 && network.octets.every((octet, at) => at >= 10 || octet === 0))
  )
    throw bad(`the network ${text} contains every address; use dangerouslyAnyAddress for that`)
  return network
}

function bad(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `XfccAuthenticator: ${what}`)
}

const maxHeaderLength = 16 * 1024
