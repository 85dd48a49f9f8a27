// Over a real socket: what is served, to whom it is kept for how long, and what a stranger gets.

import { createServer, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, RequestListener, Server } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import express from 'express'
import { fastify } from 'fastify'
import { createHttpHandler } from '../../../../src/adapters/http/index.ts'
import { encodeAuditRecord, openAuditLog, verifyAuditLog } from '../../../../src/audit/index.ts'
import type { Caller } from '../../../../src/auth/index.ts'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../../src/ca/index.ts'
import type { CertificateAuthority } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { SpiffeId } from '../../../../src/spiffe/index.ts'
import { JwtAuthority, TrustBundle, TrustBundleSet, parseSpiffeBundle } from '../../../../src/svid/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import {
  Certificate,
  Crl,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  buildCertificateRequest,
} from '../../../../src/x509/index.ts'
import { deferred } from '../../../support/deferred.ts'
import { MemoryTiles } from '../../audit/memory-tiles.ts'

const trustDomain = 'example.org'
const caller: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/a')],
  credential: 'x509',
  claims: {},
}
let authority: CertificateAuthority
let leaf: Certificate
let ocspRequest: Uint8Array
let server: Server | undefined

beforeAll(async () => {
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  authority = createCertificateAuthority({ trustDomain, certificate, signer })
  const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
  const issued = await createIssuanceService({ authority }).issue({ csr }, caller)
  leaf = issued.certificate
  ocspRequest = OcspRequest.of([OcspCertificateId.of(leaf, certificate)]).der
})

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
})

async function serve(listener: RequestListener): Promise<void> {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
}

function portOf(): number {
  return (server?.address() as AddressInfo).port
}

interface Got {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function get(
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
  }: { method?: string; headers?: Record<string, string>; body?: Uint8Array } = {},
): Promise<Got> {
  const sent = httpRequest({ port: portOf(), host: '127.0.0.1', path, method, headers, agent: false })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
}

describe('resources', () => {
  it('CRLs: the current one, and each by the key identifier of its issuer', async () => {
    await serve(createHttpHandler({ authority }))
    const { headers, body } = await get('/crl')
    expect(headers).toMatchObject({
      'content-type': 'application/pkix-crl',
      'cache-control': 'public, max-age=60',
      'x-content-type-options': 'nosniff',
    })
    expect(Crl.parse(body).issuer.equals(authority.certificate.subject)).toBe(true)
    const id = Buffer.from(authority.certificate.subjectKeyIdentifier!).toString('hex')
    expect((await get(`/crl/${id}.crl`)).body).toEqual(body)
    expect((await get('/crl/AABB.crl')).status).toBe(404)
  })

  it('shards and deltas by the paths that certificates and lists name', async () => {
    const signer = await SoftwareSigner.generate('P-256')
    const certificate = await createRootCertificate(signer, { subject: 'CN=sharded', trustDomain })
    const crlDistribution = { url: 'http://crl.example.org/crl', shards: 2, deltaTtlSeconds: 30 }
    const sharded = createCertificateAuthority({ trustDomain, certificate, signer, crlDistribution })
    await serve(createHttpHandler({ authority: sharded }))
    const lists = await sharded.issueCrls()
    const uriOf = (name: unknown): string =>
      (name as { fullName: readonly { value: string }[] }).fullName[0]!.value
    for (const list of lists.filter((one) => one.deltaCrlIndicator === undefined)) {
      const freshest = new URL(uriOf(list.freshestCrl![0]!.name)).pathname
      const delta = Crl.parse((await get(freshest)).body)
      expect(delta.deltaCrlIndicator).toBe(list.crlNumber)
      const scope = list.issuingDistributionPoint?.name
      if (scope === undefined) continue
      const { body, headers } = await get(new URL(uriOf(scope)).pathname)
      expect(Buffer.from(list.der).equals(body)).toBe(true)
      expect(headers['cache-control']).toBe('public, max-age=60')
      const tag = headers['etag']!
      expect((await get(new URL(uriOf(scope)).pathname, { headers: { 'if-none-match': tag } })).status).toBe(
        304,
      )
      // No cache keeps a delta beyond its nextUpdate.
      const { headers: ofDelta } = await get(freshest)
      expect(Number(/max-age=(\d+)/.exec(ofDelta['cache-control']!)?.[1])).toBeLessThanOrEqual(30)
    }
    const id = Buffer.from(certificate.subjectKeyIdentifier!).toString('hex')
    for (const path of [`/crl/${id}/2.crl`, `/crl/${id}/00000.crl`, `/crl/${id}/0/delta.crl`])
      expect((await get(path)).status).toBe(404)
  })

  it('a list is found without a look at the others', async () => {
    const [list] = await authority.issueCrls()
    let looks = 0
    const watched = new Proxy(list!, {
      get: (target, key) => {
        if (key === 'issuingDistributionPoint') looks++
        return Reflect.get(target, key, target)
      },
    })
    const lists = Array.from({ length: 1024 }, () => watched)
    const many = { ...{ trustDomain, certificate: authority.certificate }, issueCrls: async () => lists }
    await serve(createHttpHandler({ authority: many as unknown as CertificateAuthority }))
    for (let count = 0; count < 4; count++) expect((await get('/crl/AABB/1.crl')).status).toBe(404)
    expect(looks).toBe(lists.length)
  })

  it('what an OCSP request failed with is logged, and the client is told to try later', async () => {
    const lines: unknown[] = []
    const line = (...args: unknown[]): void => void lines.push(args)
    const logger = { debug: line, info: line, warn: line, error: line }
    const failing = {
      ...{ certificate: authority.certificate, trustDomain: authority.trustDomain },
      answerOcsp: async () => ({
        response: OcspResponse.refusal('tryLater').der,
        maxAgeSeconds: 0,
        failure: new Error('the token is away'),
      }),
    } as unknown as CertificateAuthority
    await serve(createHttpHandler({ authority: failing, logger }))
    const headers = { 'content-type': 'application/ocsp-request' }
    const { body } = await get('/ocsp', { method: 'POST', headers, body: ocspRequest })
    expect(OcspResponse.parse(body).status).toBe('tryLater')
    expect(lines).toEqual([
      [{ code: 'ERR_INTERNAL', reason: 'the token is away' }, 'an OCSP request was answered with tryLater'],
    ])
  })

  it('/live: 503 where only a restart helps', async () => {
    const readiness = () => ({ ready: false, live: false, problems: ['store: it does not write'] })
    await serve(createHttpHandler({ authority, readiness }))
    const { status, body } = await get('/live')
    expect([status, body.toString()]).toEqual([503, 'store: it does not write\n'])
  })

  it('strangers that ask for lists share one look for a newer one; a failure is not kept', async () => {
    let looks = 0
    let fails = true
    const counted = {
      ...authority,
      certificate: authority.certificate,
      trustDomain: authority.trustDomain,
      issueCrls: () => {
        looks++
        return fails ? Promise.reject(new Error('away')) : authority.issueCrls()
      },
    } as CertificateAuthority
    const clock = new FakeClock(new Date())
    await serve(createHttpHandler({ authority: counted, clock }))
    expect((await get('/crl')).status).toBe(503)
    fails = false
    await Promise.all(['/crl', '/crl', '/crl/AABB.crl', '/crl'].map((path) => get(path)))
    expect(looks).toBe(2)
    clock.advance(5000)
    await get('/crl')
    expect(looks).toBe(3)
  })

  it('certificates as DER and PEM, and the bundle', async () => {
    await serve(createHttpHandler({ authority }))
    expect(Certificate.parse((await get('/ca.cer')).body).equals(authority.certificate)).toBe(true)
    expect((await get('/ca.pem')).body.toString().match(/BEGIN CERTIFICATE/g)).toHaveLength(1)
    const bundle = parseSpiffeBundle((await get('/bundle')).body, { trustDomain })
    expect(bundle.x509Authorities[0]?.equals(authority.certificate)).toBe(true)
  })

  it('OCSP by POST and by GET', async () => {
    await serve(createHttpHandler({ authority }))
    const headers = { 'content-type': 'application/ocsp-request' }
    const posted = await get('/ocsp', { method: 'POST', headers, body: ocspRequest })
    expect(posted.headers).toMatchObject({
      'content-type': 'application/ocsp-response',
      'cache-control': 'public, max-age=1800',
    })
    expect(OcspResponse.parse(posted.body).answer?.responses[0]?.certificateStatus).toEqual({
      status: 'good',
    })
    const text = encodeURIComponent(Buffer.from(ocspRequest).toString('base64'))
    expect(OcspResponse.parse((await get(`/ocsp/${text}`)).body).status).toBe('successful')
  })

  it('OIDC discovery and keys, where they are asked for', async () => {
    const key = await SoftwareSigner.generate('P-256')
    const jwt = JwtAuthority.from('k1', key.publicKey)
    const bundles = new TrustBundleSet([new TrustBundle(trustDomain, { jwtAuthorities: [jwt] })])
    await serve(createHttpHandler({ authority, bundles, oidcIssuer: 'https://oidc.example.org/ca' }))
    const discovery = JSON.parse((await get('/.well-known/openid-configuration')).body.toString()) as object
    expect(discovery).toMatchObject({
      issuer: 'https://oidc.example.org/ca',
      jwks_uri: 'https://oidc.example.org/ca/keys',
      id_token_signing_alg_values_supported: ['ES256'],
    })
    const { keys } = JSON.parse((await get('/keys')).body.toString()) as { keys: object[] }
    expect(keys).toEqual([expect.objectContaining({ kid: 'k1', use: 'sig', crv: 'P-256' })])
    server?.close()
    await serve(createHttpHandler({ authority }))
    expect((await get('/keys')).status).toBe(404)
    expect((await get('/.well-known/openid-configuration')).status).toBe(404)
  })

  it('the audit log where it is given, which an auditor verifies by HTTP', async () => {
    const { audit } = createMemoryStorage()
    const tiles = new MemoryTiles()
    const signer = await SoftwareSigner.generate('Ed25519')
    const log = await openAuditLog({ origin: 'ca.example.org/audit', signer, entries: audit, tiles })
    const records = Array.from({ length: 300 }, (_, at) =>
      encodeAuditRecord({ event: 'issued', time: new Date(at) }),
    )
    await audit.append(records)
    await log.integrate()
    await serve(createHttpHandler({ authority, tiles }))
    const read = async (path: string): Promise<Uint8Array | undefined> => {
      const { status, body } = await get(`/audit/${path}`)
      return status === 200 ? body : undefined
    }
    const report = await verifyAuditLog({ key: log.key, tiles: { read }, entries: audit })
    expect(report).toMatchObject({ ok: true, size: 300 })
    expect((await get('/audit/checkpoint')).headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
    })
    const { headers } = await get('/audit/tile/entries/000')
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': 'public, max-age=86400',
    })
    tiles.files.set('tile/0/../../secret', Buffer.from('secret'))
    for (const path of ['tile/0/002', 'tile/0/../../secret', 'tile/0/000/../../../secret', 'secret', ''])
      expect((await get(`/audit/${path}`)).status, path).toBe(404)
    server?.close()
    await serve(createHttpHandler({ authority }))
    expect((await get('/audit/checkpoint')).status).toBe(404)
  })

  it('health: ready while the CA is valid, or what the caller says', async () => {
    await serve(createHttpHandler({ authority, clock: new FakeClock(new Date()) }))
    expect((await get('/live')).status).toBe(200)
    expect(await get('/ready')).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } })
    server?.close()
    const later = new FakeClock(new Date(authority.certificate.notAfterMs))
    await serve(createHttpHandler({ authority, clock: later }))
    const { status, body } = await get('/ready')
    expect(status).toBe(503)
    expect(body.toString()).toMatch(/CN=root is valid from/)
    server?.close()
    const readiness = () => Promise.resolve({ ready: false, problems: ['the store is full'] })
    await serve(createHttpHandler({ authority, readiness }))
    expect((await get('/ready')).body.toString()).toBe('{"ready":false,"problems":["the store is full"]}')
  })
})

describe('HTTP', () => {
  it('answers a conditional request with 304, and HEAD without a body', async () => {
    await serve(createHttpHandler({ authority }))
    const { headers, body } = await get('/crl')
    const etag = headers.etag!
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*'])
      expect(await get('/crl', { headers: { 'if-none-match': tag } })).toMatchObject({
        status: 304,
        headers: { etag },
      })
    expect(await get('/crl', { headers: { 'if-none-match': '"x"' } })).toMatchObject({ status: 200 })
    const head = await get('/crl', { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, headers: { 'content-length': `${body.length}` } })
    expect(head.body).toHaveLength(0)
  })

  it.each([
    ['POST', '/crl', {}, 405],
    ['PUT', '/ocsp', {}, 405],
    ['GET', '/ocsp', {}, 405],
    ['POST', '/ocsp', {}, 415],
    ['POST', '/ocsp', { 'content-type': 'application/ocsp-request', 'content-length': '999999' }, 413],
    ['GET', '/ocsp/%%%', {}, 400],
    ['GET', '/ocsp/a b', {}, 400],
    ['GET', '/ocsp/!!!!', {}, 400],
    ['GET', '/toString', {}, 404],
    ['GET', '/__proto__', {}, 404],
    ['GET', '/../../etc/passwd', {}, 404],
    ['GET', '/crl/..%2f.crl', {}, 404],
    ['GET', '/', {}, 404],
  ] as const)('%s %s %j is %i', async (method, path, headers, status) => {
    await serve(createHttpHandler({ authority }))
    const sent = connect(portOf(), '127.0.0.1')
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    sent.write(
      `${method} ${path.replace(' ', '%20')} HTTP/1.1\r\nhost: x\r\nconnection: ` +
        `close\r\n${lines.join('')}\r\n`,
    )
    const [first] = (await once(sent, 'data')) as [Buffer]
    expect(first.toString('latin1')).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    sent.destroy()
  })

  it('a body that does not end, and one without a length that is too long', async () => {
    const clock = new FakeClock(new Date())
    await serve(createHttpHandler({ authority, clock }))
    const head = 'POST /ocsp HTTP/1.1\r\nhost: x\r\ncontent-type: application/ocsp-request\r\n'
    const slow = connect(portOf(), '127.0.0.1')
    const begun = once(server!, 'request')
    slow.write(`${head}content-length: 10\r\n\r\nabc`)
    await begun
    clock.advance(5000)
    expect(String((await once(slow, 'data'))[0])).toMatch(/^HTTP\/1.1 408 /)
    slow.destroy()
    const long = connect(portOf(), '127.0.0.1')
    long.write(`${head}transfer-encoding: chunked\r\n\r\n8000\r\n${'x'.repeat(0x8000)}\r\n`)
    expect(String((await once(long, 'data'))[0])).toMatch(/^HTTP\/1.1 413 /)
    long.destroy()
  })

  it('looks once at the health of the CA for all who ask meanwhile', async () => {
    let looks = 0
    let heard = 0
    const gate = deferred()
    const readiness = () => (looks++, gate.promise.then(() => ({ ready: true, problems: [] })))
    await serve(createHttpHandler({ authority, readiness }))
    server!.on('request', () => heard++)
    const asked = [get('/ready'), get('/live'), get('/ready')]
    await expect.poll(() => heard).toBe(3)
    gate.resolve()
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(looks).toBe(1)
    expect((await get('/ready')).status).toBe(200)
    expect(looks).toBe(2)
  })

  it('refuses more requests than maxRequests at once', async () => {
    let open = (): void => undefined
    const gate = new Promise<void>((resolve) => (open = resolve))
    const readiness = () => gate.then(() => ({ ready: true, problems: [] }))
    await serve(createHttpHandler({ authority, readiness, maxRequests: 1 }))
    const waiting = once(server!, 'request')
    const first = get('/ready')
    await waiting
    expect(await get('/live')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    open()
    expect((await first).status).toBe(200)
    expect((await get('/live')).status).toBe(200)
  })

  it('refuses a source that has half of maxRequests, and no other one', async () => {
    const gate = deferred()
    const tiles = { read: () => gate.promise.then(() => new Uint8Array(1)) }
    const handler = createHttpHandler({ authority, tiles: tiles as never, maxRequests: 4 })
    await serve((request, response) => {
      const value = request.headers['x-source']
      Object.defineProperty(request.socket, 'remoteAddress', { value })
      handler(request, response)
    })
    const from = (source: string, path: string) => get(path, { headers: { 'x-source': source } })
    const waiting: Promise<Got>[] = []
    for (let count = 0; count < 2; count++) {
      const arrived = once(server!, 'request')
      waiting.push(from('192.0.2.1', '/audit/checkpoint'))
      await arrived
    }
    expect((await from('192.0.2.1', '/live')).status).toBe(503)
    expect((await from('192.0.2.2', '/live')).status).toBe(200)
    gate.resolve()
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200])
  })

  describe('half a body', () => {
    const half =
      'POST /ocsp HTTP/1.1\r\nhost: x\r\n' +
      'content-type: application/ocsp-request\r\ncontent-length: 99\r\n\r\n0'
    const sent = async (text: string): Promise<Socket> => {
      const socket = connect(portOf(), '127.0.0.1')
      await once(socket, 'connect')
      await new Promise((resolve) => socket.write(text, resolve))
      return socket
    }

    it('keeps nobody from an answer, and the oldest ends for a further one', async () => {
      const clock = new FakeClock(new Date())
      await serve(createHttpHandler({ authority, maxRequests: 2, clock }))
      const sockets: Socket[] = []
      for (let i = 0; i < 3; i++) {
        sockets.push(await sent(half))
        // Answered after what was sent before has been read.
        expect((await get('/live')).status).toBe(200)
      }
      const [refused] = (await once(sockets[0]!, 'data')) as [Buffer]
      expect(refused.toString()).toMatch(/^HTTP\/1\.1 503 /)
      const whole = { method: 'POST', headers: { 'content-type': 'application/ocsp-request' } }
      expect((await get('/ocsp', { ...whole, body: ocspRequest })).status).toBe(200)
      for (const socket of sockets) socket.destroy()
    })

    it('in hundreds of pieces ends the connection', async () => {
      await serve(createHttpHandler({ authority }))
      const head = half.replace('content-length: 99', 'transfer-encoding: chunked').slice(0, -1)
      const socket = await sent(head + '1\r\na\r\n'.repeat(400))
      let received = ''
      socket.on('error', () => undefined).on('data', (part) => (received += String(part)))
      await once(socket, 'close')
      expect(received).toBe('')
    })

    it('in a piece for each packet is read', async () => {
      await serve(createHttpHandler({ authority }))
      const pieces = Array.from(ocspRequest, (octet) => `1\r\n${String.fromCharCode(octet)}\r\n`).join('')
      const head = half.replace('content-length: 99', 'connection: close\r\ntransfer-encoding: chunked')
      const socket = await sent(head.slice(0, -1))
      socket.write(Buffer.from(`${pieces}0\r\n\r\n`, 'latin1'))
      expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 200 /)
    })
  })

  it('a failure is 503 and one line in the log, without its reason for the caller', async () => {
    const lines: object[] = []
    const none = () => undefined
    const logger = { debug: none, info: none, warn: none, error: (fields: object) => lines.push(fields) }
    const readiness = () => Promise.reject(new Error('the password is x'))
    await serve(createHttpHandler({ authority, readiness, logger }))
    const { status, body } = await get('/ready')
    expect(status).toBe(503)
    expect(body.toString()).not.toContain('password')
    expect(lines).toEqual([expect.objectContaining({ path: '/ready', reason: 'the password is x' })])
  })

  it('a thousand strangers do not fill the log with it: one line in ten seconds says how many', async () => {
    const lines: object[] = []
    const none = () => undefined
    const logger = { debug: none, info: none, warn: none, error: (fields: object) => lines.push(fields) }
    const readiness = () => Promise.reject(new Error('away'))
    const clock = new FakeClock(new Date())
    await serve(createHttpHandler({ authority, readiness, logger, clock }))
    for (let i = 0; i < 20; i++) expect((await get('/ready')).status).toBe(503)
    expect(lines).toHaveLength(1)
    clock.advance(10_000)
    await get('/ready')
    expect(lines).toEqual([
      expect.not.objectContaining({ unlogged: expect.anything() }),
      expect.objectContaining({ unlogged: 19 }),
    ])
  })

  it('is middleware: Express gets what is not served here, also below a path', async () => {
    const app = express()
    app.use('/pki', createHttpHandler({ authority }))
    app.get('/pki/other', (_request, response) => {
      response.send('mine')
    })
    await serve(app)
    expect((await get('/pki/live')).status).toBe(200)
    expect((await get('/pki/other')).body.toString()).toBe('mine')
  })

  it('is a hook of Fastify, which gets what is not served here', async () => {
    const pki = createHttpHandler({ authority })
    const app = fastify({ serverFactory: (listener) => (server = createServer(listener)) })
    app.addHook('onRequest', (request, reply, done) => pki(request.raw, reply.raw, done))
    app.get('/other', () => 'mine')
    await app.listen({ port: 0, host: '127.0.0.1' })
    expect((await get('/live')).status).toBe(200)
    const headers = { 'content-type': 'application/ocsp-request' }
    const { body } = await get('/ocsp', { method: 'POST', headers, body: ocspRequest })
    expect(OcspResponse.parse(body).status).toBe('successful')
    expect((await get('/other')).body.toString()).toBe('mine')
    await app.close()
  })
})

it.each([{ oidcIssuer: 'http://x' }, { oidcIssuer: 'https://x/' }, { maxAge: 1 }, { maxRequests: 0 }])(
  'refuses the options %j',
  (options) => {
    expect(() => createHttpHandler({ authority, ...options } as never)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(INVALID_ARGUMENT|LIMIT)/) }),
    )
  },
)
