// Trust bundles in the SPIFFE format, a JWK set: SPIFFE_Trust_Domain_and_Bundle.md section 4.

import { PkiError } from '../errors/index.ts'
import { formatJson, isJsonObject, parseJson } from '../internal/json.ts'
import type { JsonObject, JsonValue } from '../internal/json.ts'
import { checkCounts, requireCount } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import { nameOf, shownValue } from '../internal/values/name-of.ts'
import { TrustDomain } from '../spiffe/index.ts'
import type { IgnoredKey } from './bundle-authorities.ts'
import { readKeys } from './bundle-keys.ts'
import type { KeysWithoutUse } from './bundle-keys.ts'
import { requireTrustBundle } from './bundle-source.ts'
import { jwkOfPublicKey } from './jwt/jwt-authority.ts'
import { TrustBundle } from './trust-bundle.ts'

/** Options for reading a SPIFFE bundle. @inline */
export interface SpiffeBundleOptions {
  /** The configured trust domain of the bundle: the document does not contain it (rule B-6). */
  readonly trustDomain: TrustDomain | string
  /** Called for each skipped entry; the bundle is valid without it (rules B-5, X-14). */
  readonly onIgnoredKey?: ((ignored: IgnoredKey) => void) | undefined
  /**
   * The use of entries without `use`: `jwt-svid` in the JWK sets of the Workload API (FetchJWTBundles). By
   * default such entries are ignored, because a bundle must state the use (rule B-5).
   */
  readonly keysWithoutUse?: KeysWithoutUse | undefined
  /** Maximum size of the document in bytes. Default 1 MiB. */
  readonly maxBytes?: number
  /** Maximum number of entries in `keys`. Default 1,000. */
  readonly maxKeys?: number
}

/**
 * Reads a trust bundle in the SPIFFE format. An invalid entry is skipped. If `keys` is empty or has no usable
 * entry, the bundle revokes everything (rule B-4). `ignored` of the bundle lists the skipped entries.
 *
 * @throws ERR_BUNDLE_MALFORMED `keys` is absent or not an array, or a number is invalid
 * @throws ERR_JSON, ERR_LIMIT_EXCEEDED, ERR_TRUST_DOMAIN_INVALID; ERR_INVALID_ARGUMENT for an invalid limit
 * or a document of the wrong type
 * @example
 * ```ts
 * const bundle = parseSpiffeBundle(document, {
 *   trustDomain: 'partner.org',
 *   onIgnoredKey: ({ index, reason }) => console.warn(index, reason),
 * })
 * ```
 */
export function parseSpiffeBundle(document: string | Uint8Array, options: SpiffeBundleOptions): TrustBundle {
  const read = readOptions<SpiffeBundleOptions>('parseSpiffeBundle', options, {
    trustDomain: 'required',
    onIgnoredKey: 'optional',
    keysWithoutUse: 'optional',
    maxBytes: 'guard',
    maxKeys: 'guard',
  })
  const { maxBytes = defaultMaxBytes, maxKeys, keysWithoutUse = 'ignore' } = read
  checkCounts({ maxBytes, maxKeys }, 0, Infinity)
  if (!keysWithoutUseValues.includes(keysWithoutUse))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `keysWithoutUse must be 'ignore' or 'jwt-svid', found ${shownValue(keysWithoutUse)}`,
    )
  return readSpiffeBundle(parseJson(document, { maxBytes, bigIntegers: true }), read)
}

/** Options for writing a SPIFFE bundle. @inline */
export interface FormatBundleOptions {
  /** Spaces per level, at most 100. Default 0: one line. */
  readonly indent?: number | undefined
}

/**
 * Writes a trust bundle in the SPIFFE format: one JWK per authority (rules X-13, J-12).
 *
 * @throws ERR_KEY_UNSUPPORTED an authority's key has no JWK form; ERR_INVALID_ARGUMENT
 */
export function formatSpiffeBundle(bundle: TrustBundle, options: FormatBundleOptions = {}): string {
  return formatJson(spiffeBundleObject(requireTrustBundle(bundle), { refreshHint: true }), indentOf(options))
}

/** A bundle from JSON that was parsed with big integers. */
export function readSpiffeBundle(value: JsonValue, options: SpiffeBundleOptions): TrustBundle {
  if (!isJsonObject(value)) throw malformed(`found ${nameOf(value)}, expected an object`)
  const { keys } = value
  if (!Array.isArray(keys))
    throw malformed(
      keys === undefined ? 'keys is absent (B-4)' : `keys is ${nameOf(keys)}, expected an array (B-4)`,
    )
  const { maxKeys = defaultMaxKeys } = options
  if (keys.length > maxKeys) {
    throw new PkiError('ERR_LIMIT_EXCEEDED', `${keys.length} keys in the bundle; the maximum is ${maxKeys}`)
  }
  const sequence = wholeNumber(value, 'spiffe_sequence')
  const hint = wholeNumber(value, 'spiffe_refresh_hint')
  const trustDomain = TrustDomain.from(options.trustDomain)
  const authorities = readKeys(keys as readonly JsonValue[], trustDomain.name, options.keysWithoutUse)
  for (const each of authorities.ignored) options.onIgnoredKey?.(each)
  return new TrustBundle(trustDomain, {
    ...authorities,
    sequenceNumber: sequence,
    // Only a hint (B-3): a value above 285 million years is ignored.
    refreshHintSeconds:
      hint === undefined || hint > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(hint),
  })
}

/** The JSON of a bundle. In a bundle map, producers omit the hint (rule B-8). */
export function spiffeBundleObject(
  bundle: TrustBundle,
  include: { readonly refreshHint: boolean },
): JsonObject {
  const keys: JsonValue[] = []
  for (const { publicKey, der } of bundle.x509Authorities) {
    // base64, not base64url; exactly one certificate; no kid.
    const x5c = [Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64')]
    keys.push({ use: 'x509-svid', ...jwkOfPublicKey(publicKey), x5c })
  }
  for (const authority of bundle.jwtAuthorities) keys.push(authority.toJwk())
  return {
    keys,
    spiffe_sequence: bundle.sequenceNumber,
    spiffe_refresh_hint: include.refreshHint ? bundle.refreshHintSeconds : undefined,
  }
}

/** @throws ERR_INVALID_ARGUMENT for an invalid number of spaces, and for an unknown option */
export function indentOf(options: FormatBundleOptions): number {
  const { indent = 0 } = readOptions<FormatBundleOptions>('FormatBundleOptions', options, {
    indent: 'optional',
  })
  return requireCount('indent', indent, 0, 100)
}

function wholeNumber(value: JsonObject, name: string): bigint | undefined {
  const found = value[name]
  if (found === undefined) return undefined
  if (typeof found === 'bigint' && found >= 0n) return found
  if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return BigInt(found)
  throw malformed(`${name} is ${shownValue(found)}, expected an integer of at least 0 (B-2, B-3)`)
}

function malformed(reason: string): PkiError<'ERR_BUNDLE_MALFORMED'> {
  return new PkiError('ERR_BUNDLE_MALFORMED', `not a SPIFFE trust bundle: ${reason}`)
}

const defaultMaxBytes = 1024 * 1024
const defaultMaxKeys = 1000
const keysWithoutUseValues: readonly unknown[] = ['ignore', 'jwt-svid']
