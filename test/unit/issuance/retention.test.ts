// Who removes expired records, and when.

import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { CertificateStore } from '../../../src/ca/index.ts'
import type { PruneOptions } from '../../../src/ca/internal.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { anyIntent, issued } from '../../../src/testing/contracts/storage/storage-fixtures.ts'
import { code } from '../../support/codes.ts'
import { deferred } from '../../support/deferred.ts'
import { Told } from '../../support/listener.ts'

type IssuanceServiceOptions = Parameters<typeof createIssuanceService>[0]

const signer = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })

function serviceOf(
  { crlTtlSeconds, ...options }: Partial<IssuanceServiceOptions> & { readonly crlTtlSeconds?: number } = {},
  prune?: CertificateStore['prune'],
) {
  const clock = new FakeClock(new Date())
  const told = new Told()
  const storage = createMemoryStorage({ clock })
  const pruned: PruneOptions[] = []
  const { certificates } = storage
  const original = certificates.prune.bind(certificates)
  certificates.prune = async (asked) => {
    pruned.push(asked)
    return (prune ?? original)(asked)
  }
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate: root,
    signer,
    storage,
    clock,
    crlTtlSeconds,
  })
  const { logger, metrics } = told
  const service = createIssuanceService({ authority, clock, logger, metrics, ...options })
  return { clock, told, store: certificates, pruned, service }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the issuance service', () => {
  it('prunes a minute after its start and then every hour, with a look-back of 48 hours', async () => {
    const { clock, pruned } = serviceOf()
    const start = clock.now()
    clock.advance(59_999)
    expect(pruned).toEqual([])
    clock.advance(1)
    await settled()
    clock.advance(3_599_999)
    expect(pruned).toHaveLength(1)
    clock.advance(1)
    expect(pruned).toEqual([
      { now: new Date(start + 60_000), lookBackSeconds: 172_800 },
      { now: new Date(start + 3_660_000), lookBackSeconds: 172_800 },
    ])
  })

  it('keeps records for the life of two CRLs of its authority', async () => {
    const { clock, pruned } = serviceOf({ crlTtlSeconds: 7 * 86_400 })
    clock.advance(60_000)
    await settled()
    expect(pruned.map(({ lookBackSeconds }) => lookBackSeconds)).toEqual([14 * 86_400])
    for (const [lookBackSeconds, crlTtlSeconds] of [
      [14 * 86_400 - 1, 7 * 86_400],
      [2 * 86_400 - 1, undefined],
    ])
      expect(() => serviceOf({ lookBackSeconds, crlTtlSeconds } as object)).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    expect(() => serviceOf({ lookBackSeconds: 14 * 86_400, crlTtlSeconds: 7 * 86_400 })).not.toThrow()
  })

  it('settles an unknown outcome after notAfter, removes it after the look-back, logs both', async () => {
    const { clock, told, store } = serviceOf({
      pruneIntervalSeconds: 10,
      lookBackSeconds: 100,
      crlTtlSeconds: 50,
    })
    const notAfter = new Date(clock.now() + 30_000)
    const intent = anyIntent({ notAfter })
    await store.recordIntent(intent)
    const valid = await issued(store, { notAfter: new Date(clock.now() + 1_000_000) })
    const pass = async (seconds: number): Promise<void> => {
      for (let done = 0; done < seconds; done += 10) {
        clock.advance(10_000)
        await settled()
      }
    }
    await pass(30)
    expect(await store.find(intent)).toMatchObject({ state: 'intended' })
    await pass(10)
    expect(await store.find(intent)).toMatchObject({ state: 'lapsed' })
    await pass(100)
    expect(await store.find(intent)).toBeUndefined()
    expect(await store.find(valid)).toMatchObject({ state: 'issued' })
    expect(told.log).toEqual([
      expect.objectContaining({ level: 'info', lapsed: 1, removed: 0 }),
      expect.objectContaining({ level: 'info', lapsed: 0, removed: 1 }),
    ])
  })

  it.each([
    ['leaves out one time after the wall clock went ahead by the look-back', 172_800_000, false],
    ['prunes after the wall clock went ahead by less', 172_799_999, true],
    ['prunes after the wall clock went back', -365 * 86_400_000, true],
  ])('%s', async (_what, jumpMs, prunes) => {
    const { clock, told, pruned } = serviceOf()
    clock.setWallClock(new Date(clock.now() + jumpMs))
    clock.advance(60_000)
    await settled()
    expect(pruned).toHaveLength(prunes ? 1 : 0)
    const line = expect.objectContaining({ level: 'error', jumpSeconds: 172_800 }) as unknown
    expect(told.log).toEqual(prunes ? [] : [line])
    clock.advance(3_600_000)
    await settled()
    expect(pruned).toHaveLength(prunes ? 2 : 1)
  })

  it('tells when the storage fails, and asks again at the next time', async () => {
    const { clock, told, pruned } = serviceOf({ pruneIntervalSeconds: 10 }, async () => {
      throw new Error('no disk')
    })
    for (let count = 0; count < 2; count++) {
      clock.advance(10_000)
      await settled()
    }
    expect(pruned).toHaveLength(2)
    expect(told.log).toEqual(
      Array(2).fill(expect.objectContaining({ level: 'error', code: 'ERR_STORE_UNAVAILABLE' })),
    )
  })

  it('does not prune while a prune is running', async () => {
    const gate = deferred()
    const { clock, pruned } = serviceOf({ pruneIntervalSeconds: 10 }, async () => {
      await gate.promise
      return { lapsed: 0, removed: 0 }
    })
    clock.advance(1_000_000)
    expect(pruned).toHaveLength(1)
    gate.resolve()
    await settled()
    clock.advance(10_000)
    expect(pruned).toHaveLength(2)
  })

  it('stops when it is disposed of, after the prune that runs', async () => {
    const gate = deferred()
    let ended = false
    const { clock, pruned, service } = serviceOf({ pruneIntervalSeconds: 10 }, async () => {
      await gate.promise
      ended = true
      return { lapsed: 0, removed: 0 }
    })
    clock.advance(10_000)
    const disposed = service[Symbol.asyncDispose]()
    gate.resolve()
    await disposed
    expect(ended).toBe(true)
    clock.advance(1_000_000)
    expect(pruned).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  it('leaves it to others where the interval is Infinity', () => {
    const { clock, pruned } = serviceOf({ pruneIntervalSeconds: Infinity })
    expect(clock.pending).toBe(0)
    clock.advance(1_000_000)
    expect(pruned).toEqual([])
  })

  it.each([
    { pruneIntervalSeconds: 0 },
    { pruneIntervalSeconds: Number.NaN },
    { lookBackSeconds: -1 },
    { lookBackSeconds: -1, pruneIntervalSeconds: Infinity },
    { lookBackSeconds: Infinity },
    { lookBackSeconds: '1' as never },
  ])('refuses %j', (options) => {
    expect(() => serviceOf(options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
