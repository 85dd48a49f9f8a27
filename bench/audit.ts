// audit/append: an issued certificate put on record together with its audit record, beside the same
// transactions without it.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSqliteStorage } from '../src/adapters/sqlite/index.ts'
import type { SqliteStorage } from '../src/adapters/sqlite/index.ts'
import { encodeAuditRecord } from '../src/audit/index.ts'
import { keyIdentifierOf } from '../src/ca/internal.ts'
import type { IssuanceIntent } from '../src/ca/internal.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { serialNumberFromBytes } from '../src/x509/internal.ts'
import type { BenchRow } from './row.ts'

const identity = SpiffeId.parse('spiffe://example.org/ns/production/sa/payments')
const certificate = randomBytes(480)
const tbs = certificate.subarray(0, 400)
/** Certificates that are put on record at once. */
const inFlight = 256

let folder = ''
let audited: SqliteStorage | undefined
let bare: SqliteStorage | undefined

export const rows: readonly BenchRow[] = [
  {
    name: 'audit/append',
    operations: inFlight,
    bars: { 'without audit': 0.7 },
    goals: { 'without audit': 0.9 },
    async setup() {
      folder = mkdtempSync(join(tmpdir(), 'bench-audit-'))
      audited = await createSqliteStorage({ path: join(folder, 'audited.sqlite') })
      bare = await createSqliteStorage({ path: join(folder, 'bare.sqlite') })
    },
    ours: () => recordMany(audited as SqliteStorage, true),
    peers: { 'without audit': () => recordMany(bare as SqliteStorage, false) },
    async teardown() {
      await audited?.[Symbol.asyncDispose]()
      await bare?.[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  },
]

/** Intent, then outcome: two transactions for each certificate, committed in groups. */
async function recordMany({ certificates }: SqliteStorage, withAudit: boolean): Promise<void> {
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      const intent = newIntent()
      await certificates.recordIntent(intent)
      // Made in both, so that the transactions alone differ.
      const entry = auditRecord(intent)
      await certificates.recordOutcome(intent, { certificate }, withAudit ? { audit: [entry] } : {})
    }),
  )
}

function newIntent(): IssuanceIntent {
  const now = Date.now()
  return {
    issuer: keyIdentifierOf(tbs.subarray(0, 20)),
    serialNumber: serialNumberFromBytes(Buffer.concat([Buffer.of(1), randomBytes(16)])),
    tbs,
    identity,
    keyIdentifier: keyIdentifierOf(tbs.subarray(20, 40)),
    notAfter: new Date(now + 3_600_000),
    intendedAt: new Date(now),
    caller: { credential: 'bench', identities: [identity] },
    rule: 'caller-identity',
  }
}

function auditRecord({ issuer, serialNumber, rule }: IssuanceIntent): Uint8Array {
  return encodeAuditRecord({
    time: new Date(),
    event: 'issued',
    caller: { credential: 'bench', identities: [identity.toString()] },
    issuer,
    serialNumber,
    certificateSha256: 'ab'.repeat(32),
    identity: identity.toString(),
    rule,
  })
}
