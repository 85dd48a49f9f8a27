// Checks queries and cursors, with the same rules for every store.

import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { checkDates } from './store-options.ts'
import type { CertificateQuery, RevocationsQuery } from './certificate-store.ts'

/** The order of the records of a query; records with the same time are in the order of their intents. */
export type QueryOrder = 'sequence' | 'intendedAt' | 'notAfter'

/** A record's position in an order: `ms` is its intendedAt or notAfter, and 0 in the order of intents. */
export interface QueryPosition {
  readonly ms: number
  readonly sequence: number
}

/** A query with its defaults. */
export interface ReadQuery extends CertificateQuery {
  readonly limit: number
  readonly order: QueryOrder
  /** The position after which the page begins. */
  readonly position: QueryPosition | undefined
}

/**
 * @throws ERR_INVALID_ARGUMENT for an unknown or undefined condition, a
 *   limit out of range, a cursor of another order
 */
export function readCertificateQuery(query: CertificateQuery): ReadQuery {
  const read = readOptions('query', query, {
    issuer: 'guard',
    serialNumber: 'guard',
    identity: 'guard',
    keyIdentifier: 'guard',
    state: 'guard',
    revoked: 'guard',
    idempotencyKey: 'guard',
    renews: 'guard',
    intendedFrom: 'guard',
    intendedBefore: 'guard',
    notAfterFrom: 'guard',
    notAfterBefore: 'guard',
    after: 'optional',
    limit: 'optional',
  })
  const { intendedFrom, intendedBefore, notAfterFrom, notAfterBefore } = read
  checkDates('query', { intendedFrom, intendedBefore, notAfterFrom, notAfterBefore })
  const limit = requireCount('limit', read.limit ?? 100, 1, 1000)
  const order = orderOf(read)
  return { ...read, limit, order, position: readCursor(read.after, order) }
}

/**
 * The order of the index that the query uses; in another order, each page would sort all matching records.
 */
function orderOf(query: CertificateQuery): QueryOrder {
  if (query.notAfterFrom !== undefined || query.notAfterBefore !== undefined) return 'notAfter'
  return query.intendedFrom === undefined && query.intendedBefore === undefined ? 'sequence' : 'intendedAt'
}

/** The cursor after a record in the order of its query. */
export function cursorAfter(order: QueryOrder, { ms, sequence }: QueryPosition): string {
  return order === 'sequence' ? `i${sequence}` : `${order === 'notAfter' ? 'e' : 't'}${ms}.${sequence}`
}

function readCursor(after: string | undefined, order: QueryOrder): ReadQuery['position'] {
  if (after === undefined) return undefined
  const found = cursors[order].exec(after.slice(0, 64))
  if (found === null)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'query: after is not the `next` of a page of this query')
  return { ms: Number(found[1]), sequence: Number(found[2]) }
}

const cursors: Readonly<Record<QueryOrder, RegExp>> = {
  sequence: /^i()(\d{1,16})$/,
  intendedAt: /^t(-?\d{1,16})\.(\d{1,16})$/,
  notAfter: /^e(-?\d{1,16})\.(\d{1,16})$/,
}

/** A revocations query with its defaults; `position` is the last change that was read. */
export interface ReadRevocationsQuery extends RevocationsQuery {
  readonly limit: number
  readonly position: number
}

/** @throws ERR_INVALID_ARGUMENT */
export function readRevocationsQuery(query: RevocationsQuery): ReadRevocationsQuery {
  const read = readOptions('revocations', query, {
    issuer: 'required',
    notExpiredAt: 'required',
    shard: 'optional',
    after: 'optional',
    limit: 'optional',
  })
  const { after = 'c0', notExpiredAt } = read
  checkDates('revocations', { notExpiredAt })
  const position = /^c(\d{1,16})$/.exec(after)?.[1]
  if (position === undefined)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'revocations: after is not the `next` of a page of revocations',
    )
  return { ...read, limit: requireCount('limit', read.limit ?? 1000, 1, 10_000), position: Number(position) }
}

/** The cursor after a change. */
export function cursorAfterChange(change: number): string {
  return `c${change}`
}
