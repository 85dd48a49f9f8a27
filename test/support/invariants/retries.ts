// A retry with the key of a request gets its certificate, and never a second one.

import { isPkiError } from '../../../src/errors/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { crashCaller } from '../crash-fixture.ts'
import type { Holds, LeftBehind } from './left-behind.ts'

/** Asks again for the last requests. */
export async function checkRetries(
  { authority, issuance = createIssuanceService({ authority }), answers, csr }: LeftBehind,
  holds: Holds,
): Promise<void> {
  if (csr === undefined) return
  const issued = new Map(
    answers.flatMap((one) => (one.kind === 'issued' ? [[one.key, one.serialNumber]] : [])),
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
    const isOfIssued = serial === undefined || serials[0] === serial || serials[0] === 'ERR_IDEMPOTENCY_KEY'
    holds(isOfIssued, `the retry of ${String(serial)} got ${String(serials[0])}`)
  }
  await Promise.all(asked.map(check))
}

function codeOf(error: unknown): string {
  return isPkiError(error) ? error.code : String(error)
}
