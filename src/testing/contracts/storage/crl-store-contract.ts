// The contract of CRL stores: the last list of each scope, by compare-and-set.

import type { CaStorage } from '../../../ca/index.ts'
import { same, refused } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { withStaleFence } from './lease-store-contract.ts'
import { casesOf } from './storage-cases.ts'
import type { CaStorageContractOptions } from './storage-cases.ts'
import { anyCrl, anyIntent, anyKeyIdentifier, invalidDate, unknownOption } from './storage-fixtures.ts'

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
    'refuses an unknown option, and a list without expectedNumber': async ({ crls }) => {
      const crl = anyCrl()
      const misspelt = { expectedNumber: undefined, ...unknownOption }
      await refused('ERR_INVALID_ARGUMENT', () => crls.publish(crl, misspelt))
      await refused('ERR_INVALID_ARGUMENT', () => crls.publish(crl, {} as never))
      same(await crls.last(crl.issuer, ''), undefined, 'the list of refused calls')
    },
    'prunes the lists of issuers without records': prunesLists,
    'refuses a list with an invalid date': async ({ crls }) => {
      const one = anyCrl()
      for (const odd of [{ thisUpdate: invalidDate }, { nextUpdate: invalidDate }])
        await refused('ERR_INVALID_ARGUMENT', () =>
          crls.publish({ ...one, ...odd }, { expectedNumber: undefined }),
        )
      same(await crls.last(one.issuer, one.shard), undefined, 'the list after a refused one')
    },
    'refuses a list with a stale epoch': async ({ crls, leases }) => {
      const crl = anyCrl()
      await withStaleFence(leases, (fence) => crls.publish(crl, { expectedNumber: undefined, fence }))
      same(await crls.last(crl.issuer, ''), undefined, 'the list of a stale leader')
    },
  })
}

async function prunesLists({ certificates, crls }: CaStorage): Promise<void> {
  const lookBackSeconds = 86_400
  const [ended, shard, inUse, above] = [anyCrl(), { ...anyCrl(), shard: '1' }, anyCrl(), anyCrl()]
  const end = ended.nextUpdate.getTime() + lookBackSeconds * 1000
  const lists = [ended, { ...shard, issuer: ended.issuer }, inUse, { ...above, number: 2n ** 100n }]
  for (const list of lists) await crls.publish(list, { expectedNumber: undefined })
  const notAfter = new Date(end + 60_000)
  await certificates.recordIntent({ ...anyIntent(), issuer: inUse.issuer, notAfter })
  const left = async (): Promise<readonly string[]> => {
    const issuers = (await crls.list()).map(({ issuer }) => issuer)
    return lists.map(({ issuer }) => issuer).filter((issuer) => issuers.includes(issuer))
  }
  await certificates.prune({ now: new Date(end), lookBackSeconds })
  same((await left()).length, 4, 'lists in the last second of the look-back')
  await certificates.prune({ now: new Date(end), lookBackSeconds: lookBackSeconds + 0.0001 })
  same((await left()).length, 4, 'lists with a look-back of a fraction of a millisecond more')
  await certificates.prune({ now: new Date(end + 1000), lookBackSeconds })
  // The number of the last one is above any that a later list would begin with.
  same(await left(), [inUse.issuer, above.issuer], 'issuers with lists after prune')
  await crls.publish({ ...ended, number: BigInt(end) }, { expectedNumber: undefined })
}
