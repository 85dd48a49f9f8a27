// The index of a long list, built in turns: counted in steps, never in time.

import { expect, it } from 'vitest'
import { DerReader } from '../../../src/der/index.ts'
import { Turns } from '../../../src/internal/turns/turns.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { DistinguishedName, buildCrl } from '../../../src/x509/index.ts'
import { scannedEntries } from '../../../src/x509/crl/crl-entries.ts'
import type { CrlEntries } from '../../../src/x509/crl/crl-entries.ts'
import { serialNumberFromBytes } from '../../../src/x509/internal.ts'
import { privateKey } from './encodings.ts'

const count = 10_000
const serials = Array.from({ length: count }, (_, i) => Uint8Array.of(1, i >> 8, i & 255))
const signer = new SoftwareSigner(privateKey)
const list = await buildCrl(
  {
    issuer: DistinguishedName.parse('CN=long list'),
    thisUpdate: new Date('2026-01-01T00:00:00Z'),
    nextUpdate: new Date('2026-01-02T00:00:00Z'),
    crlNumber: 1,
    authorityKeyIdentifier: Uint8Array.of(1),
    entries: serials.map((serialNumber) => ({
      serialNumber,
      revocationDate: new Date('2026-01-01T00:00:00Z'),
    })),
  },
  signer,
)

/** Gives a turn each time, and counts. */
class CountedTurns extends Turns {
  given = 0

  override async give(): Promise<void> {
    this.given++
    await this.wait()
  }
}

/** The entries of the list without an index. */
function entriesOf(): CrlEntries {
  const starts: number[] = []
  for (const cursor = list.cursor(); cursor.next();) starts.push(cursor.start)
  const last = new DerReader(list.der, starts.at(-1))
  last.next()
  return scannedEntries(list.der.slice(starts[0], last.offset))
}

it('lets the event loop run at least each 2,048 entries', async () => {
  const entries = entriesOf()
  const turns = new CountedTurns()
  await entries.buildIndex(turns)
  expect(entries.scan.count).toBe(count)
  expect(turns.given).toBe(Math.ceil(count / 2048) - 1)
  await entries.buildIndex(turns)
  expect(turns.given, 'the index is kept').toBe(Math.ceil(count / 2048) - 1)
})

it('finds what the index in one piece finds, also while it is built', async () => {
  const entries = entriesOf()
  const building = entries.buildIndex(new CountedTurns())
  expect(entries.has(serials.at(-1)!)).toBe(true)
  await building
  for (const serial of serials) expect(entries.has(serial)).toBe(true)
  expect(entries.has(Uint8Array.of(2, 0, 0))).toBe(false)
})

it('is there for a list, and for one without entries', async () => {
  await list.buildIndex()
  expect(list.find(serials[77]!)?.serialNumber).toBe(serialNumberFromBytes(serials[77]!))
  const empty = await buildCrl(
    {
      issuer: DistinguishedName.parse('CN=empty'),
      thisUpdate: new Date('2026-01-01T00:00:00Z'),
      nextUpdate: new Date('2026-01-02T00:00:00Z'),
      crlNumber: 1,
      authorityKeyIdentifier: Uint8Array.of(1),
      entries: [],
    },
    signer,
  )
  await empty.buildIndex()
  expect(empty.has(serials[0]!)).toBe(false)
})
