// Two trust domains, identities of every sort, and raw ends of TLS connections that do not use our gate.

import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2'
import type { OutgoingHttpHeaders } from 'node:http2'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import * as tls from 'node:tls'
import { createTlsIdentity } from '../../../../src/adapters/tls/index.ts'
import type { TlsIdentity } from '../../../../src/adapters/tls/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../../../src/ca/index.ts'
import type { CertificateAuthority } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { systemClock } from '../../../../src/runtime/index.ts'
import type { Clock } from '../../../../src/runtime/index.ts'
import { createX509Source, localCaClient } from '../../../../src/secrets/index.ts'
import type { X509Source } from '../../../../src/secrets/index.ts'
import { TrustBundleSet } from '../../../../src/svid/index.ts'
import type { TrustBundle } from '../../../../src/svid/index.ts'
import type { RevocationChecker } from '../../../../src/validation/index.ts'
import { Certificate, buildCertificateRequest } from '../../../../src/x509/index.ts'
import { callerOf } from '../../../support/pki.ts'

export interface Credentials {
  readonly cert?: string
  readonly key?: string
}

/** The world that a door stands in. */
export interface World {
  /** What the guarded side knows and can be told. */
  readonly bundles: TrustBundleSet
  readonly revoked: Set<string>
  readonly identity: TlsIdentity
  readonly source: X509Source
  /** Credentials for a raw peer. */
  credentialsOf(id: string, options?: { ttlSeconds?: number; domain?: string }): Promise<Credentials>
  /** Another root that claims to be example.org. */
  readonly impostor: CertificateAuthority
}

const ownId = 'spiffe://example.org/self'
export const peerId = 'spiffe://example.org/peer'
/** An hour ahead of the certificates of raw peers, so that a short one has expired. */
const ahead: Clock = { ...systemClock, now: () => Date.now() + 3_600_000 }

async function authorityOf(trustDomain: string): Promise<CertificateAuthority> {
  const signer = await SoftwareSigner.generate('P-256')
  const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  return createCertificateAuthority({ trustDomain, certificate: root, signer })
}

/** Knows what is revoked by the serial numbers in a set. */
export function checkerOf(revoked: ReadonlySet<string>): RevocationChecker {
  return {
    check: ({ certificate }) =>
      revoked.has(certificate.serialNumber)
        ? { code: 'ERR_REVOKED', certificate, rule: 'test', message: 'revoked' }
        : undefined,
  }
}

/**
 * Its bundles tell nobody of a change, so that sessions and connections of before meet the new roots: with
 * `tells` they do.
 */
export async function openWorld({ tells = false }: { readonly tells?: boolean } = {}): Promise<World> {
  const authorities: Record<string, CertificateAuthority> = {
    'example.org': await authorityOf('example.org'),
    'example.com': await authorityOf('example.com'),
    impostor: await authorityOf('example.org'),
  }
  const bundles = new TrustBundleSet([
    authorities['example.org']!.trustBundle(),
    authorities['example.com']!.trustBundle(),
  ])
  const revoked = new Set<string>()
  const issuance = createIssuanceService({ authority: authorities['example.org']! })
  const source = createX509Source({
    ca: localCaClient(issuance, callerOf(ownId)),
    id: ownId,
    bundles: tells ? bundles : { bundleFor: (domain) => bundles.bundleFor(domain) },
  })
  await source.ready()
  const identity = createTlsIdentity({ source, revocation: checkerOf(revoked), clock: ahead })
  return {
    bundles,
    revoked,
    identity,
    source,
    impostor: authorities['impostor']!,
    credentialsOf: async (id, { ttlSeconds, domain = 'example.org' } = {}) => {
      const signer = await SoftwareSigner.generate('P-256')
      const service = createIssuanceService({ authority: authorities[domain]! })
      const { certificate, chain } = await service.issue(
        { csr: await buildCertificateRequest({}, signer), ttlSeconds },
        callerOf(id),
      )
      return {
        cert: [certificate, ...chain].map((one) => one.toPem()).join(''),
        key: signer.privateKey().export({ type: 'pkcs8', format: 'pem' }).toString(),
      }
    },
  }
}

/** Everybody who must not get in; `world` is there when the tests run. */
export function wrongPeersOf(world: () => World): readonly [string, () => Promise<Credentials>][] {
  return [
    ['another ID', () => world().credentialsOf('spiffe://example.org/other')],
    [
      'the same path of another domain',
      () => world().credentialsOf('spiffe://example.com/peer', { domain: 'example.com' }),
    ],
    ['the root of an impostor', () => world().credentialsOf(peerId, { domain: 'impostor' })],
    ['an expired certificate', () => world().credentialsOf(peerId, { ttlSeconds: 600 })],
    ['no certificate', async () => ({})],
    [
      'a revoked certificate',
      async () => {
        const credentials = await world().credentialsOf(peerId)
        world().revoked.add(serialOf(credentials))
        return credentials
      },
    ],
  ]
}

/** Takes the root of the peers away while `run` runs, and puts an impostor's in its place. */
export async function withoutRoot({ bundles, impostor }: World, run: () => Promise<void>): Promise<void> {
  const before = bundles.bundles[1] as TrustBundle
  bundles.set(before.with({ x509Authorities: impostor.trustBundle().x509Authorities }))
  try {
    await run()
  } finally {
    bundles.set(before)
  }
}

export function serialOf({ cert }: Credentials): string {
  return Certificate.listFromPem(cert!)[0]!.serialNumber
}

/** Listens on loopback and gives the port. */
export async function portOf(server: NetServer): Promise<number> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  return (server.address() as AddressInfo).port
}

/** A server without a gate that records every octet of the application that reaches it. */
export interface RawServer {
  readonly server: tls.Server
  readonly port: number
  received: string
  resumed: number
  /** Whether the connection that sent the last octets was resumed. */
  lastResumed: boolean
  /** How many connections are open. */
  open: number
}

export function rawServer(credentials: Credentials, options: tls.TlsOptions = {}): Promise<RawServer> {
  return recordingServer(credentials, { ALPNProtocols: ['http/1.1'], ...options }, (socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'))
  })
}

/** The same over HTTP/2; its answer is one of gRPC too. */
export function rawHttp2Server(credentials: Credentials, options: tls.TlsOptions = {}): Promise<RawServer> {
  const http2 = createHttp2()
  http2.on('stream', (stream) => {
    stream.on('error', () => undefined)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(Buffer.from('\0\0\0\0\x05hello', 'latin1'))
  })
  return recordingServer(credentials, { ALPNProtocols: ['h2'], ...options }, (socket) => {
    const read = new PassThrough()
    socket.pipe(read)
    const both = Duplex.from({ readable: read, writable: socket })
    both.on('error', () => undefined)
    http2.emit('connection', both)
  })
}

async function recordingServer(
  credentials: Credentials,
  options: tls.TlsOptions,
  answer: (socket: tls.TLSSocket) => void,
): Promise<RawServer> {
  const raw = { received: '', resumed: 0, lastResumed: false, open: 0 } as {
    -readonly [K in keyof RawServer]: RawServer[K]
  }
  raw.server = tls.createServer(
    { ...credentials, requestCert: true, rejectUnauthorized: false, ...options },
    (socket) => {
      raw.open++
      socket.on('close', () => raw.open--)
      if (socket.isSessionReused()) raw.resumed++
      socket.on('error', () => undefined)
      socket.on('data', (octets: Buffer) => {
        raw.received += octets.toString('latin1')
        raw.lastResumed = socket.isSessionReused()
      })
      answer(socket)
    },
  )
  raw.server.on('tlsClientError', () => undefined)
  raw.port = await portOf(raw.server)
  return raw
}

/** What a raw client got back. */
export interface RawAnswer {
  readonly text: string
  readonly session: Buffer | undefined
  readonly resumed: boolean
}

/** Sends `text` at once, without looking at the server, and reads until the connection ends. */
export function rawRequest(
  port: number,
  text: string,
  options: tls.ConnectionOptions = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let answer = ''
    let session: Buffer | undefined
    let resumed = false
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
    socket.on('secureConnect', () => {
      resumed = socket.isSessionReused()
    })
    socket.on('session', (next: Buffer) => {
      session = next
    })
    socket.on('data', (octets: Buffer) => {
      answer += octets.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      resolve({ text: answer, session, resumed })
    })
    socket.write(text)
  })
}

/** A POST over HTTP/2, of a client that does not look at the server either. */
export function rawHttp2Request(
  port: number,
  headers: OutgoingHttpHeaders,
  options: tls.ConnectionOptions = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let text = ''
    let session: Buffer | undefined
    let resumed = false
    const target = { host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }
    const socket = tls.connect({ ...target, ...options })
    socket.on('secureConnect', () => (resumed = socket.isSessionReused()))
    socket.on('session', (next: Buffer) => (session = next))
    const http2 = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => socket })
    const done = (): void => {
      http2.destroy()
      resolve({ text, session, resumed })
    }
    http2.on('error', () => undefined)
    socket.on('error', () => undefined)
    socket.on('close', done)
    const stream = http2.request(headers)
    stream.on('data', (part: Buffer) => (text += part.toString('latin1')))
    stream.on('error', () => undefined)
    stream.on('end', () => setImmediate(done))
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
  })
}
