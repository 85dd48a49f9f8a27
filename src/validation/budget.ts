// What one verification may spend. Inputs from outside choose how much work they cause; the budget is where that ends.

import { PkiError } from '../errors/index.ts'
import { requireCount } from '../internal/numbers.ts'

/** Limits of one verification; each is a count. */
export interface BudgetLimits {
  /** Signature verifications, of certificates, CRLs and OCSP responses together; keys that are slow count as several. */
  readonly signatureChecks: number
  /** Comparisons of one name with another, or with one subtree of a name constraint. */
  readonly nameComparisons: number
  /** Steps over the graph of valid policies: a policy, a mapping or a node that is looked at (RFC 9618). */
  readonly policyNodes: number
  /** Certificates in a path, leaf and anchor included. */
  readonly pathLength: number
  /** Issuer candidates looked at while paths are built; what was presented for one and cannot be read counts too. */
  readonly candidates: number
  /** DER bytes of the certificates and OCSP responses that one verification takes. */
  readonly bytes: number
}

/** What is counted. */
export type BudgetKind = keyof BudgetLimits

/** The limits of a verification that says nothing of its own. */
export const defaultBudget: BudgetLimits = {
  signatureChecks: 100,
  nameComparisons: 250_000,
  policyNodes: 50_000,
  pathLength: 10,
  candidates: 1_000,
  bytes: 4 * 1024 * 1024,
}

/** Counts what a verification spends, and ends it when a limit is passed. */
export class Budget {
  /** The most of each kind of work that may be spent. */
  readonly limits: BudgetLimits
  readonly #spent: Record<BudgetKind, number> = {
    signatureChecks: 0,
    nameComparisons: 0,
    policyNodes: 0,
    pathLength: 0,
    candidates: 0,
    bytes: 0,
  }

  /** @throws ERR_INVALID_ARGUMENT a limit that is no count, or of nothing that is counted; Infinity is a count */
  constructor(limits?: Partial<BudgetLimits>) {
    this.limits = limits === undefined ? defaultBudget : { ...defaultBudget, ...limits }
    if (limits === undefined) return
    for (const [kind, limit] of Object.entries(this.limits)) {
      if (!Object.hasOwn(defaultBudget, kind))
        throw new PkiError('ERR_INVALID_ARGUMENT', `nothing called ${kind} is counted`)
      requireCount(`the budget ${kind}`, limit, 0, Infinity)
    }
  }

  /** What was spent so far; of `pathLength`, the longest path looked at. */
  get spent(): Readonly<Record<BudgetKind, number>> {
    return { ...this.#spent }
  }

  /** @throws `ERR_PATH_BUDGET` when the limit is passed; the verification answers with it as its verdict. */
  spend(kind: BudgetKind, count = 1): void {
    const spent = (this.#spent[kind] += count)
    if (spent > this.limits[kind]) {
      throw new PkiError('ERR_PATH_BUDGET', `the verification wanted more than ${this.limits[kind]} ${kind}`)
    }
  }

  /**
   * One check of a signature with a key of so many bits. Measured with the slowest exponent that is taken: P-256 0.15 ms, RSA up to 4096 bits
   * 0.3 ms, P-384 0.6 ms, P-521 and longer RSA 1.2 ms. So P-384 counts twice and the slowest four times, which still allows 25.
   *
   * @throws as `spend`
   */
  spendSignatureCheck(bits: number): void {
    this.spend('signatureChecks', bits === 521 || bits > 4096 ? 4 : bits === 384 ? 2 : 1)
  }

  /** Notes the length of a path; whether the limit allows it. A path that is too long ends that path, not the verification. */
  allowsLength(length: number): boolean {
    if (length > this.limits.pathLength) return false
    if (length > this.#spent.pathLength) this.#spent.pathLength = length
    return true
  }
}
