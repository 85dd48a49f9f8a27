// Entries of a CRL whose serial number is padded, or longer than RFC 5280 allows: found by their value (RFC
// 5280 §5.1.2.6, X.690 8.3.2).

import { describe, expect, it } from 'vitest'
import { element, encodeTime, sequence } from '../../../src/der/index.ts'
import { scannedEntries } from '../../../src/x509/crl/crl-entries.ts'
import type { CrlEntries } from '../../../src/x509/crl/crl-entries.ts'
import { serialNumberFromBytes } from '../../../src/x509/internal.ts'

const date = encodeTime(Date.UTC(2026, 0, 1))
const octets = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const entry = (serial: Uint8Array, ...rest: readonly Uint8Array[]): Uint8Array =>
  sequence(element(2, serial), date, ...rest)
const listOf = (...serials: readonly string[]): CrlEntries =>
  scannedEntries(Buffer.concat(serials.map((serial) => entry(octets(serial)))))

const long = `01${'ab'.repeat(199)}`

describe('a serial number that is listed as', () => {
  it.each([
    ['0005', '05'],
    ['00000005', '05'],
    [`${'00'.repeat(200)}05`, '05'],
    ['000080', '0080'],
    ['007f', '7f'],
    ['0000', '00'],
    ['00'.repeat(20), '00'],
    ['ff80', '80'],
    ['ffff', 'ff'],
    ['ffffff7f', 'ff7f'],
    [`ff${'80'.repeat(20)}`, '80'.repeat(20)],
    [`00${'7f'.repeat(127)}`, '7f'.repeat(127)],
    [long, long],
    [`0000${long}`, long],
    ['01'.repeat(1024), '01'.repeat(1024)],
  ])('%s is found by its value, beside others', (listed, value) => {
    const entries = listOf('11', listed, '12')
    const number = serialNumberFromBytes(octets(value))
    for (const wanted of [octets(value), number]) {
      expect(entries.has(wanted)).toBe(true)
      expect(entries.find(wanted)?.serialNumber).toBe(number)
      expect(entries.find(wanted)?.revocationDate).toEqual(new Date('2026-01-01'))
    }
    for (const other of ['11', '12']) expect(entries.has(octets(other))).toBe(true)
    for (const other of ['13', '0505', 'ff', 'fe', '0100'].filter((one) => one !== value))
      expect(entries.has(octets(other))).toBe(false)
    expect([...entries.all()].map(({ serialNumber }) => serialNumber)).toEqual(['11', number, '12'])
    // What a certificate has is compared by the octets of its shortest form.
    if (listed !== value) expect(entries.has(octets(listed))).toBe(false)
    expect(entries.scan.faults).toMatchObject([{ index: 1, serialNumber: number }])
  })

  it.each(['', '01'.repeat(1025), '00'.repeat(1025)])('%s is not read', (listed) => {
    const entries = listOf('11', listed, '12')
    expect([...entries.all()].map(({ serialNumber }) => serialNumber)).toEqual(['11', '12'])
    expect(entries.has(octets('00'))).toBe(false)
    expect(entries.scan.faults).toMatchObject([{ index: 1, serialNumber: undefined }])
  })

  it.each([
    ['a length in two octets that one can say', '3012 02810105'],
    ['a length in three octets that two can say', '3013 0282000105'],
    ['an indefinite length', '3013 0280010500'],
    ['a length beyond the entry', '3003 020505'],
    ['one octet', '3001 02'],
    ['a long length without octets', '3002 0281'],
  ])('%s: the entry is passed over', (_what, hex) => {
    const odd = octets(hex.replace(' ', ''))
    const inside = Buffer.concat([odd, date]).subarray(0, 2 + (odd[1] as number))
    const entries = scannedEntries(Buffer.concat([entry(octets('11')), inside, entry(octets('12'))]))
    expect([...entries.all()].map(({ serialNumber }) => serialNumber)).toEqual(['11', '12'])
    expect(entries.has(octets('05'))).toBe(false)
    expect(entries.scan.faults).toHaveLength(1)
  })
})

it('the cursor has the value, the date and the place of a padded entry', () => {
  const entries = listOf('11', '000005', '05')
  const cursor = entries.cursor()
  const found: unknown[] = []
  const starts: number[] = []
  while (cursor.next()) {
    starts.push(cursor.start)
    const serial = Buffer.from(cursor.bytes.subarray(cursor.serialStart, cursor.serialEnd)).toString('hex')
    found.push([serial, cursor.revocationMs, starts.indexOf(entries.offsetOf(cursor))])
  }
  const time = Date.UTC(2026, 0, 1)
  expect(found).toEqual([
    ['11', time, 0],
    ['05', time, 1],
    ['05', time, 1],
  ])
})

it('every one of many padded entries is found, however it is padded', () => {
  const count = 20_000
  const value = (at: number): string => `01${at.toString(16).padStart(6, '0')}`
  const entries = listOf(
    ...Array.from({ length: count }, (_, at) => '00'.repeat(1 + (at % 3)) + value(at)),
    // One number in forms that no hash tells apart: the index ends its run.
    ...Array.from({ length: count }, (_, at) => `${'00'.repeat(at % 99)}05`),
  )
  expect(entries.scan.count).toBe(2 * count)
  expect(entries.scan.faults).toHaveLength(16)
  for (let at = 0; at < count; at++) expect(entries.has(octets(value(at)))).toBe(true)
  expect([entries.has(octets('05')), entries.has(octets('06'))]).toEqual([true, false])
})
