// Checks that need the whole path, in the order of their cost: names, then revocation.
// Revocation over a path: RFC 5280 §6.1.3 (a)(3), from the anchor down, after everything else.

import { tags } from '../der/index.ts'
import { extensionOids, keyPurposeOids } from '../x509/index.ts'
import type { Certificate } from '../x509/index.ts'
import type { Budget } from './budget.ts'
import { checkLeafKeyUsage, checkLeafPurpose, checkValidity } from './checks/path-rules.ts'
import { checkForm, IssuerPool } from './issuer-pool.ts'
import type { FormRules, IssuerCandidate } from './issuer-pool.ts'
import { checkNameConstraints, PreparedNames } from './names/check-name-constraints.ts'
import { checkPeerName, peersOf } from './names/check-peer-name.ts'
import type { PeerName } from './names/index.ts'
import { PathSearch } from './path-search.ts'
import type { CompletePath, CompletePathCheck, SearchSettings } from './path-search.ts'
import { reject, rejectionOf } from './rejection.ts'
import type { Rejection } from './rejection.ts'
import type { RevocationChecker, RevocationQuery } from './revocation-contract.ts'
import { RejectionList } from './verdict.ts'

/** The checks of one verification. */
export class PathCompletion implements CompletePathCheck {
  readonly #settings: SearchSettings
  readonly #rules: FormRules
  readonly #peers: readonly PeerName[]
  readonly #revocation: RevocationChecker | undefined
  readonly #names = new PreparedNames()
  /** What all paths have in common. */
  #peerAnswer: { readonly fault: Rejection | undefined } | undefined

  constructor(
    settings: SearchSettings,
    rules: FormRules,
    asked: {
      readonly peer: PeerName | readonly PeerName[] | undefined
      readonly revocation: RevocationChecker | undefined
    },
  ) {
    this.#settings = settings
    this.#rules = rules
    this.#peers = asked.peer === undefined ? noPeers : peersOf(asked.peer)
    this.#revocation = asked.revocation
  }

  check(path: CompletePath): Rejection | undefined {
    return (
      checkConstraints(path, this.#settings.budget, this.#names) ??
      this.#checkPeer(path) ??
      this.#checkRevocation(path)
    )
  }

  #checkPeer({ certificates: [leaf] }: CompletePath): Rejection | undefined {
    this.#peerAnswer ??= { fault: leaf === undefined ? undefined : this.#askPeers(leaf) }
    return this.#peerAnswer.fault
  }

  #askPeers(leaf: Certificate): Rejection | undefined {
    for (const peer of this.#peers) {
      const fault = checkPeerName(leaf, peer)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #checkRevocation(path: CompletePath): Rejection | undefined {
    return this.#revocation === undefined
      ? undefined
      : new PathRevocation(this.#revocation, this.#settings, this.#rules, this.#names).check(path)
  }
}

function checkConstraints(
  { certificates, issuers, anchor }: CompletePath,
  budget: Budget,
  names: PreparedNames,
): Rejection | undefined {
  const constrained = anchor.nameConstraints !== undefined || issuers.some((issuer) => issuer.constrainsNames)
  return constrained ? checkNameConstraints(certificates, anchor.nameConstraints, budget, names) : undefined
}

const noPeers: readonly PeerName[] = []

/** Asks the checker about every certificate of the path but the anchor. */
class PathRevocation implements CompletePathCheck {
  readonly #checker: RevocationChecker
  readonly #search: SearchSettings
  readonly #rules: FormRules
  readonly #names: PreparedNames
  /** Answers so far. One that is still open counts as good, so that two CRL issuers that vouch for each other come to an end. */
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
    const rejection = this.#checker.check({ ...this.#query(certificate, above, anchor), isTarget })
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
      verifyAuthority: (authority, purpose) => this.#verifyAuthority(authority, purpose, anchor),
    }
  }

  /** RFC 5280 §6.3.3 (f): the path of the authority ends at the anchor of the certificate in question. */
  #verifyAuthority(
    authority: Certificate,
    purpose: 'crl' | 'ocsp',
    anchor: IssuerCandidate,
  ): Rejection | undefined {
    try {
      const fault = this.#checkAuthority(authority, purpose)
      if (fault !== undefined) return fault
      const rejections = new RejectionList()
      // What is known of the leaf's signature says nothing of the authority's.
      const settings = { ...this.#search, leafSignedBy: undefined, nestedPurposes: [], policies: undefined }
      const unchecked = purpose === 'ocsp' && authority.extension(ocspNoCheck) !== undefined
      // A stolen responder key would clear itself, or two of them each other.
      if (
        purpose === 'ocsp' &&
        !unchecked &&
        this.#answers.some(({ certificate, open }) => open && certificate.equals(authority))
      ) {
        return reject(
          'ERR_REVOCATION_UNKNOWN',
          'RFC 6960 §4.2.2.2.1',
          'the status of the responder hangs on its own word',
          authority,
        )
      }
      // A path like any other (RFC 5280 §6.3.3 (f)): who is constrained in names cannot hand out authorities under others.
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

  #checkAuthority(authority: Certificate, purpose: 'crl' | 'ocsp'): Rejection | undefined {
    return (
      checkForm(authority, 'intermediate', this.#rules) ??
      checkValidity(authority, this.#search.timeMs) ??
      (purpose === 'crl'
        ? checkLeafKeyUsage(authority, ['cRLSign'])
        : checkLeafPurpose(authority, [keyPurposeOids.ocspSigning], {
            ...this.#rules.profile,
            acceptAnyExtendedKeyUsage: false,
            requireExtendedKeyUsage: true,
          }))
    )
  }
}

/** id-pkix-ocsp-nocheck: RFC 6960 §4.2.2.2.1. */
const ocspNoCheck = '1.3.6.1.5.5.7.48.1.5'

/**
 * id-ce-noRevAvail, RFC 9608 §2 and §4: the CA will never say anything of this certificate, which is no CA's. Step (a)(3) is then skipped;
 * here a source that says "revoked" all the same is believed. One that names a source of revocations (RFC 9608 §3) says two things.
 */
function saysNothingWillCome(certificate: Certificate): boolean {
  const value = certificate.extension(extensionOids.noRevAvail)?.value
  if (value?.length !== 2 || value[0] !== tags.null || certificate.basicConstraints?.ca === true) return false
  if (certificate.crlDistributionPoints !== undefined || certificate.freshestCrl !== undefined) return false
  return certificate.authorityInfoAccess?.some(({ method }) => method === ocspAccess) !== true
}

/** id-ad-ocsp: RFC 5280 §4.2.2.1. */
const ocspAccess = '1.3.6.1.5.5.7.48.1'
