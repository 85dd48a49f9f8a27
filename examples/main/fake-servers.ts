// Stand-ins for servers that examples cannot bring along: each speaks as much of its protocol as one example
// needs, behind real mutual TLS.

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { TlsIdentity } from 'spiffe-pki/tls'

/** A database that answers every query with the SPIFFE ID of who asks. */
export function startFakePostgres(identity: TlsIdentity, authorize: string): Promise<Server> {
  const secure = identity.secureServer({ authorize }, (socket, peer) => {
    socket.on('error', ignore)
    let isStarted = false
    socket.on('data', (octets) => {
      if (!isStarted) {
        isStarted = true
        socket.write(Buffer.concat([message('R', int32(0)), message('Z', Buffer.from('I'))]))
        return
      }
      if (octets[0] !== 0x51) return
      const value = Buffer.from(`${peer.id.toString()} (serial ${peer.chain[0]?.serialNumber.slice(0, 8)})`)
      const field = [text('peer'), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]
      socket.write(
        Buffer.concat([
          message('T', int16(1), ...field),
          message('D', int16(1), int32(value.length), value),
          message('C', text('SELECT 1')),
          message('Z', Buffer.from('I')),
        ]),
      )
    })
  })
  // Before TLS a client of PostgreSQL asks whether it is spoken.
  return listening(
    createServer((socket) => {
      socket.on('error', ignore)
      socket.once('data', () => {
        socket.write('S')
        secure.emit('connection', socket)
      })
    }),
  )
}

/** Redis that knows one key, `peer`: the SPIFFE ID of who asks. */
export function startFakeRedis(identity: TlsIdentity, authorize: string): Promise<Server> {
  const server = identity.secureServer({ authorize }, (socket, peer) => {
    socket.on('error', ignore)
    socket.on('data', (octets) => {
      const value = `${peer.id.toString()} (serial ${peer.chain[0]?.serialNumber.slice(0, 8)})`
      const commands = octets.toString().match(/\*\d+\r\n/g) ?? []
      const isGet = /\r\nget\r\n/i.test(octets.toString())
      for (const _command of commands) socket.write(isGet ? `$${value.length}\r\n${value}\r\n` : '+OK\r\n')
    })
  })
  return listening(server)
}

/** A broker that does the handshakes and hands on the token of OAUTHBEARER. */
export function startFakeKafka(
  identity: TlsIdentity,
  authorize: string,
  onToken: (token: string) => Promise<void>,
): Promise<Server> {
  const server = identity.secureServer({ authorize }, (socket) => {
    socket.on('error', ignore)
    void answerKafka(socket, onToken).catch(() => socket.destroy())
  })
  return listening(server)
}

async function answerKafka(socket: TLSSocket, onToken: (token: string) => Promise<void>): Promise<void> {
  let waiting = Buffer.alloc(0)
  for await (const part of socket as AsyncIterable<Buffer>) {
    waiting = Buffer.concat([waiting, part])
    while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
      const length = 4 + waiting.readInt32BE(0)
      const request = waiting.subarray(4, length)
      waiting = waiting.subarray(length)
      const body = await kafkaBody(request, onToken)
      const answer = Buffer.concat([request.subarray(4, 8), body])
      socket.write(Buffer.concat([int32(answer.length), answer]))
    }
  }
}

async function kafkaBody(request: Buffer, onToken: (token: string) => Promise<void>): Promise<Buffer> {
  const [api, version] = [request.readInt16BE(0), request.readInt16BE(2)]
  if (api === 18) {
    const apis = [
      [17, 0, 1],
      [18, 0, 2],
      [36, 0, 1],
      [3, 0, 5],
    ].map((one) => Buffer.concat(one.map(int16)))
    return Buffer.concat([int16(0), int32(apis.length), ...apis, ...(version > 0 ? [int32(0)] : [])])
  }
  if (api === 17) {
    const name = Buffer.from('OAUTHBEARER')
    return Buffer.concat([int16(0), int32(1), int16(name.length), name])
  }
  await onToken(/auth=Bearer ([\w.-]+)/.exec(request.toString('latin1'))?.[1] ?? '')
  return Buffer.concat([int16(0), int16(-1), int32(0), ...(version > 0 ? [Buffer.alloc(8)] : [])])
}

async function listening(server: Server): Promise<Server> {
  const open = new Set<Duplex>()
  server.on('connection', (socket) => open.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = server.close.bind(server)
  return Object.assign(server, {
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => close(resolve))
    },
  })
}

const message = (type: string, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}
const text = (value: string): Buffer => Buffer.from(`${value}\0`)
const int16 = (value: number): Buffer => {
  const octets = Buffer.alloc(2)
  octets.writeInt16BE(value)
  return octets
}
const int32 = (value: number): Buffer => {
  const octets = Buffer.alloc(4)
  octets.writeInt32BE(value)
  return octets
}
const ignore = (): void => undefined
