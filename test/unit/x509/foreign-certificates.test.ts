// Hand-made inputs as other software writes them: read, or refused by name with the tolerance that accepts
// it.

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  element,
  explicit,
  ia5String,
  integer,
  octetString,
  oid,
  sequence,
  setOf,
  tags,
  utf8String,
} from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  Certificate,
  CertificateRequest,
  buildCertificateRequest,
  extensionOids as oids,
  generalName,
} from '../../../src/x509/index.ts'
import type { Tolerance } from '../../../src/x509/internal.ts'
import { certificateDer, certificateWithExtension, extensionList, fromHex } from './encodings.ts'

const nameOf = (tag: number, text: string): Uint8Array =>
  sequence(setOf(sequence(oid('2.5.4.3'), element(tag, Buffer.from(text, 'latin1')))))

const refusal = (read: () => unknown): string => {
  try {
    read()
  } catch (error) {
    return (error as Error).message
  }
  return 'accepted'
}

describe('a tolerance', () => {
  const cases: readonly (readonly [string, Tolerance, Uint8Array])[] = [
    ...(['*', '_', '@', '&', '\u00fc'] as const).map(
      (character) =>
        [
          `for ${character} in a PrintableString`,
          'invalid-string-octets',
          certificateDer({ subject: nameOf(tags.printableString, `a${character}`) }),
        ] as const,
    ),
    [
      'for latin-1 in an IA5String',
      'invalid-string-octets',
      certificateDer({ issuer: nameOf(0x16, '\u00fc') }),
    ],
    [
      'for latin-1 in a UTF8String',
      'invalid-string-octets',
      certificateDer({ issuer: nameOf(0x0c, '\u00fc') }),
    ],
    [
      'for letters in a NumericString',
      'invalid-string-octets',
      certificateDer({ subject: nameOf(0x12, 'a') }),
    ],
    [
      'for a directory name among the names',
      'invalid-string-octets',
      certificateWithExtension(
        oids.subjectAltName,
        sequence(explicit(4, nameOf(tags.printableString, 'a_'))),
      ),
    ],
    [
      'for critical FALSE',
      'explicit-defaults',
      certificateDer({
        rest: [extensionList(sequence(oid('1.2.3'), boolean(false), octetString(integer(1))))],
      }),
    ],
    [
      'for cA FALSE',
      'explicit-defaults',
      certificateWithExtension(oids.basicConstraints, sequence(boolean(false))),
    ],
    [
      'for minimum 0',
      'explicit-defaults',
      certificateWithExtension(
        oids.nameConstraints,
        sequence(explicit(0, sequence(ia5String('a.example', 0x82), integer(0, 0x80)))),
      ),
    ],
    ['for version 1', 'explicit-defaults', certificateDer({ version: [explicit(0, integer(0))] })],
    ['for empty Extensions', 'empty-extensions', certificateDer({ rest: [extensionList()] })],
  ]
  it.each(cases)('%s is named by the refusal and accepts it', (_what, tolerance, der) => {
    expect(refusal(() => Certificate.parse(der).checkAll())).toContain(
      `the tolerance '${tolerance}' accepts it`,
    )
    const certificate = Certificate.parse(der, { tolerances: [tolerance] })
    certificate.checkAll()
    expect(certificate.tolerances).toEqual([tolerance])
  })

  it('for string octets gives no text and compares octets', () => {
    const read = (text: string): Certificate =>
      Certificate.parse(certificateDer({ subject: nameOf(tags.printableString, text) }), {
        tolerances: ['invalid-string-octets'],
      })
    expect(read('a_').subject.rdns[0]?.[0]?.value).toBeUndefined()
    expect(read('a_').subject.equals(read('a_').subject)).toBe(true)
    expect(read('a_').subject.equals(read('A_').subject)).toBe(false)
  })
})

describe('without a tolerance', () => {
  it.each([
    ['03020006', ['keyCertSign', 'cRLSign']],
    ['0303000600', ['keyCertSign', 'cRLSign']],
  ])('keyUsage %s with zero bits at the end is read', (value, names) => {
    const certificate = Certificate.parse(certificateWithExtension(oids.keyUsage, fromHex(value)))
    expect(certificate.keyUsage?.names).toEqual(names)
  })

  it.each([
    ['ldap:///CN=a b,DC=x?list'],
    ['file://\\\\host\\CertEnroll\\a.crl'],
    ['http://a.example/a.crl '],
  ])('the location %j is read as it stands, and named by checkLocations', (text) => {
    const uri = ia5String(text, 0x86)
    const certificate = Certificate.parse(
      certificateDer({
        rest: [
          extensionList(
            sequence(
              oid(oids.crlDistributionPoints),
              octetString(sequence(sequence(explicit(0, explicit(0, uri))))),
            ),
          ),
        ],
      }),
    )
    const [point] = certificate.crlDistributionPoints ?? []
    expect(point?.name).toEqual({ fullName: [{ type: 'uri', value: text }] })
    certificate.checkPathFields()
    expect(refusal(() => certificate.checkLocations())).toMatch(/^cRLDistributionPoints: /)
  })

  const visible = (text: string): Uint8Array => nameOf(tags.visibleString, text)
  const extension = (type: string, value: Uint8Array): Parameters<typeof certificateDer>[0] => ({
    rest: [extensionList(sequence(oid(type), octetString(value)))],
  })
  it.each<[string, Parameters<typeof certificateDer>[0], RegExp]>([
    [
      'the subject',
      { subject: visible('a') },
      /^subject: attribute CN .*: found a value of type VisibleString, expected UTF8String/,
    ],
    [
      'the issuer',
      { issuer: nameOf(tags.printableString, 'a_') },
      /^issuer: attribute CN \(2\.5\.4\.3\): octet 0x5f/,
    ],
    [
      'the order of attributes',
      { subject: sequence(element(tags.set, ...[2, 1].map((n) => sequence(oid(`1.2.${n}`), integer(n))))) },
      /^subject: attribute 1\.2\.2: found a value of type INTEGER, expected a character string/,
    ],
    [
      'an attribute whose value is cut off',
      { subject: sequence(element(tags.set, sequence(oid('1.2.3'), fromHex('300101')))) },
      /^subject: attribute 1\.2\.3/,
    ],
    [
      'an alternative name',
      extension(oids.subjectAltName, sequence(fromHex('8703010203'))),
      /^subjectAltName: iPAddress has 3 octets, expected 4 or 16/,
    ],
    [
      'a name constraint',
      extension(oids.nameConstraints, sequence(explicit(0, sequence(fromHex('87040a000000'))))),
      /^nameConstraints: iPAddress has 4 octets, expected 8 or 32: an address and a mask/,
    ],
    [
      'a directory name in an extension',
      extension(oids.subjectAltName, sequence(explicit(4, visible('a')))),
      /^subjectAltName: directoryName: attribute CN/,
    ],
    [
      'the key',
      { spki: sequence(octetString()) },
      /^SubjectPublicKeyInfo algorithm: found tag 0x4, expected 0x30/,
    ],
  ])('a fault in %s names its field', (_what, parts, wanted) => {
    expect(refusal(() => Certificate.parse(certificateDer(parts)).checkAll())).toMatch(wanted)
  })

  it('a missing element is named', () => {
    expect(refusal(() => Certificate.parse(sequence()))).toMatch(/^tbsCertificate: missing at offset 2/)
    const info = sequence(integer(0), nameOf(0x0c, 'a'), sequence())
    const request = sequence(info, sequence(oid('1.2.3')), bitString(Uint8Array.of(1)))
    expect(refusal(() => CertificateRequest.parse(request))).toMatch(/^attributes .*: missing at offset/)
  })
})

describe('attributes of a request', async () => {
  const signer = await SoftwareSigner.generate('P-256')
  it('are written and read', async () => {
    const request = await buildCertificateRequest(
      { challengePassword: 'secret', attributes: [{ type: '1.2.3.4', values: [integer(5)] }] },
      signer,
    )
    const read = CertificateRequest.parse(request.der)
    expect(read.challengePassword).toBe('secret')
    expect(read.attributeValues('1.2.3.4')).toEqual([integer(5)])
    expect(read.attributeValues('1.2.3.5')).toBeUndefined()
    expect(inspect(read) + JSON.stringify(read)).not.toContain('secret')
    expect(read.verify().publicKey.spki).toEqual(signer.publicKey.spki)
  })

  it('an unknown field of the builder is refused', async () => {
    await expect(buildCertificateRequest({ subjekt: 'CN=a' } as never, signer)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })
})

describe('octets of the caller', () => {
  it('are copied, also from shared memory', async () => {
    const request = await buildCertificateRequest(
      { extensions: { subjectAltName: [generalName.dns('a.example')] } },
      await SoftwareSigner.generate('P-256'),
    )
    const shared = new Uint8Array(new SharedArrayBuffer(request.der.length))
    for (const memory of [Buffer.from(request.der), shared]) {
      memory.set(request.der)
      const read = CertificateRequest.parse(memory)
      memory.fill(0)
      expect(read.subjectAltName).toEqual(request.subjectAltName)
      read.verify()
    }
    const der = certificateDer()
    const buffer = Buffer.from(der)
    const certificate = Certificate.parse(buffer)
    buffer.fill(0)
    expect(certificate.subject.toString()).toBe('CN=by hand')
    expect(certificate.der).toEqual(der)
  })
})

describe('what a certificate shows of itself', () => {
  it('is one line a field, with control characters escaped', () => {
    const certificate = Certificate.parse(
      certificateDer({
        subject: sequence(setOf(sequence(oid('2.5.4.3'), utf8String('a\u001b[31m\u202e\nb')))),
      }),
    )
    const text = `${inspect({ certificate })}${JSON.stringify(certificate)}`

    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
    expect(String(certificate)).toMatch(/^Certificate\n {2}subject/)
  })

  it('survives fields that cannot be read', () => {
    const certificate = Certificate.parse(
      certificateDer({
        subject: fromHex('30023100'),
        spki: sequence(),
        rest: [extensionList(sequence(oid(oids.subjectAltName), octetString(integer(1))))],
      }),
    )
    expect(String(certificate)).toContain('(unreadable: ERR_NAME_INVALID)')
    expect(certificate.toJSON()).toMatchObject({
      subject: '(unreadable: ERR_NAME_INVALID)',
      dnsNames: ['(unreadable: ERR_DER)'],
      keyAlgorithm: expect.stringMatching(/^\(unreadable: /) as unknown,
    })
  })
})
