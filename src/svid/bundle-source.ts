// The source of trust bundles for verification: the contract, and the mutable set that rotation updates.

import { PkiError } from '../errors/index.ts'
import { requireIterable } from '../internal/options.ts'
import { TrustDomain } from '../spiffe/index.ts'
import type { TrustBundle } from './trust-bundle.ts'

/**
 * Returns the bundle of one trust domain, or undefined: then no SVID of that trust domain is valid.
 *
 * Returns at once from memory. An implementation must never return the bundle of another trust domain (rules
 * B-6, F-4); verification checks this.
 */
export interface BundleSource {
  /** The bundle of exactly this trust domain, synchronously; undefined if there is none. */
  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined
  /**
   * Calls `listener` after each change of the bundles. Returns a function that stops the calls. Without this
   * method, objects that were created from the source use the old bundles until their own next renewal.
   */
  onChange?(listener: () => void): () => void
}

/** A change in a `TrustBundleSet`; `bundle` is undefined if the trust domain was removed. @inline */
export interface TrustBundleChange {
  /** The trust domain of the bundle. */
  readonly trustDomain: TrustDomain
  /** The new bundle; undefined if it was removed. */
  readonly bundle: TrustBundle | undefined
}

/**
 * The bundles of several trust domains, kept separate. Mutable and observable; each change is atomic.
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

  /** The number of trust domains. */
  get size(): number {
    return this.#bundles.size
  }

  /** The current bundles, sorted by the name of the trust domain. */
  get bundles(): readonly TrustBundle[] {
    const bundles = [...this.#bundles.values()]
    return Object.freeze(
      bundles.sort((left, right) => TrustDomain.compare(left.trustDomain, right.trustDomain)),
    )
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#bundles.get(trustDomain.name)
  }

  /** Whether the set has a bundle of this trust domain. @throws ERR_TRUST_DOMAIN_INVALID */
  has(trustDomain: TrustDomain | string): boolean {
    return this.#bundles.has(TrustDomain.from(trustDomain).name)
  }

  /**
   * Adds or replaces the bundle of a trust domain.
   * @throws ERR_INVALID_ARGUMENT if the value is not a TrustBundle
   */
  set(bundle: TrustBundle): void {
    this.#become(new Map(this.#bundles).set(requireTrustBundle(bundle).trustDomain.name, bundle))
  }

  /**
   * Removes a trust domain (rule F-14): its SVIDs are then invalid. Returns whether the set had its bundle.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID for an invalid name, so that a typo does not leave the bundle in place
   */
  delete(trustDomain: TrustDomain | string): boolean {
    const bundles = new Map(this.#bundles)
    const found = bundles.delete(TrustDomain.from(trustDomain).name)
    if (found) this.#become(bundles)
    return found
  }

  /**
   * Replaces all bundles at once by these (SPIFFE_Trust_Domain_and_Bundle.md, appendix B.1).
   *
   * @throws ERR_BUNDLE_DUPLICATE; the set is then unchanged
   */
  replaceAll(bundles: Iterable<TrustBundle>): void {
    this.#become(index(bundles))
  }

  /**
   * Calls `listener` after each effective change, once per trust domain. Returns a function that stops the
   * calls.
   */
  onChange(listener: (change: TrustBundleChange) => void): () => void {
    // Wrapped, so that the same function registered twice is two listeners, and stopping one keeps the other.
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
    // A listener that throws must not prevent the call of other listeners, nor later calls of itself. The
    // first error is thrown after all calls.
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
 * Reads the bundle of a trust domain from a source that may be user code.
 *
 * @throws ERR_BUNDLE_NOT_FOUND if there is none, or if the source returned the bundle of another trust domain
 * (rule B-6)
 */
export function requireBundle(trustDomain: TrustDomain, source: BundleSource): TrustBundle {
  const bundle = source.bundleFor(trustDomain)
  // A Promise, returned by mistake from an async source, has no trust domain.
  const { trustDomain: found } = Object(bundle) as Partial<TrustBundle>
  if (bundle !== undefined && found?.equals(trustDomain) === true) return bundle
  const what = found === undefined ? 'no trust bundle' : `the trust bundle of ${found.name}`
  throw new PkiError(
    'ERR_BUNDLE_NOT_FOUND',
    `found ${what}, expected the bundle of ${trustDomain.name} (B-6)`,
  )
}

export function requireTrustBundle(bundle: TrustBundle): TrustBundle {
  if ((Object(bundle) as Partial<TrustBundle>).trustDomain instanceof TrustDomain) return bundle
  throw new PkiError('ERR_INVALID_ARGUMENT', 'expected a TrustBundle')
}

function index(bundles: Iterable<TrustBundle>): ReadonlyMap<string, TrustBundle> {
  const byName = new Map<string, TrustBundle>()
  for (const bundle of requireIterable('bundles', bundles)) {
    const { name } = requireTrustBundle(bundle).trustDomain
    if (byName.has(name)) throw new PkiError('ERR_BUNDLE_DUPLICATE', `two trust bundles of ${name} (B-7)`)
    byName.set(name, bundle)
  }
  return byName
}
