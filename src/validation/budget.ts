// What one verification may spend. Inputs from outside choose how much work they cause; the budget is where that ends.

import { PkiError } from '../errors/index.ts'

/** Limits of one verification; each is a count. */
export interface BudgetLimits {
  /** Signature verifications, of certificates, CRLs and OCSP responses together; keys that are slow count as several. */
  readonly signatureChecks: number
  /** Comparisons of one name with one subtree of a name constraint. */
  readonly nameComparisons: number
  /** Certificates in a path, leaf and anchor included. */
  readonly pathLength: number
  /** Issuer candidates looked at while paths are built. */
  readonly candidates: number
  /** DER bytes of the certificates that one verification takes. */
  readonly bytes: number
}

export type BudgetKind = keyof BudgetLimits

export const defaultBudget: BudgetLimits = {
  signatureChecks: 100,
  nameComparisons: 250_000,
  pathLength: 10,
  candidates: 1_000,
  bytes: 4 * 1024 * 1024,
}

/** Counts what a verification spends, and ends it when a limit is passed. */
export class Budget {
  readonly limits: BudgetLimits
  readonly #spent: Record<BudgetKind, number> = { signatureChecks: 0, nameComparisons: 0, pathLength: 0, candidates: 0, bytes: 0 }

  /** @throws ERR_INVALID_ARGUMENT a limit that is no count; Infinity is one */
  constructor(limits?: Partial<BudgetLimits>) {
    this.limits = limits === undefined ? defaultBudget : { ...defaultBudget, ...limits }
    if (limits === undefined) return
    for (const [kind, limit] of Object.entries(this.limits)) {
      // NaN and undefined compare false with everything: no limit at all.
      if (!(limit >= 0)) throw new PkiError('ERR_INVALID_ARGUMENT', `the budget ${kind} is not a count`)
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
   * One check of a signature with a key of so many bits. P-384, P-521 and long RSA keys take some ten times as long as P-256 and RSA-2048:
   * they count double, which still allows 50.
   *
   * @throws as `spend`
   */
  spendSignatureCheck(bits: number): void {
    this.spend('signatureChecks', (bits > 256 && bits < 1024) || bits > 4096 ? 2 : 1)
  }

  /** Notes the length of a path; whether the limit allows it. A path that is too long ends that path, not the verification. */
  allowsLength(length: number): boolean {
    if (length > this.limits.pathLength) return false
    if (length > this.#spent.pathLength) this.#spent.pathLength = length
    return true
  }
}
