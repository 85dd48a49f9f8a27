// Several names for one trust domain, as after the rename of a mesh (Istio's trustDomainAliases).

import { PkiError } from '../errors/index.ts'
import { requireIterable } from '../internal/options.ts'
import type { SpiffeId } from './spiffe-id.ts'
import { TrustDomain } from './trust-domain.ts'

/**
 * A trust domain and its aliases.
 *
 * For authorisation, an alias and the trust domain are the same. Bundles are not merged: each SVID is
 * verified with the bundle of the trust domain that it names (rule F-4).
 */
export class TrustDomainAliases {
  /** The primary name, returned by `canonical`. */
  readonly trustDomain: TrustDomain
  readonly #aliases = new Map<string, TrustDomain>()

  /**
   * @throws ERR_TRUST_DOMAIN_INVALID
   * @throws ERR_LIMIT_EXCEEDED more than 256 aliases
   */
  constructor(trustDomain: TrustDomain | string, aliases: Iterable<TrustDomain | string> = []) {
    this.trustDomain = TrustDomain.from(trustDomain)
    for (const alias of requireIterable('aliases', aliases)) {
      const parsed = TrustDomain.from(alias)
      if (!parsed.equals(this.trustDomain)) this.#aliases.set(parsed.name, parsed)
      if (this.#aliases.size > maxAliases) {
        throw new PkiError(
          'ERR_LIMIT_EXCEEDED',
          `more than ${maxAliases} aliases of ${this.trustDomain.name}`,
        )
      }
    }
  }

  /** The aliases, without the trust domain's own name and without duplicates. */
  get aliases(): readonly TrustDomain[] {
    return Object.freeze([...this.#aliases.values()])
  }

  /** Whether this is the trust domain or one of its aliases. */
  has(trustDomain: TrustDomain | string): boolean {
    const name = typeof trustDomain === 'string' ? trustDomain : trustDomain.name
    return this.trustDomain.equals(name) || this.#aliases.has(name)
  }

  /**
   * The ID under every name of the trust domain: itself first, then the others.
   * An ID of a foreign trust domain is returned alone (Istio adds our aliases to
   * it too, which would let a foreign ID pass for a local one).
   *
   * @throws ERR_SPIFFE_ID_INVALID an alias makes the ID longer than 2,048 bytes
   */
  expand(id: SpiffeId): SpiffeId[] {
    if (!this.has(id.trustDomain)) return [id]
    const others = [this.trustDomain, ...this.#aliases.values()].filter((name) => !id.memberOf(name))
    return [id, ...others.map((name) => id.withTrustDomain(name))]
  }

  /** `expand` over several IDs, in order, without duplicates. */
  expandAll(ids: Iterable<SpiffeId>): SpiffeId[] {
    const expanded = new Map<string, SpiffeId>()
    for (const id of ids) for (const one of this.expand(id)) expanded.set(one.toString(), one)
    return [...expanded.values()]
  }

  /**
   * The ID under the trust domain's primary name; a foreign ID is returned unchanged.
   *
   * @throws ERR_SPIFFE_ID_INVALID the ID would be longer than 2,048 bytes
   */
  canonical(id: SpiffeId): SpiffeId {
    return this.#aliases.has(id.trustDomainName) ? id.withTrustDomain(this.trustDomain) : id
  }

  /** Whether both IDs name the same workload, with aliases treated as equal. */
  equivalent(left: SpiffeId, right: SpiffeId): boolean {
    if (left.equals(right)) return true
    return left.path === right.path && this.has(left.trustDomain) && this.has(right.trustDomain)
  }
}

/** Far above any real mesh; limits the output of `expand`. */
const maxAliases = 256
