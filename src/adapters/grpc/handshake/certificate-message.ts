// The Certificate message of a TLS handshake, and which chains OpenSSL may process on the event loop.

import { isPkiError } from '../../../errors/index.ts'
import type { PkiErrorCode } from '../../../errors/index.ts'
import { Certificate } from '../../../x509/index.ts'

/** Why a handshake is refused. */
export interface HandshakeFault {
  /** The fault of a chain as an error code; absent for octets that are not a TLS handshake. */
  readonly code?: PkiErrorCode | undefined
  readonly reason: string
}

/** The version of TLS that defines the form of the message. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/**
 * Reads the certificates of a message (RFC 8446 §4.4.2, RFC 5246 §7.4.2) and limits the time that OpenSSL
 * needs for them: it imports every key and verifies every signature of a path. Keys that this package
 * supports take at most 2.5 ms each. Other keys have no such limit: computing the square root for a
 * compressed point on a curve that the sender chooses takes 0.15 s, and an RSA exponent as long as the
 * modulus takes 8 ms.
 */
export function certificateFault(body: Uint8Array, version: TlsVersion): HandshakeFault | undefined {
  const certificates = certificatesOf(body, version)
  if (certificates === undefined) return { reason: 'malformed Certificate message' }
  if (certificates.length > maxCertificates)
    return { code: 'ERR_CREDENTIAL_INVALID', reason: `more than ${maxCertificates} certificates` }
  for (const [index, der] of certificates.entries()) {
    const fault = keyFault(der)
    if (fault !== undefined) return { ...fault, reason: `certificate ${index + 1}: ${fault.reason}` }
  }
  return undefined
}

function keyFault(der: Uint8Array): HandshakeFault | undefined {
  try {
    const { problem } = Certificate.parse(der).publicKey.info
    return problem === undefined ? undefined : { code: problem.code, reason: problem.detail }
  } catch (error) {
    return { code: isPkiError(error) ? error.code : 'ERR_INTERNAL', reason: 'malformed' }
  }
}

/** The DER of each certificate; undefined for a message that is not exactly a list of certificates. */
function certificatesOf(body: Uint8Array, version: TlsVersion): readonly Uint8Array[] | undefined {
  const found: Uint8Array[] = []
  let at = version === 'TLSv1.3' ? 1 + (body[0] ?? 0) : 0 // certificate_request_context
  if (at + 3 + lengthAt(body, at, 3) !== body.length) return undefined
  at += 3
  while (at < body.length) {
    const start = at + 3
    at = start + lengthAt(body, at, 3)
    found.push(body.subarray(start, at))
    if (version === 'TLSv1.3') at += 2 + lengthAt(body, at, 2) // extensions
  }
  return at === body.length ? found : undefined
}

/** An unsigned number. Octets after the end count as zero; the caller compares the lengths. */
function lengthAt(octets: Uint8Array, at: number, size: number): number {
  let length = 0
  for (let index = at; index < at + size; index++) length = length * 256 + (octets[index] ?? 0)
  return length
}

/** The maximum number of certificates that authenticators read. */
export const maxCertificates = 10
