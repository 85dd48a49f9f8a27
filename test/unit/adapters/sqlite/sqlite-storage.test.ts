// The store in a SQLite file: every contract, over restarts too, and what it refuses to open.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it } from 'vitest'
import { createSqliteStorage } from '../../../../src/adapters/sqlite/index.ts'
import type { SqliteStorage } from '../../../../src/adapters/sqlite/index.ts'
import type { SqliteStorageOptions } from '../../../../src/adapters/sqlite/sqlite-storage.ts'
import { Database } from '../../../../src/adapters/sqlite/thread/database.ts'
import { sqliteDialect } from '../../../../src/adapters/sqlite/sqlite-certificates.ts'
import { closeStore, openStore } from '../../../../src/adapters/sqlite/thread/open-store.ts'
import { applicationId, migrations } from '../../../../src/adapters/sqlite/thread/schema.ts'
import { JoinTokenAuthenticator } from '../../../../src/auth/index.ts'
import { readCertificateQuery, searchStatement } from '../../../../src/ca/internal.ts'
import type { CertificateQuery, KeyIdentifier } from '../../../../src/ca/internal.ts'
import { FakeClock, contracts } from '../../../../src/testing/index.ts'
import { anyIntent, idOf, issued } from '../../../../src/testing/contracts/storage/storage-fixtures.ts'
import { bundled, sqliteWorker } from '../../../support/bundled.ts'
import { code } from '../../../support/codes.ts'
import { itKeeps } from '../../../support/contract.ts'
import { temporaryFolders } from '../../../support/temporary.ts'
import { requestWith } from '../../../support/tokens.ts'

const workerModule = sqliteWorker()
const openingThread = bundled('test/support/open-store-thread.ts')
const newFolder = temporaryFolders('sqlite-')
const newPath = (): string => join(newFolder(), 'ca.sqlite')
const open = (path: string, options: Partial<SqliteStorageOptions> = {}): Promise<SqliteStorage> =>
  createSqliteStorage({ path, workerModule, ...options })

const digestOf = (key: string): string => createHash('sha256').update(key).digest('base64url')

/** The file without the store around it. */
function withFile<Answer>(path: string, use: (database: Database) => Answer): Answer {
  const database = new Database(path, undefined)
  try {
    return use(database)
  } finally {
    database.close()
  }
}

describe('every contract', () => {
  const path = newPath()
  itKeeps(contracts.CaStorage({ open: () => open(path), durable: true }))
})

describe('opening', () => {
  it('makes a file that others cannot read, and leaves no other behind', async () => {
    const path = newPath()
    await using storage = await open(path)
    await issued(storage.certificates)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(`${path}-wal`).mode & 0o077).toBe(0)
    await storage[Symbol.asyncDispose]()
    expect([`${path}-wal`, `${path}-writer`].filter((file) => existsSync(file))).toEqual([])
  })

  it('refuses a second writer, in this process or another, by its name', async () => {
    const path = newPath()
    await using storage = await open(path)
    const refusal = await open(path).catch((error: unknown) => error as Error)
    expect(refusal).toEqual(code('ERR_STORE_LOCKED'))
    expect((refusal as Error).message).toContain(`process ${process.pid} on `)
    const other = bundled('test/support/second-writer.ts')
    const said = spawnSync(process.execPath, [fileURLToPath(other), path, workerModule.href])
    expect(said.stdout.toString()).toBe('ERR_STORE_LOCKED')
    const one = await issued(storage.certificates)
    await storage[Symbol.asyncDispose]()
    await using again = await open(path)
    expect((await again.certificates.find(one))?.state).toBe('issued')
  })

  it('refuses the store of another CA', async () => {
    const path = newPath()
    await (await open(path, { owner: 'example.org' }))[Symbol.asyncDispose]()
    for (const owner of ['other.example', ''])
      await expect(open(path, { owner })).rejects.toEqual(code('ERR_STORE_OWNER'))
    await (await open(path, { owner: 'example.org' }))[Symbol.asyncDispose]()
  })

  it('refuses a newer schema, and changes nothing in it', async () => {
    const path = newPath()
    await (await open(path))[Symbol.asyncDispose]()
    withFile(path, (file) => file.exec(`PRAGMA user_version = ${migrations.length + 1}`))
    const before = readFileSync(path)
    await expect(open(path)).rejects.toEqual(code('ERR_STORE_SCHEMA'))
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  it("refuses another program's database, and what is none", async () => {
    const [foreign, text] = [newPath(), newPath()]
    withFile(foreign, (file) => file.exec('CREATE TABLE users (name TEXT)'))
    writeFileSync(
      text,
      'not a database at all, but long enough for a header of one hundred octets '.repeat(20),
    )
    for (const path of [foreign, text]) await expect(open(path)).rejects.toEqual(code('ERR_STORE_SCHEMA'))
    expect(withFile(foreign, (file) => file.value('PRAGMA journal_mode'))).toBe('delete')
  })

  it.each([
    ['a directory that is not there', join(newFolder(), 'none', 'ca.sqlite')],
    ['a directory', newFolder()],
  ])('refuses %s', async (_what, path) => {
    await expect(open(path)).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
  })

  it.each([
    ['', []],
    [', also where SQLite has ended the transaction itself', ['ROLLBACK']],
  ])('says that there is no room%s', (_when, before) => {
    const fill = ['CREATE TABLE filler (octets)', 'INSERT INTO filler VALUES (zeroblob(65536))']
    const found = reasonOf(() =>
      openStore({ ...setupOf(newPath()), maxBytes: 16 * 1024 }, [...before, ...fill]),
    )
    expect(found).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', cause: { errcode: 13 } })
  })

  it.each<Partial<SqliteStorageOptions>>([
    { path: '' },
    { maxQueued: 0 },
    { maxOneTimeValues: 0 },
    { maxBytes: Number.NaN },
    { owner: undefined as unknown as string },
    { file: 'x' } as unknown as Partial<SqliteStorageOptions>,
  ])('refuses the options %j', async (options) => {
    await expect(open(newPath(), options)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
  })

  it('says what to install where no SQLite is there', async () => {
    await expect(open(newPath(), { module: 'no-such-sqlite' })).rejects.toEqual(
      code('ERR_PEER_NOT_INSTALLED'),
    )
  })

  it('fails where its thread has no module', async () => {
    const absent = new URL('./no-such-worker.mjs', import.meta.url)
    await expect(open(newPath(), { workerModule: absent })).rejects.toEqual(code('ERR_STORE_FAILED'))
  })
})

describe('a clock that went back', () => {
  const start = Date.UTC(2026, 0, 1)
  const clockAt = (minutes: number): FakeClock => new FakeClock(new Date(start + minutes * 60_000))

  it('is refused after more than five minutes, and accepted on request', async () => {
    const path = newPath()
    const first = await open(path, { clock: clockAt(10) })
    await first[Symbol.asyncDispose]()
    await expect(open(path, { clock: clockAt(4.9) })).rejects.toEqual(code('ERR_STORE_CLOCK'))
    await (await open(path, { clock: clockAt(5) }))[Symbol.asyncDispose]()
    const accepted = await open(path, { clock: clockAt(-60), acceptEarlierClock: true })
    expect(await accepted.crls.latestTime?.()).toEqual(new Date(clockAt(-60).now()))
    await accepted[Symbol.asyncDispose]()
    await (await open(path, { clock: clockAt(-60) }))[Symbol.asyncDispose]()
  })

  it('ends the leases of the later clock, whose holders are gone', async () => {
    const path = newPath()
    const year = 365 * 24 * 60
    const first = await open(path, { clock: clockAt(year) })
    const before = await first.leases.acquire('rotation', 'gone', 180_000)
    await issued(first.certificates)
    await first[Symbol.asyncDispose]()
    await using again = await open(path, { clock: clockAt(0), acceptEarlierClock: true })
    const lease = await again.leases.acquire('rotation', 'here', 180_000)
    expect(lease?.epoch).toBe(before!.epoch + 1)
  })

  it('issues nothing while it runs, revokes still, and goes on when it is right again', async () => {
    const clock = clockAt(0)
    await using storage = await open(newPath(), { clock })
    clock.advance(3_600_000)
    const one = await issued(storage.certificates)
    clock.setWallClock(new Date(start))
    await expect(storage.certificates.recordIntent(anyIntent())).rejects.toEqual(code('ERR_STORE_CLOCK'))
    const revocation = { reason: 'superseded', revokedAt: new Date(start) } as const
    await expect(storage.certificates.revoke(one, revocation)).resolves.toMatchObject({ revocation })
    clock.setWallClock(new Date(start + 3_600_000))
    await expect(storage.certificates.recordIntent(anyIntent())).resolves.toBeUndefined()
  })
})

describe('migrations', () => {
  const versionOf = (path: string): unknown => withFile(path, (file) => file.value('PRAGMA user_version'))

  /** What a store of version 1 has, as SQL of its own: it stays as it is when the code changes. */
  const versionOne = `
    INSERT INTO settings VALUES ('owner', 'example.org');
    INSERT INTO certificates (issuer, serial_number, identity, key_identifier, not_after_ms, intended_at_ms,
      caller, rule, idempotency_key, shard, state, tbs, certificate, revocation_reason, revoked_at_ms, change)
    VALUES
      ('AB01', '7F', 'spiffe://example.org/a', 'CD02', 1900000000000, 1700000000000,
       '{"credential":"x509","identities":["spiffe://example.org/a"]}', 'r', 'k', '', 'issued', NULL, x'3000',
       'keyCompromise', 1700000001000, 1),
      ('AB01', '70', 'spiffe://example.org/b', 'CD03', 1900000000000, 1700000000000,
       '{"credential":"x509","identities":[]}', 'r', NULL, '', 'intended', x'3001', NULL, NULL, NULL, NULL);
    UPDATE counters SET value = 1 WHERE name = 'change';
    INSERT INTO crls VALUES ('AB01', '', '1700000001000', x'3002', 1700000001000, 1700086401000);
    INSERT INTO audit_entries (entry) VALUES (x'01'), (x'02');
    UPDATE counters SET value = 1 WHERE name = 'audit_sequenced';`
  const versionTwo = `${versionOne}
    INSERT INTO renewal_blocks VALUES ('identity spiffe://example.org/b', 'left', 1700000000000);`
  const versionThree = `${versionTwo}
    INSERT INTO one_time_values VALUES ('${digestOf('key')}', 'value', 4000000000000);`
  /** Version 4 added indexes. */
  const versionFour = versionThree
  const fixtures: readonly string[] = [versionOne, versionTwo, versionThree, versionFour]

  it.each(fixtures.map((fixture, at) => [at + 1, fixture] as const))(
    'a store of version %i opens with everything in it',
    async (version, fixture) => {
      const path = newPath()
      withFile(path, (file) => {
        for (const step of migrations.slice(0, version)) file.exec(step)
        file.exec(`${fixture} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}`)
      })
      await using storage = await open(path, { owner: 'example.org' })
      const { items } = await storage.certificates.query({})
      expect(items.map(({ serialNumber, state }) => [serialNumber, state])).toEqual([
        ['7F', 'issued'],
        ['70', 'intended'],
      ])
      const revoked = await storage.certificates.revocations({
        issuer: items[0]!.issuer,
        notExpiredAt: new Date(0),
      })
      expect(revoked.items.map(({ revocation }) => revocation?.reason)).toEqual(['keyCompromise'])
      expect((await storage.crls.list()).map(({ number }) => number)).toEqual([1700000001000n])
      expect(await storage.audit.size()).toEqual({ sequenced: 1, pending: 1 })
      expect((await storage.blocks.list()).map(({ reason }) => reason)).toEqual(version < 2 ? [] : ['left'])
      expect(await storage.oneTimeValues.take('key')).toBe(version < 3 ? undefined : 'value')
      await storage[Symbol.asyncDispose]()
      expect(versionOf(path)).toBe(migrations.length)
    },
  )

  it('has a fixture of every earlier version', () => {
    expect(fixtures.length).toBe(migrations.length)
  })

  it('makes all steps or none', async () => {
    const path = newPath()
    const openWith = async (steps: readonly string[]): Promise<unknown> => {
      const thread = new Worker(openingThread, { workerData: { setup: setupOf(path), migrations: steps } })
      const [[said]] = await Promise.all([once(thread, 'message'), once(thread, 'exit')])
      return said
    }
    const steps = [...migrations, 'CREATE TABLE extra (a)', 'CREATE TABLE extra (a)']
    expect(await openWith(migrations)).toBe('opened')
    expect(await openWith(steps)).toBe('ERR_STORE_UNAVAILABLE')
    expect(await openWith(migrations)).toBe('opened')
    expect(await openWith(steps.slice(0, -1))).toBe('opened')
    expect(await openWith(migrations)).toBe('ERR_STORE_SCHEMA')
    expect(versionOf(path)).toBe(migrations.length + 1)
  })
})

describe('one-time values', () => {
  const path = newPath()
  let shared: Promise<SqliteStorage> | undefined
  afterAll(async () => (await shared)?.[Symbol.asyncDispose]())
  itKeeps(contracts.OneTimeStore({ open: async () => (await (shared ??= open(path))).oneTimeValues }))

  it('let one of a hundred machines join with a token, also after a restart', async () => {
    const at = newPath()
    const storage = await open(at)
    const joining = new JoinTokenAuthenticator({ store: storage.oneTimeValues })
    const grant = { identities: ['spiffe://example.org/machine/7'], ttlSeconds: 600 }
    const [token, kept] = [await joining.createToken(grant), await joining.createToken(grant)]
    const join = (given: string, by = joining): Promise<unknown> =>
      by.authenticate(requestWith({ 'x-join-token': given }))
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => join(token)))
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await storage[Symbol.asyncDispose]()
    await using again = await open(at)
    const later = new JoinTokenAuthenticator({ store: again.oneTimeValues })
    await expect(join(token, later)).rejects.toEqual(code('ERR_CREDENTIAL_INVALID'))
    await expect(join(kept, later)).resolves.toMatchObject({ credential: 'join-token' })
  })

  it('are bounded; expired ones are removed, and do not return with an earlier clock', async () => {
    const at = newPath()
    const clock = new FakeClock()
    const in10s = (): Date => new Date(clock.now() + 10_000)
    const first = await open(at, { clock, maxOneTimeValues: 20 })
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
    for (const key of keys) expect(await first.oneTimeValues.add(key, 'value', in10s())).toBe(true)
    await expect(first.oneTimeValues.add('more', '', in10s())).rejects.toEqual(code('ERR_STORE_FULL'))
    expect(await first.oneTimeValues.take('key 0')).toBe('value')
    clock.advance(5000)
    expect(await first.oneTimeValues.add('late', 'value', in10s())).toBe(true)
    clock.advance(5000)
    expect(await first.oneTimeValues.add('room', '', in10s())).toBe(true)
    clock.setWallClock(new Date(clock.now() - 60_000))
    expect(await first.oneTimeValues.take('key 19')).toBeUndefined()
    expect(await first.oneTimeValues.take('late')).toBe('value')
    clock.setWallClock(new Date(clock.now() + 60_000))
    expect(await first.oneTimeValues.add('last', '', in10s())).toBe(true)
    await first[Symbol.asyncDispose]()
    const left = withFile(at, (file) => file.all('SELECT key FROM one_time_values ORDER BY key'))
    expect(left.map(({ key }) => key)).toEqual(['last', 'room'].map(digestOf).toSorted())
  })

  it('refuse what they cannot store', async () => {
    await using storage = await open(newPath())
    const { oneTimeValues } = storage
    for (const [value, at] of [
      ['', new Date(Number.NaN)],
      ['x'.repeat(262_145), new Date(4e12)],
    ] as const)
      await expect(oneTimeValues.add('key', value, at)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('calls', () => {
  it('that come together share a commit', async () => {
    const path = newPath()
    await using storage = await open(path)
    await storage.leases.now()
    const all = Array.from({ length: 200 }, () => anyIntent())
    await Promise.all(all.map((intent) => storage.certificates.recordIntent(intent)))
    // A commit writes each changed page to the log once: apart, 200 intents write their pages 200 times.
    const together = statSync(`${path}-wal`).size
    const apart = newPath()
    await using other = await open(apart)
    for (const intent of all) await other.certificates.recordIntent(intent)
    expect(together * 4).toBeLessThan(statSync(`${apart}-wal`).size)
  })

  it('that are refused do not fail the others of their group', async () => {
    await using storage = await open(newPath())
    const { certificates } = storage
    const [one, two] = [anyIntent(), anyIntent()]
    const results = await Promise.allSettled([
      certificates.recordIntent(one),
      certificates.recordIntent(anyIntent(idOf(one))),
      certificates.recordIntent(anyIntent({ rule: undefined as unknown as string })),
      certificates.recordIntent(two),
    ])
    expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'recorded'))).toEqual(
      ['recorded', 'ERR_SERIAL_EXISTS', 'ERR_INVALID_ARGUMENT', 'recorded'],
    )
    expect((await certificates.query({})).items.map(idOf)).toEqual([idOf(one), idOf(two)])
    expect(storage.failure).toBeUndefined()
  })

  it('are bounded: intents first, and what ends them last', async () => {
    await using storage = await open(newPath(), { maxQueued: 3 })
    const { certificates } = storage
    const intents = [anyIntent(), anyIntent(), anyIntent()]
    const recorded = intents.map((intent) => certificates.recordIntent(intent))
    expect(storage.pending).toBe(3)
    const outcomes = intents.map((intent) => certificates.recordOutcome(intent, { failed: true }))
    const finds = Promise.allSettled(Array.from({ length: 7 }, () => certificates.find(intents[0]!)))
    await expect(certificates.recordIntent(anyIntent())).rejects.toEqual(code('ERR_OVERLOADED'))
    await expect(Promise.all([...recorded, ...outcomes])).resolves.toHaveLength(6)
    const found = await finds
    expect(found.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  })

  it('are refused after the store was closed, and what was pending is done first', async () => {
    const path = newPath()
    const storage = await open(path)
    const intents = Array.from({ length: 50 }, () => anyIntent())
    const recorded = intents.map((intent) => storage.certificates.recordIntent(intent))
    await storage[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
    await expect(Promise.all(recorded)).resolves.toHaveLength(50)
    await expect(storage.certificates.find(intents[0]!)).rejects.toEqual(code('ERR_CLOSED'))
    await expect(storage.copyTo(`${path}.copy`)).rejects.toEqual(code('ERR_CLOSED'))
    expect(existsSync(`${path}.copy`)).toBe(false)
    await using again = await open(path)
    expect((await again.certificates.query({ limit: 1000 })).items).toHaveLength(50)
  })

  it('refuse a row that somebody changed', async () => {
    const path = newPath()
    const storage = await open(path)
    const one = await issued(storage.certificates)
    await storage[Symbol.asyncDispose]()
    withFile(path, (file) => file.exec(`UPDATE certificates SET identity = 'https://example.org'`))
    await using again = await open(path)
    await expect(again.certificates.find(one)).rejects.toEqual(code('ERR_STORE_CORRUPT'))
  })
})

describe('queries', () => {
  const issuer = 'AB01' as KeyIdentifier
  const at = new Date(1_700_000_000_000)

  it('use an index for each of their conditions', () => {
    const path = newPath()
    const conditions = [
      `serial_number = 'A'`,
      `identity = 'a'`,
      `key_identifier = 'a'`,
      `idempotency_key = 'a'`,
      'not_after_ms >= 1 AND not_after_ms < 2 AND (not_after_ms, sequence) > (1, 2)',
      'intended_at_ms >= 1 AND intended_at_ms < 2',
      `state = 'intended' AND state <> 'issued'`,
      `issuer = 'A' AND change > 3`,
      'revocation_reason IS NOT NULL',
    ]
    const database = openStore(setupOf(path))
    for (const condition of conditions) {
      const plan = database.all(`EXPLAIN QUERY PLAN SELECT * FROM certificates WHERE ${condition}`)
      expect([condition, plan.map(({ detail }) => detail).join()]).toEqual([
        condition,
        expect.stringContaining('USING INDEX'),
      ])
    }
    closeStore(database)
  })

  it.each<CertificateQuery>([
    { revoked: true },
    { revoked: true, issuer },
    { revoked: true, after: 'i7' },
    { state: 'intended' },
    { state: 'failed', issuer },
    { state: 'lapsed', after: 'i7' },
    { issuer },
    { issuer, after: 'i7' },
    { intendedFrom: at },
    { intendedBefore: at, after: 't7.7' },
    { intendedFrom: at, intendedBefore: at, issuer },
    { intendedFrom: at, state: 'issued', after: 't7.7' },
    { notAfterFrom: at, notAfterBefore: at, issuer },
    { notAfterFrom: at, after: 'e7.7' },
  ])('read neither the whole table nor sort it: %j', (query) => {
    const database = openStore(setupOf(newPath()))
    const { sql, values } = searchStatement(readCertificateQuery(query), sqliteDialect)
    const plan = database.all(`EXPLAIN QUERY PLAN ${sql}`, ...values).map(({ detail }) => String(detail))
    closeStore(database)
    // An index over few rows may be read from end to end.
    expect(plan).toEqual([
      expect.stringMatching(
        /^(SEARCH certificates USING INDEX \S+ |SCAN certificates USING INDEX certificates_revoked$)/,
      ),
    ])
  })
})

describe('a file that is no longer at its path', () => {
  it.each([
    ['removed', (path: string) => rmSync(path)],
    ['replaced by an older copy', (path: string) => renameSync(`${path}.copy`, path)],
  ])('ends the store before anything is recorded in it: %s', async (_what, change) => {
    const path = newPath()
    await (await open(path))[Symbol.asyncDispose]()
    copyFileSync(path, `${path}.copy`)
    await using storage = await open(path)
    const one = await issued(storage.certificates)
    change(path)
    await expect(storage.certificates.recordIntent(anyIntent())).rejects.toEqual(code('ERR_STORE_FAILED'))
    await expect(storage.certificates.find(one)).rejects.toEqual(code('ERR_STORE_FAILED'))
    expect(storage.failure).toEqual(code('ERR_STORE_FAILED'))
  })

  it('is noticed by a reader too: health asks nothing else', async () => {
    const path = newPath()
    await using storage = await open(path)
    rmSync(path)
    await expect(storage.certificates.query({ limit: 1 })).rejects.toEqual(code('ERR_STORE_FAILED'))
  })
})

function reasonOf(perform: () => unknown): unknown {
  try {
    return perform()
  } catch (error) {
    return error
  }
}

const setupOf = (path: string): Parameters<typeof openStore>[0] => ({
  path,
  owner: '',
  module: undefined,
  maxBytes: undefined,
  cacheBytes: 1 << 20,
  acceptEarlierClock: false,
  nowMs: Date.now(),
})
