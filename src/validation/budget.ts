// The budget of one verification: limits the work that input from outside can cause.

import { PkiError } from '../errors/index.ts'
import { requireCount } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'

/** Limits of one verification. @inline */
export interface BudgetLimits {
  /**
   * Signature verifications of certificates, CRLs and OCSP responses together; slow keys count several times.
   */
  readonly maxSignatureChecks: number
  /** Comparisons of one name with another, or with one subtree of a name constraint. */
  readonly maxNameComparisons: number
  /** Steps over the graph of valid policies: visits of a policy, a mapping or a node (RFC 9618). */
  readonly maxPolicyNodes: number
  /** Certificates in a path, including leaf and anchor. */
  readonly maxPathCertificates: number
  /** Issuer candidates tried while building paths; an unreadable presented certificate counts too. */
  readonly maxCandidates: number
  /** Octets of DER of the certificates and OCSP responses that one verification reads. */
  readonly maxOctets: number
}

/** The kinds of work; the limit of `signatureChecks` is `maxSignatureChecks`, and so on. @inline */
export type BudgetKind =
  'signatureChecks' | 'nameComparisons' | 'policyNodes' | 'pathCertificates' | 'candidates' | 'octets'

/** The default limits. */
export const defaultBudget: BudgetLimits = Object.freeze({
  maxSignatureChecks: 100,
  maxNameComparisons: 250_000,
  maxPolicyNodes: 50_000,
  maxPathCertificates: 10,
  maxCandidates: 1_000,
  maxOctets: 4 * 1024 * 1024,
})

const limitOf = {
  signatureChecks: 'maxSignatureChecks',
  nameComparisons: 'maxNameComparisons',
  policyNodes: 'maxPolicyNodes',
  pathCertificates: 'maxPathCertificates',
  candidates: 'maxCandidates',
  octets: 'maxOctets',
} as const satisfies Record<BudgetKind, keyof BudgetLimits>

/** Counts the work of a verification, and stops it at a limit. */
export class Budget {
  /** The limits. */
  readonly limits: BudgetLimits
  readonly #spent: Record<BudgetKind, number> = {
    signatureChecks: 0,
    nameComparisons: 0,
    policyNodes: 0,
    pathCertificates: 0,
    candidates: 0,
    octets: 0,
  }

  /**
   * @throws ERR_INVALID_ARGUMENT an unknown limit, or one that is neither a
   *   whole number of 0 or more nor Infinity
   */
  constructor(limits?: Partial<BudgetLimits>) {
    this.limits = limits === undefined ? defaultBudget : readBudget(limits)
  }

  /** The work so far; `pathCertificates` is the length of the longest path tried. */
  get spent(): Readonly<Record<BudgetKind, number>> {
    const { signatureChecks, nameComparisons, policyNodes, pathCertificates, candidates, octets } =
      this.#spent
    return Object.freeze({
      signatureChecks,
      nameComparisons,
      policyNodes,
      pathCertificates,
      candidates,
      octets,
    })
  }

  /** @throws ERR_PATH_BUDGET when a limit is exceeded, which ends the verification */
  spend(kind: BudgetKind, count = 1): void {
    const spent = (this.#spent[kind] += count)
    const limit = limitOf[kind]
    if (spent > this.limits[limit]) {
      throw new PkiError(
        'ERR_PATH_BUDGET',
        `the verification needs more ${kind} than the budget allows (${limit} ${this.limits[limit]})`,
      )
    }
  }

  /**
   * One signature check including the import of its key, weighted by key size in bits. The weights are
   * measured CPU time: P-256 and RSA up to 4096 bits count 1, P-384 counts 6, P-521 and longer RSA keys
   * (slowest accepted exponent) count 10.
   *
   * @throws as `spend`
   */
  spendSignatureCheck(bits: number): void {
    this.spend('signatureChecks', bits === 521 || bits > 4096 ? 10 : bits === 384 ? 6 : 1)
  }

  /**
   * Records the length of a path; false if it is above the limit. A longer
   * path is refused; the search continues.
   */
  allowsLength(length: number): boolean {
    if (length > this.limits.maxPathCertificates) return false
    if (length > this.#spent.pathCertificates) this.#spent.pathCertificates = length
    return true
  }
}

/**
 * The limits of a caller with the defaults of the others.
 *
 * @throws ERR_INVALID_ARGUMENT an unknown limit, or one that is neither a whole number of 0 or more nor
 *   Infinity
 */
export function readBudget(limits: Partial<BudgetLimits>): BudgetLimits {
  const read = { ...defaultBudget, ...readOptions<Partial<BudgetLimits>>('budget', limits, limitKinds) }
  for (const [name, limit] of Object.entries(read)) requireCount(`budget.${name}`, limit, 0, Infinity)
  return Object.freeze(read)
}

/** A limit with the value undefined is refused, because the default may allow more. */
const limitKinds: OptionKinds<Partial<BudgetLimits>> = {
  maxSignatureChecks: 'guard',
  maxNameComparisons: 'guard',
  maxPolicyNodes: 'guard',
  maxPathCertificates: 'guard',
  maxCandidates: 'guard',
  maxOctets: 'guard',
}
