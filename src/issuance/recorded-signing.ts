// Intent durable → sign → outcome durable → answer: a certificate is returned only after it is recorded.

import type { CertificateAuthority, CertificateStore, IssuedCertificate } from '../ca/index.ts'
import type { CertificateId, IssuanceIntent } from '../ca/internal.ts'
import { isPkiError } from '../errors/index.ts'
import type { Clock } from '../runtime/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { SignOptions } from '../x509/internal.ts'
import { throwIfAborted } from './admission.ts'
import type { AdmittedRequest } from './admission.ts'
import type { AuditTrail } from './records/audit-trail.ts'
import type { Decision } from './decision.ts'
import type { IssuanceEvents } from './events/issuance-events.ts'
import { trimmedOf } from './issuance-answer.ts'
import type { IssuanceAnswer } from './issuance-answer.ts'
import { Idempotency } from './records/idempotency.ts'
import { OutcomeRecords } from './records/outcome-records.ts'
import { keyReused, otherHolderOf } from './records/refusal/key-reuse.ts'
import type { KeyReuse } from './records/refusal/key-reuse.ts'
import type { Receipts } from './records/receipts.ts'

/** The dependencies of signing. */
export interface RecordedSigningOptions {
  readonly authority: CertificateAuthority
  readonly store: CertificateStore
  readonly clock: Clock
  readonly trail: AuditTrail
  readonly events: IssuanceEvents
  readonly keyReuse: KeyReuse
  readonly receipts: Receipts
}

/** Signs the certificates of decisions, with a record of intent and outcome. */
export class RecordedSigning {
  readonly #authority: CertificateAuthority
  readonly #store: CertificateStore
  readonly #clock: Clock
  readonly #records: OutcomeRecords
  readonly #events: IssuanceEvents
  readonly #idempotency: Idempotency
  readonly #keyReuse: KeyReuse
  readonly #receipts: Receipts

  constructor({ authority, store, clock, trail, events, keyReuse, receipts }: RecordedSigningOptions) {
    this.#authority = authority
    this.#store = store
    this.#clock = clock
    this.#records = new OutcomeRecords(store, trail, events, receipts)
    this.#events = events
    this.#keyReuse = keyReuse
    this.#receipts = receipts
    this.#idempotency = new Idempotency(authority, store, clock)
  }

  /** @throws as `IssuanceService.issue` */
  issue(
    request: AdmittedRequest,
    decision: Decision,
    renews: CertificateId | undefined,
  ): Promise<IssuanceAnswer> {
    this.#receipts.requireAvailable(request.receipt)
    const idempotencyKey = this.#idempotency.keyOf(request, decision)
    if (idempotencyKey === undefined) return this.issueOnce(request, decision, renews, undefined)
    return this.#idempotency
      .find(idempotencyKey, request.csr, decision)
      .then((earlier) => earlier ?? this.issueOnce(request, decision, renews, idempotencyKey))
  }

  /** Like `issue`, without looking for the certificate of an earlier request. @throws as `issue` */
  async issueOnce(
    request: AdmittedRequest,
    decision: Decision,
    renews: CertificateId | undefined,
    idempotencyKey: string | undefined,
  ): Promise<IssuanceAnswer> {
    const { csr, signal, caller } = request
    const { content, identity, rule } = decision
    const prepared = await this.#authority.prepare(csr, content, signOptions(signal))
    const { issuer, serialNumber } = prepared
    const id = { issuer, serialNumber }
    const intent: IssuanceIntent = {
      issuer,
      serialNumber,
      tbs: prepared.tbs,
      identity,
      keyIdentifier: prepared.keyIdentifier,
      notAfter: prepared.notAfter,
      intendedAt: new Date(this.#clock.now()),
      caller: { credential: caller.credential, identities: caller.identities },
      rule,
      renews,
      idempotencyKey,
      shard: prepared.shard,
    }
    await this.#records.intend(intent)
    const keyAlsoOf = this.#keyReuse === 'allow' ? undefined : await this.#checkKey(intent)
    let issued: IssuedCertificate
    try {
      throwIfAborted(signal)
      issued = await this.#authority.sign(prepared, signOptions(signal))
    } catch (error) {
      await this.#failSigning(id, error)
      throw error
    }
    const coming = await this.#records.complete(issued, intent, { caller, keyAlsoOf }, request)
    const trimmed = trimmedOf(decision, prepared, csr)
    const { notAfter } = issued.certificate
    this.#events.tell({ kind: 'issued', id, identity, notAfter, rule, trimmed, caller, renews })
    const { certificate, chain, roots, shortened } = issued
    const answer = { certificate, chain, roots, shortened, rule, trimmed }
    return Object.freeze(coming === undefined ? answer : { ...answer, receipt: await coming.text() })
  }

  /** The other identity of the key, if reuse is reported. @throws ERR_KEY_REUSED */
  async #checkKey(intent: IssuanceIntent): Promise<SpiffeId | undefined> {
    const { issuer, serialNumber, identity } = intent
    const id = { issuer, serialNumber }
    try {
      const other = await otherHolderOf(this.#store, intent)
      if (other === undefined) return undefined
      if (this.#keyReuse === 'refuse') throw keyReused(intent)
      this.#events.tell({ kind: 'key reused', id, identity, other })
      return other.identity
    } catch (error) {
      await this.#records.fail(id)
      throw error
    }
  }

  /** A worker that is lost may have signed: the record stays `intended`, which counts as issued. */
  async #failSigning(id: CertificateId, error: unknown): Promise<void> {
    if (!isPkiError(error, 'ERR_WORKER_LOST')) await this.#records.fail(id)
  }
}

function signOptions(signal: AbortSignal | undefined): SignOptions | undefined {
  return signal === undefined ? undefined : { signal }
}
