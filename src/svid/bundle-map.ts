// Several trust bundles in one document, keyed by trust domain (SPIFFE_Trust_Domain_and_Bundle.md section 5).

import { PkiError } from '../errors/index.ts'
import { formatJson, isJsonObject, parseJson } from '../internal/json.ts'
import type { JsonObject } from '../internal/json.ts'
import { checkCounts } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import { TrustDomain } from '../spiffe/index.ts'
import type { IgnoredKey } from './bundle-authorities.ts'
import { TrustBundleSet } from './bundle-source.ts'
import { indentOf, readSpiffeBundle, spiffeBundleObject } from './spiffe-bundle-document.ts'
import type { FormatBundleOptions } from './spiffe-bundle-document.ts'
import type { TrustBundle } from './trust-bundle.ts'

/** How a bundle map is read. @inline */
export interface BundleMapOptions {
  /** Called for each entry that was skipped in any bundle. */
  readonly onIgnoredKey?: ((ignored: IgnoredKey) => void) | undefined
  /** Maximum size of the document in bytes. Default 16 MiB. */
  readonly maxBytes?: number
  /** Maximum number of trust domains. Default 10,000. */
  readonly maxTrustDomains?: number
  /** Maximum number of entries in `keys` of one bundle. Default 1,000. */
  readonly maxKeys?: number
}

/**
 * Reads a bundle map, all or nothing (appendix B.1): one unreadable bundle refuses the map, and the caller
 * keeps its previous bundles. A trust domain that appears twice is refused (rule B-7). Refresh hints of the
 * bundles are dropped (rule B-8).
 *
 * @throws ERR_BUNDLE_MALFORMED `trust_domains` is absent or not an object, or a bundle is malformed
 * @throws ERR_JSON also for a trust domain that appears twice
 * @throws ERR_TRUST_DOMAIN_INVALID, ERR_LIMIT_EXCEEDED; ERR_INVALID_ARGUMENT for an invalid limit
 */
export function parseBundleMap(
  document: string | Uint8Array,
  options: BundleMapOptions = {},
): TrustBundleSet {
  const {
    maxBytes = defaultMaxMapBytes,
    maxTrustDomains = defaultMaxTrustDomains,
    maxKeys,
    onIgnoredKey,
  } = readOptions<BundleMapOptions>('parseBundleMap', options, {
    onIgnoredKey: 'optional',
    maxBytes: 'guard',
    maxTrustDomains: 'guard',
    maxKeys: 'guard',
  })
  checkCounts({ maxBytes, maxTrustDomains, maxKeys }, 0, Infinity)
  const value = parseJson(document, { maxBytes, maxValues, bigIntegers: true })
  const domains = isJsonObject(value) ? value['trust_domains'] : undefined
  if (!isJsonObject(domains)) {
    throw new PkiError('ERR_BUNDLE_MALFORMED', 'trust_domains is absent or not an object (B-7)')
  }
  const names = Object.keys(domains)
  if (names.length > maxTrustDomains) {
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `the map has ${names.length} trust domains; the maximum is ${maxTrustDomains}`,
    )
  }
  return new TrustBundleSet(
    names.map((name) => {
      const bundle = readSpiffeBundle(domains[name] ?? null, {
        trustDomain: plainName(name),
        onIgnoredKey,
        ...(maxKeys === undefined ? {} : { maxKeys }),
      })
      return bundle.with({ refreshHintSeconds: undefined })
    }),
  )
}

/**
 * Writes a bundle map, sorted by the name of the trust domain, without refresh hints (rule B-8).
 *
 * @throws ERR_BUNDLE_DUPLICATE two bundles of one trust domain
 * @throws ERR_KEY_UNSUPPORTED an authority's key has no JWK form; ERR_INVALID_ARGUMENT
 */
export function formatBundleMap(
  bundles: Iterable<TrustBundle> | TrustBundleSet,
  options: FormatBundleOptions = {},
): string {
  const set = bundles instanceof TrustBundleSet ? bundles : new TrustBundleSet(bundles)
  const domains: Record<string, JsonObject> = Object.create(null) as Record<string, JsonObject>
  for (const bundle of set.bundles)
    domains[bundle.trustDomain.name] = spiffeBundleObject(bundle, { refreshHint: false })
  return formatJson({ trust_domains: domains }, indentOf(options))
}

/**
 * The key is the name itself: with `spiffe://a` allowed beside `a`, one trust domain could appear twice
 * (B-7).
 */
function plainName(name: string): TrustDomain {
  const trustDomain = TrustDomain.parse(name)
  if (trustDomain.name !== name) {
    throw new PkiError(
      'ERR_TRUST_DOMAIN_INVALID',
      'the keys of a bundle map must be names of trust domains, not SPIFFE IDs (B-7)',
    )
  }
  return trustDomain
}

const defaultMaxMapBytes = 16 * 1024 * 1024
const defaultMaxTrustDomains = 10_000
/** Ten members for each of ten keys in each trust domain. */
const maxValues = 1_000_000
