// What local servers share: addresses, pace, turns, and writing no faster than the reader reads.

import { describe, expect, test } from 'vitest'
import { parseEndpoint, formatEndpoint } from '../../../../src/adapters/grpc/local-server/endpoint.ts'
import { AnswerPace, LatestWriter, PushTurn } from '../../../../src/adapters/grpc/local-server/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { code } from '../../../support/codes.ts'

describe('addresses', () => {
  test.each(['unix:///run/a.sock', 'tcp://127.0.0.1:80', 'tcp://[::1]:8081', 'tcp://10.1.2.3:0'])(
    '%s is one',
    (address) => {
      expect(formatEndpoint(parseEndpoint(address, 'x'))).toBe(address)
    },
  )

  test.each([
    '',
    'unix:',
    'unix://',
    'unix:///',
    'unix://host/run/a.sock',
    'unix:run/a.sock',
    'unix:////run/a.sock',
    'unix:///run/a.sock?x',
    'unix:///run/a.sock#x',
    'unix:///run/a\0sock',
    'unix:///run/dir/',
    `unix:///${'x'.repeat(107)}`,
    'tcp://localhost:80',
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:65536',
    'tcp://127.0.0.1:80/',
    'tcp://127.0.0.1:80/path',
    'tcp://user@127.0.0.1:80',
    'tcp://::1:80',
    'tcp://[127.0.0.1]:80',
    'http://127.0.0.1:80',
    '/run/a.sock',
  ])('%j is none', (address) => {
    expect(() => parseEndpoint(address, 'x')).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a writer', () => {
  test('has one message on the way, and then sends the newest', () => {
    const written: string[] = []
    const sent: ((error?: Error) => void)[] = []
    let newest: string | undefined
    const take = (): Uint8Array | undefined => {
      const taken = newest
      newest = undefined
      return taken === undefined ? undefined : Buffer.from(taken)
    }
    const writer = new LatestWriter(
      {
        write: (message, done) => {
          written.push(Buffer.from(message).toString())
          sent.push(done)
        },
      },
      take,
    )
    for (let at = 0; at < 1000; at++) {
      newest = `state ${at}`
      writer.flush()
    }
    expect(written).toEqual(['state 0'])
    sent.shift()!()
    expect(written).toEqual(['state 0', 'state 999'])
    sent.shift()!(new Error('gone'))
    newest = 'late'
    writer.end()
    writer.flush()
    expect(written.length).toBe(2)
  })

  test('asks for the next message only when there may be one', () => {
    let asked = 0
    const sent: (() => void)[] = []
    const writer = new LatestWriter({ write: (_message, done) => sent.push(done) }, () => {
      asked++
      return Buffer.alloc(1)
    })
    writer.flush()
    sent.shift()!()
    expect(asked).toBe(1)
    writer.flush()
    writer.flush()
    sent.shift()!()
    expect(asked).toBe(3)
    sent.shift()!()
    expect(asked).toBe(3)
  })
})

test('answers are paced: eight at once, then one per interval', () => {
  const clock = new FakeClock()
  const pace = new AnswerPace(clock, 100)
  const burst = (): number => {
    let count = 0
    for (; pace.waitMs() === 0; count++) pace.spend()
    return count
  }
  expect(burst()).toBe(8)
  expect(pace.waitMs()).toBe(100)
  clock.advance(250)
  expect(burst()).toBe(2)
  clock.advance(1_000_000)
  expect(burst()).toBe(8)
})

test('streams take turns, and each is called once for what changes in one turn', async () => {
  const turn = new PushTurn()
  const pushed: number[] = []
  const pushers = Array.from({ length: 800 }, (_, at) => ({ push: () => void pushed.push(at) }))
  for (const pusher of pushers) {
    turn.add(pusher)
    turn.add(pusher)
  }
  turn.delete(pushers[799]!)
  expect(pushed).toEqual([])
  await new Promise((resolve) => setImmediate(resolve))
  expect(pushed.length).toBeLessThan(800)
  await expect.poll(() => pushed.length).toBe(799)
  expect(new Set(pushed).size).toBe(799)
})

test('those that are added during a round get another turn after it, those that left get none', async () => {
  const turn = new PushTurn()
  const pushed: number[] = []
  const pushers = Array.from({ length: 2_000 }, (_, at) => ({
    push: () => {
      pushed.push(at)
      if (at !== 0 || pushed.length > 1) return
      turn.add(pushers[0]!)
      turn.add(pushers[1_998]!)
      turn.delete(pushers[1_999]!)
    },
  }))
  for (const pusher of pushers) turn.add(pusher)
  await expect.poll(() => pushed.length).toBe(2_001)
  expect(pushed.slice(-2)).toEqual([0, 1_998])
  expect(pushed).not.toContain(1_999)
  turn.add(pushers[5]!)
  await expect.poll(() => pushed.at(-1)).toBe(5)
})
