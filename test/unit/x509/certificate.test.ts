// The certificate as a view over its bytes: RFC 5280 section 4.1.

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  element,
  encodeTime,
  explicit,
  implicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
  utf8String,
} from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  Certificate,
  DistinguishedName,
  buildCertificate,
  extensionOids as oids,
  generalName,
  parseSerialNumber,
} from '../../../src/x509/index.ts'
import {
  encodeExtension,
  generateSerialNumber,
  serialNumberBytes,
  serialNumberFromBytes,
  signatureAlgorithms,
} from '../../../src/x509/internal.ts'
import type { CertificateFields } from '../../../src/x509/certificate/certificate-builder.ts'
import { code } from '../../support/codes.ts'
import {
  brokenName,
  certificateDer,
  concat,
  end,
  extensionList,
  fromHex,
  hex,
  name,
  privateKey,
  spki,
  start,
  version2,
} from './encodings.ts'
import type { CertificateParts } from './encodings.ts'

const signer = new SoftwareSigner(privateKey)
const extensions = extensionList(encodeExtension({ oid: '1.2.3.4', critical: false, value: nullElement() }))
const issuerId = implicit(1, fromHex('00aa'))
const subjectId = implicit(2, fromHex('04f0'))
const text = (tag: number, value: string): Uint8Array => element(tag, Buffer.from(value))

describe('versions', () => {
  it.each<readonly [string, CertificateParts, 1 | 2 | 3]>([
    ['1', { version: [] }, 1],
    ['2', { version: version2 }, 2],
    ['2 with a unique identifier of the issuer', { version: version2, rest: [issuerId] }, 2],
    ['2 with a unique identifier of the subject', { version: version2, rest: [subjectId] }, 2],
    ['3', {}, 3],
    ['3 with extensions', { rest: [extensions] }, 3],
    ['3 with everything', { rest: [issuerId, subjectId, extensions] }, 3],
  ])('%s', (_what, parts, version) => {
    const certificate = Certificate.parse(certificateDer(parts))
    expect(certificate.version).toBe(version)
    expect(certificate.extensions).toHaveLength(parts.rest?.includes(extensions) === true ? 1 : 0)
    expect(() => {
      certificate.checkAll()
    }).not.toThrow()
  })

  it.each<readonly [string, CertificateParts, string]>([
    ['1 written out, which is the default', { version: [explicit(0, integer(0))] }, 'ERR_DER'],
    ['4', { version: [explicit(0, integer(3))] }, 'ERR_CERTIFICATE_MALFORMED'],
    ['0', { version: [explicit(0, integer(-1))] }, 'ERR_DER'],
    ['3, padded', { version: [explicit(0, fromHex('02020002'))] }, 'ERR_DER'],
    ['3, in implicit form', { version: [implicit(0, Uint8Array.of(2))] }, 'ERR_DER'],
    ['3, twice', { version: [explicit(0, integer(2), integer(2))] }, 'ERR_DER'],
    ['none at all', { version: [explicit(0)] }, 'ERR_DER'],
    ['1 with a unique identifier', { version: [], rest: [issuerId] }, 'ERR_CERTIFICATE_MALFORMED'],
    [
      '1 with a unique identifier of the subject',
      { version: [], rest: [subjectId] },
      'ERR_CERTIFICATE_MALFORMED',
    ],
    ['1 with extensions', { version: [], rest: [extensions] }, 'ERR_CERTIFICATE_MALFORMED'],
    ['2 with extensions', { version: version2, rest: [extensions] }, 'ERR_CERTIFICATE_MALFORMED'],
    [
      '2 with a unique identifier that is no BIT STRING',
      { version: version2, rest: [implicit(1, fromHex('08aa'))] },
      'ERR_DER',
    ],
    [
      '2 with a unique identifier that is constructed',
      { version: version2, rest: [explicit(1, bitString(fromHex('aa')))] },
      'ERR_DER',
    ],
    ['3 with unique identifiers out of order', { rest: [subjectId, issuerId] }, 'ERR_DER'],
    ['3 with one unique identifier twice', { rest: [issuerId, issuerId] }, 'ERR_DER'],
    ['3 with extensions before a unique identifier', { rest: [extensions, subjectId] }, 'ERR_DER'],
    ['3 with extensions twice', { rest: [extensions, extensions] }, 'ERR_DER'],
    ['3 with an empty wrapper of extensions', { rest: [explicit(3)] }, 'ERR_DER'],
    [
      '3 with more in the wrapper of extensions',
      {
        rest: [
          explicit(
            3,
            sequence(encodeExtension({ oid: '1.2.3', critical: false, value: nullElement() })),
            nullElement(),
          ),
        ],
      },
      'ERR_DER',
    ],
  ])('not %s', (_what, parts, wanted) => {
    expect(() => Certificate.parse(certificateDer(parts))).toThrow(code(wanted))
  })
})

describe('serial numbers', () => {
  const octets = (first: string, rest: number, fill = '11'): string => first + fill.repeat(rest)

  it.each([
    ['00', '00'],
    ['01', '01'],
    ['7f', '7F'],
    ['0080', '80'],
    ['00ff', 'FF'],
    ['0100', '0100'],
    [octets('7f', 19), octets('7F', 19)],
    [octets('0080', 18), octets('80', 18)],
    ['ff', '-01'],
    ['80', '-80'],
    ['ff7f', '-81'],
    ['ff00', '-0100'],
    ['8000', '-8000'],
    [octets('80', 19, '00'), `-${octets('80', 19, '00')}`],
    // RFC 5280 4.1.2.2 allows 20 octets; path validation refuses more by rule, reading does not.
    [octets('01', 20), octets('01', 20)],
    [octets('0080', 19), octets('80', 19)],
    [octets('01', 1023), octets('01', 1023)],
    [octets('80', 18, '00') + '01', `-${octets('7f', 19, 'ff').toUpperCase()}`],
  ])('content %s is %s', (content, written) => {
    const certificate = Certificate.parse(certificateDer({ serialNumber: element(2, fromHex(content)) }))
    expect(certificate.serialNumber).toBe(written)
    expect(hex(certificate.serialNumberBytes)).toBe(content)
    expect(hex(serialNumberBytes(certificate.serialNumber))).toBe(content)
    expect(serialNumberFromBytes(fromHex(content))).toBe(written)
    expect(parseSerialNumber(written)).toBe(written)
    expect(parseSerialNumber(written.toLowerCase())).toBe(written)
  })

  it.each([
    ['no content', '', 'ERR_DER'],
    ['padded with zeros', '0001', 'ERR_DER'],
    ['padded with ones', 'ff80', 'ERR_DER'],
    ['of 1,025 octets', octets('01', 1024), 'ERR_SERIAL_INVALID'],
    ['of 1,025 octets, negative', octets('80', 1024), 'ERR_SERIAL_INVALID'],
  ])('%s is none', (_what, content, wanted) => {
    expect(() => Certificate.parse(certificateDer({ serialNumber: element(2, fromHex(content)) }))).toThrow(
      code(wanted),
    )
  })

  it('another type is none', () => {
    expect(() => Certificate.parse(certificateDer({ serialNumber: octetString(Uint8Array.of(1)) }))).toThrow(
      code('ERR_DER'),
    )
    for (const content of [new Uint8Array(0), new Uint8Array(1025)])
      expect(() => serialNumberFromBytes(content)).toThrow(code('ERR_SERIAL_INVALID'))
  })

  it.each([
    ['1', '01'],
    ['0', '00'],
    ['000', '00'],
    ['0001', '01'],
    ['abc', '0ABC'],
    ['0A:bc:DE', '0ABCDE'],
    ['a:bc', '0ABC'],
    ['00:80', '80'],
    ['00ff', 'FF'],
    ['-1', '-01'],
    ['-0', '00'],
    ['-00:80', '-80'],
    ['-0ff', '-FF'],
  ])('the text %s is %s', (written, wanted) => {
    expect(parseSerialNumber(written)).toBe(wanted)
  })

  it.each([
    '',
    ' ',
    '-',
    '--1',
    '+1',
    '1-',
    '0x1',
    'g',
    ' 1',
    '1 ',
    '1:2:3',
    ':01',
    '01:',
    '01::02',
    '0'.repeat(3073),
    '1'.repeat(2050),
    'f'.repeat(2048),
    `-${'f'.repeat(2048)}`,
  ])('the text %j is none', (written) => {
    expect(() => parseSerialNumber(written)).toThrow(code('ERR_SERIAL_INVALID'))
  })

  it('are made positive, of 17 octets, and never twice', () => {
    const made = Array.from({ length: 1000 }, () => generateSerialNumber())
    expect(made.every((serial) => serial.length === 17 && serial[0] === 1)).toBe(true)
    expect(new Set(made.map(hex)).size).toBe(1000)
    expect(hex(generateSerialNumber((size) => new Uint8Array(size).fill(0xab)))).toBe(`01${'ab'.repeat(16)}`)
  })

  it.each([
    ['text', parseSerialNumber('-0815')],
    ['octets', fromHex('f7eb')],
  ])('are written as they are given: %s', async (_what, serialNumber) => {
    const certificate = await buildCertificate({ ...fields, serialNumber }, signer)
    expect(certificate.serialNumber).toBe('-0815')
  })
})

const fields: CertificateFields = {
  issuer: DistinguishedName.parse('CN=issuer'),
  subject: DistinguishedName.parse('CN=subject'),
  publicKey: signer.publicKey,
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2027-01-01T00:00:00Z'),
}

describe('dates', () => {
  it.each([
    ['UTCTime of 2049', text(0x17, '491231235959Z'), '2049-12-31T23:59:59.000Z'],
    ['UTCTime of 1950', text(0x17, '500101000000Z'), '1950-01-01T00:00:00.000Z'],
    ['UTCTime on a leap day', text(0x17, '240229000000Z'), '2024-02-29T00:00:00.000Z'],
    ['GeneralizedTime of 2050', text(0x18, '20500101000000Z'), '2050-01-01T00:00:00.000Z'],
    ['GeneralizedTime of 9999', text(0x18, '99991231235959Z'), '9999-12-31T23:59:59.000Z'],
    [
      'GeneralizedTime before 2050, which roots have',
      text(0x18, '20260101000000Z'),
      '2026-01-01T00:00:00.000Z',
    ],
  ])('%s', (_what, time, wanted) => {
    const certificate = Certificate.parse(certificateDer({ validity: sequence(time, time) }))
    expect([certificate.notBefore.toISOString(), certificate.notAfter.toISOString()]).toEqual([
      wanted,
      wanted,
    ])
    expect([certificate.notBeforeMs, certificate.notAfterMs]).toEqual([
      Date.parse(wanted),
      Date.parse(wanted),
    ])
    certificate.notBefore.setTime(0)
    expect(certificate.notBefore.toISOString()).toBe(wanted)
  })

  it.each<readonly [string, readonly Uint8Array[], string]>([
    ['no leap day in 2023', [text(0x17, '230229000000Z'), end], 'ERR_TIME_INVALID'],
    ['no leap day in 2100', [start, text(0x18, '21000229000000Z')], 'ERR_TIME_INVALID'],
    ['no month 13', [text(0x17, '231301000000Z'), end], 'ERR_TIME_INVALID'],
    ['no month 0', [text(0x17, '230001000000Z'), end], 'ERR_TIME_INVALID'],
    ['no hour 24', [text(0x17, '230101240000Z'), end], 'ERR_TIME_INVALID'],
    ['no second 60', [text(0x17, '230101000060Z'), end], 'ERR_TIME_INVALID'],
    ['a zone', [text(0x17, '230101000000+0100'), end], 'ERR_TIME_INVALID'],
    ['no zone', [text(0x17, '230101000000'), end], 'ERR_TIME_INVALID'],
    ['no seconds', [text(0x17, '2301010000Z'), end], 'ERR_TIME_INVALID'],
    ['a fraction', [start, text(0x18, '20500101000000.5Z')], 'ERR_TIME_INVALID'],
    ['letters', [start, text(0x18, '2050o101000000Z')], 'ERR_TIME_INVALID'],
    ['text', [utf8String('230101000000Z'), end], 'ERR_DER'],
    ['one date', [start], 'ERR_DER'],
    ['three dates', [start, end, end], 'ERR_DER'],
  ])('%s', (_what, times, wanted) => {
    expect(() => Certificate.parse(certificateDer({ validity: sequence(...times) }))).toThrow(code(wanted))
  })

  it.each([
    ['2049-12-31T23:59:59.999Z', 0x17],
    ['2050-01-01T00:00:00Z', 0x18],
    ['9999-12-31T23:59:59Z', 0x18],
  ])('%s is written with tag %i, in whole seconds', async (date, tag) => {
    const certificate = await buildCertificate({ ...fields, notAfter: new Date(date) }, signer)
    expect(certificate.notAfter.getTime()).toBe(Math.floor(Date.parse(date) / 1000) * 1000)
    const time = encodeTime(certificate.notAfterMs)
    expect(time[0]).toBe(tag)
    expect(hex(certificate.tbs)).toContain(hex(time))
  })

  it.each<readonly [string, Partial<CertificateFields>]>([
    ['an end before the beginning', { notAfter: new Date('2025-01-01T00:00:00Z') }],
    ['a date that is none', { notAfter: new Date(Number.NaN) }],
    ['a beginning before 1950', { notBefore: new Date('1949-12-31T23:59:59Z') }],
    ['an end after 9999', { notAfter: new Date('+010000-01-01T00:00:00Z') }],
  ])('are not written with %s', async (_what, changes) => {
    await expect(buildCertificate({ ...fields, ...changes }, signer)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})

describe('the frame', () => {
  const good = certificateDer()

  it.each<readonly [string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'ERR_DER'],
    ['text', Buffer.from('a certificate'), 'ERR_DER'],
    ['a certificate that is cut off', good.subarray(0, good.length - 1), 'ERR_DER'],
    ['a certificate with more behind it', concat(good, nullElement()), 'ERR_DER'],
    ['more behind the signature', certificateDer({ after: [nullElement()] }), 'ERR_DER'],
    ['more behind the subject public key', certificateDer({ rest: [nullElement()] }), 'ERR_DER'],
    [
      'a signature of bits that are no octets',
      certificateDer({ signature: element(3, fromHex('01fe')) }),
      'ERR_DER',
    ],
    [
      'a signature that is no BIT STRING',
      certificateDer({ signature: octetString(fromHex('fe')) }),
      'ERR_DER',
    ],
    [
      'another algorithm outside',
      certificateDer({ outerAlgorithm: signatureAlgorithms['ecdsa-with-SHA384'].identifier }),
      'ERR_ALGORITHM_MISMATCH',
    ],
    [
      'the same algorithm with other parameters outside',
      certificateDer({ outerAlgorithm: sequence(oid('1.2.840.10045.4.3.2'), nullElement()) }),
      'ERR_ALGORITHM_MISMATCH',
    ],
    ['a subject that is no SEQUENCE', certificateDer({ subject: utf8String('CN=a') }), 'ERR_DER'],
    ['a key that is no SEQUENCE', certificateDer({ spki: bitString(Uint8Array.of(1)) }), 'ERR_DER'],
    ['more than 1 MiB', new Uint8Array(1024 * 1024 + 1), 'ERR_LIMIT_EXCEEDED'],
  ])('is not %s', (_what, der, wanted) => {
    expect(() => Certificate.parse(der)).toThrow(code(wanted))
  })

  it('every cut is refused, and every octet more', () => {
    for (let length = 0; length < good.length; length++)
      expect(() => Certificate.parse(good.subarray(0, length))).toThrow(code('ERR_DER'))
    for (const octet of [0, 0x30, 0xff])
      expect(() => Certificate.parse(concat(good, Uint8Array.of(octet)))).toThrow(code('ERR_DER'))
  })

  it('is views over one copy of the bytes, wherever they begin', () => {
    const bytes = concat(fromHex('ffff'), good).subarray(2)
    const certificate = Certificate.parse(bytes)
    expect(certificate.der).toEqual(good)
    expect(certificate.der.buffer).not.toBe(bytes.buffer)
    expect(certificate.tbs.buffer).toBe(certificate.der.buffer)
    expect(hex(certificate.subject.der)).toBe(hex(name))
    expect(hex(certificate.publicKey.spki)).toBe(hex(spki))
    expect(hex(certificate.signature)).toBe('010203')
    expect(hex(certificate.fingerprint())).toBe(createHash('sha256').update(good).digest('hex'))
  })
})

describe('laziness: what is broken throws when it is read, and nothing else does', () => {
  const broken: Readonly<
    Record<string, readonly [CertificateParts, (certificate: Certificate) => unknown, string]>
  > = {
    issuer: [{ issuer: brokenName }, ({ issuer }) => issuer.rdns, 'ERR_NAME_INVALID'],
    subject: [{ subject: brokenName }, ({ subject }) => subject.toString(), 'ERR_NAME_INVALID'],
    'signature algorithm': [
      { algorithm: sequence() },
      ({ signatureAlgorithm }) => signatureAlgorithm,
      'ERR_DER',
    ],
    key: [
      {
        spki: sequence(
          sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
          bitString(Uint8Array.of(4)),
        ),
      },
      ({ publicKey }) => publicKey.keyObject(),
      'ERR_KEY_MALFORMED',
    ],
    'frame of the key': [{ spki: sequence(nullElement()) }, ({ publicKey }) => publicKey.info, 'ERR_DER'],
    'key usage': [
      {
        rest: [
          extensionList(
            encodeExtension({ oid: oids.keyUsage, critical: true, value: boolean(true) }),
            encodeExtension({ oid: oids.basicConstraints, critical: true, value: sequence() }),
          ),
        ],
      },
      ({ keyUsage }) => keyUsage,
      'ERR_DER',
    ],
    'basic constraints': [
      {
        rest: [
          extensionList(
            encodeExtension({ oid: oids.basicConstraints, critical: true, value: nullElement() }),
          ),
        ],
      },
      ({ basicConstraints }) => basicConstraints,
      'ERR_DER',
    ],
    'subject alternative name': [
      {
        rest: [
          extensionList(encodeExtension({ oid: oids.subjectAltName, critical: false, value: sequence() })),
        ],
      },
      ({ subjectAltName }) => subjectAltName,
      'ERR_NAME_INVALID',
    ],
  }
  const readers = Object.values(broken).map(([, read]) => read)

  it.each(Object.entries(broken))('%s', (_what, [parts, own, wanted]) => {
    const certificate = Certificate.parse(certificateDer(parts))
    for (const read of readers) {
      if (read === own || (own === broken['frame of the key']?.[1] && read === broken['key']?.[1]))
        expect(() => read(certificate)).toThrow(code(wanted))
      else expect(() => read(certificate)).not.toThrow()
    }
    expect(() => {
      certificate.checkAll()
    }).toThrow(code(wanted))
    expect(certificate.serialNumber).toBe('01')
  })

  it('a key that is well-formed and not supported is no fault of the certificate', () => {
    const p224 = sequence(
      sequence(oid('1.2.840.10045.2.1'), oid('1.3.132.0.33')),
      bitString(concat(Uint8Array.of(4), new Uint8Array(56))),
    )
    const certificate = Certificate.parse(certificateDer({ spki: p224 }))
    expect(() => {
      certificate.checkAll()
    }).not.toThrow()
    expect(() => certificate.publicKey.keyObject()).toThrow(code('ERR_KEY_UNSUPPORTED'))
  })

  it('extensions that are not known are passed over', () => {
    const certificate = Certificate.parse(
      certificateDer({
        rest: [extensionList(encodeExtension({ oid: '1.2.3.4', critical: true, value: fromHex('ffff') }))],
      }),
    )
    expect(() => {
      certificate.checkAll()
    }).not.toThrow()
  })
})

describe('what is asked of a certificate', () => {
  it('whether it is self-issued, by the comparison of names', () => {
    const named = (issuer: string, subject: Uint8Array): boolean =>
      Certificate.parse(certificateDer({ issuer: DistinguishedName.parse(issuer).der, subject })).isSelfIssued
    expect(named('CN=Root', DistinguishedName.parse('CN=#1304726f6f74').der)).toBe(true)
    expect(named('CN=Root', DistinguishedName.parse('CN=Root,O=x').der)).toBe(false)
    expect(named('', sequence())).toBe(true)
  })

  it('whether a key signed it, and with another signature it did not', async () => {
    const certificate = await buildCertificate(
      {
        ...fields,
        extensions: { subjectAltName: [generalName.dns('a.example')], keyUsage: ['digitalSignature'] },
      },
      signer,
    )
    expect(certificate.verifySignatureBy(signer.publicKey)).toBe(true)
    expect(certificate.verifySignatureBy((await SoftwareSigner.generate('P-256')).publicKey)).toBe(false)
    expect(certificate.verifySignatureBy((await SoftwareSigner.generate('Ed25519')).publicKey)).toBe(false)
    void certificate.subjectAltName
    const other = certificate.withSignature(fromHex('3006020101020101'))
    expect(other.verifySignatureBy(signer.publicKey)).toBe(false)
    expect(other.equals(certificate)).toBe(false)
    expect(Certificate.parse(other.der).equals(other)).toBe(true)
    expect(hex(other.tbs)).toBe(hex(certificate.tbs))
    expect(other.tbs.buffer).toBe(other.der.buffer)
    expect(other.subjectAltName).toBe(certificate.subjectAltName)
    expect([other.serialNumber, other.keyUsage?.names]).toEqual([
      certificate.serialNumber,
      ['digitalSignature'],
    ])
    expect(other.withSignature(certificate.signature).verifySignatureBy(signer.publicKey)).toBe(true)
  })

  it('how it looks as JSON', async () => {
    const certificate = await buildCertificate(
      {
        ...fields,
        serialNumber: parseSerialNumber('0815'),
        extensions: { subjectAltName: [generalName.dns('a.example')] },
      },
      signer,
    )
    expect(JSON.parse(JSON.stringify(certificate))).toEqual({
      serialNumber: '0815',
      issuer: 'CN=issuer',
      subject: 'CN=subject',
      notBefore: '2026-01-01T00:00:00.000Z',
      notAfter: '2027-01-01T00:00:00.000Z',
      uris: [],
      dnsNames: ['a.example'],
      ipAddresses: [],
      isCa: false,
      keyAlgorithm: 'P-256',
      signatureAlgorithm: 'ecdsa-with-SHA256',
      sha256Fingerprint: Buffer.from(certificate.fingerprint()).toString('hex'),
    })
  })
})
