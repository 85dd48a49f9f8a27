// Distinguished names: RFC 4514 text both ways, comparison by RFC 5280 section 7.1, and what is no name.

import { describe, expect, it } from 'vitest'
import {
  bitString,
  element,
  integer,
  nullElement,
  oid,
  sequence,
  setOf,
  tags,
  utf8String,
} from '../../../src/der/index.ts'
import { DistinguishedName } from '../../../src/x509/index.ts'
import { rdnComparisonKey } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import { concat, fromHex, hex } from './encodings.ts'

const text = (tag: number, value: string, encoding: BufferEncoding = 'latin1'): Uint8Array =>
  element(tag, Buffer.from(value, encoding))
const printable = (value: string): Uint8Array => text(tags.printableString, value)
const teletex = (value: string): Uint8Array => text(tags.teletexString, value)
const bmp = (value: string): Uint8Array => element(tags.bmpString, Buffer.from(value, 'utf16le').swap16())
const universal = (value: string): Uint8Array =>
  element(
    tags.universalString,
    Buffer.concat(
      [...value].map((point) =>
        Buffer.from([0, ...fromHex((point.codePointAt(0) as number).toString(16).padStart(6, '0'))]),
      ),
    ),
  )
const cn = '2.5.4.3'
const o = '2.5.4.10'
const attribute = (type: string, value: Uint8Array): Uint8Array => sequence(oid(type), value)
/** One attribute per RDN. */
const nameOf = (...attributes: readonly (readonly [string, Uint8Array])[]): DistinguishedName =>
  DistinguishedName.fromDer(sequence(...attributes.map(([type, value]) => setOf(attribute(type, value)))))
const attributesOf = (name: DistinguishedName): (string | undefined)[][] =>
  name.rdns.map((rdn) => rdn.flatMap(({ type, value }) => [type, value]))

describe('characters that are not seen', () => {
  // RFC 4518 §2.2 maps them to nothing; a path by such a name would be accepted here and nowhere else.
  it.each(['\u0000root', 'ro\u0000ot', 'ro\u00adot', 'root\u200b', '\ufeffroot', 'ro\u0085ot', 'root\u007f'])(
    'make another name: %j',
    (text) => {
      const found = (value: string): DistinguishedName =>
        DistinguishedName.fromDer(sequence(setOf(sequence(oid('2.5.4.3'), utf8String(value)))))
      expect(found(text).equals(found('root'))).toBe(false)
      expect(found(text).equals(found(text.toUpperCase()))).toBe(true)
    },
  )
})

describe('RFC 4514 text', () => {
  it.each<readonly [string, (string | undefined)[][]]>([
    ['', []],
    ['CN=web', [[cn, 'web']]],
    [
      'CN=web,OU=Shop,O=Example',
      [
        [o, 'Example'],
        ['2.5.4.11', 'Shop'],
        [cn, 'web'],
      ],
    ],
    [
      'CN=a+OU=b,O=c',
      [
        [o, 'c'],
        [cn, 'a', '2.5.4.11', 'b'],
      ],
    ],
    ['CN=a+CN=b', [[cn, 'a', cn, 'b']]],
    [
      'DC=web,DC=example',
      [
        ['0.9.2342.19200300.100.1.25', 'example'],
        ['0.9.2342.19200300.100.1.25', 'web'],
      ],
    ],
    ['emailAddress=a@example.org', [['1.2.840.113549.1.9.1', 'a@example.org']]],
    ['C=DE', [['2.5.4.6', 'DE']]],
    [
      'UID=1,serialNumber=0-9,SN=s,GN=g,title=t,ST=x,L=l,STREET=y',
      [
        ['2.5.4.9', 'y'],
        ['2.5.4.7', 'l'],
        ['2.5.4.8', 'x'],
        ['2.5.4.12', 't'],
        ['2.5.4.42', 'g'],
        ['2.5.4.4', 's'],
        ['2.5.4.5', '0-9'],
        ['0.9.2342.19200300.100.1.1', '1'],
      ],
    ],
    [String.raw`CN=\ lead`, [[cn, ' lead']]],
    [String.raw`CN=trail\ `, [[cn, 'trail ']]],
    [String.raw`CN=\ `, [[cn, ' ']]],
    [String.raw`CN=\  \ `, [[cn, '   ']]],
    ['CN=a  b', [[cn, 'a  b']]],
    [String.raw`CN=\#a#b`, [[cn, '#a#b']]],
    [String.raw`CN=\"\+\,\;\<\=\>\\`, [[cn, '"+,;<=>\\']]],
    [String.raw`CN=a\\\,b`, [[cn, 'a\\,b']]],
    ["CN='()*@_/:?-.", [[cn, "'()*@_/:?-."]]],
    ['CN=Söhne Ǆ 名 😀', [[cn, 'Söhne Ǆ 名 😀']]],
    ['2.5.4.45=#03020080', [['2.5.4.45', undefined]]],
    ['1.2.3.4=#0c0474657874', [['1.2.3.4', 'text']]],
    ['CN=a+1.2.3.4=#0c0474657874', [[cn, 'a', '1.2.3.4', 'text']]],
  ])('%s both ways', (written, attributes) => {
    const name = DistinguishedName.parse(written)
    expect(attributesOf(name)).toEqual(attributes)
    expect(name.toString()).toBe(written)
    expect(JSON.stringify({ name })).toBe(JSON.stringify({ name: written }))
    expect(DistinguishedName.fromDer(name.der).toString()).toBe(written)
    expect(name.isEmpty).toBe(written === '')
  })

  it.each([
    ['cn=web', 'CN=web'],
    ['2.5.4.3=web', 'CN=web'],
    ['EMAILADDRESS=a@b', 'emailAddress=a@b'],
    [' CN =  web  ,  O = x ', 'CN=web,O=x'],
    [String.raw`CN=S\C3\B6hne`, 'CN=Söhne'],
    [String.raw`CN=\F0\9F\98\80`, 'CN=😀'],
    [String.raw`CN=a\2cb`, String.raw`CN=a\,b`],
    [String.raw`CN=\41\42`, 'CN=AB'],
    [String.raw`CN=\20a`, String.raw`CN=\ a`],
    [String.raw`CN=a\20`, String.raw`CN=a\ `],
    [String.raw`CN=a\20 `, String.raw`CN=a\ `],
    ['CN=a=b', String.raw`CN=a\=b`],
    ['OU=b+CN=a', 'CN=a+OU=b'],
    ['CN=#0c03776562', 'CN=web'],
    ['CN=#1303776562 , O=x', 'CN=web,O=x'],
    ['CN= #0C03776562+OU=b', 'OU=b+CN=web'],
    ['CN=#1e0400410042', 'CN=AB'],
    ['1.2.3.4=text', '1.2.3.4=#0c0474657874'],
  ])('%s is read as %s', (written, canonical) => {
    expect(DistinguishedName.parse(written).toString()).toBe(canonical)
  })

  it.each([
    ['CN', 'ERR_NAME_INVALID'],
    ['=a', 'ERR_NAME_INVALID'],
    ['CN=', 'ERR_NAME_INVALID'],
    ['CN=   ', 'ERR_NAME_INVALID'],
    ['CN=a,', 'ERR_NAME_INVALID'],
    ['CN=a+', 'ERR_NAME_INVALID'],
    [',CN=a', 'ERR_NAME_INVALID'],
    ['CN=a,,O=b', 'ERR_NAME_INVALID'],
    ['CN=a;O=b', 'ERR_NAME_INVALID'],
    ['CN="a"', 'ERR_NAME_INVALID'],
    ['CN=a<b', 'ERR_NAME_INVALID'],
    ['CN=a>b', 'ERR_NAME_INVALID'],
    ['CN=a\\', 'ERR_NAME_INVALID'],
    [String.raw`CN=\a`, 'ERR_NAME_INVALID'],
    [String.raw`CN=\zz`, 'ERR_NAME_INVALID'],
    [String.raw`CN=\C3`, 'ERR_NAME_INVALID'],
    [String.raw`CN=\C0\80`, 'ERR_NAME_INVALID'],
    [String.raw`CN=a\00b`, 'ERR_NAME_INVALID'],
    [String.raw`CN=a\0Ab`, 'ERR_NAME_INVALID'],
    ['CN=a\nb', 'ERR_NAME_INVALID'],
    ['CN=\ud800', 'ERR_NAME_INVALID'],
    ['CN=\udc00x', 'ERR_NAME_INVALID'],
    ['nosuch=a', 'ERR_NAME_INVALID'],
    ['1=a', 'ERR_NAME_INVALID'],
    ['1.2.=a', 'ERR_NAME_INVALID'],
    ['OID.2.5.4.3=a', 'ERR_NAME_INVALID'],
    ['9.9=a', 'ERR_OID_INVALID'],
    ['1.2.03=a', 'ERR_OID_INVALID'],
    ['CN=#', 'ERR_NAME_INVALID'],
    ['CN=#0', 'ERR_NAME_INVALID'],
    ['CN=#0c0', 'ERR_NAME_INVALID'],
    ['CN=#0c0161x', 'ERR_NAME_INVALID'],
    ['CN=#0c01 61', 'ERR_NAME_INVALID'],
    ['CN=#0c01', 'ERR_DER'],
    ['CN=#0c0161ff', 'ERR_DER'],
    ['CN=#0c01610c0162', 'ERR_DER'],
    ['CN=#0c810161', 'ERR_DER'],
    ['CN=#020101', 'ERR_NAME_INVALID'],
    ['CN=#130140', 'ERR_STRING_INVALID'],
    ['CN=#0c01ff', 'ERR_STRING_INVALID'],
    ['2.5.4.45=#03020181', 'ERR_DER'],
    [`CN=${'a'.repeat(65)}`, 'ERR_NAME_INVALID'],
    [`1.2.3.4=${'a'.repeat(16 * 1024)}`, 'ERR_NAME_INVALID'],
    ['C=D', 'ERR_NAME_INVALID'],
    ['C=DEU', 'ERR_NAME_INVALID'],
    ['C=ÄÖ', 'ERR_NAME_INVALID'],
    ['C=D_', 'ERR_NAME_INVALID'],
    ['serialNumber=a_b', 'ERR_NAME_INVALID'],
    ['dnQualifier=ä', 'ERR_NAME_INVALID'],
    ['emailAddress=ä@b', 'ERR_STRING_INVALID'],
    ['DC=bücher', 'ERR_STRING_INVALID'],
  ])('%j is none: %s', (written, wanted) => {
    expect(() => DistinguishedName.parse(written)).toThrow(code(wanted))
  })

  it('shows what is no text of its type, and control characters, so that they can be seen', () => {
    expect(nameOf([cn, utf8String('a\0b\x7f')]).toString()).toBe(String.raw`CN=a\00b\7F`)
    expect(nameOf(['2.5.4.45', bitString(Uint8Array.of(1))]).toString()).toBe('2.5.4.45=#03020001')
  })
})

describe('a name from attributes', () => {
  it.each([
    ['CN', 'web', tags.utf8String],
    ['O', 'Example, Inc.', tags.utf8String],
    ['C', 'DE', tags.printableString],
    ['serialNumber', '0815', tags.printableString],
    ['dnQualifier', 'a=b', tags.printableString],
    ['DC', 'example', tags.ia5String],
    ['emailAddress', 'a@b', tags.ia5String],
    ['1.2.3.4', 'x', tags.utf8String],
  ])('%s is of the type that the standard wants', (type, value, tag) => {
    const name = DistinguishedName.of([[type, value]])
    expect(name.rdns[0]?.[0]?.der[0]).toBe(tag)
    expect(name.values(type)).toEqual([value])
  })

  it.each<readonly [readonly (readonly [string, string])[], string]>([
    [[['CN', '']], 'ERR_NAME_INVALID'],
    [[['CN', 'a\0']], 'ERR_NAME_INVALID'],
    [[['CN', '\ud800']], 'ERR_NAME_INVALID'],
    [[['nosuch', 'a']], 'ERR_NAME_INVALID'],
    [[['O', 'a'.repeat(65)]], 'ERR_NAME_INVALID'],
    [[['1.40', 'a']], 'ERR_OID_INVALID'],
  ])('%j is none', (attributes, wanted) => {
    expect(() => DistinguishedName.of(attributes)).toThrow(code(wanted))
  })

  it('values are asked for by short name of any case or by object identifier', () => {
    const name = DistinguishedName.parse('CN=b,CN=a,2.5.4.45=#03020080,O=c')
    expect(name.values('cn')).toEqual(['a', 'b'])
    expect(name.values(o)).toEqual(['c'])
    expect(name.values('OU')).toEqual([])
    expect(name.values('2.5.4.45')).toEqual([])
    expect(() => name.values('nosuch')).toThrow(code('ERR_NAME_INVALID'))
  })
})

describe('two names are the same (RFC 5280 §7.1)', () => {
  it.each<readonly [string, DistinguishedName, DistinguishedName]>([
    ['in another case', DistinguishedName.parse('CN=Web Server'), DistinguishedName.parse('CN=wEB sERVER')],
    ['beyond ASCII too', DistinguishedName.parse('CN=ÄPFEL'), DistinguishedName.parse('CN=äpfel')],
    ['with other white space inside', DistinguishedName.parse('CN=a   b'), DistinguishedName.parse('CN=a b')],
    [
      'with white space around',
      DistinguishedName.parse(String.raw`CN=\ a b\ `),
      DistinguishedName.parse('CN=a b'),
    ],
    ['as PrintableString and UTF8String', nameOf([cn, printable('web')]), nameOf([cn, utf8String('WEB')])],
    [
      'as TeletexString and UTF8String',
      nameOf([cn, teletex('b\xfccher')]),
      nameOf([cn, utf8String('Bücher')]),
    ],
    ['as BMPString and UTF8String', nameOf([cn, bmp('Bücher')]), nameOf([cn, utf8String('bücher')])],
    ['as UniversalString and UTF8String', nameOf([cn, universal('a😀')]), nameOf([cn, utf8String('A😀')])],
    ['in compatibility form', nameOf([cn, utf8String('Ａ\u030a')]), nameOf([cn, utf8String('Å')])],
    [
      'with the attributes of one RDN in another order',
      DistinguishedName.fromDer(
        sequence(setOf(attribute(cn, utf8String('a')), attribute(cn, printable('b')))),
      ),
      DistinguishedName.fromDer(
        sequence(setOf(attribute(cn, printable('a')), attribute(cn, utf8String('b')))),
      ),
    ],
    ['with an empty name', DistinguishedName.of([]), DistinguishedName.parse('')],
    [
      'with values that are no text',
      nameOf(['2.5.4.45', bitString(Uint8Array.of(1))]),
      nameOf(['2.5.4.45', bitString(Uint8Array.of(1))]),
    ],
  ])('%s', (_how, a, b) => {
    expect(a.equals(b)).toBe(true)
    expect(b.equals(a)).toBe(true)
    expect(a.comparisonKey).toBe(b.comparisonKey)
  })

  it.each<readonly [string, DistinguishedName, DistinguishedName]>([
    ['with RDNs in another order', DistinguishedName.parse('CN=a,O=b'), DistinguishedName.parse('O=b,CN=a')],
    ['with one RDN for two', DistinguishedName.parse('CN=a+O=b'), DistinguishedName.parse('CN=a,O=b')],
    ['with another type', DistinguishedName.parse('CN=a'), DistinguishedName.parse('OU=a')],
    ['with white space where none was', DistinguishedName.parse('CN=a b'), DistinguishedName.parse('CN=ab')],
    ['with more behind', DistinguishedName.parse('CN=a,O=b'), DistinguishedName.parse('O=b')],
    ['with an attribute twice', DistinguishedName.parse('CN=a+CN=a'), DistinguishedName.parse('CN=a')],
    [
      'with bits that differ',
      nameOf(['2.5.4.45', bitString(Uint8Array.of(1))]),
      nameOf(['2.5.4.45', bitString(Uint8Array.of(2))]),
    ],
    [
      'with text that looks like the form of a value that is no text',
      nameOf(['1.2.3.4', utf8String('#03020001')]),
      nameOf(['1.2.3.4', bitString(Uint8Array.of(1))]),
    ],
    [
      'with a value that looks like two RDNs',
      nameOf([cn, utf8String(`a\u0001${o}=b`)]),
      nameOf([cn, utf8String('a')], [o, utf8String('b')]),
    ],
    [
      'with a value that looks like two RDNs and their lengths',
      nameOf([cn, utf8String(`a\u0001${o}=1:b`)]),
      nameOf([cn, utf8String('a')], [o, utf8String('b')]),
    ],
    [
      'with a value that looks like two attributes',
      nameOf([o, utf8String(`b\u0002${cn}=a`)]),
      DistinguishedName.parse('CN=a+O=b'),
    ],
    [
      'with a value that looks like two attributes and their lengths',
      nameOf([o, utf8String(`b\u0002${cn}=1:a`)]),
      DistinguishedName.parse('CN=a+O=b'),
    ],
  ])('not %s', (_how, a, b) => {
    expect(a.equals(b)).toBe(false)
    expect(b.equals(a)).toBe(false)
    expect(a.comparisonKey).not.toBe(b.comparisonKey)
  })

  it('RDN by RDN, as directory name constraints want it', () => {
    const keys = DistinguishedName.parse('CN=a,O=b').rdns.map(rdnComparisonKey)
    expect(DistinguishedName.parse('O=B').rdns.map(rdnComparisonKey)).toEqual(keys.slice(0, 1))
  })
})

describe('the DER of a name', () => {
  it.each<readonly [string, Uint8Array, string]>([
    ['UTF8String', utf8String('ü😀'), 'ü😀'],
    ['PrintableString', printable("a '()+,-./:=?"), "a '()+,-./:=?"],
    ['TeletexString', teletex('\xfc'), 'ü'],
    ['IA5String', text(tags.ia5String, 'a@b'), 'a@b'],
    ['NumericString', text(tags.numericString, '12 3'), '12 3'],
    ['BMPString', bmp('名'), '名'],
    ['UniversalString', universal('😀'), '😀'],
  ])('has values of %s', (_type, value, wanted) => {
    expect(nameOf([cn, value]).rdns).toEqual([[{ type: cn, value: wanted, der: value }]])
  })

  it.each<readonly [string, Uint8Array, string]>([
    ['of another tag', setOf(setOf(attribute(cn, utf8String('a')))), 'ERR_DER'],
    ['of VisibleString', sequence(setOf(attribute(cn, text(tags.visibleString, 'a~')))), 'ERR_NAME_INVALID'],
    ['with more behind it', concat(DistinguishedName.parse('CN=a').der, nullElement()), 'ERR_DER'],
    ['with an empty RDN', sequence(setOf()), 'ERR_NAME_INVALID'],
    ['with a SEQUENCE for an RDN', sequence(sequence(attribute(cn, utf8String('a')))), 'ERR_DER'],
    ['with an attribute that is none', sequence(setOf(oid(cn))), 'ERR_DER'],
    ['with an attribute without value', sequence(setOf(sequence(oid(cn)))), 'ERR_DER'],
    [
      'with an attribute of two values',
      sequence(setOf(sequence(oid(cn), utf8String('a'), utf8String('b')))),
      'ERR_DER',
    ],
    [
      'with a type that is no object identifier',
      sequence(setOf(sequence(utf8String('CN'), utf8String('a')))),
      'ERR_DER',
    ],
    [
      'with a type that is cut off',
      sequence(setOf(sequence(fromHex('06025581'), utf8String('a')))),
      'ERR_OID_INVALID',
    ],
    [
      'with attributes out of order',
      sequence(element(tags.set, attribute(o, utf8String('a')), attribute(cn, utf8String('a')))),
      'ERR_DER',
    ],
    ['with a value that is a number', sequence(setOf(attribute(cn, integer(1)))), 'ERR_NAME_INVALID'],
    [
      'with octets that are not UTF-8',
      sequence(setOf(attribute(cn, fromHex('0c02c3c3')))),
      'ERR_STRING_INVALID',
    ],
    [
      'with a PrintableString that is none',
      sequence(setOf(attribute(cn, printable('a@b')))),
      'ERR_STRING_INVALID',
    ],
    ['with an odd BMPString', sequence(setOf(attribute(cn, fromHex('1e03004100')))), 'ERR_STRING_INVALID'],
    [
      'with a BMPString of surrogates',
      sequence(setOf(attribute(cn, fromHex('1e04d83dde00')))),
      'ERR_STRING_INVALID',
    ],
    [
      'with a UniversalString beyond Unicode',
      sequence(setOf(attribute(cn, fromHex('1c0400110000')))),
      'ERR_STRING_INVALID',
    ],
    [
      'with a sequence that is not DER inside',
      sequence(setOf(attribute('2.5.4.16', sequence(fromHex('010101'))))),
      'ERR_DER',
    ],
    [
      'with 257 attributes',
      sequence(...Array.from({ length: 257 }, () => setOf(attribute(cn, utf8String('a'))))),
      'ERR_LIMIT_EXCEEDED',
    ],
  ])('is refused when it is asked for: %s', (_what, der, wanted) => {
    const name = DistinguishedName.fromDer(der)
    for (const use of [
      () => name.rdns,
      () => name.toString(),
      () => name.comparisonKey,
      () => name.values('CN'),
    ])
      expect(use).toThrow(code(wanted))
    expect(hex(name.der)).toBe(hex(der))
  })
})

describe('combining characters in a row', () => {
  const named = (value: string): DistinguishedName => nameOf([cn, utf8String(value)])
  const marks = '\u0301\u0316'

  it.each([
    ['64 under one letter', `a${marks.repeat(32)}`],
    ['64 each under many letters', `a${marks.repeat(32)}`.repeat(100)],
    ['many, apart', 'e\u0301'.repeat(1000)],
  ])('are compared: %s', (_what, value) => {
    // The order of marks of different classes does not matter (RFC 4518 §2.3).
    expect(named(value).equals(named(value.replaceAll(marks, '\u0316\u0301')))).toBe(true)
  })

  it.each([
    ['65', `a${marks.repeat(32)}\u0301`],
    ['20,000', `a${marks.repeat(10_000)}`],
    ['halfwidth voicing marks among them', `a${'\uFF9E\u0334'.repeat(33)}`],
    ['at the beginning', marks.repeat(33)],
  ])('are refused: %s', (_what, value) => {
    for (const read of [
      (name: DistinguishedName) => name.rdns,
      (name: DistinguishedName) => name.comparisonKey,
      (name: DistinguishedName) => name.toString(),
    ]) {
      expect(() => read(named(value))).toThrow(code('ERR_NAME_INVALID'))
    }
  })
})
