// CRLs from the storage of a CA: shared, numbered across processes, one for each key.

import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { CaStorage, CertificateAuthority } from '../../../src/ca/index.ts'
import type { CertificateId } from '../../../src/ca/records/certificate-record.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { newRequest, workloadId } from '../../support/pki.ts'

const hour = 3600
const { request: csr } = await newRequest()

async function rooted(clock: FakeClock, subject = 'CN=root') {
  const key = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(key, { subject, trustDomain: 'example.org', clock })
  let signatures = 0
  const signer = {
    id: 'counting',
    publicKey: key.publicKey,
    signatureAlgorithm: key.signatureAlgorithm,
    sign: (data: Uint8Array) => {
      signatures++
      return key.sign(data)
    },
  }
  return { certificate, signer, signatures: () => signatures }
}

async function setUp(storage?: CaStorage) {
  const clock = new FakeClock()
  storage ??= createMemoryStorage({ clock })
  const { certificate, signer, signatures } = await rooted(clock)
  const create = (over: CaStorage = storage): CertificateAuthority =>
    createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, storage: over, clock })
  return { clock, storage, certificate, signer, signatures, create, authority: create() }
}

const pick = ({ certificate, signer }: Awaited<ReturnType<typeof rooted>>) => ({ certificate, signer })

/** Issues a certificate of one day and records it, as issuance does. */
async function issue(authority: CertificateAuthority, clock: FakeClock): Promise<CertificateId> {
  const prepared = await authority.prepare(csr, { subjectAltName: [generalName.uri(workloadId.toString())] })
  const id = { issuer: prepared.issuer, serialNumber: prepared.serialNumber }
  const { certificates } = authority.storage
  await certificates.recordIntent({
    ...id,
    tbs: prepared.tbs,
    identity: workloadId,
    keyIdentifier: prepared.keyIdentifier,
    notAfter: prepared.notAfter,
    intendedAt: new Date(clock.now()),
    caller: { credential: 'test', identities: [workloadId] },
    rule: 'test',
  })
  const { certificate } = await authority.sign(prepared)
  await certificates.recordOutcome(id, { certificate: certificate.der })
  return id
}

const wholeSecondOf = (ms: number): number => Math.floor(ms / 1000) * 1000

function revoke({ storage }: CertificateAuthority, id: CertificateId, clock: FakeClock) {
  return storage.certificates.revoke(id, { reason: 'keyCompromise', revokedAt: new Date(clock.now()) })
}

describe('issueCrl', () => {
  it('lists what was revoked, and signs again only what has changed or is old', async () => {
    const { authority, clock, signatures } = await setUp()
    const id = await issue(authority, clock)
    const first = await authority.issueCrl()
    const before = signatures()
    expect(await authority.issueCrl()).toBe(first)
    clock.advance(15 * hour * 1000)
    expect(await authority.issueCrl()).toBe(first)
    expect(signatures()).toBe(before)
    await revoke(authority, id, clock)
    const second = await authority.issueCrl()
    expect([first.has(id.serialNumber), second.has(id.serialNumber)]).toEqual([false, true])
    expect(second.crlNumber! > first.crlNumber!).toBe(true)
    clock.advance(17 * hour * 1000)
    const third = await authority.issueCrl()
    expect(third.crlNumber! > second.crlNumber!).toBe(true)
    const fourth = await authority.issueCrl({ fresh: true })
    expect(fourth.crlNumber! > third.crlNumber!).toBe(true)
  })

  it('shares a list among calls that overlap, and has what was revoked before each call', async () => {
    const { authority, clock, signatures } = await setUp()
    const ids = [await issue(authority, clock), await issue(authority, clock)]
    const before = signatures()
    const calls = Array.from({ length: 20 }, () => authority.issueCrl({ fresh: true }))
    await revoke(authority, ids[0]!, clock)
    const late = Array.from({ length: 20 }, () => authority.issueCrl({ fresh: true }))
    const lists = await Promise.all([...calls, ...late])
    for (const list of lists.slice(20)) expect(list.has(ids[0]!.serialNumber)).toBe(true)
    expect(signatures() - before).toBeLessThanOrEqual(3)
  })

  it('lists what is issued and revoked in a second that begins while the store answers', async () => {
    const { create, storage, clock } = await setUp()
    let answering = async (): Promise<void> => undefined
    const { certificates } = storage
    const slow = new Proxy(certificates, {
      get: (target, name) =>
        name === 'revocations'
          ? async (...call: Parameters<typeof certificates.revocations>) => {
              await answering()
              return target.revocations(...call)
            }
          : (Reflect.get(target, name, target) as () => unknown).bind(target),
    })
    const authority = create({ ...storage, certificates: slow })
    const early = await issue(authority, clock)
    await certificates.revoke(early, { reason: 'superseded', revokedAt: new Date(clock.now() + 1500) })
    expect((await authority.issueCrl()).has(early.serialNumber)).toBe(true)
    const revoked: CertificateId[] = []
    answering = async () => {
      if (revoked.length > 0) return
      clock.advance(2000)
      const late = await issue(authority, clock)
      revoked.push(late)
      await revoke(authority, late, clock)
    }
    const list = await authority.issueCrl()
    const [late] = revoked as [CertificateId]
    expect(list.find(late.serialNumber)?.revocationDate).toEqual(list.thisUpdate)
    // The clock of the machine that revoked it was ahead; now that time has come.
    const second = new Date(list.thisUpdate.getTime() - 1000)
    expect(list.find(early.serialNumber)?.revocationDate).toEqual(second)
  })

  it('drops an entry only after a list that was issued past its expiry (RFC 5280 §3.3)', async () => {
    const { authority, clock, create } = await setUp()
    const id = await issue(authority, clock)
    await revoke(authority, id, clock)
    expect((await authority.issueCrl()).has(id.serialNumber)).toBe(true)
    clock.advance(24 * hour * 1000 + 2000)
    // Another process goes on from the stored list.
    expect((await create().issueCrl()).has(id.serialNumber)).toBe(true)
    clock.advance(25 * hour * 1000)
    expect((await create().issueCrl()).has(id.serialNumber)).toBe(false)
  })

  it('publishes no list without an entry that the store has lost', async () => {
    const { authority, clock, storage, certificate, signer } = await setUp()
    const id = await issue(authority, clock)
    await revoke(authority, id, clock)
    const list = await authority.issueCrl()
    const forgetful = createMemoryStorage({ clock })
    await forgetful.crls.publish((await storage.crls.last(id.issuer, ''))!, { expectedNumber: undefined })
    const restored = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate,
      signer,
      storage: forgetful,
      clock,
    })
    await expect(restored.issueCrl()).rejects.toThrow(code('ERR_LINT'))
    expect((await forgetful.crls.last(id.issuer, ''))!.number).toBe(list.crlNumber)
  })

  it('never numbers two lists alike, whatever processes issue at the same time', async () => {
    const { clock, create } = await setUp()
    const authorities = [create(), create(), create()]
    const id = await issue(authorities[0]!, clock)
    const lists = await Promise.all(authorities.map((one) => one.issueCrl({ fresh: true })))
    expect(new Set(lists.map(({ crlNumber }) => crlNumber)).size).toBe(3)
    await revoke(authorities[0]!, id, clock)
    for (const one of authorities) expect((await one.issueCrl()).has(id.serialNumber)).toBe(true)
  })

  it.each([{}, { shards: 2, url: 'http://crl.example.org', deltaTtlSeconds: 3600 }])(
    'leaves the time of a clock that was far ahead, once the earlier clock is accepted: %j',
    async (crlDistribution) => {
      const { clock, storage, certificate, signer } = await setUp()
      let recordedMs = clock.now()
      const crls = {
        last: storage.crls.last.bind(storage.crls),
        publish: storage.crls.publish.bind(storage.crls),
        list: storage.crls.list.bind(storage.crls),
        latestTime: async () => new Date(recordedMs),
      }
      const over = { ...storage, crls } as CaStorage
      const trustDomain = 'example.org'
      const make = (): CertificateAuthority =>
        createCertificateAuthority({
          trustDomain,
          certificate,
          signer,
          storage: over,
          clock,
          crlDistribution,
        })
      const authority = make()
      const [early, late] = [await issue(authority, clock), await issue(authority, clock)]
      await authority.issueCrls()
      const rightMs = clock.now()
      clock.setWallClock(new Date(rightMs + 365 * 24 * hour * 1000))
      recordedMs = clock.now()
      await revoke(authority, early, clock)
      const ahead = await authority.issueCrls()
      clock.setWallClock(new Date(rightMs))
      await revoke(authority, late, clock)
      for (const notAccepted of [recordedMs, Number.NaN]) {
        recordedMs = notAccepted
        const kept = await authority.issueCrls()
        expect(kept.map(({ thisUpdate }) => thisUpdate)).toEqual(ahead.map(({ thisUpdate }) => thisUpdate))
      }
      // The operator accepts the clock: in the same process, as with PostgreSQL, or after a restart.
      recordedMs = rightMs
      const before = await storage.crls.list()
      for (const one of [authority, make()]) {
        const lists = await one.issueCrls()
        expect(lists).toHaveLength(ahead.length)
        for (const list of lists) expect(list.thisUpdate.getTime()).toBe(wholeSecondOf(rightMs))
        expect([early, late].map(({ serialNumber }) => lists[0]!.has(serialNumber))).toEqual([true, true])
      }
      for (const { issuer, shard, number } of before)
        expect((await storage.crls.last(issuer, shard))!.number > number).toBe(true)
      clock.advance(20 * hour * 1000)
      const next = await authority.issueCrl()
      expect(next.thisUpdate.getTime()).toBe(wholeSecondOf(clock.now()))
    },
  )

  it('keeps thisUpdate where the last list is at most five minutes ahead of an accepted clock', async () => {
    const { clock, storage, certificate, signer } = await setUp()
    const crls = {
      last: storage.crls.last.bind(storage.crls),
      publish: storage.crls.publish.bind(storage.crls),
      list: storage.crls.list.bind(storage.crls),
      latestTime: async () => new Date(clock.now()),
    }
    const over = { ...storage, crls } as CaStorage
    const trustDomain = 'example.org'
    const authority = createCertificateAuthority({ trustDomain, certificate, signer, storage: over, clock })
    const { thisUpdate } = await authority.issueCrl()
    for (const [minutes, isKept] of [
      [5, true],
      [6, false],
    ] as const) {
      clock.setWallClock(new Date(thisUpdate.getTime() - minutes * 60_000))
      const list = await authority.issueCrl({ fresh: true })
      expect(list.thisUpdate.getTime() === thisUpdate.getTime()).toBe(isKept)
    }
  })

  it('numbers a list above those that a restored store has lost, also in the same second', async () => {
    const { authority, clock, create } = await setUp()
    await issue(authority, clock)
    const lost = [await authority.issueCrl({ fresh: true }), await authority.issueCrl({ fresh: true })]
    clock.advance(20)
    const list = await create(createMemoryStorage({ clock })).issueCrl({ fresh: true })
    expect(lost.every(({ crlNumber }) => crlNumber! < list.crlNumber!)).toBe(true)
  })

  it('keeps the list of a key that was rotated away until its last certificate has expired', async () => {
    const { authority, clock, certificate: old } = await setUp()
    const [early, other] = [await issue(authority, clock), await issue(authority, clock)]
    const next = await rooted(clock, 'CN=next')
    await authority.rotate({ ...pick(next), roots: [old, next.certificate] })
    const late = await issue(authority, clock)
    for (const id of [early, late]) await revoke(authority, id, clock)
    const [current, former] = await authority.issueCrls()
    expect([current!.has(late.serialNumber), current!.has(early.serialNumber)]).toEqual([true, false])
    expect([former!.has(early.serialNumber), former!.has(late.serialNumber)]).toEqual([true, false])
    expect(former!.verifySignatureBy(old.publicKey)).toBe(true)
    await revoke(authority, other, clock)
    expect((await authority.issueCrl({ issuer: old })).entryCount).toBe(2)
    clock.advance(50 * hour * 1000)
    expect(await authority.issueCrls()).toHaveLength(1)
    const stranger = await rooted(clock, 'CN=stranger')
    for (const issuer of [old, stranger.certificate])
      await expect(async () => authority.issueCrl({ issuer })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('does not mix two CAs on one storage', async () => {
    const clock = new FakeClock()
    const storage = createMemoryStorage({ clock })
    const [a, b] = await Promise.all(
      ['CN=a', 'CN=b'].map(async (subject) =>
        createCertificateAuthority({
          trustDomain: 'example.org',
          ...pick(await rooted(clock, subject)),
          storage,
          clock,
        }),
      ),
    )
    const id = await issue(a!, clock)
    await revoke(a!, id, clock)
    expect([(await a!.issueCrl()).entryCount, (await b!.issueCrl()).entryCount]).toEqual([1, 0])
  })

  it.each([{ issuer: undefined }, { frsh: true }, null, 'fresh'])(
    'refuses the options %j',
    async (options) => {
      const { authority } = await setUp()
      await expect(async () => authority.issueCrl(options as never)).rejects.toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    },
  )
})
