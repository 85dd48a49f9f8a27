// Strangers who flood the HTTP handler: its event loop goes on, and callers from another address and from the
// same one get their answers.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { Floods } from './http-floods.ts'

/** A second on a machine of its own, as `docs/robustness.md` has it; here other tests run beside. */
const patienceMs = 5000
let floods: Floods

beforeAll(async () => {
  floods = await Floods.open()
})

afterAll(() => floods[Symbol.asyncDispose]())

it.each([
  ['lists', 20, '127.0.0.2'],
  ['lists', 300, '127.0.0.2'],
  ['lists', 300, '127.0.0.1'],
  ['status', 300, '127.0.0.2'],
  ['bodies', 300, '127.0.0.2'],
  ['bodies', 300, '127.0.0.1'],
  ['sixteen', 300, '127.0.0.2'],
  ['single', 300, '127.0.0.1'],
  ['reset', 300, '127.0.0.1'],
] as const)('%s on %i connections, callers at %s', async (kind, connections, address) => {
  const { stallMs, share } = await floods.measure(kind, connections, address, 60, patienceMs)
  expect(stallMs).toBeLessThanOrEqual(200)
  expect(share).toBeGreaterThanOrEqual(0.95)
})
