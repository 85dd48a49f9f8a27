// The contract of certificate stores for intents, outcomes and revocations.

import { randomBytes } from 'node:crypto'
import type { CertificateStore } from '../../../ca/index.ts'
import type { IssuanceIntent } from '../../../ca/internal.ts'
import type { RevokedRecord } from '../../../ca/internal.ts'
import type { Revocation } from '../../../ca/internal.ts'
import { systemClock } from '../../../runtime/index.ts'
import { certificateSearchContract } from './certificate-search-contract.ts'
import { holds, refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import {
  anyIdentity,
  anyIntent,
  anyKeyIdentifier,
  anySerialNumber,
  idOf,
  issued,
} from './storage-fixtures.ts'

/** The tested implementation: a backend that has a certificate store, such as a `CaStorage`. */
export interface CertificateStoreContractOptions {
  /** Opens the backend; each case opens it and disposes of it. */
  readonly open: () => Promise<AsyncDisposable & { readonly certificates: CertificateStore }>
  /** Whether records are kept when the backend is closed and opened again. Default false. */
  readonly durable?: boolean | undefined
}

/**
 * The contract of `CertificateStore` as cases, to be run one after another. The store need not be empty,
 * because each case uses its own issuers and names. It must be a test store: records are pruned as if it were
 * three days later.
 *
 * @example
 * ```ts
 * const cases = contracts.CertificateStore({ open: async () => createMemoryStorage() })
 * for (const { name, run } of cases) it(name, run)
 * ```
 */
export function certificateStoreContract(options: CertificateStoreContractOptions): readonly ContractCase[] {
  const { open, durable = false } = options
  const contractCase = (name: string, test: (store: CertificateStore) => Promise<void>): ContractCase => ({
    name,
    run: async () => {
      await using backend = await open()
      await test(backend.certificates)
    },
  })
  return [
    contractCase('keeps an intent as it was given', keepsIntent),
    contractCase('stores the outcome, and accepts the same one again', keepsOutcome),
    contractCase('refuses a second outcome that differs', refusesOtherOutcome),
    contractCase('refuses a serial number twice for one issuer, but not for another', keepsSerialsApart),
    contractCase('accepts one of several concurrent intents with the same serial number', takesOneOfMany),
    contractCase('accepts an idempotency key once', takesIdempotencyKeyOnce),
    contractCase('copies octets in and out', copiesOctets),
    contractCase('returns frozen records', returnsFrozen),
    contractCase('returns nothing for an unknown certificate', knowsNothing),
    contractCase('keeps the first revocation', keepsFirstRevocation),
    contractCase('lets a hold become final, and every reason become keyCompromise', replacesRevocation),
    contractCase('releases only a hold', releasesHold),
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
    ...certificateSearchContract(contractCase),
    ...(durable ? [{ name: 'keeps everything over a restart', run: () => survives(open) }] : []),
  ]
}

async function keepsIntent(store: CertificateStore): Promise<void> {
  const renewed = await issued(store)
  const intent = anyIntent({
    renews: idOf(renewed),
    shard: '7',
    idempotencyKey: randomBytes(16).toString('hex'),
  })
  await store.recordIntent(intent)
  const record = await store.find(intent)
  same({ ...record }, { ...record, ...intent, state: 'intended', shard: '7' }, 'the record of an intent')
  holds(record?.certificate === undefined && record?.revocation === undefined, 'an intent has an outcome')
  same((await store.find(renewed))?.shard, '', 'the shard of an intent without one')
}

async function keepsOutcome(store: CertificateStore): Promise<void> {
  const { certificate, ...intent } = await issued(store)
  await store.recordOutcome(intent, { certificate })
  const record = await store.find(intent)
  same([record?.state, record?.certificate, record?.tbs], ['issued', certificate, undefined], 'the outcome')
  const failed = anyIntent()
  await store.recordIntent(failed)
  await store.recordOutcome(failed, { failed: true })
  await store.recordOutcome(failed, { failed: true })
  const failure = await store.find(failed)
  same([failure?.state, failure?.certificate, failure?.tbs], ['failed', undefined, failed.tbs], 'a failure')
}

async function refusesOtherOutcome(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  await refused('ERR_STORE_CONFLICT', store.recordOutcome(one, { failed: true }))
  await refused('ERR_STORE_CONFLICT', store.recordOutcome(one, { certificate: randomBytes(480) }))
  same((await store.find(one))?.certificate, one.certificate, 'the certificate after refused outcomes')
}

async function keepsSerialsApart(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  const again = anyIntent(idOf(one))
  await refused('ERR_SERIAL_EXISTS', store.recordIntent(again))
  same(
    (await store.find(one))?.identity.toString(),
    one.identity.toString(),
    'the record after a refused intent',
  )
  const other = await issued(store, { serialNumber: one.serialNumber })
  same((await store.find(other))?.certificate, other.certificate, 'the record of the other issuer')
  await store.revoke(other, revocation('superseded'))
  same((await store.find(one))?.revocation, undefined, 'the revocation of the first issuer')
}

async function takesOneOfMany(store: CertificateStore): Promise<void> {
  const intents = Array.from({ length: 8 }, () => anyIntent())
  const id = idOf(intents[0] ?? anyIntent())
  const results = await Promise.allSettled(intents.map((intent) => store.recordIntent({ ...intent, ...id })))
  same(results.filter(({ status }) => status === 'fulfilled').length, 1, 'accepted intents of eight')
}

async function takesIdempotencyKeyOnce(store: CertificateStore): Promise<void> {
  const idempotencyKey = randomBytes(16).toString('hex')
  const first = await issued(store, { idempotencyKey })
  await refused('ERR_IDEMPOTENCY_KEY', store.recordIntent(anyIntent({ idempotencyKey })))
  const { items } = await store.query({ idempotencyKey })
  same(items.map(idOf), [idOf(first)], 'the records with the idempotency key')
  const failed = anyIntent({ idempotencyKey: randomBytes(16).toString('hex') })
  await store.recordIntent(failed)
  await store.recordOutcome(failed, { failed: true })
  await store.recordIntent(anyIntent(failed.idempotencyKey ? { idempotencyKey: failed.idempotencyKey } : {}))
}

async function copiesOctets(store: CertificateStore): Promise<void> {
  const intent = anyIntent()
  const tbs = Uint8Array.from(intent.tbs)
  await store.recordIntent(intent)
  intent.tbs.fill(0)
  same((await store.find(intent))?.tbs, tbs, 'the TBS after the caller changed its own')
  const certificate = randomBytes(480)
  const kept = Uint8Array.from(certificate)
  await store.recordOutcome(intent, { certificate })
  certificate.fill(0)
  const found = await store.find(intent)
  same(found?.certificate, kept, 'the certificate after the caller changed its own')
  found?.certificate?.fill(0)
  same((await store.find(intent))?.certificate, kept, 'the certificate after a reader changed its copy')
}

async function returnsFrozen(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  const found = await store.revoke(one, revocation('superseded'))
  holds(Object.isFrozen(found), 'a record is not frozen')
  holds(Object.isFrozen(found.revocation), 'a revocation is not frozen')
  holds(Object.isFrozen(found.caller) && Object.isFrozen(found.caller.identities), 'a caller is not frozen')
}

async function knowsNothing(store: CertificateStore): Promise<void> {
  const one = await issued(store)
  const otherIssuer = { issuer: anyKeyIdentifier(), serialNumber: one.serialNumber }
  const otherSerial = { ...idOf(one), serialNumber: anySerialNumber() }
  for (const id of [otherIssuer, otherSerial]) {
    same(await store.find(id), undefined, 'the record of an unknown certificate')
    await refused('ERR_CERTIFICATE_UNKNOWN', store.recordOutcome(id, { failed: true }))
    await refused('ERR_CERTIFICATE_UNKNOWN', store.revoke(id, revocation('superseded')))
    await refused('ERR_CERTIFICATE_UNKNOWN', store.release(id))
  }
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

async function survives(open: CertificateStoreContractOptions['open']): Promise<void> {
  const idempotencyKey = randomBytes(16).toString('hex')
  const identity = anyIdentity()
  const [one, two, intent] = await (async () => {
    await using backend = await open()
    const store = backend.certificates
    const revoked = await issued(store, { identity })
    await store.revoke(revoked, revocation('keyCompromise'))
    const pending = anyIntent({ identity, idempotencyKey })
    await store.recordIntent(pending)
    return [revoked, await issued(store, { identity }), pending]
  })()
  await using backend = await open()
  const store = backend.certificates
  same(
    (await store.query({ identity })).items.map(idOf),
    [one, intent, two].map(idOf),
    'records after a restart',
  )
  const found = await store.find(one)
  same([found?.revocation?.reason, found?.certificate], ['keyCompromise', one.certificate], 'a revocation')
  const pending = await store.find(intent)
  same([pending?.state, pending?.tbs, pending?.rule], ['intended', intent.tbs, intent.rule], 'an intent')
  await refused('ERR_SERIAL_EXISTS', store.recordIntent(anyIntent(idOf(two))))
  await refused('ERR_IDEMPOTENCY_KEY', store.recordIntent(anyIntent({ idempotencyKey })))
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

function revocation(reason: Revocation['reason'], laterMs = 0): Revocation {
  return { reason, revokedAt: new Date(Math.floor(systemClock.now() / 1000) * 1000 + laterMs) }
}
