// The period of validity: RFC 5280 §6.1.3 (a)(2); both ends belong to it (§4.1.2.5).

import type { Certificate } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

/** Whether the certificate is valid at a time, in ms since the epoch. */
export function checkValidity(certificate: Certificate, timeMs: number): Rejection | undefined {
  if (timeMs > certificate.notAfterMs) return outside(certificate, timeMs, 'ERR_PATH_EXPIRED', `valid until ${iso(certificate.notAfterMs)}`)
  if (timeMs < certificate.notBeforeMs) return outside(certificate, timeMs, 'ERR_PATH_NOT_YET_VALID', `valid from ${iso(certificate.notBeforeMs)}`)
  return undefined
}

function outside(certificate: Certificate, timeMs: number, code: 'ERR_PATH_EXPIRED' | 'ERR_PATH_NOT_YET_VALID', found: string): Rejection {
  return reject(code, 'RFC 5280 §6.1.3 (a)(2)', `${found}; the time is ${iso(timeMs)}`, certificate)
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
