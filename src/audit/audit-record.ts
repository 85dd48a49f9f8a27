// One record of the audit log: canonical JSON, so that the same record
// always has the same octets and the same hash.

import { PkiError } from '../errors/index.ts'
import { formatJson, isJsonObject, parseJson } from '../internal/json.ts'
import type { JsonObject, JsonValue } from '../internal/json.ts'
import { nameOf } from '../internal/options.ts'
import { maxEntryBytes } from './tiles.ts'

/** The kind of event. */
type AuditEventKind =
  'issued' | 'renewed' | 'refused' | 'revoked' | 'released' | 'authority' | 'key' | 'crl' | 'configuration'

/** One decision or action of the CA. */
export interface AuditRecord {
  readonly event: AuditEventKind
  readonly time: Date
  /** The caller; absent for actions of the CA itself. */
  readonly caller?: { readonly credential: string; readonly identities: readonly string[] } | undefined
  /** The certificate: issuer key identifier in hexadecimal, and serial number. */
  readonly issuer?: string | undefined
  readonly serialNumber?: string | undefined
  /** SHA-256 of the certificate in hexadecimal. */
  readonly certificateSha256?: string | undefined
  readonly identity?: string | undefined
  /** The policy rule that decided. */
  readonly rule?: string | undefined
  /** The error code of a refusal, or the reason of a revocation. */
  readonly reason?: string | undefined
  /** Further details: JSON data, never a secret. */
  readonly details?: JsonObject | undefined
}

/**
 * The octets of a record: JSON with sorted keys, no spaces, times with milliseconds in UTC.
 *
 * @throws ERR_LIMIT_EXCEEDED longer than 65,535 octets; ERR_TIME_INVALID for an invalid date
 */
export function encodeAuditRecord(record: AuditRecord): Uint8Array {
  const { time } = Object(record) as Partial<AuditRecord>
  if (!(time instanceof Date))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `an audit record must have a Date as time, found ${nameOf(time)}`,
    )
  if (Number.isNaN(time.getTime()))
    throw new PkiError('ERR_TIME_INVALID', 'the time of an audit record is an invalid date')
  const json = { ...record, v: 1, time: time.toISOString() } as unknown as JsonObject
  const octets = Buffer.from(formatJson(sorted(json)))
  if (octets.length > maxEntryBytes)
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `an audit record has ${octets.length} octets; the maximum is ${maxEntryBytes}`,
    )
  return octets
}

/** Parses the output of `encodeAuditRecord`. @throws ERR_JSON, ERR_AUDIT_LOG not a record of version 1 */
export function decodeAuditRecord(octets: Uint8Array): AuditRecord {
  const json = parseJson(octets, { maxBytes: maxEntryBytes })
  if (!isJsonObject(json) || json['v'] !== 1)
    throw new PkiError('ERR_AUDIT_LOG', 'an audit record must be a JSON object with "v": 1')
  const { v: _version, time, event, ...rest } = json
  const date = new Date(typeof time === 'string' ? time : Number.NaN)
  if (Number.isNaN(date.getTime()) || typeof event !== 'string')
    throw new PkiError('ERR_AUDIT_LOG', 'an audit record must have an event and a time')
  return Object.freeze({ ...rest, event, time: date }) as unknown as AuditRecord
}

function sorted(value: JsonValue | undefined): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sorted)
  if (!isJsonObject(value)) return value ?? null
  const keys = Object.keys(value).filter((key) => value[key] !== undefined)
  return Object.fromEntries(keys.toSorted().map((key) => [key, sorted(value[key])]))
}
