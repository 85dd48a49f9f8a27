// Trust bundles in the SPIFFE format, a JWK set: SPIFFE_Trust_Domain_and_Bundle.md section 4,
// X509-SVID.md section 6, JWT-SVID.md section 6.
// Several trust bundles in one document, each under its trust domain: SPIFFE_Trust_Domain_and_Bundle.md section 5.

import { isPkiError, PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { decodeBase64, equalBytes } from '../internal/bytes.ts'
import { formatJson, isJsonObject, parseJson } from '../internal/json.ts'
import type { JsonObject, JsonValue } from '../internal/json.ts'
import { checkCounts, requireCount } from '../internal/numbers.ts'
import { TrustDomain } from '../spiffe/index.ts'
import { Certificate } from '../x509/index.ts'
import { TrustBundleSet } from './bundle-source.ts'
import {
  hasKeyMembers,
  jwkOfPublicKey,
  publicKeyOfJwk,
  refusePrivate,
  JwtAuthority,
} from './jwt-authority.ts'
import { TrustBundle } from './trust-bundle.ts'

/** An entry of `keys` that was passed over, and why. */
export interface IgnoredKey {
  /** Name of the trust domain whose bundle it stands in. */
  readonly trustDomain: string
  /** Place in `keys`, from 0. */
  readonly index: number
  /** What is wrong with it, as a code. */
  readonly code: PkiErrorCode
  /** What is wrong with it, in words. */
  readonly reason: string
}

/** How a SPIFFE bundle is read. */
export interface SpiffeBundleOptions {
  /** The trust domain that the bundle was configured for: the document does not name it (rule B-6). */
  readonly trustDomain: TrustDomain | string
  /** Told of each entry that was passed over; the bundle is valid without it (rules B-5, X-14). */
  readonly onIgnoredKey?: ((ignored: IgnoredKey) => void) | undefined
  /** Longest document in bytes; 1 MiB if not given. */
  readonly maxBytes?: number | undefined
  /** Most entries in `keys`; 1,000 if not given. */
  readonly maxKeys?: number | undefined
}

/**
 * Reads a trust bundle in the SPIFFE format. A bad entry is passed over, alone; `keys` that is empty, or has nothing usable,
 * gives a bundle that revokes everything (rule B-4).
 *
 * @throws ERR_BUNDLE_MALFORMED `keys` is absent or no array, a number is broken
 * @throws ERR_JSON, ERR_LIMIT_EXCEEDED, ERR_TRUST_DOMAIN_INVALID; ERR_INVALID_ARGUMENT for a limit that is none, and for what is no document
 * @example
 * ```ts
 * const bundle = parseSpiffeBundle(document, { trustDomain: 'partner.org', onIgnoredKey: ({ index, reason }) => console.warn(index, reason) })
 * ```
 */
export function parseSpiffeBundle(document: string | Uint8Array, options: SpiffeBundleOptions): TrustBundle {
  const { maxBytes = defaultMaxBytes, maxKeys } = Object(options) as SpiffeBundleOptions
  checkCounts({ maxBytes, maxKeys }, 0, Infinity)
  return readSpiffeBundle(parseJson(document, { maxBytes, bigIntegers: true }), options)
}

/** How a SPIFFE bundle is written. */
export interface FormatBundleOptions {
  /** Spaces per level, at most 100; 0, one line, if not given. */
  readonly indent?: number | undefined
}

/**
 * Writes a trust bundle in the SPIFFE format: one JWK per authority (rules X-13, J-12).
 *
 * @throws ERR_KEY_UNSUPPORTED an authority's key has no JWK form; ERR_INVALID_ARGUMENT
 */
export function formatSpiffeBundle(bundle: TrustBundle, options: FormatBundleOptions = {}): string {
  return formatJson(spiffeBundleObject(bundle, { refreshHint: true }), indentOf(options))
}

/** A bundle from JSON that was read with big integers. For `bundle-map.ts`. */
function readSpiffeBundle(value: JsonValue, options: SpiffeBundleOptions): TrustBundle {
  if (!isJsonObject(value)) throw malformed('the bundle is no object')
  const { keys } = value
  if (!Array.isArray(keys))
    throw malformed(keys === undefined ? 'keys is absent (B-4)' : 'keys is no array (B-4)')
  const { maxKeys = defaultMaxKeys } = options
  if (keys.length > maxKeys) {
    throw new PkiError('ERR_LIMIT_EXCEEDED', `${keys.length} keys in one bundle, at most ${maxKeys} wanted`)
  }
  const sequence = wholeNumber(value, 'spiffe_sequence')
  const hint = wholeNumber(value, 'spiffe_refresh_hint')
  return new TrustBundle(options.trustDomain, {
    ...readKeys(keys as readonly JsonValue[], options),
    sequenceNumber: sequence,
    // A hint only (B-3): one of more than 285 million years is no hint.
    refreshHintSeconds:
      hint === undefined || hint > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(hint),
  })
}

/** The JSON of a bundle. For `bundle-map.ts`, where producers leave out the hint (rule B-8). */
function spiffeBundleObject(bundle: TrustBundle, include: { readonly refreshHint: boolean }): JsonObject {
  const keys: JsonValue[] = []
  for (const { publicKey, der } of bundle.x509Authorities) {
    // base64 and not base64url, exactly one certificate, no kid.
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

interface Authorities {
  readonly x509Authorities: Certificate[]
  readonly jwtAuthorities: JwtAuthority[]
}

function readKeys(keys: readonly JsonValue[], options: SpiffeBundleOptions): Authorities {
  const authorities: Authorities = { x509Authorities: [], jwtAuthorities: [] }
  const keyIds = new Set<string>()
  for (const [index, jwk] of keys.entries()) {
    try {
      readKey(jwk, authorities, keyIds)
    } catch (error) {
      if (!isPkiError(error)) throw error
      const { code, message: reason } = error
      options.onIgnoredKey?.({ trustDomain: String(options.trustDomain), index, code, reason })
    }
  }
  return authorities
}

/** Adds what one entry holds. @throws any PkiError: the entry is then ignored */
function readKey(
  jwk: JsonValue,
  { x509Authorities, jwtAuthorities }: Authorities,
  keyIds: Set<string>,
): void {
  if (!isJsonObject(jwk)) throw ignored('the entry is no object')
  refusePrivate(jwk)
  const { use } = jwk
  // B-5: `use` is compared as it stands; wit-svid (incubating) is a use that we do not know. A `kty` that is missing or unknown is no key's below.
  if (use === 'x509-svid') {
    x509Authorities.push(readX509Authority(jwk))
  } else if (use === 'jwt-svid') {
    const authority = JwtAuthority.fromJwk(jwk)
    if (keyIds.has(authority.keyId)) throw ignored('its kid appeared before')
    keyIds.add(authority.keyId)
    jwtAuthorities.push(authority)
  } else {
    throw ignored('use is missing or unknown (B-5)')
  }
}

function readX509Authority(jwk: JsonObject): Certificate {
  const { x5c } = jwk
  // the first value counts, the others MUST be ignored, whatever they are.
  const first = Array.isArray(x5c) ? (x5c as readonly JsonValue[])[0] : undefined
  if (typeof first !== 'string') throw ignored('x5c is missing or empty (X-14)')
  const certificate = Certificate.parse(decodeBase64(first))
  // What verification will need, now: later it would be a failure of somebody's SVID.
  certificate.checkAll()
  // A key that is of no use has no JWK. RFC 7517 §4.7: the key of the certificate MUST match the other members. An entry that says two things says nothing.
  if (jwkOfPublicKey(certificate.publicKey).kty !== jwk['kty'])
    throw ignored('its kty is not that of its certificate (RFC 7517 4.7)')
  if (
    hasKeyMembers(jwk) &&
    !equalBytes(publicKeyOfJwk(jwk).subjectPublicKey, certificate.publicKey.info.subjectPublicKey)
  ) {
    throw ignored('its members and its certificate hold different keys (RFC 7517 4.7)')
  }
  return certificate
}

function wholeNumber(value: JsonObject, name: string): bigint | undefined {
  const found = value[name]
  if (found === undefined) return undefined
  if (typeof found === 'bigint' && found >= 0n) return found
  if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return BigInt(found)
  throw malformed(`${name} is no whole number of 0 or more (B-2, B-3)`)
}

function malformed(reason: string): PkiError<'ERR_BUNDLE_MALFORMED'> {
  return new PkiError('ERR_BUNDLE_MALFORMED', `not a SPIFFE trust bundle: ${reason}`)
}

function ignored(reason: string): PkiError<'ERR_JWK_INVALID'> {
  return new PkiError('ERR_JWK_INVALID', reason)
}

const defaultMaxBytes = 1024 * 1024
const defaultMaxKeys = 1000

/** How a bundle map is read. */
export interface BundleMapOptions {
  /** Told of each entry that was passed over in any bundle. */
  readonly onIgnoredKey?: ((ignored: IgnoredKey) => void) | undefined
  /** Longest document in bytes; 16 MiB if not given. */
  readonly maxBytes?: number | undefined
  /** Most trust domains; 10,000 if not given. */
  readonly maxTrustDomains?: number | undefined
  /** Most entries in `keys` of one bundle; 1,000 if not given. */
  readonly maxKeys?: number | undefined
}

/**
 * Reads a bundle map, all or nothing (appendix B.1): one bundle that cannot be read refuses the map, and the caller keeps what
 * it had. A trust domain that appears twice is refused (rule B-7). Refresh hints of the bundles are dropped (rule B-8).
 *
 * @throws ERR_BUNDLE_MALFORMED `trust_domains` is absent or no object, a bundle is malformed
 * @throws ERR_JSON also for a trust domain that appears twice
 * @throws ERR_TRUST_DOMAIN_INVALID, ERR_LIMIT_EXCEEDED; ERR_INVALID_ARGUMENT for a limit that is none
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
  } = options
  checkCounts({ maxBytes, maxTrustDomains, maxKeys }, 0, Infinity)
  const value = parseJson(document, { maxBytes, maxValues, bigIntegers: true })
  const domains = isJsonObject(value) ? value['trust_domains'] : undefined
  if (!isJsonObject(domains)) {
    throw new PkiError('ERR_BUNDLE_MALFORMED', 'not a bundle map: trust_domains is absent or no object (B-7)')
  }
  const names = Object.keys(domains)
  if (names.length > maxTrustDomains) {
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `${names.length} trust domains in one map, at most ${maxTrustDomains} wanted`,
    )
  }
  return new TrustBundleSet(
    names.map((name) => {
      const bundle = readSpiffeBundle(domains[name] ?? null, {
        trustDomain: plainName(name),
        onIgnoredKey,
        maxKeys,
      })
      return bundle.with({ refreshHintSeconds: undefined })
    }),
  )
}

/**
 * Writes a bundle map, trust domains by name, without refresh hints (rule B-8).
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

/** @throws ERR_INVALID_ARGUMENT for what is no number of spaces */
function indentOf({ indent = 0 }: FormatBundleOptions): number {
  return requireCount('indent', indent, 0, 100)
}

/** The key is the name itself: `spiffe://a` beside `a` would be one trust domain twice (B-7). */
function plainName(name: string): TrustDomain {
  const trustDomain = TrustDomain.parse(name)
  if (trustDomain.name !== name) {
    throw new PkiError('ERR_TRUST_DOMAIN_INVALID', 'a bundle map has names for keys, not SPIFFE IDs (B-7)')
  }
  return trustDomain
}

const defaultMaxMapBytes = 16 * 1024 * 1024
const defaultMaxTrustDomains = 10_000
/** Ten members for each of ten keys in each trust domain. */
const maxValues = 1_000_000
