// The result of a path validation: the verified path, or every path that was tried and why it was refused.

import { PkiError } from '../../errors/index.ts'
import type { Certificate } from '../../x509/index.ts'
import type { BudgetKind } from '../budget.ts'
import { describeCertificate } from './describe-certificate.ts'
import { checkPolicies } from '../policies/check-policies.ts'
import type { PolicyInputs } from '../policies/policy-inputs.ts'
import type { Rejection } from './rejection.ts'
import type { TrustAnchor } from '../trust-anchor.ts'

/** The work of a verification, by kind. @inline */
export type Spent = Readonly<Record<BudgetKind, number>>

/**
 * A refused candidate path and the reason, leaf first, including the certificate at fault.
 *
 * @inline
 */
export interface RejectedPath extends Rejection {
  /** The certificates of the path so far, leaf first. */
  readonly path: readonly Certificate[]
}

/** A path that passed every check. @inline */
export interface AcceptedVerdict {
  /** True: a path passed every check. */
  readonly ok: true
  /** The first path that passed. */
  readonly path: VerifiedPath
  /** The work of the verification, by kind, to compare with the budget. */
  readonly spent: Spent
}

/** No path passed; the path with the most progress first. @inline */
export interface RejectedVerdict {
  /** False: no path passed. */
  readonly ok: false
  /** Every path that was tried, the one with the most progress first. */
  readonly rejected: readonly RejectedPath[]
  /** The number of further refused paths: the list has the 64 with the most progress. */
  readonly omitted?: number | undefined
  /** The time of the verification; undefined if the chain was refused before the time mattered. */
  readonly time?: Date | undefined
  /** The work of the verification, by kind, to compare with the budget. */
  readonly spent: Spent
}

/** The verdict of a verification: a verified path, or every path that was tried and why it was refused. */
export type Verdict = AcceptedVerdict | RejectedVerdict

/** The constructor's input of `VerifiedPath`. */
export interface VerifiedPathFields {
  readonly certificates: readonly Certificate[]
  readonly anchor: TrustAnchor
  readonly timeMs: number
  /** The certificates that policies apply to: all but the anchor's. */
  readonly below: readonly Certificate[]
  readonly policyInputs: PolicyInputs | undefined
}

/**
 * A path that this package verified. It cannot be created elsewhere, so an
 * unverified chain has another type. Frozen.
 */
export class VerifiedPath {
  /** Leaf first; the anchor last if it was given as a certificate. */
  readonly certificates: readonly Certificate[]
  /** The anchor at the end of the path. */
  readonly anchor: TrustAnchor
  readonly #fields: VerifiedPathFields
  #policies: readonly string[] | undefined

  private constructor(fields: VerifiedPathFields) {
    this.certificates = fields.certificates
    this.anchor = fields.anchor
    this.#fields = fields
    Object.freeze(this)
  }

  /** For `validation` only: the index of this folder exports the type, not the class. @internal */
  static seal(fields: VerifiedPathFields): VerifiedPath {
    return new VerifiedPath(fields)
  }

  /** Whether `value` was made by this package's validation. */
  static is(value: unknown): value is VerifiedPath {
    return typeof value === 'object' && value !== null && #fields in value
  }

  /** The verified certificate. */
  get leaf(): Certificate {
    return this.certificates[0] as Certificate
  }

  /** The time of the verification. */
  get time(): Date {
    return new Date(this.#fields.timeMs)
  }

  /**
   * The user-constrained policy set of RFC 5280 §6.1.6: policies, by the
   * anchor's names, that are valid for the whole path.
   */
  get validPolicies(): readonly string[] {
    if (this.#policies === undefined) {
      const outcome = checkPolicies(this.#fields.below, this.#fields.policyInputs, this.anchor.certificate)
      this.#policies = Object.freeze('policies' in outcome ? [...outcome.policies] : [])
    }
    return this.#policies
  }
}

/** Whether `value` is a path verified by this package; for functions called from untyped code. */
export function isVerifiedPath(value: unknown): value is VerifiedPath {
  return VerifiedPath.is(value)
}

/** A refused path as an error; `verdict` has the details. */
export class PathError extends PkiError {
  /** Every path that was tried; not enumerable, so that a logged error stays short. */
  readonly verdict: RejectedVerdict

  constructor(verdict: RejectedVerdict) {
    const first = verdict.rejected[0]
    super(
      first?.code ?? 'ERR_PATH_ISSUER_UNKNOWN',
      first === undefined ? 'no path' : textOf(first, verdict.time),
    )
    Object.defineProperty(this, 'verdict', { value: verdict, enumerable: false })
    this.verdict = verdict
  }
}

/** The fault, its clause, its certificate and the time. */
function textOf({ message, rule, certificate }: Rejection, time: Date | undefined): string {
  const which = certificate === undefined ? '' : `; certificate ${describeCertificate(certificate)}`
  return `${message} (${rule})${which}${time === undefined ? '' : `; the time is ${time.toISOString()}`}`
}
