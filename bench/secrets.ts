// secrets/… and tls/…: an identity from memory beside a Map; handshakes and requests by SPIFFE ID beside
// Node's own verification of the same chain.

import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { Agent, fetch } from 'undici'
import {
  connectTls,
  createHttpsServer,
  createTlsIdentity,
  fetchDispatcher,
  httpsAgent,
} from '../src/adapters/tls/index.ts'
import type { TlsIdentity } from '../src/adapters/tls/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../src/ca/index.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../src/keys/index.ts'
import { createX509Source, createX509Sources, localCaClient } from '../src/secrets/index.ts'
import type { CaClient } from '../src/secrets/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { measureCpuTurns } from './cpu-turns.ts'
import type { BenchRow, SelfMeasuredRow } from './row.ts'

const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer })
const issuance = createIssuanceService({ authority })
const caFor = (id: SpiffeId): CaClient =>
  localCaClient(issuance, { identities: [id], credential: 'bench', claims: {} })
const [clientId, serverId] = ['spiffe://example.org/client', 'spiffe://example.org/server']

const hits = 1_000
const ids = Array.from({ length: hits }, (_, at) => `spiffe://example.org/ns/prod/sa/w${at}`)
const sources = createX509Sources({ caFor })
const map = new Map<string, object>()
const hitAll = (): void => {
  for (const id of ids) if (sources.current(id) === undefined) throw new Error(`${id} is not held`)
}

async function identityOf(id: string): Promise<TlsIdentity> {
  const source = createX509Source({ ca: caFor(SpiffeId.parse(id)), id })
  await source.ready()
  return createTlsIdentity({ source })
}

const [server, client] = [await identityOf(serverId), await identityOf(clientId)]
const pem = ({ current }: TlsIdentity) => ({
  cert: current.svid.toPem(),
  key: exportPrivateKey(current.privateKey),
  ca: certificate.toPem(),
})
const answer = (_request: unknown, response: { end(text: string): unknown }): void => void response.end('ok')
const guarded = createHttpsServer(server, { authorize: clientId }, answer)
const plain = https.createServer({ ...pem(server), requestCert: true, rejectUnauthorized: true }, answer)
// The context is made once, as ours is for each certificate.
const secureContext = tls.createSecureContext(pem(client))
const plainClient = { secureContext, checkServerIdentity: () => undefined, host: '127.0.0.1' }
const portOf = (of: https.Server): number => (of.address() as AddressInfo).port
async function listen(): Promise<void> {
  for (const one of [guarded, plain]) {
    if (one.listening) continue
    one.listen(0, '127.0.0.1')
    await once(one, 'listening')
    // The last row closes them; a run that a filter cut short ends without.
    one.unref()
  }
}
async function handshake(socket: tls.TLSSocket): Promise<void> {
  await once(socket, 'secureConnect')
  socket.destroy()
}
function request(agent: https.Agent | undefined, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    https
      .get({ host: '127.0.0.1', port, ...(agent === undefined ? {} : { agent }) }, (response) => {
        response.resume()
        response.on('end', resolve)
      })
      .on('error', reject)
  })
}

// Each request on a new connection that resumes the session of the one before.
const resuming = httpsAgent(client, { id: serverId, node: { keepAlive: false } })
const plainResuming = new https.Agent({ ...plainClient, keepAlive: false })
const load = async (dispatcher: Agent, port: number): Promise<void> => {
  const response = await fetch(`https://127.0.0.1:${port}/`, { dispatcher })
  await response.text()
}
const close = async (): Promise<void> => {
  for (const one of [guarded, plain]) {
    one.closeAllConnections()
    one.close()
  }
}

export const rows: readonly (BenchRow | SelfMeasuredRow)[] = [
  {
    name: 'secrets/cache-hit',
    operations: hits,
    setup: async () => {
      for (const id of ids) map.set(id, await sources.identity(id))
    },
    ours: hitAll,
    peers: {
      'Map.get': () => {
        for (const id of ids) if (map.get(id) === undefined) throw new Error(`${id} is not held`)
      },
    },
    extra: async () => {
      // CPU time: the goal is one of this process, whatever its neighbours do.
      const start = process.cpuUsage()
      for (let round = 0; round < 500; round++) hitAll()
      const { user, system } = process.cpuUsage(start)
      return { 'ns per hit': ((user + system) * 1000) / (500 * hits) }
    },
    goals: { 'ns per hit': 1_000 },
    teardown: async () => sources[Symbol.asyncDispose](),
  },
  {
    name: 'tls/handshake',
    setup: listen,
    ours: () => handshake(connectTls(client, { id: serverId, host: '127.0.0.1', port: portOf(guarded) })),
    peers: { 'node:tls': () => handshake(tls.connect({ ...plainClient, port: portOf(plain) })) },
    goals: { 'node:tls': 1 / 1.15 },
  },
  {
    name: 'tls/resumed',
    bars: { 'node:https': 0.8 },
    goals: { 'node:https': 1 / 1.05 },
    measure: async (options) => {
      await listen()
      const ours = (): Promise<void> => request(resuming, portOf(guarded))
      const peers = { 'node:https': () => request(plainResuming, portOf(plain)) }
      const calls = Math.ceil(options.turnMs / 5)
      return measureCpuTurns({ name: 'tls/resumed', ours, peers, calls }, options)
    },
  },
  {
    name: 'tls/fetch',
    goals: { undici: 0.97 },
    measure: async (options) => {
      await listen()
      const own = await fetchDispatcher(client, { id: serverId })
      const bare = new Agent({ connect: { ...plainClient } })
      const ours = (): Promise<void> => load(own, portOf(guarded))
      const peers = { undici: () => load(bare, portOf(plain)) }
      try {
        return await measureCpuTurns({ name: 'tls/fetch', ours, peers, calls: options.turnMs }, options)
      } finally {
        await Promise.all([own.close(), bare.close()])
        await close()
      }
    },
  },
]
