// Where verification gets trust bundles from: the contract, and the set that rotation writes to.

import { PkiError } from '../errors/index.ts'
import { TrustDomain } from '../spiffe/index.ts'
import type { TrustBundle } from './trust-bundle.ts'

/**
 * Gives the bundle of one trust domain, or nothing: then no SVID of that trust domain is valid.
 *
 * Answers at once from memory. An implementation must never answer with the bundle of another trust domain (rules B-6, F-4);
 * verification checks that it did not.
 */
export interface BundleSource {
  /** The bundle of this very trust domain, at once; undefined where there is none. */
  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined
}

/** What changed in a `TrustBundleSet`; `bundle` is undefined when the trust domain was removed. */
export interface TrustBundleChange {
  /** Whose bundle it is. */
  readonly trustDomain: TrustDomain
  /** The bundle from now on; undefined where it was removed. */
  readonly bundle: TrustBundle | undefined
}

/**
 * The bundle of each of several trust domains, apart from each other. Mutable and observable; each change is atomic.
 *
 * @example
 * ```ts
 * const trusted = new TrustBundleSet([TrustBundle.fromPem(pem, { trustDomain: 'example.org' })])
 * trusted.onChange(({ trustDomain }) => console.log(`${trustDomain.name} changed`))
 * ```
 */
export class TrustBundleSet implements BundleSource {
  #bundles: ReadonlyMap<string, TrustBundle>
  readonly #listeners = new Set<(change: TrustBundleChange) => void>()

  /** @throws ERR_BUNDLE_DUPLICATE two bundles of one trust domain (rule B-7) */
  constructor(bundles: Iterable<TrustBundle> = []) {
    this.#bundles = index(bundles)
  }

  /** How many trust domains it has. */
  get size(): number {
    return this.#bundles.size
  }

  /** Its bundles at this moment, by name of the trust domain. */
  get bundles(): readonly TrustBundle[] {
    return [...this.#bundles.values()].sort((left, right) =>
      TrustDomain.compare(left.trustDomain, right.trustDomain),
    )
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#bundles.get(trustDomain.name)
  }

  /** Whether it has a bundle of this trust domain. @throws ERR_TRUST_DOMAIN_INVALID */
  has(trustDomain: TrustDomain | string): boolean {
    return this.#bundles.has(TrustDomain.from(trustDomain).name)
  }

  /** Puts a bundle in the place of the one of its trust domain, or adds it. @throws ERR_INVALID_ARGUMENT for what is none */
  set(bundle: TrustBundle): void {
    this.#become(new Map(this.#bundles).set(requireTrustBundle(bundle).trustDomain.name, bundle))
  }

  /**
   * Takes a trust domain out (rule F-14): its SVIDs are invalid from now on. Whether there was one.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID for what names no trust domain, which would stay in
   */
  delete(trustDomain: TrustDomain | string): boolean {
    const bundles = new Map(this.#bundles)
    const found = bundles.delete(TrustDomain.from(trustDomain).name)
    if (found) this.#become(bundles)
    return found
  }

  /**
   * Becomes exactly these bundles, all at once (SPIFFE_Trust_Domain_and_Bundle.md, appendix B.1).
   *
   * @throws ERR_BUNDLE_DUPLICATE nothing has changed then
   */
  replaceAll(bundles: Iterable<TrustBundle>): void {
    this.#become(index(bundles))
  }

  /** Calls `listener` after each change that made a difference, once per trust domain. Returns what stops it. */
  onChange(listener: (change: TrustBundleChange) => void): () => void {
    // Wrapped, so that the same function given twice is two listeners and stopping one leaves the other.
    const own = (change: TrustBundleChange): void => {
      listener(change)
    }
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  #become(bundles: ReadonlyMap<string, TrustBundle>): void {
    const before = this.#bundles
    this.#bundles = bundles
    const gone = [...before.values()].filter(({ trustDomain }) => !bundles.has(trustDomain.name))
    const changed = [...bundles].filter(([name, bundle]) => before.get(name)?.equals(bundle) !== true)
    this.#emit([
      ...gone.map(({ trustDomain }) => ({ trustDomain, bundle: undefined })),
      ...changed.map(([, bundle]) => ({ trustDomain: bundle.trustDomain, bundle })),
    ])
  }

  #emit(changes: readonly TrustBundleChange[]): void {
    // A listener that throws must not keep a new root from the others, nor other changes from itself; the first error is thrown when all were told.
    const errors: unknown[] = []
    for (const change of changes) {
      for (const listener of [...this.#listeners]) {
        try {
          listener(change)
        } catch (error) {
          errors.push(error)
        }
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

/**
 * The bundle of a trust domain from a source that may be somebody else's code.
 *
 * @throws ERR_BUNDLE_NOT_FOUND there is none, or the source gave that of another trust domain (rule B-6)
 */
export function requireBundle(trustDomain: TrustDomain, source: BundleSource): TrustBundle {
  const bundle = source.bundleFor(trustDomain)
  // A promise, from a source whose author wanted to wait, has no trust domain.
  const { trustDomain: found } = Object(bundle) as Partial<TrustBundle>
  if (bundle !== undefined && found?.equals(trustDomain) === true) return bundle
  const what = found === undefined ? 'no trust bundle' : `the trust bundle of ${found.name}`
  throw new PkiError(
    'ERR_BUNDLE_NOT_FOUND',
    `${what} found where that of ${trustDomain.name} is wanted (B-6)`,
  )
}

function requireTrustBundle(bundle: TrustBundle): TrustBundle {
  if ((Object(bundle) as Partial<TrustBundle>).trustDomain instanceof TrustDomain) return bundle
  throw new PkiError('ERR_INVALID_ARGUMENT', 'a TrustBundle is wanted')
}

function index(bundles: Iterable<TrustBundle>): ReadonlyMap<string, TrustBundle> {
  const byName = new Map<string, TrustBundle>()
  for (const bundle of bundles) {
    const { name } = requireTrustBundle(bundle).trustDomain
    if (byName.has(name)) throw new PkiError('ERR_BUNDLE_DUPLICATE', `two trust bundles of ${name} (B-7)`)
    byName.set(name, bundle)
  }
  return byName
}
