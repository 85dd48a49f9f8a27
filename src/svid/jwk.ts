// Public JSON Web Keys, strictly: RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2.
// A JWK becomes a SubjectPublicKeyInfo, so that keys from both worlds are judged by the same rules.

import { bitString, nullElement, oid, sequence, unsignedInteger } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { decodeBase64url } from '../internal/base64.ts'
import { PublicKey } from '../x509/index.ts'

/** The members that make a public key, and nothing else. */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: 'P-256' | 'P-384' | 'P-521'; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }

/** A JWK as it was read: members by name, nothing checked. */
export type JwkMembers = Readonly<Record<string, unknown>>

/**
 * The key of a JWK; other members are not looked at, except private ones, which are refused.
 *
 * @throws ERR_JWK_INVALID
 */
export function publicKeyOfJwk(jwk: JwkMembers): PublicKey {
  refusePrivate(jwk)
  const key = PublicKey.fromSpki(subjectPublicKeyInfo(jwk))
  const { algorithm, problem } = key.info
  if (algorithm === undefined) throw jwkError(problem?.detail ?? 'an unsupported key')
  return key
}

/**
 * The JWK of a key. RSA keys that are bound to RSASSA-PSS lose that binding: JWK has no word for it.
 *
 * @throws ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
export function jwkOfPublicKey(key: PublicKey): PublicJwk {
  const { algorithm, problem, subjectPublicKey, modulus, exponent } = key.info
  if (modulus !== undefined && exponent !== undefined) {
    return { kty: 'RSA', n: base64url(modulus), e: base64url(exponent) }
  }
  if (algorithm === 'Ed25519') return { kty: 'OKP', crv: algorithm, x: base64url(subjectPublicKey) }
  if (algorithm === 'P-256' || algorithm === 'P-384' || algorithm === 'P-521') {
    // The uncompressed point: 4, x, y.
    const octets = (subjectPublicKey.length - 1) / 2
    const point = subjectPublicKey.subarray(1)
    return { kty: 'EC', crv: algorithm, x: base64url(point.subarray(0, octets)), y: base64url(point.subarray(octets)) }
  }
  throw new PkiError(problem?.code ?? 'ERR_KEY_UNSUPPORTED', `the public key has no JWK form: ${problem?.detail ?? 'unknown kind'}`)
}

/**
 * Refuses a JWK with a member of a private or symmetric key: whoever published it has lost it.
 *
 * @throws ERR_JWK_INVALID
 */
export function refusePrivate(jwk: JwkMembers): void {
  const found = privateMembers.find((name) => jwk[name] !== undefined)
  if (found !== undefined) throw jwkError(`the member ${found} of a private key`)
}

/** Whether the JWK has members of the key itself, not only `kty` and what surrounds it. */
export function hasKeyMembers(jwk: JwkMembers): boolean {
  return ['crv', 'x', 'y', 'n', 'e'].some((name) => jwk[name] !== undefined)
}

function subjectPublicKeyInfo(jwk: JwkMembers): Uint8Array {
  const { kty, crv } = jwk
  if (kty === 'RSA') {
    const key = sequence(unsignedInteger(unsigned(jwk, 'n')), unsignedInteger(unsigned(jwk, 'e')))
    return sequence(sequence(oid('1.2.840.113549.1.1.1'), nullElement()), bitString(key))
  }
  if (kty === 'EC') {
    const curve = typeof crv === 'string' ? curves.get(crv) : undefined
    if (curve === undefined) throw jwkError('a curve other than P-256, P-384, P-521')
    // RFC 7518 §6.2.1.2: each coordinate has the full length of the field.
    const point = Uint8Array.of(4, ...coordinate(jwk, 'x', curve.octets), ...coordinate(jwk, 'y', curve.octets))
    return sequence(sequence(oid('1.2.840.10045.2.1'), oid(curve.oid)), bitString(point))
  }
  if (kty === 'OKP') {
    if (crv !== 'Ed25519') throw jwkError('an OKP curve other than Ed25519')
    return sequence(sequence(oid('1.3.101.112')), bitString(coordinate(jwk, 'x', 32)))
  }
  throw jwkError(typeof kty === 'string' ? 'a kty other than RSA, EC, OKP' : 'no kty')
}

function coordinate(jwk: JwkMembers, name: string, octets: number): Uint8Array {
  const value = member(jwk, name)
  if (value.length !== octets) throw jwkError(`${name} of ${value.length} octets, ${octets} wanted`)
  return value
}

/** Base64urlUInt, RFC 7518 §2: the fewest octets that hold the value; zero is no modulus and no exponent. */
function unsigned(jwk: JwkMembers, name: string): Uint8Array {
  const value = member(jwk, name)
  if (value.length === 0 || value[0] === 0) throw jwkError(`${name} is empty or begins with a zero octet`)
  return value
}

function member(jwk: JwkMembers, name: string): Uint8Array {
  const value = jwk[name]
  if (typeof value !== 'string' || value.length > maxMemberLength) throw jwkError(`no ${name}, or one that is too long`)
  try {
    return decodeBase64url(value)
  } catch (cause) {
    throw new PkiError('ERR_JWK_INVALID', `JWK: ${name} is not canonical base64url`, { cause })
  }
}

function jwkError(found: string): PkiError<'ERR_JWK_INVALID'> {
  return new PkiError('ERR_JWK_INVALID', `JWK: ${found} found where a public key is wanted`)
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}

/** RSA-8192 in base64url, with room. */
const maxMemberLength = 2048
/** RFC 7518 §6.2.2, §6.3.2, §6.4. */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const
const curves: ReadonlyMap<string, { readonly oid: string; readonly octets: number }> = new Map([
  ['P-256', { oid: '1.2.840.10045.3.1.7', octets: 32 }],
  ['P-384', { oid: '1.3.132.0.34', octets: 48 }],
  ['P-521', { oid: '1.3.132.0.35', octets: 66 }],
])
