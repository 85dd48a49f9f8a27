// Strict DER: what is read, what is refused, and that what is written reads back.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DerReader,
  bitString,
  boolean,
  booleanContent,
  checkOid,
  checkWellFormed,
  decodeOid,
  encodeGeneralizedTime,
  encodeOid,
  encodeTime,
  explicit,
  ia5String,
  implicit,
  integer,
  integerContent,
  namedBitString,
  namedBits,
  nullContent,
  nullElement,
  octetString,
  oid,
  readOid,
  readTime,
  readWhole,
  sequence,
  setOf,
  smallInteger,
  stringContent,
  tags,
  unsignedInteger,
  utf8String,
  wholeOctetsBitString,
} from '../../../src/der/index.ts'
import { code } from '../../support/codes.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const at = (text: string): DerReader => {
  const reader = new DerReader(hex(text))
  reader.next()
  return reader
}

describe('DerReader', () => {
  it.each([
    ['nothing', ''],
    ['a tag alone', '30'],
    ['an indefinite length', '30 80 00 00'],
    ['a length of one octet in two', '04 81 01 00'],
    ['a length with a leading zero', '04 82 00 81'],
    ['a length beyond the input', '04 05 00'],
    ['a length of five octets', '04 85 01 00 00 00 00'],
    ['a reserved length', '04 ff'],
    ['a tag of two octets', '1f 81 00'],
    ['end of contents', '00 00'],
  ])('refuses %s', (_what, text) => {
    expect(() => new DerReader(hex(text)).next()).toThrow(code('ERR_DER'))
  })

  it('slices, and says where', () => {
    const reader = new DerReader(hex('30 03 02 01 05 04 00')).expect(tags.sequence, 'outer')
    expect([reader.start, reader.contentStart, reader.contentEnd, reader.done]).toEqual([0, 2, 5, false])
    expect(smallInteger(reader.inner().expect(tags.integer, 'inner'), 'inner')).toBe(5)
    expect(reader.optional(tags.integer, 'a number')).toBe(false)
    expect(reader.optional(tags.octetString, 'octets')).toBe(true)
    expect([reader.done, reader.peek()]).toEqual([true, -1])
  })

  it('refuses another tag, and what is left over', () => {
    expect(() => new DerReader(hex('04 00')).expect(tags.sequence, 'x')).toThrow(code('ERR_DER'))
    expect(() => readWhole(hex('30 00 00'), tags.sequence, 'x')).toThrow(code('ERR_DER'))
    expect(() => at('30 00 05 00').finish('x')).toThrow(code('ERR_DER'))
  })
})

describe('primitives', () => {
  it.each([
    ['01 01 ff', true],
    ['01 01 00', false],
  ])('BOOLEAN %s is %s', (text, value) => {
    expect(booleanContent(at(text), 'x')).toBe(value)
  })

  it.each(['01 01 01', '01 01 fe', '01 00', '01 02 ff ff'])('refuses BOOLEAN %s', (text) => {
    expect(() => booleanContent(at(text), 'x')).toThrow(code('ERR_DER'))
  })

  it.each(['02 00', '02 02 00 7f', '02 02 ff 80', '02 03 00 00 80'])('refuses INTEGER %s', (text) => {
    expect(() => integerContent(at(text), 'x')).toThrow(code('ERR_DER'))
  })

  it.each([
    ['02 01 00', 0],
    ['02 01 7f', 127],
    ['02 02 00 80', 128],
    ['02 03 01 00 01', 65_537],
  ])('small INTEGER %s is %i', (text, value) => {
    expect(smallInteger(at(text), 'x')).toBe(value)
  })

  it.each(['02 01 ff', '02 09 7f ff ff ff ff ff ff ff ff'])('refuses small INTEGER %s', (text) => {
    expect(() => smallInteger(at(text), 'x')).toThrow()
  })

  it.each(['03 00', '03 01 01', '03 02 08 00', '03 02 01 01'])('refuses BIT STRING %s', (text) => {
    expect(() => namedBits(at(text), 'x')).toThrow(code('ERR_DER'))
  })

  it('wants whole octets, and named bits without trailing zeros', () => {
    expect(wholeOctetsBitString(at('03 02 00 aa'), 'x')).toEqual(hex('aa'))
    expect(() => wholeOctetsBitString(at('03 02 04 a0'), 'x')).toThrow(code('ERR_DER'))
    expect(namedBits(at('03 02 05 a0'), 'x')).toBe(0b101)
    expect(() => namedBits(at('03 02 04 a0'), 'x')).toThrow(code('ERR_DER'))
    expect(() => nullContent(at('05 01 00'), 'x')).toThrow(code('ERR_DER'))
  })
})

describe('object identifiers', () => {
  it.each([
    ['2.5.29.17', '551d11'],
    ['1.2.840.113549.1.1.11', '2a864886f70d01010b'],
    ['2.999', '8837'],
    ['0.39', '27'],
    ['2.16.840.1.101.3.4.2.1', '608648016503040201'],
  ])('%s', (text, octets) => {
    expect(Buffer.from(encodeOid(text)).toString('hex')).toBe(octets)
    const der = oid(text)
    expect(decodeOid(der, 2)).toBe(text)
  })

  it.each(['06 00', '06 01 80', '06 02 80 01', '06 03 55 1d 80'])('refuses %s', (text) => {
    const der = hex(text)
    expect(() => checkOid(der, 2, der.length)).toThrow(code('ERR_OID_INVALID'))
  })

  it.each(['', '1', '3.1', '1.40', '1.02', 'a.b', '1..2', '1.2.'])('refuses %j', (text) => {
    expect(() => encodeOid(text)).toThrow(code('ERR_OID_INVALID'))
  })
})

describe('times', () => {
  const time = (tag: number, text: string): DerReader =>
    new DerReader(Uint8Array.of(tag, text.length, ...Buffer.from(text)))
  it.each([
    ['500101000000Z', '1950-01-01T00:00:00Z'],
    ['491231235959Z', '2049-12-31T23:59:59Z'],
    ['240229120000Z', '2024-02-29T12:00:00Z'],
  ])('UTCTime %s is %s', (text, value) => {
    expect(readTime(time(tags.utcTime, text), 'x')).toBe(Date.parse(value))
  })

  it.each([
    '230229000000Z',
    '231301000000Z',
    '230001000000Z',
    '230132000000Z',
    '230101240000Z',
    '230101006000Z',
    '230101000060Z',
    '2301010000Z',
    '230101000000',
    '230101000000+0000',
    '23010100000 Z',
  ])('refuses UTCTime %s', (text) => {
    expect(() => readTime(time(tags.utcTime, text), 'x')).toThrow(code('ERR_TIME_INVALID'))
  })

  it.each(['20500101000000.5Z', '205001010000Z', '20500101000000', '20500230000000Z'])(
    'refuses GeneralizedTime %s',
    (text) => {
      expect(() => readTime(time(tags.generalizedTime, text), 'x')).toThrow(code('ERR_TIME_INVALID'))
    },
  )

  it('writes UTCTime before 2050 and GeneralizedTime after', () => {
    expect(encodeTime(Date.parse('2049-12-31T23:59:59Z'))[0]).toBe(tags.utcTime)
    expect(encodeTime(Date.parse('2050-01-01T00:00:00Z'))[0]).toBe(tags.generalizedTime)
    expect(() => encodeTime(Date.parse('1949-12-31T23:59:59Z'))).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => encodeGeneralizedTime(Number.NaN)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('reads what it writes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.parse('1950-01-01') / 1000, max: Date.parse('9999-12-31') / 1000 }),
        (seconds) => {
          expect(readTime(new DerReader(encodeTime(seconds * 1000)), 'x')).toBe(seconds * 1000)
        },
      ),
    )
  })
})

describe('strings', () => {
  it.each([
    ['0c 02 c3 28', 'UTF-8 that is none'],
    ['16 01 80', 'an IA5String with an octet above 7f'],
    ['13 01 40', 'a PrintableString with an @'],
    ['1e 01 00', 'a BMPString of one octet'],
    ['1e 02 d8 00', 'a BMPString with a surrogate'],
  ])('refuses %s: %s', (text) => {
    expect(() => stringContent(at(text), 'x')).toThrow(code('ERR_STRING_INVALID'))
  })

  it('reads and writes the usual ones', () => {
    expect(stringContent(at('0c 03 c3 a9 21'), 'x')).toBe('é!')
    const written = utf8String('grüße 🌍')
    const reader = new DerReader(written)
    reader.next()
    expect(stringContent(reader, 'x')).toBe('grüße 🌍')
    expect(() => ia5String('é')).toThrow(code('ERR_STRING_INVALID'))
  })
})

describe('writers', () => {
  const primitive = fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map((value) => integer(value)),
    fc.boolean().map(boolean),
    fc.uint8Array({ maxLength: 300 }).map((octets) => octetString(octets)),
    fc.uint8Array({ maxLength: 40 }).map((octets) => bitString(octets)),
    fc.constant(nullElement()),
    fc.nat(0x1ff).map((bits) => namedBitString(bits)),
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((octets) => unsignedInteger(octets)),
    fc.string().map((text) => utf8String(text)),
  )
  const { tree } = fc.letrec<{ tree: Uint8Array }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      primitive,
      fc.array(tie('tree'), { maxLength: 4 }).map((list) => sequence(...list)),
      fc.array(tie('tree'), { maxLength: 4 }).map((list) => explicit(1, ...list)),
    ),
  }))

  it('write what is well formed', () => {
    fc.assert(
      fc.property(tree, (der) => {
        expect(() => checkWellFormed(der, 'x')).not.toThrow()
      }),
    )
  })

  it('sort a SET OF, and keep a tag that is asked for', () => {
    expect(setOf(hex('02 01 02'), hex('02 01 01'))).toEqual(hex('31 06 02 01 01 02 01 02'))
    expect(implicit(2, hex('aa'))).toEqual(hex('82 01 aa'))
    expect(unsignedInteger(hex('00 00 80'))).toEqual(hex('02 02 00 80'))
    expect(() => integer(1.5)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000])('write the shortest length of %i octets', (length) => {
    const der = octetString(new Uint8Array(length))
    expect(readWhole(der, tags.octetString, 'x').end).toBe(der.length)
  })

  it('go no deeper than the limit', () => {
    let der = nullElement()
    for (let i = 0; i < 200; i++) der = sequence(der)
    expect(() => checkWellFormed(der, 'x')).toThrow(code('ERR_DER_DEPTH'))
  })
})

describe('what cannot be read is named', () => {
  it.each([
    ['an optional element that is cut off', '02 05 01', (reader: DerReader) => reader.optional(2, 'minimum')],
    ['an object identifier without content', '06 00', (reader: DerReader) => readOid(reader, 'minimum')],
    ['a padded object identifier', '06 02 80 01', (reader: DerReader) => readOid(reader, 'minimum')],
    ['an object identifier that ends early', '06 01 81', (reader: DerReader) => readOid(reader, 'minimum')],
    ['an absent object identifier', '', (reader: DerReader) => readOid(reader, 'minimum')],
  ])('%s', (_what, octets, read) => {
    expect(() => read(new DerReader(hex(octets)))).toThrow(/^minimum: /u)
  })
})
