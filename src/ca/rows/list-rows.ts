// Conversion between CRLs and authorities and rows of the tables `crls` and `authorities`.

import type { StoredCrl } from '../crl/crl-store.ts'
import type { AuthorityRecord, AuthorityState } from '../records/authority-store.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import { checkDates } from '../records/store-options.ts'
import { RowReader } from './row-reader.ts'
import type { ColumnValue, Row } from './row-reader.ts'

/**
 * The columns of `crls`, in the order of `crlValues`. `number` is decimal text: CRL numbers have up to 20
 * octets (RFC 5280 §5.2.3).
 */
export const crlColumns = ['issuer', 'shard', 'number', 'crl', 'this_update_ms', 'next_update_ms'] as const

/** The columns of `authorities`, in the order of `authorityValues`. */
export const authorityColumns = [
  'id',
  'state',
  'certificate',
  'chain',
  'roots',
  'key_id',
  'key_version',
  'since_ms',
  'version',
  'details',
] as const

/** The row of a list. @throws ERR_INVALID_ARGUMENT for an invalid date */
export function crlValues(crl: StoredCrl): ColumnValue[] {
  const { issuer, shard, number, thisUpdate, nextUpdate } = crl
  checkDates('publish', { thisUpdate, nextUpdate })
  return [issuer, shard, number.toString(), crl.crl, thisUpdate.getTime(), nextUpdate.getTime()]
}

/** A list from its row; frozen. @throws ERR_STORE_CORRUPT */
export function crlOfRow(row: Row): StoredCrl {
  const read = new RowReader('crls', row)
  return Object.freeze({
    issuer: read.matching('issuer', /^(?:[0-9A-F]{2}){1,128}$/, 'hexadecimal') as KeyIdentifier,
    shard: read.text('shard'),
    number: crlNumberOfRow(row),
    crl: read.octets('crl'),
    thisUpdate: read.time('this_update_ms'),
    nextUpdate: read.time('next_update_ms'),
  })
}

/** The number of a list, from its row. @throws ERR_STORE_CORRUPT */
export function crlNumberOfRow(row: Row): bigint {
  return BigInt(new RowReader('crls', row).matching('number', /^(?:0|[1-9]\d{0,48})$/, 'a decimal number'))
}

/** The row of an authority. @throws ERR_INVALID_ARGUMENT for an invalid date */
export function authorityValues(record: AuthorityRecord): ColumnValue[] {
  const { id, state, certificate, chain, roots, keyId, keyVersion, since, version, details } = record
  checkDates('update', { since })
  const lists = [packOctets(chain), packOctets(roots)]
  return [id, state, certificate, ...lists, keyId, keyVersion, since.getTime(), version, details ?? null]
}

/** An authority from its row; frozen. @throws ERR_STORE_CORRUPT */
export function authorityOfRow(row: Row): AuthorityRecord {
  const read = new RowReader('authorities', row)
  return Object.freeze({
    id: read.text('id'),
    state: read.oneOf('state', authorityStates) as AuthorityState,
    certificate: read.octets('certificate'),
    chain: unpackOctets(read, 'chain'),
    roots: unpackOctets(read, 'roots'),
    keyId: read.text('key_id'),
    keyVersion: read.integer('key_version'),
    since: read.time('since_ms'),
    version: read.integer('version'),
    details: read.optionalText('details'),
  })
}

/** Octet strings, each preceded by its length in four octets, most significant first. */
function packOctets(list: readonly Uint8Array[]): Uint8Array {
  const packed = Buffer.alloc(list.reduce((sum, { length }) => sum + 4 + length, 0))
  let at = 0
  for (const octets of list) {
    packed.writeUInt32BE(octets.length, at)
    packed.set(octets, at + 4)
    at += 4 + octets.length
  }
  return packed
}

function unpackOctets(read: RowReader, column: string): readonly Uint8Array[] {
  const packed = Buffer.from(read.octets(column))
  const list: Uint8Array[] = []
  for (let at = 0; at < packed.length;) {
    const end = at + 4 <= packed.length ? at + 4 + packed.readUInt32BE(at) : Infinity
    if (end > packed.length) throw read.corrupt(column, 'octet strings, each preceded by its length')
    list.push(Uint8Array.from(packed.subarray(at + 4, end)))
    at = end
  }
  return Object.freeze(list)
}

const authorityStates: ReadonlySet<string> = new Set<AuthorityState>([
  'prepared',
  'published',
  'active',
  'tainted',
  'retired',
  'revoked',
])
