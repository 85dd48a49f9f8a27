// Records: one form for one record, whatever the order in which its members were given.

import { expect, it } from 'vitest'
import { decodeAuditRecord, encodeAuditRecord } from '../../../src/audit/index.ts'

const time = new Date('2027-01-15T08:00:00.123Z')

it('has sorted keys, no spaces and no undefined members', () => {
  const record = {
    time,
    event: 'revoked',
    serialNumber: '0a',
    details: { b: 1, a: [{ d: 1, c: undefined }] },
    rule: undefined,
  } as const
  expect(Buffer.from(encodeAuditRecord(record)).toString()).toBe(
    '{"details":{"a":[{"d":1}],"b":1},"event":"revoked","serialNumber":"0a",' +
      '"time":"2027-01-15T08:00:00.123Z","v":1}',
  )
})

it('reads what it writes', () => {
  const record = {
    event: 'issued',
    time,
    caller: { credential: 'x509', identities: ['spiffe://example.org/a'] },
    issuer: 'aa',
    serialNumber: '01',
    identity: 'spiffe://example.org/a',
  } as const
  expect(decodeAuditRecord(encodeAuditRecord(record))).toMatchObject(record)
})

it('refuses what is too long, without a date, or no record', () => {
  expect(() => encodeAuditRecord({ event: 'refused', time, reason: 'x'.repeat(65_535) })).toThrow(
    expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' }),
  )
  expect(() => encodeAuditRecord({ event: 'refused', time: new Date(Number.NaN) })).toThrow(
    expect.objectContaining({ code: 'ERR_TIME_INVALID' }),
  )
  for (const text of [
    '[]',
    '{}',
    '{"v":2,"event":"issued","time":"2027-01-15T08:00:00.123Z"}',
    '{"v":1,"event":"issued"}',
    '{"v":1,"time":"2027-01-15T08:00:00.123Z"}',
  ])
    expect(() => decodeAuditRecord(Buffer.from(text)), text).toThrow(
      expect.objectContaining({ code: 'ERR_AUDIT_LOG' }),
    )
})
