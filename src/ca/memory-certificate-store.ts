// Records in memory, for tests and for CAs whose certificates die with them.

import { PkiError } from '../errors/index.ts'
import type { SerialNumber } from '../x509/index.ts'
import type { CertificateRecord, CertificateStore, IssuanceIntent, RevocationReason } from './certificate-store.ts'

/** Options of `MemoryCertificateStore`. */
export interface MemoryCertificateStoreOptions {
  /** Records kept; above it the oldest that are neither revoked nor being signed are dropped. Default 100,000. */
  readonly maximumRecords?: number | undefined
}

/** One object a certificate, changed in place: a copy for every state would be most of the store's work. */
interface Entry {
  readonly intent: IssuanceIntent
  state: CertificateRecord['state']
  certificate: Uint8Array | undefined
  revocation: CertificateRecord['revocation']
}

/** A `CertificateStore` that forgets everything when the process ends. */
export class MemoryCertificateStore implements CertificateStore {
  readonly #entries = new Map<SerialNumber, Entry>()
  readonly #maximum: number

  constructor(options: MemoryCertificateStoreOptions = {}) {
    this.#maximum = options.maximumRecords ?? 100_000
  }

  recordIntent(intent: IssuanceIntent): void {
    if (this.#entries.has(intent.serialNumber)) throw new PkiError('ERR_SERIAL_EXISTS', `serial number ${intent.serialNumber} was used before`)
    this.#entries.set(intent.serialNumber, { intent, state: 'intended', certificate: undefined, revocation: undefined })
    if (this.#entries.size > this.#maximum) this.#dropOldest()
  }

  recordOutcome(serialNumber: SerialNumber, outcome: { readonly certificate: Uint8Array } | { readonly failed: true }): void {
    const entry = this.#require(serialNumber)
    if ('failed' in outcome) entry.state = 'failed'
    else {
      entry.state = 'issued'
      entry.certificate = outcome.certificate
    }
  }

  async find(serialNumber: SerialNumber): Promise<CertificateRecord | undefined> {
    const entry = this.#entries.get(serialNumber)
    return entry === undefined ? undefined : recordOf(entry)
  }

  async findByIdentity(identity: string): Promise<readonly CertificateRecord[]> {
    return this.#filter((entry) => entry.intent.identity === identity)
  }

  async revoke(serialNumber: SerialNumber, reason: RevocationReason, at: Date): Promise<CertificateRecord> {
    const entry = this.#require(serialNumber)
    entry.revocation ??= { reason, revokedAt: at }
    return recordOf(entry)
  }

  async revoked(at: Date): Promise<readonly CertificateRecord[]> {
    return this.#filter(({ revocation, intent }) => revocation !== undefined && intent.notAfter >= at)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.clear()
  }

  #filter(wanted: (entry: Entry) => boolean): CertificateRecord[] {
    return [...this.#entries.values()].filter(wanted).map(recordOf)
  }

  #require(serialNumber: SerialNumber): Entry {
    const entry = this.#entries.get(serialNumber)
    if (entry === undefined) throw new PkiError('ERR_CERTIFICATE_UNKNOWN', `no certificate has the serial number ${serialNumber}`)
    return entry
  }

  #dropOldest(): void {
    for (const [serialNumber, { state, revocation }] of this.#entries) {
      if (state === 'intended' || revocation !== undefined) continue
      this.#entries.delete(serialNumber)
      return
    }
  }
}

function recordOf({ intent, state, certificate, revocation }: Entry): CertificateRecord {
  return { ...intent, state, certificate, revocation }
}
