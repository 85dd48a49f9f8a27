// The settings of one verification, and a path under construction.

import type { Certificate, PublicKey } from '../../x509/index.ts'
import type { Budget } from '../budget.ts'
import type { PathOptions } from '../path-options.ts'
import type { PolicyInputs } from '../policies/policy-inputs.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { TrustAnchor } from '../trust-anchor.ts'
import type { IssuerCandidate } from './issuer-candidate.ts'

/**
 * A path under construction: leaf first; `issuers` are the links above the
 * leaf, the last one an anchor when the path is complete.
 */
export interface CompletePath {
  /** Without the anchor. */
  readonly certificates: readonly Certificate[]
  readonly issuers: readonly IssuerCandidate[]
  readonly anchor: TrustAnchor
}

/** The settings of a search, and of the searches for CRL issuers and OCSP responders within it. */
export interface SearchSettings {
  /** Intermediates that the validator keeps; the search finds them in its pool. */
  readonly known: readonly IssuerCandidate[]
  readonly presented: readonly IssuerCandidate[]
  /** The key that verified the signature of this leaf in an earlier verification. */
  readonly leafSignedBy: PublicKey | undefined
  readonly timeMs: number
  /** Purposes, as object identifiers, that CAs must allow; empty = not checked. */
  readonly nestedPurposes: readonly string[]
  readonly policies: PolicyInputs | undefined
  readonly maxDepth: number
  readonly checkIssuer: PathOptions['checkIssuer']
  /**
   * Whether a leaf that equals an anchor, octet for octet, is accepted (the
   * tolerance self-signed-leaf-anchor).
   */
  readonly leafMayBeAnchor: boolean
  readonly budget: Budget
}

/** Checks of a complete path outside the search: names, revocation. */
export interface CompletePathCheck {
  check(path: CompletePath): Rejection | undefined
}

/** Leaf first; the anchor's certificate last, unless the leaf is the anchor. */
export function withAnchor({ certificates, anchor }: CompletePath): Certificate[] {
  const { certificate } = anchor
  const last = certificates[certificates.length - 1] as Certificate
  return certificate === undefined || certificate.equals(last)
    ? [...certificates]
    : [...certificates, certificate]
}
