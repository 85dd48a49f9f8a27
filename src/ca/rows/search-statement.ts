// Queries of certificate stores as SQL, with the placeholders of each database: the same conditions and
// orders everywhere.

import { cursorAfter } from '../records/certificate-query.ts'
import type { QueryOrder, ReadQuery, ReadRevocationsQuery } from '../records/certificate-query.ts'
import { recordColumns, revokedColumns } from './certificate-row.ts'
import type { ColumnValue, Row } from './row-reader.ts'

/** One statement with the values of its placeholders. */
export interface SearchStatement {
  readonly sql: string
  readonly values: readonly ColumnValue[]
}

/** The differences between SQL databases. */
export interface Dialect {
  readonly table: string
  /** The text of the n-th placeholder, from 1: `?`, `$1`. */
  readonly placeholder: (position: number) => string
  /**
   * Writes a column as an expression without an index; absent for a database whose planner uses statistics.
   */
  readonly unindexed?: ((column: string) => string) | undefined
}

/** One page of a query and one more row, which shows whether there is a next page. */
export function searchStatement(query: ReadQuery, dialect: Dialect): SearchStatement {
  const where = new Conditions(dialect)
  const { unindexed = (column: string) => column } = dialect
  // Without statistics the planner treats the index over the issuer as selective; it is used only if no other
  // index fits.
  where.equal(hasSelectiveCondition(query) ? unindexed('issuer') : 'issuer', query.issuer)
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
  const { position, order, limit } = query
  const column = orderColumns[order]
  if (column === undefined) {
    if (position !== undefined) where.text(`sequence > ${where.take(position.sequence)}`)
    return where.select(recordColumns, 'sequence', limit + 1)
  }
  if (position !== undefined)
    where.text(`(${column}, sequence) > (${where.take(position.ms)}, ${where.take(position.sequence)})`)
  return where.select(recordColumns, `${column}, sequence`, limit + 1)
}

/** `next` of the page, from its rows and the one extra row. */
export function cursorAfterRows({ order, limit }: ReadQuery, rows: readonly Row[]): string | undefined {
  const last = rows[limit - 1]
  if (last === undefined || rows.length <= limit) return undefined
  const ms = Number(last[orderColumns[order] ?? 'sequence'])
  return cursorAfter(order, { ms, sequence: Number(last['sequence']) })
}

/** Whether an index other than that of the issuer finds the records or has their order. */
function hasSelectiveCondition(query: ReadQuery): boolean {
  const { order, state = 'issued', revoked, identity, keyIdentifier, idempotencyKey, renews } = query
  const values = [identity, keyIdentifier, idempotencyKey, renews]
  return (
    order !== 'sequence' ||
    state !== 'issued' ||
    revoked === true ||
    values.some((value) => value !== undefined)
  )
}

const orderColumns: Readonly<Record<QueryOrder, string | undefined>> = {
  sequence: undefined,
  intendedAt: 'intended_at_ms',
  notAfter: 'not_after_ms',
}

/**
 * A page of revocations, in the order of their changes. Conditions on shard and expiry are part of it; the
 * last change read is not.
 */
export function revocationsStatement(query: ReadRevocationsQuery, dialect: Dialect): SearchStatement {
  const where = new Conditions(dialect)
  where.equal('issuer', query.issuer)
  where.text(`change > ${where.take(query.position)}`)
  where.equal('shard', query.shard)
  where.within('not_after_ms', query.notExpiredAt, undefined)
  return where.select(revokedColumns, 'change', query.limit)
}

class Conditions {
  readonly #dialect: Dialect
  readonly #conditions: string[] = []
  readonly #values: ColumnValue[] = []

  constructor(dialect: Dialect) {
    this.#dialect = dialect
  }

  text(condition: string): void {
    this.#conditions.push(condition)
  }

  take(value: ColumnValue): string {
    return this.#dialect.placeholder(this.#values.push(value))
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
    const selected = `SELECT ${columns.join(', ')} FROM ${this.#dialect.table}`
    const sql = `${selected}${where} ORDER BY ${order} LIMIT ${limit}`
    return { sql, values: this.#values }
  }
}
