// The lifecycle of a certificate after it was issued: renewal, revocation, hold, status, search.

import type { Caller } from '../../auth/index.ts'
import { revocationReasons } from '../../ca/internal.ts'
import type {
  CertificateAuthority,
  CertificateRecord,
  CertificateStore,
  RevocationReason,
} from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import type { CertificateQuery, Page, RevokeOptions } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import type { Certificate } from '../../x509/index.ts'
import type { Administrators } from '../records/administrators.ts'
import type { AuditTrail } from '../records/audit-trail.ts'
import { CertificateLookup, readReference } from '../records/certificate-lookup.ts'
import type { CertificateReference } from '../records/certificate-lookup.ts'
import { stateOf, statusOf } from '../records/certificate-status.ts'
import type { CertificateStatus } from '../records/certificate-status.ts'
import { ask } from '../records/store-calls.ts'
import { unrecordedOf } from '../records/unrecorded-certificate.ts'
import type { Unrecorded } from '../records/unrecorded-certificate.ts'

/** The dependencies of the lifecycle. */
export interface LifecycleOptions {
  readonly authority: CertificateAuthority
  readonly store: CertificateStore
  readonly administrators: Administrators
  readonly clock: Clock
  readonly trail: AuditTrail
}

/** Looks up and changes records, after authorizing the caller. */
export class CertificateLifecycle {
  readonly #options: LifecycleOptions
  readonly #lookup: CertificateLookup

  constructor(options: LifecycleOptions) {
    this.#options = options
    this.#lookup = new CertificateLookup(options.authority, options.store)
  }

  /** @throws ERR_INVALID_ARGUMENT also if several issuers have the serial number */
  async status(reference: CertificateReference): Promise<CertificateStatus | undefined> {
    const record = await this.#lookup.find(readReference('status', reference))
    return record === undefined ? undefined : this.#statusOf(record)
  }

  /** @throws ERR_INVALID_ARGUMENT for an unknown or undefined condition, and for a cursor of another query */
  async search(query: CertificateQuery): Promise<Page<CertificateStatus>> {
    const { items, next } = await ask(this.#options.store, (asked) => asked.query(query))
    const found = await Promise.all(items.map((record) => this.#statusOf(record)))
    return Object.freeze({ items: Object.freeze(found), next })
  }

  /**
   * The record to renew, and the matching identity of the caller. In a retry the record may already be
   * superseded by the certificate of the first attempt: the idempotency key finds that certificate, and for
   * any other request the store refuses the intent.
   *
   * @throws ERR_CERTIFICATE_UNKNOWN, ERR_RENEWAL_REFUSED, ERR_INVALID_ARGUMENT
   */
  async requireRenewable(
    reference: CertificateReference,
    caller: Caller,
    mayBeRetry: boolean,
  ): Promise<{ readonly record: CertificateRecord; readonly identity: SpiffeId }> {
    const record = await this.#lookup.require(readReference('renew', reference))
    if (!(mayBeRetry && record.revocation?.reason === 'superseded')) this.requireValid(record)
    const identity = caller.identities.find((id) => id.equals(record.identity))
    if (identity === undefined)
      throw new PkiError(
        'ERR_RENEWAL_REFUSED',
        `certificate ${record.serialNumber} is for ${record.identity.toString()}, which is not the caller`,
      )
    return { record, identity }
  }

  /** @throws ERR_RENEWAL_REFUSED */
  requireValid(record: CertificateRecord): void {
    const state = stateOf(record, this.#options.clock.now())
    if (state !== 'valid')
      throw new PkiError('ERR_RENEWAL_REFUSED', `certificate ${record.serialNumber} is ${state}`)
  }

  /** @throws ERR_CERTIFICATE_UNKNOWN, ERR_POLICY_DENIED, ERR_POLICY_FAILED, ERR_INVALID_ARGUMENT */
  async revoke(
    given: CertificateReference,
    reason: RevocationReason,
    caller: Caller,
    certificate: Certificate | undefined,
  ): Promise<CertificateRecord> {
    if (!revocationReasons.has(reason))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `revoke: the reason must be one of ${[...revocationReasons].join(', ')} (RFC 5280 §5.3.1)`,
      )
    const { authority, store, clock, trail } = this.#options
    const reference = readReference('revoke', given)
    const record = await this.#lookup.find(reference)
    const target: CertificateRecord | Unrecorded | undefined =
      record ?? (certificate && unrecordedOf(authority, reference, certificate))
    if (target === undefined) return this.#lookup.require(reference)
    const { identity, issuer, serialNumber } = target
    this.#requireMayChange({ identity, issuer, serialNumber }, caller)
    const revocation = { reason, revokedAt: new Date(clock.now()) }
    const audit = trail.changed('revoked', { issuer, serialNumber }, identity, { caller, reason })
    const options: RevokeOptions =
      record === undefined ? { ...audit, unrecorded: target as Unrecorded } : audit
    return ask(store, (asked) => asked.revoke({ issuer, serialNumber }, revocation, options))
  }

  /** @throws ERR_CERTIFICATE_UNKNOWN, ERR_INVALID_ARGUMENT, ERR_POLICY_DENIED, ERR_STORE_CONFLICT */
  async release(reference: CertificateReference, caller: Caller): Promise<CertificateRecord> {
    const record = await this.#lookup.require(readReference('release', reference))
    const { administrators, store, trail } = this.#options
    // A holder that could end its own hold would make the hold of an administrator worthless.
    administrators.require(caller, 'release a certificate from hold')
    const audit = trail.changed('released', record, record.identity, { caller })
    return ask(store, (asked) => asked.release(record, audit))
  }

  #statusOf(record: CertificateRecord): Promise<CertificateStatus> {
    return statusOf(this.#options.store, record, this.#options.clock.now())
  }

  #requireMayChange(
    { identity, serialNumber }: CertificateId & { identity: SpiffeId },
    caller: Caller,
  ): void {
    const { administrators } = this.#options
    if (caller.identities.some((id) => id.equals(identity)) || administrators.includes(caller)) return
    throw new PkiError(
      'ERR_POLICY_DENIED',
      `certificate ${serialNumber} is for ${identity.toString()}; the caller is neither that nor an ` +
        'administrator',
    )
  }
}
