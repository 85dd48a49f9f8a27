// Several trust bundles in one document, each under its trust domain: SPIFFE_Trust_Domain_and_Bundle.md section 5.

import { PkiError } from '../errors/index.ts'
import { formatJson, isJsonObject, parseJson } from '../internal/json.ts'
import type { JsonObject } from '../internal/json.ts'
import { TrustDomain } from '../spiffe/index.ts'
import { TrustBundleSet } from './bundle-source.ts'
import { readSpiffeBundle, spiffeBundleObject } from './spiffe-bundle-document.ts'
import type { FormatBundleOptions, IgnoredKey } from './spiffe-bundle-document.ts'
import type { TrustBundle } from './trust-bundle.ts'

/** How a bundle map is read. */
export interface BundleMapOptions {
  /** Told of each entry that was passed over in any bundle. */
  readonly onIgnoredKey?: ((ignored: IgnoredKey) => void) | undefined
  /** Longest document in bytes; 16 MiB if not given. */
  readonly maxBytes?: number
  /** Most trust domains; 10,000 if not given. */
  readonly maxTrustDomains?: number
  /** Most entries in `keys` of one bundle; 1,000 if not given. */
  readonly maxKeys?: number
}

/**
 * Reads a bundle map, all or nothing (appendix B.1): one bundle that cannot be read refuses the map, and the caller keeps what
 * it had. A trust domain that appears twice is refused (rule B-7). Refresh hints of the bundles are dropped (rule B-8).
 *
 * @throws ERR_BUNDLE_MALFORMED `trust_domains` is absent or no object, a bundle is malformed
 * @throws ERR_JSON also for a trust domain that appears twice
 * @throws ERR_TRUST_DOMAIN_INVALID, ERR_LIMIT_EXCEEDED
 */
export function parseBundleMap(document: string | Uint8Array, options: BundleMapOptions = {}): TrustBundleSet {
  const { maxBytes = defaultMaxBytes, maxTrustDomains = defaultMaxTrustDomains, onIgnoredKey } = options
  const value = parseJson(document, { maxBytes, maxValues, bigIntegers: true })
  const domains = isJsonObject(value) ? value['trust_domains'] : undefined
  if (!isJsonObject(domains)) {
    throw new PkiError('ERR_BUNDLE_MALFORMED', 'not a bundle map: trust_domains is absent or no object (B-7)')
  }
  const names = Object.keys(domains)
  if (names.length > maxTrustDomains) {
    throw new PkiError('ERR_LIMIT_EXCEEDED', `${names.length} trust domains in one map, at most ${maxTrustDomains} wanted`)
  }
  return new TrustBundleSet(
    names.map((name) => {
      const limits = options.maxKeys === undefined ? {} : { maxKeys: options.maxKeys }
      const bundle = readSpiffeBundle(domains[name] ?? null, { trustDomain: plainName(name), onIgnoredKey, ...limits })
      return bundle.with({ refreshHintSeconds: undefined })
    }),
  )
}

/**
 * Writes a bundle map, trust domains by name, without refresh hints (rule B-8).
 *
 * @throws ERR_BUNDLE_DUPLICATE two bundles of one trust domain
 * @throws ERR_KEY_UNSUPPORTED an authority's key has no JWK form
 */
export function formatBundleMap(bundles: Iterable<TrustBundle> | TrustBundleSet, options: FormatBundleOptions = {}): string {
  const set = bundles instanceof TrustBundleSet ? bundles : new TrustBundleSet(bundles)
  const domains: Record<string, JsonObject> = Object.create(null) as Record<string, JsonObject>
  for (const bundle of set.bundles) domains[bundle.trustDomain.name] = spiffeBundleObject(bundle, { refreshHint: false })
  return formatJson({ trust_domains: domains }, options.indent)
}

/** The key is the name itself: `spiffe://a` beside `a` would be one trust domain twice (B-7). */
function plainName(name: string): TrustDomain {
  const trustDomain = TrustDomain.parse(name)
  if (trustDomain.name !== name) {
    throw new PkiError('ERR_TRUST_DOMAIN_INVALID', 'a bundle map has names for keys, not SPIFFE IDs (B-7)')
  }
  return trustDomain
}

const defaultMaxBytes = 16 * 1024 * 1024
const defaultMaxTrustDomains = 10_000
/** Ten members for each of ten keys in each trust domain. */
const maxValues = 1_000_000
