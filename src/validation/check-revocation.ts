// Revocation over a path: RFC 5280 §6.1.3 (a)(3), from the anchor down, after everything else.

import { keyPurposeOids } from '../x509/index.ts'
import type { Certificate } from '../x509/index.ts'
import { checkLeafKeyUsage, checkLeafPurpose } from './checks/key-purpose.ts'
import { checkValidity } from './checks/validity.ts'
import { checkForm } from './issuer-candidate.ts'
import type { FormRules, IssuerCandidate } from './issuer-candidate.ts'
import { IssuerPool } from './issuer-pool.ts'
import { PathSearch } from './path-search.ts'
import type { CompletePath, CompletePathCheck, SearchSettings } from './path-search.ts'
import { RejectionList } from './rejection-list.ts'
import { rejectionOf } from './rejection.ts'
import type { Rejection } from './rejection.ts'
import type { RevocationChecker, RevocationQuery } from './revocation-contract.ts'

/** Asks the checker about every certificate of the path but the anchor. */
export class PathRevocation implements CompletePathCheck {
  readonly #checker: RevocationChecker
  readonly #search: SearchSettings
  readonly #rules: FormRules
  /** Answers so far. One that is still open counts as good, so that two CRL issuers that vouch for each other come to an end. */
  readonly #answers: { readonly certificate: Certificate; rejection: Rejection | undefined }[] = []

  constructor(checker: RevocationChecker, search: SearchSettings, rules: FormRules) {
    this.#checker = checker
    this.#search = search
    this.#rules = rules
  }

  check({ certificates, issuers }: CompletePath): Rejection | undefined {
    const anchor = issuers[issuers.length - 1] as IssuerCandidate
    for (let at = certificates.length - 1; at >= 0; at--) {
      const certificate = certificates[at] as Certificate
      const rejection = this.#answerFor(certificate, issuers[at] as IssuerCandidate, anchor)
      if (rejection !== undefined) return rejection
    }
    return undefined
  }

  #answerFor(certificate: Certificate, issuer: IssuerCandidate, anchor: IssuerCandidate): Rejection | undefined {
    const known = this.#answers.find((answer) => answer.certificate.equals(certificate))
    if (known !== undefined) return known.rejection
    const answer = { certificate, rejection: undefined as Rejection | undefined }
    this.#answers.push(answer)
    answer.rejection = this.#checker.check(this.#query(certificate, issuer, anchor))
    return answer.rejection
  }

  #query(certificate: Certificate, issuer: IssuerCandidate, anchor: IssuerCandidate): RevocationQuery {
    return {
      certificate,
      issuer,
      time: new Date(this.#search.timeMs),
      budget: this.#search.budget,
      verifyAuthority: (authority, purpose) => this.#verifyAuthority(authority, purpose, anchor),
    }
  }

  /** RFC 5280 §6.3.3 (f): the path of the authority ends at the anchor of the certificate in question. */
  #verifyAuthority(authority: Certificate, purpose: 'crl' | 'ocsp', anchor: IssuerCandidate): Rejection | undefined {
    try {
      const fault = this.#checkAuthority(authority, purpose)
      if (fault !== undefined) return fault
      const rejections = new RejectionList()
      const settings = { ...this.#search, nestedPurposes: [], policies: undefined }
      const completion = purpose === 'ocsp' && authority.extension(ocspNoCheck) !== undefined ? noCheck : this
      const search = new PathSearch(authority, new IssuerPool([anchor, ...settings.known]), settings, rejections, completion)
      return search.run() === undefined ? rejections.sorted()[0] : undefined
    } catch (error) {
      return rejectionOf(error, authority)
    }
  }

  #checkAuthority(authority: Certificate, purpose: 'crl' | 'ocsp'): Rejection | undefined {
    return (
      checkForm(authority, 'intermediate', this.#rules) ??
      checkValidity(authority, this.#search.timeMs) ??
      (purpose === 'crl'
        ? checkLeafKeyUsage(authority, ['cRLSign'])
        : checkLeafPurpose(authority, [keyPurposeOids.ocspSigning], { ...this.#rules.profile, acceptAnyExtendedKeyUsage: false, requireExtendedKeyUsage: true }))
    )
  }
}

/** id-pkix-ocsp-nocheck: RFC 6960 §4.2.2.2.1. */
const ocspNoCheck = '1.3.6.1.5.5.7.48.1.5'
const noCheck: CompletePathCheck = { check: () => undefined }
