// The factory of TLS identities, which ties identity, gate and servers together.

import type { Duplex } from 'node:stream'
import type { Server, TLSSocket } from 'node:tls'
import { checkTextLists, checkTexts } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { peerOf } from './accept-peer.ts'
import { SessionCache, connectGuarded } from './client/connect-tls.ts'
import type { TlsPeerIdentity } from './connection-registry.ts'
import { matcherOf } from './peer-verifier.ts'
import { createTlsServer } from './servers.ts'
import { SourceTlsIdentity } from './tls-identity.ts'
import type {
  SecureClientOptions,
  SecureServerOptions,
  TlsIdentity,
  TlsIdentityOptions,
} from './tls-identity.ts'

/**
 * Creates the TLS identity of a source. Await `source.ready()` before the first connection.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const identity = createTlsIdentity({ source })
 * const authorize = match.id('spiffe://example.org/client')
 * const server = createHttpsServer(identity, { authorize }, (request, response) => response.end('hello'))
 * ```
 */
export function createTlsIdentity(options: TlsIdentityOptions): TlsIdentity {
  return new GuardingTlsIdentity(readOptions('createTlsIdentity', options, optionKinds))
}

const optionKinds: OptionKinds<TlsIdentityOptions> = {
  source: 'required',
  revocation: 'guard',
  recheckSeconds: 'optional',
  minVersion: 'guard',
  clock: 'optional',
  logger: 'optional',
}

const clientKinds: OptionKinds<SecureClientOptions> = {
  id: 'required',
  alpn: 'optional',
  servername: 'optional',
}
const serverKinds: OptionKinds<SecureServerOptions> = {
  authorize: 'required',
  alpn: 'optional',
  maxConnectionAgeSeconds: 'optional',
}

class GuardingTlsIdentity extends SourceTlsIdentity implements TlsIdentity {
  secureClient(socket: Duplex, given: SecureClientOptions): TLSSocket {
    const { id, alpn, servername } = readOptions('secureClient', given, clientKinds)
    checkTextLists('secureClient', { alpn })
    checkTexts('secureClient', { servername })
    return connectGuarded(this, matcherOf(id), new SessionCache(0), {
      socket,
      ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
      ...(servername === undefined ? {} : { servername }),
    })
  }

  secureServer(
    given: SecureServerOptions,
    onConnection: (socket: TLSSocket, peer: TlsPeerIdentity) => void,
  ): Server {
    const { alpn, ...guard } = readOptions('secureServer', given, serverKinds)
    checkTextLists('secureServer', { alpn })
    const node = alpn === undefined ? {} : { ALPNProtocols: [...alpn] }
    return createTlsServer(this, { ...guard, node }, (socket) => {
      // Without a certificate, the guard accepts no peer.
      onConnection(socket, peerOf(socket) as TlsPeerIdentity)
    })
  }
}
