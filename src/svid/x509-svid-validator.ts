// X.509-SVIDs verified: the leaf's rules, the bundle of its own trust domain, a path, the ID that is wanted. X509-SVID.md section 5.

import { isPkiError, PkiError } from '../errors/index.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../spiffe/index.ts'
import { Budget } from '../validation/budget.ts'
import { createPathValidator } from '../validation/path-validator.ts'
import type {
  PathOptions,
  PathValidator,
  RejectedPath,
  Rejection,
  Spent,
  Verdict,
  VerifiedPath,
} from '../validation/index.ts'
import { Certificate } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'
import { requireBundle } from './bundle-source.ts'
import type { BundleSource } from './bundle-source.ts'
import { checkSvidIssuer, readSvidLeaf } from './x509-svid.ts'
import type { TrustBundle } from './trust-bundle.ts'

/** How an SVID is verified. */
export interface X509SvidOptions extends Pick<
  PathOptions,
  'time' | 'budget' | 'revocation' | 'extendedKeyUsage' | 'maxDepth'
> {
  /** Whose SVID it must be. Default: anybody's of a trust domain that has a bundle; then authorise by `id` yourself. */
  readonly id?: SpiffeId | SpiffeIdMatcher | string | undefined
}

/** Options of `X509SvidValidator`; those of one verification are defaults here. */
export interface X509SvidValidatorOptions extends X509SvidOptions {
  /** Where the trust bundle of each trust domain is; asked at every verification. */
  readonly bundles: BundleSource
  /** Issuers to look for beside those that peers present. */
  readonly intermediates?: readonly CertificateInput[] | undefined
}

/** An SVID that was verified, or why not, the most telling failure first. */
export type X509SvidVerdict =
  | {
      readonly ok: true
      /** Who the peer is. */
      readonly id: SpiffeId
      /** The path from its certificate to an authority of its trust domain. */
      readonly path: VerifiedPath
      /** The work that it took, by kind. */
      readonly spent: Spent
    }
  | {
      readonly ok: false
      /** Every path that was tried and why it was refused; at least one. */
      readonly rejected: readonly RejectedPath[]
      /** The work that it took, by kind. */
      readonly spent: Spent
    }

/**
 * Verifies the SVIDs of peers, as often as wanted. Each trust domain has anchors of its own: never one pool for two (rule F-4).
 *
 * @example
 * ```ts
 * const validator = new X509SvidValidator({ bundles })
 * const verdict = validator.verify(chain, { id: 'spiffe://example.org/ns/prod/sa/api' })
 * ```
 */
export class X509SvidValidator {
  readonly #options: X509SvidValidatorOptions
  /** A bundle is immutable, so what was worked out of it holds as long as it does. */
  readonly #validators = new WeakMap<TrustBundle, PathValidator>()
  /** The same without CAs that break X-4; null where no anchor is left. */
  readonly #strict = new WeakMap<TrustBundle, PathValidator | null>()

  /** @throws ERR_INVALID_ARGUMENT without a source of bundles */
  constructor(options: X509SvidValidatorOptions) {
    if (
      typeof (options as Partial<X509SvidValidatorOptions> | undefined)?.bundles?.bundleFor !== 'function'
    ) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'bundles is a TrustBundle, a TrustBundleSet, or another BundleSource',
      )
    }
    this.#options = options
  }

  /**
   * Verifies a chain as it was presented, leaf first. Never throws for what a peer can send.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID for options that mean nothing
   */
  verify(chain: readonly CertificateInput[], options: X509SvidOptions = none): X509SvidVerdict {
    if (!isArray(chain))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a chain is an array of certificates, the leaf first')
    const wanted = matcherOf(options.id ?? this.#options.id)
    try {
      const [first, ...presented] = chain
      if (first === undefined)
        return refused([
          {
            code: 'ERR_SVID_LEAF',
            certificate: undefined,
            rule: 'X-11',
            message: 'the chain is empty',
            path: [],
          },
        ])
      const leaf = Certificate.from(first)
      const read = readSvidLeaf(leaf)
      if ('fault' in read) return refused([{ ...read.fault, path: [leaf] }])
      return this.#verifyPath(leaf, read.id, presented, wanted, options)
    } catch (error) {
      if (!isPkiError(error) || error.code === 'ERR_INVALID_ARGUMENT') throw error
      return refused([
        { code: error.code, certificate: undefined, rule: ruleOf(error), message: error.message, path: [] },
      ])
    }
  }

  #verifyPath(
    leaf: Certificate,
    id: SpiffeId,
    presented: readonly CertificateInput[],
    wanted: Wanted | undefined,
    options: X509SvidOptions,
  ): X509SvidVerdict {
    const bundle = requireBundle(id.trustDomain, this.#options.bundles)
    const verify = (validator: PathValidator, intermediates: readonly CertificateInput[]): Verdict =>
      validator.verify(leaf, { ...pathOptions(this.#options), ...pathOptions(options), intermediates })
    let verdict = verify(this.#validatorFor(bundle), presented)
    if (!verdict.ok) return verdict
    let fault = checkIssuers(verdict.path)
    if (fault !== undefined) {
      // One CA that breaks X-4 closes its own path, not one that leads past it.
      const strict = this.#strictValidatorFor(bundle)
      const again = strict === null ? verdict : verify(strict, presented.filter(keepsIssuerRules))
      if (again.ok && checkIssuers(again.path) === undefined) [verdict, fault] = [again, undefined]
    }
    fault ??= checkWanted(leaf, id, wanted)
    if (fault !== undefined)
      return { ok: false, rejected: [{ ...fault, path: verdict.path.certificates }], spent: verdict.spent }
    return { ok: true, id, path: verdict.path, spent: verdict.spent }
  }

  /** @throws ERR_BUNDLE_NOT_FOUND */
  #validatorFor(bundle: TrustBundle): PathValidator {
    let validator = this.#validators.get(bundle)
    if (validator === undefined) {
      // an authority that is malformed vouches for nobody, and takes none of the others with it.
      const anchors = bundle.x509Authorities.filter(isWellFormed)
      if (anchors.length === 0)
        throw new PkiError(
          'ERR_BUNDLE_NOT_FOUND',
          `the bundle of ${bundle.trustDomain.name} has no X.509 authority (X-15)`,
        )
      validator = createPathValidator({
        anchors,
        intermediates: this.#options.intermediates,
        profile: 'spiffe',
      })
      this.#validators.set(bundle, validator)
    }
    return validator
  }

  #strictValidatorFor(bundle: TrustBundle): PathValidator | null {
    let validator = this.#strict.get(bundle)
    if (validator === undefined) {
      const anchors = bundle.x509Authorities.filter(
        (authority) => isWellFormed(authority) && keepsIssuerRules(authority),
      )
      const intermediates = this.#options.intermediates?.filter(keepsIssuerRules)
      validator =
        anchors.length === 0 ? null : createPathValidator({ anchors, intermediates, profile: 'spiffe' })
      this.#strict.set(bundle, validator)
    }
    return validator
  }
}

/** Verifies one chain; for more than a few, keep an `X509SvidValidator`. */
export function verifyX509Svid(
  chain: readonly CertificateInput[],
  options: X509SvidValidatorOptions,
): X509SvidVerdict {
  return new X509SvidValidator(options).verify(chain)
}

interface Wanted {
  readonly matches: SpiffeIdMatcher
  readonly text: string
}

function matcherOf(wanted: X509SvidOptions['id']): Wanted | undefined {
  if (wanted === undefined) return undefined
  if (typeof wanted === 'function')
    return { matches: wanted, text: wanted.description ?? 'another SPIFFE ID' }
  const exact = SpiffeId.from(wanted)
  return { matches: (found) => found.equals(exact), text: exact.toString() }
}

function checkWanted(leaf: Certificate, id: SpiffeId, wanted: Wanted | undefined): Rejection | undefined {
  // Only `true` is a yes: an asynchronous function given by mistake answers with a promise, which is truthy.
  if (wanted === undefined || (wanted.matches(id) as unknown) === true) return undefined
  return {
    code: 'ERR_SPIFFE_ID_MISMATCH',
    certificate: leaf,
    rule: 'X-12',
    message: `${id.toString()} found, ${wanted.text} wanted`,
  }
}

/** The anchor's rules too, where the bundle has a certificate of it. */
function checkIssuers({ certificates }: VerifiedPath): Rejection | undefined {
  for (const issuer of certificates.slice(1)) {
    const fault = checkSvidIssuer(issuer)
    if (fault !== undefined) return fault
  }
  return undefined
}

function keepsIssuerRules(input: CertificateInput): boolean {
  // What cannot be read is passed over by path building too.
  return holds(() => checkSvidIssuer(Certificate.from(input)) === undefined)
}

function isWellFormed(certificate: Certificate): boolean {
  return holds(() => {
    certificate.checkAll()
    return true
  })
}

function holds(check: () => boolean): boolean {
  try {
    return check()
  } catch (error) {
    if (!isPkiError(error)) throw error
    return false
  }
}

function pathOptions({ time, budget, revocation, extendedKeyUsage, maxDepth }: X509SvidOptions): PathOptions {
  return {
    ...(time === undefined ? {} : { time }),
    ...(budget === undefined ? {} : { budget }),
    ...(revocation === undefined ? {} : { revocation }),
    ...(extendedKeyUsage === undefined ? {} : { extendedKeyUsage }),
    ...(maxDepth === undefined ? {} : { maxDepth }),
  }
}

function refused(rejected: readonly RejectedPath[]): X509SvidVerdict {
  return { ok: false, rejected, spent: nothing }
}

function ruleOf({ code }: PkiError): string {
  return code === 'ERR_BUNDLE_NOT_FOUND' ? 'X-15' : 'RFC 5280 §4'
}

const none: X509SvidOptions = {}
const nothing: Spent = new Budget().spent

/** `Array.isArray` would make the elements `any`. */
const isArray: (value: unknown) => boolean = Array.isArray
