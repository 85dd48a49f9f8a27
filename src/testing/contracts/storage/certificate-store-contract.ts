// The contract of certificate stores for intents and outcomes.

import { randomBytes } from 'node:crypto'
import type { CertificateStore } from '../../../ca/index.ts'
import { certificateRevocationContract } from './certificate-revocation-contract.ts'
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
  revocation,
  invalidDate,
  unknownOption,
} from './storage-fixtures.ts'

/** The tested implementation: a backend that has a certificate store, such as a `CaStorage`. */
export interface CertificateStoreContractOptions {
  /** Opens the backend; each case opens it and disposes of it. */
  readonly open: () => Promise<AsyncDisposable & { readonly certificates: CertificateStore }>
  /** Whether records are kept when the backend is closed and opened again. Default false. */
  readonly durable?: boolean
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
    contractCase(
      'refuses a repeated serial number of one issuer, but accepts it for another issuer',
      keepsSerialsApart,
    ),
    contractCase('accepts one of several concurrent intents with the same serial number', takesOneOfMany),
    contractCase('accepts an idempotency key once', takesIdempotencyKeyOnce),
    contractCase('refuses an unknown option of an intent or outcome', refusesUnknownOptions),
    contractCase('refuses an intent with an invalid date', refusesOddDates),
    contractCase('copies octets in and out', copiesOctets),
    contractCase('returns frozen records', returnsFrozen),
    contractCase('returns nothing for an unknown certificate', knowsNothing),
    ...certificateRevocationContract(contractCase),
    ...certificateSearchContract(contractCase),
    ...(durable ? [{ name: 'keeps everything across a restart', run: () => survives(open) }] : []),
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

async function refusesUnknownOptions(store: CertificateStore): Promise<void> {
  const [known, other] = [anyIntent(), anyIntent()]
  await store.recordIntent(known)
  await refused('ERR_INVALID_ARGUMENT', () => store.recordIntent(other, unknownOption))
  for (const outcome of [{ failed: true }, { certificate: randomBytes(480) }] as const)
    await refused('ERR_INVALID_ARGUMENT', () => store.recordOutcome(known, outcome, unknownOption))
  same(await store.find(other), undefined, 'the record of a refused intent')
  same((await store.find(known))?.state, 'intended', 'the state after refused outcomes')
}

async function refusesOddDates(store: CertificateStore): Promise<void> {
  for (const odd of [{ notAfter: invalidDate }, { intendedAt: invalidDate }]) {
    const intent = anyIntent(odd)
    await refused('ERR_INVALID_ARGUMENT', () => store.recordIntent(intent))
    same(await store.find(intent), undefined, 'the record of a refused intent')
  }
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
