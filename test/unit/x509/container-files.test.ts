// PKCS#7 and PKCS#12 files in place of a certificate, request, list or bundle are named with the command that
// converts them.

import { describe, expect, it } from 'vitest'
import { element, explicit, integer, octetString, oid, sequence } from '../../../src/der/index.ts'
import { encodePem } from '../../../src/internal/pem.ts'
import { TrustBundle } from '../../../src/svid/index.ts'
import { Certificate, CertificateRequest, Crl, OcspResponse } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'

const contentInfo = (type: number, content: Uint8Array): Uint8Array =>
  sequence(oid(`1.2.840.113549.1.7.${type}`), explicit(0, content))
/** As BER: the length is indefinite, and two zero octets end the content. */
const indefinite = (der: Uint8Array): Uint8Array =>
  Buffer.concat([
    Buffer.of(0x30, 0x80),
    der.subarray(der[1] === 0x82 ? 4 : der[1] === 0x81 ? 3 : 2),
    Buffer.of(0, 0),
  ])

const containers = [20, 200, 400].flatMap((octets) => {
  const content = octetString(new Uint8Array(octets))
  const signedData = contentInfo(2, sequence(integer(1), content))
  const archive = sequence(integer(3), contentInfo(1, content))
  return [
    ['PKCS#7', signedData, 'openssl pkcs7 -inform DER -in OLD -print_certs -out NEW'] as const,
    ['PKCS#12', archive, 'openssl pkcs12 -in OLD -nokeys -out NEW'] as const,
  ]
})

const readers: Readonly<Record<string, (octets: Uint8Array) => unknown>> = {
  'Certificate.parse': (octets) => Certificate.parse(octets),
  'Certificate.from': (octets) => Certificate.from(octets),
  'CertificateRequest.parse': (octets) => CertificateRequest.parse(octets),
  'Crl.parse': (octets) => Crl.parse(octets),
  'TrustBundle.fromDer': (octets) => TrustBundle.fromDer(octets, { trustDomain: 'example.org' }),
}
const labels = {
  'Certificate.fromPem': (pem: string) => Certificate.fromPem(pem),
  'CertificateRequest.from': (pem: string) => CertificateRequest.from(pem),
  'Crl.from': (pem: string) => Crl.from(pem),
  'TrustBundle.fromPem': (pem: string) => TrustBundle.fromPem(pem, { trustDomain: 'example.org' }),
}

describe.each(containers)('a %s file', (name, octets, command) => {
  it.each(Object.entries(readers))('is named by %s', (_reader, read) => {
    expect(() => read(octets)).toThrow(code('ERR_DER'))
    expect(() => read(octets)).toThrow(`a ${name} file, which is not supported; convert it: ${command}`)
  })

  it('is named where its lengths are indefinite, and under the label of another', () => {
    for (const read of [Certificate, CertificateRequest, Crl]) {
      expect(() => read.from(indefinite(octets))).toThrow(command)
      const label = { Certificate: 'CERTIFICATE', CertificateRequest: 'CERTIFICATE REQUEST', Crl: 'X509 CRL' }
      expect(() => read.from(encodePem(label[read.name as 'Crl'], octets))).toThrow(command)
    }
  })
})

describe.each(['PKCS7', 'PKCS #7 SIGNED DATA', 'CMS'])('a PEM block %s', (label) => {
  it.each(Object.entries(labels))('is named by %s', (_reader, read) => {
    const pem = encodePem(label, containers[0]![1])
    expect(() => read(pem)).toThrow(code('ERR_PEM'))
    expect(() => read(pem)).toThrow('convert the PKCS#7 file: openssl pkcs7 -in OLD -print_certs -out NEW')
  })
})

it('other octets are refused as before', () => {
  for (const octets of [
    sequence(integer(3)),
    sequence(oid('1.2.3')),
    element(4),
    sequence(integer(1), sequence()),
  ])
    expect(() => Certificate.parse(octets)).toThrow(/tbsCertificate|Certificate: found tag/)
  expect(() => OcspResponse.parse(sequence(integer(3)))).toThrow(code('ERR_DER'))
})
