// What a connection may ask for before it has read the answers.

import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createHttpHandler } from '../../../../src/adapters/http/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'

const trustDomain = 'example.org'
let handler: ReturnType<typeof createHttpHandler>
let server: Server | undefined

beforeAll(async () => {
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  handler = createHttpHandler({ authority: createCertificateAuthority({ trustDomain, certificate, signer }) })
})

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function connectTo(listener: Parameters<typeof createServer>[1]): Promise<Socket> {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

const requests = (count: number, path = '/ca.pem'): string =>
  `GET ${path} HTTP/1.1\r\nhost: ca.example.org\r\n\r\n`.repeat(count)

/** The number of answers in what the server sends until it closes. */
async function answers(socket: Socket): Promise<number> {
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => (text += part))
  await once(socket, 'close')
  return text.split('HTTP/1.1 ').length - 1
}

describe('requests that wait for no answer', () => {
  it.each(['/ca.pem', '/crl', '/ready', '/ocsp/AAAA', '/ocsp', '/nothing'])(
    'end the connection after the sixteenth: %s',
    async (path) => {
      const seen: IncomingMessage[] = []
      const socket = await connectTo((request, response) => {
        seen.push(request)
        handler(request, response)
      })
      socket.write(requests(500, path))
      expect(await answers(socket)).toBeLessThanOrEqual(16)
      expect(seen[0]?.socket.destroyed).toBe(true)
      // Node has read all 500, and parses no further.
      expect(seen).toHaveLength(17)
    },
  )

  it('end it also where each could be answered before the next is read', async () => {
    let seen = 0
    const socket = await connectTo((request, response) => {
      seen++
      handler(request, response)
    })
    const head =
      'POST /ocsp HTTP/1.1\r\nhost: x\r\ncontent-type: application/ocsp-request\r\ncontent-length: 1\r\n'
    socket.write(`${head}\r\n0`.repeat(200))
    expect(await answers(socket)).toBeLessThanOrEqual(16)
    expect(seen).toBeLessThan(200)
  })

  it('are answered where there are few, and so are any number one after another', async () => {
    const socket = await connectTo(handler)
    let received = ''
    socket.setEncoding('latin1').on('data', (part: string) => {
      received += part
      // The next sixteen, when the last of these was answered.
      const count = received.split('HTTP/1.1 200').length - 1
      if (count % 16 === 0 && count < 160 && received.endsWith('-----END CERTIFICATE-----\n'))
        socket.write(requests(16))
      if (count === 160 && received.endsWith('-----END CERTIFICATE-----\n')) socket.end()
    })
    socket.write(requests(16))
    await once(socket, 'close')
    expect(received.split('HTTP/1.1 200').length - 1).toBe(160)
  })

  it('are not bounded where the rest of an application answers', async () => {
    const socket = await connectTo((request, response) => {
      handler(request, response, () => response.end('passed on'))
    })
    socket.write(requests(99, '/app') + 'GET /app HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    expect(await answers(socket)).toBe(100)
  })
})

describe('answers that clients do not read', () => {
  const tile = new Uint8Array(4 * 1024 * 1024)
  const path = '/audit/tile/entries/000'
  let open: Set<Socket>
  let clients: Socket[]

  async function serve(): Promise<number> {
    const signer = await SoftwareSigner.generate('P-256')
    const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
    const authority = createCertificateAuthority({ trustDomain, certificate, signer })
    const tiles = { read: async () => new Uint8Array(tile) }
    server = createServer(createHttpHandler({ authority, tiles: tiles as never }))
    open = new Set()
    clients = []
    server.on('connection', (socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port
  }

  async function open16(port: number): Promise<Socket> {
    const socket = connect(port, '127.0.0.1')
    clients.push(socket)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(requests(16, path))
    return socket
  }

  afterEach(() => {
    for (const client of clients) client.destroy()
  })

  it('take 64 MiB at most: the oldest connections end', async () => {
    const port = await serve()
    for (let count = 0; count < 4; count++) await open16(port)
    await expect.poll(() => open.size).toBe(1)
  })

  it('no longer count when they were read, or their connection has ended', async () => {
    const port = await serve()
    const read = await open16(port)
    let octets = 0
    read.on('data', (part: Buffer) => (octets += part.length))
    await expect.poll(() => octets).toBeGreaterThan(16 * tile.length)
    const left = await open16(port)
    left.resetAndDestroy()
    await expect.poll(() => open.size).toBe(1)
    const last = await open16(port)
    last.pause()
    await expect.poll(() => open.size).toBe(2)
    expect(read.destroyed).toBe(false)
  })
})
