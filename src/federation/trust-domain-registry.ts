// Our trust domain and those that it federates with: aliases, policies and bundles, each domain apart from
// the others.

import { PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { SpiffeId, TrustDomain } from '../spiffe/index.ts'
import type { TrustDomainAliases } from '../spiffe/index.ts'
import { TrustBundle } from '../svid/index.ts'
import type { BundleSource } from '../svid/index.ts'
import { bad } from './federation-rules.ts'
import type { FederationMode, TrustDomainPolicy } from './federation-rules.ts'
import { readFederated, readOwn } from './registry-entry.ts'
import type { FederatedTrustDomain, RegistryEntry, TrustDomainRegistryOptions } from './registry-entry.ts'

/** The current state of one trust domain of the registry. @inline */
export interface RegisteredTrustDomain {
  readonly trustDomain: TrustDomain
  /** `own` for our own trust domain. */
  readonly mode: FederationMode | 'own'
  /** Undefined until a bundle is accepted, and after the federation has ended. */
  readonly bundle: TrustBundle | undefined
  readonly policy: TrustDomainPolicy
  readonly expiresAt: Date | undefined
  /** Whether its SVIDs can be verified now. */
  readonly trusted: boolean
}

/** A change of the registry. @inline */
export interface RegistryChange {
  readonly trustDomain: TrustDomain
  /** `bundle`: a new bundle took effect; `removed` and `expired`: the trust domain no longer has a bundle. */
  readonly kind: 'bundle' | 'removed' | 'expired'
  readonly bundle: TrustBundle | undefined
}

/**
 * The trusted trust domains, and the bundle of each. It is a `BundleSource`: an SVID is verified only by the
 * bundle of the trust domain that it names (rules B-6, F-4). A federation has no bundle from the moment when
 * it ends.
 *
 * It can have at most 1,000 trust domains.
 *
 * @example
 * ```ts
 * const registry = new TrustDomainRegistry({
 *   own: { trustDomain: 'example.org', aliases: ['old.example'], bundle },
 *   federated: [{ trustDomain: 'partner.test', mode: 'automatic', expiresAt: new Date('2027-01-01') }],
 * })
 * const validator = new X509SvidValidator({ bundles: registry })
 * ```
 */
export class TrustDomainRegistry implements BundleSource, AsyncDisposable {
  /** Our trust domain and its former names. */
  readonly aliases: TrustDomainAliases
  readonly #clock: Clock
  readonly #entries = new Map<string, RegistryEntry>()
  readonly #listeners = new Set<(change: RegistryChange) => void>()
  #cancel: () => void = () => undefined
  #closed = false

  /**
   * @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID; ERR_BUNDLE_DUPLICATE a trust domain twice;
   * ERR_LIMIT_EXCEEDED
   */
  constructor(options: TrustDomainRegistryOptions) {
    const read = readOptions('TrustDomainRegistry', options, {
      own: 'required',
      federated: 'optional',
      clock: 'optional',
    })
    const { aliases, entry } = readOwn(read.own)
    this.#clock = read.clock ?? systemClock
    this.aliases = aliases
    this.#add(entry)
    for (const one of read.federated ?? []) this.#add(readFederated(one, aliases))
    this.#schedule()
  }

  /**
   * The current bundle; undefined for a trust domain that is not registered, has no bundle yet, or has
   * expired.
   */
  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    const entry = this.#entries.get(trustDomain.name)
    return entry === undefined || this.#isOver(entry) ? undefined : entry.bundle
  }

  /**
   * The trust domain of that name; undefined if it is not registered. An alias of our own trust domain is not
   * a separate entry.
   */
  get(trustDomain: TrustDomain | string): RegisteredTrustDomain | undefined {
    const entry = this.#entries.get(TrustDomain.from(trustDomain).name)
    if (entry === undefined) return undefined
    const { mode, policy, expiresAtMs } = entry
    const bundle = this.bundleFor(entry.trustDomain)
    return Object.freeze({
      trustDomain: entry.trustDomain,
      mode,
      bundle,
      policy,
      expiresAt: expiresAtMs === Infinity ? undefined : new Date(expiresAtMs),
      trusted: bundle !== undefined,
    })
  }

  /** All trust domains: our own first, the others by name. */
  list(): readonly RegisteredTrustDomain[] {
    const [own = '', ...others] = this.#entries.keys()
    return Object.freeze([own, ...others.sort()].map((name) => this.get(name) as RegisteredTrustDomain))
  }

  /** Whether an ID is in our own trust domain, under its current or a former name. */
  isOwn(id: SpiffeId | string): boolean {
    return this.aliases.has(SpiffeId.from(id).trustDomain)
  }

  /**
   * Adds a federated trust domain, or replaces its entry.
   *
   * @throws ERR_INVALID_ARGUMENT, also for our own trust domain; ERR_TRUST_DOMAIN_INVALID, ERR_LIMIT_EXCEEDED
   */
  federate(federated: FederatedTrustDomain): void {
    const entry = readFederated(federated, this.aliases)
    const before = this.bundleFor(entry.trustDomain)
    const known = this.#entries.get(entry.trustDomain.name)
    if (known?.mode === 'own')
      throw bad(`${entry.trustDomain.name} is our own trust domain and cannot be federated with`)
    this.#entries.delete(entry.trustDomain.name)
    this.#add(entry)
    this.#schedule()
    this.#tellBundle(entry, before)
  }

  /**
   * Ends a federation. Returns whether there was one. @throws ERR_INVALID_ARGUMENT for our own trust domain
   */
  remove(trustDomain: TrustDomain | string): boolean {
    const { name } = TrustDomain.from(trustDomain)
    const entry = this.#entries.get(name)
    if (entry === undefined) return false
    if (entry.mode === 'own') throw bad(`${name} is our own trust domain and cannot be removed`)
    this.#entries.delete(name)
    this.#tell({ trustDomain: entry.trustDomain, kind: 'removed', bundle: undefined })
    return true
  }

  /**
   * Sets the bundle of a registered trust domain, on behalf of an operator.
   *
   * @throws ERR_BUNDLE_NOT_FOUND for one that is not registered; ERR_INVALID_ARGUMENT for anything but a
   *   bundle
   */
  setBundle(bundle: TrustBundle): void {
    const entry = this.#entryOf(bundle)
    const before = this.bundleFor(entry.trustDomain)
    entry.bundle = bundle
    this.#tellBundle(entry, before)
  }

  /**
   * Offers a fetched bundle. It takes effect if the mode of its trust domain allows that.
   *
   * @returns whether it took effect
   * @throws ERR_BUNDLE_NOT_FOUND for one that is not registered; ERR_INVALID_ARGUMENT for anything but a
   *   bundle
   */
  offerBundle(bundle: TrustBundle): boolean {
    const entry = this.#entryOf(bundle)
    if (this.#isOver(entry)) return false
    if (entry.bundle?.equals(bundle) === true) return true
    if (!this.#mayReplace(entry, bundle)) return false
    this.setBundle(bundle)
    return true
  }

  /** Calls `listener` after each change. Returns a function that stops the calls. */
  onChange(listener: (change: RegistryChange) => void): () => void {
    const own = (change: RegistryChange): void => {
      listener(change)
    }
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  /** Stops the timer and removes the listeners. Bundles remain until they expire. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#cancel()
    this.#listeners.clear()
    return Promise.resolve()
  }

  #add(entry: RegistryEntry): void {
    const { name } = entry.trustDomain
    if (this.#entries.has(name))
      throw new PkiError('ERR_BUNDLE_DUPLICATE', `the trust domain ${name} is listed twice (B-7)`)
    if (this.#entries.size >= maxTrustDomains)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxTrustDomains} trust domains`)
    this.#entries.set(name, entry)
  }

  #entryOf(bundle: TrustBundle): RegistryEntry {
    if (!(bundle instanceof TrustBundle)) throw bad('expected a TrustBundle')
    const { name } = bundle.trustDomain
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    throw new PkiError('ERR_BUNDLE_NOT_FOUND', `the trust domain ${name} is not registered`)
  }

  #mayReplace({ mode, accepts, bundle: current }: RegistryEntry, bundle: TrustBundle): boolean {
    if (mode === 'automatic') return true
    if (mode !== 'conditional') return false
    try {
      return (accepts?.(bundle, current) as unknown) === true
    } catch {
      return false
    }
  }

  #isOver({ expiresAtMs }: RegistryEntry): boolean {
    return this.#clock.now() >= expiresAtMs
  }

  /** Sets a timer for the next expiry, in order to notify listeners; the bundle ends without it. */
  #schedule(): void {
    this.#cancel()
    if (this.#closed) return
    const next = Math.min(
      ...[...this.#entries.values()].filter(({ expired }) => !expired).map(({ expiresAtMs }) => expiresAtMs),
    )
    if (next === Infinity) return
    const waitMs = Math.min(Math.max(next - this.#clock.now(), 0), maxWaitMs)
    this.#cancel = this.#clock.schedule(() => {
      for (const entry of this.#entries.values()) {
        if (entry.expired || !this.#isOver(entry)) continue
        entry.expired = true
        this.#tell({ trustDomain: entry.trustDomain, kind: 'expired', bundle: undefined })
      }
      this.#schedule()
    }, waitMs)
  }

  #tellBundle({ trustDomain }: RegistryEntry, before: TrustBundle | undefined): void {
    const bundle = this.bundleFor(trustDomain)
    if (bundle === before || (bundle !== undefined && before?.equals(bundle) === true)) return
    this.#tell({ trustDomain, kind: bundle === undefined ? 'removed' : 'bundle', bundle })
  }

  #tell(change: RegistryChange): void {
    // A listener that throws must not prevent the others from getting a new root; the first error is thrown
    // after all calls.
    const errors: unknown[] = []
    for (const listener of [...this.#listeners]) {
      try {
        listener(Object.freeze(change))
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

const maxTrustDomains = 1000
/** Longer timers overflow to one millisecond. */
const maxWaitMs = 24 * 3600 * 1000
