// The server under attack, in a process of its own: what it measures is its own event loop and memory.

import { Server } from '@grpc/grpc-js'
import { createCertificateServer, listenGrpc } from '../../src/adapters/grpc/index.ts'
import { ClientCertificateAuthenticator } from '../../src/auth/index.ts'
import { callerOf, testPki, tlsCredential } from '../support/pki.ts'
import { tlsIdentityOf } from '../support/tls-identity.ts'

const pki = await testPki()
const byCertificate = new ClientCertificateAuthenticator({ bundles: pki.authority })
let release = (): void => undefined
const released = new Promise<void>((resolve) => (release = resolve))
const server = await createCertificateServer({
  issuance: pki.issuance,
  authenticator: {
    name: 'attacked',
    authenticate: async (request) => {
      if (request.header('x-caller')[0] === 'good') return callerOf()
      if (request.header('x-caller')[0] === 'slow') await released // does not look at the signal
      return byCertificate.authenticate(request)
    },
  },
  tls: { ...(await tlsCredential(pki)), clientRoots: pki.root.toPem() },
  tokenPort: 0,
})
const identity = await tlsIdentityOf(pki, 'spiffe://example.org/served')
const mesh = await listenGrpc(new Server(), identity, { authorize: 'spiffe://example.org/client' })

// CPU time between two timers: what this loop was kept busy for, whatever else the machine does.
let stallMs = 0
let last = process.cpuUsage()
setInterval(() => {
  const { user, system } = process.cpuUsage(last)
  last = process.cpuUsage()
  stallMs = Math.max(stallMs, (user + system) / 1000)
}, 1)

const commands = {
  reset: () => {
    last = process.cpuUsage()
    stallMs = 0
    return {}
  },
  stall: () => ({ stallMs }),
  // Ask for the stall first: a full collection takes longer.
  stats: () => {
    ;(globalThis as { gc?: () => void }).gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return { octets: heapUsed + external, connections: server.connections }
  },
  release: () => {
    release()
    return {}
  },
} as const

process.on('message', (command: keyof typeof commands) => process.send?.(commands[command]()))
process.on('disconnect', () => process.exit(0))
process.send?.({
  ...{ port: server.port, tokenPort: server.tokenPort, meshPort: mesh.port },
  root: pki.root.toPem(),
})
