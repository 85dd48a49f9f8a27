// Many SDS streams of one server in another process: a change of roots reaches all, reconnecting loses
// nothing, and readers that stop neither use much memory nor delay others.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { bundled } from '../support/bundled.ts'
import { LoadClients } from '../support/sds-load-client.ts'
import type { LoadAnswer, LoadOrder } from '../support/sds-load-server.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('sds-load-')
// A campaign has 10,000: it prints its figures and holds their times to the limits.
const streams = Number(process.env['SDS_STREAMS'] ?? 1_000)
const isCampaign = process.env['SDS_STREAMS'] !== undefined
const minutes = (isCampaign ? 30 : 5) * 60_000
const mib = 1024 * 1024

interface Server extends AsyncDisposable {
  readonly socket: string
  readonly first: LoadAnswer
  order(order: LoadOrder): Promise<LoadAnswer>
}

async function open(): Promise<Server> {
  const socket = join(newFolder(), 'sds.sock')
  const child = fork(
    fileURLToPath(bundled('test/support/sds-load-server.ts')),
    [socket, String(2 * streams)],
    { execArgv: ['--expose-gc'] },
  )
  const next = async (): Promise<LoadAnswer> => (await once(child, 'message'))[0] as LoadAnswer
  const first = await next()
  return {
    socket,
    first,
    order: async (order) => {
      const answered = next()
      child.send(order)
      return answered
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

/** What a campaign prints and is held to. */
function figure(name: string, value: number, limit: number): void {
  if (!isCampaign) return
  console.log(`${streams} streams: ${name} ${value.toPrecision(3)} (at most ${limit})`)
  expect(value).toBeLessThanOrEqual(limit)
}

it(
  'a change of roots reaches every stream, and a storm of connections loses nothing',
  async () => {
    await using server = await open()
    const before = (await server.order('memory')).bytes
    const clients = new LoadClients(server.socket, streams, 10)
    await clients.all(server.first.pem)
    const perStream = ((await server.order('memory')).bytes - before) / streams
    expect(perStream).toBeLessThan(100_000)
    figure('KB of memory a stream', perStream / 1000, 100)

    let began = performance.now()
    const changed = await server.order('rotate')
    await clients.all(changed.pem)
    figure('seconds for a change to reach all', (performance.now() - began) / 1000, 10)

    began = performance.now()
    clients.cut()
    // A change in the middle of the storm.
    const again = await server.order('rotate')
    await clients.all(again.pem)
    figure(
      'seconds for all to be connected again, with the newest roots',
      (performance.now() - began) / 1000,
      30,
    )
    expect(clients.having(again.pem)).toBe(streams)
    clients.close()
  },
  minutes,
)

it(
  'readers that stop cost at most 1 MiB each, and the others get every change',
  async () => {
    await using server = await open()
    const stopped = Math.ceil(streams / 10)
    const slow = new LoadClients(server.socket, stopped, 1)
    const quick = new LoadClients(server.socket, 100, 1)
    await slow.all(server.first.pem)
    await quick.all(server.first.pem)
    /** Milliseconds for each of 100 changes to reach all that read. */
    const changes = async (): Promise<number> => {
      const times: number[] = []
      for (let change = 0; change < 100; change++) {
        const began = performance.now()
        const { pem } = await server.order('rotate')
        await quick.all(pem)
        times.push(performance.now() - began)
      }
      return times.sort((a, b) => a - b)[98]!
    }
    const alone = await changes()
    const before = (await server.order('memory')).bytes
    for (const stream of slow.streams) stream.pause()
    // More octets than HTTP/2's windows and a socket's buffers hold: the server has to keep or drop.
    const beside = await changes()
    const perReader = ((await server.order('memory')).bytes - before) / stopped
    expect(perReader).toBeLessThanOrEqual(mib)
    figure(`MiB a stopped reader (${stopped})`, perReader / mib, 1)
    figure('p99 in ms of a change to 100 readers while all read', alone, Infinity)
    figure('p99 in ms of a change to 100 readers while the others have stopped', beside, 250)
    slow.close()
    quick.close()
  },
  minutes,
)
