// A retry with the key of a request gets its certificate, and never a second one.

import type { CertificateRecord } from '../../../src/ca/index.ts'
import { isPkiError } from '../../../src/errors/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { crashCaller } from '../crash-fixture.ts'
import type { Holds, LeftBehind } from './left-behind.ts'

/** Asks again for the last requests. A retry is refused only where its certificate is revoked. */
export async function checkRetries(
  { authority, issuance = createIssuanceService({ authority }), answers, csr }: LeftBehind,
  records: readonly CertificateRecord[],
  holds: Holds,
): Promise<void> {
  if (csr === undefined) return
  const issued = new Map(
    answers.flatMap((one) => (one.kind === 'issued' ? [[one.key, one.serialNumber]] : [])),
  )
  const revoked = new Set(
    records.flatMap(({ serialNumber, revocation }) => (revocation === undefined ? [] : [serialNumber])),
  )
  const asked = answers.flatMap((one) => (one.kind === 'asked' ? [one.key] : [])).slice(-20)
  const check = async (key: string): Promise<void> => {
    const serial = issued.get(key)
    const retry = () => issuance.issue({ csr, idempotencyKey: key }, crashCaller)
    const [first, second] = [await retry().catch(codeOf), await retry().catch(codeOf)]
    const serials = [first, second].map((one) =>
      typeof one === 'string' ? one : one.certificate.serialNumber,
    )
    holds(serials[0] === serials[1], `two retries of one key got ${serials.join(' and ')}`)
    const expected = serial !== undefined && revoked.has(serial) ? 'ERR_IDEMPOTENCY_KEY' : serial
    const isOfIssued = serial === undefined || serials[0] === expected
    holds(isOfIssued, `the retry of ${String(serial)} got ${String(serials[0])}`)
  }
  await Promise.all(asked.map(check))
}

function codeOf(error: unknown): string {
  return isPkiError(error) ? error.code : String(error)
}
