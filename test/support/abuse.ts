// Mutants of texts from outside, and what may come of them: an answer or a PkiError, soon.

import { expect } from 'vitest'
import { isPkiError } from '../../src/errors/index.ts'

/** The same changes for the same seed. */
function mutations(seed: number): (text: string) => string {
  let state = seed
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const pieces = [
    '{',
    '[',
    ']',
    '}',
    ':',
    ',',
    '"',
    "'",
    '*',
    '&a',
    '- ',
    '\n',
    '  ',
    '\0',
    '?',
    '|',
    '>',
    '%',
    '#',
    '\\',
    '=',
    ';',
    '.',
    '__proto__',
    'null',
    '~',
    '1e999',
    '\u2028',
    '\ud800',
    '<<: *a',
    '!!binary ',
    '{**}',
    '9'.repeat(40),
  ]
  return (text) => {
    let changed = text
    for (let i = next(6) + 1; i > 0; i--) {
      const at = next(changed.length + 1)
      const piece = pieces[next(pieces.length)] as string
      const kind = next(6)
      if (kind === 0) changed = changed.slice(0, at) + piece + changed.slice(at)
      else if (kind === 1) changed = changed.slice(0, at) + piece.repeat(next(200)) + changed.slice(at)
      else if (kind === 2) changed = changed.slice(0, at) + changed.slice(at + next(20))
      else if (kind === 3) changed = changed.slice(0, at) + piece + changed.slice(at + 1)
      else if (kind === 4)
        changed = changed.slice(0, at) + changed.slice(next(at + 1), at) + changed.slice(at)
      else changed = changed.slice(0, at)
    }
    return changed
  }
}

/** What came of the mutants of one text. */
interface Abused {
  readonly taken: number
  readonly refused: number
  /** The most CPU time of a call, in milliseconds; of a slow call the best of three. */
  readonly slowestMs: number
}

/**
 * Gives mutants of `text` to `take`. Anything but an answer or a PkiError within 50 ms of this process's time
 * is an error.
 */
async function abuse(text: string, take: (text: string) => unknown, runs: number): Promise<Abused> {
  const mutate = mutations(7)
  const counted = { taken: 0, refused: 0, slowestMs: 0 }
  const run = async (changed: string): Promise<number> => {
    const before = process.cpuUsage()
    try {
      await take(changed)
      counted.taken++
    } catch (error) {
      if (!isPkiError(error)) throw new Error(`uncaught for ${JSON.stringify(changed)}`, { cause: error })
      counted.refused++
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }
  for (let i = 0; i < runs; i++) {
    const changed = mutate(text)
    let ms = await run(changed)
    // What is slow three times is slow by itself, and not by a collection of garbage.
    for (let again = 0; again < 2 && ms > maxMs; again++) ms = Math.min(ms, await run(changed))
    if (ms > maxMs) throw new Error(`${ms.toFixed(0)} ms for ${JSON.stringify(changed)}`)
    counted.slowestMs = Math.max(counted.slowestMs, ms)
  }
  return counted
}

/**
 * How many mutants of a text, out of `ABUSE_RUNS` over all texts (20,000 where it is not set). A campaign
 * prints what came of each.
 */
function runsOf(share: number): number {
  return Math.ceil(Number(process.env['ABUSE_RUNS'] ?? 20_000) * share)
}

/** Fails unless there were mutants of both kinds. */
export async function expectAbused(
  name: string,
  text: string,
  take: (text: string) => unknown,
  share: number,
): Promise<void> {
  const abused = await abuse(text, take, runsOf(share))
  if (process.env['ABUSE_RUNS'] !== undefined) console.log(name, JSON.stringify(abused))
  expect(abused.taken).toBeGreaterThan(0)
  expect(abused.refused).toBeGreaterThan(0)
}

/** A campaign of a million takes this long on a machine that is busy with other work. */
export const campaignMs: number = process.env['ABUSE_RUNS'] === undefined ? 10 * 60_000 : 6 * 3_600_000
const maxMs = 50
