// CRLs of a CA that divides them: shards by distribution point, delta CRLs, and what our checker makes of
// them.

import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { CaStorage, CertificateAuthority } from '../../../src/ca/index.ts'
import { keyIdentifierOf } from '../../../src/ca/internal.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { createCrlChecker, verifyPath } from '../../../src/validation/index.ts'
import { extensionOids, generalName } from '../../../src/x509/index.ts'
import type { Certificate, Crl } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { newRequest, workloadId } from '../../support/pki.ts'

const { request: csr } = await newRequest()
const url = 'http://crl.example.org/crl'
const hourMs = 3_600_000
type Distribution = NonNullable<Parameters<typeof createCertificateAuthority>[0]['crlDistribution']>

async function setUp() {
  const clock = new FakeClock()
  const storage = createMemoryStorage({ clock })
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, {
    subject: 'CN=root',
    trustDomain: 'example.org',
    clock,
  })
  const create = (crlDistribution?: Distribution, other: CaStorage = storage): CertificateAuthority =>
    createCertificateAuthority({
      ...{ trustDomain: 'example.org', certificate, signer, storage: other, clock },
      ...(crlDistribution !== undefined && { crlDistribution }),
    })
  const verdict = (leaf: Certificate, lists: readonly Crl[]): string => {
    const revocation = createCrlChecker({ lists, mode: 'hard-fail' })
    const result = verifyPath(leaf, { anchors: [certificate], time: new Date(clock.now()), revocation })
    return result.ok ? 'good' : `${result.rejected[0]?.code} ${result.rejected[0]?.message}`
  }
  return { clock, storage, certificate, create, verdict }
}

/** Issues a certificate and records it, as issuance does. */
async function issue(
  authority: CertificateAuthority,
  clock: FakeClock,
  shard?: string,
): Promise<Certificate> {
  for (;;) {
    const prepared = await authority.prepare(csr, {
      subjectAltName: [generalName.uri(workloadId.toString())],
    })
    if (shard !== undefined && prepared.shard !== shard) continue
    const id = idOf(authority, prepared.serialNumber)
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
      shard: prepared.shard,
    })
    const { certificate } = await authority.sign(prepared)
    await certificates.recordOutcome(id, { certificate: certificate.der })
    return certificate
  }
}

function idOf({ certificate }: CertificateAuthority, serialNumber: Certificate['serialNumber']) {
  return { issuer: keyIdentifierOf(certificate.subjectKeyIdentifier!), serialNumber }
}

async function revoke(
  authority: CertificateAuthority,
  { serialNumber }: Certificate,
  clock: FakeClock,
  reason: 'keyCompromise' | 'certificateHold' = 'keyCompromise',
): Promise<void> {
  const revocation = { reason, revokedAt: new Date(clock.now()) }
  await authority.storage.certificates.revoke(idOf(authority, serialNumber), revocation)
}

const pointOf = ({ crlDistributionPoints }: Certificate): string | undefined => {
  const name = crlDistributionPoints?.[0]?.name
  const [uri] = name !== undefined && 'fullName' in name ? name.fullName : []
  return uri?.type === 'uri' ? uri.value : undefined
}

describe('shards', () => {
  it('stand in the certificate, in its record and in their list, under one URL', async () => {
    const { clock, create, certificate } = await setUp()
    const authority = create({ url, shards: 3 })
    const leaf = await issue(authority, clock, '2')
    const issuer = keyIdentifierOf(certificate.subjectKeyIdentifier!)
    expect(pointOf(leaf)).toBe(`${url}/${issuer}/2.crl`)
    const list = await authority.issueCrl({ shard: '2' })
    expect(list.extension(extensionOids.issuingDistributionPoint)?.critical).toBe(true)
    const { name } = list.issuingDistributionPoint!
    expect(name).toEqual({ fullName: [generalName.uri(pointOf(leaf)!)] })
    expect((await authority.storage.certificates.find(idOf(authority, leaf.serialNumber)))?.shard).toBe('2')
  })

  it('list what is theirs, and the complete list has everything', async () => {
    const { clock, create, verdict } = await setUp()
    const authority = create({ url, shards: 2 })
    const [a, b] = [await issue(authority, clock, '0'), await issue(authority, clock, '1')]
    await revoke(authority, a, clock)
    const [first, second, complete] = await Promise.all([
      authority.issueCrl({ shard: '0' }),
      authority.issueCrl({ shard: '1' }),
      authority.issueCrl(),
    ])
    expect([first.has(a.serialNumber), second.has(a.serialNumber), complete.has(a.serialNumber)]).toEqual([
      true,
      false,
      true,
    ])
    expect(verdict(a, [first, second])).toMatch(/^ERR_REVOKED/)
    expect(verdict(b, [first, second])).toBe('good')
    expect(verdict(b, [complete])).toBe('good')
    const all = await authority.issueCrls()
    expect(all).toHaveLength(3)
    expect(all[0]).toBe(complete)
  })

  it('that are missing are named: by the CA, and by the checker', async () => {
    const { clock, create, verdict } = await setUp()
    const authority = create({ url, shards: 2 })
    const leaf = await issue(authority, clock, '1')
    const other = await authority.issueCrl({ shard: '0' })
    expect(verdict(leaf, [other])).toMatch(/^ERR_REVOCATION_UNKNOWN.*\/1\.crl/)
    await expect(authority.issueCrl({ shard: '2' })).rejects.toThrow(code('ERR_CRL_SHARD_UNKNOWN'))
    await expect(create().issueCrl({ shard: 'a' })).rejects.toThrow(code('ERR_CRL_SHARD_UNKNOWN'))
  })

  it('stay where they are when their number changes', async () => {
    const { clock, create, verdict } = await setUp()
    const before = create({ url, shards: 8 })
    const leaf = await issue(before, clock, '7')
    await before.issueCrls()
    const after = create({ url, shards: 2 })
    expect(pointOf(await issue(after, clock))).toMatch(/\/[01]\.crl$/)
    await revoke(after, leaf, clock)
    const list = await after.issueCrl({ shard: '7' })
    expect(verdict(leaf, [list])).toMatch(/^ERR_REVOKED/)
    expect(await after.issueCrls()).toHaveLength(9)
  })

  it('of a certificate that is revoked are found without a list from before', async () => {
    const { clock, create } = await setUp()
    const leaf = await issue(create({ url, shards: 8 }), clock, '7')
    const after = create({ url, shards: 2 })
    await revoke(after, leaf, clock)
    const lists = await after.issueCrls()
    expect(lists.filter((list) => list.has(leaf.serialNumber))).toHaveLength(2)
    await expect(create().issueCrls()).resolves.toHaveLength(4)
  })

  it('keep the names of an earlier URL', async () => {
    const { clock, create, verdict } = await setUp()
    const old = create({ url: 'http://old.example.org/crl', shards: 1 })
    const leaf = await issue(old, clock)
    await old.issueCrls()
    const moved = create({ url, shards: 1 })
    const list = await moved.issueCrl({ shard: '0', fresh: true })
    expect(verdict(leaf, [list])).toBe('good')
    expect(verdict(await issue(moved, clock), [list])).toBe('good')
  })

  it('have numbers that rise in each, whatever processes issue', async () => {
    const { create } = await setUp()
    const [a, b] = [create({ url, shards: 2 }), create({ url, shards: 2 })]
    const numbers: bigint[] = []
    for (const one of [a, b, a, b]) numbers.push((await one.issueCrl({ shard: '1', fresh: true })).crlNumber!)
    expect(numbers).toEqual([...new Set(numbers)].sort((x, y) => Number(x - y)))
  })

  it.each([
    { shards: 2 },
    { url: 'https://crl.example.org/crl' },
    { url: 'http://crl.example.org/' },
    { url, shards: 0 },
    { url, shards: 1025 },
    { url, deltaTtlSeconds: 0 },
    { url, delta: true },
    null,
  ])('refuse the distribution %j', async (distribution) => {
    const { create } = await setUp()
    expect(() => create(distribution as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a list that is older than those which were read before it', () => {
  /** The list of shard 0 is an hour older than the complete one; two days later a process goes on. */
  async function goOn(distribution: Distribution) {
    const { clock, create, verdict } = await setUp()
    const before = create(distribution)
    await before.issueCrl({ shard: '0' })
    clock.advance(hourMs)
    await before.issueCrl()
    clock.advance(48 * hourMs)
    return { clock, authority: create(distribution), verdict }
  }

  it('leaves no revocation out of another list', async () => {
    const { clock, authority } = await goOn({ url, shards: 2 })
    await authority.issueCrl()
    const leaf = await issue(authority, clock, '1')
    await revoke(authority, leaf, clock)
    await authority.issueCrl({ shard: '0' })
    expect((await authority.issueCrl()).has(leaf.serialNumber)).toBe(true)
  })

  it('takes no revocation off a delta', async () => {
    const { clock, authority, verdict } = await goOn({ url, shards: 2, deltaTtlSeconds: 3600 })
    const complete = await authority.issueCrl()
    const [leaf, other] = [await issue(authority, clock, '1'), await issue(authority, clock, '1')]
    await revoke(authority, leaf, clock)
    const delta = await authority.issueCrl({ delta: true })
    expect(verdict(leaf, [complete, delta])).toMatch(/^ERR_REVOKED/)
    await authority.issueCrl({ shard: '0' })
    await revoke(authority, other, clock)
    const next = await authority.issueCrl({ delta: true })
    expect(next.deltaCrlIndicator).toBe(complete.crlNumber)
    for (const one of [leaf, other]) expect(verdict(one, [complete, next])).toMatch(/^ERR_REVOKED/)
  })
})

describe('delta CRLs', () => {
  const deltas = { url, deltaTtlSeconds: 3600 }

  it('have what was revoked since the complete list, which stays', async () => {
    const { clock, create, verdict } = await setUp()
    const authority = create(deltas)
    const [early, late] = [await issue(authority, clock), await issue(authority, clock)]
    await revoke(authority, early, clock)
    const complete = await authority.issueCrl()
    clock.advance(60_000)
    await revoke(authority, late, clock)
    expect(await authority.issueCrl()).toBe(complete)
    const delta = await authority.issueCrl({ delta: true })
    expect([delta.has(early.serialNumber), delta.has(late.serialNumber)]).toEqual([false, true])
    expect(delta.deltaCrlIndicator).toBe(complete.crlNumber)
    expect(delta.crlNumber! > complete.crlNumber!).toBe(true)
    expect(delta.extension(extensionOids.deltaCrlIndicator)?.critical).toBe(true)
    expect(complete.freshestCrl).toHaveLength(1)
    expect(verdict(late, [complete])).toBe('good')
    expect(verdict(late, [complete, delta])).toMatch(/^ERR_REVOKED/)
    expect(await authority.issueCrl({ delta: true })).toBe(delta)
    expect(await authority.issueCrls()).toEqual([complete, delta])
  })

  it('take a released hold off the list, and a hold that came and went', async () => {
    const { clock, create, verdict } = await setUp()
    const authority = create(deltas)
    const [held, brief] = [await issue(authority, clock), await issue(authority, clock)]
    await revoke(authority, held, clock, 'certificateHold')
    const complete = await authority.issueCrl()
    await revoke(authority, brief, clock, 'certificateHold')
    const between = await authority.issueCrl({ delta: true })
    expect(verdict(brief, [complete, between])).toMatch(/^ERR_REVOKED/)
    clock.advance(60_000)
    for (const one of [held, brief])
      await authority.storage.certificates.release(idOf(authority, one.serialNumber))
    const delta = await authority.issueCrl({ delta: true })
    expect(delta.find(held.serialNumber)?.reason).toBe('removeFromCRL')
    expect([held, brief].map((one) => verdict(one, [complete, between, delta]))).toEqual(['good', 'good'])
  })

  it('go on in another process from the complete list in the store', async () => {
    const { clock, create, verdict } = await setUp()
    const first = create(deltas)
    const [held, kept, late] = [
      await issue(first, clock),
      await issue(first, clock),
      await issue(first, clock),
    ]
    await revoke(first, held, clock, 'certificateHold')
    await revoke(first, kept, clock)
    const complete = await first.issueCrl()
    const before = await first.issueCrl({ delta: true })
    await revoke(first, late, clock)
    await first.storage.certificates.release(idOf(first, held.serialNumber))
    const second = create(deltas)
    const delta = await second.issueCrl({ delta: true })
    expect(delta.deltaCrlIndicator).toBe(complete.crlNumber)
    expect(delta.crlNumber! > before.crlNumber!).toBe(true)
    expect(delta.entryCount).toBe(2)
    expect(verdict(late, [complete, delta])).toMatch(/^ERR_REVOKED/)
    expect(verdict(kept, [complete, delta])).toMatch(/^ERR_REVOKED/)
    expect(verdict(held, [complete, delta])).toBe('good')
  })

  it('begin again with the next complete list, at two thirds of its life', async () => {
    const { clock, create, verdict } = await setUp()
    const authority = create(deltas)
    const leaf = await issue(authority, clock)
    const complete = await authority.issueCrl()
    await revoke(authority, leaf, clock)
    const first = await authority.issueCrl({ delta: true })
    clock.advance(17 * hourMs)
    const delta = await authority.issueCrl({ delta: true })
    const next = await authority.issueCrl()
    expect(next.crlNumber! > first.crlNumber!).toBe(true)
    expect(complete.crlNumber! < first.crlNumber!).toBe(true)
    expect([delta.deltaCrlIndicator, delta.entryCount]).toEqual([next.crlNumber, 0])
    expect(verdict(leaf, [next, delta])).toMatch(/^ERR_REVOKED/)
  })

  it('are of the scope of their shard', async () => {
    const { clock, create, verdict } = await setUp()
    const authority = create({ ...deltas, shards: 2 })
    const [a, b] = [await issue(authority, clock, '0'), await issue(authority, clock, '1')]
    const lists = await authority.issueCrls()
    expect(lists).toHaveLength(6)
    await revoke(authority, a, clock)
    const delta = await authority.issueCrl({ shard: '0', delta: true })
    const other = await authority.issueCrl({ shard: '1', delta: true })
    expect([delta.entryCount, other.entryCount]).toEqual([1, 0])
    const base = lists.filter((list) => list.deltaCrlIndicator === undefined && list.issuingDistributionPoint)
    expect(verdict(a, [...base, delta, other])).toMatch(/^ERR_REVOKED/)
    expect(verdict(b, [...base, delta, other])).toBe('good')
  })

  it('are refused where the CA makes none', async () => {
    const { create } = await setUp()
    await expect(create().issueCrl({ delta: true })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
