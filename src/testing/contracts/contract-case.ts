// Cases of a contract for any test runner: the building blocks of every suite.

import { createHash } from 'node:crypto'
import { isPkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { systemClock } from '../../runtime/index.ts'

/** One case: it passes when `run` resolves. */
export interface ContractCase {
  /** The requirement as a sentence: the name of a test. */
  readonly name: string
  /**
   * Resolves if the implementation keeps this part of the contract; otherwise rejects with the observed
   * behaviour.
   */
  readonly run: () => Promise<void>
}

/** Fails the case with the observed values, unless the condition is true. */
export function holds(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise)
}

/** Fails the case unless both print the same JSON. */
export function same(found: unknown, expected: unknown, what: string): void {
  const [foundText, expectedText] = [textOf(found), textOf(expected)]
  holds(foundText === expectedText, `${what}: found ${foundText}, expected ${expectedText}`)
}

/** Fails the case unless the attempt rejects with one of the codes. */
export async function refused(
  codes: PkiErrorCode | readonly PkiErrorCode[],
  attempt: Promise<unknown> | (() => unknown),
): Promise<void> {
  const wanted = typeof codes === 'string' ? [codes] : codes
  let found: unknown
  try {
    await (typeof attempt === 'function' ? attempt() : attempt)
  } catch (error) {
    if (isPkiError(error) && wanted.includes(error.code)) return
    found = error
  }
  const text =
    found === undefined
      ? 'the call succeeded'
      : `it failed with ${found instanceof Error ? found.message : typeof found}`
  throw new Error(`expected ${wanted.join(' or ')}; ${text}`, { cause: found })
}

/**
 * Waits until the condition is true, ten seconds at most: for what an implementation does after a call has
 * returned.
 */
export async function eventually(condition: () => boolean, otherwise: string): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    holds(turn < 1000, otherwise)
    await new Promise<void>((resolve) => systemClock.schedule(resolve, 10, { keepAlive: true }))
  }
}

/** Attempts to change a returned object; the exception of a frozen object is expected. */
export function tryToChange(change: () => void): void {
  try {
    change()
  } catch (error) {
    holds(error instanceof TypeError, `the change failed with ${String(error)}`)
  }
}

function textOf(value: unknown): string {
  return value === undefined ? 'undefined' : JSON.stringify(plainOf(value))
}

/** JSON with keys in order, and octets by length and digest. */
function plainOf(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array)
    return `${value.length} octets ${createHash('sha256').update(value).digest('hex').slice(0, 16)}`
  if (Array.isArray(value)) return value.map(plainOf)
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return (value as { toJSON: () => unknown }).toJSON()
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(entries.map(([key, part]) => [key, plainOf(part)]))
}
