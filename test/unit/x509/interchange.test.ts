// Certificates, requests and lists in every form they are taken in, and into the objects of node:crypto and
// @peculiar/x509.

import { X509Certificate as NodeCertificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  Certificate,
  CertificateRequest,
  DistinguishedName,
  Crl,
  buildCertificate,
  buildCertificateRequest,
  buildCrl,
  generalName,
  parseSerialNumber,
} from '../../../src/x509/index.ts'
import { bitString, explicit, integer, sequence } from '../../../src/der/index.ts'
import { code } from '../../support/codes.ts'
import { algorithm, certificateDer, concat, hex, listDer, privateKey, spki } from './encodings.ts'

const signer = new SoftwareSigner(privateKey)
const subject = DistinguishedName.of([
  ['O', 'Example'],
  ['CN', 'interchange'],
])
const certificate = await buildCertificate(
  {
    issuer: subject,
    subject,
    publicKey: signer.publicKey,
    serialNumber: parseSerialNumber('00cafe'),
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2027-01-01T00:00:00Z'),
    extensions: {
      basicConstraints: { ca: true },
      subjectAltName: [generalName.dns('a.example'), generalName.uri('spiffe://td.example/a')],
    },
  },
  signer,
)
const request = await buildCertificateRequest(
  { subject, extensions: { subjectAltName: [generalName.dns('a.example')] } },
  signer,
)
const list = await buildCrl(
  {
    issuer: subject,
    thisUpdate: new Date('2026-01-01T00:00:00Z'),
    nextUpdate: new Date('2026-01-02T00:00:00Z'),
    crlNumber: 1,
    authorityKeyIdentifier: signer.publicKey.keyIdentifier,
    entries: [
      {
        serialNumber: parseSerialNumber('0815'),
        revocationDate: new Date('2026-01-01T00:00:00Z'),
        reason: 'superseded',
      },
    ],
  },
  signer,
)

/** The bytes in the middle of others, as from a socket. */
const within = (der: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(1, 2, 3), der, Uint8Array.of(4)).subarray(3, 3 + der.length)
const rawData = (der: Uint8Array): { rawData: ArrayBuffer } => ({ rawData: Uint8Array.from(der).buffer })
const crlf = (pem: string): string => `Bag Attributes\r\n${pem.replaceAll('\n', '\r\n')}\r\nmore text\r\n`
type AnyKind = { readonly der: Uint8Array; toPem(): string; toPeculiar(): { readonly rawData: ArrayBuffer } }
const kinds: readonly (readonly [
  string,
  AnyKind,
  (input: never) => { readonly der: Uint8Array },
  label: string,
  malformed: string,
])[] = [
  [
    'certificate',
    certificate,
    (input) => Certificate.from(input),
    'CERTIFICATE',
    'ERR_CERTIFICATE_MALFORMED',
  ],
  ['request', request, (input) => CertificateRequest.from(input), 'CERTIFICATE REQUEST', 'ERR_CSR_MALFORMED'],
  ['list', list, (input) => Crl.from(input), 'X509 CRL', 'ERR_CRL_MALFORMED'],
]

describe.each(kinds)('a %s', (_kind, ours, from, label) => {
  it.each<readonly [string, () => unknown]>([
    ['ours', () => ours],
    ['DER', () => Uint8Array.from(ours.der)],
    ['DER in a Buffer', () => Buffer.from(ours.der)],
    ['DER in the middle of other bytes', () => within(ours.der)],
    ['PEM', () => ours.toPem()],
    ['PEM with CRLF and text around', () => crlf(ours.toPem())],
    ['PEM in octets', () => Buffer.from(ours.toPem())],
    ['an object of @peculiar/x509', () => ours.toPeculiar()],
    ['anything with rawData', () => rawData(ours.der)],
  ])('is taken as %s', (_form, make) => {
    expect(hex(from(make() as never).der)).toBe(hex(ours.der))
  })

  it('is itself where it is ours', () => {
    expect(from(ours as never)).toBe(ours)
    expect(Buffer.from(ours.toPeculiar().rawData).toString('hex')).toBe(hex(ours.der))
    expect(ours.toPem().startsWith(`-----BEGIN ${label}-----\n`)).toBe(true)
  })

  it.each<readonly [string, unknown, string]>([
    ['undefined', undefined, 'ERR_INVALID_ARGUMENT'],
    ['null', null, 'ERR_INVALID_ARGUMENT'],
    ['a number', 5, 'ERR_INVALID_ARGUMENT'],
    ['an object', {}, 'ERR_INVALID_ARGUMENT'],
    ['rawData that is text', { rawData: 'MII=' }, 'ERR_INVALID_ARGUMENT'],
    [
      'rawData that is octets, which @peculiar/x509 never has',
      { rawData: new Uint8Array(3) },
      'ERR_INVALID_ARGUMENT',
    ],
    ['rawData of nothing', { rawData: new ArrayBuffer(0) }, 'ERR_DER'],
    ['no octets', new Uint8Array(0), 'ERR_DER'],
    ['no text', '', 'ERR_PEM'],
    ['base64 without marks', Buffer.from(ours.der).toString('base64'), 'ERR_PEM'],
    ['PEM of another label', ours.toPem().replaceAll(label, 'PUBLIC KEY'), 'ERR_PEM'],
    ['PEM of another label in octets', Buffer.from(ours.toPem().replaceAll(label, 'PUBLIC KEY')), 'ERR_PEM'],
    ['PEM of two', ours.toPem() + ours.toPem(), 'ERR_PEM'],
    ['PEM that is cut off', ours.toPem().slice(0, -20), 'ERR_PEM'],
  ])('is not %s', (_form, input, wanted) => {
    expect(() => from(input as never)).toThrow(code(wanted))
  })

  it('is not one of the other kinds', () => {
    for (const [, other] of kinds) {
      if (other === ours) continue
      for (const input of [other.der, other.toPeculiar(), other.toPem()])
        expect(() => from(input as never)).toThrow(expect.objectContaining({ name: 'PkiError' }))
    }
  })
})

describe('a certificate of node:crypto', () => {
  const node = certificate.toNode()

  it('says the same', () => {
    expect(node).toBeInstanceOf(NodeCertificate)
    expect(hex(node.raw)).toBe(hex(certificate.der))
    expect(node.serialNumber).toBe(certificate.serialNumber)
    expect([new Date(node.validFrom).getTime(), new Date(node.validTo).getTime()]).toEqual([
      certificate.notBeforeMs,
      certificate.notAfterMs,
    ])
    expect(node.subject).toBe('O=Example\nCN=interchange')
    expect(node.subjectAltName).toBe('DNS:a.example, URI:spiffe://td.example/a')
    expect(node.ca).toBe(true)
    expect(node.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(hex(certificate.fingerprint()))
    expect(hex(node.publicKey.export({ type: 'spki', format: 'der' }))).toBe(hex(certificate.publicKey.spki))
    expect(node.verify(signer.publicKey.keyObject())).toBe(true)
  })

  it('is taken, and does not change with its buffer', () => {
    const taken = Certificate.from(node)
    expect(taken.equals(certificate)).toBe(true)
    node.raw.fill(0)
    expect(taken.equals(certificate)).toBe(true)
    expect(() => CertificateRequest.from(node as never)).toThrow(code('ERR_DER'))
    expect(() => Crl.from(node as never)).toThrow(code('ERR_DER'))
  })
})

describe('objects of @peculiar/x509', () => {
  it('say the same of a certificate', () => {
    const theirs = certificate.toPeculiar()
    expect(theirs.serialNumber.toUpperCase()).toBe(certificate.serialNumber)
    expect([theirs.notBefore.getTime(), theirs.notAfter.getTime()]).toEqual([
      certificate.notBeforeMs,
      certificate.notAfterMs,
    ])
    expect(Buffer.from(theirs.publicKey.rawData).toString('hex')).toBe(hex(certificate.publicKey.spki))
    expect(theirs.subject).toBe('O=Example, CN=interchange')
  })

  it('say the same of a request and a list', () => {
    expect(request.toPeculiar().extensions.map(({ type }) => type)).toEqual(
      request.extensions.map(({ oid }) => oid),
    )
    expect(list.toPeculiar().entries.map(({ serialNumber }) => serialNumber)).toEqual(['0815'])
  })
})

describe('what others do not take has a code', () => {
  const broken = Certificate.parse(certificateDer({ subject: sequence(integer(1)) }))
  const info = sequence(integer(0), sequence(integer(1)), spki, explicit(0))

  it.each<readonly [string, () => unknown, string]>([
    ['a certificate, node:crypto', () => broken.toNode(), 'ERR_CERTIFICATE_MALFORMED'],
    ['a certificate, @peculiar/x509', () => broken.toPeculiar(), 'ERR_CERTIFICATE_MALFORMED'],
    [
      'a request',
      () => CertificateRequest.parse(sequence(info, algorithm, bitString(Uint8Array.of(1)))).toPeculiar(),
      'ERR_CSR_MALFORMED',
    ],
    ['a list', () => Crl.parse(listDer({ issuer: sequence(integer(1)) })).toPeculiar(), 'ERR_CRL_MALFORMED'],
  ])('%s', (_what, convert, wanted) => {
    expect(convert).toThrow(code(wanted))
  })
})

describe('several in one text', () => {
  it('are read in order, others passed over', () => {
    const text = `${crlf(certificate.toPem())}${request.toPem()}${list.toPem()}${certificate.toPem()}`
    expect(Certificate.listFromPem(text).map((one) => one.equals(certificate))).toEqual([true, true])
    expect(Crl.listFromPem(text)).toHaveLength(1)
    expect(hex(CertificateRequest.fromPem(text).der)).toBe(hex(request.der))
    expect(() => Certificate.fromPem(text)).toThrow(code('ERR_PEM'))
    expect(() => Certificate.listFromPem(request.toPem())).toThrow(code('ERR_PEM'))
  })

  it.each<[string, string, string, RegExp]>([
    [
      'no DER',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      'ERR_DER',
      /^block 2 of 3: /,
    ],
    [
      'no base64',
      '-----BEGIN CERTIFICATE-----\nA!AA\n-----END CERTIFICATE-----\n',
      'ERR_PEM',
      /^block 2: PEM block/,
    ],
  ])('that hold one block of %s: the error says which', (_what, bad, wanted, message) => {
    const text = `${certificate.toPem()}${bad}${certificate.toPem()}`
    expect(() => Certificate.listFromPem(text)).toThrow(
      expect.objectContaining({ code: wanted, message: expect.stringMatching(message) }),
    )
  })

  it('that hold a certificate nobody here reads: the error names its subject', () => {
    const odd = Uint8Array.from(certificate.der)
    odd[Buffer.from(odd).indexOf(Buffer.from('a003020102', 'hex')) + 4] = 5
    const body = Buffer.from(odd).toString('base64')
    const pem = `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`
    const wanted = { code: 'ERR_CERTIFICATE_MALFORMED', message: expect.stringMatching(/^block 2 of 2/) }
    expect(() => Certificate.listFromPem(certificate.toPem() + pem)).toThrow(expect.objectContaining(wanted))
    const cut = list.toPem().replace('MII', 'MIH')
    expect(() => Crl.listFromPem(list.toPem() + cut)).toThrow(/block 2/)
  })

  it('older labels are known', () => {
    expect(
      Certificate.fromPem(certificate.toPem().replaceAll('CERTIFICATE', 'X509 CERTIFICATE')).equals(
        certificate,
      ),
    ).toBe(true)
    expect(
      hex(CertificateRequest.fromPem(request.toPem().replaceAll('CERTIFICATE', 'NEW CERTIFICATE')).der),
    ).toBe(hex(request.der))
    expect(hex(Crl.fromPem(list.toPem().replaceAll('X509 CRL', 'CRL')).der)).toBe(hex(list.der))
  })
})
