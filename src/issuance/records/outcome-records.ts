// The record of one certificate: its intent before the signature, its outcome before the answer.

import type { Caller } from '../../auth/index.ts'
import type { CertificateStore, IssuedCertificate } from '../../ca/index.ts'
import type { CertificateId, IssuanceIntent } from '../../ca/internal.ts'
import { isPkiError } from '../../errors/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import type { AdmittedRequest } from '../admission.ts'
import type { IssuanceEvents } from '../events/issuance-events.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { ComingReceipt, Receipts } from './receipts.ts'
import { ask, storeFailure } from './store-calls.ts'

/** The caller, and the other identity of the key if reuse is reported. */
interface IssuedBy {
  readonly caller: Caller
  readonly keyAlsoOf: SpiffeId | undefined
}

/** Records intents and outcomes, the latter with their audit records. */
export class OutcomeRecords {
  readonly #store: CertificateStore
  readonly #trail: AuditTrail
  readonly #events: IssuanceEvents
  readonly #receipts: Receipts

  constructor(store: CertificateStore, trail: AuditTrail, events: IssuanceEvents, receipts: Receipts) {
    this.#store = store
    this.#trail = trail
    this.#events = events
    this.#receipts = receipts
  }

  /** @throws the errors of the store; ERR_STORE_UNAVAILABLE for any other exception of it */
  async intend(intent: IssuanceIntent): Promise<void> {
    try {
      await this.#store.recordIntent(intent)
    } catch (cause) {
      throw storeFailure(cause)
    }
  }

  /** Returns the pending receipt, if the request contains `receipt: true`. @throws as `intend` */
  async complete(
    issued: IssuedCertificate,
    { issuer, serialNumber, identity, rule, renews }: IssuanceIntent,
    by: IssuedBy,
    { receipt, signal }: AdmittedRequest,
  ): Promise<ComingReceipt | undefined> {
    const id = { issuer, serialNumber }
    const certificate = issued.certificate.der
    const { caller, keyAlsoOf } = by
    const record = this.#trail.issued(id, identity, certificate, { caller, keyAlsoOf, rule, renews })
    const entry = record.audit?.[0]
    const coming = receipt && entry !== undefined ? this.#receipts.await(entry, signal) : undefined
    try {
      await this.#store.recordOutcome(id, { certificate }, record)
    } catch (cause) {
      coming?.cancel()
      const error = storeFailure(cause)
      // The certificate is discarded.
      if (isPkiError(error) && discarding.has(error.code)) await this.fail(id)
      else this.#events.tell({ kind: 'unrecorded', id, error })
      throw error
    }
    return coming
  }

  /**
   * Never rejects: the caller gets the first failure. Without an outcome the record stays `intended`, which
   * counts as issued.
   */
  async fail(id: CertificateId): Promise<void> {
    try {
      await ask(this.#store, (store) => store.recordOutcome(id, { failed: true }))
    } catch (error) {
      this.#events.tell({ kind: 'unrecorded', id, error })
    }
  }
}

/** Codes for a certificate that was revoked or blocked since the intent. */
const discarding: ReadonlySet<string> = new Set([
  'ERR_RENEWAL_REFUSED',
  'ERR_RENEWAL_BLOCKED',
  'ERR_PREPARED_EXPIRED',
])
