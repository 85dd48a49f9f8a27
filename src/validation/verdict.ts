// The answer of a path validation: a path that was verified, or every path that was tried and why it was refused.

import { PkiError } from '../errors/index.ts'
import type { Certificate } from '../x509/index.ts'
import type { BudgetKind } from './budget.ts'
import { checkPolicies } from './policies/check-policies.ts'
import type { PolicyInputs } from './policies/policy-inputs.ts'
import type { Rejection } from './rejection.ts'
import type { TrustAnchor } from './trust-anchor.ts'

/** What a verification spent, per kind of work. */
export type Spent = Readonly<Record<BudgetKind, number>>

/** Why one candidate path was refused, and how far it came: leaf first, the certificate at fault included. */
export interface RejectedPath extends Rejection {
  readonly path: readonly Certificate[]
}

/** A path that passed every check. */
export interface AcceptedVerdict {
  readonly ok: true
  readonly path: VerifiedPath
  readonly spent: Spent
}

/** No path passed; the most telling failure first. */
export interface RejectedVerdict {
  readonly ok: false
  readonly rejected: readonly RejectedPath[]
  readonly spent: Spent
}

export type Verdict = AcceptedVerdict | RejectedVerdict

/** What a `VerifiedPath` is made from. */
export interface VerifiedPathFields {
  readonly certificates: readonly Certificate[]
  readonly anchor: TrustAnchor
  readonly timeMs: number
  /** The certificates that policies hold for: all but the anchor's. */
  readonly below: readonly Certificate[]
  readonly policyInputs: PolicyInputs | undefined
}

/** A path that this package verified: nothing else can make one, so that an unverified chain cannot be passed for it. */
export class VerifiedPath {
  /** Leaf first; the anchor last where it was given as a certificate. */
  readonly certificates: readonly Certificate[]
  readonly anchor: TrustAnchor
  readonly #fields: VerifiedPathFields
  #policies: readonly string[] | undefined

  private constructor(fields: VerifiedPathFields) {
    this.certificates = fields.certificates
    this.anchor = fields.anchor
    this.#fields = fields
  }

  /** For `validation` only: the face of this folder exports the type, not the class. @internal */
  static seal(fields: VerifiedPathFields): VerifiedPath {
    return new VerifiedPath(fields)
  }

  /** Whether `value` was made by this package's validation. */
  static is(value: unknown): value is VerifiedPath {
    return typeof value === 'object' && value !== null && #fields in value
  }

  get leaf(): Certificate {
    return this.certificates[0] as Certificate
  }

  /** The time for which the path was verified. */
  get time(): Date {
    return new Date(this.#fields.timeMs)
  }

  /** The user-constrained policy set of RFC 5280 §6.1.6: policies, in the anchor's own naming, that hold for the whole path. */
  get validPolicies(): readonly string[] {
    if (this.#policies === undefined) {
      const outcome = checkPolicies(this.#fields.below, this.#fields.policyInputs)
      this.#policies = 'policies' in outcome ? outcome.policies : []
    }
    return this.#policies
  }
}

/** Whether `value` is a path that was verified here: what a boundary that takes one asks at run time. */
export function isVerifiedPath(value: unknown): value is VerifiedPath {
  return VerifiedPath.is(value)
}

/** A refused path, thrown; the verdict says everything that the message does not. */
export class PathError extends PkiError {
  readonly verdict: RejectedVerdict

  constructor(verdict: RejectedVerdict) {
    const first = verdict.rejected[0]
    super(first?.code ?? 'ERR_PATH_ISSUER_UNKNOWN', first === undefined ? 'no path' : `${first.message} (${first.rule})`)
    Object.defineProperty(this, 'verdict', { value: verdict, enumerable: false })
    this.verdict = verdict
  }
}
