// The contract of certificate stores for search by page and retention.

import type { CertificateRecord, CertificateStore } from '../../../ca/index.ts'
import type { IssuanceIntent } from '../../../ca/internal.ts'
import type { CertificateQuery, PruneOptions } from '../../../ca/internal.ts'
import { systemClock } from '../../../runtime/index.ts'
import { holds, refused, same } from '../contract-case.ts'
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

/** The cases of `query` and `prune`, each for a store that `contractCase` opens. */
export function certificateSearchContract(
  contractCase: (name: string, test: (store: CertificateStore) => Promise<void>) => ContractCase,
): readonly ContractCase[] {
  return [
    contractCase('finds the records of an identity in the order of their intents', findsByIdentity),
    contractCase('returns the status that the record has', saysStatus),
    contractCase('finds by each condition, and by all of them', findsByCondition),
    contractCase('pages by a cursor that stays valid while records are added', pagesStably),
    contractCase('pages by expiry', pagesByExpiry),
    contractCase('pages by the time of issue if that order is requested', pagesByTimeOfIssue),
    contractCase('refuses an undefined or unknown condition, and an invalid date', refusesUndefined),
    contractCase('prunes only records that expired longer ago than the look-back', prunes),
    contractCase('refuses to prune by an invalid time or look-back, or an unknown option', refusesOddPrunes),
    contractCase('settles intents that have expired', settlesIntents),
  ]
}

async function findsByIdentity(store: CertificateStore): Promise<void> {
  const identity = anyIdentity()
  const all: IssuanceIntent[] = []
  for (let i = 0; i < 4; i++) all.push(await issued(store, { identity }))
  await issued(store)
  const first = all[0] ?? anyIntent()
  await store.revoke(first, { reason: 'superseded', revokedAt: new Date(systemClock.now()) })
  const found = (await store.query({ identity })).items
  same(found.map(idOf), all.map(idOf), 'the records of an identity, the first of them revoked')
  holds(found[0]?.revocation !== undefined, 'a revoked record is found without its revocation')
}

async function saysStatus(store: CertificateStore): Promise<void> {
  if (store.statusOf === undefined) return
  const [good, revoked, failed, intended] = [
    await issued(store),
    await issued(store),
    anyIntent(),
    anyIntent(),
  ]
  await store.revoke(revoked, { reason: 'superseded', revokedAt: new Date(systemClock.now()) })
  for (const intent of [failed, intended]) await store.recordIntent(intent)
  await store.recordOutcome(failed, { failed: true })
  const expected = [
    [good, 'issued', undefined],
    [revoked, 'issued', 'superseded'],
    [failed, 'failed', undefined],
    [intended, 'intended', undefined],
  ] as const
  for (const [id, state, reason] of expected) {
    const found = await store.statusOf(id)
    same(
      [found?.state, found?.revocation?.reason],
      [state, reason],
      `the status of a record that is ${state}`,
    )
    same(found?.revocation, (await store.find(id))?.revocation, 'the revocation in a status')
  }
  same(await store.statusOf(anyIntent()), undefined, 'the status of an unknown certificate')
}

async function findsByCondition(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const keyIdentifier = anyKeyIdentifier()
  const day = 86_400_000
  const base = Math.floor(systemClock.now() / 1000) * 1000
  const at = (days: number): Date => new Date(base + days * day)
  const one = await issued(store, { issuer, keyIdentifier, intendedAt: at(0), notAfter: at(2) })
  const two = await issued(store, { issuer, intendedAt: at(1), notAfter: at(3) })
  const intent = anyIntent({ issuer, intendedAt: at(1), notAfter: at(4), renews: idOf(one) })
  await store.recordIntent(intent)
  await store.revoke(two, { reason: 'superseded', revokedAt: at(1) })
  const cases: [CertificateQuery, IssuanceIntent[]][] = [
    [{ issuer }, [one, two, intent]],
    [{ keyIdentifier }, [one]],
    [{ serialNumber: two.serialNumber }, [two]],
    [{ issuer, state: 'intended' }, [intent]],
    [{ renews: idOf(one) }, [intent]],
    [{ renews: { ...idOf(one), issuer: anyKeyIdentifier() } }, []],
    [{ issuer, state: 'issued' }, [one, two]],
    [{ issuer, revoked: true }, [two]],
    [{ issuer, revoked: false }, [one, intent]],
    [{ issuer, intendedFrom: at(1) }, [two, intent]],
    [{ issuer, intendedBefore: at(1) }, [one]],
    [{ issuer, notAfterFrom: at(3) }, [two, intent]],
    [{ issuer, notAfterBefore: at(3) }, [one]],
    [{ issuer, notAfterFrom: at(3), notAfterBefore: at(4), state: 'issued', revoked: true }, [two]],
    [{ issuer: anyKeyIdentifier() }, []],
    [{ issuer, keyIdentifier: anyKeyIdentifier() }, []],
  ]
  for (const [query, expected] of cases)
    same((await store.query(query)).items.map(idOf), expected.map(idOf), JSON.stringify(query))
}

async function pagesStably(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const expected: unknown[] = []
  for (let i = 0; i < 5; i++) expected.push(idOf(await issued(store, { issuer })))
  const first = await store.query({ issuer, limit: 2 })
  expected.push(idOf(await issued(store, { issuer })))
  const rest = await allOf(store, { issuer, limit: 2, after: first.next })
  same([...first.items, ...rest].map(idOf), expected, 'pages of two, with a record added after the first')
  holds(first.next !== undefined, 'the first of several pages has no next')
  same((await store.query({ issuer, limit: 6 })).next, undefined, 'next of the only page')
  await refused('ERR_INVALID_ARGUMENT', () => store.query({ issuer, after: 'no cursor' }))
  await refused('ERR_INVALID_ARGUMENT', () =>
    store.query({ issuer, after: first.next, notAfterFrom: new Date(0) }),
  )
  for (const limit of [0, -1, 1.5, Number.NaN, 1001])
    await refused('ERR_INVALID_ARGUMENT', () => store.query({ issuer, limit }))
}

async function pagesByExpiry(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const base = Math.floor(systemClock.now() / 1000) * 1000
  const seconds = [50, 10, 30, 10, 40, 20]
  const all: IssuanceIntent[] = []
  for (const after of seconds)
    all.push(await issued(store, { issuer, notAfter: new Date(base + after * 1000) }))
  const query = { issuer, notAfterBefore: new Date(base + 50_000), limit: 2 }
  const expected = [1, 3, 5, 2, 4].map((at) => all[at] ?? anyIntent())
  same(
    (await allOf(store, query)).map(idOf),
    expected.map(idOf),
    'expiring records, the next to expire first',
  )
}

/** Several processes write a store, each by its own clock: intents are not in the order of their times. */
async function pagesByTimeOfIssue(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const base = Math.floor(systemClock.now() / 1000) * 1000
  const at = (seconds: number): Date => new Date(base + seconds * 1000)
  const all: IssuanceIntent[] = []
  for (const seconds of [5, 1, 3, 1, 4, 2]) all.push(await issued(store, { issuer, intendedAt: at(seconds) }))
  const query = { issuer, intendedFrom: at(1), intendedBefore: at(5), limit: 2 }
  const expected = [1, 3, 5, 2, 4].map((place) => all[place] ?? anyIntent())
  same((await allOf(store, query)).map(idOf), expected.map(idOf), 'records by the time of their issue')
  const { next } = await store.query(query)
  await refused('ERR_INVALID_ARGUMENT', () => store.query({ issuer, after: next }))
  await refused('ERR_INVALID_ARGUMENT', () => store.query({ issuer, notAfterFrom: at(0), after: next }))
}

async function refusesUndefined(store: CertificateStore): Promise<void> {
  for (const name of ['intendedFrom', 'intendedBefore', 'notAfterFrom', 'notAfterBefore'])
    await refused('ERR_INVALID_ARGUMENT', () => store.query({ [name]: invalidDate }))
  for (const query of [{ identity: undefined }, { issuer: undefined, state: 'issued' }, { serial: '01' }])
    await refused('ERR_INVALID_ARGUMENT', () => store.query(query as unknown as CertificateQuery))
}

async function prunes(store: CertificateStore): Promise<void> {
  const issuer = anyKeyIdentifier()
  const base = Math.floor(systemClock.now() / 1000) * 1000
  const at = (seconds: number): Date => new Date(base + seconds * 1000)
  const lookBackSeconds = 86_400
  const old = await issued(store, { issuer, notAfter: at(7200) })
  const revoked = await issued(store, { issuer, notAfter: at(7210) })
  await store.revoke(revoked, { reason: 'superseded', revokedAt: at(0) })
  const within = await issued(store, { issuer, notAfter: at(7300) })
  const atEnd = old.notAfter.getTime() + lookBackSeconds * 1000
  await store.prune({ now: new Date(atEnd), lookBackSeconds })
  same((await store.query({ issuer })).items.length, 3, 'records in the last second of the look-back')
  const { removed } = await store.prune({ now: new Date(atEnd + 11_000), lookBackSeconds })
  holds(removed >= 2, `prune reported ${removed} removed records; expected at least 2`)
  same((await store.query({ issuer })).items.map(idOf), [idOf(within)], 'records after prune')
  same(await store.find(old), undefined, 'a pruned record')
  same((await store.revocations({ issuer, notExpiredAt: new Date(0) })).items, [], 'revocations after prune')
}

/** NaN compares false with everything: a store that accepts it removes valid certificates. */
async function refusesOddPrunes(store: CertificateStore): Promise<void> {
  const valid = await issued(store)
  const odd: readonly object[] = [
    ...[undefined, new Date(NaN), systemClock.now()].map((now) => ({ now })),
    ...[undefined, NaN, -86_400, '1'].map((lookBackSeconds) => ({ lookBackSeconds })),
    unknownOption,
  ]
  for (const options of odd) {
    const given = { now: new Date(systemClock.now()), lookBackSeconds: 1, ...options } as PruneOptions
    await refused('ERR_INVALID_ARGUMENT', () => store.prune(given))
    same((await store.find(valid))?.state, 'issued', 'a valid certificate after a refused prune')
  }
}

async function settlesIntents(store: CertificateStore): Promise<void> {
  const base = Math.floor(systemClock.now() / 1000) * 1000
  const intent = anyIntent({ notAfter: new Date(base + 7_200_000) })
  await store.recordIntent(intent)
  await store.prune({ now: intent.notAfter, lookBackSeconds: 86_400 })
  same((await store.find(intent))?.state, 'intended', 'an intent in the last second of its validity')
  const { lapsed } = await store.prune({
    now: new Date(intent.notAfter.getTime() + 1000),
    lookBackSeconds: 86_400,
  })
  holds(lapsed >= 1, 'prune reported no lapsed record')
  const found = await store.find(intent)
  same([found?.state, found?.tbs], ['lapsed', intent.tbs], 'an expired intent')
  await refused('ERR_STORE_CONFLICT', store.recordOutcome(intent, { certificate: new Uint8Array(480) }))
}

async function allOf(store: CertificateStore, query: CertificateQuery): Promise<CertificateRecord[]> {
  const found: CertificateRecord[] = []
  let { after } = query
  do {
    const page = await store.query({ ...query, after })
    found.push(...page.items)
    after = page.next
  } while (after !== undefined)
  return found
}
