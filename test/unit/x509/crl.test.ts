// Revocation lists (RFC 5280 section 5), with entries compared to a slow scan by the DER reader alone.

import { describe, expect, it } from 'vitest'
import {
  DerReader,
  bitString,
  boolean,
  element,
  encodeTime,
  explicit,
  implicit,
  integer,
  nullElement,
  octetString,
  sequence,
  tags,
  utf8String,
} from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  DistinguishedName,
  Crl,
  buildCrl,
  extensionOids as oids,
  generalName,
  parseSerialNumber,
} from '../../../src/x509/index.ts'
import {
  allReasons,
  encodeAltName,
  encodeAuthorityKeyIdentifier,
  encodeDistributionPoints,
  encodeExtension,
  encodeGeneralName,
  encodeIssuingDistributionPoint,
  serialNumberFromBytes,
  signatureAlgorithms,
} from '../../../src/x509/internal.ts'
import type { GeneralName, RevokedEntry, SerialNumber } from '../../../src/x509/index.ts'
import type { CrlFields } from '../../../src/x509/crl/crl-builder.ts'
import type { RevokedCertificate } from '../../../src/x509/internal.ts'
import type { IssuingDistributionPoint } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import { brokenName, concat, fromHex, hex, listDer, privateKey, start } from './encodings.ts'
import type { ListParts } from './encodings.ts'

const signer = new SoftwareSigner(privateKey)
const issuer = DistinguishedName.parse('CN=crl')
const text = (tag: number, value: string): Uint8Array => element(tag, Buffer.from(value))
const uri = generalName.uri('http://crl.example/a.crl')
const named = (name: string): GeneralName => ({ type: 'directoryName', name: DistinguishedName.parse(name) })
const fields = (changes: Partial<CrlFields> = {}): CrlFields => ({
  issuer,
  thisUpdate: new Date('2026-01-01T00:00:00Z'),
  nextUpdate: new Date('2026-01-02T00:00:00Z'),
  crlNumber: 1,
  authorityKeyIdentifier: Uint8Array.of(1),
  entries: [],
  ...changes,
})
const built = (changes: Partial<CrlFields> = {}): Promise<Crl> => buildCrl(fields(changes), signer)
const extension = (type: string, value: Uint8Array, critical = false): Uint8Array =>
  encodeExtension({ oid: type, critical, value })
const entry = (...extensions: readonly Uint8Array[]): Uint8Array =>
  sequence(integer(7), start, ...(extensions.length === 0 ? [] : [sequence(...extensions)]))
const twice = (value: Uint8Array): Uint8Array => concat(value, value)
const reasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const

/** What an entry says, as it is compared. */
interface Plain {
  readonly serial: string
  readonly revoked: string
  readonly reason: number
  readonly invalid: string | undefined
  /** DER of the certificate issuer's names; empty for the issuer of the list. */
  readonly issuer: string
}

/** Every entry, read one element after the other: no index, no offsets, no decoder of ours but the reader. */
function slowScan(der: Uint8Array): Plain[] {
  const inside = (reader: DerReader): DerReader => (reader.next(), reader.inner())
  const tbs = inside(inside(new DerReader(der)))
  // Version, signature, issuer, thisUpdate, nextUpdate
  for (let skipped = 0; skipped < 5; skipped++) tbs.next()
  if (tbs.peek() !== 0x30) return []
  const list = inside(tbs)
  const plain: Plain[] = []
  let current = ''
  while (!list.done) {
    const parts = inside(list)
    parts.next()
    const serial = hex(parts.content())
    parts.next()
    const revoked = Buffer.from(parts.content()).toString()
    let reason = 0
    let invalid: string | undefined
    const extensions = parts.done ? undefined : inside(parts)
    while (extensions !== undefined && !extensions.done) {
      const one = inside(extensions)
      one.next()
      const type = hex(one.content())
      while (!one.done) one.next()
      const value = one.content()
      if (type === '551d15') reason = value[2] as number
      if (type === '551d18') invalid = Buffer.from(value.subarray(2)).toString()
      if (type === '551d1d') current = hex(value)
    }
    plain.push({ serial, revoked, reason, invalid, issuer: current })
  }
  return plain
}

const numbers: Readonly<Record<string, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
}
const digits = (date: Date): string => `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
const serialContent = ({ serialNumber }: RevokedEntry): string =>
  hex(element(2, contentOf(serialNumber)).subarray(2))
const contentOf = (serial: string): Uint8Array => {
  const magnitude = fromHex(serial)
  return (magnitude[0] as number) >= 0x80 ? concat(Uint8Array.of(0), magnitude) : magnitude
}
const plainly = (found: RevokedEntry): Plain => ({
  serial: serialContent(found),
  revoked: digits(found.revocationDate!).slice(found.revocationDate!.getUTCFullYear() < 2050 ? 2 : 0),
  reason: numbers[found.reason] as number,
  invalid: found.invalidityDate === undefined ? undefined : digits(found.invalidityDate),
  issuer: found.certificateIssuer === undefined ? '' : hex(encodeAltName(found.certificateIssuer)),
})

/** The same numbers on every run. */
function sequenceOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
}

function randomEntries(
  count: number,
  next: (below: number) => number,
  issuers: readonly GeneralName[],
): RevokedCertificate[] {
  return Array.from({ length: count }, (_, i) => {
    const serial = Uint8Array.from({ length: 1 + next(19) }, () => next(256))
    serial[0] = 1 + next(0x7f)
    return {
      // Few short ones, so that some are there twice; and content octets that begin with 00.
      serialNumber:
        i % 3 === 0
          ? Uint8Array.of(1 + next(40))
          : i % 3 === 1
            ? concat(Uint8Array.of(0, 0x80 | next(128)), serial.subarray(0, 17))
            : serial,
      revocationDate: new Date(
        1_600_000_000_000 + next(1_000_000) * 1000 + (i % 11 === 0 ? 3_000_000_000_000 : 0),
      ),
      reason: next(2) === 0 ? undefined : reasons[next(reasons.length)],
      invalidityDate: next(5) === 0 ? new Date(1_500_000_000_000 + next(1000) * 1000) : undefined,
      certificateIssuer:
        issuers.length > 0 && next(6) === 0 ? [issuers[next(issuers.length)] as GeneralName] : undefined,
    }
  })
}

describe('entries are those of a slow scan', () => {
  const issuers = [named('CN=one'), named('CN=two'), generalName.dns('three.example')]
  const cases = [0, 1, 2, 3, 10, 257, 2000].flatMap((count) => [
    [count, 'direct', [] as GeneralName[]] as const,
    [count, 'indirect', issuers] as const,
  ])

  it.each(cases)('%i of them, %s', async (count, _kind, names) => {
    const list = await built({
      entries: randomEntries(count, sequenceOf(count + names.length), names),
      ...(names.length === 0 ? {} : { issuingDistributionPoint: { indirectCrl: true } }),
    })
    const scanned = slowScan(list.der)
    expect(scanned).toHaveLength(count)
    expect(list.entryCount).toBe(count)
    expect([...list.entries()].map(plainly)).toEqual(scanned)
    expect(() => {
      list.checkAll()
    }).not.toThrow()
    expect(list.version).toBe(2)

    const read: Omit<Plain, 'invalid' | 'issuer'>[] = []
    const first = new Map<string, number>()
    for (const cursor = list.cursor(); cursor.next();) {
      const serial = hex(cursor.bytes.subarray(cursor.serialStart, cursor.serialEnd))
      if (!first.has(serial)) first.set(serial, cursor.start)
      if (list.offsetOf(cursor) !== first.get(serial))
        expect(list.offsetOf(cursor), serial).toBe(first.get(serial))
      const date = new Date(cursor.revocationMs)
      read.push({
        serial,
        revoked: digits(date).slice(date.getUTCFullYear() < 2050 ? 2 : 0),
        reason: Math.max(cursor.reasonCode, 0),
      })
      expect(cursor.isReasonCritical).toBe(false)
    }
    expect(read).toEqual(scanned.map(({ serial, revoked, reason }) => ({ serial, revoked, reason })))

    const absent = Array.from({ length: 20 }, (_, i) => hex(Uint8Array.of(0x7e, i, i, i, i, i)))
    const serials = [...new Set([...scanned.map(({ serial }) => serial), ...absent, '00', 'ff', '0102'])]
    for (const serial of serials) {
      const own = weightiest(scanned.filter((one) => one.serial === serial && one.issuer === ''))
      const found = list.find(fromHex(serial))
      expect(found === undefined ? undefined : plainly(found)).toEqual(own)
      expect(list.has(fromHex(serial))).toBe(own !== undefined)
      if (serial !== '0102' && serial !== 'ff')
        expect(list.has(serialNumberFromBytes(fromHex(serial)))).toBe(own !== undefined)
    }
    for (const wanted of ['', ...names.map((name) => hex(encodeAltName([name])))]) {
      for (const serial of serials.slice(0, 300)) {
        const found = list.find(
          fromHex(serial),
          (issuing) => (issuing === undefined ? '' : hex(encodeAltName(issuing))) === wanted,
        )
        expect(found === undefined ? undefined : plainly(found)).toEqual(
          weightiest(scanned.filter((one) => one.serial === serial && one.issuer === wanted)),
        )
      }
    }
    expect(list.indexByteLength).toBe(
      count === 0 ? 0 : 4 * 2 ** Math.ceil(Math.log2(Math.max(2, count * 1.34))),
    )
  })

  it('of another list are found here, or not', async () => {
    const entries = randomEntries(300, sequenceOf(7), [])
    const [whole, half, empty] = await Promise.all(
      [entries, entries.slice(0, 150), []].map((some) => built({ entries: some })),
    )
    const inHalf = new Set(slowScan(half!.der).map(({ serial }) => serial))
    for (const cursor = whole!.cursor(); cursor.next();) {
      const serial = hex(cursor.bytes.subarray(cursor.serialStart, cursor.serialEnd))
      expect([half!.offsetOf(cursor) >= 0, empty!.offsetOf(cursor)]).toEqual([inHalf.has(serial), -1])
    }
  })

  it('with serial numbers that no CA should have given', () => {
    const contents = ['00', 'ff', '80', 'ff7f', `7f${'00'.repeat(19)}`, `80${'00'.repeat(19)}`]
    const list = Crl.parse(
      listDer({ entries: contents.map((content) => sequence(element(2, fromHex(content)), start)) }),
    )
    expect([...list.entries()].map(({ serialNumber }) => serialNumber)).toEqual(
      contents.map((content) => serialNumberFromBytes(fromHex(content))),
    )
    for (const content of contents)
      expect([list.has(fromHex(content)), list.has(serialNumberFromBytes(fromHex(content)))]).toEqual([
        true,
        true,
      ])
    expect([
      list.has(parseSerialNumber('01')),
      list.has(parseSerialNumber('-02')),
      list.has(new Uint8Array(0)),
    ]).toEqual([false, false, false])
  })
})

/** A permanent revocation before a hold (6), and a hold before removeFromCRL (8); else the first. */
function weightiest(entries: readonly Plain[]): Plain | undefined {
  const weight = ({ reason }: Plain): number => (reason === 8 ? 0 : reason === 6 ? 1 : 2)
  return [2, 1, 0].flatMap((one) => entries.filter((entry) => weight(entry) === one)).at(0)
}

describe('entries', () => {
  it.each(reasons)('give the reason %s', async (reason) => {
    const list = await built({
      entries: [{ serialNumber: Uint8Array.of(1), revocationDate: new Date(0), reason }],
    })
    expect([...list.entries()].map((one) => one.reason)).toEqual([reason])
    // RFC 5280 5.3.1: the extension SHOULD be absent instead of unspecified.
    expect(hex(list.tbs).includes('551d15')).toBe(reason !== 'unspecified')
  })

  it('that are none, in a field that is present, are read as none', () => {
    const list = Crl.parse(listDer({ entries: [] }))
    expect([list.entryCount, [...list.entries()].length, list.has(Uint8Array.of(1))]).toEqual([0, 0, false])
  })

  it('with empty extensions are noted by name, and read with the tolerance', () => {
    const der = listDer({ entries: [sequence(integer(5), start, sequence())] })
    const list = Crl.parse(der)
    expect(list.entryFaults[0]?.reason).toContain("the tolerance 'empty-extensions' accepts it")
    expect(list.has(Uint8Array.of(5))).toBe(true)
    expect(Crl.parse(der, { tolerances: ['empty-extensions'] }).entryFaults).toEqual([])
  })

  it('with serial numbers above 20 octets are found', () => {
    const serials = [21, 64, 127].map((length) => new Uint8Array(length).fill(1))
    const list = Crl.parse(listDer({ entries: serials.map((serial) => sequence(element(2, serial), start)) }))
    expect(serials.map((serial) => list.has(serial))).toEqual([true, true, true])
  })

  it.each<readonly [string, readonly Uint8Array[], string]>([
    ['no SEQUENCE', [integer(1)], 'ERR_DER'],
    ['nothing inside', [sequence()], 'ERR_CRL_MALFORMED'],
    ['no time', [sequence(integer(1))], 'ERR_TIME_INVALID'],
    ['a serial number without content', [sequence(fromHex('0200'), start)], 'ERR_CRL_MALFORMED'],
    [
      'a serial number of 128 octets',
      [sequence(element(2, new Uint8Array(128).fill(1)), start)],
      'ERR_CRL_MALFORMED',
    ],
    ['a serial number in a long length', [sequence(fromHex('02810101'), start)], 'ERR_CRL_MALFORMED'],
    ['a serial number that is padded', [sequence(fromHex('02020001'), start)], 'ERR_DER'],
    [
      'a serial number of another type',
      [sequence(octetString(Uint8Array.of(1)), start)],
      'ERR_CRL_MALFORMED',
    ],
    ['a time of another type', [sequence(integer(1), utf8String('260101000000Z'))], 'ERR_TIME_INVALID'],
    ['a time without seconds', [sequence(integer(1), text(0x17, '2601010000Z'))], 'ERR_TIME_INVALID'],
    ['a time with a zone', [sequence(integer(1), text(0x17, '260101000000+0000'))], 'ERR_TIME_INVALID'],
    ['a time of letters', [sequence(integer(1), text(0x17, '26010100o000Z'))], 'ERR_TIME_INVALID'],
    [
      'a GeneralizedTime with a fraction',
      [sequence(integer(1), text(0x18, '20260101000000.0Z'))],
      'ERR_TIME_INVALID',
    ],
    ['an empty list of extensions', [sequence(integer(1), start, sequence())], 'ERR_DER'],
    [
      'more behind the extensions',
      [sequence(integer(1), start, sequence(extension('1.2.3', nullElement())), nullElement())],
      'ERR_DER',
    ],
    ['something that is no extension', [sequence(integer(1), start, integer(1))], 'ERR_DER'],
    [
      'an extension twice',
      [entry(extension('1.2.3', nullElement()), extension('1.2.3', nullElement()))],
      'ERR_EXTENSION_DUPLICATE',
    ],
    [
      'a reason that is none: 7',
      [entry(extension(oids.reasonCode, fromHex('0a0107')))],
      'ERR_EXTENSION_MALFORMED',
    ],
    [
      'a reason that is none: 11',
      [entry(extension(oids.reasonCode, fromHex('0a010b')))],
      'ERR_EXTENSION_MALFORMED',
    ],
    [
      'a reason that is none: -1',
      [entry(extension(oids.reasonCode, fromHex('0a01ff')))],
      'ERR_EXTENSION_MALFORMED',
    ],
    [
      'a reason of two octets',
      [entry(extension(oids.reasonCode, fromHex('0a020001')))],
      'ERR_EXTENSION_MALFORMED',
    ],
    [
      'a reason without content',
      [entry(extension(oids.reasonCode, fromHex('0a00')))],
      'ERR_EXTENSION_MALFORMED',
    ],
    ['a reason that is an INTEGER', [entry(extension(oids.reasonCode, integer(1)))], 'ERR_DER'],
    ['two reasons', [entry(extension(oids.reasonCode, twice(fromHex('0a0101'))))], 'ERR_DER'],
    [
      'an invalidity date in UTCTime',
      [entry(extension(oids.invalidityDate, text(0x17, '260101000000Z')))],
      'ERR_EXTENSION_MALFORMED',
    ],
    [
      'an invalidity date that is none',
      [entry(extension(oids.invalidityDate, text(0x18, '20260230000000Z')))],
      'ERR_TIME_INVALID',
    ],
    [
      'two invalidity dates',
      [entry(extension(oids.invalidityDate, twice(text(0x18, '20260101000000Z'))))],
      'ERR_DER',
    ],
    [
      'an issuer without names',
      [entry(extension(oids.certificateIssuer, sequence(), true))],
      'ERR_NAME_INVALID',
    ],
    [
      'an issuer of another type',
      [entry(extension(oids.certificateIssuer, encodeGeneralName(uri), true))],
      'ERR_DER',
    ],
    [
      'an issuer with more behind it',
      [entry(extension(oids.certificateIssuer, concat(encodeAltName([uri]), nullElement()), true))],
      'ERR_DER',
    ],
  ])('are not %s', (_what, entries, wanted) => {
    const other = sequence(integer(9), start)
    for (const [at, all] of [entries, [other, ...entries, other]].entries()) {
      const list = Crl.parse(listDer({ entries: all }))
      // Only the odd entry is lost, and nobody is told that the list is in order.
      expect(list.entryFaults).toEqual([expect.objectContaining({ code: wanted, index: at })])
      expect(() => {
        list.checkAll()
      }).toThrow(code(wanted))
      expect([list.entryCount, list.has(Uint8Array.of(9))]).toEqual([all.length, at === 1])
      for (const found of list.entries()) expect(list.find(found.serialNumber)).toEqual(found)
      expect(list.toString()).toContain('odd')
      for (const cursor = list.cursor(); cursor.next();) expect(cursor.start).toBeGreaterThan(0)
    }
  })

  it.each<readonly [string, Uint8Array, Partial<RevokedEntry>]>([
    ['a day that does not exist', sequence(integer(7), text(0x17, '260230000000Z')), {}],
    ['the 29th of February of a common year', sequence(integer(7), text(0x18, '21000229000000Z')), {}],
    ['no second', sequence(integer(7), text(0x17, '2602010000Z')), {}],
    ['an hour of 24', sequence(integer(7), text(0x17, '260201240000Z')), {}],
    [
      'no second, and a reason',
      sequence(
        integer(7),
        text(0x17, '2602010000Z'),
        sequence(extension(oids.reasonCode, fromHex('0a0104'))),
      ),
      { reason: 'superseded' },
    ],
    [
      'a reason that is none',
      entry(extension(oids.reasonCode, fromHex('0a0107'))),
      { revocationDate: new Date('2026-01-01T00:00:00Z') },
    ],
    [
      'a fraction in the invalidity date, and a reason',
      entry(
        extension(oids.invalidityDate, text(0x18, '20260201000000.5Z')),
        extension(oids.reasonCode, fromHex('0a0101')),
      ),
      { revocationDate: new Date('2026-01-01T00:00:00Z'), reason: 'keyCompromise' },
    ],
  ])('with %s are found, and give what can be read', (_what, odd, wanted) => {
    const list = Crl.parse(listDer({ entries: [odd] }))
    const found = list.find(parseSerialNumber('07'))
    expect(found).toMatchObject({
      serialNumber: '07',
      revocationDate: undefined,
      reason: 'unspecified',
      invalidityDate: undefined,
      ...wanted,
    })
    expect([...list.entries()]).toEqual([found])
    expect(list.entryFaults[0]).toMatchObject({ index: 0, serialNumber: '07' })
    expect(list.entryFaults[0]?.reason).toMatch(/^entry 0 \(serial number 07\): /)
  })

  it('with dates at the ends of months, leap years and centuries are in order', () => {
    const dates = ['000229000000Z', '240229235959Z', '491231235959Z', '500101000000Z', '991130120000Z']
    const long = ['20000229000000Z', '20501231235959Z', '24000229000000Z', '99991231235959Z']
    const all = [...dates.map((date) => text(0x17, date)), ...long.map((date) => text(0x18, date))]
    const list = Crl.parse(listDer({ entries: all.map((date, at) => sequence(integer(at + 1), date)) }))
    expect(list.entryFaults).toEqual([])
    expect([...list.entries()].every(({ revocationDate }) => revocationDate !== undefined)).toBe(true)
  })

  it('that are odd are counted to the sixteenth; more than 10,000 are a limit', () => {
    const odd = (count: number, one: Uint8Array): Crl =>
      Crl.parse(listDer({ entries: Array.from({ length: count }, () => one) }))
    const reason = entry(extension(oids.reasonCode, fromHex('0a0107')))
    expect(odd(40, reason).entryFaults).toHaveLength(16)
    expect(() => odd(10_001, reason)).toThrow(code('ERR_LIMIT_EXCEEDED'))
    const noSeconds = odd(20_000, sequence(integer(7), text(0x17, '2602010000Z')))
    expect([noSeconds.entryCount, noSeconds.has(Uint8Array.of(7))]).toEqual([20_000, true])
  })

  it('that name an issuer nobody can read are of the issuer of the list, or of nobody', () => {
    const odd = entry(extension(oids.certificateIssuer, sequence(), true))
    const point = extension(
      oids.issuingDistributionPoint,
      encodeIssuingDistributionPoint({ ...plainPoint, indirectCrl: true }),
      true,
    )
    const after = sequence(integer(8), start)
    const ofOne = [extension(oids.crlNumber, integer(1))]
    const [direct, indirect] = [ofOne, [point]].map((extensions) =>
      Crl.parse(listDer({ entries: [odd, after], extensions })),
    )
    expect(['07', '08'].map((serial) => direct!.has(parseSerialNumber(serial)))).toEqual([true, true])
    expect(['07', '08'].map((serial) => indirect!.has(parseSerialNumber(serial)))).toEqual([false, false])
  })

  it('with a critical extension that is not known say so for the whole list', () => {
    const list = (...entries: readonly Uint8Array[]): string | undefined =>
      Crl.parse(listDer({ entries })).unknownCriticalEntryExtension
    expect(
      list(
        entry(extension('1.2.3', nullElement())),
        entry(extension(oids.reasonCode, fromHex('0a0101'), true)),
      ),
    ).toBeUndefined()
    expect(
      list(
        entry(),
        entry(extension('1.2.3', nullElement(), true)),
        entry(extension('1.2.4', nullElement(), true)),
      ),
    ).toBe('1.2.3')
  })
})

describe('the list', () => {
  it.each<readonly [string, ListParts, string]>([
    ['version 1 written out, which is the default', { version: [integer(0)] }, 'ERR_CRL_MALFORMED'],
    ['version 3', { version: [integer(2)] }, 'ERR_CRL_MALFORMED'],
    ['version 0', { version: [integer(-1)] }, 'ERR_DER'],
    [
      'version 1 with extensions',
      { version: [], extensions: [extension(oids.crlNumber, integer(1))] },
      'ERR_CRL_MALFORMED',
    ],
    [
      'another algorithm outside',
      { outerAlgorithm: signatureAlgorithms['ecdsa-with-SHA384'].identifier },
      'ERR_ALGORITHM_MISMATCH',
    ],
    ['an issuer of another type', { issuer: utf8String('CN=a') }, 'ERR_DER'],
    ['no date', { times: [] }, 'ERR_DER'],
    ['a date that is none', { times: [text(0x17, '260230000000Z')] }, 'ERR_TIME_INVALID'],
    ['a next update that is none', { times: [start, text(0x18, '20260230000000Z')] }, 'ERR_TIME_INVALID'],
    ['three dates', { times: [start, start, start] }, 'ERR_DER'],
    ['an empty list of extensions', { extensions: [] }, 'ERR_DER'],
    [
      'an extension twice',
      { extensions: [extension(oids.crlNumber, integer(1)), extension(oids.crlNumber, integer(1))] },
      'ERR_EXTENSION_DUPLICATE',
    ],
    [
      'more behind the extensions',
      { extensions: [extension(oids.crlNumber, integer(1))], rest: [nullElement()] },
      'ERR_DER',
    ],
    ['a signature of bits that are no octets', { signature: element(3, fromHex('01fe')) }, 'ERR_DER'],
    ['a signature of another type', { signature: octetString(Uint8Array.of(1)) }, 'ERR_DER'],
    ['more behind the signature', { after: [bitString(Uint8Array.of(1))] }, 'ERR_DER'],
  ])('is not of %s', (_what, parts, wanted) => {
    expect(() => Crl.parse(listDer(parts))).toThrow(code(wanted))
  })

  it('of version 1 has no extensions of entries', () => {
    const entries = [entry(extension(oids.reasonCode, fromHex('0a0101')))]
    const list = Crl.parse(listDer({ version: [], entries }))
    expect([list.entryFaults[0]?.code, list.has(parseSerialNumber('07'))]).toEqual([
      'ERR_CRL_MALFORMED',
      true,
    ])
  })

  it('may be of version 1, without a next update, without entries', () => {
    const list = Crl.parse(listDer({ version: [], times: [start] }))
    expect([
      list.version,
      list.nextUpdate,
      list.entryCount,
      list.extensions.length,
      list.crlNumber,
      list.indexByteLength,
    ]).toEqual([1, undefined, 0, 0, undefined, 0])
    expect([
      list.has(parseSerialNumber('01')),
      list.find(parseSerialNumber('01')),
      [...list.entries()],
    ]).toEqual([false, undefined, []])
    const one = Crl.parse(listDer({ version: [], times: [start], entries: [entry()] }))
    expect([one.version, one.has(parseSerialNumber('07'))]).toEqual([1, true])
  })

  it('has an issuer that throws when it is read', () => {
    const list = Crl.parse(listDer({ issuer: brokenName }))
    expect(() => list.issuer.rdns).toThrow(code('ERR_NAME_INVALID'))
    expect(() => {
      list.checkAll()
    }).toThrow(code('ERR_NAME_INVALID'))
  })
})

type Field =
  'authorityKeyIdentifier' | 'crlNumber' | 'deltaCrlIndicator' | 'issuingDistributionPoint' | 'freshestCrl'
const plainPoint: IssuingDistributionPoint = {
  name: undefined,
  onlyContainsUserCerts: false,
  onlyContainsCaCerts: false,
  onlySomeReasons: undefined,
  indirectCrl: false,
  onlyContainsAttributeCerts: false,
}
const fullName = { fullName: [uri] }
const flag = (n: number, octet = 'ff'): Uint8Array => implicit(n, fromHex(octet))
const crlNumbers: readonly (readonly [string, Uint8Array, string])[] = [
  ['nothing', new Uint8Array(0), 'ERR_DER'],
  ['below zero', integer(-1), 'ERR_EXTENSION_MALFORMED'],
  ['padded', fromHex('02020001'), 'ERR_DER'],
  ['without content', fromHex('0200'), 'ERR_DER'],
  ['of 21 octets', element(2, new Uint8Array(21).fill(1)), 'ERR_EXTENSION_MALFORMED'],
  ['an OCTET STRING', octetString(Uint8Array.of(1)), 'ERR_DER'],
  ['two numbers', twice(integer(1)), 'ERR_DER'],
]

describe('extensions of the list', () => {
  it.each<readonly [Field, critical: boolean, Partial<CrlFields>, unknown]>([
    [
      'authorityKeyIdentifier',
      false,
      { authorityKeyIdentifier: fromHex('aabb') },
      { keyIdentifier: fromHex('aabb') },
    ],
    ['crlNumber', false, { crlNumber: 0 }, 0n],
    ['crlNumber', false, { crlNumber: 128 }, 128n],
    ['crlNumber', false, { crlNumber: 2n ** 159n - 1n }, 2n ** 159n - 1n],
    ['deltaCrlIndicator', true, { deltaCrlIndicator: 7 }, 7n],
    [
      'issuingDistributionPoint',
      true,
      { issuingDistributionPoint: { name: fullName } },
      { ...plainPoint, name: fullName },
    ],
    [
      'issuingDistributionPoint',
      true,
      { issuingDistributionPoint: { onlyContainsUserCerts: true } },
      { ...plainPoint, onlyContainsUserCerts: true },
    ],
    [
      'issuingDistributionPoint',
      true,
      { issuingDistributionPoint: { onlyContainsCaCerts: true, indirectCrl: true } },
      { ...plainPoint, onlyContainsCaCerts: true, indirectCrl: true },
    ],
    [
      'issuingDistributionPoint',
      true,
      { issuingDistributionPoint: { onlyContainsAttributeCerts: true } },
      { ...plainPoint, onlyContainsAttributeCerts: true },
    ],
    [
      'issuingDistributionPoint',
      true,
      { issuingDistributionPoint: { onlySomeReasons: allReasons, name: fullName } },
      { ...plainPoint, onlySomeReasons: allReasons, name: fullName },
    ],
    [
      'freshestCrl',
      false,
      {
        other: [
          {
            oid: oids.freshestCrl,
            critical: false,
            value: encodeDistributionPoints([{ name: fullName, reasons: 2, crlIssuer: undefined }]),
          },
        ],
      },
      [{ name: fullName, reasons: 2 }],
    ],
  ])('%s is read back, critical %s: %o', async (field, critical, changes, wanted) => {
    const list = await built(changes)
    expect(list[field]).toEqual(wanted)
    expect(list.extension(oids[field])?.critical).toBe(critical)
    expect(() => {
      list.checkAll()
    }).not.toThrow()
    expect(list.verifySignatureBy(signer.publicKey)).toBe(true)
  })

  const malformed: Readonly<Record<Field, readonly (readonly [string, Uint8Array, string])[]>> = {
    crlNumber: crlNumbers,
    deltaCrlIndicator: crlNumbers,
    authorityKeyIdentifier: [
      ['an OCTET STRING', octetString(Uint8Array.of(1)), 'ERR_DER'],
      ['more behind it', concat(encodeAuthorityKeyIdentifier(Uint8Array.of(1)), nullElement()), 'ERR_DER'],
    ],
    freshestCrl: [
      ['an empty list', sequence(), 'ERR_EXTENSION_MALFORMED'],
      ['an empty point', sequence(sequence()), 'ERR_EXTENSION_MALFORMED'],
    ],
    issuingDistributionPoint: [
      ['an empty sequence', sequence(), 'ERR_EXTENSION_MALFORMED'],
      ['only user and only CA certificates', sequence(flag(1), flag(2)), 'ERR_EXTENSION_MALFORMED'],
      ['only user and only attribute certificates', sequence(flag(1), flag(5)), 'ERR_EXTENSION_MALFORMED'],
      ['FALSE, which is the default', sequence(flag(1, '00'), flag(4)), 'ERR_DER'],
      ['indirect FALSE, which is the default', sequence(flag(4, '00')), 'ERR_DER'],
      ['a BOOLEAN neither 00 nor FF', sequence(flag(4, '01')), 'ERR_DER'],
      ['a BOOLEAN without content', sequence(flag(4, '')), 'ERR_DER'],
      ['a BOOLEAN in explicit form', sequence(explicit(4, boolean(true))), 'ERR_DER'],
      ['fields out of order', sequence(flag(4), flag(1)), 'ERR_DER'],
      ['reasons that end in zero bits', sequence(implicit(3, fromHex('0040'))), 'ERR_DER'],
      ['reasons without a bit', sequence(implicit(3, fromHex('00'))), 'ERR_DER'],
      ['a name without choice', sequence(explicit(0)), 'ERR_DER'],
      ['a full name without names', sequence(explicit(0, explicit(0))), 'ERR_NAME_INVALID'],
      ['more inside', sequence(flag(1), nullElement()), 'ERR_DER'],
      ['two of them', twice(sequence(flag(1))), 'ERR_DER'],
      ['a SET', element(tags.set, flag(1)), 'ERR_DER'],
    ],
  }

  it.each(
    Object.entries(malformed).flatMap(([field, rows]) =>
      rows.map((row) => [field as Field, ...row] as const),
    ),
  )('%s throws when it is read: %s', (field, _what, value, wanted) => {
    const list = Crl.parse(listDer({ extensions: [extension(oids[field], value)] }))
    for (const one of Object.keys(malformed) as Field[]) if (one !== field) expect(list[one]).toBeUndefined()
    expect(() => list[field]).toThrow(code(wanted))
    expect(() => {
      list.checkAll()
    }).toThrow(code(wanted))
  })
})

describe('a list is not built', () => {
  const one: RevokedCertificate = { serialNumber: Uint8Array.of(1), revocationDate: new Date(0) }

  it.each<readonly [string, Partial<CrlFields>, string]>([
    [
      'with a next update that is not later',
      { nextUpdate: new Date('2026-01-01T00:00:00Z') },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'with an entry whose issuer is misspelt',
      { entries: [{ ...one, issuer: [generalName.dns('a.b')] } as RevokedCertificate] },
      'ERR_INVALID_ARGUMENT',
    ],
    ['with a date that is none', { thisUpdate: new Date(Number.NaN) }, 'ERR_INVALID_ARGUMENT'],
    ['with a number below zero', { crlNumber: -1 }, 'ERR_INVALID_ARGUMENT'],
    ['with a number of 21 octets', { crlNumber: 2n ** 160n }, 'ERR_INVALID_ARGUMENT'],
    ['with a number that is none', { crlNumber: Number.NaN }, 'ERR_INVALID_ARGUMENT'],
    ['with a number that was rounded', { crlNumber: 2 ** 53 }, 'ERR_INVALID_ARGUMENT'],
    ['with a base number that is none', { deltaCrlIndicator: 1.5 }, 'ERR_INVALID_ARGUMENT'],
    ['with a base number below zero', { deltaCrlIndicator: -1n }, 'ERR_INVALID_ARGUMENT'],
    ['with an empty distribution point', { issuingDistributionPoint: {} }, 'ERR_INVALID_ARGUMENT'],
    [
      'with flags that contradict each other',
      { issuingDistributionPoint: { onlyContainsUserCerts: true, onlyContainsCaCerts: true } },
      'ERR_INVALID_ARGUMENT',
    ],
    ['for no reason', { issuingDistributionPoint: { onlySomeReasons: 0 } }, 'ERR_INVALID_ARGUMENT'],
    [
      'with a serial number without octets',
      { entries: [{ ...one, serialNumber: new Uint8Array(0) }] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'with a serial number of 21 octets',
      { entries: [{ ...one, serialNumber: new Uint8Array(21).fill(1) }] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'with a serial number that is padded',
      { entries: [{ ...one, serialNumber: fromHex('0001') }] },
      'ERR_DER',
    ],
    [
      'with a reason that is none',
      { entries: [{ ...one, reason: 'keycompromise' as never }] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'with a reason that is none, and a date',
      { entries: [{ ...one, reason: 'keycompromise' as never, invalidityDate: new Date(0) }] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'with a revocation date before 1950',
      { entries: [{ ...one, revocationDate: new Date('1949-12-31T23:59:59Z') }] },
      'ERR_INVALID_ARGUMENT',
    ],
    ['with an issuer without names', { entries: [{ ...one, certificateIssuer: [] }] }, 'ERR_NAME_INVALID'],
  ])('%s', async (_what, changes, wanted) => {
    await expect(built(changes)).rejects.toThrow(code(wanted))
  })

  it('with entries where nothing is revoked: the field is left out (RFC 5280 §5.1.2.6)', async () => {
    const list = await built()
    const tbs = new DerReader(list.tbs).expect(tags.sequence, 'tbs').inner()
    const found: number[] = []
    while (!tbs.done) found.push(tbs.next())
    expect(found).toEqual([0x02, 0x30, 0x30, 0x17, 0x17, 0xa0])
    expect(hex(encodeTime(list.thisUpdate.getTime()))).toBe(hex(start))
    expect(hex(encodeIssuingDistributionPoint({}))).toBe('3000')
  })
})

it('decodes an extension once, however often it is asked for', async () => {
  const list = await built({ issuingDistributionPoint: { name: { fullName: [uri] } } })
  expect(list.issuingDistributionPoint).toMatchObject({ name: { fullName: [uri] } })
  expect(list.issuingDistributionPoint).toBe(list.issuingDistributionPoint)
  expect(list.authorityKeyIdentifier).toBe(list.authorityKeyIdentifier)
})

describe('many entries of one serial number', () => {
  const again = (count: number, named?: string): Promise<Crl> =>
    built({
      ...(named === undefined ? {} : { issuingDistributionPoint: { indirectCrl: true } }),
      entries: Array.from({ length: count }, (_, at) => ({
        serialNumber: Uint8Array.of(7),
        revocationDate: new Date(at * 1000),
        certificateIssuer: at === 0 && named !== undefined ? [nameOf(named)] : undefined,
      })),
    })
  const nameOf = named

  // Without a bound on what is walked past, half a million of them took minutes.
  it('are found by the first, whatever their number', async () => {
    const list = await again(500_000)
    expect([
      list.has(Uint8Array.of(7)),
      list.has(Uint8Array.of(8)),
      list.find(Uint8Array.of(7))?.revocationDate?.getTime(),
    ]).toEqual([true, false, 0])
  })

  it('are a limit where each may be of another issuer', async () => {
    const [few, many] = [await again(1000, 'CN=a'), await again(2000, 'CN=a')]
    expect(few.find(Uint8Array.of(7), () => true)?.revocationDate?.getTime()).toBe(0)
    expect(() => many.find(Uint8Array.of(7), () => true)).toThrow(code('ERR_LIMIT_EXCEEDED'))
  })

  it('share the issuer that was named once', async () => {
    const [first, ...rest] = [...(await again(3, 'CN=a')).entries()].map(
      ({ certificateIssuer }) => certificateIssuer,
    )
    expect(first).toHaveLength(1)
    for (const issuerOfOther of rest) expect(issuerOfOther).toBe(first)
  })
})

it.each(['01:02', 'ABC', '0g', '', '-', '-1', '0x01'])(
  'a builder lists no other number than the one it is given: %j',
  async (serialNumber) => {
    const entries = [{ serialNumber: serialNumber as SerialNumber, revocationDate: new Date(0) }]
    const fields = {
      issuer: 'CN=x',
      thisUpdate: new Date(0),
      nextUpdate: new Date(1000),
      crlNumber: 1,
      authorityKeyIdentifier: new Uint8Array(20),
      entries,
    }
    await expect(buildCrl(fields, signer)).rejects.toThrow(code('ERR_SERIAL_INVALID'))
  },
)
