// Certificates in the answers of a remote CA: their number is bounded, and anything else is refused.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateInput } from '../../x509/index.ts'
import { isSignedBy } from '../authority/signing-material.ts'

/**
 * The certificates of texts in PEM, each once. A value other than text, and empty text, give no certificate.
 * @throws ERR_CA_REPLY
 */
export function certificatesOf(ca: string, texts: readonly unknown[]): readonly Certificate[] {
  const found: Certificate[] = []
  if (texts.length > maxCertificates) throw tooMany(ca)
  for (const text of texts) {
    if (typeof text !== 'string' || text.trim() === '') continue
    for (const one of parsed(ca, text)) {
      if (found.some((other) => other.equals(one))) continue
      if (found.push(one) > maxCertificates) throw tooMany(ca)
    }
  }
  return found
}

/** Whether a certificate is a root. */
export function isSelfSigned(certificate: Certificate): boolean {
  return isSignedBy(certificate, certificate)
}

/** The roots that a remote CA trusts. @throws ERR_CA_REPLY */
export function readRoots(ca: string, roots: readonly CertificateInput[]): readonly Certificate[] {
  try {
    return Object.freeze(readCertificates('roots', roots, maxRoots))
  } catch (cause) {
    throw new PkiError(
      'ERR_CA_REPLY',
      `the roots of ${ca} are refused: ${isPkiError(cause) ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

/** @throws ERR_CA_REPLY; as `Certificate.from` */
export function readCertificates(
  name: string,
  list: readonly CertificateInput[],
  maximum: number,
): readonly Certificate[] {
  if (!Array.isArray(list) || list.length > maximum)
    throw new PkiError('ERR_CA_REPLY', `${name} is not a list of at most ${maximum} certificates`)
  return (list as readonly CertificateInput[]).map((one) => Certificate.from(one))
}

function parsed(ca: string, text: string): readonly Certificate[] {
  try {
    return Certificate.listFromPem(text)
  } catch (cause) {
    throw new PkiError(
      'ERR_CA_REPLY',
      `${ca} answered with something other than a certificate: ${String(cause)}`,
      { cause },
    )
  }
}

function tooMany(ca: string): PkiError {
  return new PkiError(
    'ERR_CA_REPLY',
    `${ca} answered with more than ${maxCertificates} certificates, the maximum`,
  )
}

/** Maximum number of roots in one answer. */
export const maxRoots = 64
const maxCertificates = 128
