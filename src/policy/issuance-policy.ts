// The contract of issuance policies: who may have which certificate, and why.

import type { Caller } from '../auth/index.ts'
import type { CertificateContent } from '../ca/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { CertificateRequest } from '../x509/index.ts'

/** The input of a policy. */
export interface PolicyRequest {
  /** Its names and extensions are requests only; its signature is not verified yet. */
  readonly csr: CertificateRequest
  /** The requested validity in seconds; undefined: the profile's default. */
  readonly ttlSeconds: number | undefined
  /** The address of the peer of the connection; undefined if there is none. */
  readonly source?: string | undefined
  /** True for `plan`: nothing will be issued, so nothing is counted. */
  readonly dryRun?: boolean | undefined
  /** The time for the decision; undefined: now. `replayPolicy` sets the time of the record. */
  readonly time?: Date | undefined
}

/** Allowed with the content of the certificate, or refused; in both cases by a named rule. */
export type IssuanceDecision =
  | {
      readonly allowed: true
      /** The name of the rule that decided, for logs and `plan`. */
      readonly rule: string
      /** The content of the certificate. */
      readonly content: CertificateContent
      /**
       * The identity for which the certificate is recorded if `content` has no SPIFFE ID: an identity of the
       * caller. Only a CA whose profile has `spiffeId: 'absent'` signs such a certificate.
       */
      readonly identity?: SpiffeId | undefined
      /** What was requested but omitted or shortened, as text; empty if nothing. */
      readonly trimmed: readonly string[]
      /**
       * `true`: once a renewal is recorded, the renewed certificate is revoked with the reason `superseded`.
       * Default: it stays valid until it expires.
       */
      readonly revokesRenewed?: boolean | undefined
    }
  | {
      readonly allowed: false
      /** The name of the rule that refused, for logs. */
      readonly rule: string
      /** The error code for the caller, such as `ERR_POLICY_DENIED`. */
      readonly code: PkiErrorCode
      /** What was requested and what is allowed, as text. */
      readonly reason: string
    }

/** Allows, narrows or refuses. */
export interface IssuancePolicy {
  /**
   * Decides one request. A thrown `PkiError` refuses it; any other error is
   * `ERR_POLICY_FAILED`, and nothing is issued.
   */
  decide(request: PolicyRequest, caller: Caller): IssuanceDecision | Promise<IssuanceDecision>
}
