// The validator: anchors and settings kept, leaves verified against them.
// One verification with everything given at once. For more than one against the same anchors, keep a `PathValidator`.

import { isPkiError, PkiError } from '../errors/index.ts'
import { bytesKey } from '../internal/bytes.ts'
import { checkCounts, requireCount } from '../internal/numbers.ts'
import { systemClock } from '../runtime/index.ts'
import { Certificate } from '../x509/index.ts'
import type { CertificateInput, PublicKey } from '../x509/index.ts'
import { Budget } from './budget.ts'
import { checkLeafKeyUsage, checkLeafPurpose, keyPurposeOid, checkValidity } from './checks/path-rules.ts'
import type { KeyPurpose } from './checks/path-rules.ts'
import { checkForm, IssuerCandidate, IssuerPool, RememberedIssuers } from './issuer-pool.ts'
import type { FormRules } from './issuer-pool.ts'
import { PathCompletion } from './path-completion.ts'
import type { PathOptions, PathValidatorOptions } from './path-options.ts'
import { isSpent, PathSearch, withAnchor } from './path-search.ts'
import type { CompletePath, SearchSettings } from './path-search.ts'
import { checkPolicyInputs } from './policies/check-policies.ts'
import { profileOf } from './profile.ts'
import { reject, rejectionOf } from './rejection.ts'
import type { Rejection } from './rejection.ts'
import { trustAnchorFrom } from './trust-anchor.ts'
import { RejectionList, PathError, VerifiedPath } from './verdict.ts'
import type { Verdict } from './verdict.ts'

/**
 * Verifies certificates against one set of trust anchors, as often as wanted.
 *
 * What only depends on bytes is worked out once: the form of anchors and intermediates, and the signatures of paths that were verified,
 * those of intermediates by their bytes, that of a leaf as long as the same `Certificate` is given. Time, names, purposes, constraints and revocation are asked every time.
 */
export class PathValidator {
  readonly #rules: FormRules
  readonly #defaults: PathValidatorOptions
  readonly #known: readonly IssuerCandidate[]
  readonly #pool: IssuerPool
  readonly #remembered: RememberedIssuers
  /** A client on a long connection is verified with every call, by the `Certificate` that the connection was accepted with. */
  readonly #leaves = new WeakMap<Certificate, PublicKey>()

  /** @throws ERR_INVALID_ARGUMENT without an anchor, and for settings that mean nothing; the codes of `Certificate.from` for an anchor that is no certificate */
  constructor(options: PathValidatorOptions) {
    const {
      knownCriticalExtensions = [],
      remember = 256,
      anchors: given,
    } = (options as Partial<PathValidatorOptions> | undefined) ?? {}
    if (!Array.isArray(given))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'anchors is an array of certificates that are trusted, or of names with their keys',
      )
    if (given.length === 0)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'no trust anchor: nothing could ever be verified')
    // A text has a method of the same name, which finds parts of it.
    if (!Array.isArray(knownCriticalExtensions))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'knownCriticalExtensions is a list of object identifiers')
    checkCounts({ remember, maxDepth: options.maxDepth }, 0, Infinity)
    this.#rules = { profile: profileOf(options.profile), knownCriticalExtensions }
    this.#defaults = options
    const anchors = options.anchors.map(
      (input) => new IssuerCandidate({ anchor: trustAnchorFrom(input) }, this.#rules),
    )
    this.#known = (options.intermediates ?? []).map(
      (input) => new IssuerCandidate({ certificate: Certificate.from(input) }, this.#rules),
    )
    this.#pool = new IssuerPool([...anchors, ...this.#known])
    this.#remembered = new RememberedIssuers(remember)
  }

  /** Imports the keys of anchors and intermediates ahead of their first use, at the start of a service: see `PublicKey.prepare`. */
  async prepare(): Promise<void> {
    for (const { publicKey } of this.#pool.candidates()) await publicKey.prepare()
  }

  /**
   * Looks for a path from the leaf to an anchor that passes every check.
   *
   * Never throws for what a peer can send: a leaf that does not parse is a verdict too.
   *
   * @throws ERR_INVALID_ARGUMENT for options that mean nothing
   */
  verify(leaf: CertificateInput, options: PathOptions = none): Verdict {
    const budget = new Budget(options.budget ?? this.#defaults.budget)
    const timeMs = this.#timeMs(options)
    const maxDepth = options.maxDepth ?? this.#defaults.maxDepth
    if (maxDepth !== undefined) requireCount('maxDepth', maxDepth, 0, Infinity)
    checkPolicyInputs(options.policies ?? this.#defaults.policies)
    const purposes = purposeOids(options.extendedKeyUsage ?? this.#defaults.extendedKeyUsage)
    const rejections = new RejectionList()
    let certificate: Certificate | undefined
    try {
      certificate = Certificate.from(leaf)
      budget.spend('bytes', certificate.der.length)
      const fault = this.#checkLeaf(certificate, timeMs, purposes, options)
      if (fault === undefined) {
        const path = this.#search(certificate, timeMs, purposes, options, budget, rejections)
        if (path !== undefined) return this.#accept(path, certificate === leaf, timeMs, options, budget)
      } else {
        rejections.add(fault, [certificate], 'link')
      }
    } catch (error) {
      // A value of the wrong type is the caller's mistake; bytes that are wrong are the peer's.
      if (isPkiError(error, 'ERR_INVALID_ARGUMENT')) throw error
      const path = certificate === undefined ? [] : [certificate]
      if (isSpent(error)) rejections.add(reject('ERR_PATH_BUDGET', 'budget', error.message), path, 'budget')
      else rejections.add(rejectionOf(error, certificate), path, 'link')
    }
    return { ok: false, rejected: rejections.sorted(), omitted: rejections.omitted, spent: budget.spent }
  }

  /** The verified path, or an error with the verdict. @throws PathError with the code of the most telling rejection */
  require(leaf: CertificateInput, options: PathOptions = none): VerifiedPath {
    const verdict = this.verify(leaf, options)
    if (!verdict.ok) throw new PathError(verdict)
    return verdict.path
  }

  #timeMs({ time }: PathOptions): number {
    const wanted = time ?? this.#defaults.time
    const timeMs =
      wanted === undefined
        ? (this.#defaults.clock ?? systemClock).now()
        : wanted instanceof Date
          ? wanted.getTime()
          : Number.NaN
    // NaN compares false with everything: every certificate would be valid.
    if (Number.isNaN(timeMs))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'the time to verify for is no valid Date')
    return timeMs
  }

  #checkLeaf(
    leaf: Certificate,
    timeMs: number,
    purposes: readonly string[],
    options: PathOptions,
  ): Rejection | undefined {
    return (
      checkForm(leaf, 'leaf', this.#rules) ??
      checkValidity(leaf, timeMs) ??
      checkLeafKeyUsage(leaf, options.keyUsage ?? this.#defaults.keyUsage ?? []) ??
      checkLeafPurpose(leaf, purposes, this.#rules.profile)
    )
  }

  #search(
    leaf: Certificate,
    timeMs: number,
    purposes: readonly string[],
    options: PathOptions,
    budget: Budget,
    rejections: RejectionList,
  ): CompletePath | undefined {
    const defaults = this.#defaults
    const settings: SearchSettings = {
      known: this.#known,
      leafSignedBy: this.#leaves.get(leaf),
      presented:
        options.intermediates === undefined
          ? noCandidates
          : this.#present(options.intermediates, budget, rejections),
      timeMs,
      nestedPurposes: this.#rules.profile.nestedExtendedKeyUsage ? purposes : noPurposes,
      policies: options.policies ?? defaults.policies,
      maxDepth: options.maxDepth ?? defaults.maxDepth ?? Infinity,
      budget,
    }
    const completion = new PathCompletion(settings, this.#rules, {
      peer: options.peer ?? defaults.peer,
      revocation: options.revocation ?? defaults.revocation,
    })
    return new PathSearch(leaf, this.#pool, settings, rejections, completion).run()
  }

  /** Certificates that came with the leaf: nobody vouches for them, so what does not parse is passed over. */
  #present(
    inputs: readonly CertificateInput[],
    budget: Budget,
    rejections: RejectionList,
  ): IssuerCandidate[] {
    const presented: IssuerCandidate[] = []
    const seen = new Set<string>()
    for (const input of inputs) {
      try {
        const remembered = input instanceof Uint8Array ? this.#remembered.get(input) : undefined
        const certificate = remembered?.certificate ?? Certificate.from(input)
        budget.spend('bytes', certificate.der.length)
        void certificate.subject.comparisonKey
        const key = bytesKey(certificate.der)
        if (seen.size === seen.add(key).size) continue
        presented.push(
          remembered ??
            this.#remembered.get(certificate.der) ??
            new IssuerCandidate({ certificate }, this.#rules),
        )
      } catch (error) {
        rejections.add(rejectionOf(error, undefined), [], 'unread')
        // Each costs an error, however few bytes it has.
        budget.spend('candidates')
      }
    }
    return presented
  }

  /** `mayComeAgain`: the leaf was given as an object, not as octets that were parsed for this call. */
  #accept(
    path: CompletePath,
    mayComeAgain: boolean,
    timeMs: number,
    options: PathOptions,
    budget: Budget,
  ): Verdict {
    for (const issuer of path.issuers)
      if (issuer.anchor === undefined && !this.#known.includes(issuer)) this.#remembered.add(issuer)
    const [leaf] = path.certificates
    const [issuer] = path.issuers
    if (mayComeAgain && leaf !== undefined && issuer !== undefined) this.#leaves.set(leaf, issuer.publicKey)
    const verified = VerifiedPath.seal({
      certificates: withAnchor(path),
      anchor: path.anchor,
      timeMs,
      below: path.certificates,
      policyInputs: options.policies ?? this.#defaults.policies,
    })
    return { ok: true, path: verified, spent: budget.spent }
  }
}

/**
 * A validator for these anchors and settings.
 *
 * @throws as the constructor
 * @example
 * ```ts
 * const paths = createPathValidator({ anchors: [root], extendedKeyUsage: 'serverAuth' })
 * const verdict = paths.verify(leaf, { intermediates: chain, peer: { dns: 'web.example.org' } })
 * if (!verdict.ok) console.error(explainVerdict(verdict))
 * ```
 */
export function createPathValidator(options: PathValidatorOptions): PathValidator {
  return new PathValidator(options)
}

function purposeOids(wanted: KeyPurpose | readonly KeyPurpose[] | undefined): readonly string[] {
  if (wanted === undefined) return noPurposes
  return typeof wanted === 'string' ? [keyPurposeOid(wanted)] : wanted.map(keyPurposeOid)
}

const none: PathOptions = {}
const noPurposes: readonly string[] = []
const noCandidates: readonly IssuerCandidate[] = []

/**
 * Looks for a path from the leaf to one of the anchors that passes RFC 5280 section 6 and the profile.
 *
 * @example
 * const verdict = verifyPath(leaf, { anchors: [root], intermediates: chain, extendedKeyUsage: 'serverAuth' })
 * if (!verdict.ok) console.error(explainVerdict(verdict))
 *
 * @throws ERR_INVALID_ARGUMENT without an anchor; the codes of `Certificate.from` for an anchor that is no certificate
 */
export function verifyPath(leaf: CertificateInput, options: PathValidatorOptions): Verdict {
  return validatorOf(options).verify(leaf, options)
}

/** The same, for callers that want an exception. @throws PathError with the code of the most telling rejection; as `verifyPath` */
export function requirePath(leaf: CertificateInput, options: PathValidatorOptions): VerifiedPath {
  return validatorOf(options).require(leaf, options)
}

/** Intermediates of a single call came with the leaf: they are taken one by one, not as settings that must be right. */
function validatorOf(options: PathValidatorOptions): PathValidator {
  return new PathValidator(
    (options as Partial<PathValidatorOptions> | undefined)?.intermediates === undefined
      ? options
      : { ...options, intermediates: undefined },
  )
}
