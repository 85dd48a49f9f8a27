// Records survive the way into a row and back, and a row that nobody wrote
// is refused by the name of its column.

import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  authorityColumns,
  authorityOfRow,
  authorityValues,
  crlColumns,
  crlOfRow,
  crlValues,
  intentColumns,
  intentValues,
  recordColumns,
  recordOfRow,
  revokedRecordOfRow,
  unrecordedValues,
} from '../../../src/ca/internal.ts'
import type { Row } from '../../../src/ca/internal.ts'
import { createMemoryStorage, exportRecords } from '../../../src/ca/index.ts'
import type { AuthorityRecord, IssuanceIntent } from '../../../src/ca/internal.ts'
import type { StoredCrl } from '../../../src/ca/internal.ts'
import {
  anyIntent,
  anyKeyIdentifier,
  idOf,
  issued,
} from '../../../src/testing/contracts/storage/storage-fixtures.ts'
import { code } from '../../support/codes.ts'

const rowOf = (columns: readonly string[], values: readonly unknown[]): Row =>
  Object.fromEntries(columns.map((column, at) => [column, values[at]]))
const never = { sequence: 1, revocation_reason: null, revoked_at_ms: null, change: null }
const intentRow = (intent: IssuanceIntent): Row => ({
  ...never,
  ...rowOf(intentColumns, intentValues(intent)),
})
const plain = (value: object): object => JSON.parse(JSON.stringify(value)) as object

describe('a certificate', () => {
  it('comes back from its row as it was, whatever text its fields have', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 })
    fc.assert(
      fc.property(text, text, text, fc.boolean(), (rule, credential, idempotencyKey, renews) => {
        const intent = anyIntent({
          rule,
          idempotencyKey,
          renews: renews ? idOf(anyIntent()) : undefined,
          caller: { credential, identities: [anyIntent().identity, anyIntent().identity] },
          shard: '3',
        })
        const record = recordOfRow(intentRow(intent))
        const { tbs, identity, ...rest } = intent
        expect(plain(record)).toMatchObject(plain({ ...rest, state: 'intended', identity }))
        expect(Buffer.compare(record.tbs!, tbs)).toBe(0)
      }),
      { numRuns: 100 },
    )
  })

  it('without a record before is issued, by nobody known', () => {
    const { issuer, serialNumber, identity, keyIdentifier, intendedAt, notAfter } = anyIntent()
    const certificate = randomBytes(300)
    const id = { issuer, serialNumber }
    const unrecorded = { certificate, identity, keyIdentifier, notBefore: intendedAt, notAfter }
    const row = { ...never, ...rowOf(intentColumns, unrecordedValues(id, unrecorded)) }
    const record = recordOfRow({ ...row, revocation_reason: 'superseded', revoked_at_ms: 5 })
    expect(record).toMatchObject({ ...id, state: 'issued', rule: 'unrecorded', shard: '' })
    expect(record.revocation).toEqual({ reason: 'superseded', revokedAt: new Date(5) })
    expect(Object.isFrozen(record)).toBe(true)
  })

  it('reads whole numbers as databases return them', () => {
    const row = intentRow(anyIntent())
    for (const wrap of [String, BigInt])
      expect(
        recordOfRow({ ...row, not_after_ms: wrap(row['not_after_ms'] as number) }).notAfter.getTime(),
      ).toBe(row['not_after_ms'])
  })

  it.each<[string, unknown]>([
    ['issuer', 'abcd'],
    ['issuer', ''],
    ['serial_number', '00AB'],
    ['serial_number', 'xyz'],
    ['identity', 'https://example.org/a'],
    ['identity', null],
    ['key_identifier', 7],
    ['not_after_ms', 1.5],
    ['not_after_ms', 8.64e15 + 1],
    ['not_after_ms', '1e3'],
    ['intended_at_ms', null],
    ['caller', '{'],
    ['caller', '{"credential":"a"}'],
    ['caller', '{"credential":"a","identities":[3]}'],
    ['caller', '{"credential":"a","credential":"b","identities":[]}'],
    ['rule', new Uint8Array(1)],
    ['renews_issuer', 'ABCD'],
    ['renews_serial_number', 'AB'],
    ['shard', null],
    ['state', 'issued'],
    ['state', 'valid'],
    ['tbs', null],
    ['tbs', 'text'],
    ['certificate', new Uint8Array(3)],
    ['revocation_reason', 'superseded'],
    ['revoked_at_ms', 1],
    ['shard', undefined],
  ])('refuses a row whose %s is %j', (column, value) => {
    const row = { ...intentRow(anyIntent()), [column]: value }
    expect(() => recordOfRow(row)).toThrow(code('ERR_STORE_CORRUPT'))
  })

  it('refuses a revocation that is half there, also in lists', () => {
    const row = { ...intentRow(anyIntent()), revocation_reason: 'removeFromCRL', revoked_at_ms: 1 }
    expect(() => revokedRecordOfRow(row)).toThrow(code('ERR_STORE_CORRUPT'))
    expect(recordColumns).toContain('revocation_reason')
  })
})

describe('lists and authorities', () => {
  const crl: StoredCrl = {
    issuer: anyKeyIdentifier(),
    shard: '1',
    number: 2n ** 150n,
    crl: new Uint8Array(randomBytes(90)),
    thisUpdate: new Date(1000),
    nextUpdate: new Date(2000),
  }
  const authority: AuthorityRecord = {
    id: 'a',
    state: 'active',
    certificate: new Uint8Array(randomBytes(9)),
    chain: [],
    roots: [new Uint8Array(randomBytes(300)), new Uint8Array()],
    keyId: 'k',
    keyVersion: 2,
    since: new Date(5000),
    version: 3,
    details: '{"at":1}',
  }

  it('come back from their rows', () => {
    expect(crlOfRow(rowOf(crlColumns, crlValues(crl)))).toEqual(crl)
    expect(authorityOfRow(rowOf(authorityColumns, authorityValues(authority)))).toEqual(authority)
  })

  it.each([
    ['number', '-1'],
    ['number', '01'],
    ['issuer', 'x'],
    ['crl', null],
  ])('a list whose %s is %j is refused', (column, value) => {
    const row = { ...rowOf(crlColumns, crlValues(crl)), [column]: value }
    expect(() => crlOfRow(row)).toThrow(code('ERR_STORE_CORRUPT'))
  })

  it.each([
    ['state', 'gone'],
    ['chain', Uint8Array.of(0, 0, 0, 9, 1)],
    ['roots', Uint8Array.of(0, 0)],
    ['version', 'two'],
  ])('an authority whose %s is %j is refused', (column, value) => {
    const row = { ...rowOf(authorityColumns, authorityValues(authority)), [column]: value }
    expect(() => authorityOfRow(row)).toThrow(code('ERR_STORE_CORRUPT'))
  })
})

describe('exportRecords', () => {
  it('writes one line of JSON a record, over all pages', async () => {
    const { certificates } = createMemoryStorage()
    const identity = anyIntent().identity
    const all = []
    for (let i = 0; i < 5; i++) all.push(await issued(certificates, { identity }))
    await certificates.recordIntent(anyIntent())
    const lines: string[] = []
    for await (const line of exportRecords(certificates, { identity, limit: 2 })) lines.push(line)
    const read = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(read.map(({ serialNumber }) => serialNumber)).toEqual(all.map(({ serialNumber }) => serialNumber))
    expect(Buffer.from(read[0]!['certificate'] as string, 'base64').equals(all[0]!.certificate)).toBe(true)
    expect(lines.every((line) => line.endsWith('}\n'))).toBe(true)
  })

  it('ends where its signal is aborted', async () => {
    const { certificates } = createMemoryStorage()
    await issued(certificates)
    const lines = exportRecords(certificates, {}, AbortSignal.abort())
    await expect(lines.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })
})
