// Below gRPC: streams that no gRPC client would open, and frames that no HTTP/2 client would send.

import { connect as http2, constants } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { connect as tls } from 'node:tls'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { CertificateServer } from '../../../../src/adapters/grpc/certificate-service/index.ts'
import type { CertificateServerOptions } from '../../../../src/adapters/grpc/certificate-service/index.ts'
import { callRaw, closedAfterEach, proto, startTestServer } from '../../../support/certificate-server.ts'
import type { TestServer } from '../../../support/certificate-server.ts'
import { deferred } from '../../../support/deferred.ts'
import { callerOf, newRequest, testPki } from '../../../support/pki.ts'

const keep = closedAfterEach()
const pki = await testPki()
const request = proto.octets(1, (await newRequest()).request.toPem())
const path = '/istio.v1.auth.IstioCertificateService/CreateCertificate'
const usual: OutgoingHttpHeaders = {
  ':method': 'POST',
  ':path': path,
  'content-type': 'application/grpc',
  te: 'trailers',
}

/** A message in its gRPC frame: a flag for compression, four octets of length. */
function framed(message: Uint8Array, compressed = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5)
  head[0] = compressed
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, message])
}

async function start(options: Partial<CertificateServerOptions> = {}): Promise<TestServer> {
  return keep(await startTestServer(options, pki))
}

function sessionTo(server: CertificateServer): ClientHttp2Session {
  const session = http2(`https://localhost:${server.port}`, { ca: pki.root.toPem() })
  session.on('error', () => undefined)
  keep({ [Symbol.asyncDispose]: async () => session.destroy() })
  return session
}

/** What comes back: headers and trailers together, or the code of the reset. */
async function exchange(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: Uint8Array,
): Promise<Readonly<Record<string, unknown>>> {
  const stream = session.request(headers, { endStream: false })
  const seen: IncomingHttpHeaders = {}
  stream.on('response', (found) => Object.assign(seen, found))
  stream.on('trailers', (found) => Object.assign(seen, found))
  stream.on('error', () => undefined)
  stream.end(body)
  stream.resume()
  await once(stream, 'close').catch(() => undefined)
  return { ...seen, ...(stream.rstCode === 0 ? {} : { reset: stream.rstCode }) }
}

describe('a stream', () => {
  it('of gRPC is answered', async () => {
    const { server } = await start()
    expect(await exchange(sessionTo(server), usual, framed(request))).toMatchObject({
      ':status': 200,
      'grpc-status': '0',
    })
  })

  it.each<{
    readonly what: string
    readonly headers?: OutgoingHttpHeaders
    readonly body?: Uint8Array
    readonly wanted: object
  }>([
    {
      what: 'to another method',
      headers: { ':path': '/istio.v1.auth.IstioCertificateService/RevokeCertificate' },
      wanted: { 'grpc-status': '12' },
    },
    {
      what: 'to another service',
      headers: { ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo' },
      wanted: { 'grpc-status': '12' },
    },
    { what: 'to the root', headers: { ':path': '/' }, wanted: { 'grpc-status': '12' } },
    { what: 'of JSON', headers: { 'content-type': 'application/json' }, wanted: { ':status': 415 } },
    {
      what: 'with a deadline that is none',
      headers: { 'grpc-timeout': 'soon' },
      wanted: { 'grpc-status': '13' },
    },
    {
      what: 'of an encoding that nobody knows',
      headers: { 'grpc-encoding': 'brotli' },
      body: framed(request, 1),
      wanted: { 'grpc-status': '12' },
    },
    {
      what: 'of gzip that is none',
      headers: { 'grpc-encoding': 'gzip' },
      body: framed(request, 1),
      wanted: { 'grpc-status': '13' },
    },
    { what: 'of half a frame', body: framed(request).subarray(0, 100), wanted: { 'grpc-status': '12' } },
    {
      what: 'of two messages',
      body: Buffer.concat([framed(request), framed(request)]),
      wanted: { 'grpc-status': '12' },
    },
    { what: 'of no message', body: new Uint8Array(0), wanted: { 'grpc-status': '12' } },
    {
      what: 'of a frame that says 4 GiB',
      body: framed(request, 0, 0xffff_ffff),
      wanted: { 'grpc-status': '8' },
    },
    {
      what: 'of a hundred and fifty headers',
      headers: Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`x-${i}`, 'y'])),
      wanted: { reset: constants.NGHTTP2_ENHANCE_YOUR_CALM },
    },
  ])(
    '$what is refused, and nobody is asked who sent it',
    async ({ headers = {}, body = framed(request), wanted }) => {
      let asked = 0
      const { server } = await start({
        authenticator: {
          name: 'x',
          authenticate: async () => {
            asked++
            return callerOf()
          },
        },
      })
      expect(await exchange(sessionTo(server), { ...usual, ...headers }, body)).toMatchObject(wanted)
      expect(asked).toBe(0)
      expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 0 })
    },
  )

  it('that is reset gives its place back, however often', async () => {
    const { server } = await start({
      maxInFlight: 4,
      authenticator: {
        name: 'x',
        authenticate: ({ signal, header }) =>
          header('x-wait').length === 0
            ? Promise.resolve(callerOf())
            : new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined))),
      },
    })
    const session = sessionTo(server)
    for (let i = 0; i < 300; i++) {
      const stream = session.request({ ...usual, 'x-wait': '1' })
      stream.on('error', () => undefined)
      stream.end(framed(request))
      stream.close(constants.NGHTTP2_CANCEL)
    }
    const other = sessionTo(server)
    await expect.poll(async () => (await exchange(other, usual, framed(request)))['grpc-status']).toBe('0')
  })
})

describe('frames by hand', () => {
  /** A literal header field that is not indexed (RFC 7541 §6.2.2), without Huffman coding. */
  const field = (name: string, value: string): Buffer =>
    Buffer.concat([Buffer.from([0]), text(name), text(value)])
  function text(value: string): Buffer {
    const octets = Buffer.from(value)
    if (octets.length >= 127) throw new Error('too long for one octet of length')
    return Buffer.concat([Buffer.from([octets.length]), octets])
  }
  function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head[3] = type
    head[4] = flags
    head.writeUInt32BE(stream, 5)
    return Buffer.concat([head, payload])
  }

  it(
    'several authorization headers are one to authenticators, never a list that a parser would ' +
      'take apart',
    async () => {
      const seen = deferred<readonly string[]>()
      const { server } = await start({
        authenticator: {
          name: 'x',
          authenticate: async (asked) => {
            seen.resolve(asked.header('authorization'))
            return undefined
          },
        },
      })
      const socket = tls({
        host: '127.0.0.1',
        port: server.port,
        servername: 'localhost',
        ca: pki.root.toPem(),
        ALPNProtocols: ['h2'],
      })
      await once(socket, 'secureConnect')
      const pairs = [
        [':method', 'POST'],
        [':scheme', 'https'],
        [':path', path],
        [':authority', 'localhost'],
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
        ['authorization', 'Bearer first'],
        ['authorization', 'Bearer second'],
      ] as const
      socket.write(
        Buffer.concat([
          Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
          frame(4, 0, 0, new Uint8Array(0)),
          frame(1, 4, 1, Buffer.concat(pairs.map(([name, value]) => field(name, value)))),
          frame(0, 1, 1, framed(request)),
        ]),
      )
      expect(await seen.promise).toEqual(['Bearer first'])
      socket.destroy()
    },
  )

  it.each([
    { what: 'that are noise', octets: Buffer.alloc(2000, 0x5a) },
    {
      what: 'of HTTP/1.1',
      octets: Buffer.from(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello`),
    },
    {
      what: 'of headers that cannot be decoded',
      octets: Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        frame(4, 0, 0, new Uint8Array(0)),
        frame(1, 5, 1, Buffer.alloc(50, 0xff)),
      ]),
    },
    {
      what: 'larger than any frame',
      octets: Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        frame(4, 0, 0, new Uint8Array(0)),
        frame(0, 0, 1, Buffer.alloc(20_000)),
      ]),
    },
    {
      what: 'of settings for a stream',
      octets: Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        frame(4, 0, 7, new Uint8Array(0)),
      ]),
    },
  ])('$what harm nobody else', async ({ octets }) => {
    const { server } = await start()
    const socket = tls({
      host: '127.0.0.1',
      port: server.port,
      servername: 'localhost',
      ca: pki.root.toPem(),
      ALPNProtocols: ['h2'],
    })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    socket.write(octets)
    const other = callRaw(server, pki.root, request)
    // The settings, or a farewell: the octets were read.
    await Promise.race([once(socket, 'data'), once(socket, 'close')])
    expect(await other).toMatchObject({ code: 0 })
    expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 0 })
    socket.destroy()
  })
})
