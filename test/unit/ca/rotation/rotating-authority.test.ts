// The steps of a rotation: states, refusals, dry runs, canary, taint, the schedule.

import { describe, expect, it } from 'vitest'
import { createMemoryStorage, createRotatingAuthority } from '../../../../src/ca/index.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { MemoryKeyManager } from '../../../../src/keys/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { generalName } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { deferred } from '../../../support/deferred.ts'
import { newRequest } from '../../../support/pki.ts'
import {
  issueLeaf,
  refusalOf,
  rotationTimes,
  shortProfile,
  statesOf,
  testRotation,
} from '../../../support/rotation.ts'

const minute = 60_000
/** 3 × 300 s, a poll and the clock skew. */
const publishedMs = (3 * 300 + 60 + 60) * 1000

describe('a rotation by hand', () => {
  it('goes from a new key to the end of the old one, and every leaf verifies all the time', async () => {
    const test = await testRotation()
    const { rotating, clock } = test
    expect(await statesOf(test)).toEqual(['ca-1 active'])
    const old = await issueLeaf(test)
    const before = rotating.authority.trustBundle()

    const prepared = await rotating.prepareNext()
    expect(prepared.changes).toEqual([{ id: 'ca-2', from: undefined, to: 'prepared', share: undefined }])
    expect(rotating.authority.roots).toHaveLength(1)

    const published = await rotating.publish()
    expect(published.addedRoots).toHaveLength(1)
    expect(rotating.authority.roots).toHaveLength(2)
    await expect(rotating.activate()).rejects.toThrow(code('ERR_ROTATION_EARLY'))

    clock.advance(publishedMs)
    await rotating.activate()
    expect(await statesOf(test)).toEqual(['ca-1 retired', 'ca-2 active'])
    const both = rotating.authority.trustBundle()
    const fresh = await issueLeaf(test)
    expect(fresh.certificate.authorityKeyIdentifier).not.toEqual(old.certificate.authorityKeyIdentifier)
    expect(refusalOf(fresh, both, clock.now())).toBeUndefined()
    expect(refusalOf(fresh, before, clock.now())).toBeDefined()
    expect((await rotating.authority.issueCrls()).length).toBeGreaterThan(0)
  })

  it('is read from the store each time, and parsed again only where it has changed', async () => {
    const test = await testRotation()
    const { rotating, storage } = test
    const read = async () => (await rotating.status()).authorities.map(({ certificate }) => certificate)
    const [first] = await read()
    await rotating.prepareNext()
    const [second, next] = await read()
    expect(second).toBe(first)
    const other = await testRotation()
    const [, record] = await storage.authorities.list()
    const [foreign] = await other.storage.authorities.list()
    const { certificate } = foreign!
    await storage.authorities.update([{ ...record!, certificate, version: record!.version + 1 }])
    const [third, changed] = await read()
    expect(third).toBe(first)
    expect(changed!.equals(next!)).toBe(false)
  })

  it.each([
    ['which had acquired it', true],
    ['which had not', false],
  ])('leaves no lease to a disposed process, also after a run in progress %s', async (_what, isHeld) => {
    const storage = createMemoryStorage()
    const acquiring = deferred()
    const acquire: typeof storage.leases.acquire = async (...call) => {
      if (isHeld) acquiring.resolve()
      return storage.leases.acquire(...call)
    }
    const leases: typeof storage.leases = {
      ...{ acquire, now: () => storage.leases.now() },
      release: (lease) => storage.leases.release(lease),
    }
    const { rotating } = await testRotation({ storage: { ...storage, leases } })
    const running = rotating.run()
    if (isHeld) await acquiring.promise
    await rotating[Symbol.asyncDispose]()
    await running
    expect(await rotating.run()).toEqual([])
    expect(await storage.leases.acquire('rotation-ca', 'another process', 1000)).toBeDefined()
  })

  it('begins in two processes at once, with one key and one authority', async () => {
    const clock = new FakeClock()
    const shared = { clock, storage: createMemoryStorage({ clock }), keys: new MemoryKeyManager() }
    const [one, two] = await Promise.all([testRotation(shared), testRotation(shared)])
    expect(await statesOf(shared)).toEqual(['ca-1 active'])
    expect(one.rotating.authority.certificate.equals(two.rotating.authority.certificate)).toBe(true)
    expect(await shared.keys.listKeys()).toHaveLength(1)
  })

  it.each([
    ['', false, ['ca-1 active']],
    [', and prepares the next one,', true, ['ca-1 active', 'ca-2 published']],
  ])('begins where another process begins%s between two of its steps', async (_what, prepares, states) => {
    const clock = new FakeClock()
    const storage = createMemoryStorage({ clock })
    const keys = new MemoryKeyManager()
    let isFirst = true
    const authorities = Object.freeze({
      list: () => storage.authorities.list(),
      async update(...input: Parameters<typeof storage.authorities.update>) {
        await storage.authorities.update(...input)
        if (!isFirst) return
        isFirst = false
        // It finds what is prepared, and goes on to the end.
        const { rotating } = await testRotation({ clock, storage, keys })
        if (prepares) await rotating.prepareNext()
      },
    })
    await testRotation({ clock, storage: { ...storage, authorities }, keys })
    expect(await statesOf({ storage })).toEqual(states)
  })

  it('begins after a stop at whose end the next one has too little left to sign', async () => {
    const clock = new FakeClock()
    const before = await testRotation({ clock })
    const { storage, keys, rotating } = before
    clock.advance(3600 * 1000)
    await rotating.prepareNext()
    await rotating.publish()
    await rotating[Symbol.asyncDispose]()
    // ca-1 has expired; ca-2 has 500 s, and a leaf 600.
    clock.advance((7200 - 500) * 1000)
    const after = await testRotation({ clock, storage, keys })
    expect(await statesOf(after)).toEqual(['ca-1 retired', 'ca-2 revoked', 'ca-3 active'])
    const leaf = await issueLeaf(after)
    expect(refusalOf(leaf, after.rotating.authority.trustBundle(), clock.now())).toBeUndefined()
  })

  it('does not end an authority whose leaves are valid, unless it is forced', async () => {
    const test = await testRotation()
    const { rotating, clock } = test
    await rotating.prepareNext()
    await rotating.publish()
    clock.advance(publishedMs)
    const old = await issueLeaf(test)
    await rotating.activate()
    expect(refusalOf(old, rotating.authority.trustBundle(), clock.now())).toBeUndefined()
    await expect(rotating.revoke('ca-1')).rejects.toThrow(code('ERR_ROTATION_EARLY'))
    expect(await statesOf(test)).toEqual(['ca-1 retired', 'ca-2 active'])
    const change = await rotating.revoke('ca-1', { force: true })
    expect(change.removedRoots).toHaveLength(1)
    expect(refusalOf(old, rotating.authority.trustBundle(), clock.now())).toBeDefined()
  })

  it('ends it when the last leaf has expired', async () => {
    const test = await testRotation()
    await test.rotating.prepareNext()
    await test.rotating.publish()
    test.clock.advance(publishedMs)
    await issueLeaf(test)
    await test.rotating.activate()
    test.clock.advance(601_000)
    await test.rotating.revoke('ca-1')
    expect(test.rotating.authority.roots).toHaveLength(1)
  })

  it('does nothing when a step is called again', async () => {
    const test = await testRotation()
    const { rotating, clock } = test
    for (const id of ['ca-2', 'ca-2']) await rotating.prepareNext({ id })
    await rotating.publish()
    expect((await rotating.publish()).changes).toEqual([])
    clock.advance(publishedMs)
    await rotating.activate({ id: 'ca-2' })
    expect((await rotating.activate({ id: 'ca-2' })).changes).toEqual([])
    await rotating.taint('ca-1')
    expect((await rotating.taint('ca-1')).changes).toEqual([])
    await rotating.retire('ca-1')
    expect((await rotating.retire('ca-1')).changes).toEqual([])
    await rotating.revoke('ca-1')
    expect((await rotating.revoke('ca-1')).changes).toEqual([])
    expect((await test.storage.authorities.list()).map(({ version }) => version)).toEqual([7, 3])
  })

  it('says in a dry run what would change, and changes nothing', async () => {
    const test = await testRotation()
    const { rotating, clock, storage, keys } = test
    const steps = [
      ['ca-2', 'prepared', () => rotating.prepareNext({ dryRun: true }), () => rotating.prepareNext()],
      ['ca-2', 'published', () => rotating.publish({ dryRun: true }), () => rotating.publish()],
      ['ca-2', 'active', () => rotating.activate({ dryRun: true }), () => rotating.activate()],
      ['ca-1', 'tainted', () => rotating.taint('ca-1', { dryRun: true }), () => rotating.taint('ca-1')],
      ['ca-1', 'retired', () => rotating.retire('ca-1', { dryRun: true }), () => rotating.retire('ca-1')],
      ['ca-1', 'revoked', () => rotating.revoke('ca-1', { dryRun: true }), () => rotating.revoke('ca-1')],
    ] as const
    for (const [id, state, dry, real] of steps) {
      const [records, keyList, roots] = [
        await storage.authorities.list(),
        await keys.listKeys(),
        rotating.authority.roots,
      ]
      const planned = await dry()
      expect(planned.dryRun).toBe(true)
      expect(await storage.authorities.list()).toEqual(records)
      expect(await keys.listKeys()).toEqual(keyList)
      expect(rotating.authority.roots).toEqual(roots)
      expect(planned.changes).toContainEqual(expect.objectContaining({ id, to: state }))
      const done = await real()
      expect(done.changes).toEqual(planned.changes)
      clock.advance(publishedMs)
    }
  })

  it.each<
    [string, (rotating: Awaited<ReturnType<typeof testRotation>>['rotating']) => Promise<unknown>, string]
  >([
    ['publishes nothing', (rotating) => rotating.publish(), 'ERR_ROTATION_STATE'],
    ['activates nothing', (rotating) => rotating.activate(), 'ERR_ROTATION_STATE'],
    ['retires what signs', (rotating) => rotating.retire('ca-1'), 'ERR_ROTATION_STATE'],
    ['revokes what signs', (rotating) => rotating.revoke('ca-1', { force: true }), 'ERR_ROTATION_STATE'],
    ['taints what is unknown', (rotating) => rotating.taint('ca-9'), 'ERR_INVALID_ARGUMENT'],
    ['activates a share of 2', (rotating) => rotating.activate({ share: 2 }), 'ERR_INVALID_ARGUMENT'],
    ['activates a share of NaN', (rotating) => rotating.activate({ share: NaN }), 'ERR_INVALID_ARGUMENT'],
    ['takes another option', (rotating) => rotating.publish({ dry: true } as never), 'ERR_INVALID_ARGUMENT'],
    [
      'activates what is only prepared',
      async (rotating) => {
        await rotating.prepareNext()
        await rotating.activate({ force: true })
      },
      'ERR_ROTATION_STATE',
    ],
    [
      'activates what was discarded',
      async (rotating) => {
        await rotating.prepareNext()
        await rotating.revoke('ca-2')
        await rotating.activate({ id: 'ca-2', force: true })
      },
      'ERR_ROTATION_STATE',
    ],
  ])('never %s', async (_what, call, expected) => {
    const { rotating, storage } = await testRotation()
    await expect(call(rotating)).rejects.toThrow(code(expected))
    expect((await storage.authorities.list())[0]?.state).toBe('active')
  })

  it('does not activate a CA that ends before one leaf', async () => {
    const { rotating, clock } = await testRotation()
    await rotating.prepareNext()
    await rotating.publish()
    clock.advance((7200 - 500) * 1000)
    await expect(rotating.activate()).rejects.toThrow(code('ERR_CA_EXPIRED'))
  })

  it('uses a new key each time, and no key piles up when preparing fails', async () => {
    const keys = new MemoryKeyManager()
    const upstream = {
      name: 'down',
      issueIntermediate: async () => {
        throw new Error('down')
      },
      roots: async () => [],
    }
    const clock = new FakeClock()
    for (let attempt = 0; attempt < 5; attempt++)
      await expect(testRotation({ keys, upstream, clock })).rejects.toThrow('down')
    expect(await keys.listKeys()).toEqual([])
  })
})

describe('a canary', () => {
  it('signs for its share of the keys, always the same; then for all, or none', async () => {
    const test = await testRotation()
    const { rotating, clock } = test
    await rotating.prepareNext()
    await rotating.publish()
    await expect(rotating.activate({ share: 0.5 })).rejects.toThrow(code('ERR_ROTATION_EARLY'))
    clock.advance(publishedMs)
    const requests = await Promise.all(Array.from({ length: 40 }, async () => (await newRequest()).request))
    const [, next] = (await rotating.status()).authorities
    const isNext = async (at: number): Promise<boolean> => {
      const { certificate, chain } = await issueLeaf(test, requests[at])
      expect(refusalOf({ certificate, chain }, rotating.authority.trustBundle(), clock.now())).toBeUndefined()
      return certificate.verifySignatureBy(next!.certificate.publicKey)
    }
    const issuers = (): Promise<boolean[]> => Promise.all(requests.map((_, at) => isNext(at)))
    await rotating.activate({ share: 0.5 })
    const first = await issuers()
    const count = first.filter(Boolean).length
    expect(count).toBeGreaterThan(5)
    expect(count).toBeLessThan(35)
    expect(await issuers()).toEqual(first)
    expect((await rotating.status()).authorities.map(({ share }) => share)).toEqual([0.5, 0.5])
    expect(await rotating.authority.issueCrls()).toHaveLength(2)
    await rotating.activate({ share: 0 })
    expect((await issuers()).every((one) => !one)).toBe(true)
    await rotating.activate({ share: 0.5 })
    await rotating.activate()
    expect((await issuers()).every(Boolean)).toBe(true)
    expect(await statesOf(test)).toEqual(['ca-1 retired', 'ca-2 active'])
  })

  it('has lists before its first leaf', async () => {
    const { rotating, clock } = await testRotation()
    await rotating.prepareNext()
    await rotating.publish()
    clock.advance(publishedMs)
    await rotating.activate({ share: 0.001 })
    for (let count = 0; count < 2; count++) expect(await rotating.authority.issueCrls()).toHaveLength(2)
  })
})

describe('a tainted authority', () => {
  it('is replaced as soon as its successor may sign, and its holders are told', async () => {
    const test = await testRotation()
    const { rotating, clock } = test
    const told: string[] = []
    const renewals: ReturnType<typeof issueLeaf>[] = []
    rotating.onEvent((event) => {
      if (event.kind !== 'tainted') return
      told.push(event.id)
      renewals.push(issueLeaf(test))
    })
    const leaf = await issueLeaf(test)
    await expect(rotating.taint('ca-1')).rejects.toThrow(code('ERR_ROTATION_EARLY'))
    expect(await statesOf(test)).toEqual(['ca-1 active', 'ca-2 published'])
    expect(rotating.authority.roots).toHaveLength(2)
    expect(rotating.isTainted(leaf.certificate)).toBe(false)
    clock.advance(publishedMs)
    await rotating.taint('ca-1')
    expect(await statesOf(test)).toEqual(['ca-1 tainted', 'ca-2 active'])
    expect(told).toEqual(['ca-1'])
    expect(rotating.isTainted((await renewals[0]!).certificate)).toBe(false)
    expect(rotating.isTainted(leaf.certificate)).toBe(true)
    expect(rotating.isTainted((await issueLeaf(test)).certificate)).toBe(false)
  })

  it('is replaced at once where it is forced', async () => {
    const test = await testRotation()
    await test.rotating.taint('ca-1', { force: true })
    expect(await statesOf(test)).toEqual(['ca-1 tainted', 'ca-2 active'])
  })

  it('is not said to be by status before it is: the write of the step is still being answered', async () => {
    const memory = createMemoryStorage()
    const answered = deferred()
    const written = deferred()
    const update: typeof memory.authorities.update = async (records, options) => {
      await memory.authorities.update(records, options)
      if (!records.some(({ state }) => state === 'tainted')) return
      written.resolve()
      await answered.promise
    }
    const authorities = { list: () => memory.authorities.list(), update }
    const test = await testRotation({ storage: { ...memory, authorities } })
    const { rotating } = test
    const leaf = await issueLeaf(test)
    const tainting = rotating.taint('ca-1', { force: true })
    await written.promise
    const said = rotating.status().then(({ authorities: [first, second] }) => ({
      states: [first?.state, second?.state],
      isTainted: rotating.isTainted(leaf.certificate),
      signs: second?.certificate.equals(rotating.authority.certificate),
    }))
    setImmediate(answered.resolve)
    expect(await said).toEqual({ states: ['tainted', 'active'], isTainted: true, signs: true })
    await tainting
  })

  it('is followed by status where another process has tainted it', async () => {
    const shared = { clock: new FakeClock(), keys: new MemoryKeyManager() }
    const storage = createMemoryStorage({ clock: shared.clock })
    const one = await testRotation({ ...shared, storage })
    const two = await testRotation({ ...shared, storage })
    const leaf = await issueLeaf(two)
    await one.rotating.taint('ca-1', { force: true })
    expect((await two.rotating.status()).authorities.map(({ state }) => state)).toEqual(['tainted', 'active'])
    expect(two.rotating.isTainted(leaf.certificate)).toBe(true)
    expect(two.rotating.authority.certificate.equals(one.rotating.authority.certificate)).toBe(true)
  })

  it('is said by status also where its successor cannot sign here, with an event', async () => {
    const clock = new FakeClock()
    const storage = createMemoryStorage({ clock })
    const keys = new MemoryKeyManager()
    const one = await testRotation({ clock, storage, keys })
    const two = await testRotation({ clock, storage, keys })
    await one.rotating.taint('ca-1', { force: true })
    await keys.destroyKey('ca', 2)
    const failed: unknown[] = []
    two.rotating.onEvent((event) => void (event.kind === 'failed' && failed.push(event.error)))
    expect((await two.rotating.status()).authorities.map(({ state }) => state)).toEqual(['tainted', 'active'])
    expect(failed).toEqual([code('ERR_KEY_NOT_FOUND')])
  })

  it.each(['tainted', 'revoked'] as const)(
    'is not signed with where it is %s and its successor cannot sign here',
    async (state) => {
      const clock = new FakeClock()
      const storage = createMemoryStorage({ clock })
      const keys = new MemoryKeyManager()
      const one = await testRotation({ clock, storage, keys })
      let isLacking = true
      const lacking = new Proxy(keys, {
        get: (target, name) =>
          name === 'getSigner'
            ? async (id: string, version?: number) =>
                isLacking && version === 2 ? undefined : target.getSigner(id, version)
            : (Reflect.get(target, name, target) as () => unknown).bind(target),
      })
      const two = await testRotation({ clock, storage, keys: lacking })
      const { authority } = two.rotating
      const { request } = await newRequest()
      const content = { subjectAltName: [generalName.uri('spiffe://example.org/web')] }
      const before = await authority.prepare(request, content)
      await one.rotating.taint('ca-1', { force: true })
      if (state === 'revoked') await one.rotating.revoke('ca-1', { force: true })
      await expect(two.rotating.run()).rejects.toEqual(code('ERR_KEY_NOT_FOUND'))
      const refusal = code('ERR_CA_MATERIAL')
      await expect(authority.prepare(request, content)).rejects.toEqual(refusal)
      await expect(authority.sign(before)).rejects.toEqual(refusal)
      // Relying parties still ask for the lists of the certificates that it has signed.
      expect((await authority.issueCrl({ fresh: true })).crlNumber).toBeDefined()
      isLacking = false
      await two.rotating.run()
      const { certificate } = await issueLeaf(two)
      expect(certificate.verifySignatureBy(one.rotating.authority.certificate.publicKey)).toBe(true)
    },
  )

  it('is followed also by a process whose own step fails', async () => {
    const clock = new FakeClock()
    const storage = createMemoryStorage({ clock })
    const keys = new MemoryKeyManager()
    const one = await testRotation({ clock, storage, keys })
    let isOver = false
    const leases: typeof storage.leases = {
      acquire: async (...call) => {
        if (isOver) throw new PkiError('ERR_STORE_UNAVAILABLE', 'for a test')
        return storage.leases.acquire(...call)
      },
      release: (lease) => storage.leases.release(lease),
      now: () => storage.leases.now(),
    }
    const two = await testRotation({ clock, storage: { ...storage, leases }, keys })
    isOver = true
    await one.rotating.taint('ca-1', { force: true })
    await expect(two.rotating.run()).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
    expect(two.rotating.authority.certificate.equals(one.rotating.authority.certificate)).toBe(true)
  })

  it('may have been retired before', async () => {
    const test = await testRotation()
    await test.rotating.prepareNext()
    await test.rotating.publish()
    await test.rotating.activate({ force: true })
    await test.rotating.taint('ca-1')
    expect(await statesOf(test)).toEqual(['ca-1 tainted', 'ca-2 active'])
  })
})

describe('a cross-signed root', () => {
  it('is accepted by who has only the root before it', async () => {
    const test = await testRotation({ crossSign: true })
    const { rotating, clock } = test
    const before = rotating.authority.trustBundle()
    await rotating.prepareNext()
    await rotating.publish()
    await rotating.activate({ force: true })
    const leaf = await issueLeaf(test)
    expect(leaf.chain).toHaveLength(1)
    expect(refusalOf(leaf, before, clock.now())).toBeUndefined()
    expect(refusalOf(leaf, rotating.authority.trustBundle(), clock.now())).toBeUndefined()
    clock.advance(minute)
    await rotating.revoke('ca-1')
    expect((await issueLeaf(test)).chain).toHaveLength(0)
  })
})

describe('the schedule', () => {
  it('prepares at half of the life, activates at five sixths, ends when leaves have expired', async () => {
    const test = await testRotation()
    const { rotating, clock } = test
    const seen: string[] = []
    for (let at = 0; at < 7200 + 3600; at += 60) {
      for (const { changes } of await rotating.run())
        for (const { id, to } of changes) seen.push(`${at} ${id} ${to}`)
      if (at % 300 === 0) await issueLeaf(test)
      clock.advance(minute)
    }
    expect(seen).toEqual([
      '3600 ca-2 prepared',
      '3600 ca-2 published',
      '6000 ca-1 retired',
      '6000 ca-2 active',
      '6780 ca-1 revoked',
      '7200 ca-3 prepared',
      '7200 ca-3 published',
      '9600 ca-2 retired',
      '9600 ca-3 active',
      '10380 ca-2 revoked',
    ])
  })

  it('draws the jitter once, and keeps it over a restart', async () => {
    const numbers = [0.5, 0.9]
    const random = (): number => numbers.shift() ?? 0
    const { rotating, ...kept } = await testRotation({ random })
    const { due } = await rotating.status()
    expect(due).toMatchObject({ step: 'prepare' })
    expect(due!.at.getTime() - kept.clock.now()).toBe((3600 - 180) * 1000)
    const again = await testRotation({ ...kept, random })
    expect((await again.rotating.status()).due).toEqual(due)
  })

  it('runs by itself, and stops', async () => {
    const { rotating, clock, storage } = await testRotation({ automatic: true })
    for (let at = 0; at < 7000; at += 60) {
      clock.advance(minute)
      await rotating.status()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await expect
      .poll(async () => {
        clock.advance(minute)
        return (await storage.authorities.list()).length
      })
      .toBeGreaterThan(1)
    await rotating[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
  })

  it('takes what came due while no process ran, at once', async () => {
    const { rotating, ...kept } = await testRotation()
    kept.clock.advance(4000_000)
    const again = await testRotation({ ...kept, automatic: true })
    await expect.poll(() => statesOf(again)).toEqual(['ca-1 active', 'ca-2 published'])
    await again.rotating[Symbol.asyncDispose]()
    await rotating[Symbol.asyncDispose]()
  })

  it('takes no step while another process has the lease, and follows it', async () => {
    const clock = new FakeClock()
    const [storage, keys] = [createMemoryStorage({ clock }), new MemoryKeyManager()]
    const one = await testRotation({ clock, storage, keys })
    const two = await testRotation({ clock, storage, keys })
    await one.rotating.run()
    clock.advance(3600_000)
    await one.rotating.run()
    expect(two.rotating.authority.roots).toHaveLength(1)
    expect(await two.rotating.run()).toEqual([])
    expect(two.rotating.authority.roots).toHaveLength(2)
    // The lease ends with its holder: the other one goes on.
    clock.advance(2400_000)
    expect((await two.rotating.run()).map(({ step }) => step)).toEqual(['activate'])
    await one.rotating.run()
    expect(one.rotating.authority.certificate.equals(two.rotating.authority.certificate)).toBe(true)
  })

  it('recovers where the CA expired while nothing ran', async () => {
    const { rotating, ...kept } = await testRotation()
    kept.clock.advance(8000_000)
    const again = await testRotation(kept)
    expect(await statesOf(again)).toEqual(['ca-1 retired', 'ca-2 active'])
    await issueLeaf(again)
    await again.rotating.run()
    expect(await statesOf(again)).toEqual(['ca-1 revoked', 'ca-2 active'])
    await rotating[Symbol.asyncDispose]()
  })
})

describe('a CA that cannot rotate', () => {
  it('is not made with numbers that cannot hold', async () => {
    const storage = createMemoryStorage()
    await expect(
      createRotatingAuthority({
        trustDomain: 'example.org',
        storage,
        keys: new MemoryKeyManager(),
        ...rotationTimes,
        leafTtlSeconds: 3600,
      }),
    ).rejects.toThrow(code('ERR_ROTATION_PLAN'))
    expect(await storage.authorities.list()).toEqual([])
  })

  it.each([
    { name: 'No' },
    { name: '' },
    { pathLength: -1 },
    { ttlSeconds: 0 },
    { algorithm: 'DSA' as never },
  ])('is not made with %j', async (options) => {
    await expect(testRotation(options)).rejects.toThrow(expect.objectContaining({ name: 'PkiError' }))
  })

  it.each([{ crossSign: true }, { pathLength: 1 }, { nameConstraints: { permitted: [] } }])(
    'is not made below an upstream with %j, which is for roots',
    async (options) => {
      const upstream = {
        name: 'above',
        issueIntermediate: () => Promise.reject(new Error()),
        roots: async () => [],
      }
      await expect(testRotation({ upstream, ...options })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )

  it('does not open without the key of its authority, or with another one', async () => {
    const { storage, clock } = await testRotation()
    const keys = new MemoryKeyManager()
    await expect(testRotation({ storage, clock, keys })).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    await keys.generateKey('ca', 'P-256')
    await expect(testRotation({ storage, clock, keys })).rejects.toThrow(code('ERR_STORE_OWNER'))
    expect(shortProfile.defaultTtlSeconds).toBe(600)
  })
})
