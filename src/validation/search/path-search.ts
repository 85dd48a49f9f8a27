// One verification: a depth-first search for a path from the leaf to an
// anchor that passes every check (RFC 5280 §6.1, RFC 4158).

import { equalBytes } from '../../internal/bytes.ts'
import { extensionOids, verifySignature } from '../../x509/index.ts'
import type { Certificate, DistinguishedName } from '../../x509/index.ts'
import { unverifiedReason } from '../../x509/internal.ts'
import { checkNestedPurpose } from '../checks/key-purposes.ts'
import { checkPathLength, checkValidity } from '../checks/path-rules.ts'
import { checkPolicies, policiesMatter } from '../policies/check-policies.ts'
import { answerOf, reject, rejectionOf } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { TrustAnchor } from '../trust-anchor.ts'
import type { IssuerCandidate } from './issuer-candidate.ts'
import { IssuerPool, inOrder } from './issuer-pool.ts'
import type { RejectionList } from './rejection-list.ts'
import { withAnchor } from './search-settings.ts'
import type { CompletePath, CompletePathCheck, SearchSettings } from './search-settings.ts'

/** Returns the first path that passes; failing ones are recorded. */
export class PathSearch {
  readonly #in: SearchSettings
  readonly #pool: IssuerPool
  readonly #rejections: RejectionList
  readonly #completion: CompletePathCheck
  #presentedPool: IssuerPool | undefined
  /** Certificates without issuer, which end many paths: the message with a long name is built once. */
  #deadEnds: Map<Certificate, Rejection> | undefined
  readonly #issuers: IssuerCandidate[] = []
  readonly #certificates: Certificate[]

  /** `pool`: the anchors and the intermediates that the validator keeps. */
  constructor(
    leaf: Certificate,
    pool: IssuerPool,
    settings: SearchSettings,
    rejections: RejectionList,
    completion: CompletePathCheck,
  ) {
    this.#in = settings
    this.#pool = pool
    this.#rejections = rejections
    this.#completion = completion
    this.#certificates = [leaf]
  }

  /** @throws ERR_PATH_BUDGET */
  run(): CompletePath | undefined {
    const leaf = this.#certificates[0] as Certificate
    return (
      (this.#in.leafMayBeAnchor ? this.#leafAsAnchor(leaf) : undefined) ?? this.#extend(leaf, undefined, 0)
    )
  }

  /**
   * RFC 5280 §6.1 does not cover a certificate that is itself an anchor; it is trusted without a signature.
   */
  #leafAsAnchor(leaf: Certificate): CompletePath | undefined {
    for (const candidate of this.#pool.bySubject(leaf.subject)) {
      const { anchor } = candidate
      if (anchor?.certificate?.equals(leaf) !== true) continue
      this.#in.budget.spend('candidates')
      if (!this.#in.budget.allowsLength(1)) continue
      this.#issuers.push(candidate)
      const found = this.#complete(anchor)
      if (found !== undefined) return found
      this.#issuers.pop()
    }
    return undefined
  }

  /** `below`: intermediates below the next issuer, not counting self-issued ones. */
  #extend(
    certificate: Certificate,
    own: IssuerCandidate | undefined,
    below: number,
  ): CompletePath | undefined {
    let tried = false
    for (const issuer of this.#issuersOf(certificate)) {
      this.#in.budget.spend('candidates')
      if (this.#isLoop(issuer)) continue
      tried = true
      const fault = this.#checkLink(certificate, own, issuer, below)
      if (fault !== undefined) {
        this.#note(fault, issuer)
        continue
      }
      this.#issuers.push(issuer)
      const found = issuer.anchor === undefined ? this.#descend(issuer, below) : this.#complete(issuer.anchor)
      if (found !== undefined) return found
      this.#issuers.pop()
    }
    if (!tried) this.#rejections.add(this.#deadEnd(certificate), this.#certificates, 'dead-end')
    return undefined
  }

  #deadEnd(certificate: Certificate): Rejection {
    this.#deadEnds ??= new Map()
    const found = this.#deadEnds.get(certificate) ?? unknownIssuer(certificate)
    this.#deadEnds.set(certificate, found)
    return found
  }

  #descend(issuer: IssuerCandidate, below: number): CompletePath | undefined {
    const certificate = issuer.certificate as Certificate
    this.#certificates.push(certificate)
    const found = this.#extend(certificate, issuer, below + (issuer.isSelfIssued ? 0 : 1))
    if (found === undefined) this.#certificates.pop()
    return found
  }

  /** Cheap checks first; the signature last. */
  #checkLink(
    certificate: Certificate,
    own: IssuerCandidate | undefined,
    issuer: IssuerCandidate,
    below: number,
  ): Rejection | undefined {
    const { budget, timeMs, maxDepth, nestedPurposes } = this.#in
    const { fault, certificate: issuing } = issuer
    if (fault !== undefined) return fault
    if (issuing !== undefined) {
      const limit =
        checkValidity(issuing, timeMs) ??
        checkPathLength(issuing, below) ??
        checkNestedPurpose(issuing, nestedPurposes) ??
        this.#askCaller(issuing)
      if (limit !== undefined) return limit
    }
    const depth = issuer.anchor === undefined && !issuer.isSelfIssued ? below + 1 : below
    if (depth > maxDepth)
      return reject(
        'ERR_PATH_LENGTH',
        'maxDepth',
        `the path has more than ${maxDepth} intermediate certificates`,
        issuing,
      )
    if (!budget.allowsLength(this.#certificates.length + 1)) {
      return reject(
        'ERR_PATH_LENGTH',
        'budget',
        `the path has more than ${budget.limits.maxPathCertificates} certificates`,
        issuing,
      )
    }
    if (this.#signatureHolds(certificate, own, issuer)) return undefined
    return reject(
      'ERR_PATH_SIGNATURE',
      'RFC 5280 §6.1.3 (a)(1)',
      unverifiedReason(certificate, issuer.publicKey, 'the key of the issuer candidate'),
      certificate,
    )
  }

  #askCaller(issuer: Certificate): Rejection | undefined {
    const { checkIssuer } = this.#in
    if (checkIssuer === undefined) return undefined
    return answerOf('checkIssuer', checkIssuer(issuer))
  }

  #signatureHolds(
    certificate: Certificate,
    own: IssuerCandidate | undefined,
    { publicKey }: IssuerCandidate,
  ): boolean {
    const known = own?.knownSignature(publicKey)
    if (known !== undefined) return known
    if (own === undefined && this.#in.leafSignedBy?.equals(publicKey) === true) return true
    this.#in.budget.spendSignatureCheck(publicKey.bits)
    const holds = verifySignature(
      publicKey,
      certificate.signatureAlgorithm,
      certificate.tbs,
      certificate.signature,
    )
    own?.noteSignature(publicKey, holds)
    return holds
  }

  #complete(anchor: TrustAnchor): CompletePath | undefined {
    const path: CompletePath = { certificates: this.#certificates, issuers: this.#issuers, anchor }
    const fault = this.#checkPath(path)
    if (fault === undefined) return path
    this.#rejections.add(fault, withAnchor(path), 'complete')
    return undefined
  }

  #checkPath(path: CompletePath): Rejection | undefined {
    const { policies } = this.#in
    try {
      const anchor = path.anchor.certificate
      if (policiesMatter(path.certificates, policies, anchor)) {
        const outcome = checkPolicies(path.certificates, policies, anchor, this.#in.budget)
        if ('rejection' in outcome) return outcome.rejection
      }
      return this.#completion.check(path)
    } catch (error) {
      return rejectionOf(error, undefined)
    }
  }

  #issuersOf(certificate: Certificate): readonly IssuerCandidate[] {
    const { presented } = this.#in
    const { issuer } = certificate
    try {
      const kept = this.#pool.bySubject(issuer)
      const sent = presented.length === 0 ? presented : this.#presentedBy(issuer)
      return inOrder(sent.length === 0 ? kept : kept.concat(sent), certificate)
    } catch (error) {
      this.#rejections.add(rejectionOf(error, certificate), this.#certificates, 'link')
      return []
    }
  }

  /**
   * For a short chain, comparing is cheaper than an index; a long one may be designed to make comparing
   * expensive.
   */
  #presentedBy(issuer: DistinguishedName): readonly IssuerCandidate[] {
    const { presented } = this.#in
    if (presented.length <= shortChain) return presented.filter(({ subject }) => subject.equals(issuer))
    this.#presentedPool ??= new IssuerPool(presented)
    return this.#presentedPool.bySubject(issuer)
  }

  /**
   * A certificate with the same name, key and alternative names is the same
   * CA, which a path needs only once (RFC 4158 §2.4.2).
   */
  #isLoop(issuer: IssuerCandidate): boolean {
    if (issuer.anchor !== undefined || issuer.certificate === undefined) return false
    for (const certificate of this.#certificates)
      if (isSameEntity(certificate, issuer.certificate)) return true
    return false
  }

  #note(fault: Rejection, issuer: IssuerCandidate): void {
    const path =
      issuer.certificate === undefined ? this.#certificates : [...this.#certificates, issuer.certificate]
    this.#rejections.add(fault, path, fault.code === 'ERR_PATH_SIGNATURE' ? 'signature' : 'link')
  }
}

function isSameEntity(a: Certificate, b: Certificate): boolean {
  if (a === b) return true
  if (!a.publicKey.equals(b.publicKey) || !a.subject.equals(b.subject)) return false
  const left = a.extension(extensionOids.subjectAltName)?.value
  const right = b.extension(extensionOids.subjectAltName)?.value
  return left === undefined || right === undefined ? left === right : equalBytes(left, right)
}

function unknownIssuer(certificate: Certificate): Rejection {
  const name = certificate.issuer.toString()
  return reject(
    'ERR_PATH_ISSUER_UNKNOWN',
    'RFC 5280 §6.1.3 (a)(4)',
    `no certificate of the issuer ${JSON.stringify(name.slice(0, 300))} is available`,
    certificate,
  )
}

const shortChain = 8
