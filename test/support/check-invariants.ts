// The invariants of a CA's store after a crash, for any backend: what was answered is there, and nothing is
// there twice.

import type { CertificateAuthority, CertificateRecord } from '../../src/ca/index.ts'
import { isPkiError } from '../../src/errors/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { Certificate } from '../../src/x509/index.ts'
import type { CertificateRequest, SerialNumber } from '../../src/x509/index.ts'
import { crashCaller, digestOf } from './crash-fixture.ts'
import type { Answered } from './crash-fixture.ts'

/**
 * Each violation in a line; nothing where all hold. `verified` is what earlier checks of the same CA found
 * sound: a record that has not changed since is not checked again.
 */
export async function violationsOf(
  authority: CertificateAuthority,
  answers: readonly Answered[],
  csr: CertificateRequest,
  verified: Set<string> = new Set(),
): Promise<string[]> {
  const found: string[] = []
  const holds = (condition: boolean, text: string): void => {
    if (!condition) found.push(text)
  }
  const records = await allRecords(authority)
  const bySerial = new Map(records.map((record) => [record.serialNumber, record]))
  holds(bySerial.size === records.length, 'I2: two records have one serial number')
  const keys = records.flatMap(({ idempotencyKey }) => idempotencyKey ?? [])
  holds(new Set(keys).size === keys.length, 'two records have one idempotency key')
  const digests = new Map<SerialNumber, string>()
  for (const record of records) {
    const { serialNumber, state, certificate, notAfter, identity } = record
    const digest = certificate === undefined ? 'none' : digestOf(certificate)
    digests.set(serialNumber, digest)
    const whole = [serialNumber, state, digest, notAfter.getTime(), identity.toString()].join(' ')
    if (verified.has(whole)) continue
    const before = found.length
    checkRecord(record, authority, holds)
    if (found.length === before) verified.add(whole)
  }
  const lists: (Answered & { kind: 'list' })[] = []
  const revoked: SerialNumber[] = []
  for (const answer of answers) {
    if (answer.kind === 'list') lists.push(answer)
    if (answer.kind === 'revoked') revoked.push(answer.serialNumber)
    if (answer.kind !== 'issued') continue
    const isThere = digests.get(answer.serialNumber) === answer.digest
    holds(isThere, `I1: certificate ${answer.serialNumber} was answered and is not on record`)
  }
  const next = await authority.issueCrl({ fresh: true })
  for (const serial of revoked) {
    holds(bySerial.get(serial)?.revocation !== undefined, `I6: the revocation of ${serial} is lost`)
    holds(next.find(serial) !== undefined, `I6: ${serial} was revoked and is not on the next list`)
  }
  lists.push({ kind: 'list', number: String(next.crlNumber), thisUpdateMs: next.thisUpdate.getTime() })
  lists.forEach((list, at) => {
    const before = lists[at - 1]
    if (before === undefined) return
    holds(BigInt(list.number) > BigInt(before.number), `I7: list ${list.number} came after ${before.number}`)
    holds(list.thisUpdateMs >= before.thisUpdateMs, `I7: thisUpdate of list ${list.number} went back`)
  })
  found.push(...(await violationsOfRetries(authority, answers, csr)))
  return found
}

function checkRecord(
  record: CertificateRecord,
  authority: CertificateAuthority,
  holds: (condition: boolean, text: string) => void,
): void {
  const { serialNumber, state, certificate: der, notAfter, identity } = record
  holds((state === 'issued') === (der !== undefined), `${serialNumber} is ${state}`)
  if (der === undefined) return
  const certificate = Certificate.parse(der)
  const { certificate: ca } = authority
  holds(
    certificate.serialNumber === serialNumber,
    `I3: the certificate on record ${serialNumber} has another`,
  )
  holds(certificate.verifySignatureBy(ca.publicKey), `I3: the signature of ${serialNumber} does not verify`)
  const isWithin = certificate.notAfterMs <= ca.notAfterMs && certificate.notAfterMs === notAfter.getTime()
  holds(isWithin, `I4: ${serialNumber} ends at ${certificate.notAfter.toISOString()}`)
  const names = certificate.subjectAltName?.map((name) => (name.type === 'uri' ? name.value : name.type))
  holds(names?.join() === identity.toString(), `I5: ${serialNumber} is for ${String(names)}`)
}

/** A retry with the key of a request gets its certificate, and never a second one. */
async function violationsOfRetries(
  authority: CertificateAuthority,
  answers: readonly Answered[],
  csr: CertificateRequest,
): Promise<string[]> {
  const issuance = createIssuanceService({ authority })
  const issued = new Map(
    answers.flatMap((one) => (one.kind === 'issued' ? [[one.key, one.serialNumber]] : [])),
  )
  const asked = answers.flatMap((one) => (one.kind === 'asked' ? [one.key] : [])).slice(-20)
  const found: string[] = []
  const check = async (key: string): Promise<void> => {
    const serial = issued.get(key)
    const retry = () => issuance.issue({ csr, idempotencyKey: key }, crashCaller)
    const [first, second] = [await retry().catch(codeOf), await retry().catch(codeOf)]
    const serials = [first, second].map((one) =>
      typeof one === 'string' ? one : one.certificate.serialNumber,
    )
    if (serials[0] !== serials[1]) found.push(`two retries of one key got ${serials.join(' and ')}`)
    const isOfIssued = serial === undefined || serials[0] === serial || serials[0] === 'ERR_IDEMPOTENCY_KEY'
    if (!isOfIssued) found.push(`the retry of ${String(serial)} got ${String(serials[0])}`)
  }
  await Promise.all(asked.map(check))
  return found
}

function codeOf(error: unknown): string {
  return isPkiError(error) ? error.code : String(error)
}

async function allRecords(authority: CertificateAuthority): Promise<CertificateRecord[]> {
  const all: CertificateRecord[] = []
  let after: string | undefined
  do {
    const page = await authority.storage.certificates.query({ limit: 1000, after })
    all.push(...page.items)
    after = page.next
  } while (after !== undefined)
  return all
}
