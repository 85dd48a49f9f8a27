// What the console shows.

import type { Certificate } from 'spiffe-pki/x509'
import { generalName } from 'spiffe-pki/x509'

let number = 0

/** A numbered line, and what there is to say about it. */
export function step(text: string, details: readonly string[] = []): void {
  console.log(`\n${++number}. ${text}`)
  for (const detail of details) console.log(`   ${detail}`)
}

/** The fields of a certificate that matter here. */
export function showCertificate(title: string, certificate: Certificate): void {
  const {
    subject,
    issuer,
    subjectAltName = [],
    notBefore,
    notAfter,
    serialNumber,
    publicKey,
    keyUsage,
  } = certificate
  console.log(`   ┌ ${title}`)
  const field = (name: string, value: string): void => console.log(`   │ ${name.padEnd(9)} ${value}`)
  if (!subject.isEmpty) field('subject', subject.toString())
  if (subjectAltName.length > 0) field('names', subjectAltName.map(generalName.format).join(', '))
  field('signed by', issuer.equals(subject) ? 'itself' : issuer.toString())
  field(
    'key',
    (publicKey.algorithm ?? 'unknown') +
      `${publicKey.algorithm === 'RSA' ? ` ${publicKey.bits}` : ''}, for ` +
      (keyUsage?.names.join(' and ') ?? 'anything'),
  )
  field('valid', `${time(notBefore)} to ${time(notAfter)}`)
  field('serial', serialNumber)
}

function time(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
