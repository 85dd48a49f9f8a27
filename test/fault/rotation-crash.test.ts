// A rotation that is cut off before or after each write of the store and of the keys: the same call completes
// it, and an authority can sign at every point.

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { createMemoryStorage } from '../../src/ca/index.ts'
import type { CaStorage } from '../../src/ca/index.ts'
import type { RotatingAuthority } from '../../src/ca/internal.ts'
import { MemoryKeyManager } from '../../src/keys/index.ts'
import type { KeyManager } from '../../src/keys/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { sqliteWorker } from '../support/bundled.ts'
import { issueLeaf, refusalOf, statesOf, testRotation } from '../support/rotation.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('rotation-crash-')
const workerModule = sqliteWorker()

/** Every write counts; one of them does not happen, or happens and is not answered. */
class Crash {
  #left: number
  readonly #before: boolean
  isOver = false

  constructor(at: number, before: boolean) {
    this.#left = at
    this.#before = before
  }

  async write<Result>(perform: () => Promise<Result>): Promise<Result> {
    // A process that has ended writes no more.
    if (this.isOver) throw new Error('killed')
    const isHere = this.#left-- === 0
    if (isHere) this.isOver = true
    if (isHere && this.#before) throw new Error('killed')
    const result = await perform()
    if (isHere) throw new Error('killed')
    return result
  }
}

function crashing<Target extends object>(target: Target, crash: Crash, writes: readonly string[]): Target {
  // Around an empty object: a frozen target would not let its methods be replaced.
  return new Proxy({} as Target, {
    get(_empty, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const bound = value.bind(target) as (...given: unknown[]) => Promise<unknown>
      if (!writes.includes(String(name))) return bound
      return (...given: unknown[]) => crash.write(() => bound(...given))
    },
  })
}

const keyWrites = ['generateKey', 'rotateKey', 'destroyKey']
const steps: Readonly<Record<string, (rotating: RotatingAuthority) => Promise<unknown>>> = {
  prepareNext: (rotating) => rotating.prepareNext({ id: 'ca-2' }),
  publish: (rotating) => rotating.publish(),
  'activate a share': (rotating) => rotating.activate({ share: 0.5, force: true, id: 'ca-2' }),
  activate: (rotating) => rotating.activate({ id: 'ca-2', force: true }),
  taint: (rotating) => rotating.taint('ca-1'),
  retire: (rotating) => rotating.retire('ca-1'),
  revoke: (rotating) => rotating.revoke('ca-1', { force: true }),
  'taint what signs': (rotating) => rotating.taint('ca-2', { force: true }),
}
const expected = ['ca-1 revoked', 'ca-2 tainted', 'ca-3 active']

const backends: Readonly<Record<string, (clock: FakeClock) => Promise<() => Promise<CaStorage>>>> = {
  memory: async (clock) => {
    const storage = createMemoryStorage({ clock })
    return async () => ({ ...storage, [Symbol.asyncDispose]: async () => undefined })
  },
  SQLite: async (clock) => {
    const path = join(newFolder(), 'ca.sqlite')
    return () => createSqliteStorage({ path, workerModule, clock })
  },
}

describe.each(Object.entries(backends))('on %s', (_backend, prepare) => {
  it.each([
    ['before', true],
    ['after', false],
  ])(
    'a rotation that is cut off %s each write goes on',
    async (_when, before) => {
      for (let at = 0; ; at++) {
        const clock = new FakeClock()
        const [open, keys] = [await prepare(clock), new MemoryKeyManager()]
        const crash = new Crash(at, before)
        const done: string[] = []
        await until(open, keys, clock, crash, done)
        if (!crash.isOver) {
          expect(at).toBeGreaterThan(10)
          break
        }
        // The next process: the calls that were not answered are made again.
        await until(open, keys, clock, new Crash(Infinity, true), done)
        await using storage = await open()
        expect(await statesOf({ storage }), `write ${at}`).toEqual(expected)
        expect(
          (await keys.listKeys()).map(({ version }) => version),
          `write ${at}`,
        ).toEqual([1, 2, 3])
      }
    },
    120_000,
  )
})

/** Opens the CA and takes the steps that are not done, until a crash. */
async function until(
  open: () => Promise<CaStorage>,
  keys: KeyManager,
  clock: FakeClock,
  crash: Crash,
  done: string[],
): Promise<void> {
  await using storage = await open()
  const kept = { ...storage, authorities: crashing(storage.authorities, crash, ['update']) }
  try {
    const { rotating } = await testRotation({
      ...{ storage: kept, clock, keys: crashing(keys, crash, keyWrites), automatic: false },
    })
    for (const [name, step] of Object.entries(steps)) {
      if (done.includes(name)) continue
      await step(rotating)
      const leaf = await issueLeaf({ rotating, storage, keys, clock })
      expect(refusalOf(leaf, rotating.authority.trustBundle(), clock.now())).toBeUndefined()
      done.push(name)
    }
  } catch (error) {
    if (!crash.isOver) throw error
  }
}
