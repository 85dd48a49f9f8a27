// Names that were read before: the octets that are handed out, tolerances and places in the table do not mix.

import { describe, expect, it } from 'vitest'
import { element, oid, sequence, setOf, tags } from '../../../src/der/index.ts'
import { DistinguishedName } from '../../../src/x509/index.ts'

const nameDer = (value: string): Uint8Array =>
  sequence(setOf(sequence(oid('2.5.4.3'), element(tags.printableString, Buffer.from(value, 'latin1')))))

describe('a name that was read before', () => {
  it('has the key of its own octets, also where others were handed out and changed', () => {
    const first = DistinguishedName.fromDer(nameDer('Known Issuer A'))
    const key = first.comparisonKey
    const other = nameDer('Known Issuer B')
    first.der.set(other)
    const again = DistinguishedName.fromDer(nameDer('Known Issuer A'))
    expect(again.comparisonKey).toBe(key)
    expect(DistinguishedName.fromDer(other).comparisonKey).not.toBe(key)
    expect(again.toString()).toBe('CN=Known Issuer A')
  })

  it('is not another name of the same length and last octets', () => {
    for (let n = 0; n < 300; n++) {
      const text = `${String(n).padStart(3, '0')} with the same end`
      const name = DistinguishedName.fromDer(nameDer(text))
      expect(name.comparisonKey).toContain(text)
      expect(DistinguishedName.fromDer(nameDer(text)).comparisonKey).toBe(name.comparisonKey)
    }
  })

  it('is refused without the tolerance with which it was read', () => {
    const invalid = nameDer('not printable: @*')
    const lenient = DistinguishedName.fromDer(invalid, ['invalid-string-octets'])
    expect(lenient.comparisonKey).toContain('#')
    const strict = DistinguishedName.fromDer(invalid)
    expect(() => {
      strict.check()
    }).toThrow(/PrintableString/)
    expect(() => strict.comparisonKey).toThrow(/PrintableString/)
  })

  it('is decoded where a name with its end is not', () => {
    const name = DistinguishedName.fromDer(nameDer('Complete'))
    void name.comparisonKey
    const cut = nameDer('Complete')
    cut[1] = (cut[1] as number) - 1
    expect(() => {
      DistinguishedName.fromDer(cut).check()
    }).toThrow()
  })
})
