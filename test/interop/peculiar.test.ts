// A second reading: the same bytes by this package and by @peculiar/x509, field by field.

import 'reflect-metadata'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509Crl,
} from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import {
  Certificate,
  CertificateRequest,
  DistinguishedName,
  Crl,
  buildCertificate,
  buildCertificateRequest,
  buildCrl,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import { generateSerialNumber } from '../../src/x509/internal.ts'
import type { GeneralName } from '../../src/x509/index.ts'

const algorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-PSS-2048']
const hex = (octets: Uint8Array | ArrayBuffer): string => Buffer.from(octets as Uint8Array).toString('hex')
const bytes = (der: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(der)
const names: readonly GeneralName[] = [
  generalName.uri('spiffe://example.org/ns/a/sa/b'),
  generalName.dns('*.example.org'),
  generalName.ip('192.0.2.7'),
  generalName.ip('2001:db8::7'),
  generalName.email('a@example.org'),
]
const peculiarNames = (list: readonly GeneralName[]): unknown[] =>
  list.map((name) => ({
    type: { uri: 'url', dns: 'dns', ip: 'ip', email: 'email' }[name.type as 'uri'],
    value: 'value' in name && typeof name.value === 'string' ? name.value : '',
  }))
const usageBits = (certificate: Certificate): number => certificate.keyUsage?.bits ?? 0

async function certificateOf(algorithm: KeyAlgorithm, number: number): Promise<Certificate> {
  const signer = await SoftwareSigner.generate(algorithm)
  const subject = DistinguishedName.of([
    ['C', 'DE'],
    ['O', 'Example, Inc. + Söhne'],
    ['CN', `certificate ${number}`],
  ])
  return buildCertificate(
    {
      issuer: subject,
      subject,
      publicKey: signer.publicKey,
      notBefore: new Date('2026-01-01T00:00:00Z'),
      notAfter: new Date(number % 2 === 0 ? '2030-06-30T12:34:56Z' : '2051-06-30T12:34:56Z'),
      extensions: {
        basicConstraints: number % 3 === 0 ? { ca: true, pathLength: number } : { ca: number % 2 === 0 },
        keyUsage:
          number % 2 === 0
            ? ['keyCertSign', 'cRLSign']
            : ['digitalSignature', 'keyEncipherment', 'decipherOnly'],
        extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
        subjectAltName: names.slice(0, 1 + (number % names.length)),
        subjectKeyIdentifier: signer.publicKey,
        authorityKeyIdentifier: signer.publicKey.keyIdentifier,
      },
    },
    signer,
  )
}

describe('@peculiar/x509 reads as we do', () => {
  it.each(
    algorithms.flatMap((algorithm) => [0, 1, 2, 3, 4, 5].map((number) => [algorithm, number] as const)),
  )('a certificate of %s, number %i', async (algorithm, number) => {
    const ours = await certificateOf(algorithm, number)
    const theirs = new X509Certificate(bytes(ours.der))
    expect(BigInt(`0x${theirs.serialNumber}`)).toBe(BigInt(`0x${ours.serialNumber}`))
    expect([theirs.notBefore.getTime(), theirs.notAfter.getTime()]).toEqual([
      ours.notBeforeMs,
      ours.notAfterMs,
    ])
    expect(hex(theirs.subjectName.toArrayBuffer())).toBe(hex(ours.subject.der))
    expect(hex(theirs.issuerName.toArrayBuffer())).toBe(hex(ours.issuer.der))
    expect(hex(theirs.publicKey.rawData)).toBe(hex(ours.publicKey.spki))
    expect(hex(theirs.signature)).toBe(hex(ours.signature))
    expect(theirs.extensions.map(({ type, critical, value }) => [type, critical, hex(value)])).toEqual(
      ours.extensions.map(({ oid, critical, value }) => [oid, critical, hex(value)]),
    )
    const { ca, pathLength } = theirs.getExtension(BasicConstraintsExtension)!
    expect({ ca, pathLength }).toEqual(ours.basicConstraints)
    expect(theirs.getExtension(KeyUsagesExtension)!.usages).toBe(usageBits(ours))
    expect(theirs.getExtension(ExtendedKeyUsageExtension)!.usages).toEqual(ours.extendedKeyUsage)
    expect(theirs.getExtension(SubjectKeyIdentifierExtension)!.keyId).toBe(hex(ours.subjectKeyIdentifier!))
    expect(theirs.getExtension(AuthorityKeyIdentifierExtension)!.keyId).toBe(
      hex(ours.authorityKeyIdentifier!.keyIdentifier!),
    )
    expect(theirs.getExtension(SubjectAlternativeNameExtension)!.names.toJSON()).toEqual(
      peculiarNames(ours.subjectAltName!),
    )
  })

  it.each(algorithms)('a request of %s', async (algorithm) => {
    const ours = await buildCertificateRequest(
      { subject: DistinguishedName.parse('CN=web,O=Example'), extensions: { subjectAltName: names } },
      await SoftwareSigner.generate(algorithm),
    )
    const theirs = new Pkcs10CertificateRequest(bytes(ours.der))
    expect(hex(theirs.subjectName.toArrayBuffer())).toBe(hex(ours.subject.der))
    expect(hex(theirs.publicKey.rawData)).toBe(hex(ours.publicKey.spki))
    expect(hex(theirs.signature)).toBe(hex(ours.signature))
    expect(theirs.extensions.map(({ type, critical, value }) => [type, critical, hex(value)])).toEqual(
      ours.extensions.map(({ oid, critical, value }) => [oid, critical, hex(value)]),
    )
  })

  it('a revocation list', async () => {
    const signer = await SoftwareSigner.generate('P-256')
    const ours = await buildCrl(
      {
        issuer: DistinguishedName.parse('CN=crl'),
        thisUpdate: new Date('2026-01-01T00:00:00Z'),
        nextUpdate: new Date('2026-01-02T00:00:00Z'),
        crlNumber: 7,
        authorityKeyIdentifier: signer.publicKey.keyIdentifier,
        entries: Array.from({ length: 20 }, (_, i) => ({
          serialNumber: generateSerialNumber(),
          revocationDate: new Date(1_750_000_000_000 + i * 1000),
          reason: i % 2 === 0 ? ('keyCompromise' as const) : undefined,
        })),
      },
      signer,
    )
    const theirs = new X509Crl(bytes(ours.der))
    expect([theirs.thisUpdate.getTime(), theirs.nextUpdate?.getTime()]).toEqual([
      ours.thisUpdate.getTime(),
      ours.nextUpdate?.getTime(),
    ])
    expect(
      theirs.entries.map((entry) => [BigInt(`0x${entry.serialNumber}`), entry.revocationDate.getTime()]),
    ).toEqual(
      [...ours.entries()].map((entry) => [
        BigInt(`0x${entry.serialNumber}`),
        entry.revocationDate?.getTime(),
      ]),
    )
    expect(theirs.entries.map(({ reason }) => reason)).toEqual(
      [...ours.entries()].map(({ reason }) => (reason === 'keyCompromise' ? 1 : undefined)),
    )
  })
})

describe('conversions', () => {
  it('every entry point takes every form', async () => {
    const certificate = await certificateOf('P-256', 1)
    for (const input of [
      certificate,
      certificate.der,
      Buffer.from(certificate.der),
      certificate.toPem(),
      Buffer.from(certificate.toPem()),
      certificate.toNode(),
      certificate.toPeculiar(),
    ])
      expect(Certificate.from(input).equals(certificate)).toBe(true)
    expect(certificate.toNode().serialNumber).toBe(certificate.serialNumber)
    const signer = await SoftwareSigner.generate('P-256')
    const request = await buildCertificateRequest({}, signer)
    for (const input of [request, request.der, request.toPem(), request.toPeculiar()])
      expect(hex(CertificateRequest.from(input).der)).toBe(hex(request.der))
    const list = await buildCrl(
      {
        issuer: DistinguishedName.parse('CN=crl'),
        thisUpdate: new Date(0),
        nextUpdate: new Date(1000),
        crlNumber: 1,
        authorityKeyIdentifier: signer.publicKey.keyIdentifier,
        entries: [],
      },
      signer,
    )
    for (const input of [list, list.der, list.toPem(), list.toPeculiar()])
      expect(hex(Crl.from(input).der)).toBe(hex(list.der))
  })

  it.each([undefined, null, 5, {}, []])('refuses %j', (input) => {
    expect(() => Certificate.from(input as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })
})
