// JSON Web Signatures of the vectors: compact form, with a JWK or a set of them, verified with our keys and
// our verify function.

import { decodeBase64url } from '../../../src/internal/encodings/base64.ts'
import { isJsonObject, parseJson } from '../../../src/internal/json.ts'
import { JwtAuthority } from '../../../src/svid/index.ts'
import type { JwkMembers } from '../../../src/svid/jwt/jwt-authority.ts'
import { verifySignature } from '../../../src/x509/index.ts'
import type { SignatureAlgorithm } from '../../../src/x509/index.ts'

/** The keys of a group of vectors. */
export interface JwsGroup {
  readonly public?: unknown
  readonly private?: unknown
}

/** Whether the token verifies; groups with symmetric keys only are unsupported on purpose. */
export function verifyJws(group: JwsGroup, jws: string): boolean | 'unsupported' {
  const keys = keysOf(group.public)
  if (keys === undefined) return 'unsupported'
  const [header = '', payload, signature, ...rest] = jws.split('.')
  if (payload === undefined || signature === undefined || rest.length > 0) return false
  const members = parseJson(decodeBase64url(header))
  if (!isJsonObject(members)) return false
  const { alg, kid, crit } = members as Readonly<Record<string, unknown>>
  if (typeof alg !== 'string' || crit !== undefined || (kid !== undefined && typeof kid !== 'string'))
    return false
  const algorithm = algorithms[alg]
  const jwk = signingKey(keys, kid)
  if (algorithm === undefined || jwk === undefined) return false
  const authority = JwtAuthority.fromJwk({
    ...jwk,
    kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : 'unnamed',
  })
  if (!(authority.algorithms as readonly string[]).includes(alg)) return false
  const signed = new Uint8Array(Buffer.from(`${header}.${payload}`))
  decodeBase64url(payload)
  return verifySignature(authority.publicKey, algorithm, signed, decodeBase64url(signature), 'ieee-p1363')
}

/** The only key that the token's `kid` can mean, if it is for signatures. */
function signingKey(keys: readonly JwkMembers[], kid: string | undefined): JwkMembers | undefined {
  const candidates = keys.filter((jwk) => kid === undefined || jwk['kid'] === undefined || jwk['kid'] === kid)
  const [jwk] = candidates
  if (jwk === undefined || candidates.length > 1) return undefined
  return jwk['use'] === undefined || jwk['use'] === 'sig' ? jwk : undefined
}

/**
 * Whether the header of the token has another `alg` than the key: refusing it is right (RFC 7517 §4.4),
 * though some accept it.
 */
export function namesAnotherAlgorithm(group: JwsGroup, jws: string): boolean {
  try {
    const header = JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString()) as {
      alg?: unknown
    }
    return (
      keysOf(group.public)?.every((jwk) => jwk['alg'] !== undefined && jwk['alg'] !== header.alg) === true
    )
  } catch {
    return false
  }
}

function keysOf(found: unknown): readonly JwkMembers[] | undefined {
  if (typeof found !== 'object' || found === null) return undefined
  return 'keys' in found && Array.isArray(found.keys) ? (found.keys as JwkMembers[]) : [found as JwkMembers]
}

const algorithms: Readonly<Record<string, SignatureAlgorithm | undefined>> = {
  ES256: 'ecdsa-with-SHA256',
  ES384: 'ecdsa-with-SHA384',
  ES512: 'ecdsa-with-SHA512',
  RS256: 'sha256WithRSAEncryption',
  RS384: 'sha384WithRSAEncryption',
  RS512: 'sha512WithRSAEncryption',
  PS256: 'rsassa-pss-SHA256',
  PS384: 'rsassa-pss-SHA384',
  PS512: 'rsassa-pss-SHA512',
}
