// An entry whose serial number is padded, or has more octets than RFC 5280 allows, accuses in every kind of
// list, and its list clears nobody (RFC 5280 §5.1.2.6, X.690 8.3.2).

import { describe, expect, it } from 'vitest'
import { boolean, element, encodeTime, octetString, oid, sequence } from '../../../../src/der/index.ts'
import { createCrlChecker, validationProfiles } from '../../../../src/validation/index.ts'
import { Crl, extensionOids } from '../../../../src/x509/index.ts'
import type { Certificate, DistinguishedName, GeneralName } from '../../../../src/x509/index.ts'
import { encodeAltName } from '../../../../src/x509/names/general-name-encoder.ts'
import { at, editedList, judge, makeChain, makeCrlIssuer, makeLeaf, makeList } from '../test-pki.ts'
import type { ListEdits } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const rootList = await makeList(root)
const date = encodeTime(at(-5).getTime())

const entry = (serial: Uint8Array, ...extensions: readonly Uint8Array[]): Uint8Array =>
  sequence(element(2, serial), date, ...(extensions.length === 0 ? [] : [sequence(...extensions)]))
const padded = ({ serialNumberBytes }: Certificate, octets = 1): Uint8Array =>
  Buffer.concat([Buffer.alloc(octets, (serialNumberBytes[0] as number) < 0x80 ? 0 : 0xff), serialNumberBytes])
const reason = (number: number): Uint8Array =>
  sequence(oid(extensionOids.reasonCode), octetString(element(10, Uint8Array.of(number))))
const directoryName = (name: DistinguishedName): GeneralName => ({ type: 'directoryName', name })
const issuerOf = (name: DistinguishedName): Uint8Array =>
  sequence(
    oid(extensionOids.certificateIssuer),
    boolean(true),
    octetString(encodeAltName([directoryName(name)])),
  )
const other = Uint8Array.of(1, 2, 3)

/** What soft-fail and hard-fail say. */
function judged(
  certificate: Certificate,
  lists: readonly Crl[],
  issuers: readonly Certificate[] = [],
): string[] {
  // Section 6 alone takes serial numbers of any form.
  const profile = { ...validationProfiles.rfc5280, certificateRules: 'path' } as const
  return (['soft-fail', 'hard-fail'] as const).map((mode) =>
    judge(chain, createCrlChecker({ lists: [rootList, ...lists], mode, issuers }), certificate, { profile }),
  )
}
const accused = ['ERR_REVOKED', 'ERR_REVOKED']
const unknown = ['good', 'ERR_REVOCATION_UNKNOWN']
const listOf = async (edits: ListEdits): Promise<Crl> => Crl.parse(await editedList(ca, edits))

describe('in a complete list', () => {
  it.each([
    ['a positive number', Uint8Array.of(0x15, 7)],
    ['a number whose first bit is one', Uint8Array.of(0, 0x95, 7)],
    ['a negative number', Uint8Array.of(0x95, 7)],
    ['zero', Uint8Array.of(0)],
    ['a number of 200 octets', new Uint8Array(200).fill(1)],
  ])('%s', async (_what, serialNumber) => {
    const certificate = await makeLeaf(ca, { serialNumber })
    for (const octets of [1, 5, 130]) {
      const odd = entry(padded(certificate, octets))
      for (const entries of [[odd, entry(other)], [entry(other), odd], [odd]]) {
        const list = await listOf({ entries })
        expect(judged(certificate, [list])).toEqual(accused)
        expect(judged(leaf, [list])).toEqual(unknown)
      }
    }
  })

  it('a number of 200 octets in its shortest form', async () => {
    const certificate = await makeLeaf(ca, { serialNumber: new Uint8Array(200).fill(1) })
    const list = await listOf({ entries: [entry(certificate.serialNumberBytes)] })
    expect([judged(certificate, [list]), judged(leaf, [list])]).toEqual([accused, unknown])
  })

  it('past its time: what is permanent accuses, and no hold', async () => {
    const fields = { thisUpdate: at(-3), nextUpdate: at(-2) }
    for (const [number, expected] of [
      [1, accused],
      [6, unknown],
    ] as const) {
      const list = await listOf({ entries: [entry(padded(leaf), reason(number))], fields })
      expect(judged(leaf, [list])).toEqual(expected)
    }
  })

  it('one of another issuer with the same number does not', async () => {
    const list = Crl.parse(await editedList(root, { entries: [entry(padded(leaf))] }))
    expect(judged(leaf, [list, await makeList(ca)])).toEqual(['good', 'good'])
  })
})

it('in a delta it accuses, completes nothing and lifts nothing', async () => {
  const held = { serialNumber: leaf.serialNumber, revocationDate: at(-5), reason: 'certificateHold' as const }
  const fields = { crlNumber: 2, deltaCrlIndicator: 1 }
  const accusing = await listOf({ entries: [entry(padded(leaf))], fields })
  expect(judged(leaf, [accusing])).toEqual(accused)
  expect(judged(leaf, [await makeList(ca), accusing])).toEqual(accused)
  const lifting = await listOf({ entries: [entry(padded(leaf), reason(8))], fields })
  expect(judged(leaf, [await makeList(ca, { entries: [held] }), lifting])).toEqual(accused)
})

it('in a partitioned list it accuses whom the partition is about', async () => {
  const shard = (url: string): { fullName: { type: 'uri'; value: string }[] } => ({
    fullName: [{ type: 'uri', value: url }],
  })
  const certificate = await makeLeaf(ca, {
    extensions: {
      crlDistributionPoints: [
        { name: shard('http://a.example/1'), reasons: undefined, crlIssuer: undefined },
      ],
    },
  })
  const listAt = (url: string): Promise<Crl> =>
    listOf({
      entries: [entry(padded(certificate))],
      fields: { issuingDistributionPoint: { name: shard(url) } },
    })
  expect(judged(certificate, [await listAt('http://a.example/1')])).toEqual(accused)
  expect(judged(certificate, [await listAt('http://a.example/2')])).toEqual(unknown)
})

it('in an indirect list it accuses by the issuer that it names or inherits', async () => {
  const lister = await makeCrlIssuer(root)
  const crlIssuer = [directoryName(lister.name)]
  const certificate = await makeLeaf(ca, {
    extensions: { crlDistributionPoints: [{ name: undefined, reasons: undefined, crlIssuer }] },
  })
  const listed = async (...entries: readonly Uint8Array[]): Promise<string[]> => {
    const fields = { issuingDistributionPoint: { indirectCrl: true } }
    const list = Crl.parse(await editedList(lister, { entries, fields }))
    return judged(certificate, [list], [lister.certificate])
  }
  const odd = entry(padded(certificate))
  expect(await listed(entry(padded(certificate), issuerOf(ca.name)))).toEqual(accused)
  expect(await listed(entry(other, issuerOf(ca.name)), odd)).toEqual(accused)
  // A padded entry names the issuer of those after it, as any other does.
  expect(await listed(entry(padded(leaf), issuerOf(ca.name)), entry(certificate.serialNumberBytes))).toEqual(
    accused,
  )
  expect(await listed(odd, entry(other, issuerOf(ca.name)))).toEqual(unknown)
  expect(
    await listed(entry(other, issuerOf(ca.name)), entry(padded(certificate), issuerOf(root.name))),
  ).toEqual(unknown)
})
