// The contract of a CA storage: its five stores, and the transactions that span them.

import { randomBytes, randomUUID } from 'node:crypto'
import { createRootCertificate } from '../../../ca/index.ts'
import type { CaStorage } from '../../../ca/index.ts'
import { keyIdentifierOf } from '../../../ca/internal.ts'
import type { AuthorityRecord } from '../../../ca/internal.ts'
import type { Lease, StoredCrl } from '../../../ca/internal.ts'
import { SoftwareSigner } from '../../../keys/index.ts'
import { systemClock } from '../../../runtime/index.ts'
import { blockListContract } from './block-list-contract.ts'
import { certificateStoreContract } from './certificate-store-contract.ts'
import { holds, refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { anyIntent, anyKeyIdentifier, idOf } from './storage-fixtures.ts'

/** The tested implementation. */
export interface CaStorageContractOptions {
  /** Opens the backend; each case opens it and disposes of it. */
  readonly open: () => Promise<CaStorage>
  /** Whether the backend keeps its data when it is closed and opened again. Default false. */
  readonly durable?: boolean | undefined
}

/**
 * The contract of `CaStorage` as cases: those of `certificateStoreContract`, and of the stores for CRLs,
 * authorities, leases and audit.
 *
 * @example
 * ```ts
 * for (const { name, run } of contracts.CaStorage({ open: async () => createMemoryStorage() })) it(name, run)
 * ```
 */
export function caStorageContract(options: CaStorageContractOptions): readonly ContractCase[] {
  const { open, durable = false } = options
  return [
    ...certificateStoreContract(options),
    ...crlStoreContract(options),
    ...authorityStoreContract(options),
    ...leaseStoreContract(options),
    ...auditStoreContract(options),
    ...blockListContract(options),
    ...(durable
      ? [{ name: 'keeps lists, authorities, epochs and audit entries', run: () => survives(open) }]
      : []),
  ]
}

type Test = (storage: CaStorage) => Promise<void>
const casesOf = ({ open }: CaStorageContractOptions, tests: Readonly<Record<string, Test>>): ContractCase[] =>
  Object.entries(tests).map(([name, test]) => ({
    name,
    run: async () => {
      await using storage = await open()
      await test(storage)
    },
  }))

/** The cases of `CrlStore`. */
export function crlStoreContract(options: CaStorageContractOptions): readonly ContractCase[] {
  return casesOf(options, {
    'has no list before the first': async ({ crls }) => {
      same(await crls.last(anyKeyIdentifier(), ''), undefined, 'the last list of a new issuer')
    },
    'keeps the last list of each issuer and shard': async ({ crls }) => {
      const first = anyCrl()
      const shard = { ...anyCrl(), issuer: first.issuer, shard: '1' }
      const second = { ...anyCrl(), issuer: first.issuer, number: 2n ** 100n }
      await crls.publish(first, { expectedNumber: undefined })
      await crls.publish(shard, { expectedNumber: undefined })
      await crls.publish(second, { expectedNumber: first.number })
      same(await crls.last(first.issuer, ''), second, 'the last complete list')
      same(await crls.last(first.issuer, '1'), shard, 'the last list of the shard')
      const listed = (await crls.list()).filter(({ issuer }) => issuer === first.issuer)
      same(listed.map(({ number }) => number).sort(), [shard.number, second.number].sort(), 'all last lists')
    },
    'refuses a list if another one was stored first, and a smaller number': async ({ crls }) => {
      const first = { ...anyCrl(), number: 5n }
      await crls.publish(first, { expectedNumber: undefined })
      for (const [number, expectedNumber] of [
        [6n, undefined],
        [6n, 4n],
        [5n, 5n],
        [4n, 5n],
      ] as const)
        await refused('ERR_STORE_CONFLICT', crls.publish({ ...first, number }, { expectedNumber }))
      const results = await Promise.allSettled(
        [6n, 7n, 8n, 9n].map((number) => crls.publish({ ...first, number }, { expectedNumber: 5n })),
      )
      same(
        results.filter(({ status }) => status === 'fulfilled').length,
        1,
        'lists published after one number',
      )
    },
    'refuses a list with a stale epoch': async ({ crls, leases }) => {
      const crl = anyCrl()
      await withStaleFence(leases, (fence) => crls.publish(crl, { expectedNumber: undefined, fence }))
      same(await crls.last(crl.issuer, ''), undefined, 'the list of a stale leader')
    },
  })
}

/** The cases of `AuthorityStore`. */
export function authorityStoreContract(options: CaStorageContractOptions): readonly ContractCase[] {
  return casesOf(options, {
    'keeps authorities in the order in which they were added': async ({ authorities }) => {
      const [one, two] = [anyAuthority(), anyAuthority()]
      await authorities.update([one])
      await authorities.update([two])
      await authorities.update([{ ...one, version: 2, state: 'published', details: '{"at":1}' }])
      const found = (await authorities.list()).filter(({ id }) => id === one.id || id === two.id)
      same(found, [{ ...one, version: 2, state: 'published', details: '{"at":1}' }, two], 'the authorities')
    },
    'changes several authorities atomically': async ({ authorities }) => {
      const [one, two] = [anyAuthority(), anyAuthority()]
      await authorities.update([one, two])
      await refused(
        'ERR_STORE_CONFLICT',
        authorities.update([
          { ...one, version: 2, state: 'active' },
          { ...two, version: 3, state: 'active' },
        ]),
      )
      await refused('ERR_STORE_CONFLICT', authorities.update([{ ...anyAuthority(), version: 2 }]))
      const found = (await authorities.list()).filter(({ id }) => id === one.id || id === two.id)
      same(found, [one, two], 'the authorities after a refused change')
    },
    'blocks the issuer of an authority that is revoked': async ({ authorities, certificates }) => {
      const ca = await createRootCertificate(await SoftwareSigner.generate('P-256'), {
        ...{ subject: 'CN=contract', trustDomain: 'example.org' },
      })
      const issuer = keyIdentifierOf(ca.subjectKeyIdentifier as Uint8Array)
      const one: AuthorityRecord = { ...anyAuthority(), certificate: ca.der, state: 'retired' }
      const [before, later] = [anyIntent({ issuer }), anyIntent({ issuer })]
      await authorities.update([one])
      await certificates.recordIntent(before)
      await authorities.update([{ ...one, state: 'revoked', version: 2 }])
      await refused('ERR_PREPARED_EXPIRED', certificates.recordIntent(later))
      same(await certificates.find(later), undefined, 'the record of an intent of a revoked authority')
      const outcome = { certificate: new Uint8Array(randomBytes(200)) }
      await refused('ERR_PREPARED_EXPIRED', certificates.recordOutcome(before, outcome))
      await certificates.recordOutcome(before, { failed: true })
      same(
        (await certificates.find(before))?.state,
        'failed',
        'the state of a certificate that was discarded',
      )
      await certificates.recordIntent(anyIntent())
    },
    'refuses a change with a stale epoch': async ({ authorities, leases }) => {
      const one = anyAuthority()
      await withStaleFence(leases, (fence) => authorities.update([one], { fence }))
      holds(
        !(await authorities.list()).some(({ id }) => id === one.id),
        'the change of a stale leader is stored',
      )
    },
  })
}

/** The cases of `LeaseStore`. */
export function leaseStoreContract(options: CaStorageContractOptions): readonly ContractCase[] {
  return casesOf(options, {
    'gives a lease to one holder at a time': async ({ leases }) => {
      const name = randomUUID()
      const taken = await Promise.all(['a', 'b', 'c'].map((holder) => leases.acquire(name, holder, 60_000)))
      const held = taken.filter((lease) => lease !== undefined)
      same(held.length, 1, 'holders of one lease')
      const [lease] = held
      const again = await leases.acquire(name, lease?.holder ?? '', 60_000)
      same(again?.epoch, lease?.epoch, 'the epoch after the holder extended its lease')
    },
    'refuses a lease without a name, a holder or a time': async ({ leases }) => {
      const name = randomUUID()
      for (const [given, holder, ttlMs] of [
        ['', 'a', 1000],
        [name, '', 1000],
        [name, 'a', 0],
        [name, 'a', Number.NaN],
        [name, 'a', Infinity],
      ] as const)
        await refused('ERR_INVALID_ARGUMENT', leases.acquire(given, holder, ttlMs))
      holds((await leases.acquire(name, 'b', 1000)) !== undefined, 'a refused call has left a lease')
    },
    'gives an expired lease to another holder, with a greater epoch': async ({ leases }) => {
      const name = randomUUID()
      const first = await leases.acquire(name, 'a', 20)
      const second = await acquired(leases, name, 'b')
      holds(second.epoch > (first?.epoch ?? Infinity), 'the epoch did not grow')
      same(await leases.acquire(name, 'a', 1000), undefined, 'the lease that another holder has')
    },
    'gives a released lease to another holder': async ({ leases }) => {
      const name = randomUUID()
      const first = await leases.acquire(name, 'a', 60_000)
      if (first !== undefined) await leases.release(first)
      const second = await leases.acquire(name, 'b', 60_000)
      holds((second?.epoch ?? 0) > (first?.epoch ?? Infinity), 'the epoch did not grow')
      if (first !== undefined) await leases.release(first)
      same(await leases.acquire(name, 'c', 60_000), undefined, 'the lease after a stale release')
    },
    'has a clock': async ({ leases }) => {
      const before = await leases.now()
      const lease = await leases.acquire(randomUUID(), 'a', 60_000)
      holds((lease?.expiresAt.getTime() ?? 0) >= before.getTime() + 60_000, 'the lease ends before its time')
    },
  })
}

/** The cases of `AuditStore`. */
export function auditStoreContract(options: CaStorageContractOptions): readonly ContractCase[] {
  return casesOf(options, {
    'sequences entries without a gap, in their order of arrival': async ({ audit }) => {
      await drained(audit)
      const { sequenced } = await audit.size()
      const entries = Array.from({ length: 5 }, () => new Uint8Array(randomBytes(100)))
      await audit.append(entries.slice(0, 2))
      await audit.append(entries.slice(2))
      same(await audit.size(), { sequenced, pending: 5 }, 'the size before sequencing')
      const first = await audit.sequence(3)
      const rest = await audit.sequence(10)
      const expected = entries.map((entry, at) => ({ index: sequenced + at, entry }))
      same([...first, ...rest], expected, 'the sequenced entries')
      same(await audit.read(sequenced, 10), expected, 'the entries that were read')
      same(await audit.read(sequenced + 1, 2), expected.slice(1, 3), 'a part of the entries')
      same(await audit.sequence(10), [], 'the entries left to sequence')
    },
    'stores an entry with the write that it describes': async ({ audit, certificates }) => {
      await drained(audit)
      const entries = Array.from({ length: 3 }, () => new Uint8Array(randomBytes(50)))
      const intent = anyIntent()
      await certificates.recordIntent(intent, { audit: entries.slice(0, 1) })
      await certificates.recordOutcome(
        intent,
        { certificate: randomBytes(99) },
        { audit: entries.slice(1, 2) },
      )
      const revocation = { reason: 'superseded', revokedAt: new Date(systemClock.now()) } as const
      await certificates.revoke(intent, revocation, { audit: entries.slice(2) })
      same(
        (await audit.sequence(10)).map(({ entry }) => entry),
        entries,
        'the entries of three writes',
      )
    },
    'stores no entry of a refused write': async ({ audit, certificates }) => {
      await drained(audit)
      const intent = anyIntent()
      await certificates.recordIntent(intent)
      const entry = { audit: [new Uint8Array(randomBytes(50))] }
      await refused('ERR_SERIAL_EXISTS', certificates.recordIntent(anyIntent(idOf(intent)), entry))
      await refused(
        'ERR_CERTIFICATE_UNKNOWN',
        certificates.recordOutcome(anyIntent(), { failed: true }, entry),
      )
      await refused('ERR_STORE_CONFLICT', certificates.release(intent, entry))
      same((await audit.size()).pending, 0, 'entries of refused writes')
    },
    'refuses to sequence with a stale epoch': async ({ audit, leases }) => {
      await audit.append([new Uint8Array(randomBytes(50))])
      await withStaleFence(leases, (fence) => audit.sequence(10, fence))
      holds((await audit.size()).pending >= 1, 'a stale leader has sequenced')
    },
  })
}

async function survives(open: CaStorageContractOptions['open']): Promise<void> {
  const [crl, authority, entry, name] = [
    anyCrl(),
    anyAuthority(),
    new Uint8Array(randomBytes(40)),
    randomUUID(),
  ]
  const epoch = await (async () => {
    await using storage = await open()
    await storage.crls.publish(crl, { expectedNumber: undefined })
    await storage.authorities.update([authority])
    await drained(storage.audit)
    await storage.audit.append([entry])
    return (await storage.leases.acquire(name, 'a', 20))?.epoch ?? Infinity
  })()
  await using storage = await open()
  same(await storage.crls.last(crl.issuer, ''), crl, 'the list')
  holds(
    (await storage.authorities.list()).some(({ id }) => id === authority.id),
    'the authority is lost',
  )
  same(
    (await storage.audit.sequence(10)).map((one) => one.entry),
    [entry],
    'the audit entry',
  )
  holds((await acquired(storage.leases, name, 'b')).epoch > epoch, 'the epoch did not grow')
}

async function withStaleFence(
  leases: CaStorage['leases'],
  write: (fence: Lease) => Promise<unknown>,
): Promise<void> {
  const name = randomUUID()
  const stale = await leases.acquire(name, 'a', 60_000)
  if (stale === undefined) throw new Error('a free lease was not acquired')
  await leases.release(stale)
  await refused('ERR_LEASE_STALE', write(stale))
  await acquired(leases, name, 'b')
  await refused('ERR_LEASE_STALE', write(stale))
  await refused('ERR_LEASE_STALE', write({ ...stale, name: randomUUID() }))
}

/** Waits for the end of another holder's lease; at most 5 s. */
async function acquired(leases: CaStorage['leases'], name: string, holder: string): Promise<Lease> {
  for (let tries = 0; tries < 200; tries++) {
    const lease = await leases.acquire(name, holder, 60_000)
    if (lease !== undefined) return lease
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the lease was not given to another holder')
}

async function drained(audit: CaStorage['audit']): Promise<void> {
  while ((await audit.sequence(1000)).length > 0);
}

function anyCrl(): StoredCrl {
  const now = Math.floor(systemClock.now() / 1000) * 1000
  return {
    issuer: anyKeyIdentifier(),
    shard: '',
    number: 1n,
    crl: new Uint8Array(randomBytes(200)),
    thisUpdate: new Date(now),
    nextUpdate: new Date(now + 86_400_000),
  }
}

function anyAuthority(): AuthorityRecord {
  const octets = (): Uint8Array => new Uint8Array(randomBytes(300))
  return {
    id: randomUUID(),
    state: 'prepared',
    certificate: octets(),
    chain: [octets()],
    roots: [octets(), octets()],
    keyId: 'contract',
    keyVersion: 1,
    since: new Date(Math.floor(systemClock.now() / 1000) * 1000),
    version: 1,
  }
}
