// One verification: depth-first search for a path from the leaf to an anchor that passes every check (RFC 5280 §6.1, RFC 4158).

import { isPkiError } from '../errors/index.ts'
import { equalBytes } from '../internal/bytes.ts'
import { extensionOids, verifySignature } from '../x509/index.ts'
import type { Certificate, DistinguishedName, PublicKey } from '../x509/index.ts'
import type { Budget } from './budget.ts'
import { checkNestedPurpose, checkPathLength, checkValidity } from './checks/path-rules.ts'
import type { IssuerCandidate } from './issuer-pool.ts'
import { IssuerPool, inOrder } from './issuer-pool.ts'
import { checkPolicies, policiesMatter } from './policies/check-policies.ts'
import type { PolicyInputs } from './policies/check-policies.ts'
import type { Rejection } from './rejection.ts'
import { reject, rejectionOf } from './rejection.ts'
import type { TrustAnchor } from './trust-anchor.ts'
import type { RejectionList } from './verdict.ts'

/** A path while it is built: leaf first; `issuers` are the links above the leaf, the last one an anchor when the path is complete. */
export interface CompletePath {
  /** Without the anchor. */
  readonly certificates: readonly Certificate[]
  readonly issuers: readonly IssuerCandidate[]
  readonly anchor: TrustAnchor
}

/** The settings of a search, and of the searches for CRL issuers and OCSP responders within it. */
export interface SearchSettings {
  /** Intermediates that the validator keeps; the search finds them in its pool. */
  readonly known: readonly IssuerCandidate[]
  readonly presented: readonly IssuerCandidate[]
  /** The key that this very leaf was verified with before. */
  readonly leafSignedBy: PublicKey | undefined
  readonly timeMs: number
  /** Purposes, as object identifiers, that CAs must pass on; empty = not asked. */
  readonly nestedPurposes: readonly string[]
  readonly policies: PolicyInputs | undefined
  readonly maxDepth: number
  readonly budget: Budget
}

/** Checks of a complete path that are not the search's own: names, revocation. */
export interface CompletePathCheck {
  check(path: CompletePath): Rejection | undefined
}

/** Searches, and answers with the first path that passes; those that do not are noted. */
export class PathSearch {
  readonly #in: SearchSettings
  readonly #pool: IssuerPool
  readonly #rejections: RejectionList
  readonly #completion: CompletePathCheck
  #presentedPool: IssuerPool | undefined
  /** Certificates without issuer, which many paths may lead to: a long name is written once. */
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
    return this.#extend(this.#certificates[0] as Certificate, undefined, 0)
  }

  /** `below`: intermediates up to and without the next issuer, self-issued ones not counted. */
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

  /** Cheap checks first; the signature last, as it is what costs. */
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
        checkNestedPurpose(issuing, nestedPurposes)
      if (limit !== undefined) return limit
    }
    const depth = issuer.anchor === undefined && !issuer.isSelfIssued ? below + 1 : below
    if (depth > maxDepth)
      return reject('ERR_PATH_LENGTH', 'maxDepth', `more than ${maxDepth} intermediate certificates`, issuing)
    if (!budget.allowsLength(this.#certificates.length + 1)) {
      return reject(
        'ERR_PATH_LENGTH',
        'budget',
        `a path of more than ${budget.limits.pathLength} certificates`,
        issuing,
      )
    }
    if (this.#signatureHolds(certificate, own, issuer)) return undefined
    return reject(
      'ERR_PATH_SIGNATURE',
      'RFC 5280 §6.1.3 (a)(1)',
      'the signature does not verify with the key of the issuer',
      certificate,
    )
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

  /** A chain is short, and comparing is then cheaper than an index; what is long may be there to make comparing expensive. */
  #presentedBy(issuer: DistinguishedName): readonly IssuerCandidate[] {
    const { presented } = this.#in
    if (presented.length <= shortChain) return presented.filter(({ subject }) => subject.equals(issuer))
    this.#presentedPool ??= new IssuerPool(presented)
    return this.#presentedPool.bySubject(issuer)
  }

  /** The same name, key and alternative names twice: one CA, which a path never needs twice (RFC 4158 §2.4.2). */
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

/** Leaf first; the anchor's certificate last, unless the leaf is it. */
export function withAnchor({ certificates, anchor }: CompletePath): readonly Certificate[] {
  const { certificate } = anchor
  const last = certificates[certificates.length - 1] as Certificate
  return certificate === undefined || certificate.equals(last)
    ? [...certificates]
    : [...certificates, certificate]
}

/** Whether `error` is a spent budget. */
export function isSpent(error: unknown): error is Error {
  return isPkiError(error, 'ERR_PATH_BUDGET')
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
    `no certificate of the issuer ${JSON.stringify(name.slice(0, 300))} is at hand`,
    certificate,
  )
}

const shortChain = 8
