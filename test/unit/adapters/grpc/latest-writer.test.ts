// A stream whose reader is slow has one message in transit, and gets the newest state after it.

import { describe, expect, it } from 'vitest'
import { AnswerPace } from '../../../../src/adapters/grpc/local-server/answer-pace.ts'
import { LatestWriter } from '../../../../src/adapters/grpc/local-server/latest-writer.ts'
import { FakeClock } from '../../../../src/testing/index.ts'

function makeWriter() {
  const written: number[] = []
  const sent: ((error?: Error | null) => void)[] = []
  let state: number | undefined = 0
  const sink = {
    write: (message: Uint8Array, done: (error?: Error | null) => void): void => {
      written.push(message[0] as number)
      sent.push(done)
    },
  }
  const writer = new LatestWriter(sink, () => (state === undefined ? undefined : Uint8Array.of(state)))
  const change = (value: number | undefined): void => {
    state = value
    writer.flush()
  }
  return { written, sent, writer, change }
}

describe('a stream', () => {
  it('has one message in transit, then the newest', () => {
    const { written, sent, change } = makeWriter()
    for (const value of [1, 2, 3]) change(value)
    expect(written).toEqual([1])
    sent[0]?.()
    expect(written).toEqual([1, 3])
    sent[1]?.(null)
    expect(written).toEqual([1, 3])
    change(4)
    expect(written).toEqual([1, 3, 4])
  })

  it('writes nothing where there is nothing to send', () => {
    const { written, change } = makeWriter()
    change(undefined)
    expect(written).toEqual([])
    change(1)
    expect(written).toEqual([1])
  })

  it('writes nothing after an error, and nothing after its end', () => {
    const failed = makeWriter()
    failed.change(1)
    failed.change(2)
    failed.sent[0]?.(new Error('reset'))
    expect(failed.written).toEqual([1])
    const ended = makeWriter()
    ended.change(1)
    ended.change(2)
    ended.writer.end()
    ended.sent[0]?.()
    ended.change(3)
    expect(ended.written).toEqual([1])
  })
})

it('a stream that was idle may send eight responses at once, and no more', () => {
  const clock = new FakeClock()
  const pace = new AnswerPace(clock, 128)
  clock.advance(3_600_000)
  for (let n = 0; n < 8; n++) {
    expect(pace.waitMs()).toBe(0)
    pace.spend()
  }
  expect(pace.waitMs()).toBe(128)
  clock.advance(64)
  expect(pace.waitMs()).toBe(64)
  clock.advance(64)
  expect(pace.waitMs()).toBe(0)
})
