// Lists that the reader refuses, with a signature of the issuer: what can be read of them accuses, and
// nothing clears (RFC 5280 §5.1, §5.2, §5.3).

import { describe, expect, it } from 'vitest'
import {
  boolean,
  element,
  encodeTime,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
} from '../../../../src/der/index.ts'
import { createCrlChecker } from '../../../../src/validation/index.ts'
import { Crl, extensionOids } from '../../../../src/x509/index.ts'
import type { Certificate, DistinguishedName } from '../../../../src/x509/index.ts'
import { crlThatAccuses, encodeAltName } from '../../../../src/x509/internal.ts'
import { code } from '../../../support/codes.ts'
import { at, judge, makeChain, makeLeaf, makeList, newSigner, resign } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const unlisted = await makeLeaf(ca)
const rootList = await makeList(root)
const made = await makeList(ca, { entries: [{ serialNumber: leaf.serialNumber, revocationDate: at(-5) }] })
const [accused, unknown] = [
  ['ERR_REVOKED', 'ERR_REVOKED'],
  ['good', 'ERR_REVOCATION_UNKNOWN'],
]

/** What soft-fail and hard-fail say. */
const judged = (list: Uint8Array, certificate: Certificate = leaf): string[] =>
  (['soft-fail', 'hard-fail'] as const).map((mode) =>
    judge(chain, createCrlChecker({ lists: [rootList, list], mode }), certificate),
  )

type Parts = readonly Uint8Array[]
/** Version, algorithm, issuer, thisUpdate, nextUpdate, entries, extensions. */
const signed = (edit: (parts: Uint8Array[]) => Parts, by = ca.signer): Promise<Uint8Array> =>
  resign(made.tbs, by, (parts) => [...edit(parts)])
const replaced = (place: number, ...parts: Parts): Promise<Uint8Array> =>
  signed((all) => [...all.slice(0, place), ...parts, ...all.slice(place + 1)])

const text = (tag: number, value: string): Uint8Array => element(tag, Buffer.from(value))
const utc = (value: string): Uint8Array => text(0x17, value)
const general = (value: string): Uint8Array => text(0x18, value)
const extension = (type: string, value: Uint8Array, critical = false): Uint8Array =>
  sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value))
const number = extension(extensionOids.crlNumber, integer(1))
const reason = (value: number): Uint8Array =>
  extension(extensionOids.reasonCode, element(10, Uint8Array.of(value)))
const entry = (certificate: Certificate, ...extensions: Parts): Uint8Array =>
  sequence(
    integer(certificate.serialNumberBytes),
    encodeTime(at(-5).getTime()),
    ...(extensions.length === 0 ? [] : [sequence(...extensions)]),
  )
const held = entry(leaf, reason(6))
const concat = (...parts: Parts): Uint8Array => Buffer.concat(parts)

// The time of the verification is 2026-06-01T00:00:00Z.
const thisUpdates: Readonly<Record<string, Uint8Array>> = {
  'without seconds': utc('2605312300Z'),
  'with an offset': utc('260601003000+0100'),
  'without seconds, with an offset': utc('2605311830-0500'),
  'with a fraction': general('20260531230000.5Z'),
  'with a comma before the fraction': general('20260531230000,25Z'),
}
const nextUpdates: Readonly<Record<string, Uint8Array>> = {
  'without seconds': utc('2606020000Z'),
  'with an offset': utc('260601003000-0100'),
  'with a fraction': general('20260602000000.123Z'),
  'in GeneralizedTime without seconds': general('202606020000Z'),
}
const pastUpdates: Readonly<Record<string, Uint8Array>> = {
  'that has passed, without seconds': utc('2605312359Z'),
  'that has passed by its offset': utc('260601003000+0100'),
  'of another type': text(0x16, '260602000000Z'),
  'that does not exist': utc('260230000000Z'),
  'at 24 o’clock': utc('260602240000Z'),
  'in local time': general('20260602000000'),
  'that is no date': octetString(Uint8Array.of(1)),
}

const others: Readonly<Record<string, () => Promise<Uint8Array>>> = {
  'octets after the list': async () => concat(made.der, Uint8Array.of(0, 0)),
  'an element after the signature': async () => {
    const { tbs, signatureAlgorithm, signature } = made
    return sequence(
      tbs,
      signatureAlgorithm.der,
      element(3, concat(Uint8Array.of(0), signature)),
      nullElement(),
    )
  },
  'version 1 written out': () => replaced(0, integer(0)),
  'an element after the extensions': () => signed((parts) => [...parts, nullElement()]),
  'octets that are no element after the extensions': () => signed((parts) => [...parts, Uint8Array.of(0, 9)]),
  'octets that are no element after the entries': () =>
    replaced(5, sequence(entry(leaf), Uint8Array.of(0x30, 0x7f, 1))),
  'no list of extensions': () => replaced(6, explicit(0, integer(1))),
  'an empty wrapper of extensions': () => replaced(6, element(0xa0)),
  'two lists of extensions': () => replaced(6, explicit(0, sequence(number)), explicit(0, sequence(number))),
  'two lists of extensions in one': () =>
    replaced(6, explicit(0, concat(sequence(number), sequence(number)))),
  'extensions under another tag': () => replaced(6, explicit(1, sequence(number))),
  'an extension of another type': () => replaced(6, explicit(0, sequence(number, integer(1)))),
  'an extension without a type': () => replaced(6, explicit(0, sequence(sequence(octetString(number))))),
  'an extension with a malformed type': () =>
    replaced(6, explicit(0, sequence(sequence(element(6, Uint8Array.of(0x80)), octetString(number))))),
  'an extension without a value': () =>
    replaced(6, explicit(0, sequence(sequence(oid(extensionOids.issuingDistributionPoint), boolean(true))))),
  'an extension with more behind its value': () =>
    replaced(6, explicit(0, sequence(sequence(oid('1.2.3'), octetString(number), nullElement())))),
  'an extension that is cut off': () => replaced(6, explicit(0, sequence(number, Uint8Array.of(0x30, 9, 6)))),
  'a criticality of two octets in a known extension': () =>
    replaced(
      6,
      explicit(
        0,
        sequence(
          sequence(oid(extensionOids.crlNumber), element(1, Uint8Array.of(0, 0)), octetString(number)),
        ),
      ),
    ),
  'more than a hundred extensions': () =>
    replaced(
      6,
      explicit(0, sequence(...Array.from({ length: 101 }, (_, at) => extension(`1.2.${at}`, number)))),
    ),
}

const refuses = (list: Uint8Array): void => {
  expect(() => Crl.parse(list)).toThrow()
}

describe('a signed list that the reader refuses', () => {
  it.each(Object.entries(others))('with %s accuses, and clears nobody', async (_what, make) => {
    const list = await make()
    refuses(list)
    expect([judged(list), judged(list, unlisted)]).toEqual([accused, unknown])
  })

  it.each(Object.entries(thisUpdates))('with a thisUpdate %s accuses', async (_what, date) => {
    const list = await replaced(3, date)
    refuses(list)
    expect([judged(list), judged(list, unlisted)]).toEqual([accused, unknown])
  })

  it.each(Object.entries(nextUpdates))('with a nextUpdate %s accuses', async (_what, date) => {
    const list = await replaced(4, date)
    refuses(list)
    expect([judged(list), judged(list, unlisted)]).toEqual([accused, unknown])
    const holding = await signed((parts) => [...parts.slice(0, 4), date, sequence(held), parts[6]!])
    expect([judged(holding), judged(holding, unlisted)]).toEqual([accused, unknown])
  })

  it.each(Object.entries(pastUpdates))(
    'with a nextUpdate %s shows what is permanent',
    async (_what, date) => {
      const list = await replaced(4, date)
      expect([judged(list), judged(list, unlisted)]).toEqual([accused, unknown])
      const holding = await signed((parts) => [...parts.slice(0, 4), date, sequence(held), parts[6]!])
      expect(judged(holding)).toEqual(unknown)
    },
  )

  it('with two dates after thisUpdate is not known to be current', async () => {
    const [first, second] = [encodeTime(at(1).getTime()), encodeTime(at(2).getTime())]
    const list = await signed((parts) => [...parts.slice(0, 4), first, second, sequence(held), parts[6]!])
    expect(judged(list)).toEqual(unknown)
  })

  it.each(Object.entries(pastUpdates))(
    'with a thisUpdate %s, if it is uncertain, accuses nobody',
    async (what, date) => {
      const list = await replaced(3, date)
      expect(judged(list)).toEqual(what.startsWith('that has passed') ? accused : unknown)
    },
  )

  it('of the future accuses nobody', async () => {
    for (const date of [utc('2606020000Z'), utc('260601003000-0100')])
      expect(judged(await replaced(3, date))).toEqual(unknown)
  })

  it('is reported with what is wrong', async () => {
    const found: string[] = []
    const onIgnoredList = ({ reason: why }: { readonly reason: string }): number => found.push(why)
    const lists = [await others['octets after the list']!(), await replaced(3, nullElement())]
    createCrlChecker({ lists, mode: 'soft-fail', onIgnoredList })
    expect(found).toEqual([
      expect.stringContaining('unexpected octets'),
      expect.stringContaining('thisUpdate'),
    ])
    expect(() => crlThatAccuses(lists[1]!, [])).toThrow('thisUpdate cannot be read')
  })

  it('of another key, of an unknown version, or of a name that cannot be read accuses nobody', async () => {
    const lists = [
      await signed((parts) => [...parts, nullElement()], root.signer),
      await signed((parts) => [...parts, nullElement()], newSigner()),
      await replaced(0, integer(2)),
      await replaced(2, sequence(integer(1))),
    ]
    for (const list of lists) expect(judged(list)).toEqual(unknown)
    // Signed octets of which one was changed.
    const forged = concat(made.der, Uint8Array.of(0))
    const serial = Buffer.from(forged).indexOf(Buffer.from(leaf.serialNumberBytes))
    forged[serial] = (forged[serial] as number) ^ 1
    expect(judged(forged)).toEqual(unknown)
  })

  it('with an unknown critical extension among unreadable ones accuses nobody', async () => {
    const critical = extension('1.2.3.4', nullElement(), true)
    const unreadable = sequence(oid('1.2.3.4'), boolean(true), integer(1))
    const oddFlag = sequence(oid('1.2.3.4'), element(1, Uint8Array.of(0, 0)), octetString(number))
    for (const some of [[critical, integer(1)], [integer(1), critical], [unreadable], [oddFlag]])
      expect(judged(await replaced(6, explicit(0, sequence(...some))))).toEqual(unknown)
  })

  it('about other certificates only, as far as it can be read, accuses by its serial numbers', async () => {
    // The unreadable extension may be a second scope: an issuer uses a serial number once.
    const onlyCas = extension(
      extensionOids.issuingDistributionPoint,
      sequence(element(0x82, Uint8Array.of(0xff))),
      true,
    )
    expect(judged(await replaced(6, explicit(0, sequence(onlyCas, number))))).toEqual(unknown)
    expect(judged(await replaced(6, explicit(0, sequence(onlyCas, integer(1)))))).toEqual(accused)
  })
})

describe('a list with entries that cannot be read', () => {
  const number_ = (at: number): Uint8Array => Uint8Array.of(1 + (at >> 8), at & 255)
  const many = (
    count: number,
    odd: (serial: Uint8Array) => Uint8Array,
    ...last: Parts
  ): Promise<Uint8Array> =>
    replaced(5, sequence(...Array.from({ length: count }, (_, place) => odd(number_(place))), ...last))
  const start = encodeTime(at(-5).getTime())
  const of = (serial: Uint8Array, rest: Uint8Array): Uint8Array => sequence(element(2, serial), start, rest)
  const critical = extension('1.2.3.4', nullElement(), true)
  const wrongReason = (serial: Uint8Array): Uint8Array => of(serial, sequence(reason(7)))
  const forms: readonly (readonly [string, (serial: Uint8Array) => Uint8Array])[] = [
    ['a reason that does not exist', wrongReason],
    ['extensions of another type', (serial) => of(serial, integer(1))],
    ['an extension that is cut off', (serial) => of(serial, sequence(Uint8Array.of(0x30, 9, 6)))],
    ['an extension without a type', (serial) => of(serial, sequence(sequence(octetString(number))))],
    ['extensions and no date', (serial) => sequence(element(2, serial), sequence(sequence(integer(1))))],
  ]

  it('of more than 10,000 accuses, and clears nobody', async () => {
    for (const last of [wrongReason(leaf.serialNumberBytes), entry(leaf)]) {
      const list = await many(10_001, wrongReason, last)
      expect(() => Crl.parse(list)).toThrow(code('ERR_LIMIT_EXCEEDED'))
      const revocation = createCrlChecker({ lists: [rootList, list], mode: 'hard-fail' })
      expect(judge(chain, revocation, leaf)).toBe('ERR_REVOKED')
      expect(judge(chain, revocation, unlisted)).toBe('ERR_REVOCATION_UNKNOWN')
    }
  })

  it.each(forms)('with %s: those after the sixteenth are read as the first', async (_what, odd) => {
    const octets = concat(await many(40, odd, entry(leaf)), Uint8Array.of(0))
    const list = crlThatAccuses(octets, [])
    expect([list.entryCount, list.entryFaults.length]).toEqual([41, 16])
    for (const serial of [number_(0), number_(20), number_(39), leaf.serialNumberBytes])
      expect(list.has(serial)).toBe(true)
    expect(judged(octets)).toEqual(accused)
  })

  it('names the issuers of its entries, also after the sixteenth', async () => {
    const named = extension(
      extensionOids.certificateIssuer,
      encodeAltName([{ type: 'directoryName', name: root.name }]),
      true,
    )
    const octets = await many(40, (serial) => of(serial, sequence(reason(7), named)), entry(leaf))
    const indirect = extension(
      extensionOids.issuingDistributionPoint,
      sequence(element(0x84, Uint8Array.of(0xff))),
      true,
    )
    const list = await resign(Crl.parse(octets).tbs, ca.signer, (parts) => [
      ...parts.slice(0, 6),
      explicit(0, sequence(number, indirect)),
      nullElement(),
    ])
    expect(judged(list)).toEqual(unknown)
    const read = crlThatAccuses(list, [])
    expect([read.has(number_(30)), read.find(number_(30), () => true)?.certificateIssuer?.length]).toEqual([
      false,
      1,
    ])
  })

  it.each<readonly [string, Uint8Array, string]>([
    ['beside a reason that does not exist', sequence(reason(7), critical), '1.2.3.4'],
    ['without a value', sequence(sequence(oid('1.2.3.4'), boolean(true), integer(1))), '1.2.3.4'],
    [
      'with a flag of two octets',
      sequence(sequence(oid('1.2.3.4'), element(1, Uint8Array.of(0, 0)))),
      '1.2.3.4',
    ],
    ['of a malformed type', sequence(sequence(element(6, Uint8Array.of(0x80)), boolean(true))), 'unreadable'],
  ])('accuses nobody with an unknown critical extension %s', async (_what, extensions, type) => {
    const octets = concat(
      await many(20, wrongReason, of(number_(99), extensions), entry(leaf)),
      Uint8Array.of(0),
    )
    expect(crlThatAccuses(octets, []).unknownCriticalEntryExtension).toContain(type)
    expect(judged(octets)).toEqual(unknown)
  })
})

describe('a list that is not indirect, with an entry of another issuer', () => {
  const of = (name: DistinguishedName): Uint8Array =>
    extension(extensionOids.certificateIssuer, encodeAltName([{ type: 'directoryName', name }]), true)
  const listed = (...entries: Parts): Promise<Uint8Array> => replaced(5, sequence(...entries))

  it('clears nobody, and accuses those whose entries name none', async () => {
    const foreign = await listed(entry(leaf, of(root.name)))
    expect([judged(foreign), judged(foreign, unlisted)]).toEqual([unknown, unknown])
    expect(Crl.parse(foreign).entryFaults[0]?.reason).toBe(
      'entry 0 names another issuer, and the list is not indirect (RFC 5280 §5.3.3)',
    )
    // §5.3.3: entries inherit the issuer of the one before in indirect lists only.
    const before = await listed(entry(unlisted, of(root.name)), entry(leaf))
    expect([judged(before), judged(before, unlisted)]).toEqual([accused, unknown])
    const after = await listed(entry(leaf), entry(unlisted, of(root.name)))
    expect([judged(after), judged(after, unlisted)]).toEqual([accused, unknown])
  })

  it('clears and accuses where each entry names the issuer of the list', async () => {
    const list = await listed(entry(leaf, of(ca.name)))
    expect([judged(list), judged(list, unlisted)]).toEqual([accused, ['good', 'good']])
  })
})
