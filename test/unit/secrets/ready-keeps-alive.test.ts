// A process that awaits its first certificate is not ended meanwhile, as Node does where only unref'd timers
// are left.

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createFileSource } from '../../../src/adapters/files/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import type { Clock } from '../../../src/runtime/index.ts'
import { createX509Source } from '../../../src/secrets/index.ts'
import type { X509Source } from '../../../src/secrets/index.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const newFolder = temporaryFolders('ready-')
const id = 'spiffe://example.org/a'

/** The clock of the machine, and how many of its timers keep the process. */
class CountingClock implements Clock {
  keeping = 0
  now(): number {
    return systemClock.now()
  }
  monotonic(): number {
    return systemClock.monotonic()
  }
  schedule(...[callback, delayMs, options]: Parameters<Clock['schedule']>): () => void {
    const counted = options?.keepAlive === true && delayMs > 3_600_000
    if (counted) this.keeping++
    const cancel = systemClock.schedule(callback, delayMs, options)
    return () => {
      if (counted) this.keeping--
      cancel()
    }
  }
}

it.each<[string, (clock: Clock) => X509Source & AsyncDisposable]>([
  [
    'of a CA that cannot be reached',
    (clock) => createX509Source({ ca: { issue: () => Promise.reject(new Error('refused')) }, id, clock }),
  ],
  [
    'of files that are not there',
    (clock) => createFileSource({ directory: join(newFolder(), 'none'), clock }),
  ],
])('ready() keeps the process while it waits, and no longer: %s', async (_what, sourceOf) => {
  const clock = new CountingClock()
  await using source = sourceOf(clock)
  expect(clock.keeping).toBe(0)
  const over = new AbortController()
  const waits = [source.ready(over.signal), source.ready(over.signal)]
  expect(clock.keeping).toBe(2)
  over.abort()
  expect((await Promise.allSettled(waits)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(clock.keeping).toBe(0)
})
