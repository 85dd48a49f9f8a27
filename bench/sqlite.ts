// issue/durable-… and sqlite/…: issuing on a SQLite store against one in memory with many callers, looking up
// one certificate of many, and a page of those that expire next.

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSqliteStorage } from '../src/adapters/sqlite/index.ts'
import type { SqliteStorage } from '../src/adapters/sqlite/index.ts'
import { Database } from '../src/adapters/sqlite/thread/database.ts'
import type { Caller } from '../src/auth/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../src/ca/index.ts'
import type { CaStorage } from '../src/ca/index.ts'
import type { CertificateId } from '../src/ca/internal.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { buildCertificateRequest } from '../src/x509/index.ts'
import { benchStorage } from './issuance.ts'
import { measureRow, medianOf } from './measure.ts'
import type { BenchRow, SelfMeasuredRow } from './row.ts'

const caller: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/ns/production/sa/payments')],
  credential: 'bench',
  claims: {},
}
const p256 = (): SoftwareSigner =>
  new SoftwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const csr = (await buildCertificateRequest({}, p256())).toPem()
const newFolder = (): string => mkdtempSync(join(tmpdir(), 'bench-sqlite-'))

const issuer = 'AB'.repeat(20)
const eachCaller = 4
/** Lookups at once. */
const inFlight = 64

export const rows: readonly (BenchRow | SelfMeasuredRow)[] = [
  durableRow(64, 0.7),
  durableRow(1024, 0.85),
  {
    name: 'sqlite/lookup',
    goals: { 'lookup p99 ms': 1, 'expiring page ms': 10, 'prepared statement': 0.5 },
    measure: (options) => lookupRow(options.short ? 100_000 : 1_000_000, options),
  },
]

/** Each caller issues one certificate after another. */
function durableRow(callers: number, goal: number): BenchRow {
  const signer = p256()
  let folder = ''
  let sqlite: SqliteStorage | undefined
  const service = async (storage: CaStorage): Promise<() => Promise<void>> => {
    const options = { subject: 'CN=bench', trustDomain: 'example.org' }
    const certificate = await createRootCertificate(signer, options)
    const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, storage })
    const issuance = createIssuanceService({ authority })
    return async () => {
      await Promise.all(
        Array.from({ length: callers }, async () => {
          for (let i = 0; i < eachCaller; i++) await issuance.issue({ csr }, caller)
        }),
      )
    }
  }
  let [durable, volatile] = [async (): Promise<void> => undefined, async (): Promise<void> => undefined]
  return {
    name: `issue/durable-${callers}`,
    operations: callers * eachCaller,
    bars: { 'no store': 0.4 },
    goals: { 'no store': goal },
    async setup() {
      // A row that misses its bar is set up again.
      folder = newFolder()
      sqlite = await createSqliteStorage({ path: join(folder, 'ca.sqlite') })
      durable = await service(sqlite)
      volatile = await service(benchStorage())
    },
    async teardown() {
      await sqlite?.[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
    ours: () => durable(),
    peers: { 'no store': () => volatile() },
  }
}

/** Rows as random as those of certificates, made by SQLite itself. */
async function fill(path: string, count: number): Promise<void> {
  await (await createSqliteStorage({ path }))[Symbol.asyncDispose]()
  const file = new Database(path, undefined)
  const now = Date.now()
  file.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO certificates (issuer, serial_number, identity, key_identifier, not_after_ms, intended_at_ms,
      caller, rule, shard, state, certificate)
    SELECT '${issuer}', '01' || hex(randomblob(16)), 'spiffe://example.org/w/' || (i % 10000),
      hex(randomblob(20)), ${now} + (abs(random()) % 86400000), ${now},
      '{"credential":"x509","identities":[]}',
      'caller-identity', '', 'issued', randomblob(480) FROM n`)
  file.close()
}

async function lookupRow(
  count: number,
  options: Parameters<SelfMeasuredRow['measure']>[0],
): ReturnType<SelfMeasuredRow['measure']> {
  const folder = newFolder()
  const path = join(folder, 'ca.sqlite')
  await fill(path, count)
  const copy = join(folder, 'bare.sqlite')
  copyFileSync(path, copy)
  const bare = new Database(copy, undefined)
  const ids = bare
    .all('SELECT issuer, serial_number FROM certificates WHERE sequence % ? = 0', Math.floor(count / 5000))
    .map((row) => ({ issuer: row['issuer'], serialNumber: row['serial_number'] }) as CertificateId)
  const storage = await createSqliteStorage({ path })
  const { certificates } = storage
  const next = (): CertificateId => ids[randomBytes(2).readUInt16BE() % ids.length]!
  const timesOf = async (calls: number, call: () => Promise<unknown>): Promise<number[]> => {
    const times: number[] = []
    for (let i = 0; i < calls; i++) {
      const begin = performance.now()
      await call()
      times.push(performance.now() - begin)
    }
    return times.sort((a, b) => a - b)
  }
  try {
    return await measureRow(
      {
        name: `sqlite/lookup-${count}`,
        operations: inFlight,
        ours: () => Promise.all(Array.from({ length: inFlight }, () => certificates.find(next()))),
        peers: {
          'prepared statement': () => {
            for (let i = 0; i < inFlight; i++) {
              const { issuer: of, serialNumber } = next()
              bare.get('SELECT * FROM certificates WHERE serial_number = ? AND issuer = ?', serialNumber, of)
            }
          },
        },
        async extra() {
          const lookups = await timesOf(5000, () => certificates.find(next()))
          const notAfterBefore = new Date(Date.now() + 3_600_000)
          const pages = await timesOf(200, () =>
            certificates.query({ state: 'issued', notAfterFrom: new Date(), notAfterBefore, limit: 100 }),
          )
          return {
            'lookup p99 ms': lookups[Math.floor(lookups.length * 0.99)]!,
            'lookup median ms': medianOf(lookups),
            'expiring page ms': medianOf(pages),
          }
        },
      },
      options,
    )
  } finally {
    bare.close()
    await storage[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}
