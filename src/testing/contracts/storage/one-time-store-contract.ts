// The contract of stores of one-time values: one use, also with concurrent calls, and no use after the
// expiry.

import type { OneTimeStore } from '../../../auth/index.ts'
import { systemClock } from '../../../runtime/index.ts'
import { refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'

/**
 * The contract of `OneTimeStore` as cases.
 *
 * @example
 * ```ts
 * for (const { name, run } of contracts.OneTimeStore({ open: async () => createMemoryOneTimeStore() }))
 * it(name, run)
 * ```
 */
export function oneTimeStoreContract(options: {
  /** Opens the store; each case opens it. */
  readonly open: () => Promise<OneTimeStore>
}): readonly ContractCase[] {
  const later = (): Date => new Date(systemClock.now() + 3_600_000)
  const over = (): Date => new Date(systemClock.now() - 1_000)
  const cases: Readonly<Record<string, (store: OneTimeStore, key: string) => Promise<void>>> = {
    'returns a value once': async (store, key) => {
      same(await store.add(key, 'value', later()), true, 'the first add')
      same(await store.take(key), 'value', 'the first take')
      same(await store.take(key), undefined, 'the second take')
    },
    'returns nothing for another key': async (store, key) => {
      await store.add(key, 'value', later())
      same(await store.take(`${key}x`), undefined, 'the value of another key')
      same(await store.take(key.toUpperCase()), undefined, 'the value of the key in upper case')
    },
    'refuses a second value for a key, and keeps the first': async (store, key) => {
      await store.add(key, 'first', later())
      same(await store.add(key, 'second', later()), false, 'the second add')
      same(await store.take(key), 'first', 'the value')
    },
    'does not return an expired value, and its key is free': async (store, key) => {
      await store.add(key, 'old', over())
      same(await store.add(key, 'new', later()), true, 'an add after the expiry')
      same(await store.take(key), 'new', 'the value')
      await store.add(key, 'old', over())
      same(await store.take(key), undefined, 'an expired value')
    },
    'refuses an expiry that is not a time, and keeps nothing': async (store, key) => {
      await refused('ERR_INVALID_ARGUMENT', store.add(key, 'value', new Date(NaN)))
      same(await store.add(key, 'new', later()), true, 'the next add')
      same(await store.add(key, 'again', later()), false, 'the add after it')
    },
    'of a hundred concurrent calls, one takes and one adds': async (store, key) => {
      const added = await Promise.all(
        Array.from({ length: 100 }, (_, at) => store.add(key, String(at), later())),
      )
      same(added.filter(Boolean).length, 1, 'the adds that succeeded')
      const taken = await Promise.all(Array.from({ length: 100 }, () => store.take(key)))
      same(taken.filter((value) => value !== undefined).length, 1, 'the takes that succeeded')
    },
  }
  return Object.entries(cases).map(([name, test], at) => ({
    name,
    run: async () =>
      test(await options.open(), `contract-${at}-${Math.trunc(systemClock.monotonic() * 1e6)}`),
  }))
}
