// The store in PostgreSQL: every contract on a real server, over restarts too, and what it refuses to open.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import { Connections } from '../../src/adapters/postgres/connections.ts'
import { createPool } from '../../src/adapters/postgres/pg-pool.ts'
import { openSchema } from '../../src/adapters/postgres/open-schema.ts'
import type { PostgresStorage, PostgresStorageOptions } from '../../src/adapters/postgres/postgres-storage.ts'
import { migrations } from '../../src/adapters/postgres/schema.ts'
import { JoinTokenAuthenticator } from '../../src/auth/index.ts'
import type { PkiError } from '../../src/errors/index.ts'
import { systemClock } from '../../src/runtime/index.ts'
import { FakeClock, contracts } from '../../src/testing/index.ts'
import {
  anyIntent,
  anyKeyIdentifier,
  idOf,
  issued,
} from '../../src/testing/contracts/storage/storage-fixtures.ts'
import { code } from '../support/codes.ts'
import { itKeeps } from '../support/contract.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres.ts'
import { requires } from '../support/requires.ts'
import { requestWith } from '../support/tokens.ts'

let server: PostgresServer
const open = (schema: string, options: Partial<PostgresStorageOptions> = {}): Promise<PostgresStorage> =>
  createPostgresStorage({ connection: server.connection, schema, ...options })
const digestOf = (key: string): string => createHash('sha256').update(key).digest('base64url')
const outcomes = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.map((result) => (result.status === 'rejected' ? (result.reason as PkiError).code : 'done'))

describe.each<Partial<PostgresStorageOptions>>([
  { schema: '' },
  { schema: 'A' },
  { schema: 'a"b' },
  { schema: 'a.b' },
  { schema: 'pg_a' },
  { schema: 'a'.repeat(64) },
  { owner: 1 as unknown as string },
  { owner: undefined as unknown as string },
  { maxQueued: 0 },
  { maxBatch: Number.NaN },
  { statementTimeoutMs: 0 },
  { lockTimeoutMs: Infinity },
  { maxOneTimeValues: 0 },
  { connection: 'postgres://localhost', pool: {} as never },
  { host: 'x' } as unknown as Partial<PostgresStorageOptions>,
  { connection: { host: 'x', sll: true } as object },
  { connection: { host: 'x', ssl: undefined } as object },
])('the options %j', (options) => {
  it('are refused', async () => {
    await expect(createPostgresStorage(options)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
  })
})

it('a server that is not there is unavailable', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'no-pg-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const opening = createPostgresStorage({ connection: { host: folder, user: 'postgres' } })
  await expect(opening).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
})

describe.skipIf(!requires('postgres'))('on a server', () => {
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  describe('every contract', () => {
    itKeeps(contracts.CaStorage({ open: () => open('contract'), durable: true }))
  })

  describe('opening', () => {
    it('refuses the store of another CA', async () => {
      const schema = server.newSchema()
      await (await open(schema, { owner: 'example.org' }))[Symbol.asyncDispose]()
      for (const owner of ['other.example', ''])
        await expect(open(schema, { owner })).rejects.toEqual(code('ERR_STORE_OWNER'))
      await (await open(schema, { owner: 'example.org' }))[Symbol.asyncDispose]()
    })

    it("refuses another program's schema, and changes nothing in it", async () => {
      for (const table of ['users (name text)', 'settings (name text)']) {
        const schema = server.newSchema()
        await server.sql(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.${table}`)
        await expect(open(schema)).rejects.toEqual(code('ERR_STORE_SCHEMA'))
        expect(
          await server.sql('SELECT tablename FROM pg_tables WHERE schemaname = $1', schema),
        ).toHaveLength(1)
      }
    })

    it('refuses a role whose commits are not durable when they are answered', async () => {
      await server.sql('CREATE ROLE quick SUPERUSER LOGIN; ALTER ROLE quick SET synchronous_commit = off')
      const connection = { ...server.connection, user: 'quick' }
      const refusal = await open(server.newSchema(), { connection }).catch(
        (error: unknown) => error as PkiError,
      )
      expect(refusal).toEqual(code('ERR_STORE_UNAVAILABLE'))
      expect((refusal as PkiError).message).toContain('synchronous_commit is off for role quick')
    })

    it('takes a pool, and leaves it open', async () => {
      const pool = new pg.Pool({ ...server.connection, max: 2 })
      onTestFinished(() => pool.end())
      const schema = server.newSchema()
      const storage = await createPostgresStorage({ pool, schema })
      const one = await issued(storage.certificates)
      await storage[Symbol.asyncDispose]()
      expect([pool.listenerCount('error'), pool.listenerCount('connect')]).toEqual([0, 0])
      await using again = await createPostgresStorage({ pool, schema })
      expect((await again.certificates.find(one))?.state).toBe('issued')
    })

    it('holds where the server ends a connection in the moment in which it is ready', async () => {
      const pool = new pg.Pool({ ...server.connection, max: 1 })
      onTestFinished(() => pool.end())
      const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>
      let ended = 0
      Object.assign(pool, {
        connect: async () => {
          const client = await connect()
          if (ended++ === 0) client.emit('error', new Error('terminating connection'))
          return client
        },
      })
      await using storage = await createPostgresStorage({ pool, schema: server.newSchema() })
      await issued(storage.certificates)
      expect(ended).toBeGreaterThan(0)
    })

    it('by several processes at once makes one schema', async () => {
      const schema = server.newSchema()
      const storages = await Promise.all(
        Array.from({ length: 4 }, () => open(schema, { owner: 'example.org' })),
      )
      const all = await Promise.all(storages.map((storage) => issued(storage.certificates)))
      for (const one of all)
        for (const storage of storages) expect((await storage.certificates.find(one))?.state).toBe('issued')
      await Promise.all(storages.map((storage) => storage[Symbol.asyncDispose]()))
    })
  })

  describe('migrations', () => {
    const openWith = async (schema: string, steps: typeof migrations): Promise<string> => {
      const pool = await createPool(server.connection, 1, 5000)
      const settings = { statementTimeoutMs: 5000, lockTimeoutMs: 5000, clock: systemClock }
      const connections = new Connections({ pool, ...settings })
      const setup = { schema, owner: '', nowMs: Date.now(), acceptEarlierClock: false }
      const said = await openSchema(connections, setup, steps).then(
        () => 'opened',
        (error: unknown) => (error as PkiError).code,
      )
      await pool.end()
      return said
    }
    const versionOf = async (schema: string): Promise<unknown> =>
      (await server.sql(`SELECT value FROM ${schema}.settings WHERE name = 'schema_version'`))[0]?.['value']

    /** What a store of version 1 has, as SQL of its own: it stays as it is when the code changes. */
    const versionOne = (S: string): string => `
      INSERT INTO ${S}.settings VALUES ('owner', 'example.org'), ('schema_version', '1');
      INSERT INTO ${S}.certificates (issuer, serial_number, identity, key_identifier, not_after_ms,
        intended_at_ms, caller, rule, idempotency_key, shard, state,
        tbs, certificate, revocation_reason, revoked_at_ms, change)
      VALUES
        ('AB01', '7F', 'spiffe://example.org/a', 'CD02', 1900000000000, 1700000000000,
         '{"credential":"x509","identities":["spiffe://example.org/a"]}', 'r', 'k', '', 'issued', NULL,
         '\\x3000',
         'keyCompromise', 1700000001000, 1),
        ('AB01', '70', 'spiffe://example.org/b', 'CD03', 1900000000000, 1700000000000,
         '{"credential":"x509","identities":[]}', 'r', NULL, '', 'intended', '\\x3001', NULL, NULL, NULL,
         NULL);
      UPDATE ${S}.counters SET value = 1 WHERE name IN ('change', 'audit_sequenced');
      INSERT INTO ${S}.crls VALUES ('AB01', '', '1700000001000', '\\x3002', 1700000001000, 1700086401000);
      INSERT INTO ${S}.audit_entries (id, entry) VALUES (1, '\\x01');
      INSERT INTO ${S}.audit_pending (entry) VALUES ('\\x02');`
    const versionTwo = (S: string): string => `${versionOne(S)}
      UPDATE ${S}.settings SET value = '2' WHERE name = 'schema_version';
      INSERT INTO ${S}.renewal_blocks VALUES ('identity spiffe://example.org/a', 'left', 1700000000000);`
    const versionThree = (S: string): string => `${versionTwo(S)}
      UPDATE ${S}.settings SET value = '3' WHERE name = 'schema_version';
      INSERT INTO ${S}.one_time_values VALUES ('${digestOf('key')}', 'value', 4000000000000);`
    const versionFour = (S: string): string => `${versionThree(S)}
      UPDATE ${S}.settings SET value = '4' WHERE name = 'schema_version';`
    const fixtures = [versionOne, versionTwo, versionThree, versionFour]

    it.each(fixtures.map((fixture, at) => [at + 1, fixture] as const))(
      'a store of version %i opens with everything in it',
      async (version, fixture) => {
        const S = server.newSchema()
        const steps = migrations.slice(0, version).map((step) => step(S))
        await server.sql(`CREATE SCHEMA ${S}; ${steps.join(';')}; ${fixture(S)}`)
        await using storage = await open(S, { owner: 'example.org' })
        const { items } = await storage.certificates.query({})
        expect(items.map(({ serialNumber, state }) => [serialNumber, state])).toEqual([
          ['7F', 'issued'],
          ['70', 'intended'],
        ])
        const query = { issuer: items[0]!.issuer, notExpiredAt: new Date(0) }
        const revoked = await storage.certificates.revocations(query)
        expect(revoked.items.map(({ revocation }) => revocation?.reason)).toEqual(['keyCompromise'])
        expect((await storage.crls.list()).map(({ number }) => number)).toEqual([1700000001000n])
        expect(await storage.audit.size()).toEqual({ sequenced: 1, pending: 1 })
        expect(await storage.audit.sequence(10)).toEqual([{ index: 1, entry: new Uint8Array([2]) }])
        expect(await storage.blocks.list()).toHaveLength(version < 2 ? 0 : 1)
        expect(await storage.oneTimeValues.take('key')).toBe(version < 3 ? undefined : 'value')
        expect(await versionOf(S)).toBe(String(migrations.length))
      },
    )

    it('have a fixture of every earlier version', () => {
      expect(fixtures).toHaveLength(migrations.length)
    })

    it('make all steps or none, and a newer schema is refused', async () => {
      const schema = server.newSchema()
      const extra = (S: string): string => `CREATE TABLE ${S}.extra (a int)`
      expect(await openWith(schema, migrations)).toBe('opened')
      expect(await openWith(schema, [...migrations, extra, extra])).toBe('42P07')
      expect(await server.sql('SELECT to_regclass($1) AS found', `${schema}.extra`)).toEqual([
        { found: null },
      ])
      expect(await openWith(schema, [...migrations, extra])).toBe('opened')
      expect(await openWith(schema, migrations)).toBe('ERR_STORE_SCHEMA')
      await expect(open(schema)).rejects.toEqual(code('ERR_STORE_SCHEMA'))
      expect(await versionOf(schema)).toBe(String(migrations.length + 1))
    })
  })

  describe('a clock that went back', () => {
    const start = Date.UTC(2026, 0, 1)
    const clockAt = (minutes: number): FakeClock => new FakeClock(new Date(start + minutes * 60_000))

    it('is refused after more than five minutes, and accepted on request', async () => {
      const schema = server.newSchema()
      await (await open(schema, { clock: clockAt(10) }))[Symbol.asyncDispose]()
      await expect(open(schema, { clock: clockAt(4.9) })).rejects.toEqual(code('ERR_STORE_CLOCK'))
      await (await open(schema, { clock: clockAt(5) }))[Symbol.asyncDispose]()
      await (await open(schema, { clock: clockAt(-60), acceptEarlierClock: true }))[Symbol.asyncDispose]()
      await (await open(schema, { clock: clockAt(-60) }))[Symbol.asyncDispose]()
    })

    it('issues nothing while it runs, revokes still, and goes on when it is right again', async () => {
      const clock = clockAt(0)
      await using storage = await open(server.newSchema(), { clock })
      clock.advance(3_600_000)
      const one = await issued(storage.certificates)
      clock.setWallClock(new Date(start))
      await expect(storage.certificates.recordIntent(anyIntent())).rejects.toEqual(code('ERR_STORE_CLOCK'))
      const revocation = { reason: 'superseded', revokedAt: new Date(start) } as const
      await expect(storage.certificates.revoke(one, revocation)).resolves.toMatchObject({ revocation })
      clock.setWallClock(new Date(start + 3_600_000))
      await expect(storage.certificates.recordIntent(anyIntent())).resolves.toBeUndefined()
    })

    it('is not assumed of everybody because one process is ahead', async () => {
      const schema = server.newSchema()
      const ahead = new FakeClock(new Date(Date.now() + 86_400_000))
      await (await open(schema, { clock: ahead }))[Symbol.asyncDispose]()
      await using storage = await open(schema)
      await expect(issued(storage.certificates)).resolves.toBeDefined()
    })
  })

  describe('one-time values', () => {
    let shared: Promise<PostgresStorage> | undefined
    afterAll(async () => (await shared)?.[Symbol.asyncDispose]())
    itKeeps(contracts.OneTimeStore({ open: async () => (await (shared ??= open('once'))).oneTimeValues }))

    it('let one of a hundred machines join with a token, over several processes', async () => {
      const schema = server.newSchema()
      const storages = await Promise.all(Array.from({ length: 3 }, () => open(schema)))
      const joining = storages.map(
        ({ oneTimeValues }) => new JoinTokenAuthenticator({ store: oneTimeValues }),
      )
      const grant = { identities: ['spiffe://example.org/machine/7'], ttlSeconds: 600 }
      const token = await joining[0]!.createToken(grant)
      const request = requestWith({ 'x-join-token': token })
      const answers = await Promise.allSettled(
        Array.from({ length: 100 }, (_, at) => joining[at % 3]!.authenticate(request)),
      )
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(new Set(outcomes(answers))).toEqual(new Set(['done', 'ERR_CREDENTIAL_INVALID']))
      const expiresAt = new Date(Date.now() + 600_000)
      const added = await Promise.all(
        Array.from({ length: 100 }, (_, at) => storages[at % 3]!.oneTimeValues.add('nonce', '', expiresAt)),
      )
      expect(added.filter(Boolean)).toHaveLength(1)
      await Promise.all(storages.map((storage) => storage[Symbol.asyncDispose]()))
    })

    it('are bounded, also with many calls at once, and expired ones are removed', async () => {
      const schema = server.newSchema()
      const clock = new FakeClock(new Date())
      await using storage = await open(schema, { clock, maxOneTimeValues: 10 })
      const { oneTimeValues } = storage
      const later = new Date(Date.now() + 3_600_000)
      const over = new Date(Date.now() - 1000)
      for (let at = 0; at < 20; at++) await oneTimeValues.add(`expired ${at}`, '', over)
      const keys = Array.from({ length: 50 }, (_, at) => `key ${at}`)
      const results = await Promise.allSettled(keys.map((key) => oneTimeValues.add(key, '', later)))
      expect(new Set(outcomes(results))).toEqual(new Set(['done', 'ERR_STORE_FULL']))
      const live = `SELECT count(*) AS count FROM ${schema}.one_time_values WHERE expires_at_ms > $1`
      const [row] = await server.sql(live, over.getTime())
      const stored = outcomes(results).filter((result) => result === 'done').length
      expect([Number(row?.['count']), stored <= 10]).toEqual([stored, true])
      for (let at = stored; at < 10; at++) await oneTimeValues.add(`more ${at}`, '', later)
      await expect(oneTimeValues.add('one more', '', later)).rejects.toEqual(code('ERR_STORE_FULL'))
      const expired = `SELECT count(*) AS count FROM ${schema}.one_time_values WHERE expires_at_ms <= $1`
      expect(await server.sql(expired, over.getTime())).toEqual([{ count: '0' }])
    })
  })

  describe('calls', () => {
    it('that come together share a transaction', async () => {
      const schema = server.newSchema()
      await using storage = await open(schema)
      const all = Array.from({ length: 200 }, () => anyIntent())
      await Promise.all(all.map((intent) => storage.certificates.recordIntent(intent)))
      const [row] = await server.sql(`SELECT count(DISTINCT xmin::text) AS count FROM ${schema}.certificates`)
      expect(Number(row?.['count'])).toBeLessThan(5)
      const found = await storage.certificates.query({ limit: 1000 })
      expect(found.items.map(idOf)).toEqual(all.map(idOf))
    })

    it('that are refused do not fail the others of their transaction', async () => {
      await using storage = await open(server.newSchema())
      const { certificates } = storage
      const [one, two, three] = [anyIntent(), anyIntent(), anyIntent()]
      const results = await Promise.allSettled([
        certificates.recordIntent(one),
        certificates.recordIntent(anyIntent(idOf(one))),
        certificates.recordIntent(anyIntent({ rule: undefined as unknown as string })),
        certificates.recordIntent(anyIntent({ rule: 'nul \0' })),
        certificates.recordIntent(anyIntent({ notAfter: new Date(Number.NaN) })),
        certificates.recordIntent(two),
        certificates.recordIntent({ ...three, rule: `'); DROP TABLE certificates; -- \u{1F600} " \\` }),
      ])
      const bad = 'ERR_INVALID_ARGUMENT'
      expect(outcomes(results)).toEqual(['done', 'ERR_SERIAL_EXISTS', bad, bad, bad, 'done', 'done'])
      expect((await certificates.query({})).items.map(idOf)).toEqual([one, two, three].map(idOf))
      expect((await certificates.find(three))?.rule).toBe(`'); DROP TABLE certificates; -- \u{1F600} " \\`)
      expect(storage.failure).toBeUndefined()
    })

    it('are bounded: intents first, and what ends them last', async () => {
      await using storage = await open(server.newSchema(), { maxQueued: 3 })
      const { certificates } = storage
      const intents = [anyIntent(), anyIntent(), anyIntent()]
      await Promise.all(intents.map((intent) => certificates.recordIntent(intent)))
      const more = Array.from({ length: 3 }, () => certificates.recordIntent(anyIntent()))
      expect(storage.pending).toBe(3)
      const ends = intents.map((intent) => certificates.recordOutcome(intent, { failed: true }))
      const finds = Promise.allSettled(Array.from({ length: 7 }, () => certificates.find(intents[0]!)))
      await expect(certificates.recordIntent(anyIntent())).rejects.toEqual(code('ERR_OVERLOADED'))
      await expect(Promise.all([...more, ...ends])).resolves.toHaveLength(6)
      expect(outcomes(await finds).filter((result) => result === 'ERR_OVERLOADED')).toHaveLength(1)
    })

    it('are refused after the store was closed, and what was pending is done first', async () => {
      const schema = server.newSchema()
      const storage = await open(schema)
      const intents = Array.from({ length: 50 }, () => anyIntent())
      const recorded = intents.map((intent) => storage.certificates.recordIntent(intent))
      await storage[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
      await expect(Promise.all(recorded)).resolves.toHaveLength(50)
      await expect(storage.certificates.find(intents[0]!)).rejects.toEqual(code('ERR_CLOSED'))
      await using again = await open(schema)
      expect((await again.certificates.query({ limit: 1000 })).items).toHaveLength(50)
    })

    it('refuse a row that somebody changed', async () => {
      const schema = server.newSchema()
      await using storage = await open(schema)
      const one = await issued(storage.certificates)
      await server.sql(`UPDATE ${schema}.certificates SET identity = 'https://example.org'`)
      await expect(storage.certificates.find(one)).rejects.toEqual(code('ERR_STORE_CORRUPT'))
    })

    it('do not wait for ever for the lock of another session', async () => {
      const schema = server.newSchema()
      await using storage = await open(schema, { lockTimeoutMs: 50 })
      await storage.leases.acquire('a', 'one', 60_000)
      const other = new pg.Client(server.connection)
      await other.connect()
      await other.query(`BEGIN; SELECT * FROM ${schema}.leases FOR UPDATE`)
      await expect(storage.leases.acquire('a', 'one', 60_000)).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
      await other.end()
      await expect(storage.leases.acquire('a', 'one', 60_000)).resolves.toMatchObject({ epoch: 1 })
    })
  })

  describe('several processes', () => {
    it('take a serial number and an idempotency key once', async () => {
      const schema = server.newSchema()
      const storages = await Promise.all(Array.from({ length: 3 }, () => open(schema)))
      const id = idOf(anyIntent())
      const idempotencyKey = 'once'
      const serials = await Promise.allSettled(
        Array.from({ length: 30 }, (_, at) => storages[at % 3]!.certificates.recordIntent(anyIntent(id))),
      )
      const keys = await Promise.allSettled(
        Array.from({ length: 30 }, (_, at) =>
          storages[at % 3]!.certificates.recordIntent(anyIntent({ idempotencyKey })),
        ),
      )
      expect(new Set(outcomes(serials))).toEqual(new Set(['done', 'ERR_SERIAL_EXISTS']))
      expect(new Set(outcomes(keys))).toEqual(new Set(['done', 'ERR_IDEMPOTENCY_KEY']))
      for (const results of [serials, keys])
        expect(outcomes(results).filter((result) => result === 'done')).toHaveLength(1)
      await Promise.all(storages.map((storage) => storage[Symbol.asyncDispose]()))
    })

    it('lose no revocation to a reader that continues from a cursor', async () => {
      const schema = server.newSchema()
      const storages = await Promise.all(Array.from({ length: 3 }, () => open(schema, { maxBatch: 3 })))
      const [reader] = storages
      const issuer = anyKeyIdentifier()
      const all = await Promise.all(
        Array.from({ length: 120 }, () => issued(storages[0]!.certificates, { issuer })),
      )
      const revokedAt = new Date(Math.floor(Date.now() / 1000) * 1000)
      let isDone = false
      const revoking = Promise.all(
        all.map((one, at) => storages[at % 3]!.certificates.revoke(one, { reason: 'superseded', revokedAt })),
      ).finally(() => (isDone = true))
      const seen: string[] = []
      let after: string | undefined
      for (let isLast = false; ;) {
        const page = await reader!.certificates.revocations({
          issuer,
          notExpiredAt: new Date(0),
          after,
          limit: 7,
        })
        seen.push(...page.items.map(({ serialNumber }) => serialNumber))
        after = page.next
        if (page.items.length === 0 && isLast) break
        isLast = isDone && page.items.length === 0
      }
      await revoking
      expect(seen.toSorted()).toEqual(all.map(({ serialNumber }) => serialNumber).toSorted())
      await Promise.all(storages.map((storage) => storage[Symbol.asyncDispose]()))
    })

    it('do not record a renewal after the answer to a revocation of its predecessor', async () => {
      const schema = server.newSchema()
      const [one, two] = [await open(schema), await open(schema)]
      const revocation = { reason: 'keyCompromise', revokedAt: new Date(0) } as const
      for (let round = 0; round < 20; round++) {
        const old = await issued(one.certificates)
        const renewal = anyIntent({ renews: idOf(old) })
        await one.certificates.recordIntent(renewal)
        const order: string[] = []
        const results = await Promise.allSettled([
          one.certificates
            .recordOutcome(renewal, { certificate: new Uint8Array(480) })
            .then(() => order.push('renewed')),
          two.certificates.revoke(old, revocation).then(() => order.push('revoked')),
        ])
        const [renewed] = outcomes(results)
        if (renewed === 'done') expect((await two.certificates.find(renewal))?.state).toBe('issued')
        else expect([renewed, order]).toEqual(['ERR_RENEWAL_REFUSED', ['revoked']])
      }
      await Promise.all([one, two].map((storage) => storage[Symbol.asyncDispose]()))
    })

    it('record nothing as issued after a block of it was answered', async () => {
      const schema = server.newSchema()
      const [one, two] = [await open(schema), await open(schema)]
      for (let round = 0; round < 10; round++) {
        const intents = Array.from({ length: 10 }, () => anyIntent())
        const identity = intents[0]!.identity
        const all = intents.map((intent) => ({ ...intent, identity }))
        await Promise.all(all.map((intent) => one.certificates.recordIntent(intent)))
        let isBlocked = false
        const late: boolean[] = []
        const block = { subject: { identity }, reason: 'left', since: new Date(0) }
        const blocking = two.blocks.add(block).then(() => (isBlocked = true))
        for (const intent of all)
          await one.certificates.recordOutcome(intent, { certificate: new Uint8Array(480) }).then(
            () => late.push(isBlocked),
            (error: unknown) => expect(error).toEqual(code('ERR_RENEWAL_BLOCKED')),
          )
        await blocking
        // The answers to a block and to an outcome before it may cross.
        expect(late.filter((isLate) => isLate).length).toBeLessThan(2)
        await expect(one.certificates.recordIntent(anyIntent({ identity }))).rejects.toEqual(
          code('ERR_RENEWAL_BLOCKED'),
        )
      }
      await Promise.all([one, two].map((storage) => storage[Symbol.asyncDispose]()))
    })

    it('publish one first list', async () => {
      const schema = server.newSchema()
      const storages = await Promise.all(Array.from({ length: 4 }, () => open(schema)))
      const now = new Date(0)
      const crl = {
        issuer: anyKeyIdentifier(),
        shard: '',
        crl: new Uint8Array(9),
        thisUpdate: now,
        nextUpdate: now,
      }
      const results = await Promise.allSettled(
        storages.map(({ crls }, at) =>
          crls.publish({ ...crl, number: BigInt(at + 1) }, { expectedNumber: undefined }),
        ),
      )
      expect(outcomes(results).toSorted()).toEqual([
        ...Array.from({ length: 3 }, () => 'ERR_STORE_CONFLICT'),
        'done',
      ])
      await Promise.all(storages.map((storage) => storage[Symbol.asyncDispose]()))
    })

    it('sequence audit entries of all of them without a gap', async () => {
      const schema = server.newSchema()
      const storages = await Promise.all(Array.from({ length: 3 }, () => open(schema)))
      const entries = Array.from({ length: 60 }, (_, at) => new Uint8Array([at]))
      const appended = entries.map((entry, at) => storages[at % 3]!.audit.append([entry]))
      const sequencing = storages.map(async ({ audit }) => {
        for (let round = 0; round < 10; round++) await audit.sequence(3)
      })
      await Promise.all([...appended, ...sequencing])
      while ((await storages[0]!.audit.sequence(100)).length > 0);
      const read = await storages[1]!.audit.read(0, 100)
      expect(read.map(({ index }) => index)).toEqual(entries.map((_, at) => at))
      expect(read.map(({ entry }) => entry[0]).toSorted((a, b) => a! - b!)).toEqual(
        entries.map((_, at) => at),
      )
      await Promise.all(storages.map((storage) => storage[Symbol.asyncDispose]()))
    })
  })

  describe('a connection that ends', () => {
    const endAll = (): Promise<unknown> =>
      server.sql(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity ' +
          'WHERE pid <> pg_backend_pid() AND backend_type = $1',
        'client backend',
      )

    it('fails calls as unavailable, loses nothing that was answered, and is replaced', async () => {
      await using storage = await open(server.newSchema())
      const { certificates } = storage
      const answered: string[] = []
      const failed: unknown[] = []
      let rounds = 20
      const write = async (): Promise<void> => {
        while (rounds > 0)
          await issued(certificates).then(
            ({ serialNumber }) => answered.push(serialNumber),
            (error: unknown) => failed.push(error),
          )
      }
      const writers = Array.from({ length: 16 }, write)
      for (; rounds > 0; rounds--) await endAll()
      await Promise.all(writers)
      for (const error of failed) expect(error).toEqual(code('ERR_STORE_UNAVAILABLE'))
      const found = new Set<string>()
      for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
        const page = await certificates.query({ limit: 1000, after })
        for (const { serialNumber } of page.items) found.add(serialNumber)
        after = page.next
      }
      expect(answered.filter((serial) => !found.has(serial))).toEqual([])
      await issued(certificates)
      expect(storage.failure).toBeUndefined()
    })

    it('with its server is told by `failure`, until a write succeeds again', async () => {
      await using storage = await open(server.newSchema())
      const one = await issued(storage.certificates)
      await server.crash()
      await issued(storage.certificates).catch(() => undefined)
      const again = await issued(storage.certificates).catch(() => issued(storage.certificates))
      expect(storage.failure).toBeUndefined()
      for (const { serialNumber, issuer } of [one, again])
        expect((await storage.certificates.find({ issuer, serialNumber }))?.state).toBe('issued')
    })
  })

  it('queries use an index for each of their conditions', async () => {
    const S = server.newSchema()
    await using storage = await open(S)
    await issued(storage.certificates)
    for (const condition of [
      `serial_number = 'A'`,
      `identity = 'a'`,
      `key_identifier = 'a'`,
      `idempotency_key = 'a'`,
      'not_after_ms >= 1 AND not_after_ms < 2 AND (not_after_ms, sequence) > (1, 2)',
      'intended_at_ms >= 1 AND intended_at_ms < 2',
      `state = 'intended' AND state <> 'issued'`,
      `issuer = 'A' AND change > 3`,
      `issuer = 'A' AND sequence > 3 ORDER BY sequence`,
      'intended_at_ms >= 1 AND (intended_at_ms, sequence) > (1, 2) ORDER BY intended_at_ms, sequence',
      'revocation_reason IS NOT NULL AND sequence > 3 ORDER BY sequence',
    ]) {
      const client = new pg.Client(server.connection)
      await client.connect()
      await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off')
      const { rows } = await client.query(`EXPLAIN SELECT * FROM ${S}.certificates WHERE ${condition}`)
      await client.end()
      const plan = rows.map((row) => (row as Record<string, string>)['QUERY PLAN']).join('\n')
      expect([condition, plan]).toEqual([condition, expect.stringContaining('Index Cond')])
      expect(plan).not.toContain('Sort')
      if (condition.startsWith('issuer')) expect(plan).toContain('issuer =')
    }
  })
})
