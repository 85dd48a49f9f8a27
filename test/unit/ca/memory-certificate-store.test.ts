// The memory store passes the contract of certificate stores, and keeps its own limits.

import { describe, expect, it } from 'vitest'
import { MemoryCertificateStore } from '../../../src/ca/records/memory/memory-certificate-store.ts'
import type { IssuanceIntent } from '../../../src/ca/internal.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { anyIntent, issued } from '../../../src/testing/contracts/storage/storage-fixtures.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const identity = SpiffeId.parse('spiffe://example.org/one')

function storeOf(options: ConstructorParameters<typeof MemoryCertificateStore>[0] = {}) {
  const clock = new FakeClock()
  const store = new MemoryCertificateStore({ clock, ...options })
  const valid = (seconds: number, fields: Partial<IssuanceIntent> = {}): Partial<IssuanceIntent> => ({
    notAfter: new Date(clock.now() + seconds * 1000),
    ...fields,
  })
  return { clock, store, valid }
}

describe('MemoryCertificateStore', () => {
  it.each([
    { maxRecords: Number.NaN },
    { maxRecords: 0 },
    { maxRecordsPerIdentity: 0 },
    { lookBackSeconds: -1 },
    { maximumRecords: 3 } as never,
  ])('refuses %j', (options) => {
    expect(() => new MemoryCertificateStore(options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('refuses when it is full, and forgets nothing that is valid', async () => {
    const { clock, store, valid } = storeOf({ maxRecords: 3, maxRecordsPerIdentity: 3 })
    const all = [
      await issued(store, valid(10)),
      await issued(store, valid(20)),
      await issued(store, valid(30)),
    ]
    await expect(store.recordIntent(anyIntent(valid(10)))).rejects.toThrow(code('ERR_STORE_FULL'))
    for (const one of all) expect(await store.find(one)).toMatchObject({ state: 'issued' })
    clock.advance(10_999)
    await expect(store.recordIntent(anyIntent(valid(10)))).rejects.toThrow(code('ERR_STORE_FULL'))
    clock.advance(1)
    await store.recordIntent(anyIntent(valid(10)))
    expect(await store.find(all[0]!)).toBeUndefined()
  })

  it('never drops a record that is being signed, whatever else it has to make room with', async () => {
    const { store, valid } = storeOf({ maxRecords: 3, maxRecordsPerIdentity: 3 })
    const intents = [anyIntent(valid(10)), anyIntent(valid(10)), anyIntent(valid(10))]
    for (const intent of intents) await store.recordIntent(intent)
    await expect(store.recordIntent(anyIntent(valid(10)))).rejects.toThrow(code('ERR_STORE_FULL'))
    await store.recordOutcome(intents[1]!, { failed: true }) // the only one that may go
    await store.recordIntent(anyIntent(valid(10)))
    await expect(store.recordIntent(anyIntent(valid(10)))).rejects.toThrow(code('ERR_STORE_FULL'))
    for (const at of [0, 2]) expect(await store.find(intents[at]!)).toMatchObject({ state: 'intended' })
    expect(await store.find(intents[1]!)).toBeUndefined()
  })

  it('lets one identity take its share only', async () => {
    const { store, valid } = storeOf({ maxRecords: 100, maxRecordsPerIdentity: 2 })
    for (let i = 0; i < 2; i++) await issued(store, valid(10, { identity }))
    await expect(store.recordIntent(anyIntent(valid(10, { identity })))).rejects.toThrow(
      code('ERR_STORE_FULL'),
    )
    await issued(store, valid(10))
  })

  it('gives the place of a failed signing back', async () => {
    const { store, valid } = storeOf({ maxRecords: 2, maxRecordsPerIdentity: 2 })
    for (let i = 0; i < 5; i++) {
      const intent = anyIntent(valid(10, { identity }))
      await store.recordIntent(intent)
      await store.recordOutcome(intent, { failed: true })
    }
    for (let i = 0; i < 2; i++) await issued(store, valid(10, { identity }))
    await expect(store.recordIntent(anyIntent(valid(10)))).rejects.toThrow(code('ERR_STORE_FULL'))
  })

  it('keeps what is revoked for the look-back, and then forgets it', async () => {
    const { clock, store, valid } = storeOf({ lookBackSeconds: 60 })
    const one = await issued(store, valid(10))
    await store.revoke(one, { reason: 'superseded', revokedAt: new Date(clock.now()) })
    clock.advance(70_000)
    await issued(store, valid(10))
    expect(await store.find(one)).toMatchObject({ revocation: { reason: 'superseded' } })
    clock.advance(1000)
    await issued(store, valid(10))
    expect(await store.find(one)).toBeUndefined()
    const query = { issuer: one.issuer, notExpiredAt: new Date(0) }
    expect((await store.revocations(query)).items).toEqual([])
  })

  it('can revoke a certificate without a record when it is full', async () => {
    const { store, valid } = storeOf({ maxRecords: 1 })
    await issued(store, valid(10))
    const { issuer, serialNumber, keyIdentifier, notAfter, intendedAt: notBefore } = anyIntent(valid(10))
    const unrecorded = { certificate: new Uint8Array(9), identity, keyIdentifier, notBefore, notAfter }
    const id = { issuer, serialNumber }
    await store.revoke(id, { reason: 'keyCompromise', revokedAt: notBefore }, { unrecorded })
    expect(await store.find(id)).toMatchObject({ revocation: { reason: 'keyCompromise' } })
  })

  it('lists many revocations without a look at the earlier ones', async () => {
    const { store, valid } = storeOf({ maxRecords: 1000 })
    const [first] = [anyIntent()]
    for (let i = 0; i < 300; i++) {
      const one = await issued(store, valid(10, { issuer: first!.issuer }))
      await store.revoke(one, { reason: 'certificateHold', revokedAt: new Date(0) })
      if (i % 2 === 0) await store.release(one)
    }
    const query = { issuer: first!.issuer, notExpiredAt: new Date(0) }
    const { items, next } = await store.revocations(query)
    expect(items).toHaveLength(300)
    expect((await store.revocations({ ...query, after: next })).items).toEqual([])
  })
})
