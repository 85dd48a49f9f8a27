// Values of extensions that were decoded before: tolerances, octets that are handed out, and places in the
// table do not mix; an element that leaves its extension is refused.

import { describe, expect, it } from 'vitest'
import { boolean, element, integer, octetString, oid, sequence, tags } from '../../../src/der/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { Certificate, buildCertificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'

const signer = await SoftwareSigner.generate('P-256')
const model = await buildCertificate(
  {
    issuer: 'CN=known values',
    publicKey: signer.publicKey,
    notBefore: new Date('2026-01-01'),
    notAfter: new Date('2027-01-01'),
    extensions: { subjectAltName: [generalName.uri('spiffe://example.org/a')] },
  },
  signer,
)

/** A certificate with these extensions; its signature is that of another. */
function withExtensions(...list: readonly Uint8Array[]): Uint8Array {
  const tbs = tbsFields()
  const algorithm = algorithmOf(model)
  return sequence(
    sequence(...tbs, element(0xa3, sequence(...list))),
    algorithm,
    element(tags.bitString, Uint8Array.of(0, ...model.signature)),
  )
}

/** The fields of the model before its extensions. */
function tbsFields(): Uint8Array[] {
  return [
    element(0xa0, integer(2)),
    element(tags.integer, model.serialNumberBytes),
    algorithmOf(model),
    model.issuer.der,
    validity,
    model.subject.der,
    model.publicKey.spki,
  ]
}

const algorithmOf = ({ signatureAlgorithm }: Certificate): Uint8Array => signatureAlgorithm.der
const time = (text: string): Uint8Array => element(tags.utcTime, Buffer.from(text, 'latin1'))
const validity = sequence(time('260101000000Z'), time('270101000000Z'))
const extension = (type: string, value: Uint8Array): Uint8Array => sequence(oid(type), octetString(value))
const read = (type: string, value: Uint8Array): Certificate =>
  Certificate.parse(withExtensions(extension(type, value)))

const keyUsage = '2.5.29.15'
const basicConstraints = '2.5.29.19'
const extendedKeyUsage = '2.5.29.37'

describe('a value that was decoded before', () => {
  it('is the value of its own octets, also of values with the same length and last octet', () => {
    for (let round = 0; round < 2; round++)
      for (let pathLength = 0; pathLength < 128; pathLength++)
        expect(read(basicConstraints, sequence(boolean(true), integer(pathLength))).basicConstraints).toEqual(
          { ca: true, pathLength },
        )
    for (let arc = 0; arc < 100; arc++)
      expect(read(extendedKeyUsage, sequence(oid(`1.3.6.1.5.5.7.${arc}.1`))).extendedKeyUsage).toEqual([
        `1.3.6.1.5.5.7.${arc}.1`,
      ])
    for (let bits = 1; bits < 256; bits++)
      expect(
        read(keyUsage, Uint8Array.of(3, 2, 0, bits))
          .keyUsage?.toDer()
          .at(-1),
      ).toBe(bits)
  })

  it('does not change with the octets of the certificate that had it', () => {
    const value = sequence(oid('1.3.6.1.5.5.7.3.77'))
    const first = read(extendedKeyUsage, value)
    expect(first.extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.77'])
    first.der.fill(0)
    expect(read(extendedKeyUsage, value).extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.77'])
  })

  it('is frozen, with all that is in it', () => {
    const certificate = Certificate.parse(
      withExtensions(
        extension(keyUsage, Uint8Array.of(3, 2, 7, 0x80)),
        extension(basicConstraints, sequence()),
        extension(extendedKeyUsage, sequence(oid('1.3.6.1.5.5.7.3.1'))),
      ),
    )
    expect(Object.isFrozen(certificate.keyUsage)).toBe(true)
    expect(Object.isFrozen(certificate.basicConstraints)).toBe(true)
    expect(Object.isFrozen(certificate.extendedKeyUsage)).toBe(true)
  })

  it('is refused without the tolerance with which it was decoded', () => {
    const explicitFalse = sequence(element(tags.boolean, Uint8Array.of(0)))
    const der = withExtensions(extension(basicConstraints, explicitFalse))
    for (let round = 0; round < 2; round++) {
      const lenient = Certificate.parse(der, { tolerances: ['explicit-defaults'] })
      expect(lenient.basicConstraints).toEqual({ ca: false, pathLength: undefined })
      const strict = Certificate.parse(der)
      expect(() => strict.basicConstraints).toThrow(code('ERR_DER'))
    }
  })

  it('is refused where octets follow it or are missing', () => {
    const value = sequence(boolean(true), integer(3))
    expect(read(basicConstraints, value).basicConstraints).toEqual({ ca: true, pathLength: 3 })
    expect(() => read(basicConstraints, Uint8Array.of(...value, 0)).basicConstraints).toThrow(code('ERR_DER'))
    expect(() => read(basicConstraints, value.subarray(0, -1)).basicConstraints).toThrow(code('ERR_DER'))
    expect(() => read(basicConstraints, new Uint8Array()).basicConstraints).toThrow(code('ERR_DER'))
  })
})

describe('an extension', () => {
  const id = oid('1.2.3')
  it.each([
    ['its value outside its sequence', [sequence(id), octetString(Uint8Array.of(5, 0))]],
    ['its criticality outside', [sequence(id), boolean(true), octetString(Uint8Array.of(5, 0))]],
    [
      'a value that ends in the next one',
      [Uint8Array.of(0x30, id.length + 2, ...id, 4, 4), extension('1.2.4', Uint8Array.of(5, 0))],
    ],
    ['octets after its value', [sequence(id, octetString(Uint8Array.of(5, 0)), boolean(true))]],
    ['no value', [sequence(id)]],
    ['nothing', [sequence()]],
  ] as const)('with %s is refused', (_what, list) => {
    expect(() => Certificate.parse(withExtensions(...list))).toThrow(code('ERR_DER'))
  })
})
