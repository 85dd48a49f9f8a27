// The contract of authority stores: the authorities of a CA, by compare-and-set.

import { randomBytes } from 'node:crypto'
import { createRootCertificate } from '../../../ca/index.ts'
import { keyIdentifierOf } from '../../../ca/internal.ts'
import type { AuthorityRecord } from '../../../ca/internal.ts'
import { SoftwareSigner } from '../../../keys/index.ts'
import { holds, refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { withStaleFence } from './lease-store-contract.ts'
import { casesOf } from './storage-cases.ts'
import type { CaStorageContractOptions } from './storage-cases.ts'
import { anyAuthority, anyIntent, invalidDate, unknownOption } from './storage-fixtures.ts'

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
    'refuses an unknown option': async ({ authorities }) => {
      const one = anyAuthority()
      await refused('ERR_INVALID_ARGUMENT', () => authorities.update([one], unknownOption))
      holds(!(await authorities.list()).some(({ id }) => id === one.id), 'a refused change is stored')
    },
    'refuses an invalid date': async ({ authorities }) => {
      const one = { ...anyAuthority(), since: invalidDate }
      await refused('ERR_INVALID_ARGUMENT', () => authorities.update([anyAuthority(), one]))
      holds(!(await authorities.list()).some(({ id }) => id === one.id), 'a refused change is stored')
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
