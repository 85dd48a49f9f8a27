// A stranger who floods an HTTP server, in a process of its own: many connections that send at the same
// moment, and are opened again as soon as they are closed.

import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** What the stranger does. */
export interface Flood {
  readonly port: number
  readonly kind: keyof typeof kinds
  readonly connections: number
  /** The base64 of an OCSP request. */
  readonly ocsp: string
}

/** What a connection sends, and when again: as fast as it can, after each answer, or after it was reset. */
interface Sent {
  readonly octets: Buffer
  readonly again: 'always' | 'answered' | 'reset'
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`
const always = (request: string | Buffer): Sent => {
  const one = Buffer.from(request)
  const count = Math.ceil(65_536 / one.length)
  return { octets: Buffer.concat(Array.from({ length: count }, () => one)), again: 'always' }
}

function post(header: string, body: string | Buffer): Buffer {
  const head = `POST /ocsp HTTP/1.1\r\nhost: x\r\ncontent-type: application/ocsp-request\r\n${header}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.from(body)])
}

const status = ({ ocsp }: Flood): Sent => always(get(`/ocsp/${encodeURIComponent(ocsp)}`))

const bodies = (flood: Flood): Sent => {
  const body = Buffer.from(flood.ocsp, 'base64')
  return always(post(`content-length: ${body.length}`, body))
}

const kinds: Readonly<Record<string, (flood: Flood) => Sent>> = {
  lists: () => always(get('/crl')),
  health: () => always(get('/ready')),
  tiles: () => always(get('/audit/tile/0/000')),
  nothing: () => always(get('/')),
  status,
  bodies,
  sixteen: () => ({ octets: Buffer.from(get('/crl').repeat(16)), again: 'answered' }),
  single: () => ({ octets: Buffer.from(get('/crl')), again: 'answered' }),
  reset: () => ({ octets: Buffer.from(get('/crl')), again: 'reset' }),
  // A header line, or a piece of a body, for each few octets: Node parses 64 KiB of them before it stops.
  headers: () => always(`GET /crl HTTP/1.1\r\nhost: x\r\n${'a:\r\n'.repeat(16_000)}\r\n`),
  pieces: () => always(post('transfer-encoding: chunked', '1\r\na\r\n'.repeat(11_000))),
}

async function open(flood: Flood): Promise<Socket> {
  const socket = connect({ port: flood.port, host: '127.0.0.1', localAddress: '127.0.0.1' })
  socket.setNoDelay(true).on('error', () => undefined)
  await once(socket, 'connect').catch(() => undefined)
  return socket
}

function send(socket: Socket, flood: Flood, { octets, again }: Sent): void {
  socket.on('close', () => {
    setImmediate(() => void open(flood).then((next) => send(next, flood, { octets, again })))
  })
  const more = (): void => {
    while (!socket.destroyed && socket.write(octets));
  }
  if (again === 'always') {
    socket.on('drain', more).resume()
    more()
  } else {
    socket.write(octets)
    socket.on('data', () => (again === 'reset' ? socket.resetAndDestroy() : socket.write(octets)))
  }
}

process.on('message', (flood: Flood) => {
  const sent = (kinds[flood.kind] as (flood: Flood) => Sent)(flood)
  const opened = Array.from({ length: flood.connections }, async () => {
    const socket = await open(flood)
    // The server has accepted it when it answers.
    socket.write(get('/ca.cer'))
    await once(socket, 'data')
    return socket
  })
  void Promise.all(opened).then((sockets) => {
    process.send?.('begun')
    for (const socket of sockets) send(socket, flood, sent)
  })
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
