// GeneralName, every kind, between bytes and objects: RFC 5280 section 4.2.1.6.

import { describe, expect, it } from 'vitest'
import {
  DerReader,
  element,
  encodeOid,
  explicit,
  ia5String,
  nullElement,
  oid,
  sequence,
  utf8String,
} from '../../../src/der/index.ts'
import { DistinguishedName, generalName } from '../../../src/x509/index.ts'
import { formatGeneralName } from '../../../src/x509/internal.ts'
import {
  encodeAltName,
  encodeGeneralName,
  encodeNameConstraints,
  formatIpAddress,
  ipAddressOctets,
  readGeneralName,
  readGeneralNames,
} from '../../../src/x509/internal.ts'
import type { GeneralName } from '../../../src/x509/index.ts'
import type { GeneralNameUse } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import { brokenName, concat, fromHex, hex } from './encodings.ts'

const ascii = (tag: number, text: string): Uint8Array => element(tag, Buffer.from(text, 'latin1'))
const octets = (tag: number, count: number): Uint8Array => element(tag, new Uint8Array(count).fill(1))
const read = (der: Uint8Array, use?: GeneralNameUse): GeneralName => {
  const reader = new DerReader(der)
  const name = readGeneralName(reader, use)
  reader.finish('the name')
  return name
}
const subject = DistinguishedName.parse('CN=web,O=Example')
const upn = '1.3.6.1.4.1.311.20.2.3'

const kinds: readonly (readonly [kind: string, der: Uint8Array, name: GeneralName, text: string])[] = [
  ['rfc822Name', ascii(0x81, 'a@example.org'), generalName.email('a@example.org'), 'email:a@example.org'],
  ['dNSName', ascii(0x82, '*.example.org'), generalName.dns('*.example.org'), 'DNS:*.example.org'],
  ['dNSName of no characters', ascii(0x82, ''), generalName.dns(''), 'DNS:'],
  [
    'dNSName with blanks, which are not judged here',
    ascii(0x82, ' a b'),
    generalName.dns(' a b'),
    'DNS: a b',
  ],
  [
    'uniformResourceIdentifier',
    ascii(0x86, 'spiffe://td.example/a%20b'),
    generalName.uri('spiffe://td.example/a%20b'),
    'URI:spiffe://td.example/a%20b',
  ],
  ['iPAddress of 4 octets', fromHex('87 04 0a000001'), generalName.ip('10.0.0.1'), 'IP:10.0.0.1'],
  [
    'iPAddress of 16 octets',
    fromHex('87 10 20010db8000000000000000000000007'),
    generalName.ip('2001:db8::7'),
    'IP:2001:db8::7',
  ],
  [
    'registeredID',
    element(0x88, encodeOid('1.2.840.113549')),
    { type: 'registeredId', oid: '1.2.840.113549' },
    'RID:1.2.840.113549',
  ],
  [
    'directoryName',
    explicit(4, subject.der),
    { type: 'directoryName', name: subject },
    'dirName:CN=web,O=Example',
  ],
  [
    'directoryName of an empty name',
    explicit(4, sequence()),
    { type: 'directoryName', name: DistinguishedName.of([]) },
    'dirName:',
  ],
  [
    'otherName',
    explicit(0, oid(upn), explicit(0, utf8String('a@example.org'))),
    { type: 'otherName', oid: upn, value: utf8String('a@example.org') },
    `otherName:${upn}`,
  ],
  [
    'x400Address',
    explicit(3, sequence(utf8String('x'))),
    { type: 'x400Address', der: explicit(3, sequence(utf8String('x'))) },
    'x400Address',
  ],
  [
    'ediPartyName',
    explicit(5, explicit(1, utf8String('x'))),
    { type: 'ediPartyName', der: explicit(5, explicit(1, utf8String('x'))) },
    'ediPartyName',
  ],
]

describe('a GeneralName', () => {
  it.each(kinds)('%s both ways', (_kind, der, name, text) => {
    expect(read(der)).toEqual(name)
    expect(hex(encodeGeneralName(name))).toBe(hex(der))
    expect(formatGeneralName(name)).toBe(text)
  })

  it('of every kind in one list, in order', () => {
    const list = encodeAltName(kinds.map(([, , name]) => name))
    expect(hex(list)).toBe(hex(sequence(...kinds.map(([, der]) => der))))
    expect(
      readGeneralNames(new DerReader(list.subarray(2 + (list.length > 0x101 ? 2 : 1))), 'names'),
    ).toEqual(kinds.map(([, , name]) => name))
  })

  it.each<readonly [string, Uint8Array, string]>([
    ['no kind: [9]', element(0x89, nullElement()), 'ERR_NAME_INVALID'],
    ['no kind: a UTF8String', utf8String('a'), 'ERR_NAME_INVALID'],
    ['rfc822Name, constructed', explicit(1, ia5String('a@b')), 'ERR_NAME_INVALID'],
    ['x400Address, primitive', element(0x83, nullElement()), 'ERR_NAME_INVALID'],
    ['directoryName, primitive', element(0x84, subject.der), 'ERR_NAME_INVALID'],
    ['rfc822Name with NUL', ascii(0x81, 'a@b\0c'), 'ERR_NAME_INVALID'],
    ['dNSName with NUL', ascii(0x82, 'good.example\0.evil.example'), 'ERR_NAME_INVALID'],
    ['dNSName with a line end', ascii(0x82, 'a\nb'), 'ERR_NAME_INVALID'],
    ['dNSName with DEL', ascii(0x82, 'a\x7f'), 'ERR_NAME_INVALID'],
    ['dNSName beyond ASCII', ascii(0x82, 'b\xfccher'), 'ERR_STRING_INVALID'],
    ['URI with a blank', ascii(0x86, 'https://a b'), 'ERR_NAME_INVALID'],
    ['URI with angle brackets', ascii(0x86, 'https://<a>'), 'ERR_NAME_INVALID'],
    ['URI with a backslash', ascii(0x86, 'https://a\\b'), 'ERR_NAME_INVALID'],
    ['URI with NUL', ascii(0x86, 'https://a\0'), 'ERR_NAME_INVALID'],
    ['URI beyond ASCII', ascii(0x86, 'https://\xe9'), 'ERR_STRING_INVALID'],
    ...[0, 3, 5, 8, 15, 17, 32].map(
      (count) => [`iPAddress of ${count} octets`, octets(0x87, count), 'ERR_NAME_INVALID'] as const,
    ),
    ['registeredID without content', fromHex('8800'), 'ERR_OID_INVALID'],
    ['registeredID with a padded arc', fromHex('8803 2a8001'), 'ERR_OID_INVALID'],
    ['registeredID that is cut off', fromHex('8802 2a81'), 'ERR_OID_INVALID'],
    ['directoryName as if IMPLICIT', element(0xa4, subject.der.subarray(2)), 'ERR_DER'],
    ['directoryName without a name', fromHex('a400'), 'ERR_DER'],
    ['directoryName with more behind it', explicit(4, subject.der, nullElement()), 'ERR_DER'],
    ['directoryName that is malformed', explicit(4, brokenName), 'ERR_NAME_INVALID'],
    ['otherName without a type', explicit(0, explicit(0, utf8String('a'))), 'ERR_DER'],
    ['otherName without a value', explicit(0, oid(upn)), 'ERR_DER'],
    ['otherName with a value that is not [0]', explicit(0, oid(upn), utf8String('a')), 'ERR_DER'],
    ['otherName with an empty [0]', explicit(0, oid(upn), explicit(0)), 'ERR_DER'],
    [
      'otherName with two values',
      explicit(0, oid(upn), explicit(0, nullElement(), nullElement())),
      'ERR_DER',
    ],
    [
      'otherName with more behind it',
      explicit(0, oid(upn), explicit(0, nullElement()), nullElement()),
      'ERR_DER',
    ],
    [
      'otherName with a value that is not DER',
      explicit(0, oid(upn), explicit(0, fromHex('010101'))),
      'ERR_DER',
    ],
    ['x400Address with content that is not DER', explicit(3, fromHex('010101')), 'ERR_DER'],
    ['ediPartyName with content that is cut off', explicit(5, fromHex('0c05')), 'ERR_DER'],
  ])('is not read: %s', (_what, der, wanted) => {
    expect(() => read(der)).toThrow(code(wanted))
  })

  it.each<readonly [string, GeneralName, string]>([
    ['rfc822Name with a line end', generalName.email('a@b\r\nBcc: c@d'), 'ERR_NAME_INVALID'],
    ['dNSName with NUL', generalName.dns('good.example\0.evil.example'), 'ERR_NAME_INVALID'],
    ['dNSName beyond ASCII', generalName.dns('bücher.example'), 'ERR_STRING_INVALID'],
    ['URI with a blank', generalName.uri('spiffe://td/a b'), 'ERR_NAME_INVALID'],
    ['URI beyond ASCII', generalName.uri('spiffe://td/é'), 'ERR_STRING_INVALID'],
    ...[0, 3, 5, 8, 15, 17, 32].map(
      (count) =>
        [
          `iPAddress of ${count} octets`,
          { type: 'ip', address: new Uint8Array(count), value: '' } as const,
          'ERR_NAME_INVALID',
        ] as const,
    ),
    ['registeredID that is none', { type: 'registeredId', oid: '1.40.3.' }, 'ERR_OID_INVALID'],
    ['registeredID with a second arc above 39', { type: 'registeredId', oid: '1.40' }, 'ERR_OID_INVALID'],
    [
      'directoryName that is malformed',
      { type: 'directoryName', name: DistinguishedName.fromDer(brokenName) },
      'ERR_NAME_INVALID',
    ],
    [
      'otherName of a type that is none',
      { type: 'otherName', oid: 'upn', value: nullElement() },
      'ERR_OID_INVALID',
    ],
    ['otherName without a value', { type: 'otherName', oid: upn, value: new Uint8Array(0) }, 'ERR_DER'],
    [
      'otherName with two values',
      { type: 'otherName', oid: upn, value: concat(nullElement(), nullElement()) },
      'ERR_DER',
    ],
    [
      'x400Address that is another kind',
      { type: 'x400Address', der: ascii(0x82, 'admin.example') },
      'ERR_NAME_INVALID',
    ],
    [
      'x400Address with a second name behind it',
      { type: 'x400Address', der: concat(explicit(3, nullElement()), ascii(0x82, 'admin.example')) },
      'ERR_DER',
    ],
    ['ediPartyName of no octets', { type: 'ediPartyName', der: new Uint8Array(0) }, 'ERR_NAME_INVALID'],
    [
      'ediPartyName that is another kind',
      { type: 'ediPartyName', der: explicit(3, nullElement()) },
      'ERR_NAME_INVALID',
    ],
  ])('is not written: %s', (_what, name, wanted) => {
    expect(() => encodeGeneralName(name)).toThrow(code(wanted))
  })

  it('lists have one name at least and 10,000 at most', () => {
    expect(() => readGeneralNames(new DerReader(new Uint8Array(0)), 'names')).toThrow(
      code('ERR_NAME_INVALID'),
    )
    const one = ascii(0x82, 'a')
    expect(
      readGeneralNames(new DerReader(concat(...Array.from({ length: 10_000 }, () => one))), 'names'),
    ).toHaveLength(10_000)
    expect(() =>
      readGeneralNames(new DerReader(concat(...Array.from({ length: 10_001 }, () => one))), 'names'),
    ).toThrow(code('ERR_LIMIT_EXCEEDED'))
  })
})

describe('an iPAddress of a name constraint', () => {
  const subtrees = (base: GeneralName): Uint8Array =>
    encodeNameConstraints({ permitted: [{ base, minimum: 0, maximum: undefined }], excluded: [] })

  it.each([
    ['8', fromHex('0a000000 ff000000'), '10.0.0.0/255.0.0.0'],
    ['32', concat(ipAddressOctets('2001:db8::'), ipAddressOctets('ffff:ffff::')), '2001:db8::/ffff:ffff::'],
  ])('has %s octets', (_count, address, value) => {
    const der = element(0x87, address)
    expect(read(der, 'constraint')).toEqual({ type: 'ip', address, value })
    expect(hex(subtrees({ type: 'ip', address, value }))).toContain(hex(der))
  })

  it.each([0, 4, 7, 9, 16, 31, 33])('does not have %i octets', (count) => {
    expect(() => read(octets(0x87, count), 'constraint')).toThrow(code('ERR_NAME_INVALID'))
    expect(() => subtrees({ type: 'ip', address: new Uint8Array(count), value: '' })).toThrow(
      code('ERR_NAME_INVALID'),
    )
  })
})

describe('the text of an IP address', () => {
  it.each([
    ['0.0.0.0', '00000000', '0.0.0.0'],
    ['255.255.255.255', 'ffffffff', '255.255.255.255'],
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['2001:DB8:0:0:0:0:0:1', '20010db8000000000000000000000001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '20010000000000010000000000000001', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201', '::ffff:c000:201'],
    ['1:2:3:4:5:6:1.2.3.4', '00010002000300040005000601020304', '1:2:3:4:5:6:102:304'],
  ])('%s', (text, address, canonical) => {
    expect(hex(ipAddressOctets(text))).toBe(address)
    expect(formatIpAddress(fromHex(address))).toBe(canonical)
    expect(hex(ipAddressOctets(canonical))).toBe(address)
    expect(generalName.ip(text)).toEqual({ type: 'ip', address: fromHex(address), value: canonical })
  })

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '::1.2.3.256',
    '10.0.0.0/8',
    'example.org',
  ])('%j is none', (text) => {
    expect(() => ipAddressOctets(text)).toThrow(code('ERR_NAME_INVALID'))
    expect(() => generalName.ip(text)).toThrow(code('ERR_NAME_INVALID'))
  })

  it.each([0, 3, 5, 8, 15, 17, 32])('is not of %i octets', (count) => {
    expect(() => formatIpAddress(new Uint8Array(count))).toThrow(code('ERR_NAME_INVALID'))
  })
})

it.each([[{ type: 'hostname', value: 'a' }], [{}], [undefined]])(
  'a name of no kind is refused: %j',
  (name) => {
    expect(() => encodeGeneralName(name as never)).toThrow(code('ERR_NAME_INVALID'))
  },
)
