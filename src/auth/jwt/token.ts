// Parses a JWT without verifying it (RFC 7515 section 7.1, RFC 7519, RFC 8725): compact serialization, strict
// JSON, no header that could select another key.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { readBase64url } from '../../internal/encodings/base64.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import type { JsonObject, JsonValue } from '../../internal/json.ts'
import type { JwtSvidAlgorithm } from '../../svid/internal.ts'
import { isJwtSvidAlgorithm } from '../../svid/internal.ts'

/** The asymmetric algorithms of RFC 7518 that tokens may be signed with. */
export type TokenAlgorithm = JwtSvidAlgorithm

/** The parsed contents of a token. */
export interface UnverifiedToken {
  readonly text: string
  readonly algorithm: TokenAlgorithm
  readonly keyId: string
  readonly claims: JsonObject
}

/** Reads a token. @throws ERR_JWT_MALFORMED, ERR_JWT_ALGORITHM, ERR_JWT_HEADER */
export function readToken(text: string): UnverifiedToken {
  const first = text.indexOf('.')
  const second = text.indexOf('.', first + 1)
  if (second < 0 || second === text.length - 1 || text.includes('.', second + 1))
    throw new PkiError('ERR_JWT_MALFORMED', 'the token does not have the three parts of a signed JWT')
  const header = jsonObject(text.slice(0, first), 'header')
  const claims = jsonObject(text.slice(first + 1, second), 'payload')
  octets(text.slice(second + 1), 'signature')
  return { text, ...readHeader(header), claims }
}

function readHeader(header: JsonObject): Pick<UnverifiedToken, 'algorithm' | 'keyId'> {
  const { alg, kid, typ } = header
  // RFC 8725 §3.1: the list contains neither `none` nor symmetric algorithms.
  if (!isJwtSvidAlgorithm(alg))
    throw new PkiError('ERR_JWT_ALGORITHM', 'alg is absent or not an asymmetric algorithm of RFC 7518')
  const refused = refusedHeaders.find((name) => header[name] !== undefined)
  if (refused !== undefined) throw new PkiError('ERR_JWT_HEADER', `the header ${refused} is not accepted`)
  // RFC 8725 §3.11: a token of another kind, such as a logout token, must not authenticate.
  if (typ !== undefined && !(typeof typ === 'string' && types.includes(typ.toLowerCase())))
    throw new PkiError('ERR_JWT_HEADER', `typ is not one of ${types.join(', ')}`)
  if (typeof kid !== 'string' || kid === '' || kid.length > maxKeyIdLength)
    throw new PkiError('ERR_JWT_HEADER', `kid is not a string of 1 to ${maxKeyIdLength} characters`)
  return { algorithm: alg, keyId: kid }
}

function jsonObject(part: string, what: string): JsonObject {
  const bytes = octets(part, what)
  let value: JsonValue
  try {
    value = parseJson(bytes, limits)
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw new PkiError('ERR_JWT_MALFORMED', `the ${what} of the token is not strict JSON`, { cause })
  }
  if (isJsonObject(value)) return value
  throw new PkiError('ERR_JWT_MALFORMED', `the ${what} of the token is not a JSON object`)
}

/** Decodes octets that are used at once and not stored, as for `readBase64url`. */
function octets(part: string, what: string): Uint8Array {
  try {
    return readBase64url(part)
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw new PkiError('ERR_JWT_MALFORMED', `the ${what} of the token is not canonical base64url`, { cause })
  }
}

/** Each of these headers contains a key, or changes the signed octets. */
const refusedHeaders = ['jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64', 'zip', 'enc', 'epk']
const types = ['jwt', 'at+jwt', 'application/at+jwt']
const limits = { maxBytes: 16 * 1024, maxDepth: 16, maxValues: 2_000 }
const maxKeyIdLength = 1024
