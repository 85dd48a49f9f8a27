// Clients of node:tls, https and http2, each with one authorization, which send no data before the server is
// verified.

import { Agent } from 'node:https'
import type { AgentOptions, RequestOptions } from 'node:https'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { requireCount } from '../../../internal/numbers.ts'
import { checkTextLists, checkTexts } from '../../../internal/option-types.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { SessionCache, connectGuarded } from './connect-tls.ts'
import { matcherOf } from '../peer-verifier.ts'
import type { PeerAuthorization } from '../peer-verifier.ts'
import { requireTlsIdentity } from '../tls-identity.ts'
import type { SourceTlsIdentity, TlsIdentity } from '../tls-identity.ts'

/** The server that a client accepts. @inline */
export interface TlsClientOptions {
  /** The expected SPIFFE ID of the server, or a matcher; required, without a default. */
  readonly id: PeerAuthorization
  /**
   * The maximum age of a kept-alive connection for another request. Default 24 hours; Infinity for no limit.
   */
  readonly maxConnectionAgeSeconds?: number | undefined
  /**
   * The number of sessions kept for resumption; a resumed server is validated again. Default 100; 0 for none.
   */
  readonly maxSessions?: number | undefined
}

const optionKinds: OptionKinds<TlsClientOptions> = {
  id: 'required',
  maxConnectionAgeSeconds: 'optional',
  maxSessions: 'optional',
}

/** Opens guarded connections of one identity to servers of one authorization. */
export class GuardedConnector {
  readonly identity: SourceTlsIdentity
  readonly maxAgeMs: number
  readonly #connect: (options: ConnectionOptions) => TLSSocket

  constructor(caller: string, identity: TlsIdentity, options: TlsClientOptions) {
    const {
      id,
      maxConnectionAgeSeconds = 86_400,
      maxSessions = 100,
    } = readOptions(caller, options, optionKinds)
    requireCount('maxConnectionAgeSeconds', maxConnectionAgeSeconds, 1, Infinity)
    requireCount('maxSessions', maxSessions, 0)
    const own = requireTlsIdentity(identity)
    const authorize = matcherOf(id)
    const sessions = new SessionCache(maxSessions)
    this.identity = own
    this.maxAgeMs = maxConnectionAgeSeconds * 1000
    this.#connect = (connection) => connectGuarded(own, authorize, sessions, connection)
  }

  connect(options: ConnectionOptions): TLSSocket {
    return this.#connect(options)
  }
}

/** Options of `connectTls`. @inline */
export interface ConnectTlsOptions extends Pick<TlsClientOptions, 'id'> {
  readonly host: string
  readonly port: number
  /** Protocols to offer, preferred first, such as `['h2']`. */
  readonly alpn?: readonly string[] | undefined
}

/**
 * A TLS connection to one server. Data written early is sent only after the server is accepted.
 *
 * @throws ERR_SVID_UNAVAILABLE, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID. If the server is refused, the
 * socket emits `error` with ERR_TLS_PEER
 */
export function connectTls(identity: TlsIdentity, options: ConnectTlsOptions): TLSSocket {
  const { host, port, alpn, ...client } = Object(options) as typeof options
  const connector = new GuardedConnector('connectTls', identity, { ...client, maxSessions: 0 })
  checkTexts('connectTls', { host })
  checkTextLists('connectTls', { alpn })
  requireCount('connectTls: port', port, 1, 65_535)
  return connector.connect({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
  })
}

/**
 * An agent for `https.request` and compatible clients. It does not share kept-alive connections with other
 * agents, so a connection verified for another SPIFFE ID is never used.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * const agent = httpsAgent(identity, { id: 'spiffe://example.org/ns/prod/sa/orders' })
 * https.get('https://orders.internal:8443/', { agent }, (response) => response.pipe(process.stdout))
 * ```
 */
export function httpsAgent(
  identity: TlsIdentity,
  options: TlsClientOptions & { readonly node?: Omit<AgentOptions, keyof ConnectionOptions> },
): Agent {
  const { node, ...client } = Object(options) as typeof options
  return new GuardedAgent(new GuardedConnector('httpsAgent', identity, client), node)
}

type OpenedConnection = (error: Error | null, socket?: Duplex) => void

class GuardedAgent extends Agent {
  readonly #connector: GuardedConnector
  readonly #openedMs = new WeakMap<Duplex, number>()

  constructor(connector: GuardedConnector, node: AgentOptions = {}) {
    // The connector keeps the sessions: Node's cache would resume without a chain to validate.
    super({ keepAlive: true, ...node, maxCachedSessions: 0 })
    this.#connector = connector
    // @types/node declares neither method on https.Agent; both are documented for http.Agent.
    Object.assign(this, {
      createConnection: (options: RequestOptions, done: OpenedConnection): TLSSocket | undefined => {
        // Node also opens connections for waiting requests, where an exception would be uncaught.
        try {
          return this.#open(options)
        } catch (error) {
          done(error as Error)
          return undefined
        }
      },
      keepSocketAlive: (socket: Duplex): boolean => this.#keep(socket),
    })
  }

  #open({ host, port, servername, socketPath, ...request }: RequestOptions): TLSSocket {
    const socket = this.#connector.connect({
      ...transportOf(request),
      ...(typeof socketPath === 'string'
        ? { path: socketPath }
        : { host: host ?? 'localhost', port: Number(port ?? 443) }),
      ALPNProtocols: ['http/1.1'],
      ...(servername === undefined || servername === '' ? {} : { servername }),
    })
    this.#openedMs.set(socket, this.#connector.identity.clock.monotonic())
    return socket
  }

  #keep(socket: Duplex): boolean {
    const ageMs = this.#connector.identity.clock.monotonic() - (this.#openedMs.get(socket) ?? -Infinity)
    return ageMs < this.#connector.maxAgeMs && nodeAgent.keepSocketAlive.call(this, socket)
  }
}

/** Not in @types/node for https.Agent either. */
const nodeAgent = Agent.prototype as Agent & { keepSocketAlive(this: Agent, socket: Duplex): boolean }

/** The connection options of a request that must be kept, for example a `lookup` that refuses addresses. */
function transportOf({ lookup, family, hints, localAddress, localPort }: RequestOptions): ConnectionOptions {
  // Node treats undefined as absent.
  return { lookup, family, hints, localAddress, localPort } as ConnectionOptions
}
