// Who may have which certificate, and why.

import type { Caller } from '../auth/index.ts'
import type { CertificateContent } from '../ca/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import type { CertificateRequest } from '../x509/index.ts'

/** What a policy judges. */
export interface PolicyRequest {
  /** Its names and extensions are wishes: nobody has agreed to them. */
  readonly csr: CertificateRequest
  /** Validity that is asked for, in seconds; undefined leaves it to the profile. */
  readonly ttlSeconds: number | undefined
}

/** Yes with what will be in the certificate, or no; either way by a rule that has a name. */
export type IssuanceDecision =
  | {
      readonly allowed: true
      /** The name of the rule that decided, for logs and `plan`. */
      readonly rule: string
      /** What will be in the certificate. */
      readonly content: CertificateContent
      /** What was asked for and is left out, in words; empty where nothing is. */
      readonly trimmed: readonly string[]
    }
  | {
      readonly allowed: false
      /** The name of the rule that refuses, for logs. */
      readonly rule: string
      /** What the caller gets as an error, such as `ERR_POLICY_DENIED`. */
      readonly code: PkiErrorCode
      /** What was asked for and what is allowed, in words. */
      readonly reason: string
    }

/** Allows, narrows or refuses. */
export interface IssuancePolicy {
  /** Decides about one request. A `PkiError` that it throws is its refusal; anything else is a failure of the service (`ERR_POLICY_FAILED`). */
  decide(request: PolicyRequest, caller: Caller): IssuanceDecision | Promise<IssuanceDecision>
}
