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
  | { readonly allowed: true, readonly rule: string, readonly content: CertificateContent, readonly trimmed: readonly string[] }
  | { readonly allowed: false, readonly rule: string, readonly code: PkiErrorCode, readonly reason: string }

/** Allows, narrows or refuses. */
export interface IssuancePolicy {
  /** Decides about one request. What it throws is a failure of the service, not a refusal. */
  decide(request: PolicyRequest, caller: Caller): IssuanceDecision | Promise<IssuanceDecision>
}
