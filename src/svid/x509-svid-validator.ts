// Verifies X.509-SVIDs: the rules for the leaf, the bundle of its own trust domain, a path, the expected ID
// (X509-SVID.md section 5).

import { isPkiError, PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../spiffe/index.ts'
import { Budget } from '../validation/budget.ts'
import { readPathOptions } from '../validation/internal.ts'
import { createPathValidator } from '../validation/path-validator.ts'
import { PathError } from '../validation/verdict/verdict.ts'
import type { PathValidator, Rejection, VerifiedPath } from '../validation/index.ts'
import type { PathOptions, RejectedPath, RejectedVerdict, Spent } from '../validation/internal.ts'
import { Certificate } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'
import { whyNone } from './bundle-authorities.ts'
import { requireBundle } from './bundle-source.ts'
import type { BundleSource } from './bundle-source.ts'
import { checkSvidIssuer, readSvidLeaf } from './x509-svid.ts'
import type { ReceiptChecker } from './receipt-checker.ts'
import type { TrustBundle } from './trust-bundle.ts'

/** Options for verifying an SVID. @inline */
export interface X509SvidOptions extends Pick<
  PathOptions,
  'time' | 'budget' | 'revocation' | 'extendedKeyUsage' | 'maxDepth'
> {
  /**
   * The expected identity. Default: any identity of a trust domain that has a bundle; the caller must then
   * authorise by the `id` of the verdict.
   */
  readonly id?: SpiffeId | SpiffeIdMatcher | string
}

/** Options of `X509SvidValidator`; the options of one verification are defaults here. @inline */
export interface X509SvidValidatorOptions extends X509SvidOptions {
  /** The source of each trust domain's bundle; called at every verification. */
  readonly bundles: BundleSource
  /** Further issuer candidates, in addition to those that peers present. */
  readonly intermediates?: readonly CertificateInput[] | undefined
  /**
   * Refuses a certificate without a receipt of an accepted transparency log: `createReceiptChecker` of
   * `spiffe-pki/audit`. Default: no receipt is required.
   */
  readonly receipts?: ReceiptChecker
}

/** Options of one verification. @inline */
interface X509SvidCallOptions extends X509SvidOptions {
  /** The receipt that the peer sent to prove that its certificate is in a log; for `receipts`. */
  readonly receipt?: string | undefined
}

/** The value undefined would skip a check that the caller intended: these keys are guards. */
const verifyOptionKinds: OptionKinds<X509SvidOptions> = {
  id: 'guard',
  time: 'optional',
  budget: 'optional',
  revocation: 'guard',
  extendedKeyUsage: 'guard',
  maxDepth: 'guard',
}

const callOptionKinds: OptionKinds<X509SvidCallOptions> = { ...verifyOptionKinds, receipt: 'optional' }

const validatorOptionKinds: OptionKinds<X509SvidValidatorOptions> = {
  ...verifyOptionKinds,
  bundles: 'required',
  intermediates: 'optional',
  receipts: 'guard',
}

/** A verified SVID. @inline */
export interface AcceptedX509Svid {
  readonly ok: true
  /** The identity of the peer. */
  readonly id: SpiffeId
  /** The path from its certificate to an authority of its trust domain. */
  readonly path: VerifiedPath
  /** The work of the verification, by kind. */
  readonly spent: Spent
}

/** A verified SVID, or the reasons for rejection, the most specific first. */
export type X509SvidVerdict = AcceptedX509Svid | RejectedVerdict

/**
 * Verifies the SVIDs of peers, any number of times. Each trust domain has separate anchors, never a common
 * pool (rule F-4).
 *
 * @example
 * ```ts
 * const validator = new X509SvidValidator({ bundles })
 * const verdict = validator.verify(chain, { id: 'spiffe://example.org/ns/prod/sa/api' })
 * ```
 */
export class X509SvidValidator {
  readonly #options: X509SvidValidatorOptions
  readonly #expected: Expected | undefined
  readonly #pathOptions: PathOptions
  /** A bundle is immutable, so its validator stays valid for the lifetime of the bundle. */
  readonly #validators = new WeakMap<TrustBundle, PathValidator>()

  /**
   * @throws ERR_INVALID_ARGUMENT without a source of bundles, and for an unknown option;
   * ERR_SPIFFE_ID_INVALID
   */
  constructor(options: X509SvidValidatorOptions) {
    const read = readOptions<X509SvidValidatorOptions>('X509SvidValidator', options, validatorOptionKinds)
    if (typeof (read.bundles as Partial<BundleSource>).bundleFor !== 'function') {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'bundles must be a TrustBundle, a TrustBundleSet, or another BundleSource',
      )
    }
    if (read.receipts !== undefined && typeof read.receipts.verify !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', 'receipts must be a ReceiptChecker: an object with verify()')
    this.#options = read
    this.#expected = expectedFrom(read.id)
    this.#pathOptions = readPathOptions('X509SvidValidator', pathOptions(read))
  }

  /**
   * Verifies a presented chain, leaf first. Never throws because of the peer's input.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID for invalid options, for an unknown option, and for a
   * restricting option that is given as undefined
   */
  verify(chain: readonly CertificateInput[], options: X509SvidCallOptions = none): X509SvidVerdict {
    if (!isArray(chain))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a chain must be an array of certificates, the leaf first')
    const asked =
      options === none
        ? none
        : readOptions<X509SvidCallOptions>('X509SvidValidator.verify', options, callOptionKinds)
    const expected = asked.id === undefined ? this.#expected : expectedFrom(asked.id)
    try {
      const [first, ...intermediates] = chain
      if (first === undefined)
        return refused({
          code: 'ERR_SVID_LEAF',
          certificate: undefined,
          rule: 'X-11',
          message: 'the chain is empty',
        })
      const leaf = Certificate.from(first)
      const read = readSvidLeaf(leaf)
      if ('fault' in read) return refused(read.fault, leaf)
      const verdict = this.#verifyPath(leaf, read.id, expected, { ...pathOptions(asked), intermediates })
      return this.#requireReceipt(verdict, leaf, asked.receipt)
    } catch (error) {
      if (!isPkiError(error) || error.code === 'ERR_INVALID_ARGUMENT') throw error
      return refused({
        code: error.code,
        certificate: undefined,
        rule: ruleOf(error),
        message: error.message,
      })
    }
  }

  /**
   * Like `verify`, for callers that prefer an exception. @throws PathError with the verdict and the code of
   * its first rejection
   */
  verifyOrThrow(chain: readonly CertificateInput[], options: X509SvidCallOptions = none): AcceptedX509Svid {
    const verdict = this.verify(chain, options)
    if (!verdict.ok) throw new PathError(verdict)
    return verdict
  }

  #verifyPath(
    leaf: Certificate,
    id: SpiffeId,
    expected: Expected | undefined,
    options: PathOptions,
  ): X509SvidVerdict {
    const bundle = requireBundle(id.trustDomain, this.#options.bundles)
    const verdict = this.#validatorFor(bundle).verify(leaf, options)
    if (!verdict.ok) return verdict
    const fault = checkExpected(leaf, id, expected)
    return fault === undefined
      ? Object.freeze({ ok: true, id, path: verdict.path, spent: verdict.spent })
      : rejectedBy([Object.freeze({ ...fault, path: verdict.path.certificates })], verdict.spent)
  }

  /** Last, so that the receipt of a refused certificate is not parsed. */
  #requireReceipt(verdict: X509SvidVerdict, leaf: Certificate, receipt: string | undefined): X509SvidVerdict {
    const { receipts } = this.#options
    if (receipts === undefined || !verdict.ok) return verdict
    let reason = 'the checker of receipts did not accept it'
    try {
      // Only `true` accepts: an asynchronous checker returns a promise, which is truthy.
      if ((receipts.verify(leaf, receipt) as unknown) === true) return verdict
    } catch (error) {
      reason = error instanceof Error ? error.message : 'unknown'
    }
    const message = `no receipt of a known log: ${reason}`
    const fault = { code: 'ERR_SVID_RECEIPT', certificate: leaf, rule: 'tlog-proof', message } as const
    return rejectedBy([Object.freeze({ ...fault, path: verdict.path.certificates })], verdict.spent)
  }

  /** @throws ERR_BUNDLE_NOT_FOUND */
  #validatorFor(bundle: TrustBundle): PathValidator {
    let validator = this.#validators.get(bundle)
    if (validator === undefined) {
      // a malformed authority is not in the bundle.
      const anchors = bundle.x509Authorities
      if (anchors.length === 0)
        throw new PkiError(
          'ERR_BUNDLE_NOT_FOUND',
          `the bundle of ${bundle.trustDomain.name} has no X.509 authority (X-15)${whyNone(bundle)}`,
        )
      validator = createPathValidator({
        ...this.#pathOptions,
        anchors,
        intermediates: this.#options.intermediates,
        profile: 'spiffe',
        // a CA that breaks a rule invalidates only the paths through it.
        checkIssuer: checkSvidIssuer,
      })
      this.#validators.set(bundle, validator)
    }
    return validator
  }
}

/** Verifies one chain; for more than a few, keep an `X509SvidValidator`. @throws as its constructor */
export function verifyX509Svid(
  chain: readonly CertificateInput[],
  options: X509SvidValidatorOptions & X509SvidCallOptions,
): X509SvidVerdict {
  const { receipt, ...others } = Object(options) as typeof options
  return new X509SvidValidator(others).verify(chain, receipt === undefined ? none : { receipt })
}

interface Expected {
  readonly matches: SpiffeIdMatcher
  readonly text: string
}

function expectedFrom(id: X509SvidOptions['id']): Expected | undefined {
  if (id === undefined) return undefined
  if (typeof id === 'function') return { matches: id, text: id.description ?? 'another SPIFFE ID' }
  const exact = SpiffeId.from(id)
  return { matches: (found) => found.equals(exact), text: exact.toString() }
}

function checkExpected(
  leaf: Certificate,
  id: SpiffeId,
  expected: Expected | undefined,
): Rejection | undefined {
  // Only `true` accepts: an asynchronous matcher returns a promise, which is truthy.
  if (expected === undefined || (expected.matches(id) as unknown) === true) return undefined
  return {
    code: 'ERR_SPIFFE_ID_MISMATCH',
    certificate: leaf,
    rule: 'X-12',
    message: `the SPIFFE ID is ${id.toString()}, expected ${expected.text}`,
  }
}

function pathOptions(options: X509SvidOptions): PathOptions {
  const {
    id: _id,
    bundles: _bundles,
    intermediates: _intermediates,
    receipts: _receipts,
    receipt: _receipt,
    ...rest
  } = options as X509SvidValidatorOptions & X509SvidCallOptions
  return rest
}

function refused(fault: Rejection, leaf?: Certificate): RejectedVerdict {
  return rejectedBy(
    [Object.freeze({ ...fault, path: Object.freeze(leaf === undefined ? [] : [leaf]) })],
    nothing,
  )
}

function rejectedBy(rejected: readonly RejectedPath[], spent: Spent): RejectedVerdict {
  return Object.freeze({ ok: false, rejected: Object.freeze(rejected), spent })
}

function ruleOf({ code }: PkiError): string {
  return code === 'ERR_BUNDLE_NOT_FOUND' ? 'X-15' : 'RFC 5280 §4'
}

const none: X509SvidCallOptions = Object.freeze({})
const nothing: Spent = Object.freeze(new Budget().spent)

/** `Array.isArray` would make the elements `any`. */
const isArray: (value: unknown) => boolean = Array.isArray
