// The path validator: keeps anchors and settings, and verifies leaves against them.

import { isPkiError, PkiError } from '../errors/index.ts'
import { requireCount } from '../internal/numbers.ts'
import { nameOf } from '../internal/values/name-of.ts'
import { systemClock } from '../runtime/index.ts'
import type { Certificate, PublicKey } from '../x509/index.ts'
import { readTolerances } from '../x509/internal.ts'
import type { CertificateInput } from '../x509/index.ts'
import { Budget } from './budget.ts'
import { checkForm } from './checks/certificate-form.ts'
import { checkLeafKeyUsage, checkLeafPurpose, purposeOids } from './checks/key-purposes.ts'
import { checkValidity } from './checks/path-rules.ts'
import { describeIgnored, readEach } from './ignored-input.ts'
import type { IgnoredInput } from './ignored-input.ts'
import { readPathOptions, readValidatorOptions } from './path-options.ts'
import type { PathOptions, PathValidatorOptions } from './path-options.ts'
import { profileOf } from './profile.ts'
import type { FormRules } from './profile.ts'
import { reject, rejectionOf } from './verdict/rejection.ts'
import type { Rejection } from './verdict/rejection.ts'
import { IssuerCandidate } from './search/issuer-candidate.ts'
import { IssuerPool } from './search/issuer-pool.ts'
import { PathCompletion } from './search/path-completion.ts'
import { PathSearch } from './search/path-search.ts'
import { withAnchor } from './search/search-settings.ts'
import type { CompletePath, SearchSettings } from './search/search-settings.ts'
import { RejectionList } from './search/rejection-list.ts'
import { PresentedIssuers, readCertificate } from './search/presented-issuers.ts'
import { RememberedIssuers } from './search/remembered-issuers.ts'
import { RememberedLeaves } from './search/remembered-leaves.ts'
import { ownCertificate, trustAnchorFrom } from './trust-anchor.ts'
import type { TrustAnchorInput } from './trust-anchor.ts'
import { PathError, VerifiedPath } from './verdict/verdict.ts'
import type { AcceptedVerdict, Verdict } from './verdict/verdict.ts'

/**
 * Makes `validator` accept the signature of `leaf` by `issuerKey` without checking it; everything else is
 * checked. A CA uses it before signing, to determine whether a leaf would be accepted. Not part of the public
 * API.
 */
export let assumeLeafSignature: (validator: PathValidator, leaf: Certificate, issuerKey: PublicKey) => void

/**
 * Verifies certificates against one set of trust anchors.
 *
 * Results that depend only on octets are kept: the form of anchors and intermediates, and the signatures of
 * verified paths. Intermediates are identified by their octets, a leaf by its `Certificate` object. Time,
 * names, purposes, constraints and revocation are checked every time. Inputs are copied: the caller may
 * change its octets after the call.
 */
export class PathValidator {
  /**
   * Anchors and intermediates that could not be read, each with index, subject
   * and reason; the others are used.
   */
  readonly ignored: readonly IgnoredInput[]
  readonly #rules: FormRules
  readonly #defaults: PathValidatorOptions
  readonly #known: readonly IssuerCandidate[]
  readonly #pool: IssuerPool
  readonly #remembered: RememberedIssuers
  readonly #presented: PresentedIssuers
  readonly #leaves = new RememberedLeaves()

  /**
   * @throws ERR_INVALID_ARGUMENT without an anchor, for an unknown option and for invalid settings; if no
   *   anchor can be read, the code of `Certificate.from` for the first one
   */
  constructor(options: PathValidatorOptions) {
    const read = readValidatorOptions('PathValidator', options)
    const { anchors, intermediates = [], knownCriticalExtensions = [], maxRememberedIssuers = 256 } = read
    if (!Array.isArray(anchors) || anchors.length === 0)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'anchors must be an array with at least one trusted certificate, or name with its key, ' +
          `found ${nameOf(anchors)}`,
      )
    // A string also has the method `includes`, which finds substrings.
    if (!Array.isArray(knownCriticalExtensions))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'knownCriticalExtensions must be an array of object identifiers, ' +
          `found ${nameOf(knownCriticalExtensions)}`,
      )
    requireCount('maxRememberedIssuers', maxRememberedIssuers, 0, Infinity)
    const tolerances = readTolerances('PathValidator', read.tolerances ?? [])
    this.#rules = {
      profile: profileOf(read.profile),
      knownCriticalExtensions: [...(knownCriticalExtensions as readonly string[])],
      tolerances,
    }
    this.#defaults = read
    const ignored: IgnoredInput[] = []
    const trusted = readEach('anchors', anchors, ignored, (input) =>
      trustAnchorFrom(input as TrustAnchorInput, tolerances),
    )
    const [first] = ignored
    if (trusted.length === 0 && first !== undefined)
      throw new PkiError(first.code, `no trust anchor can be used: ${describeIgnored(first)}`)
    this.#known = readEach('intermediates', intermediates, ignored, (input) => {
      const certificate = ownCertificate(input, tolerances)
      void certificate.subject.comparisonKey
      return new IssuerCandidate({ certificate }, this.#rules)
    })
    this.ignored = Object.freeze(ignored)
    this.#pool = new IssuerPool([
      ...trusted.map((anchor) => new IssuerCandidate({ anchor }, this.#rules)),
      ...this.#known,
    ])
    this.#remembered = new RememberedIssuers(maxRememberedIssuers, this.#rules)
    this.#presented = new PresentedIssuers(this.#remembered, this.#rules)
  }

  static {
    assumeLeafSignature = (validator, leaf, issuerKey) => {
      validator.#leaves.add(leaf, issuerKey)
    }
  }

  /**
   * Imports the keys of anchors and intermediates before their first use, when
   * a service starts: see `PublicKey.prepare`.
   */
  async prepare(): Promise<void> {
    for (const { publicKey } of this.#pool.candidates()) await publicKey.prepare()
  }

  /**
   * Searches for a path from the leaf to an anchor that passes every check.
   *
   * Never throws for input of a peer: a leaf that does not parse gives a verdict too.
   *
   * @throws ERR_INVALID_ARGUMENT for invalid or unknown options, and for a
   *   restricting option that is present but undefined
   */
  verify(leaf: CertificateInput, options: PathOptions = none): Verdict {
    const asked =
      options === none
        ? this.#defaults
        : { ...this.#defaults, ...readPathOptions('PathValidator.verify', options) }
    const timeMs = asked.time?.getTime() ?? this.#nowMs()
    const purposes = purposeOids(asked.extendedKeyUsage)
    const budget = new Budget(asked.budget)
    const rejections = new RejectionList()
    let certificate: Certificate | undefined
    try {
      certificate = readCertificate(leaf, this.#rules)
      budget.spend('octets', certificate.der.length)
      const fault = this.#checkLeaf(certificate, timeMs, purposes, asked)
      if (fault === undefined) {
        const presented = this.#presented.read(options.intermediates ?? noInputs, budget, rejections)
        const path = this.#search(certificate, asked, { timeMs, purposes, presented }, budget, rejections)
        if (path !== undefined) return this.#accept(path, certificate === leaf, timeMs, asked, budget)
      } else {
        rejections.add(fault, [certificate], 'link')
      }
    } catch (error) {
      // A value of the wrong type is a mistake of the caller; malformed octets come from the peer.
      if (isPkiError(error, 'ERR_INVALID_ARGUMENT')) throw error
      const path = certificate === undefined ? [] : [certificate]
      if (isPkiError(error, 'ERR_PATH_BUDGET'))
        rejections.add(reject('ERR_PATH_BUDGET', 'budget', error.message), path, 'budget')
      else rejections.add(rejectionOf(error, certificate), path, 'link')
    }
    for (const each of this.ignored)
      rejections.add(reject(each.code, 'RFC 5280 §4', describeIgnored(each)), [], 'unread')
    return Object.freeze({
      ok: false,
      rejected: rejections.sorted(),
      omitted: rejections.omitted,
      spent: budget.spent,
      time: new Date(timeMs),
    })
  }

  /** Like `verify`, but throws. @throws PathError with the verdict and the code of its first rejection */
  verifyOrThrow(leaf: CertificateInput, options: PathOptions = none): AcceptedVerdict {
    const verdict = this.verify(leaf, options)
    if (!verdict.ok) throw new PathError(verdict)
    return verdict
  }

  #nowMs(): number {
    const nowMs = (this.#defaults.clock ?? systemClock).now()
    // NaN compares false with everything: every certificate would be valid.
    if (Number.isNaN(nowMs)) throw new PkiError('ERR_INVALID_ARGUMENT', 'the clock returned an invalid time')
    return nowMs
  }

  #checkLeaf(
    leaf: Certificate,
    timeMs: number,
    purposes: readonly string[],
    { keyUsage = noUsages }: PathOptions,
  ): Rejection | undefined {
    return (
      checkForm(leaf, 'leaf', this.#rules) ??
      checkValidity(leaf, timeMs) ??
      checkLeafKeyUsage(leaf, keyUsage) ??
      checkLeafPurpose(leaf, purposes, this.#rules.profile)
    )
  }

  #search(
    leaf: Certificate,
    asked: PathOptions,
    {
      timeMs,
      purposes,
      presented,
    }: Pick<SearchSettings, 'timeMs' | 'presented'> & { readonly purposes: readonly string[] },
    budget: Budget,
    rejections: RejectionList,
  ): CompletePath | undefined {
    const settings: SearchSettings = {
      known: this.#known,
      leafSignedBy: this.#leaves.signedBy(leaf),
      presented,
      timeMs,
      nestedPurposes: this.#rules.profile.nestedExtendedKeyUsage ? purposes : noPurposes,
      policies: asked.policies,
      maxDepth: asked.maxDepth ?? Infinity,
      checkIssuer: asked.checkIssuer,
      leafMayBeAnchor: this.#rules.tolerances.includes('self-signed-leaf-anchor'),
      budget,
    }
    const completion = new PathCompletion(settings, this.#rules, asked)
    return new PathSearch(leaf, this.#pool, settings, rejections, completion).run()
  }

  /** `mayComeAgain`: the leaf was given as an object, not as octets parsed for this call. */
  #accept(
    path: CompletePath,
    mayComeAgain: boolean,
    timeMs: number,
    { policies }: PathOptions,
    budget: Budget,
  ): AcceptedVerdict {
    const { certificates, issuers, anchor } = path
    for (let at = issuers.length - 2; at >= 0; at--) {
      const issuer = issuers[at] as IssuerCandidate
      if (!this.#known.includes(issuer))
        this.#remembered.add(issuer, (issuers[at + 1] as IssuerCandidate).publicKey)
    }
    const leaf = certificates[0] as Certificate
    const { publicKey } = issuers[0] as IssuerCandidate
    if (mayComeAgain && this.#leaves.signedBy(leaf)?.equals(publicKey) !== true)
      this.#leaves.add(leaf, publicKey)
    const verified = VerifiedPath.seal({
      certificates: Object.freeze(withAnchor(path)),
      anchor,
      timeMs,
      below: certificates,
      policyInputs: policies,
    })
    return Object.freeze({ ok: true, path: verified, spent: budget.spent })
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

const none: PathOptions = Object.freeze({})
const noUsages: readonly never[] = []
const noPurposes: readonly string[] = []
const noInputs: readonly CertificateInput[] = []
