// Records in memory, for tests and for CAs whose certificates die with them.

import { PkiError } from '../errors/index.ts'
import type { SerialNumber } from '../x509/index.ts'
import type { CertificateRecord, CertificateStore, IssuanceIntent, RevocationReason } from './certificate-store.ts'

/** Options of `MemoryCertificateStore`. */
export interface MemoryCertificateStoreOptions {
  /** Records kept; above it the oldest that are neither revoked nor being signed are dropped. Default 100,000. */
  readonly maximumRecords?: number | undefined
}

/** A `CertificateStore` that forgets everything when the process ends. */
export class MemoryCertificateStore implements CertificateStore {
  readonly #records = new Map<SerialNumber, CertificateRecord>()
  readonly #maximum: number

  constructor(options: MemoryCertificateStoreOptions = {}) {
    this.#maximum = options.maximumRecords ?? 100_000
  }

  recordIntent(intent: IssuanceIntent): void {
    if (this.#records.has(intent.serialNumber)) throw new PkiError('ERR_SERIAL_EXISTS', `serial number ${intent.serialNumber} was used before`)
    this.#records.set(intent.serialNumber, { ...intent, state: 'intended' })
    if (this.#records.size > this.#maximum) this.#dropOldest()
  }

  recordOutcome(serialNumber: SerialNumber, outcome: { readonly certificate: Uint8Array } | { readonly failed: true }): void {
    const record = this.#require(serialNumber)
    this.#records.set(serialNumber, 'failed' in outcome ? { ...record, state: 'failed' } : { ...record, state: 'issued', certificate: outcome.certificate })
  }

  async find(serialNumber: SerialNumber): Promise<CertificateRecord | undefined> {
    return this.#records.get(serialNumber)
  }

  async findByIdentity(identity: string): Promise<readonly CertificateRecord[]> {
    return [...this.#records.values()].filter((record) => record.identity === identity)
  }

  async revoke(serialNumber: SerialNumber, reason: RevocationReason, at: Date): Promise<CertificateRecord> {
    const record = this.#require(serialNumber)
    if (record.revocation !== undefined) return record
    const revoked: CertificateRecord = { ...record, revocation: { reason, revokedAt: at } }
    this.#records.set(serialNumber, revoked)
    return revoked
  }

  async revoked(at: Date): Promise<readonly CertificateRecord[]> {
    return [...this.#records.values()].filter((record) => record.revocation !== undefined && record.notAfter >= at)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#records.clear()
  }

  #require(serialNumber: SerialNumber): CertificateRecord {
    const record = this.#records.get(serialNumber)
    if (record === undefined) throw new PkiError('ERR_CERTIFICATE_UNKNOWN', `no certificate has the serial number ${serialNumber}`)
    return record
  }

  #dropOldest(): void {
    for (const [serialNumber, { state, revocation }] of this.#records) {
      if (state === 'intended' || revocation !== undefined) continue
      this.#records.delete(serialNumber)
      return
    }
  }
}
