// How many tasks run in one turn of the event loop, and in which order.

import { describe, expect, it } from 'vitest'
import { TurnLine } from '../../../src/internal/turns/turn-lines.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function lineOf(perTurn: number): { readonly ran: number[]; readonly add: (task: number) => void } {
  const line = new TurnLine(perTurn)
  const ran: number[] = []
  return { ran, add: (task) => line.add(() => ran.push(task)) }
}

describe('TurnLine', () => {
  it('runs as many tasks at once as a turn may have, the rest in later turns and in order', async () => {
    const { ran, add } = lineOf(3)
    for (let task = 0; task < 8; task++) add(task)
    expect(ran).toEqual([0, 1, 2])
    await turn()
    expect(ran).toEqual([0, 1, 2, 3, 4, 5])
    await turn()
    expect(ran).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('counts the tasks of one turn together, whenever in it they came', async () => {
    const { ran, add } = lineOf(2)
    for (let task = 0; task < 5; task++) add(task)
    await turn() // runs 2 and 3; 4 waits, so 5 waits behind it
    add(5)
    expect(ran).toEqual([0, 1, 2, 3])
    await turn()
    expect(ran).toEqual([0, 1, 2, 3, 4, 5])
    add(6) // both places of this turn are taken
    expect(ran).toEqual([0, 1, 2, 3, 4, 5])
    await turn()
    expect(ran).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  it('runs at once again after a turn without a task', async () => {
    const { ran, add } = lineOf(1)
    add(0)
    await turn()
    await turn()
    add(1)
    expect(ran).toEqual([0, 1])
  })

  it('runs tasks that a task adds after those that wait already', async () => {
    const line = new TurnLine(1)
    const ran: string[] = []
    line.add(() => {
      ran.push('first')
      line.add(() => ran.push('inner'))
    })
    line.add(() => ran.push('second'))
    await turn()
    await turn()
    await turn()
    expect(ran).toEqual(['first', 'inner', 'second'])
  })
})
