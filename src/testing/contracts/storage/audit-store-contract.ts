// The contract of audit stores: entries in sequence, each stored with the write that it describes.

import { randomBytes } from 'node:crypto'
import type { CaStorage } from '../../../ca/index.ts'
import { systemClock } from '../../../runtime/index.ts'
import { holds, refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { withStaleFence } from './lease-store-contract.ts'
import { casesOf } from './storage-cases.ts'
import type { CaStorageContractOptions } from './storage-cases.ts'
import { anyIntent, idOf } from './storage-fixtures.ts'

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

/** Sequences every entry that other cases left. */
export async function drained(audit: CaStorage['audit']): Promise<void> {
  while ((await audit.sequence(1000)).length > 0);
}
