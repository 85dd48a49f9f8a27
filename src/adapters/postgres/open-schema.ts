// Opens the schema of a store: checks its owner and version, and upgrades it.

import { requireClock } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import type { Connections, Run } from './connections.ts'
import { migrations as allMigrations } from './schema.ts'

/** The inputs for opening a store. */
export interface SchemaSetup {
  /** The name of the schema, which `requireSchemaName` has checked. */
  readonly schema: string
  readonly owner: string
  readonly nowMs: number
  readonly acceptEarlierClock: boolean
}

/**
 * Opens or creates the tables of a store, in one transaction. Processes that open it at the same time wait
 * for one another.
 *
 * @returns the latest time on record
 * @throws ERR_STORE_SCHEMA, ERR_STORE_OWNER, ERR_STORE_CLOCK; errors of the server
 */
export async function openSchema(
  connections: Connections,
  setup: SchemaSetup,
  migrations: readonly ((schema: string) => string)[] = allMigrations,
): Promise<number> {
  const { schema, owner } = setup
  const quoted = quote(schema)
  return connections.transaction(async (run) => {
    // A lock of the transaction instead of the session, so that it ends with the transaction in any case.
    await run({ text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))' }, `spiffe-pki ${schema}`)
    const version = await versionOf(run, schema, migrations.length)
    if (version > 0) await checkOwner(run, schema, owner)
    if (version === 0) await run({ text: `CREATE SCHEMA IF NOT EXISTS ${quoted}` })
    for (const step of migrations.slice(version)) await run({ text: step(quoted) })
    if (version === 0) await run({ text: `INSERT INTO ${quoted}.settings VALUES ('owner', $1)` }, owner)
    if (version !== migrations.length)
      await run(
        {
          text:
            `INSERT INTO ${quoted}.settings VALUES ('schema_version', $1) ` +
            'ON CONFLICT (name) DO UPDATE SET value = excluded.value',
        },
        String(migrations.length),
      )
    return recordTime(run, setup)
  })
}

/** The version of the schema; 0 if there are no tables. @throws ERR_STORE_SCHEMA */
async function versionOf(run: Run, schema: string, known: number): Promise<number> {
  const tables = await run(
    {
      text:
        'SELECT c.relname AS name FROM pg_catalog.pg_class c ' +
        'JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ' +
        `WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v')`,
    },
    schema,
  )
  if (tables.length === 0) return 0
  const names = new Set(tables.map(({ name }) => name))
  const found =
    names.has('settings') && names.has('certificates') ? await settingOf(run, schema, 'schema_version') : ''
  if (typeof found !== 'string' || !/^[1-9]\d{0,5}$/.test(found))
    throw new PkiError('ERR_STORE_SCHEMA', `the schema ${schema} has tables of another program`)
  const version = Number(found)
  if (version <= known) return version
  throw new PkiError(
    'ERR_STORE_SCHEMA',
    `the schema ${schema} has version ${version}, made by a newer version of this package; ` +
      `this version reads schemas up to version ${known}`,
  )
}

/** @throws ERR_STORE_OWNER */
async function checkOwner(run: Run, schema: string, owner: string): Promise<void> {
  const found = await settingOf(run, schema, 'owner')
  if (found === owner) return
  throw new PkiError(
    'ERR_STORE_OWNER',
    `the schema ${schema} belongs to ${JSON.stringify(found)}; expected ${JSON.stringify(owner)}`,
  )
}

async function settingOf(run: Run, schema: string, name: string): Promise<unknown> {
  const [row] = await run({ text: `SELECT value FROM ${quote(schema)}.settings WHERE name = $1` }, name)
  return row?.['value']
}

/** @throws ERR_STORE_CLOCK */
async function recordTime(run: Run, { schema, nowMs, acceptEarlierClock }: SchemaSetup): Promise<number> {
  const counters = `${quote(schema)}.counters`
  const [row] = await run({ text: `SELECT value FROM ${counters} WHERE name = 'clock_ms'` })
  if (!acceptEarlierClock) requireClock(nowMs, Number(row?.['value']))
  const [now] = await run(timeStatement(schema, acceptEarlierClock), nowMs)
  return Number(now?.['value'])
}

/**
 * Records a time and returns the latest one. The time is never above the server's clock: a process whose
 * clock is fast must not stop the others.
 */
export function timeStatement(schema: string, setsBack = false): { readonly text: string } {
  const given = `least($1::bigint, ${serverTimeSql})`
  const value = setsBack ? given : `greatest(value, ${given})`
  return {
    text: `UPDATE ${quote(schema)}.counters SET value = ${value} WHERE name = 'clock_ms' RETURNING value`,
  }
}

/** An identifier for SQL. */
export function quote(schema: string): string {
  return `"${schema.replaceAll('"', '""')}"`
}

/** @throws ERR_INVALID_ARGUMENT */
export function requireSchemaName(schema: unknown): string {
  if (typeof schema === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(schema) && !schema.startsWith('pg_'))
    return schema
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    'createPostgresStorage: schema must be 1 to 63 lower-case letters, digits and _, and not begin with a ' +
      'digit or pg_',
  )
}

/** The server's clock at this moment, not at the beginning of the transaction, which may have waited. */
export const serverTimeSql = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
