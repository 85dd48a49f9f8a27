// The SQL of intents and outcomes, for the tables of one schema.

import { intentColumns } from '../../../ca/internal.ts'
import { begin, prepared } from '../connections.ts'
import type { Statement } from '../connections.ts'
import { givenSql, octetsSql } from './batch-values.ts'

/** Statements over a batch: $1 is JSON, $2 its octets. */
export interface IssuanceStatements {
  /** Begins a transaction in which no block can be added. */
  readonly begin: Statement
  /** Inserts intents that are not blocked, in their order; returns those that were inserted. */
  readonly insertIntents: Statement
  /** Inserts rows, also blocked ones. */
  readonly insertUnrecorded: Statement
  /** Returns the certificates that have a record. */
  readonly known: Statement
  /** Returns and locks the certificates to renew. */
  readonly renewed: Statement
  /** Records outcomes; returns those that were recorded. */
  readonly settle: Statement
  /** Returns the data that explains why outcomes were not recorded. */
  readonly open: Statement
}

/** `S` is the quoted name of the schema. */
export function issuanceStatements(S: string): IssuanceStatements {
  const table = `${S}.certificates`
  const ids = 'issuer text, serial_number text'
  const byId = 'c.serial_number = given.serial_number AND c.issuer = given.issuer'
  const rows = givenSql(`position bigint, ${intentColumns.map(typeSql).join(', ')}`)
  const insert = (where: string): Statement =>
    prepared(
      `INSERT INTO ${table} (${intentColumns.join(', ')}) ` +
        `SELECT ${intentColumns.map(selectSql).join(', ')} FROM ${rows} ${where} ` +
        'ORDER BY position ON CONFLICT DO NOTHING RETURNING issuer, serial_number',
    )
  return {
    // Adding a block either waits for this transaction, or is visible to it.
    begin: { text: `${begin.text}; LOCK TABLE ${S}.renewal_blocks IN SHARE MODE` },
    insertIntents: insert(`WHERE ${unblockedSql(S, 'given')}`),
    insertUnrecorded: insert(''),
    known: prepared(`SELECT c.issuer, c.serial_number FROM ${givenSql(ids)} JOIN ${table} c ON ${byId}`),
    // Locked, so that a concurrent revocation waits for the renewal, or the renewal waits for it.
    renewed: prepared(
      `SELECT c.issuer, c.serial_number, c.revocation_reason FROM ${givenSql(ids)} ` +
        `JOIN ${table} c ON ${byId} ORDER BY c.serial_number, c.issuer FOR SHARE OF c`,
    ),
    // `is_checked`: the renewed certificate was read and locked, and the blocks were read.
    settle: prepared(
      `UPDATE ${table} c SET state = CASE WHEN given.is_failed THEN 'failed' ELSE 'issued' END, ` +
        `certificate = ${octetsSql('certificate')}, tbs = CASE WHEN given.is_failed THEN c.tbs END, ` +
        'idempotency_key = CASE WHEN given.is_failed THEN NULL ELSE c.idempotency_key END ' +
        `FROM ${givenSql(`${ids}, ${outcomeColumns}`)} ` +
        `WHERE ${byId} AND c.state = 'intended' ` +
        'AND (given.is_failed OR given.is_checked OR ' +
        `(c.renews_issuer IS NULL AND ${unblockedSql(S, 'c')})) ` +
        'RETURNING c.issuer, c.serial_number',
    ),
    open: prepared(
      'SELECT c.issuer, c.serial_number, c.state, c.certificate, c.identity, c.key_identifier, ' +
        `c.renews_issuer, c.renews_serial_number FROM ${givenSql(ids)} JOIN ${table} c ON ${byId} ` +
        'ORDER BY c.serial_number, c.issuer FOR UPDATE OF c',
    ),
  }
}

/** A condition without blocks of these subjects; the texts of subjects are those of `blockingSubjects`. */
function unblockedSql(S: string, row: string): string {
  const subjects = [
    `'issuer ' || ${row}.issuer`,
    `'identity ' || ${row}.identity`,
    `'key ' || ${row}.key_identifier`,
    `'certificate ' || ${row}.renews_issuer || ' ' || ${row}.renews_serial_number`,
  ]
  const list = subjects.join(', ')
  return `NOT EXISTS (SELECT FROM ${S}.renewal_blocks b WHERE b.subject = ANY (ARRAY[${list}]))`
}

const outcomeColumns = 'is_failed boolean, is_checked boolean, certificate_start int, certificate_length int'

type Column = (typeof intentColumns)[number]

function typeSql(column: Column): string {
  if (column === 'tbs' || column === 'certificate') return `${column}_start int, ${column}_length int`
  return `${column} ${column.endsWith('_ms') ? 'bigint' : 'text'}`
}

function selectSql(column: Column): string {
  return column === 'tbs' || column === 'certificate' ? octetsSql(column) : `given.${column}`
}
