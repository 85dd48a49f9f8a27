// Many identities in one process: one request each, priorities, a limit, forgetting.

import { describe, expect, onTestFinished, test } from 'vitest'
import { createX509Sources, localCaClient } from '../../../src/secrets/index.ts'
import type { CaClient } from '../../../src/secrets/index.ts'
import { PriorityGate } from '../../../src/secrets/renewal/priority-gate.ts'
import { RenewalQueue } from '../../../src/secrets/renewal/renewal-queue.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { deferred } from '../../support/deferred.ts'
import { callerOf, testPki } from '../../support/pki.ts'

const hour = 3_600_000
const pki = await testPki()
const id = (name: string | number): string => `spiffe://example.org/ns/prod/sa/${name}`

function open(options: Partial<Parameters<typeof createX509Sources>[0]> = {}) {
  const clock = new FakeClock(new Date())
  const asked: string[] = []
  const held: { gate: Promise<void> | undefined; refuse: boolean } = { gate: undefined, refuse: false }
  const sources = createX509Sources({
    clock,
    caFor: (of): CaClient => ({
      issue: async (request) => {
        asked.push(of.path.slice(of.path.lastIndexOf('/') + 1))
        await held.gate
        if (held.refuse) throw new Error('refused')
        return localCaClient(pki.issuance, callerOf(of.toString())).issue(request)
      },
    }),
    ...options,
  })
  onTestFinished(() => sources[Symbol.asyncDispose]())
  return { clock, sources, asked, held }
}

describe('createX509Sources', () => {
  test('one request for all who ask for one identity, and then from memory', async () => {
    const { sources, asked } = open()
    const found = await Promise.all(Array.from({ length: 20 }, () => sources.identity(id('a'))))
    expect(new Set(found).size).toBe(1)
    expect(sources.current(id('a'))).toBe(found[0])
    expect(sources.current(id('b'))).toBeUndefined()
    expect(await sources.identity(id('a'), { priority: 'warmup' })).toBe(found[0])
    expect(asked).toEqual(['a'])
    expect(sources.size).toBe(1)
  })

  test('at most so many requests at one time; whoever waits goes before what will be needed', async () => {
    const { sources, asked, held } = open({ maxConcurrentRequests: 1 })
    const gate = deferred()
    held.gate = gate.promise
    const first = sources.identity(id('first'))
    const rest = ['w1', 'w2', 'w3'].map((name) => sources.identity(id(name), { priority: 'warmup' }))
    const wanted = sources.identity(id('real'))
    // One that was to be warmed up is awaited now.
    const raised = sources.identity(id('w3'))
    await expect.poll(() => asked).toEqual(['first'])
    gate.resolve()
    await Promise.all([first, ...rest, wanted, raised])
    expect(asked).toEqual(['first', 'real', 'w3', 'w1', 'w2'])
  })

  test('a CA that never answers holds its place until the deadline, not for good', async () => {
    const { sources, clock, asked, held } = open({ maxConcurrentRequests: 1, timeoutSeconds: 5 })
    held.gate = new Promise(() => undefined)
    const hanging = expect(sources.identity(id('hangs'))).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
    await expect.poll(() => asked).toEqual(['hangs'])
    const next = sources.identity(id('next'))
    held.gate = undefined
    clock.advance(5_000)
    await hanging
    expect((await next).svid.id.toString()).toBe(id('next'))
    expect(asked).toEqual(['hangs', 'next'])
  })

  test('the one asked for least recently makes room, and one in use stays', async () => {
    const { sources } = open({ maxIdentities: 2 })
    const used = sources.use(id('used'))
    await used.ready()
    await sources.identity(id('a'))
    await sources.identity(id('b'))
    expect([sources.current(id('a')), sources.current(id('used'))]).toEqual([undefined, used.current])
    const second = sources.use(id('b'))
    await expect(sources.identity(id('c'))).rejects.toThrow(code('ERR_LIMIT_EXCEEDED'))
    expect(() => sources.use(id('c'))).toThrow(code('ERR_LIMIT_EXCEEDED'))
    await second[Symbol.asyncDispose]()
    await sources.identity(id('c'))
    expect(sources.current(id('b'))).toBeUndefined()
    expect(() => second.current).toThrow(code('ERR_CLOSED'))
    expect(used.current).toBe(sources.current(id('used')))
  })

  test('forgets who is not used, and renews who is', async () => {
    const { sources, clock, asked } = open({ idleSeconds: 600 })
    const used = sources.use(id('used'))
    const first = await used.ready()
    await sources.identity(id('idle'))
    clock.advance(hour)
    expect(sources.size).toBe(1)
    const seen: unknown[] = []
    used.onChange((identity) => seen.push(identity))
    for (let step = 0; step < 17; step++) clock.advance(hour)
    await expect.poll(() => seen.length).toBe(1)
    expect(used.current).not.toBe(first)
    expect(asked).toEqual(['used', 'idle', 'used'])
    // Released, it stays for a while, and then goes with its timer.
    await used[Symbol.asyncDispose]()
    await used[Symbol.asyncDispose]()
    expect(sources.size).toBe(1)
    clock.advance(hour)
    expect(sources.size).toBe(0)
  })

  test('after a failure a call fails at once, and the source tries again by itself', async () => {
    const { sources, clock, asked, held } = open()
    held.refuse = true
    await expect(sources.identity(id('a'))).rejects.toThrow('refused')
    for (let call = 0; call < 10; call++)
      await expect(sources.identity(id('a'))).rejects.toThrow(code('ERR_SVID_UNAVAILABLE'))
    expect(asked).toEqual(['a'])
    held.refuse = false
    clock.advance(1_200)
    await expect.poll(() => sources.current(id('a'))).toBeDefined()
    expect(asked).toEqual(['a', 'a'])
  })

  test('a use ends what waits on it, and a closed pool takes no calls', async () => {
    const { sources, held } = open()
    held.gate = new Promise(() => undefined)
    const used = sources.use(id('a'))
    const [ready, renewed] = [used.ready(), used.renew()]
    const followed = (async () => {
      for await (const _identity of used) return 'one'
      return 'none'
    })()
    await used[Symbol.asyncDispose]()
    await expect(ready).rejects.toThrow(code('ERR_CLOSED'))
    await expect(renewed).rejects.toThrow(code('ERR_CLOSED'))
    expect(await followed).toBe('none')
    const waiting = sources.identity(id('b'))
    await sources[Symbol.asyncDispose]()
    await expect(waiting).rejects.toThrow(code('ERR_CLOSED'))
    await expect(sources.identity(id('a'))).rejects.toThrow(code('ERR_CLOSED'))
  })

  test('refuses what is no identity, priority or option', async () => {
    const { sources } = open()
    await expect(sources.identity('nobody')).rejects.toThrow(code('ERR_SPIFFE_ID_INVALID'))
    await expect(sources.identity(id('a'), { priority: 'high' as never })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    for (const options of [
      { caFor: 1 },
      { maxIdentities: 0 },
      { idleSeconds: 0 },
      { renewal: { jitter: 1 } },
    ])
      expect(() => createX509Sources({ caFor: () => ({}) as CaClient, ...options } as never)).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
  })
})

test('the gate runs what comes first, never more than its limit', async () => {
  const gate = new PriorityGate(3)
  let most = 0
  const turns = Array.from({ length: 50 }, () =>
    gate.run('background', async () => {
      most = Math.max(most, gate.running)
      await Promise.resolve()
    }),
  )
  await Promise.all(turns.map(({ result }) => result))
  expect([most, gate.running]).toEqual([3, 0])
  await expect(gate.run('realtime', () => Promise.reject(new Error('x'))).result).rejects.toThrow('x')
  expect(gate.running).toBe(0)
})

test('cancelled renewals leave the queue, however many come and go', () => {
  const clock = new FakeClock()
  const queue = new RenewalQueue(clock)
  let runs = 0
  const kept = Array.from({ length: 100 }, (_value, at) => clock.now() + 1000 * (at + 1))
  for (const due of kept) queue.add(due, () => runs++)
  for (let round = 0; round < 1_000; round++) queue.add(clock.now() + hour, () => (runs = -1e9))()
  expect(queue.size).toBe(100)
  clock.advance(2 * hour)
  expect([runs, queue.size]).toEqual([100, 0])
})
