// The contract of a storage's block-list, if the storage has one.

import { randomBytes } from 'node:crypto'
import type { CaStorage } from '../../../ca/index.ts'
import type { BlockedSubject, RenewalBlock, RenewalBlockStore } from '../../../ca/internal.ts'
import { systemClock } from '../../../runtime/index.ts'
import { refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import {
  anyIdentity,
  anyIntent,
  anyKeyIdentifier,
  idOf,
  invalidDate,
  issued,
  unknownOption,
} from './storage-fixtures.ts'

/** The cases of `CaStorage.blocks`; they also pass for a storage without a block-list. */
export function blockListContract({
  open,
}: {
  readonly open: () => Promise<CaStorage>
}): readonly ContractCase[] {
  const cases: Readonly<Record<string, (storage: CaStorage, blocks: RenewalBlockStore) => Promise<void>>> = {
    'stores blocks, one per subject': keepsBlocks,
    'refuses an intent of a blocked identity, key or certificate': refusesIntents,
    'refuses an outcome that was blocked meanwhile': refusesOutcomes,
    'stores the audit entry of a change with the change': keepsEntries,
    'refuses an unknown option': refusesUnknownOptions,
    'refuses an invalid date': refusesInvalidDate,
  }
  return Object.entries(cases).map(([name, test]) => ({
    name: `block-list: ${name}`,
    run: async () => {
      await using storage = await open()
      if (storage.blocks !== undefined) await test(storage, storage.blocks)
    },
  }))
}

const block = (subject: BlockedSubject, reason = 'left the company') => ({
  subject,
  reason,
  since: new Date(Math.floor(systemClock.now() / 1000) * 1000),
})

async function keepsBlocks(_storage: CaStorage, blocks: RenewalBlockStore): Promise<void> {
  const subjects: BlockedSubject[] = [
    { identity: anyIdentity() },
    { keyIdentifier: anyKeyIdentifier() },
    { certificate: idOf(anyIntent()) },
  ]
  for (const subject of subjects) await blocks.add(block(subject))
  const first = subjects[0] as BlockedSubject
  const again = block(first, 'another reason')
  await blocks.add(again)
  const textOf = (subject: RenewalBlock['subject']): string => JSON.stringify(subject)
  const listed = async (): Promise<readonly string[]> => {
    const texts = (await blocks.list()).map(({ subject, reason }) => `${textOf(subject)} ${reason}`)
    return texts.filter((text) => subjects.some((one) => text.startsWith(textOf(one))))
  }
  const expected = subjects.map((one, at) => `${textOf(one)} ${at === 0 ? again.reason : 'left the company'}`)
  same([...(await listed())].sort(), [...expected].sort(), 'the blocks')
  same(await blocks.remove(first), true, 'the removal of a block')
  same(await blocks.remove(first), false, 'the second removal')
  same((await listed()).length, 2, 'the blocks that are left')
}

async function refusesIntents({ certificates }: CaStorage, blocks: RenewalBlockStore): Promise<void> {
  const one = await issued(certificates)
  const of = [
    [{ identity: one.identity }, anyIntent({ identity: one.identity })],
    [{ keyIdentifier: one.keyIdentifier }, anyIntent({ keyIdentifier: one.keyIdentifier })],
    [{ certificate: idOf(one) }, anyIntent({ renews: idOf(one) })],
  ] as const
  for (const [subject, intent] of of) {
    await blocks.add(block(subject))
    await refused('ERR_RENEWAL_BLOCKED', certificates.recordIntent(intent))
    same(await certificates.find(intent), undefined, 'the record of a blocked intent')
    await blocks.remove(subject)
    await certificates.recordIntent(intent)
  }
}

async function refusesOutcomes({ certificates }: CaStorage, blocks: RenewalBlockStore): Promise<void> {
  const one = await issued(certificates)
  const intent = anyIntent({ renews: idOf(one) })
  await certificates.recordIntent(intent)
  for (const subject of [{ certificate: idOf(one) }, { identity: intent.identity }]) {
    await blocks.add(block(subject))
    const outcome = { certificate: new Uint8Array(randomBytes(200)) }
    await refused('ERR_RENEWAL_BLOCKED', certificates.recordOutcome(intent, outcome))
    await blocks.remove(subject)
  }
  await blocks.add(block({ keyIdentifier: intent.keyIdentifier }))
  await certificates.recordOutcome(intent, { failed: true })
  same((await certificates.find(intent))?.state, 'failed', 'the state of the blocked certificate')
}

async function refusesUnknownOptions(_storage: CaStorage, blocks: RenewalBlockStore): Promise<void> {
  const [kept, refusedOne] = [{ identity: anyIdentity() }, { identity: anyIdentity() }]
  await blocks.add(block(kept))
  await refused('ERR_INVALID_ARGUMENT', () => blocks.add(block(refusedOne), unknownOption))
  await refused('ERR_INVALID_ARGUMENT', () => blocks.remove(kept, unknownOption))
  same(await blocks.remove(refusedOne), false, 'the removal of a block that was refused')
  same(await blocks.remove(kept), true, 'the removal of a block after a refused removal')
}

async function refusesInvalidDate(_storage: CaStorage, blocks: RenewalBlockStore): Promise<void> {
  const subject = { identity: anyIdentity() }
  await refused('ERR_INVALID_ARGUMENT', () => blocks.add({ ...block(subject), since: invalidDate }))
  same(await blocks.remove(subject), false, 'the removal of a block that was refused')
}

async function keepsEntries({ audit }: CaStorage, blocks: RenewalBlockStore): Promise<void> {
  while ((await audit.sequence(1000)).length > 0);
  const subject = { identity: anyIdentity() }
  const entries = [1, 2, 3].map(() => new Uint8Array(randomBytes(40)))
  const of = (at: number) => ({ audit: entries.slice(at, at + 1) })
  await blocks.add(block(subject), of(0))
  await blocks.remove(subject, of(1))
  await blocks.remove(subject, of(2))
  same(
    (await audit.sequence(10)).map(({ entry }) => entry),
    entries.slice(0, 2),
    'the entries of two changes',
  )
}
