// A dispatcher for `fetch` and undici (optional peer `undici`) over guarded connections.

import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Agent, buildConnector } from 'undici'
import { PkiError } from '../../../errors/index.ts'
import { GuardedConnector } from './clients.ts'
import type { TlsClientOptions } from './clients.ts'
import type { TlsIdentity } from '../tls-identity.ts'

/** The used part of undici. @inline */
interface UndiciModule {
  readonly Agent: typeof Agent
}

/** Options of `fetchDispatcher`. @inline */
export interface FetchDispatcherOptions extends TlsClientOptions {
  /** The module, if it cannot be imported by its name. */
  readonly undici?: UndiciModule | undefined
}

/**
 * A dispatcher for connections to one server identity: `fetch(url, { dispatcher })`.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 */
export async function fetchDispatcher(
  identity: TlsIdentity,
  options: FetchDispatcherOptions,
): Promise<Agent> {
  const { undici, ...client } = Object(options) as typeof options
  const connector = new GuardedConnector('fetchDispatcher', identity, client)
  const { Agent: UndiciAgent } = undici ?? (await importUndici())
  return new UndiciAgent({
    connect: (target, callback) => {
      openConnection(connector, target, callback)
    },
    ...(connector.maxAgeMs === Infinity ? {} : { clientTtl: connector.maxAgeMs }),
  })
}

function openConnection(
  connector: GuardedConnector,
  { hostname, port, servername, protocol }: buildConnector.Options,
  callback: buildConnector.Callback,
): void {
  if (protocol !== 'https:') {
    callback(
      new PkiError('ERR_INVALID_ARGUMENT', `fetchDispatcher: the URL must be https:, found ${protocol}`),
      null,
    )
    return
  }
  const name = servername ?? hostname
  let socket: TLSSocket
  try {
    socket = connector.connect({
      host: hostname,
      port: Number(port === '' ? 443 : port),
      ALPNProtocols: ['http/1.1'],
      ...(isIP(name) === 0 && name !== '' ? { servername: name } : {}),
    })
  } catch (error) {
    callback(error as Error, null)
    return
  }
  // undici limits the time of its own connections only.
  const stop = connector.identity.clock.schedule(() => {
    const seconds = connectTimeoutMs / 1000
    socket.destroy(new PkiError('ERR_TIMEOUT', `${hostname} was not connected within ${seconds} s`))
  }, connectTimeoutMs)
  const failed = (error: Error): void => {
    stop()
    callback(error, null)
  }
  socket.once('error', failed)
  socket.once('secureConnect', () => {
    stop()
    socket.off('error', failed)
    callback(null, socket)
  })
}

async function importUndici(): Promise<UndiciModule> {
  try {
    return await import('undici')
  } catch (cause) {
    throw new PkiError(
      'ERR_PEER_NOT_INSTALLED',
      'the package undici is required for fetchDispatcher: npm install undici',
      {
        cause,
      },
    )
  }
}

/** The default of undici. */
const connectTimeoutMs = 10_000
