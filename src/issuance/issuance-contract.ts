// The contract that adapters and embedding services call: issue, plan, renew, revoke, release, status.

import type { Caller } from '../auth/index.ts'
import type { CertificateContent, RevocationReason } from '../ca/index.ts'
import type { BlockedSubject, CertificateQuery, Page, RenewalBlock } from '../ca/internal.ts'
import type { CertificateInput } from '../x509/index.ts'
import type { IssuanceRequest } from './admission.ts'
import type { IssuanceAnswer } from './issuance-answer.ts'
import type { BatchRotationOptions } from './lifecycle/batch-rotation.ts'
import type { RotationResult } from './lifecycle/standing-renewal.ts'
import type { CertificateReference } from './records/certificate-lookup.ts'
import type { CertificateStatus } from './records/certificate-status.ts'

/** The result that `issue` would have. @inline */
export interface IssuancePlan {
  /** The policy's rule that allows it. */
  readonly rule: string
  /** The requested names, extensions and validity that the certificate would not have, as text. */
  readonly trimmed: readonly string[]
  readonly content: CertificateContent
  readonly notAfter: Date
  /** The bytes that would be signed, with a serial number that is not used again. */
  readonly tbs: Uint8Array
}

/** Options of `revoke`. @inline */
export interface RevokeCertificateOptions {
  /**
   * The certificate itself, if it has no record, for example after a restored backup. The CA's signature is
   * verified.
   */
  readonly certificate?: CertificateInput
}

/**
 * Issues, renews and revokes. Every method copies its arguments. A certificate is identified by its serial
 * number, or by `{ issuer, serialNumber }` with the key identifier of its issuer; anything else, a
 * `Certificate` too, is refused with ERR_INVALID_ARGUMENT.
 */
export interface IssuanceService {
  /**
   * Decides, signs and records.
   *
   * @throws ERR_CSR_*, ERR_PEM, ERR_DER, ERR_KEY_*, ERR_POLICY_*, ERR_TTL, ERR_ABORTED,
   *   ERR_AUTHENTICATOR_FAILED, ERR_CA_*, ERR_LINT, ERR_PREPARED_EXPIRED, ERR_STORE_FULL,
   *   ERR_STORE_UNAVAILABLE, ERR_IDEMPOTENCY_KEY, ERR_RENEWAL_BLOCKED, ERR_KEY_REUSED, ERR_INVALID_ARGUMENT;
   *   the errors of the signer
   */
  issue(request: IssuanceRequest, caller: Caller): Promise<IssuanceAnswer>
  /** Performs the same steps up to the signature; nothing is signed or recorded. @throws as `issue` */
  plan(request: IssuanceRequest, caller: Caller): Promise<IssuancePlan>
  /**
   * Like `issue`, for the holder of a valid certificate that is not revoked. This is checked again when the
   * intent and the outcome are recorded.
   *
   * @throws as `issue`; ERR_CERTIFICATE_UNKNOWN, ERR_RENEWAL_REFUSED
   */
  renew(certificate: CertificateReference, request: IssuanceRequest, caller: Caller): Promise<IssuanceAnswer>
  /**
   * Revokes a certificate; allowed to its holder and to administrators. `release` can end a
   * `certificateHold`.
   *
   * @throws ERR_CERTIFICATE_UNKNOWN, ERR_POLICY_DENIED, ERR_POLICY_FAILED, ERR_INVALID_ARGUMENT,
   *   ERR_STORE_UNAVAILABLE
   */
  revoke(
    certificate: CertificateReference,
    reason: RevocationReason,
    caller: Caller,
    options?: RevokeCertificateOptions,
  ): Promise<void>
  /**
   * Ends a hold; only for administrators.
   * @throws ERR_CERTIFICATE_UNKNOWN, ERR_POLICY_DENIED, ERR_STORE_CONFLICT for one not on hold;
   *   ERR_INVALID_ARGUMENT
   */
  release(certificate: CertificateReference, caller: Caller): Promise<void>
  /** The recorded status; undefined for an unknown certificate. @throws ERR_INVALID_ARGUMENT */
  status(certificate: CertificateReference): Promise<CertificateStatus | undefined>
  /** The status of every certificate that a query finds, by page. @throws as `CertificateStore.query` */
  search(query: CertificateQuery): Promise<Page<CertificateStatus>>
  /**
   * Adds a subject to the block-list; only for administrators. A blocked identity or key gets no certificate
   * from `issue` or `renew`; a blocked certificate is not renewed, but its identity may request another one.
   * A certificate that is being signed at that moment is refused when its outcome is recorded. `status` and
   * revocation do not change. `subject` is one of `{ identity }`, `{ keyIdentifier }` and `{ certificate }`;
   * `reason` is text of 1 to 1,024 characters.
   *
   * @throws ERR_POLICY_DENIED, ERR_POLICY_FAILED, ERR_STORE_FULL, ERR_STORE_UNAVAILABLE; ERR_INVALID_ARGUMENT
   *   also if the storage has no block-list
   */
  block(subject: BlockedSubject, reason: string, caller: Caller): Promise<void>
  /**
   * Removes a subject from the block-list; only for administrators. Returns false if it was not on the list.
   * @throws as `block`
   */
  unblock(subject: BlockedSubject, caller: Caller): Promise<boolean>
  /** The block-list. */
  blocks(): Promise<readonly RenewalBlock[]>
  /**
   * Renews certificates that expire soon, each once, from standing requests, and returns the outcome of each.
   * The store has the progress: after a crash the next run continues, and no recorded renewal is repeated.
   * Only one run at a time is active among all processes: a second one waits, after a crash for at most 15
   * seconds. The caller of each renewal is the identity of the certificate with the credential
   * `standing-request`, and the policy decides as for other requests. A failure is an outcome and does not
   * stop the run.
   *
   * @throws ERR_INVALID_ARGUMENT at once; ERR_ABORTED, ERR_LEASE_STALE, ERR_STORE_UNAVAILABLE from the
   * iteration
   * @example
   * ```ts
   * const requests = new Map([['spiffe://example.org/ns/prod/sa/api', csr]])
   * const rotation = issuance.rotateExpiring({
   *   thresholdSeconds: 8 * 3600,
   *   requestFor: ({ identity }) => requests.get(String(identity)),
   * })
   * for await (const { serialNumber, outcome } of rotation) console.log(serialNumber, outcome)
   * ```
   */
  rotateExpiring(options: BatchRotationOptions): AsyncIterableIterator<RotationResult>
}
