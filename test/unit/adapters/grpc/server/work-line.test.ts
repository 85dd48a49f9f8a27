// The order of queued work, and the ceiling of work in flight.

import { describe, expect, it } from 'vitest'
import { FairLine, InFlightLimit } from '../../../../../src/adapters/grpc/server/index.ts'
import { code } from '../../../../support/codes.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('FairLine', () => {
  it('starts as many entries in one turn as it may, never at once', async () => {
    const line = new FairLine(2)
    const started: number[] = []
    for (let entry = 0; entry < 5; entry++) void line.turn('a').then(() => started.push(entry))
    await Promise.resolve()
    expect(started).toEqual([])
    await turn()
    expect(started).toEqual([0, 1])
    await turn()
    expect(started).toEqual([0, 1, 2, 3])
    await turn()
    expect(started).toEqual([0, 1, 2, 3, 4])
  })

  it('takes the keys in turn, and each key in its order', async () => {
    const line = new FairLine(1)
    const started: string[] = []
    for (const entry of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'])
      void line.turn(entry[0]).then(() => started.push(entry))
    for (let count = 0; count < 6; count++) await turn()
    expect(started).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  it('starts again after it was empty', async () => {
    const line = new FairLine(1)
    await line.turn('a')
    await turn()
    expect(await line.turn('a')).toBeUndefined()
  })
})

describe('InFlightLimit', () => {
  it('refuses at the limit, and takes one more for each that left', () => {
    const limit = new InFlightLimit(2)
    limit.enter()
    limit.enter()
    expect(() => limit.enter()).toThrow(code('ERR_OVERLOADED'))
    expect(limit.count).toBe(2)
    limit.leave()
    limit.enter()
    expect(() => limit.enter()).toThrow(code('ERR_OVERLOADED'))
  })

  it('of 0 refuses everything', () => {
    expect(() => new InFlightLimit(0).enter()).toThrow(code('ERR_OVERLOADED'))
  })
})
