// A real Envoy from a bootstrap that a test writes: started, live, with the ports of its listeners.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { envoyBinary } from './requires.ts'

/** A running Envoy. */
export interface Envoy extends AsyncDisposable {
  /** By the name of the listener; only those on a port. */
  readonly ports: ReadonlyMap<string, number>
}

interface ListenerStatus {
  readonly name: string
  readonly local_address: { readonly socket_address?: { readonly port_value: number } }
}

/** The bootstrap's address for a listener on a free port of loopback. */
export const freePort: object = { socket_address: { address: '127.0.0.1', port_value: 0 } }

/** A cluster of the bootstrap with one endpoint. */
export function envoyCluster(name: string, address: object, more: object = {}): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    ...more,
  }
}

const http2 = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** Fields of a cluster that is spoken to by HTTP/2. */
export const overHttp2: object = {
  typed_extension_protocol_options: {
    [http2]: {
      '@type': `type.googleapis.com/${http2}`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
}

/** Starts Envoy with its files in `directory`, and waits until it is live; for `beforeAll`. */
export async function startEnvoy(directory: string, staticResources: object): Promise<Envoy> {
  const config = join(directory, 'bootstrap.json')
  const admin = join(directory, 'admin')
  const bootstrap = {
    node: { id: 'test-node', cluster: 'test' },
    admin: { address: freePort },
    static_resources: staticResources,
  }
  writeFileSync(config, JSON.stringify(bootstrap), { mode: 0o600 })
  const flags = ['--concurrency', '1', '--disable-hot-restart', '-l', 'error', '--admin-address-path', admin]
  const envoy = spawn(envoyBinary()!, ['-c', config, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = async (): Promise<void> => void envoy.kill('SIGKILL')
  let errors = ''
  envoy.stderr.on('data', (text) => (errors += String(text)))
  try {
    return { ports: await listeningPorts(admin, () => errors), [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The ports, as soon as Envoy is live; `errors` is what it has written until now. */
async function listeningPorts(admin: string, errors: () => string): Promise<ReadonlyMap<string, number>> {
  const waiting = { timeout: 60_000, interval: 20 }
  const address = (): string => (existsSync(admin) ? readFileSync(admin, 'utf8').trim() : errors())
  await vi.waitFor(() => expect(address()).toMatch(/^127\.0\.0\.1:\d+$/), waiting)
  const get = (path: string): Promise<string> =>
    fetch(`http://${address()}${path}`).then(
      (response) => response.text(),
      () => '',
    )
  await vi.waitFor(async () => expect(await get('/ready')).toContain('LIVE'), waiting)
  const { listener_statuses: listeners } = JSON.parse(await get('/listeners?format=json')) as {
    listener_statuses: readonly ListenerStatus[]
  }
  const ports = new Map<string, number>()
  for (const { name, local_address: local } of listeners)
    if (local.socket_address !== undefined) ports.set(name, local.socket_address.port_value)
  return ports
}
