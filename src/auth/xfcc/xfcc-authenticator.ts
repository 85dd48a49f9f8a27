// Clients of a proxy that ends TLS, by the header it writes: only from proxies that are configured, and that
// have shown who they are.

import { PkiError } from '../../errors/index.ts'
import { isInNetwork, parseIpAddress, parseIpNetwork } from '../../internal/ip-address.ts'
import type { IpNetwork } from '../../internal/ip-address.ts'
import { readOptions } from '../../internal/options.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { singleHeader } from '../jwt/bearer-token.ts'
import { authenticationError, requireAuthenticator } from '../require-caller.ts'
import { AcceptedTrustDomains } from '../spiffe/accepted-trust-domains.ts'
import { lastXfccElement, xfccHeader } from './xfcc-header.ts'
import type { XfccElement } from './xfcc-header.ts'

/** Options of `XfccAuthenticator`. @inline */
export interface XfccAuthenticatorOptions {
  /**
   * Networks of the proxies, such as `10.0.3.0/24`. Empty: the authenticator is off. Loopback is an address
   * like any other.
   */
  readonly proxyNetworks: readonly string[]
  /**
   * SPIFFE IDs of the proxies; `By` of the header must be that of the proxy which sent it. Empty: the
   * authenticator is off.
   */
  readonly proxyIdentities: readonly (SpiffeId | string)[]
  /** Verifies the proxy's own certificate: an `X509SvidAuthenticator` or `ClientCertificateAuthenticator`. */
  readonly proxyAuthenticator?: Authenticator | undefined
  /** Our own trust domain. */
  readonly trustDomain: TrustDomain | string
  /** Others whose identities proxies may forward. Default none. */
  readonly federatesWith?: readonly (TrustDomain | string)[] | undefined
  /** Takes proxies at every address, and asks for their certificate alone. */
  readonly dangerouslyAnyAddress?: boolean | undefined
  /** Takes whoever is in the networks for a proxy: everything on those machines can then be anybody. */
  readonly dangerouslyWithoutProxyIdentity?: boolean | undefined
  /**
   * Takes a proxy for a caller too: without the header, the next authenticator may take its certificate, and
   * `URI` may name one. Whoever a proxy forwards without a certificate, or from another proxy, is then that
   * proxy.
   */
  readonly dangerouslyProxiesAsCallers?: boolean | undefined
}

/**
 * Authenticates by `x-forwarded-client-cert`. The peer is in `proxyNetworks` and has shown, by mutual TLS,
 * one of `proxyIdentities`; of the header only the last element counts, which this proxy appended; its `By`
 * names the proxy and its one `URI` the client. Subject and DNS names are not read.
 *
 * The proxy has to write the header for every request: Envoy's `SANITIZE_SET` or `APPEND_FORWARD`. The header
 * from another peer is refused. So is a proxy without the header, whose client has shown no certificate, and
 * a proxy behind a proxy: neither is the caller. Therefore it stands before an authenticator of certificates
 * in `anyOf`.
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
      throw bad('proxyNetworks and proxyIdentities are lists')
    if (anyAddress && noIdentity)
      throw bad(
        'dangerouslyAnyAddress and dangerouslyWithoutProxyIdentity exclude each other: nothing would be left',
      )
    this.#networks = anyAddress ? undefined : proxyNetworks.map(readNetwork)
    this.#identities = new Set(proxyIdentities.map((id) => SpiffeId.from(id as SpiffeId | string).toString()))
    this.#off = this.#identities.size === 0 || this.#networks?.length === 0
    if (!noIdentity && !this.#off) {
      if (proxyAuthenticator === undefined)
        throw bad('the option proxyAuthenticator is required: without it nobody has to show who they are')
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
        `${xfccHeader} from ${request.peer?.address ?? 'a peer without an address'}, which is in no ` +
          'network of proxies',
      )
    const proxy = await this.#proxyOf(request)
    const element = lastXfccElement(header)
    const by = element.by.filter((name) => this.#identities.has(name))
    if (by.length === 0 || (proxy !== undefined && !by.includes(proxy)))
      throw authenticationError(`By of ${xfccHeader} does not name the proxy that sent it`)
    const id = this.#clientOf(element)
    const { hash } = element
    if (hash !== undefined && !/^[0-9a-f]{64}$/i.test(hash))
      throw authenticationError(`Hash in ${xfccHeader} is no SHA-256`)
    return {
      identities: [id],
      credential: 'xfcc',
      claims: {
        ...this.#accepted.require(id),
        proxy: proxy ?? by[0],
        ...(hash === undefined ? {} : { certificateSha256: hash.toLowerCase() }),
      },
    }
  }

  /** The one URI of the client's certificate. */
  #clientOf({ uri: uris }: XfccElement): SpiffeId {
    const [uri, ...more] = uris
    // X509-SVID §2: one URI; which of two the proxy has looked at nobody can tell.
    if (uri === undefined || more.length > 0)
      throw authenticationError(`${uris.length} values of URI in ${xfccHeader}; one is wanted`)
    const id = SpiffeId.tryParse(uri)
    if (id?.hasPath !== true)
      throw authenticationError(`URI in ${xfccHeader} is not the SPIFFE ID of a workload`)
    if (!this.#proxiesAsCallers && this.#identities.has(id.toString()))
      throw authenticationError(
        `URI in ${xfccHeader} is ${uri}, itself a proxy; the client behind it is not known here`,
      )
    return id
  }

  #isInNetworks({ peer }: AuthenticationRequest): boolean {
    if (this.#networks === undefined) return true
    const address = peer === undefined ? undefined : parseIpAddress(peer.address)
    return address !== undefined && this.#networks.some((network) => isInNetwork(address, network))
  }

  /**
   * Envoy writes no header for a client without a certificate: another authenticator would take the proxy's
   * own certificate for that of the client. Whether the certificate is valid does not matter here: nobody who
   * presents it is let in.
   */
  #refuseProxyAlone(request: AuthenticationRequest): void {
    if (this.#proxiesAsCallers || !this.#isInNetworks(request)) return
    for (const name of request.tls?.presentedChain[0]?.subjectAltName ?? [])
      if (name.type === 'uri' && this.#identities.has(name.value))
        throw authenticationError(
          `a request of the proxy ${name.value} without ${xfccHeader}; expected the header that names its ` +
            'client',
        )
  }

  /** The identity that the proxy has shown; undefined where none is asked for. */
  async #proxyOf(request: AuthenticationRequest): Promise<string | undefined> {
    if (this.#proxies === undefined) return undefined
    const shown = await this.#proxies.authenticate(request)
    const id = shown?.identities.map(String).find((name) => this.#identities.has(name))
    if (id !== undefined) return id
    throw authenticationError(
      `${xfccHeader} from a peer that ` +
        (shown === undefined ? 'has shown no certificate' : `is ${shown.identities.join()}, no proxy`),
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
    throw bad(`${text} is every address; dangerouslyAnyAddress says so`)
  return network
}

function bad(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `XfccAuthenticator: ${what}`)
}

const maxHeaderLength = 16 * 1024
