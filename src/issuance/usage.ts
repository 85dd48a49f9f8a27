// Reports an issued certificate to the usage watch.

import { createHash } from 'node:crypto'
import type { AdmittedRequest } from './admission.ts'
import type { Decision } from './decision.ts'
import type { IssuanceAnswer } from './issuance-answer.ts'
import type { IssuanceServiceOptions } from './issuance-service-options.ts'

/** Reports a certificate to the usage watch; its failures are ignored, and the certificate is issued. */
export function countUsage(
  usage: NonNullable<IssuanceServiceOptions['usage']>,
  { csr, source }: AdmittedRequest,
  { identity }: Decision,
  { certificate }: IssuanceAnswer,
): void {
  try {
    const ttlSeconds = (certificate.notAfterMs - certificate.notBeforeMs) / 1000
    const keyId = createHash('sha256').update(csr.publicKey.spki).digest('hex')
    usage.record({ identity, ttlSeconds, source, keyId })
  } catch {
    // A failure of the usage watch is not a fault of the caller.
  }
}
