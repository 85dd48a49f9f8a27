// One trust domain of the registry: as it is given, and as it is held.

import { readOptions } from '../internal/options.ts'
import type { Clock } from '../runtime/index.ts'
import { TrustDomain, TrustDomainAliases } from '../spiffe/index.ts'
import { TrustBundle } from '../svid/index.ts'
import { bad, copyPolicy, readMode } from './federation-rules.ts'
import type { ConditionalTest, FederationMode, TrustDomainPolicy } from './federation-rules.ts'

/** Our own trust domain. @inline */
interface OwnTrustDomain {
  readonly trustDomain: TrustDomain | string
  /**
   * Former names: an ID under one of them is the same workload. An SVID with a former name is verified only
   * by a bundle of that name.
   */
  readonly aliases?: Iterable<TrustDomain | string> | undefined
  readonly bundle?: TrustBundle | undefined
  readonly policy?: TrustDomainPolicy
}

/** A federated trust domain. @inline */
export interface FederatedTrustDomain {
  readonly trustDomain: TrustDomain | string
  /**
   * How a bundle takes effect. `manual`: only by `setBundle`. `automatic`: also by `offerBundle`, which the
   * code that fetches bundles calls. `conditional`: also by `offerBundle`, if `accepts` returns true.
   */
  readonly mode: FederationMode
  /**
   * For `conditional`: whether a bundle may replace the current one. Only `true` accepts it; an error refuses
   * it.
   */
  readonly accepts?: ConditionalTest
  /** The first bundle. */
  readonly bundle?: TrustBundle | undefined
  readonly policy?: TrustDomainPolicy
  /** From this time on no SVID of the trust domain is valid. Default: no end. */
  readonly expiresAt?: Date
}

/** Options of `TrustDomainRegistry`. @inline */
export interface TrustDomainRegistryOptions {
  readonly own: OwnTrustDomain
  readonly federated?: Iterable<FederatedTrustDomain> | undefined
  readonly clock?: Clock | undefined
}

/** The data of a trust domain in the registry. */
export interface RegistryEntry {
  readonly trustDomain: TrustDomain
  readonly mode: FederationMode | 'own'
  readonly accepts: ConditionalTest | undefined
  readonly policy: TrustDomainPolicy
  readonly expiresAtMs: number
  bundle: TrustBundle | undefined
  /** Whether listeners were notified that it has expired. */
  expired: boolean
}

/**
 * Reads our own trust domain, with its former names. @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID
 */
export function readOwn(given: OwnTrustDomain): {
  readonly aliases: TrustDomainAliases
  readonly entry: RegistryEntry
} {
  const own = readOptions('TrustDomainRegistry', given, {
    trustDomain: 'required',
    aliases: 'optional',
    bundle: 'optional',
    policy: 'guard',
  })
  const aliases = new TrustDomainAliases(own.trustDomain, own.aliases ?? [])
  const { trustDomain } = aliases
  const entry: RegistryEntry = {
    trustDomain,
    mode: 'own',
    accepts: undefined,
    policy: copyPolicy(own.policy),
    expiresAtMs: Infinity,
    bundle: own.bundle && requireBundleOf(own.bundle, trustDomain),
    expired: false,
  }
  return { aliases, entry }
}

/**
 * Reads a federated trust domain; `aliases` has the names of our own.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID
 */
export function readFederated(federated: FederatedTrustDomain, aliases: TrustDomainAliases): RegistryEntry {
  const read = readOptions('TrustDomainRegistry', federated, {
    trustDomain: 'required',
    mode: 'required',
    accepts: 'guard',
    bundle: 'optional',
    policy: 'guard',
    expiresAt: 'guard',
  })
  const trustDomain = TrustDomain.from(read.trustDomain)
  const { expiresAt } = read
  if (aliases.has(trustDomain))
    throw bad(`${trustDomain.name} is a name of our own trust domain and cannot be federated with`)
  if (expiresAt !== undefined && !(expiresAt instanceof Date && !Number.isNaN(expiresAt.getTime())))
    throw bad('expiresAt is not a valid Date')
  return {
    trustDomain,
    mode: readMode(read.mode, read.accepts),
    accepts: read.accepts,
    policy: copyPolicy(read.policy),
    expiresAtMs: expiresAt?.getTime() ?? Infinity,
    bundle: read.bundle && requireBundleOf(read.bundle, trustDomain),
    expired: false,
  }
}

function requireBundleOf(bundle: TrustBundle, trustDomain: TrustDomain): TrustBundle {
  if (bundle instanceof TrustBundle && bundle.trustDomain.equals(trustDomain)) return bundle
  throw bad(`the bundle is not one of ${trustDomain.name} (B-6)`)
}
