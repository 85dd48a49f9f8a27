// Values of distinguished name attributes as DER and text.

import { describe, expect, it } from 'vitest'
import { bitString, integer, oid, sequence, setOf } from '../../../src/der/index.ts'
import { DistinguishedName } from '../../../src/x509/index.ts'

const nameOf = (type: string, value: Uint8Array): DistinguishedName =>
  DistinguishedName.fromDer(sequence(setOf(sequence(oid(type), value))))

describe('values of attributes', () => {
  it.each(['2.5.4.3', '2.5.4.10', '1.2.840.113549.1.9.1'])('%s is a character string', (type) => {
    expect(() => nameOf(type, integer(1)).rdns).toThrow(expect.objectContaining({ code: 'ERR_NAME_INVALID' }))
  })

  it('of other types may be BIT STRING and SEQUENCE too', () => {
    expect(() => nameOf('2.5.4.45', integer(1)).rdns).toThrow(
      expect.objectContaining({ code: 'ERR_NAME_INVALID' }),
    )
    expect(nameOf('2.5.4.45', bitString(Uint8Array.of(1))).rdns[0]?.[0]?.value).toBeUndefined()
  })
})
