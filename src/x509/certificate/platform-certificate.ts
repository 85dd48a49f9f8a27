// Certificates for OpenSSL, which imports the key of each: those with explicit curve parameters are left out.

import { X509Certificate } from 'node:crypto'
import { contextConstructed, DerReader, readOid, tags } from '../../der/index.ts'
import { decodePem, looksLikePem } from '../../internal/pem.ts'

/**
 * The subject of octets that this package refuses as a certificate, for messages only: as read by OpenSSL,
 * which is more lenient; not escaped. Undefined if it cannot be read, or if the key has explicit parameters.
 */
export function displayedSubject(input: Uint8Array | string): string | undefined {
  try {
    const der = derOf(input)
    if (der === undefined || hasExplicitParameters(der)) return undefined
    return new X509Certificate(der).subject.trim().replaceAll('\n', ', ')
  } catch {
    return undefined
  }
}

function derOf(input: Uint8Array | string): Uint8Array | undefined {
  if (typeof input !== 'string' && !looksLikePem(input)) return input
  return decodePem(input, pemLabels)[0]?.der
}

/**
 * The certificates as PEM for OpenSSL, without those whose key has explicit parameters: no signature of
 * such a key is ever accepted.
 */
export function pemForPlatform(
  certificates: readonly { readonly der: Uint8Array; toPem(): string }[],
): string {
  return certificates.flatMap((one) => (hasExplicitParameters(one.der) ? [] : [one.toPem()])).join('')
}

/**
 * Whether the key of a certificate is an EC key with explicit parameters, with which OpenSSL computes while
 * it reads them, for up to 0.2 s on the event loop. The fields before the key are skipped by position,
 * whatever they contain.
 *
 * @throws ERR_DER, ERR_OID_INVALID
 */
export function hasExplicitParameters(der: Uint8Array): boolean {
  const certificate = new DerReader(der).expect(tags.sequence, 'Certificate').inner()
  const tbs = certificate.expect(tags.sequence, 'tbsCertificate').inner()
  tbs.optional(contextConstructed(0), 'version')
  for (const field of ['serialNumber', 'signature', 'issuer', 'validity', 'subject']) tbs.next(field)
  const key = tbs.expect(tags.sequence, 'subjectPublicKeyInfo').inner()
  const algorithm = key.expect(tags.sequence, 'algorithm').inner()
  return readOid(algorithm, 'algorithm') === ecPublicKey && algorithm.peek() === tags.sequence
}

const ecPublicKey = '1.2.840.10045.2.1'
const pemLabels = ['CERTIFICATE', 'X509 CERTIFICATE']
