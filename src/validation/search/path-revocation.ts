// Revocation over a path (RFC 5280 §6.1.3 (a)(3)), from the anchor down, after all other checks.

import { isPkiError } from '../../errors/index.ts'
import { tags } from '../../der/index.ts'
import { extensionOids, keyPurposeOids } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { checkForm } from '../checks/certificate-form.ts'
import { checkLeafKeyUsage, checkLeafPurpose } from '../checks/key-purposes.ts'
import { checkValidity } from '../checks/path-rules.ts'
import type { PreparedNames } from '../names/prepared-names.ts'
import type { FormRules } from '../profile.ts'
import { answerOf, reject, rejectionOf } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import { ownAnswerRule } from '../revocation-contract.ts'
import type { RevocationChecker, RevocationQuery } from '../revocation-contract.ts'
import type { IssuerCandidate } from './issuer-candidate.ts'
import { IssuerPool } from './issuer-pool.ts'
import { checkConstraints } from './path-constraints.ts'
import { PathSearch } from './path-search.ts'
import { RejectionList } from './rejection-list.ts'
import type { CompletePath, CompletePathCheck, SearchSettings } from './search-settings.ts'

/** Calls the checker for every certificate of the path except the anchor. */
export class PathRevocation implements CompletePathCheck {
  readonly #checker: RevocationChecker
  readonly #search: SearchSettings
  readonly #rules: FormRules
  readonly #names: PreparedNames
  /**
   * Results so far. A pending one counts as good, so that two CRL issuers that
   * depend on each other terminate.
   */
  readonly #answers: {
    readonly certificate: Certificate
    rejection: Rejection | undefined
    open: boolean
  }[] = []

  constructor(checker: RevocationChecker, search: SearchSettings, rules: FormRules, names: PreparedNames) {
    this.#checker = checker
    this.#search = search
    this.#rules = rules
    this.#names = names
  }

  check(path: CompletePath): Rejection | undefined {
    return this.#check(path, path.certificates[0])
  }

  #check({ certificates, issuers }: CompletePath, target: Certificate | undefined): Rejection | undefined {
    const anchor = issuers[issuers.length - 1] as IssuerCandidate
    for (let at = certificates.length - 1; at >= 0; at--) {
      const certificate = certificates[at] as Certificate
      const rejection = this.#answerFor(certificate, issuers.slice(at), anchor, certificate === target)
      if (rejection !== undefined) return rejection
    }
    return undefined
  }

  /** `above`: the issuer first. */
  #answerFor(
    certificate: Certificate,
    above: readonly IssuerCandidate[],
    anchor: IssuerCandidate,
    isTarget: boolean,
  ): Rejection | undefined {
    const known = this.#answers.find((answer) => answer.certificate.equals(certificate))
    if (known !== undefined) return known.rejection
    const answer = { certificate, rejection: undefined as Rejection | undefined, open: true }
    this.#answers.push(answer)
    const rejection = answerOf(
      'the revocation checker',
      this.#checker.check({ ...this.#query(certificate, above, anchor), isTarget }),
    )
    answer.rejection =
      rejection?.code === 'ERR_REVOCATION_UNKNOWN' && saysNothingWillCome(certificate) ? undefined : rejection
    answer.open = false
    return answer.rejection
  }

  #query(
    certificate: Certificate,
    [issuer, ...above]: readonly IssuerCandidate[],
    anchor: IssuerCandidate,
  ): RevocationQuery {
    return {
      certificate,
      issuer: issuer as IssuerCandidate,
      above,
      time: new Date(this.#search.timeMs),
      budget: this.#search.budget,
      verifyAuthority: (authority, purpose, rules) =>
        this.#verifyAuthority(
          authority,
          purpose,
          anchor,
          rules === 'path' ? sectionSix(this.#rules) : this.#rules,
        ),
    }
  }

  /** RFC 5280 §6.3.3 (f): the path of the authority ends at the anchor of the certificate in question. */
  #verifyAuthority(
    authority: Certificate,
    purpose: 'crl' | 'ocsp',
    anchor: IssuerCandidate,
    rules: FormRules,
  ): Rejection | undefined {
    try {
      const fault = this.#checkAuthority(authority, purpose, rules)
      if (fault !== undefined) return fault
      const rejections = new RejectionList()
      // The known result for the leaf's signature does not apply to that of the authority.
      const settings = { ...this.#search, leafSignedBy: undefined, nestedPurposes: [], policies: undefined }
      const unchecked = purpose === 'ocsp' && authority.extension(ocspNoCheck) !== undefined
      // Otherwise a stolen responder key could clear itself, or two stolen keys each other.
      if (
        purpose === 'ocsp' &&
        !unchecked &&
        this.#answers.some(({ certificate, open }) => open && certificate.equals(authority))
      ) {
        return reject(
          'ERR_REVOCATION_UNKNOWN',
          ownAnswerRule,
          'the status of the responder depends on its own answer',
          authority,
        )
      }
      // An ordinary path (RFC 5280 §6.3.3 (f)): a CA with name constraints cannot authorise issuers outside
      // them.
      const completion: CompletePathCheck = {
        check: (path) =>
          checkConstraints(path, settings.budget, this.#names) ??
          (unchecked ? undefined : this.#check(path, undefined)),
      }
      const search = new PathSearch(
        authority,
        new IssuerPool([anchor, ...settings.known]),
        settings,
        rejections,
        completion,
      )
      return search.run() === undefined ? rejections.sorted()[0] : undefined
    } catch (error) {
      return rejectionOf(error, authority)
    }
  }

  #checkAuthority(authority: Certificate, purpose: 'crl' | 'ocsp', rules: FormRules): Rejection | undefined {
    return (
      checkForm(authority, 'intermediate', purpose === 'crl' ? rules : withNoCheck(rules)) ??
      checkValidity(authority, this.#search.timeMs) ??
      (purpose === 'crl'
        ? checkLeafKeyUsage(authority, ['cRLSign'])
        : checkLeafPurpose(authority, [keyPurposeOids.ocspSigning], {
            ...rules.profile,
            acceptAnyExtendedKeyUsage: false,
            requireExtendedKeyUsage: true,
          }))
    )
  }
}

function sectionSix(rules: FormRules): FormRules {
  return { ...rules, profile: { ...rules.profile, certificateRules: 'path' } }
}

/** The certificate of a responder may have id-pkix-ocsp-nocheck as critical: it "SHOULD" not. */
function withNoCheck(rules: FormRules): FormRules {
  return { ...rules, knownCriticalExtensions: [...rules.knownCriticalExtensions, ocspNoCheck] }
}

/** id-pkix-ocsp-nocheck: RFC 6960 §4.2.2.2.1. */
const ocspNoCheck = '1.3.6.1.5.5.7.48.1.5'

/**
 * id-ce-noRevAvail, RFC 9608 §2 and §4: the CA publishes no revocation information for this certificate,
 * which is not a CA. Step (a)(3) is then skipped, but a source with "revoked" still refuses. A certificate
 * that also names a source of revocation information (RFC 9608 §3) is contradictory.
 */
function saysNothingWillCome(certificate: Certificate): boolean {
  const value = certificate.extension(extensionOids.noRevAvail)?.value
  if (value?.length !== 2 || value[0] !== tags.null || certificate.basicConstraints?.ca === true) return false
  const { crlDistributionPoints, freshestCrl, authorityInfoAccess } = extensionOids
  if (certificate.extension(crlDistributionPoints) !== undefined) return false
  if (certificate.extension(freshestCrl) !== undefined) return false
  if (certificate.extension(authorityInfoAccess) === undefined) return true
  try {
    return certificate.authorityInfoAccess?.some(({ method }) => method === ocspAccess) !== true
  } catch (error) {
    if (isPkiError(error)) return false
    throw error
  }
}

/** id-ad-ocsp: RFC 5280 §4.2.2.1. */
const ocspAccess = '1.3.6.1.5.5.7.48.1'
