// Checks queries and cursors, with the same rules for every store.

import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { CertificateQuery, RevocationsQuery } from './certificate-store.ts'

/** A query with its defaults; `byExpiry` selects one of the two orders. */
export interface ReadQuery extends CertificateQuery {
  readonly limit: number
  readonly byExpiry: boolean
  /** The position after which the page begins. */
  readonly position: { readonly notAfterMs: number; readonly sequence: number } | undefined
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
  const byExpiry = read.notAfterFrom !== undefined || read.notAfterBefore !== undefined
  const limit = requireCount('limit', read.limit ?? 100, 1, 1000)
  return { ...read, limit, byExpiry, position: readCursor(read.after, byExpiry) }
}

/** The position after a record in the order of its query. */
export function cursorAfter(byExpiry: boolean, notAfterMs: number, sequence: number): string {
  return byExpiry ? `e${notAfterMs}.${sequence}` : `i${sequence}`
}

function readCursor(after: string | undefined, byExpiry: boolean): ReadQuery['position'] {
  if (after === undefined) return undefined
  const found = (byExpiry ? /^e(-?\d{1,16})\.(\d{1,16})$/ : /^i()(\d{1,16})$/).exec(after.slice(0, 64))
  if (found === null)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'query: after is not the `next` of a page of this query')
  return { notAfterMs: Number(found[1]), sequence: Number(found[2]) }
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
  const { after = 'c0' } = read
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
