// The key of an authority is doubted: holders of its certificates renew early, and not all at once.

import { afterEach, expect, it } from 'vitest'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { createX509Source, localCaClient } from '../../../src/secrets/index.ts'
import type { CaClient, X509Source } from '../../../src/secrets/index.ts'
import { callerOf, workloadId } from '../../support/pki.ts'
import { testRotation } from '../../support/rotation.ts'
import type { TestRotation } from '../../support/rotation.ts'

const minute = 60_000
const sources = new Set<X509Source>()
afterEach(async () => {
  for (const source of sources) await source[Symbol.asyncDispose]()
  sources.clear()
})

/** A CA whose next authority may sign at once, a client that counts, and sources that have an SVID. */
async function holders(count: number, options: object = {}) {
  const test = await testRotation()
  const { rotating, clock } = test
  await rotating.prepareNext()
  await rotating.publish()
  clock.advance(17 * minute)
  const issuance = createIssuanceService({
    authority: rotating.authority,
    clock,
    pruneIntervalSeconds: Infinity,
  })
  const local = localCaClient(issuance, callerOf(), rotating)
  const asked = { count: 0 }
  const ca: CaClient = {
    ...local,
    issue: (request) => {
      asked.count++
      return local.issue(request)
    },
  }
  const made = Array.from({ length: count }, () =>
    createX509Source({ ca, clock, id: workloadId, ...options }),
  )
  for (const source of made) {
    sources.add(source)
    await source.ready()
  }
  return { ...test, made, asked }
}

const issuersOf = (made: readonly X509Source[]): Set<string> =>
  new Set(made.map(({ current }) => current.svid.leaf.issuer.toString()))

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const taint = async ({ rotating }: Pick<TestRotation, 'rotating'>): Promise<void> => {
  await rotating.taint('ca-1')
  await settle()
}

it('every holder renews within the spread, a few at a time, by the next authority', async () => {
  const count = 100
  const drawn: Date[] = []
  const ignore = (): void => undefined
  const warn = (fields: object): void => void drawn.push((fields as { readonly renewAt: Date }).renewAt)
  const logger = { debug: ignore, info: ignore, warn, error: ignore }
  const test = await holders(count, { taintSpreadSeconds: 100, logger })
  const { clock, made, asked } = test
  const [before] = issuersOf(made)
  await taint(test)
  expect(asked.count, 'nobody asks at once').toBe(count)
  expect(drawn).toHaveLength(count)
  const tenths = Array.from({ length: 11 }, () => 0)
  for (const time of drawn) tenths[Math.floor((time.getTime() - clock.now()) / 10_000)]!++
  // Ten are expected in each; the last has what lies in the pause before any renewal.
  expect(Math.max(...tenths), String(tenths)).toBeLessThan(40)
  // Half of the life is 5 minutes away: without the taint nobody would ask.
  clock.advance(100_250)
  await expect.poll(() => issuersOf(made).has(before!), { timeout: 30_000 }).toBe(false)
  expect(asked.count).toBe(2 * count)
}, 60_000)

it('a certificate of another authority stays, and so does all once the source is disposed', async () => {
  const test = await holders(2, { taintSpreadSeconds: 10 })
  const { rotating, clock, made, asked } = test
  await rotating.activate()
  await made[0]!.renew()
  const [leaf, ended] = [made[0]!.current.svid.leaf, made[1]!]
  await ended[Symbol.asyncDispose]()
  await taint(test)
  clock.advance(20_000)
  await settle()
  expect(made[0]!.current.svid.leaf).toBe(leaf)
  expect(asked.count).toBe(3)
})

it('an answer that was on its way when the authority was tainted is renewed early too', async () => {
  const test = await holders(0)
  const { rotating, clock } = test
  const issuance = createIssuanceService({
    authority: rotating.authority,
    clock,
    pruneIntervalSeconds: Infinity,
  })
  const local = localCaClient(issuance, callerOf(), rotating)
  let asked = 0
  const ca: CaClient = {
    ...local,
    issue: async (request) => {
      const answer = await local.issue(request)
      if (++asked === 1) await rotating.taint('ca-1')
      return answer
    },
  }
  const source = createX509Source({ ca, clock, id: workloadId, taintSpreadSeconds: 10 })
  sources.add(source)
  const first = (await source.ready()).svid.leaf
  clock.advance(10_500)
  await expect.poll(() => source.current.svid.leaf !== first).toBe(true)
  expect(source.current.svid.leaf.issuer.toString()).not.toBe(first.issuer.toString())
})

it('a client that is not told has sources that renew as ever', async () => {
  const { rotating, clock } = await testRotation()
  const issuance = createIssuanceService({
    authority: rotating.authority,
    clock,
    pruneIntervalSeconds: Infinity,
  })
  const ca = localCaClient(issuance, callerOf())
  expect(ca.onTaint).toBeUndefined()
  const source = createX509Source({ ca, clock, id: workloadId })
  sources.add(source)
  expect((await source.ready()).svid.id.toString()).toBe(workloadId.toString())
})
