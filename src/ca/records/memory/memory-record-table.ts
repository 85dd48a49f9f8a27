// The records of the memory store with their indexes and limits.

import { PkiError } from '../../../errors/index.ts'
import type { SerialNumber } from '../../../x509/index.ts'
import { certificateUnknown, idempotencyKeyUsed, serialExists } from '../../rows/refusals.ts'
import type { CertificateId, IssuanceIntent, KeyIdentifier } from '../certificate-record.ts'
import type { CertificateQuery, UnrecordedCertificate } from '../certificate-store.ts'
import { ExpiryBuckets } from './memory-indexes.ts'
import { octetsKept } from './memory-record.ts'
import type { MemoryRecord } from './memory-record.ts'

/** Limits of the table. */
export interface TableLimits {
  readonly maxRecords: number
  readonly maxRecordsPerIdentity: number
  readonly lookBackMs: number
}

/** Records by issuer and serial number, in the order of their intents. */
export class MemoryRecordTable {
  readonly #limits: TableLimits
  readonly #issuers = new Map<KeyIdentifier, Map<SerialNumber, MemoryRecord>>()
  readonly #records = new Map<number, MemoryRecord>()
  readonly #idempotency = new Map<string, MemoryRecord>()
  /** Successors by the certificate that they replace. */
  readonly #successors = new Map<string, Set<MemoryRecord>>()
  readonly #perIdentity = new Map<string, number>()
  /**
   * Records of failed signings, oldest first. They may be removed if space is needed, because no certificate
   * exists.
   */
  readonly #failed = new Set<MemoryRecord>()
  readonly #expiry = new ExpiryBuckets<MemoryRecord>()
  #sequence = 0

  constructor(limits: TableLimits) {
    this.#limits = limits
  }

  get({ issuer, serialNumber }: CertificateId): MemoryRecord | undefined {
    return this.#issuers.get(issuer)?.get(serialNumber)
  }

  /** Whether there are records of the issuer. */
  has(issuer: KeyIdentifier): boolean {
    return this.#issuers.has(issuer)
  }

  /** @throws ERR_CERTIFICATE_UNKNOWN */
  require(id: CertificateId): MemoryRecord {
    const record = this.get(id)
    if (record !== undefined) return record
    throw certificateUnknown(id)
  }

  /**
   * The records in the order of their intents: all of them; with a serial number, at most one for each
   * issuer; with `renews`, those that replace that certificate.
   */
  *values({
    serialNumber,
    renews,
  }: Pick<CertificateQuery, 'serialNumber' | 'renews'> = {}): Generator<MemoryRecord> {
    if (renews !== undefined) return yield* this.#successors.get(idText(renews)) ?? []
    if (serialNumber === undefined) return yield* this.#records.values()
    for (const records of this.#issuers.values()) {
      const record = records.get(serialNumber)
      if (record !== undefined) yield record
    }
  }

  /** @throws ERR_SERIAL_EXISTS, ERR_IDEMPOTENCY_KEY, ERR_STORE_FULL */
  requireAddable(intent: IssuanceIntent): void {
    const { maxRecords, maxRecordsPerIdentity } = this.#limits
    if (this.get(intent) !== undefined) throw serialExists(intent)
    if (intent.idempotencyKey !== undefined && this.#idempotency.has(intent.idempotencyKey))
      throw idempotencyKeyUsed()
    const identity = intent.identity.toString()
    const count = this.#perIdentity.get(identity) ?? 0
    if (count >= maxRecordsPerIdentity)
      throw new PkiError(
        'ERR_STORE_FULL',
        `${identity} has ${count} unexpired certificates; maxRecordsPerIdentity is ${maxRecordsPerIdentity}`,
      )
    this.#requireRoom(maxRecords)
  }

  /** Adds a record in the state `intended`, after `requireAddable`. */
  addIntent(intent: IssuanceIntent): MemoryRecord {
    return this.#add(intent, octetsKept(intent.tbs), undefined)
  }

  /**
   * Adds a record in the state `issued` for a certificate that another process issued.
   * @throws ERR_STORE_FULL
   */
  addUnrecorded(id: CertificateId, unrecorded: UnrecordedCertificate): MemoryRecord {
    this.#requireRoom(this.#limits.maxRecords * 2)
    const { certificate, identity, keyIdentifier, notBefore, notAfter, shard } = unrecorded
    const { issuer, serialNumber } = id
    const intent = { issuer, serialNumber, identity, keyIdentifier, notAfter, intendedAt: notBefore, shard }
    const caller = { credential: 'unrecorded', identities: [] }
    return this.#add({ ...intent, caller, rule: 'unrecorded' }, undefined, octetsKept(certificate))
  }

  /** `intended` becomes `failed`: releases the quota of the identity and the idempotency key. */
  fail(record: MemoryRecord): void {
    record.state = 'failed'
    if (record.idempotencyKey !== undefined) this.#idempotency.delete(record.idempotencyKey)
    record.idempotencyKey = undefined
    this.#countIdentity(record, -1)
    this.#failed.add(record)
  }

  /**
   * Removes expired records; revoked ones only after the look-back, because
   * CRLs list them until then (RFC 5280 §3.3).
   */
  takeExpired(nowMs: number): MemoryRecord[] {
    const taken: MemoryRecord[] = []
    for (const record of this.#expiry.takeUntil(nowMs - lastSecondMs)) {
      if (this.#records.get(record.sequence) !== record) continue
      const stayUntilMs = record.notAfterMs + this.#limits.lookBackMs
      if (record.revocation !== undefined && stayUntilMs > nowMs - lastSecondMs) {
        this.#expiry.add(record, stayUntilMs)
        continue
      }
      this.remove(record)
      taken.push(record)
    }
    return taken
  }

  remove(record: MemoryRecord): void {
    const { issuer, serialNumber, sequence, idempotencyKey } = record
    this.#records.delete(sequence)
    const ofIssuer = this.#issuers.get(issuer)
    ofIssuer?.delete(serialNumber)
    if (ofIssuer?.size === 0) this.#issuers.delete(issuer)
    if (idempotencyKey !== undefined) this.#idempotency.delete(idempotencyKey)
    this.#forgetSuccessor(record)
    if (!this.#failed.delete(record)) this.#countIdentity(record, -1)
  }

  #requireRoom(maxRecords: number): void {
    if (this.#records.size < maxRecords) return
    const [oldest] = this.#failed
    if (oldest === undefined)
      throw new PkiError(
        'ERR_STORE_FULL',
        `the store has ${this.#records.size} unexpired records, the maximum`,
      )
    this.remove(oldest)
  }

  #add(
    intent: Omit<IssuanceIntent, 'tbs'>,
    tbs: string | undefined,
    certificate: string | undefined,
  ): MemoryRecord {
    const { issuer, serialNumber, identity, keyIdentifier, caller, rule, renews, idempotencyKey } = intent
    const record: MemoryRecord = {
      sequence: ++this.#sequence,
      issuer,
      serialNumber,
      identity,
      identityText: identity.toString(),
      keyIdentifier,
      notAfterMs: intent.notAfter.getTime(),
      intendedAtMs: intent.intendedAt.getTime(),
      caller: Object.freeze({
        credential: caller.credential,
        identities: Object.freeze([...caller.identities]),
      }),
      rule,
      renews: renews && Object.freeze({ issuer: renews.issuer, serialNumber: renews.serialNumber }),
      idempotencyKey,
      shard: intent.shard ?? '',
      state: tbs === undefined ? 'issued' : 'intended',
      tbs,
      certificate,
      revocation: undefined,
      change: 0,
    }
    let ofIssuer = this.#issuers.get(issuer)
    if (ofIssuer === undefined) this.#issuers.set(issuer, (ofIssuer = new Map<SerialNumber, MemoryRecord>()))
    ofIssuer.set(serialNumber, record)
    this.#records.set(record.sequence, record)
    if (idempotencyKey !== undefined) this.#idempotency.set(idempotencyKey, record)
    if (record.renews !== undefined) this.#addSuccessor(record.renews, record)
    this.#countIdentity(record, 1)
    this.#expiry.add(record, record.notAfterMs)
    return record
  }

  #addSuccessor(renews: CertificateId, record: MemoryRecord): void {
    const successors = this.#successors.get(idText(renews))
    if (successors === undefined) this.#successors.set(idText(renews), new Set([record]))
    else successors.add(record)
  }

  #forgetSuccessor(record: MemoryRecord): void {
    if (record.renews === undefined) return
    const successors = this.#successors.get(idText(record.renews))
    successors?.delete(record)
    if (successors?.size === 0) this.#successors.delete(idText(record.renews))
  }

  #countIdentity({ identityText }: MemoryRecord, by: number): void {
    const count = (this.#perIdentity.get(identityText) ?? 0) + by
    if (count === 0) this.#perIdentity.delete(identityText)
    else this.#perIdentity.set(identityText, count)
  }
}

function idText({ issuer, serialNumber }: CertificateId): string {
  return `${issuer} ${serialNumber}`
}

/** The last second of notAfter is inclusive. */
const lastSecondMs = 1000
