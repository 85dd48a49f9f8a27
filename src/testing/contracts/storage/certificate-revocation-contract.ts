// The contract of certificate stores for revocations and their lists.

import { randomBytes } from 'node:crypto'
import type { CertificateStore } from '../../../ca/index.ts'
import type { IssuanceIntent, RevokedRecord } from '../../../ca/internal.ts'
import { systemClock } from '../../../runtime/index.ts'
import { refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import {
  anyIntent,
  anyKeyIdentifier,
  idOf,
  invalidDate,
  issued,
  revocation,
  unknownOption,
} from './storage-fixtures.ts'

/** The cases of `revoke`, `release` and `revocations`, each for a store that `contractCase` opens. */
export function certificateRevocationContract(
  contractCase: (name: string, test: (store: CertificateStore) => Promise<void>) => ContractCase,
): readonly ContractCase[] {
  return [
    contractCase('keeps the first revocation', keepsFirstRevocation),
    contractCase('lets a hold become final, and every reason become keyCompromise', replacesRevocation),
    contractCase('releases only a hold', releasesHold),
    contractCase('refuses an unknown option of revoke and release', refusesUnknownOptions),
    contractCase('refuses a revocation or a query with an invalid date or reason', refusesOddRevocations),
    contractCase('revokes an intended certificate', revokesIntended),
    contractCase('revokes a certificate without a record', revokesUnrecorded),
    contractCase('does not renew a revoked or unknown certificate', refusesRenewalOfRevoked),
    contractCase(
      'does not record the renewal of a certificate that was revoked meanwhile',
      refusesLateRenewal,
    ),
    contractCase('lists revocations of one issuer, page by page, in the order of change', listsRevocations),
    contractCase('continues the list of revocations from a cursor', continuesRevocations),
    contractCase('lists revocations by shard and time of expiry', filtersRevocations),
  ]
}

async function keepsFirstRevocation(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  const first = revocation('superseded')
  same((await store.revoke(one, first)).revocation, first, 'the result of revoke')
  await store.revoke(one, revocation('cessationOfOperation', 60_000))
  const found = await store.find(one)
  same([found?.revocation, found?.state], [first, 'issued'], 'the first of two revocations')
}

async function replacesRevocation(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  const first = revocation('certificateHold')
  await store.revoke(one, first)
  const second = await store.revoke(one, revocation('privilegeWithdrawn', 60_000))
  same(second.revocation, { ...first, reason: 'privilegeWithdrawn' }, 'a hold that became final')
  const third = await store.revoke(one, revocation('keyCompromise', 120_000))
  same(third.revocation, { ...first, reason: 'keyCompromise' }, 'a revocation that became keyCompromise')
  const fourth = await store.revoke(one, revocation('certificateHold', 180_000))
  same(fourth.revocation, { ...first, reason: 'keyCompromise' }, 'keyCompromise after a later hold')
}

async function releasesHold(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  await refused('ERR_STORE_CONFLICT', store.release(one))
  await store.revoke(one, revocation('certificateHold'))
  same((await store.release(one)).revocation, undefined, 'the result of release')
  same((await store.find(one))?.revocation, undefined, 'a released hold')
  await store.revoke(one, revocation('superseded'))
  await refused('ERR_STORE_CONFLICT', store.release(one))
  same((await store.find(one))?.revocation?.reason, 'superseded', 'a revocation after a refused release')
}

async function refusesUnknownOptions(store: CertificateStore): Promise<void> {
  const [good, held] = [await issued(store), await issued(store)]
  await store.revoke(held, revocation('certificateHold'))
  await refused('ERR_INVALID_ARGUMENT', () => store.revoke(good, revocation('superseded'), unknownOption))
  await refused('ERR_INVALID_ARGUMENT', () => store.release(held, unknownOption))
  same((await store.find(good))?.revocation, undefined, 'the revocation after a refused revoke')
  same((await store.find(held))?.revocation?.reason, 'certificateHold', 'the hold after a refused release')
}

async function refusesOddRevocations(store: CertificateStore): Promise<void> {
  const good = await issued(store)
  const { issuer, serialNumber, identity, keyIdentifier, notAfter, intendedAt } = anyIntent()
  const stranger = { issuer, serialNumber }
  const unrecorded = {
    certificate: randomBytes(480),
    identity,
    keyIdentifier,
    notBefore: intendedAt,
    notAfter,
  }
  const refuse = (call: () => Promise<unknown>): Promise<void> => refused('ERR_INVALID_ARGUMENT', call)
  for (const revokedAt of [invalidDate, undefined, '2026-01-01', 0] as readonly unknown[] as readonly Date[])
    await refuse(() => store.revoke(good, { reason: 'superseded', revokedAt }))
  for (const reason of [
    'removeFromCRL',
    'unknown',
    undefined,
  ] as readonly unknown[] as readonly 'superseded'[])
    await refuse(() => store.revoke(good, revocation(reason)))
  for (const odd of [{ notBefore: invalidDate }, { notAfter: invalidDate }])
    await refuse(() =>
      store.revoke(stranger, revocation('superseded'), { unrecorded: { ...unrecorded, ...odd } }),
    )
  await refuse(() => store.revocations({ issuer, notExpiredAt: invalidDate }))
  same((await store.find(good))?.revocation, undefined, 'the revocation after a refused revoke')
  same(await store.find(stranger), undefined, 'the record after a refused revoke')
}

async function revokesIntended(store: CertificateStore): Promise<void> {
  const intent = anyIntent()
  await store.recordIntent(intent)
  await store.revoke(intent, revocation('superseded'))
  await store.recordOutcome(intent, { certificate: randomBytes(480) })
  const found = await store.find(intent)
  same(
    [found?.state, found?.revocation?.reason],
    ['issued', 'superseded'],
    'a revoked intent after its outcome',
  )
}

async function revokesUnrecorded(store: CertificateStore): Promise<void> {
  const { issuer, serialNumber, identity, keyIdentifier, notAfter, intendedAt } = anyIntent()
  const id = { issuer, serialNumber }
  const certificate = randomBytes(480)
  const unrecorded = { certificate, identity, keyIdentifier, notBefore: intendedAt, notAfter }
  await store.revoke(id, revocation('keyCompromise'), { unrecorded })
  const found = await store.find(id)
  same(
    [
      found?.state,
      found?.certificate,
      found?.identity.toString(),
      found?.revocation?.reason,
      found?.notAfter,
    ],
    ['issued', certificate, identity.toString(), 'keyCompromise', notAfter],
    'the record of a certificate that had no record',
  )
  const known = await issued(store)
  await store.revoke(known, revocation('superseded'), { unrecorded })
  same((await store.find(known))?.certificate, known.certificate, 'a known certificate after revoke')
  await refused('ERR_SERIAL_EXISTS', store.recordIntent(anyIntent(id)))
}

async function refusesRenewalOfRevoked(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  await store.revoke(one, revocation('superseded'))
  const renewal = anyIntent({ renews: idOf(one) })
  await refused('ERR_RENEWAL_REFUSED', store.recordIntent(renewal))
  same(await store.find(renewal), undefined, 'the record of a refused renewal')
  await refused('ERR_RENEWAL_REFUSED', store.recordIntent(anyIntent({ renews: idOf(anyIntent()) })))
}

async function refusesLateRenewal(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  const renewal = anyIntent({ renews: idOf(one) })
  await store.recordIntent(renewal)
  await store.revoke(one, revocation('keyCompromise'))
  await refused('ERR_RENEWAL_REFUSED', store.recordOutcome(renewal, { certificate: randomBytes(480) }))
  await store.recordOutcome(renewal, { failed: true })
  same((await store.find(renewal))?.state, 'failed', 'the renewal of a certificate that was revoked')
}

async function listsRevocations(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const all: IssuanceIntent[] = []
  for (let i = 0; i < 7; i++) all.push(await issued(store, { issuer }))
  const other = await issued(store)
  const order = [3, 1, 6, 0, 5].map((at) => all[at] ?? other)
  for (const one of order) await store.revoke(one, revocation('superseded'))
  await store.revoke(other, revocation('superseded'))
  const found = await allRevocations(store, { issuer, notExpiredAt: new Date(0), limit: 2 })
  same(found.map(idOf), order.map(idOf), 'the revoked certificates of one issuer')
  const [first] = found
  same(
    [first?.notAfter, first?.intendedAt, first?.shard, first?.revocation?.reason],
    [all[3]?.notAfter, all[3]?.intendedAt, '', 'superseded'],
    'the input of a list',
  )
}

async function continuesRevocations(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const query = { issuer, notExpiredAt: new Date(0) }
  const [one, two] = [await issued(store, { issuer }), await issued(store, { issuer })]
  await store.revoke(one, revocation('certificateHold'))
  const first = await store.revocations(query)
  same(first.items.map(idOf), [idOf(one)], 'the first page')
  const empty = await store.revocations({ ...query, after: first.next })
  same(empty.items, [], 'the page after the last change')
  await store.revoke(two, revocation('superseded'))
  await store.release(one)
  const second = await store.revocations({ ...query, after: empty.next })
  same(
    second.items.map((item) => [idOf(item), item.revocation?.reason]),
    [
      [idOf(two), 'superseded'],
      [idOf(one), undefined],
    ],
    'the later changes',
  )
  await refused('ERR_INVALID_ARGUMENT', () => store.revocations({ ...query, after: 'no cursor' }))
}

async function filtersRevocations(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const short = await issued(store, { issuer, shard: 'a', notAfter: new Date(systemClock.now() + 60_000) })
  const long = await issued(store, { issuer, shard: 'b' })
  for (const one of [short, long]) await store.revoke(one, revocation('superseded'))
  const find = async (query: { shard?: string; notExpiredAt: Date }): Promise<unknown> =>
    (await allRevocations(store, { issuer, ...query })).map(idOf)
  same(await find({ shard: 'a', notExpiredAt: new Date(0) }), [idOf(short)], 'shard a')
  same(await find({ notExpiredAt: short.notAfter }), [idOf(short), idOf(long)], 'at notAfter of the first')
  const later = new Date(short.notAfter.getTime() + 1000)
  same(await find({ notExpiredAt: later }), [idOf(long)], 'after notAfter of the first')
}

async function allRevocations(
  store: CertificateStore,
  query: Parameters<CertificateStore['revocations']>[0],
): Promise<RevokedRecord[]> {
  const found: RevokedRecord[] = []
  let after: string | undefined
  for (;;) {
    const page = await store.revocations({ ...query, after })
    if (page.items.length === 0) return found
    found.push(...page.items)
    after = page.next
  }
}
