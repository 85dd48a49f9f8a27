// Names, addresses and serial numbers for any value: what is written is read back, and equal means equal.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DerReader,
  bitString,
  element,
  explicit,
  integer,
  oid,
  sequence,
  setOf,
  tags,
  utf8String,
} from '../../src/der/index.ts'
import { isPkiError } from '../../src/errors/index.ts'
import { DistinguishedName, generalName, parseSerialNumber } from '../../src/x509/index.ts'
import {
  encodeGeneralName,
  formatIpAddress,
  ipAddressOctets,
  readGeneralName,
  serialNumberBytes,
  serialNumberFromBytes,
} from '../../src/x509/internal.ts'
import type { GeneralName } from '../../src/x509/index.ts'
import type { NameAttribute } from '../../src/x509/internal.ts'

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
const octets = (minimum: number, maximum: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: minimum, maxLength: maximum })
/** What RFC 4514 escapes, what comparison folds, separators, and anything else. */
const character = fc.oneof(
  fc.constantFrom(...' \t,+"\\<>;=#\0\u0001\u0002:1aAÄäﬁ名'.split('')),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
)
const value = fc.array(character, { maxLength: 12 }).map((list) => list.join(''))
const type = fc.constantFrom('CN', 'O', 'OU', 'UID', '1.2.3.4', '2.999.1')
const attributes: fc.Arbitrary<NameAttribute[]> = fc.array(fc.tuple(type, value), { maxLength: 4 })

/** The result, or undefined for a refusal with a code. */
function orRefused<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch (error) {
    if (!isPkiError(error)) throw error
    return undefined
  }
}

describe('distinguished names', () => {
  it('are what their text says', () => {
    fc.assert(
      fc.property(attributes, (list) => {
        const name = orRefused(() => DistinguishedName.of(list))
        if (name === undefined) return
        const read = DistinguishedName.parse(name.toString())
        expect(hex(read.der)).toBe(hex(name.der))
        expect(read.rdns.flat().map((attribute) => attribute.value)).toEqual(list.map(([, one]) => one))
      }),
      { numRuns: 3000 },
    )
  })

  it('refuse any text or read it to a name that says the same', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          value,
          fc
            .tuple(type, value, fc.constantFrom(',', '+', ''), type, value)
            .map(([a, b, c, d, e]) => `${a}=${b}${c}${d}=${e}`),
        ),
        (text) => {
          const name = orRefused(() => DistinguishedName.parse(text))
          if (name === undefined) return
          expect(hex(DistinguishedName.parse(name.toString()).der)).toBe(hex(name.der))
        },
      ),
      { numRuns: 3000 },
    )
  })

  const oneValue = fc.oneof(
    value.map((text) => utf8String(text)),
    octets(0, 3).map((bits) => bitString(bits)),
  )
  const anyName = fc
    .array(
      fc.array(fc.tuple(fc.constantFrom('1.2.3.4', '2.5.4.45'), oneValue), { minLength: 1, maxLength: 2 }),
      { maxLength: 3 },
    )
    .map((rdns) =>
      DistinguishedName.fromDer(
        sequence(...rdns.map((rdn) => setOf(...rdn.map(([one, der]) => sequence(oid(one), der))))),
      ),
    )

  /** RFC 4518 §2.2, without what it maps to nothing. */
  const prepared = (text: string): string =>
    text
      .normalize('NFKC')
      .toLowerCase()
      .normalize('NFKC')
      .replace(/ς/g, 'σ')
      .replace(/ß/g, 'ss')
      .split(/[\t\n\v\f\r\p{Zs}]/u)
      .filter((word) => word !== '')
      .join(' ')

  /** The same comparison on trees: nothing is joined, so that nothing can be taken apart wrongly. */
  const model = (name: DistinguishedName): string =>
    JSON.stringify(
      name.rdns.map((rdn) =>
        rdn
          .map((attribute) => [
            attribute.type,
            attribute.value === undefined ? hex(attribute.der) : prepared(attribute.value),
            attribute.value === undefined,
          ])
          .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
      ),
    )

  it('have equal keys where they are equal, and nowhere else', () => {
    fc.assert(
      fc.property(anyName, anyName, (a, b) => {
        expect(a.comparisonKey === b.comparisonKey).toBe(model(a) === model(b))
        expect(a.equals(b)).toBe(model(a) === model(b))
      }),
      { numRuns: 3000 },
    )
  })

  it('cannot be split or joined by what a value holds', () => {
    const part = fc.constantFrom('a', '1:a', '\u0001', '\u0002', '1.2.3.4=', '1.2.3.4=1:a', '#03020001', ':')
    const text = fc.array(part, { minLength: 1, maxLength: 5 }).map((list) => list.join(''))
    const crafted = fc
      .array(fc.array(text, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 })
      .map((rdns) =>
        DistinguishedName.fromDer(
          sequence(
            ...rdns.map((rdn) => setOf(...rdn.map((one) => sequence(oid('1.2.3.4'), utf8String(one))))),
          ),
        ),
      )
    fc.assert(
      fc.property(crafted, crafted, (a, b) => {
        expect(a.equals(b)).toBe(model(a) === model(b))
      }),
      { numRuns: 5000 },
    )
  })
})

describe('general names', () => {
  const anyKind: fc.Arbitrary<GeneralName> = fc.oneof(
    value.map((text) => generalName.dns(text)),
    value.map((text) => generalName.uri(text)),
    value.map((text) => generalName.email(text)),
    fc
      .oneof(octets(4, 4), octets(16, 16), octets(0, 33))
      .map((address): GeneralName => ({ type: 'ip', address, value: '' })),
    fc
      .constantFrom('1.2.3', '2.999', '1.40', '3.1', '', 'x')
      .map((text): GeneralName => ({ type: 'registeredId', oid: text })),
    fc
      .oneof(
        attributes.map((list) => orRefused(() => DistinguishedName.of(list)) ?? DistinguishedName.of([])),
        octets(0, 6).map((der) => DistinguishedName.fromDer(der)),
      )
      .map((name): GeneralName => ({ type: 'directoryName', name })),
    fc
      .oneof(
        octets(0, 6),
        value.map((text) => utf8String(text)),
      )
      .map((der): GeneralName => ({ type: 'otherName', oid: '1.2.3', value: der })),
    fc
      .oneof(
        octets(0, 6),
        octets(0, 6).map((content) => element(0xa3, content)),
        value.map((text) => explicit(3, utf8String(text))),
      )
      .map((der): GeneralName => ({ type: 'x400Address', der })),
    fc
      .oneof(
        octets(0, 6),
        octets(0, 6).map((content) => element(0xa5, content)),
        fc.integer().map((number) => explicit(5, integer(number))),
      )
      .map((der): GeneralName => ({ type: 'ediPartyName', der })),
  )

  it('are read back as they were written, or not written', () => {
    fc.assert(
      fc.property(anyKind, (name) => {
        const der = orRefused(() => encodeGeneralName(name))
        if (der === undefined) return
        const reader = new DerReader(der)
        const read = readGeneralName(reader)
        reader.finish('the name')
        expect(read).toEqual(name.type === 'ip' ? { ...name, value: formatIpAddress(name.address) } : name)
        expect(hex(encodeGeneralName(read))).toBe(hex(der))
      }),
      { numRuns: 5000 },
    )
  })

  it('are written again as they were read, or not read', () => {
    const tag = fc.constantFrom(0x81, 0x82, 0x86, 0x87, 0x88, 0xa0, 0xa3, 0xa4, 0xa5, tags.sequence)
    fc.assert(
      fc.property(
        fc.tuple(
          tag,
          fc.oneof(
            octets(0, 8),
            octets(4, 4),
            octets(16, 16),
            attributes.map((list) => orRefused(() => DistinguishedName.of(list))?.der ?? sequence()),
          ),
        ),
        ([first, content]) => {
          const der = element(first, content)
          const read = orRefused(() => readGeneralName(new DerReader(der)))
          if (read !== undefined) expect(hex(encodeGeneralName(read))).toBe(hex(der))
        },
      ),
      { numRuns: 5000 },
    )
  })
})

describe('IP addresses', () => {
  const group = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }))

  it('of 16 octets have the text that a URL has', () => {
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = Uint8Array.from(groups.flatMap((one) => [one >> 8, one & 0xff]))
        const text = formatIpAddress(address)
        expect(`[${text}]`).toBe(
          new URL(`http://[${groups.map((one) => one.toString(16)).join(':')}]/`).hostname,
        )
        expect(hex(ipAddressOctets(text))).toBe(hex(address))
      }),
    )
  })

  it('are read as a URL reads them', () => {
    const piece = fc.constantFrom(':', '::', '0', '1', 'ffff', '00001', '1.2.3.4', '256.1.1.1', '.', 'g', '')
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((list) => list.join('')),
        (text) => {
          if (!text.includes(':')) return
          const ours = orRefused(() => formatIpAddress(ipAddressOctets(text)))
          let theirs: string | undefined
          try {
            theirs = new URL(`http://[${text}]/`).hostname.slice(1, -1)
          } catch {
            theirs = undefined
          }
          expect(ours).toBe(theirs)
        },
      ),
      { numRuns: 5000 },
    )
  })
})

describe('serial numbers', () => {
  it('are one text for one number', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 159n), max: 2n ** 159n - 1n }), (number) => {
        const content = integer(number).subarray(2)
        const text = serialNumberFromBytes(content)
        expect(BigInt(`0x${text.replace('-', '')}`) * (text.startsWith('-') ? -1n : 1n)).toBe(number)
        expect(hex(serialNumberBytes(text))).toBe(hex(content))
        expect(parseSerialNumber(text)).toBe(text)
        expect(parseSerialNumber(number.toString(16))).toBe(text)
      }),
    )
  })
})
