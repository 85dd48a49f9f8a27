// Hand-made frames against a server in a process of its own, whose figures are measured: floods, endless
// headers, closed windows.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateClient } from '../../src/adapters/grpc/index.ts'
import { newRequest } from '../support/pki.ts'

interface Stats {
  readonly octets: number
  readonly connections: number
}

let child: ChildProcess
let server: { readonly port: number; readonly tokenPort: number; readonly root: string }

async function ask<Answer>(command: 'reset' | 'stall' | 'stats'): Promise<Answer> {
  const answer = once(child, 'message')
  child.send(command)
  return ((await answer) as [Answer])[0]
}

const { request } = await newRequest()

/** Whether a caller on a connection of its own gets a certificate, and in how many milliseconds. */
async function goodCaller(): Promise<number | undefined> {
  const begun = performance.now()
  await using client = await createCertificateClient({
    address: `localhost:${server.port}`,
    tls: () => ({ roots: server.root }),
    headers: { 'x-caller': 'good' },
    retry: { attempts: 1 },
  })
  return await client.createCertificate(request).then(
    () => performance.now() - begun,
    () => undefined,
  )
}

beforeAll(async () => {
  child = fork(join(import.meta.dirname, 'attacked-server.ts'), {
    execArgv: ['--import', 'tsx', '--expose-gc'],
  })
  server = ((await once(child, 'message')) as [typeof server])[0]
  // What is made once is made before memory is compared.
  for (let count = 0; count < 50; count++) await goodCaller()
})

afterAll(() => {
  child.kill()
})

function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A literal header field that is not indexed (RFC 7541 §6.2.2), without Huffman coding. */
function field(name: string, value: string): Buffer {
  const text = (octets: Buffer): Buffer => {
    if (octets.length < 127) return Buffer.concat([Buffer.from([octets.length]), octets])
    const rest = octets.length - 127
    return Buffer.concat([Buffer.from([127, (rest & 127) | 128, rest >> 7]), octets])
  }
  return Buffer.concat([Buffer.from([0]), text(Buffer.from(name)), text(Buffer.from(value))])
}

const headers = Buffer.concat(
  [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', '/istio.v1.auth.IstioCertificateService/CreateCertificate'],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ].map(([name = '', value = '']) => field(name, value)),
)

const types = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, ping: 6, window: 8, continuation: 9 }
const [endStream, endHeaders] = [1, 4]
const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(types.settings, 0, 0)])
const emptyMessage = Buffer.alloc(5)
const uint32 = (value: number): Buffer => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

async function attacker(reads = true): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: server.port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  socket.write(preface)
  if (reads) socket.resume()
  return socket
}

/** Writes frames until so many octets were sent or the server has closed the connection. */
async function flood(socket: TLSSocket, make: (round: number) => Buffer, octets = 8_000_000): Promise<void> {
  let sent = 0
  for (let round = 0; sent < octets && !socket.destroyed; round++) {
    const next = make(round)
    sent += next.length
    if (socket.write(next)) continue
    const give = new AbortController()
    const timer = setTimeout(() => give.abort(), 5_000) // a server that does not read is a defence as well
    await Promise.race([
      once(socket, 'drain', { signal: give.signal }).catch(() => undefined),
      once(socket, 'close', { signal: give.signal }).catch(() => undefined),
    ])
    clearTimeout(timer)
    if (give.signal.aborted) return
    give.abort()
  }
}

const many = (count: number, make: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(index)))
const streamAt = (index: number): number => 1 + 2 * index

interface Attack {
  readonly what: string
  readonly make: (round: number) => Buffer
  readonly reads?: boolean
  readonly octets?: number
}

const attacks: readonly Attack[] = [
  { what: 'SETTINGS', make: () => many(500, () => frame(types.settings, 0, 0)) },
  {
    what: 'SETTINGS, answers unread',
    make: () => many(500, () => frame(types.settings, 0, 0)),
    reads: false,
  },
  { what: 'PINGs', make: () => many(500, () => frame(types.ping, 0, 0, Buffer.alloc(8))) },
  {
    what: 'PINGs, answers unread',
    make: () => many(500, () => frame(types.ping, 0, 0, Buffer.alloc(8))),
    reads: false,
  },
  {
    what: 'PRIORITY frames',
    make: () => many(500, (index) => frame(types.priority, 0, streamAt(index), Buffer.alloc(5))),
    octets: 4_000_000,
  },
  {
    what: 'streams that are reset at once',
    make: (round) =>
      many(100, (index) => {
        const stream = streamAt(round * 100 + index)
        return Buffer.concat([
          frame(types.headers, endHeaders, stream, headers),
          frame(types.reset, 0, stream, uint32(8)),
        ])
      }),
  },
  {
    what: 'requests that are reset at once',
    make: (round) =>
      many(100, (index) => {
        const stream = streamAt(round * 100 + index)
        return Buffer.concat([
          frame(types.headers, endHeaders, stream, headers),
          frame(types.data, endStream, stream, emptyMessage),
          frame(types.reset, 0, stream, uint32(8)),
        ])
      }),
  },
  {
    what: 'CONTINUATION without an end',
    make: (round) =>
      round === 0
        ? frame(types.headers, 0, 1, headers)
        : many(20, () => frame(types.continuation, 0, 1, field('x-a', 'y'.repeat(8_000)))),
  },
  {
    what: 'empty CONTINUATION',
    make: (round) =>
      round === 0 ? frame(types.headers, 0, 1, headers) : many(500, () => frame(types.continuation, 0, 1)),
  },
  {
    what: 'empty DATA',
    make: (round) =>
      round === 0 ? frame(types.headers, endHeaders, 1, headers) : many(500, () => frame(types.data, 0, 1)),
  },
  {
    what: 'WINDOW_UPDATE of one octet',
    make: () => many(500, () => frame(types.window, 0, 0, uint32(1))),
  },
  {
    what: 'more streams than SETTINGS allow',
    make: (round) =>
      many(100, (index) => frame(types.headers, endHeaders, streamAt(round * 100 + index), headers)),
  },
  { what: 'frames of unknown types', make: () => many(500, () => frame(0xee, 0, 0, Buffer.alloc(3))) },
]

describe('a stranger that floods with', () => {
  it.each(attacks)('$what stops nothing and keeps no memory', async ({ make, reads, octets }) => {
    const before = await ask<Stats>('stats')
    await ask('reset')
    const sockets = await Promise.all(Array.from({ length: 3 }, () => attacker(reads)))
    const floods = Promise.all(sockets.map((socket) => flood(socket, make, octets)))
    expect(await goodCaller()).toBeDefined()
    await floods
    expect(await goodCaller()).toBeDefined()
    const { stallMs } = await ask<{ readonly stallMs: number }>('stall')
    for (const socket of sockets) socket.destroy()
    await expect.poll(async () => (await ask<Stats>('stats')).connections, { timeout: 20_000 }).toBe(0)
    expect((await ask<Stats>('stats')).octets).toBeLessThanOrEqual(before.octets * 1.2)
    expect(stallMs).toBeLessThanOrEqual(200)
  })
})

describe('a stranger with a window of 0', () => {
  it('holds no answer for ever', async () => {
    const before = await ask<Stats>('stats')
    const zeroWindow = frame(types.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))
    const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker()))
    for (const socket of sockets) {
      const calls = many(16, (index) =>
        Buffer.concat([
          frame(types.headers, endHeaders, streamAt(index), headers),
          frame(types.data, endStream, streamAt(index), emptyMessage),
        ]),
      )
      socket.write(Buffer.concat([zeroWindow, calls]))
    }
    expect(await goodCaller()).toBeDefined()
    const ends = sockets.map(async (socket) => {
      if (!socket.destroyed) await once(socket, 'close').catch(() => undefined)
    })
    await Promise.all(ends)
    await expect.poll(async () => (await ask<Stats>('stats')).connections).toBe(0)
    expect((await ask<Stats>('stats')).octets).toBeLessThanOrEqual(before.octets * 1.2)
  })
})
