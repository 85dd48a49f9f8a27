// How a path validation asks whether one of its certificates is revoked (RFC 5280 §6.1.3 (a)(3)).

import type { Certificate, DistinguishedName, PublicKey } from '../x509/index.ts'
import type { Budget } from './budget.ts'
import type { Rejection } from './rejection.ts'

/** Who stands above a certificate in a path: a certificate's name and key, or an anchor's. */
export interface PathAuthority {
  /** The name that certificates below give as their issuer. */
  readonly subject: DistinguishedName
  /** The key that verifies what it signed. */
  readonly publicKey: PublicKey
  /** Undefined for an anchor that was given as a name and a key. */
  readonly certificate?: Certificate | undefined
}

/** One certificate of a path that passed every other check, and who issued it. */
export interface RevocationQuery {
  /** The certificate that is asked about. */
  readonly certificate: Certificate
  /** Who issued it. */
  readonly issuer: PathAuthority
  /** Those above the issuer, the anchor last; they may issue indirect CRLs. */
  readonly above?: readonly PathAuthority[] | undefined
  /** The time that the path is verified for. */
  readonly time: Date
  /** What the verification may still spend; charge it for work that the input decides on. */
  readonly budget: Budget
  /** Whether the certificate is the one that the verification is about, and none above it. */
  readonly isTarget?: boolean | undefined
  /**
   * Checks that another certificate (an indirect CRL's issuer, an OCSP responder) has a path to the same anchors at the
   * same time. RFC 5280 §6.3.3 (f): the anchor must be the one of the target's path.
   */
  verifyAuthority(certificate: Certificate, purpose: 'crl' | 'ocsp'): Rejection | undefined
}

/** Answers `undefined` for a certificate that may be used. */
export interface RevocationChecker {
  /** Why the certificate is refused; undefined where it may be used. */
  check(query: RevocationQuery): Rejection | undefined
  /** What `check` says, and how sure it is; for those who combine sources. Without it, what `check` lets pass counts as known to be good. */
  judge?(query: RevocationQuery): RevocationJudgement
}

/** To be let through and to be known to be good are two things: a lenient source, or one that was not asked, lets everything through. */
export interface RevocationJudgement {
  /** Why the certificate is refused; undefined where it may be used. */
  readonly rejection: Rejection | undefined
  /** Whether the source has an answer of its own that the certificate is good. */
  readonly knownGood: boolean
}

/** A checker from its judgement. */
export function checkerThat(
  judge: (query: RevocationQuery) => RevocationJudgement,
): RevocationChecker & Required<Pick<RevocationChecker, 'judge'>> {
  return { judge, check: (query) => judge(query).rejection }
}

/** The judgement on a certificate that a source lets through without an answer. */
export const letThrough: RevocationJudgement = { rejection: undefined, knownGood: false }
