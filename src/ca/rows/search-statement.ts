// Queries of certificate stores as SQL, with the placeholders of each database: the same conditions and
// orders everywhere.

import type { ReadQuery, ReadRevocationsQuery } from '../records/certificate-query.ts'
import { recordColumns, revokedColumns } from './certificate-row.ts'
import type { ColumnValue } from './row-reader.ts'

/** One statement with the values of its placeholders. */
export interface SearchStatement {
  readonly sql: string
  readonly values: readonly ColumnValue[]
}

/** The text of the n-th placeholder, from 1: `?`, `$1`. */
export type Placeholder = (position: number) => string

/** One page of a query and one more row, which shows whether there is a next page. */
export function searchStatement(
  query: ReadQuery,
  placeholder: Placeholder,
  table = 'certificates',
): SearchStatement {
  const where = new Conditions(placeholder, table)
  where.equal('issuer', query.issuer)
  where.equal('serial_number', query.serialNumber)
  where.equal('identity', query.identity?.toString())
  where.equal('key_identifier', query.keyIdentifier)
  where.equal('state', query.state)
  // The index over unissued records is partial; the database uses it only if the query repeats its condition.
  if (query.state !== undefined && query.state !== 'issued') where.text(`state <> 'issued'`)
  if (query.revoked !== undefined) where.text(`revocation_reason IS ${query.revoked ? 'NOT ' : ''}NULL`)
  where.equal('idempotency_key', query.idempotencyKey)
  where.equal('renews_serial_number', query.renews?.serialNumber)
  where.equal('renews_issuer', query.renews?.issuer)
  where.within('intended_at_ms', query.intendedFrom, query.intendedBefore)
  where.within('not_after_ms', query.notAfterFrom, query.notAfterBefore)
  const { position, byExpiry, limit } = query
  if (position !== undefined && byExpiry)
    where.text(
      `(not_after_ms, sequence) > (${where.take(position.notAfterMs)}, ${where.take(position.sequence)})`,
    )
  else if (position !== undefined) where.text(`sequence > ${where.take(position.sequence)}`)
  const order = byExpiry ? 'not_after_ms, sequence' : 'sequence'
  return where.select(recordColumns, order, limit + 1)
}

/**
 * A page of revocations, in the order of their changes. Conditions on shard and expiry are part of it; the
 * last change read is not.
 */
export function revocationsStatement(
  query: ReadRevocationsQuery,
  placeholder: Placeholder,
  table = 'certificates',
): SearchStatement {
  const where = new Conditions(placeholder, table)
  where.equal('issuer', query.issuer)
  where.text(`change > ${where.take(query.position)}`)
  where.equal('shard', query.shard)
  where.within('not_after_ms', query.notExpiredAt, undefined)
  return where.select(revokedColumns, 'change', query.limit)
}

class Conditions {
  readonly #placeholder: Placeholder
  readonly #table: string
  readonly #conditions: string[] = []
  readonly #values: ColumnValue[] = []

  constructor(placeholder: Placeholder, table: string) {
    this.#placeholder = placeholder
    this.#table = table
  }

  text(condition: string): void {
    this.#conditions.push(condition)
  }

  take(value: ColumnValue): string {
    return this.#placeholder(this.#values.push(value))
  }

  equal(column: string, value: string | undefined): void {
    if (value !== undefined) this.text(`${column} = ${this.take(value)}`)
  }

  within(column: string, from: Date | undefined, before: Date | undefined): void {
    if (from !== undefined) this.text(`${column} >= ${this.take(from.getTime())}`)
    if (before !== undefined) this.text(`${column} < ${this.take(before.getTime())}`)
  }

  select(columns: readonly string[], order: string, limit: number): SearchStatement {
    const where = this.#conditions.length === 0 ? '' : ` WHERE ${this.#conditions.join(' AND ')}`
    const sql = `SELECT ${columns.join(', ')} FROM ${this.#table}${where} ORDER BY ${order} LIMIT ${limit}`
    return { sql, values: this.#values }
  }
}
