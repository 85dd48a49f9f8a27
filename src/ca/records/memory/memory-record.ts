// One record in the memory store, and its frozen copy for callers.

import type { SpiffeId } from '../../../spiffe/index.ts'
import type { SerialNumber } from '../../../x509/index.ts'
import type {
  CertificateId,
  CertificateRecord,
  CertificateState,
  KeyIdentifier,
  RecordedCaller,
} from '../certificate-record.ts'
import type { CertificateQuery, RecordedStatus, RevokedRecord } from '../certificate-store.ts'
import type { RevocationReason } from '../../crl/revocation-reason.ts'

/**
 * Mutable. Octets are kept as strings with one octet per character: no separate buffer, and no slab shared
 * between records.
 */
export interface MemoryRecord {
  readonly sequence: number
  readonly issuer: KeyIdentifier
  readonly serialNumber: SerialNumber
  readonly identity: SpiffeId
  readonly identityText: string
  readonly keyIdentifier: KeyIdentifier
  readonly notAfterMs: number
  readonly intendedAtMs: number
  readonly caller: RecordedCaller
  readonly rule: string
  readonly renews: CertificateId | undefined
  idempotencyKey: string | undefined
  readonly shard: string
  state: CertificateState
  tbs: string | undefined
  certificate: string | undefined
  revocation: { readonly reason: RevocationReason; readonly revokedAtMs: number } | undefined
  /** The number of the last change of its revocation; 0 if there was none. */
  change: number
}

/** Octets as the store keeps them. */
export function octetsKept(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1')
}

/** A frozen copy for callers. */
export function recordOf(record: MemoryRecord): CertificateRecord {
  const { issuer, serialNumber, identity, keyIdentifier, caller, rule, renews, idempotencyKey, shard } =
    record
  const { state, tbs, certificate } = record
  return Object.freeze({
    issuer,
    serialNumber,
    identity,
    keyIdentifier,
    notAfter: new Date(record.notAfterMs),
    intendedAt: new Date(record.intendedAtMs),
    caller,
    rule,
    renews,
    idempotencyKey,
    shard,
    state,
    tbs: octetsOf(tbs),
    certificate: octetsOf(certificate),
    revocation: revocationOf(record),
  })
}

/** The part of a record that OCSP needs. */
export function statusOfRecord(record: MemoryRecord): RecordedStatus {
  return Object.freeze({ state: record.state, revocation: revocationOf(record) })
}

/** The part of a record that CRLs need. */
export function revokedRecordOf(record: MemoryRecord): RevokedRecord {
  const { issuer, serialNumber, notAfterMs, intendedAtMs, shard } = record
  return Object.freeze({
    issuer,
    serialNumber,
    notAfter: new Date(notAfterMs),
    intendedAt: new Date(intendedAtMs),
    shard,
    revocation: revocationOf(record),
  })
}

/** Whether every given condition holds. */
export function matches(record: MemoryRecord, query: CertificateQuery): boolean {
  return (
    equalIfGiven(query.issuer, record.issuer) &&
    equalIfGiven(query.serialNumber, record.serialNumber) &&
    equalIfGiven(query.identity?.toString(), record.identityText) &&
    equalIfGiven(query.keyIdentifier, record.keyIdentifier) &&
    equalIfGiven(query.state, record.state) &&
    equalIfGiven(query.revoked, record.revocation !== undefined) &&
    equalIfGiven(query.idempotencyKey, record.idempotencyKey) &&
    (query.renews === undefined || isRenewalOf(record, query.renews)) &&
    within(record.intendedAtMs, query.intendedFrom, query.intendedBefore) &&
    within(record.notAfterMs, query.notAfterFrom, query.notAfterBefore)
  )
}

function isRenewalOf({ renews }: MemoryRecord, earlier: CertificateId): boolean {
  return renews?.issuer === earlier.issuer && renews.serialNumber === earlier.serialNumber
}

function equalIfGiven<Value>(condition: Value | undefined, found: Value): boolean {
  return condition === undefined || condition === found
}

function within(timeMs: number, from: Date | undefined, before: Date | undefined): boolean {
  return (
    (from === undefined || timeMs >= from.getTime()) && (before === undefined || timeMs < before.getTime())
  )
}

function revocationOf({ revocation }: MemoryRecord): CertificateRecord['revocation'] {
  if (revocation === undefined) return undefined
  return Object.freeze({ reason: revocation.reason, revokedAt: new Date(revocation.revokedAtMs) })
}

function octetsOf(kept: string | undefined): Uint8Array | undefined {
  if (kept === undefined) return undefined
  const octets = new Uint8Array(kept.length)
  Buffer.from(octets.buffer).write(kept, 'latin1')
  return octets
}
