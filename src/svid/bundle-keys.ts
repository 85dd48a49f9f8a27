// The entries of a SPIFFE bundle, JWK by JWK: X509-SVID.md section 6, JWT-SVID.md section 6.

import { isPkiError, PkiError } from '../errors/index.ts'
import { equalBytes } from '../internal/bytes.ts'
import { decodeBase64 } from '../internal/encodings/base64.ts'
import { isJsonObject } from '../internal/json.ts'
import type { JsonObject, JsonValue } from '../internal/json.ts'
import { nameOf, shownValue } from '../internal/values/name-of.ts'
import { Certificate } from '../x509/index.ts'
import type { IgnoredKey } from './bundle-authorities.ts'
import {
  hasKeyMembers,
  jwkOfPublicKey,
  publicKeyOfJwk,
  refusePrivate,
  JwtAuthority,
} from './jwt/jwt-authority.ts'

/** The use of entries without `use`. @inline */
export type KeysWithoutUse = 'ignore' | 'jwt-svid'

/** The contents of the entries of a bundle. */
interface Authorities {
  readonly x509Authorities: Certificate[]
  readonly jwtAuthorities: JwtAuthority[]
  readonly ignored: IgnoredKey[]
}

/** Reads each entry separately; an invalid one is skipped. */
export function readKeys(
  keys: readonly JsonValue[],
  trustDomain: string,
  keysWithoutUse: KeysWithoutUse = 'ignore',
): Authorities {
  const authorities: Authorities = { x509Authorities: [], jwtAuthorities: [], ignored: [] }
  const keyIds = new Set<string>()
  for (const [index, jwk] of keys.entries()) {
    try {
      readKey(jwk, authorities, keyIds, keysWithoutUse)
    } catch (error) {
      if (!isPkiError(error)) throw error
      const { code, message: reason } = error
      authorities.ignored.push(Object.freeze({ trustDomain, index, code, reason }))
    }
  }
  return authorities
}

/** Adds the content of one entry. @throws any PkiError: the entry is then ignored */
function readKey(
  jwk: JsonValue,
  { x509Authorities, jwtAuthorities }: Authorities,
  keyIds: Set<string>,
  keysWithoutUse: KeysWithoutUse,
): void {
  if (!isJsonObject(jwk)) throw ignored(`the entry is ${nameOf(jwk)}; expected an object`)
  refusePrivate(jwk)
  const { use = keysWithoutUse } = jwk
  // B-5: `use` is compared exactly; wit-svid (incubating) is an unknown use here. An absent or unknown `kty`
  // is refused below.
  if (use === 'x509-svid') {
    x509Authorities.push(readX509Authority(jwk))
  } else if (use === 'jwt-svid') {
    const authority = JwtAuthority.fromJwk(jwk)
    if (keyIds.has(authority.keyId))
      throw ignored(`its kid ${shownValue(authority.keyId)} appeared before (J-12)`)
    keyIds.add(authority.keyId)
    jwtAuthorities.push(authority)
  } else {
    throw ignored(
      jwk['use'] === undefined
        ? "use is missing (B-5); the option keysWithoutUse: 'jwt-svid' reads the form of the Workload API"
        : `use is ${shownValue(jwk['use'])}; expected "x509-svid" or "jwt-svid" (B-5)`,
    )
  }
}

function readX509Authority(jwk: JsonObject): Certificate {
  const { x5c } = jwk
  // the first value counts; the others MUST be ignored, whatever their content.
  const first = Array.isArray(x5c) ? (x5c as readonly JsonValue[])[0] : undefined
  if (typeof first !== 'string') {
    const found = Array.isArray(x5c) && x5c.length > 0 ? `${nameOf(first)} in an array` : nameOf(x5c)
    throw ignored(`x5c is ${found}; expected an array of certificates in base64 (X-14)`)
  }
  const certificate = Certificate.parse(decodeBase64(first))
  // Parse now everything that verification needs: otherwise the fault would appear later as a failure of an
  // SVID.
  certificate.checkPathFields()
  // An unsupported key has no JWK form. RFC 7517 §4.7: the key of the certificate MUST match the other
  // members. An entry with two different keys is refused.
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

function ignored(reason: string): PkiError<'ERR_JWK_INVALID'> {
  return new PkiError('ERR_JWK_INVALID', reason)
}
