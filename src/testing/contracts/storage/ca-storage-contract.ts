// The contract of a CA storage: its stores, and the data that remain after it was closed.

import { randomBytes, randomUUID } from 'node:crypto'
import { holds, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { auditStoreContract, drained } from './audit-store-contract.ts'
import { authorityStoreContract } from './authority-store-contract.ts'
import { blockListContract } from './block-list-contract.ts'
import { certificateStoreContract } from './certificate-store-contract.ts'
import { crlStoreContract } from './crl-store-contract.ts'
import { acquired, leaseStoreContract } from './lease-store-contract.ts'
import type { CaStorageContractOptions } from './storage-cases.ts'
import { anyAuthority, anyCrl } from './storage-fixtures.ts'

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
