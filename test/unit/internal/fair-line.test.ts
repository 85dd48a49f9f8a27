// The order of queued work, by key.

import { describe, expect, it } from 'vitest'
import { FairLine } from '../../../src/internal/turns/turn-lines.ts'

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
