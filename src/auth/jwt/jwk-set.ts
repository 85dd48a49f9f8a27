// The keys of a token issuer (RFC 7517 section 5), parsed strictly, except where the section requires
// leniency.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import { JwtAuthority } from '../../svid/index.ts'
import { TokenKey } from './token-key.ts'

/** Public keys by `kid`; null for a `kid` that two keys have. */
export type JwkSet = ReadonlyMap<string, TokenKey | null>

/**
 * Reads a set. Keys of other types and uses are skipped, as section 5 requires. A set without keys is valid;
 * no token then verifies.
 *
 * @throws ERR_JSON; ERR_LIMIT_EXCEEDED more than 100 keys; ERR_FETCH_FAILED not a JWK Set; ERR_JWK_INVALID
 * the set contains a private or symmetric key
 */
export function parseJwkSet(document: Uint8Array | string): JwkSet {
  const value = parseJson(document, limits)
  const keys: unknown = isJsonObject(value) ? value['keys'] : undefined
  if (!Array.isArray(keys)) throw new PkiError('ERR_FETCH_FAILED', 'the document is not a JWK Set')
  if (keys.length > maxKeys)
    throw new PkiError('ERR_LIMIT_EXCEEDED', `the JWK Set has ${keys.length} keys; the maximum is ${maxKeys}`)
  const set = new Map<string, TokenKey | null>()
  for (const jwk of keys as readonly unknown[]) {
    if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
      throw new PkiError('ERR_FETCH_FAILED', 'an entry of the JWK Set is not an object')
    const members = jwk as Readonly<Record<string, unknown>>
    const found = privateMembers.find((name) => name in members)
    // The issuer has published its private key: anyone can now sign tokens.
    if (found !== undefined)
      throw new PkiError('ERR_JWK_INVALID', `the JWK Set has the member ${found} of a private key`)
    const key = signatureKey(members)
    if (key === undefined) continue
    const other = set.get(key.keyId)
    if (other === undefined) set.set(key.keyId, new TokenKey(key))
    else if (other?.authority.equals(key) !== true) set.set(key.keyId, null)
  }
  return set
}

function signatureKey(jwk: Readonly<Record<string, unknown>>): JwtAuthority | undefined {
  const { use } = jwk
  if (use !== undefined && use !== 'sig') return undefined
  try {
    return JwtAuthority.fromJwk(jwk)
  } catch (error) {
    if (isPkiError(error)) return undefined
    throw error
  }
}

const maxKeys = 100
const limits = { maxBytes: 256 * 1024, maxDepth: 8, maxValues: 20_000 }
/** RFC 7518 §6.2.2, §6.3.2, §6.4. */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
