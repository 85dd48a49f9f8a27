// What BER lets a sender choose and DER does not: X.690 sections 8, 10 and 11, one table a rule, and each
// rule against trees of any shape.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DerReader,
  bitString,
  bitStringContent,
  boolean,
  checkWellFormed,
  contextConstructed,
  contextPrimitive,
  decodeOid,
  directoryString,
  encodeGeneralizedTime,
  encodeOid,
  encodeTime,
  explicit,
  generalizedTimeContent,
  implicit,
  integer,
  integerContent,
  namedBitString,
  namedBits,
  nullElement,
  octetString,
  oid,
  readTime,
  sequence,
  setOf,
  smallInteger,
  stringContent,
  tags,
  utcTimeContent,
  utf8String,
} from '../../../src/der/index.ts'
import { isPkiError } from '../../../src/errors/index.ts'
import { code } from '../../support/codes.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const at = (der: Uint8Array): DerReader => {
  const reader = new DerReader(der)
  reader.next()
  return reader
}
const wrapped = (der: Uint8Array): readonly Uint8Array[] => [
  der,
  sequence(der),
  explicit(0, sequence(nullElement(), der)),
]

describe('an element of an open type', () => {
  it.each([
    ['8.1.2.4 a tag number above 30', 'bf 1f 00', 'ERR_DER'],
    ['8.1.5 end of contents', '30 02 00 00', 'ERR_DER'],
    ['10.1 an indefinite length', '30 80 00 00', 'ERR_DER'],
    ['10.1 a padded length', '30 81 00', 'ERR_DER'],
    ['10.2 a constructed OCTET STRING', '24 04 04 02 aa bb', 'ERR_DER'],
    ['10.2 a constructed UTF8String', '2c 03 0c 01 61', 'ERR_DER'],
    ['10.2 a constructed BIT STRING', '23 04 03 02 00 aa', 'ERR_DER'],
    ['10.2 a constructed UTCTime', '37 00', 'ERR_DER'],
    ['8.9.1 a primitive SEQUENCE', '10 00', 'ERR_DER'],
    ['8.11.1 a primitive SET', '11 00', 'ERR_DER'],
    ['8.18 a primitive EXTERNAL', '08 00', 'ERR_DER'],
    ['8.19 a primitive EMBEDDED PDV', '0b 00', 'ERR_DER'],
    ['11.1 a BOOLEAN of 01', '01 01 01', 'ERR_DER'],
    ['8.2.1 a BOOLEAN of two octets', '01 02 ff ff', 'ERR_DER'],
    ['8.3.2 a padded INTEGER', '02 02 00 01', 'ERR_DER'],
    ['8.3.2 a padded negative INTEGER', '02 02 ff ff', 'ERR_DER'],
    ['8.3.1 an INTEGER without content', '02 00', 'ERR_DER'],
    ['8.4 a padded ENUMERATED', '0a 02 00 01', 'ERR_DER'],
    ['8.6.2.2 eight unused bits', '03 02 08 00', 'ERR_DER'],
    ['8.6.2.3 unused bits of nothing', '03 01 01', 'ERR_DER'],
    ['11.2.1 unused bits that are set', '03 02 01 ff', 'ERR_DER'],
    ['8.8.2 a NULL with content', '05 01 00', 'ERR_DER'],
    ['8.19.2 a padded arc', '06 02 80 01', 'ERR_OID_INVALID'],
    ['8.19.2 an arc that is cut off', '06 02 55 80', 'ERR_OID_INVALID'],
    ['8.19 an OBJECT IDENTIFIER without content', '06 00', 'ERR_OID_INVALID'],
    ['8.20.2 a padded arc of a RELATIVE-OID', '0d 02 80 01', 'ERR_OID_INVALID'],
    ['8.23.10 UTF-8 of an overlong form', '0c 02 c0 80', 'ERR_STRING_INVALID'],
    ['8.23.10 UTF-8 of a surrogate', '0c 03 ed a0 80', 'ERR_STRING_INVALID'],
    ['8.23.10 UTF-8 that is cut off', '0c 02 e2 82', 'ERR_STRING_INVALID'],
    ['8.23.10 UTF-8 above U+10FFFF', '0c 04 f4 90 80 80', 'ERR_STRING_INVALID'],
    ['8.23 an IA5String of 80', '16 01 80', 'ERR_STRING_INVALID'],
    ['8.23 a NumericString with a letter', '12 01 61', 'ERR_STRING_INVALID'],
    ['8.23 a PrintableString with an asterisk', '13 01 2a', 'ERR_STRING_INVALID'],
    ['8.23 a VisibleString with a control character', '1a 01 0a', 'ERR_STRING_INVALID'],
    ['8.23 a BMPString of three octets', '1e 03 00 61 00', 'ERR_STRING_INVALID'],
    ['8.23 a UniversalString of five octets', '1c 05 00 00 00 61 00', 'ERR_STRING_INVALID'],
    ['8.23 a UniversalString above U+10FFFF', '1c 04 00 11 00 00', 'ERR_STRING_INVALID'],
    ['8.23 a UniversalString of a surrogate', '1c 04 00 00 d8 00', 'ERR_STRING_INVALID'],
    ['11.6 a SET OF that is not sorted', '31 06 02 01 02 02 01 01', 'ERR_DER'],
    ['11.6 a SET OF that is sorted by its contents', '31 07 04 02 00 00 04 01 01', 'ERR_DER'],
  ])('X.690 %s', (_what, text, wanted) => {
    for (const der of wrapped(hex(text))) expect(() => checkWellFormed(der, 'x')).toThrow(code(wanted))
  })

  it.each([
    ['11.7.1 without its Z', '20260101000000'],
    ['11.7.1 with an offset', '20260101000000+0100'],
    ['11.7.1 with a small z', '20260101000000z'],
    ['11.7.2 without its seconds', '202601010000Z'],
    ['11.7.3 with a fraction that ends in 0', '20260101000000.50Z'],
    ['11.7.3 with a point and no fraction', '20260101000000.Z'],
    ['11.7.4 with a comma', '20260101000000,5Z'],
    ['of a month 13', '20261301000000Z'],
    ['of a day 0', '20260100000000Z'],
    ['of an hour 24', '20260101240000Z'],
    ['of a second 60', '20260101000060Z'],
    ['with a blank', ' 0260101000000Z'],
    ['of nothing', ''],
  ])('has no GeneralizedTime %s', (_what, text) => {
    expect(() => checkWellFormed(implicitly(tags.generalizedTime, text), 'x')).toThrow(
      code('ERR_TIME_INVALID'),
    )
  })

  it.each([
    ['11.8.1 without its Z', '260101000000'],
    ['11.8.2 without its seconds', '2601010000Z'],
    ['11.8.1 with an offset', '260101000000+0100'],
    ['with a fraction', '260101000000.5Z'],
    ['of an hour 24', '260101240000Z'],
    ['of four digits for the year', '20260101000000Z'],
  ])('has no UTCTime %s', (_what, text) => {
    expect(() => checkWellFormed(implicitly(tags.utcTime, text), 'x')).toThrow(code('ERR_TIME_INVALID'))
  })

  it.each([
    ['EXTERNAL', '28 05 06 03 55 04 03'],
    ['EMBEDDED PDV', '2b 02 05 00'],
    ['CHARACTER STRING', '3d 02 05 00'],
    ['an unsorted SET of several types', '31 05 05 00 02 01 01'],
    ['a SET OF with one element twice', '31 06 02 01 01 02 01 01'],
    ['a RELATIVE-OID', '0d 02 88 37'],
    ['an empty SEQUENCE', '30 00'],
    ['an empty UTF8String', '0c 00'],
    ['an implicit tag over what nobody knows', '80 01 01'],
    ['a TeletexString', '14 01 e9'],
  ])('may be %s', (_what, text) => {
    for (const der of wrapped(hex(text))) expect(() => checkWellFormed(der, 'x')).not.toThrow()
  })

  it('may have a time with a fraction (X.690 11.7.3)', () => {
    for (const text of ['20260101000000.5Z', '20260101000000.000001Z', '00000101000000Z'])
      expect(() => checkWellFormed(implicitly(tags.generalizedTime, text), 'x')).not.toThrow()
    expect(() => checkWellFormed(implicitly(tags.utcTime, '991231235959Z'), 'x')).not.toThrow()
  })

  it('goes 32 levels down and no deeper', () => {
    const nested = (levels: number): Uint8Array =>
      Array.from({ length: levels }).reduce<Uint8Array>((der) => sequence(der), nullElement())
    checkWellFormed(nested(32), 'x')
    expect(() => checkWellFormed(nested(33), 'x')).toThrow(code('ERR_DER_DEPTH'))
  })
})

describe('DER of any shape', () => {
  const arc = fc.bigInt({ min: 0n, max: 2n ** 70n })
  const oidText = fc
    .tuple(fc.constantFrom('0', '1', '2'), fc.nat(39), fc.array(arc, { maxLength: 5 }))
    .map(([root, second, rest]) => [root, second, ...rest].join('.'))
  const leaf = fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map((value) => integer(value)),
    fc.boolean().map(boolean),
    fc.uint8Array({ maxLength: 300 }).map((octets) => octetString(octets)),
    fc.uint8Array({ maxLength: 40 }).map((octets) => bitString(octets)),
    fc.constant(nullElement()),
    fc.nat(0xffff).map((bits) => namedBitString(bits)),
    fc
      .string({ unit: 'binary' })
      .filter((text) => !/\p{Surrogate}/u.test(text))
      .map(utf8String),
    oidText.map(oid),
    fc.integer({ min: 0, max: 4e12 }).map((ms) => encodeTime(ms)),
    fc.uint8Array({ maxLength: 9 }).map((octets) => implicit(3, octets)),
  )
  const { tree } = fc.letrec<{ tree: Uint8Array }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.array(tie('tree'), { maxLength: 4 }).map((list) => sequence(...list)),
      fc.array(tie('tree'), { maxLength: 4 }).map((list) => explicit(1, ...list)),
      fc.array(tie('tree'), { maxLength: 4 }).map((list) => setOf(...list)),
    ),
  }))

  it('is refused when it is cut off anywhere, or goes on', () => {
    fc.assert(
      fc.property(tree, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 3 }), (der, cut, more) => {
        expect(() => checkWellFormed(der.subarray(0, cut % der.length), 'x')).toThrow(code('ERR_DER'))
        expect(() => checkWellFormed(Buffer.concat([der, more]), 'x')).toThrow(code('ERR_DER'))
      }),
    )
  })

  it('has one length for each element: any other spelling of one is refused', () => {
    fc.assert(
      fc.property(tree, fc.nat(), fc.integer({ min: 1, max: 5 }), (der, which, extra) => {
        expect(() => checkWellFormed(withPaddedLength(der, which, extra), 'x')).toThrow(
          expect.objectContaining({ name: 'PkiError' }),
        )
      }),
    )
  })

  it('is refused by a code, whichever octets are changed', () => {
    fc.assert(
      fc.property(tree, fc.nat(), fc.nat(255), (der, place, octet) => {
        const changed = der.slice()
        changed[place % der.length] = octet
        try {
          checkWellFormed(changed, 'x')
        } catch (error) {
          expect(isPkiError(error)).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('gives an object identifier back as it was', () => {
    fc.assert(
      fc.property(oidText, (text) => {
        const content = encodeOid(text)
        expect(decodeOid(content)).toBe(text)
        expect(encodeOid(decodeOid(content))).toEqual(content)
      }),
    )
  })

  it('has object identifiers of 64 octets, and of no more', () => {
    // The longest text is of 64 arcs of three digits, the longest arc of 448 bits.
    for (const text of [`2.47${'.127'.repeat(63)}`, `2.${2n ** 447n - 80n}`]) {
      expect(encodeOid(text)).toHaveLength(64)
      expect(decodeOid(encodeOid(text))).toBe(text)
    }
    for (const text of [
      `2.47${'.127'.repeat(64)}`,
      `2.47${'.12'.repeat(64)}`,
      `2.${2n ** 448n}`,
      `1.2.${'9'.repeat(300)}`,
    ])
      expect(() => encodeOid(text)).toThrow(code('ERR_OID_INVALID'))
    expect(() => decodeOid(new Uint8Array(65).fill(1))).toThrow(code('ERR_OID_INVALID'))
  })

  it.each([7, 14, 21, 28, 30, 31, 32, 35, 53, 63, 64])(
    'keeps arcs about 2^%i, also where seven bits in the middle are zero (X.690 8.19.2)',
    (bits) => {
      for (const arc of [2n ** BigInt(bits) - 1n, 2n ** BigInt(bits), 2n ** BigInt(bits) + 1n]) {
        for (const text of [`1.2.${arc}`, `2.${arc}.3`]) expect(decodeOid(encodeOid(text))).toBe(text)
      }
    },
  )

  it('gives numbers and bit lists back as they were', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0x7fffffff }),
        fc.integer({ min: 1, max: 0xffff }),
        (number, bits) => {
          expect(smallInteger(at(integer(number)), 'x')).toBe(number)
          expect(namedBits(at(namedBitString(bits)), 'x')).toBe(bits)
        },
      ),
    )
    for (const value of [-1, -128, -32_768, -(2 ** 31), 0x80000000, 2 ** 40])
      expect(() => smallInteger(at(integer(value)), 'x')).toThrow(code('ERR_DER'))
  })

  it('reads a time that exists, or none', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_000_000_000 }),
        fc.nat(14),
        fc.nat(255),
        (seconds, place, octet) => {
          const der = encodeTime(seconds * 1000)
          der[2 + (place % (der.length - 2))] = octet
          let read: number
          try {
            read = readTime(new DerReader(der), 'x')
          } catch (error) {
            expect(isPkiError(error, 'ERR_TIME_INVALID')).toBe(true)
            return
          }
          // Whatever is read is written the same.
          expect(der[0] === tags.utcTime ? encodeTime(read) : encodeGeneralizedTime(read)).toEqual(der)
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('fields of RFC 5280', () => {
  it.each([
    ['an empty one', '03 01 00'],
    ['one of three octets', '03 04 00 00 00 01'],
    ['one that ends in a zero octet', '03 03 00 80 00'],
    ['one that ends in a zero bit', '03 02 06 80'],
    ['one without a bit', '03 02 07 00'],
    ['one without content', '03 00'],
  ])('have no bit list such as %s (X.690 11.2.2)', (_what, text) => {
    expect(() => namedBits(at(hex(text)), 'x')).toThrow(code('ERR_DER'))
  })

  it.each(['03 02 07 80', '03 02 00 01', '03 03 07 00 80'])('have the bit list %s', (text) => {
    const bits = namedBits(at(hex(text)), 'x')
    expect(namedBitString(bits)).toEqual(hex(text))
  })

  it('have no BIT STRING without its first octet (X.690 8.6.2.1), whatever comes after it', () => {
    for (const text of ['03 00', '03 00 05 00', '03 00 00'])
      expect(() => bitStringContent(at(hex(text)), 'x')).toThrow(code('ERR_DER'))
    expect(() => checkWellFormed(hex('30 04 03 00 05 00'), 'x')).toThrow(code('ERR_DER'))
  })

  it('keep the count of unused bits', () => {
    expect(bitStringContent(at(hex('03 02 04 f0')), 'x')).toEqual({ bytes: hex('f0'), unusedBits: 4 })
    expect(bitStringContent(at(hex('03 01 00')), 'x')).toEqual({ bytes: new Uint8Array(0), unusedBits: 0 })
  })

  it('know the years 1950 to 2049 by two digits, and the year 0 by four', () => {
    const read = (tag: number, text: string): string =>
      new Date(
        (tag === tags.utcTime ? utcTimeContent : generalizedTimeContent)(at(implicitly(tag, text)), 'x'),
      )
        .toISOString()
        .slice(0, 10)
    expect(
      ['500101000000Z', '991231000000Z', '000101000000Z', '491231000000Z'].map((text) =>
        read(tags.utcTime, text),
      ),
    ).toEqual(['1950-01-01', '1999-12-31', '2000-01-01', '2049-12-31'])
    expect(
      ['00000101000000Z', '00991231000000Z', '99991231000000Z', '20000229000000Z', '24000229000000Z'].map(
        (text) => read(tags.generalizedTime, text),
      ),
    ).toEqual(['0000-01-01', '0099-12-31', '9999-12-31', '2000-02-29', '2400-02-29'])
    for (const text of [
      '19000229000000Z',
      '21000229000000Z',
      '20260431000000Z',
      '2026010100000aZ',
      '20260101000000.5Z',
      '20260101000000+0000',
    ])
      expect(() => readTime(new DerReader(implicitly(tags.generalizedTime, text)), 'x')).toThrow(
        code('ERR_TIME_INVALID'),
      )
    expect(() => readTime(new DerReader(implicitly(tags.visibleString, '20260101000000Z')), 'x')).toThrow(
      code('ERR_DER'),
    )
  })

  it('read the next string after one that was refused', () => {
    expect(() => stringContent(at(hex('0c 02 e2 82')), 'x')).toThrow(code('ERR_STRING_INVALID'))
    expect(stringContent(at(hex('0c 02 61 62')), 'x')).toBe('ab')
    // Nothing is dropped, not even a mark of byte order.
    expect(stringContent(at(hex('0c 04 ef bb bf 61')), 'x')).toBe('\ufeffa')
    expect(() => stringContent(at(hex('04 01 61')), 'x')).toThrow(code('ERR_DER'))
  })
})

describe('the writers', () => {
  it.each([-1, 31, 32, 64, 128, 1.5, Number.NaN, 2 ** 32])('have no tag [%d]', (n) => {
    expect(() => contextPrimitive(n)).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => contextConstructed(n)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('have tags [0] to [30]', () => {
    for (let n = 0; n <= 30; n++)
      expect([contextPrimitive(n), contextConstructed(n)]).toEqual([0x80 + n, 0xa0 + n])
  })

  it.each(['', '00 01', '00 7f', 'ff ff', 'ff 80'])('write no INTEGER of the octets %j', (text) => {
    expect(() => integer(hex(text))).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each(['00', '7f', '00 80', 'ff', '80', 'ff 7f'])('write the INTEGER of the octets %s', (text) => {
    expect(integerContent(at(integer(hex(text))), 'x')).toEqual(hex(text))
  })

  it.each([-1, 0x10000, 1.5, Number.NaN])('write no bit list of %d', (bits) => {
    expect(() => namedBitString(bits)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each(['\ud800', 'a\udc00', '\ud83da'])(
    'do not change half a surrogate pair into something else',
    (text) => {
      expect(() => utf8String(text)).toThrow(code('ERR_STRING_INVALID'))
      expect(() => directoryString(text)).toThrow(code('ERR_STRING_INVALID'))
    },
  )

  it('write PrintableString for what it holds, and nothing more', () => {
    expect(
      [..."Az09 '()+,-./:=?"].every((character) => directoryString(character)[0] === tags.printableString),
    ).toBe(true)
    expect(
      [...'*@&_#"!;<>[]~é\n'].every((character) => directoryString(character)[0] === tags.utf8String),
    ).toBe(true)
  })
})

function implicitly(tag: number, text: string): Uint8Array {
  return Uint8Array.of(tag, text.length, ...Buffer.from(text, 'latin1'))
}

/** The same element with a longer spelling of the length of one of those in it. */
function withPaddedLength(der: Uint8Array, which: number, extra: number): Uint8Array {
  const places: number[] = []
  const visit = (reader: DerReader): void => {
    while (!reader.done) {
      reader.next()
      places.push(reader.start)
      if ((reader.tag & 0x20) !== 0) visit(reader.inner())
    }
  }
  visit(new DerReader(der))
  const target = places[which % places.length]!
  const rebuild = (reader: DerReader): Uint8Array[] => {
    const parts: Uint8Array[] = []
    while (!reader.done) {
      const tag = reader.next()
      const content = (tag & 0x20) !== 0 ? Buffer.concat(rebuild(reader.inner())) : reader.content()
      parts.push(reader.start === target ? padded(tag, content, extra) : withLength(tag, content))
    }
    return parts
  }
  return Buffer.concat(rebuild(new DerReader(der)))
}

function withLength(tag: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([lengthOf(tag, content.length, 0), content])
}

function padded(tag: number, content: Uint8Array, extra: number): Uint8Array {
  return Buffer.concat([lengthOf(tag, content.length, extra), content])
}

function lengthOf(tag: number, length: number, extra: number): Uint8Array {
  if (extra === 0 && length < 0x80) return Uint8Array.of(tag, length)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Uint8Array.of(
    tag,
    0x80 + octets.length + extra,
    ...Array.from({ length: extra }, () => 0),
    ...octets,
  )
}
