// The contract of revocation checkers for path validation (RFC 5280 §6.1.3 (a)(3)).

import type { Certificate, DistinguishedName, PublicKey } from '../x509/index.ts'
import type { Budget } from './budget.ts'
import type { Rejection } from './verdict/rejection.ts'

/** An issuer above a certificate in a path: the name and key of a certificate or an anchor. @inline */
interface PathAuthority {
  /** The name that certificates below give as their issuer. */
  readonly subject: DistinguishedName
  /** The key that verifies its signatures. */
  readonly publicKey: PublicKey
  /** Undefined for an anchor given as name and key. */
  readonly certificate?: Certificate | undefined
}

/** One certificate of a path that passed every other check, and its issuers. */
export interface RevocationQuery {
  /** The certificate whose status is requested. */
  readonly certificate: Certificate
  /** Its issuer. */
  readonly issuer: PathAuthority
  /** The certificates above the issuer, the anchor last; they may issue indirect CRLs. */
  readonly above?: readonly PathAuthority[] | undefined
  /** The time of the verification. */
  readonly time: Date
  /** The remaining budget of the verification; charge it for work that depends on input. */
  readonly budget: Budget
  /** Whether the certificate is the leaf of the verification. */
  readonly isTarget?: boolean | undefined
  /**
   * Checks that another certificate (issuer of an indirect CRL, OCSP responder) has a path to the same
   * anchors at the same time. RFC 5280 §6.3.3 (f): the anchor must be that of the certificate's path. With
   * `path`, its own certificate is checked by the rules of section 6 only: sufficient to report a revocation,
   * not to show "good".
   */
  verifyAuthority(certificate: Certificate, purpose: 'crl' | 'ocsp', rules?: 'path'): Rejection | undefined
}

/** Returns `undefined` for a certificate that may be used. */
export interface RevocationChecker {
  /** The reason why the certificate is refused; undefined if it may be used. */
  check(query: RevocationQuery): Rejection | undefined
  /**
   * The result of `check` and its certainty, for combining sources. Without this method, a certificate that
   * `check` accepts counts as known to be good.
   */
  judge?(query: RevocationQuery): RevocationJudgement
}

/**
 * The result of `judge`. A source can accept a certificate without positive information: a lenient source
 * accepts every unknown certificate.
 *
 * @inline
 */
export interface RevocationJudgement {
  /** The reason why the certificate is refused; undefined if it may be used. */
  readonly rejection: Rejection | undefined
  /** Whether the source has positive information that the certificate is good. */
  readonly knownGood: boolean
}

/** A checker created from a `judge` method. */
export function checkerThat(
  judge: (query: RevocationQuery) => RevocationJudgement,
): RevocationChecker & Required<Pick<RevocationChecker, 'judge'>> {
  return { judge, check: (query) => judge(query).rejection }
}

/** The result for a certificate that a source accepts without information. */
export const letThrough: RevocationJudgement = { rejection: undefined, knownGood: false }

/** The clause of a responder whose status would depend on its own answer. */
export const ownAnswerRule = 'RFC 6960 §4.2.2.2.1'
