// I6 and I7: revocations and the lists that say them.

import type { CertificateRecord } from '../../../src/ca/index.ts'
import type { Crl, SerialNumber } from '../../../src/x509/index.ts'
import { answeredList } from '../crash-fixture.ts'
import type { AnsweredList } from '../crash-fixture.ts'
import type { Issuers } from './certificates.ts'
import type { Holds, LeftBehind } from './left-behind.ts'

/** Has a list of every issuer signed, and compares it with the records and with the lists before. */
export async function checkLists(
  left: LeftBehind,
  records: readonly CertificateRecord[],
  issuers: Issuers,
  holds: Holds,
): Promise<void> {
  const { authority, answers } = left
  const bySerial = new Map(records.map((record) => [record.serialNumber, record]))
  const lists = answers.filter((answer): answer is AnsweredList => answer.kind === 'list')
  const used = new Set(
    records.flatMap(({ revocation, issuer }) => (revocation === undefined ? [] : [issuer])),
  )
  const complete = new Map<string, Crl>()
  for (const [issuer, { certificate }] of issuers) {
    if (!used.has(issuer as never) && !certificate.equals(authority.certificate)) continue
    const list = await authority.issueCrl({ issuer: certificate, fresh: true })
    complete.set(issuer, list)
    lists.push(answeredList(list))
  }
  checkRevocations(left, bySerial, complete, holds)
  checkNumbers(lists, holds)
  await checkServed(left, records, lists, holds)
}

function checkRevocations(
  { answers }: LeftBehind,
  bySerial: ReadonlyMap<SerialNumber, CertificateRecord>,
  complete: ReadonlyMap<string, Crl>,
  holds: Holds,
): void {
  const last = new Map<SerialNumber, 'revoked' | 'released'>()
  for (const { kind, ...answer } of answers) {
    if (!('serialNumber' in answer)) continue
    if (kind === 'revoked' || kind === 'released') last.set(answer.serialNumber, kind)
    if (kind === 'releasing') last.delete(answer.serialNumber)
  }
  for (const [serial, kind] of last) {
    const record = bySerial.get(serial)
    const isListed = complete.get(record?.issuer ?? '')?.find(serial) !== undefined
    if (kind === 'released') {
      holds(record?.revocation === undefined && !isListed, `the release of ${serial} is lost`)
      continue
    }
    holds(record?.revocation !== undefined, `I6: the revocation of ${serial} is lost`)
    holds(isListed, `I6: ${serial} was revoked and is not on the next list`)
  }
}

/** Of one scope, in the order in which they were handed out. */
function checkNumbers(lists: readonly AnsweredList[], holds: Holds): void {
  const before = new Map<string, AnsweredList>()
  for (const list of lists) {
    const last = before.get(list.scope)
    before.set(list.scope, list)
    const { number, thisUpdateMs, nextUpdateMs, answeredMs } = list
    holds(nextUpdateMs > answeredMs, `I7: list ${number} had ended when it was handed out`)
    if (last === undefined) continue
    holds(BigInt(number) > BigInt(last.number), `I7: list ${number} came after ${last.number}`)
    // After a clock that was far ahead, the operator has accepted the earlier one.
    const isOfLaterClock = last.thisUpdateMs > answeredMs + 5 * 60_000
    holds(thisUpdateMs >= last.thisUpdateMs || isOfLaterClock, `I7: thisUpdate of list ${number} went back`)
  }
}

/** The lists that are served, deltas and shards too, and the store that has the last of each. */
async function checkServed(
  { authority, storage }: LeftBehind,
  records: readonly CertificateRecord[],
  lists: readonly AnsweredList[],
  holds: Holds,
): Promise<void> {
  const served = await authority.issueCrls()
  const stored = await storage.crls.list()
  const numbers = new Map(stored.map(({ issuer, shard, number }) => [`${issuer} ${shard}`, number]))
  for (const { scope, number } of lists)
    holds((numbers.get(scope) ?? 0n) >= BigInt(number), `I7: list ${number} was handed out and is not stored`)
  const byScope = new Map<string, readonly Crl[]>()
  for (const { issuer, shard, crl } of stored) {
    const list = served.find((one) => Buffer.compare(one.der, crl) === 0)
    const scope = `${issuer} ${shard.split('+')[0] ?? ''}`
    if (list !== undefined) byScope.set(scope, [...(byScope.get(scope) ?? []), list])
  }
  for (const { issuer, shard, serialNumber, revocation } of records) {
    if (revocation === undefined) continue
    for (const scope of new Set([`${issuer} `, `${issuer} ${shard}`]))
      holds(
        isListed(byScope.get(scope) ?? [], serialNumber),
        `I6: ${serialNumber} is not on the lists of ${scope}`,
      )
  }
}

/** Whether one of the lists has the certificate and none takes it off. */
function isListed(lists: readonly Crl[], serialNumber: SerialNumber): boolean {
  const entries = lists.map((list) => list.find(serialNumber)).filter((entry) => entry !== undefined)
  return entries.length > 0 && entries.every(({ reason }) => reason !== 'removeFromCRL')
}
