// Records in memory, for tests and for CAs whose certificates die with them.

import { PkiError } from '../errors/index.ts'
import { requireCount } from '../internal/numbers.ts'
import type { SerialNumber } from '../x509/index.ts'
import type {
  CertificateRecord,
  CertificateStore,
  IssuanceIntent,
  RevocationReason,
} from './certificate-store.ts'

/** Options of `MemoryCertificateStore`. */
export interface MemoryCertificateStoreOptions {
  /** Records kept beside those of revoked certificates; above it the oldest that are not being signed are dropped; Infinity for all. Default 100,000. */
  readonly maximumRecords?: number | undefined
}

/** One small object a certificate, changed in place. Octets and times are kept where the garbage collector has nothing to look at. */
interface Entry {
  readonly serialNumber: SerialNumber
  readonly identity: string
  readonly notAfterMs: number
  readonly intendedAtMs: number
  readonly keyIdentifier: Kept
  state: CertificateRecord['state']
  certificate: Kept | undefined
  revocation: CertificateRecord['revocation']
}

/** Octets in a slab that many records share. */
interface Kept {
  readonly slab: Uint8Array
  readonly at: number
  readonly length: number
}

/** A `CertificateStore` that forgets everything when the process ends. */
export class MemoryCertificateStore implements CertificateStore {
  readonly #entries = new Map<SerialNumber, Entry>()
  /** Apart from the others: lists look through these alone, and what is dropped is not looked for among them. */
  readonly #revoked = new Map<SerialNumber, Entry>()
  readonly #maximum: number
  #slab: Uint8Array = new Uint8Array(0)
  #slabAt = 0

  /** @throws ERR_INVALID_ARGUMENT for a limit that is no count: nothing would ever be dropped */
  constructor(options: MemoryCertificateStoreOptions = {}) {
    this.#maximum = requireCount('maximumRecords', options.maximumRecords ?? 100_000, 0, Infinity)
  }

  recordIntent({ serialNumber, identity, keyIdentifier, notAfter, intendedAt }: IssuanceIntent): void {
    if (this.#find(serialNumber) !== undefined)
      throw new PkiError('ERR_SERIAL_EXISTS', `serial number ${serialNumber} was used before`)
    this.#entries.set(serialNumber, {
      serialNumber,
      identity,
      notAfterMs: notAfter.getTime(),
      intendedAtMs: intendedAt.getTime(),
      keyIdentifier: this.#keep(keyIdentifier),
      state: 'intended',
      certificate: undefined,
      revocation: undefined,
    })
    if (this.#entries.size > this.#maximum) this.#dropOldest()
  }

  recordOutcome(
    serialNumber: SerialNumber,
    outcome: { readonly certificate: Uint8Array } | { readonly failed: true },
  ): void {
    const entry = this.#require(serialNumber)
    if ('failed' in outcome) {
      entry.state = 'failed'
      return
    }
    entry.state = 'issued'
    entry.certificate = this.#keep(outcome.certificate)
  }

  async find(serialNumber: SerialNumber): Promise<CertificateRecord | undefined> {
    const entry = this.#find(serialNumber)
    return entry === undefined ? undefined : recordOf(entry)
  }

  async findByIdentity(identity: string): Promise<readonly CertificateRecord[]> {
    return [...this.#entries.values(), ...this.#revoked.values()]
      .filter((entry) => entry.identity === identity)
      .map(recordOf)
  }

  async revoke(serialNumber: SerialNumber, reason: RevocationReason, at: Date): Promise<CertificateRecord> {
    const entry = this.#require(serialNumber)
    entry.revocation ??= { reason, revokedAt: at }
    this.#entries.delete(serialNumber)
    this.#revoked.set(serialNumber, entry)
    return recordOf(entry)
  }

  async revoked(at: Date): Promise<readonly CertificateRecord[]> {
    return [...this.#revoked.values()].filter(({ notAfterMs }) => notAfterMs >= at.getTime()).map(recordOf)
  }

  /** Nothing to close: the records go with the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.clear()
    this.#revoked.clear()
  }

  #find(serialNumber: SerialNumber): Entry | undefined {
    return this.#entries.get(serialNumber) ?? this.#revoked.get(serialNumber)
  }

  #keep(octets: Uint8Array): Kept {
    if (this.#slabAt + octets.length > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(slabOctets, octets.length))
      this.#slabAt = 0
    }
    const kept = { slab: this.#slab, at: this.#slabAt, length: octets.length }
    this.#slab.set(octets, kept.at)
    this.#slabAt += octets.length
    return kept
  }

  #require(serialNumber: SerialNumber): Entry {
    const entry = this.#find(serialNumber)
    if (entry === undefined)
      throw new PkiError('ERR_CERTIFICATE_UNKNOWN', `no certificate has the serial number ${serialNumber}`)
    return entry
  }

  #dropOldest(): void {
    for (const [serialNumber, { state }] of this.#entries) {
      if (state === 'intended') continue
      this.#entries.delete(serialNumber)
      return
    }
  }
}

function recordOf({
  serialNumber,
  identity,
  keyIdentifier,
  notAfterMs,
  intendedAtMs,
  state,
  certificate,
  revocation,
}: Entry): CertificateRecord {
  return {
    serialNumber,
    identity,
    keyIdentifier: copyOf(keyIdentifier),
    notAfter: new Date(notAfterMs),
    intendedAt: new Date(intendedAtMs),
    state,
    certificate: certificate === undefined ? undefined : copyOf(certificate),
    revocation,
  }
}

function copyOf({ slab, at, length }: Kept): Uint8Array {
  return slab.slice(at, at + length)
}

const slabOctets = 256 * 1024
