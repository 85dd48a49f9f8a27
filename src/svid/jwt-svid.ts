// A JWT-SVID as it stands in its token: JWT-SVID.md sections 2 to 5, read strictly, nothing verified yet.

import { PkiError, isPkiError } from '../errors/index.ts'
import { decodeBase64url } from '../internal/bytes.ts'
import { isJsonObject, parseJson } from '../internal/json.ts'
import type { JsonObject, JsonValue } from '../internal/json.ts'
import { SpiffeId } from '../spiffe/index.ts'
import { isJwtSvidAlgorithm } from './jwt-authority.ts'
import type { JwtSvidAlgorithm } from './jwt-authority.ts'

/** What a token says. `verifyJwtSvid` and `issueJwtSvid` make verified ones. */
export class JwtSvid {
  /** The `sub` claim. */
  readonly id: SpiffeId
  /** The `aud` claim, one value or more. */
  readonly audience: readonly string[]
  /** `exp`: when it stops to be valid. */
  readonly expiresAt: Date
  /** `nbf`: when it begins to be valid, if the token says so. */
  readonly notBefore: Date | undefined
  /** `iat`: when it was issued, if the token says so. */
  readonly issuedAt: Date | undefined
  /** `alg`: what it is signed with. */
  readonly algorithm: JwtSvidAlgorithm
  /** The `kid` of the authority in the bundle of the trust domain. */
  readonly keyId: string
  /** Every claim, as JSON. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly #token: string

  private constructor(token: string, { alg, kid }: Header, claims: JsonObject) {
    this.#token = token
    this.algorithm = alg
    this.keyId = kid
    this.claims = claims
    this.id = subject(claims)
    this.audience = audience(claims)
    const expiresAt = date(claims, 'exp')
    if (expiresAt === undefined) throw claimError('exp is absent (J-8)')
    this.expiresAt = expiresAt
    this.notBefore = date(claims, 'nbf')
    this.issuedAt = date(claims, 'iat')
  }

  /**
   * Reads a token WITHOUT verifying it: for tokens that come from a party that already did, as a Workload API.
   *
   * Compact serialization only (J-1), no header but `alg`, `kid`, `typ` (J-2), at most 16 KiB.
   *
   * @throws ERR_JWT_ALGORITHM, ERR_JWT_HEADER, ERR_JWT_CLAIM, ERR_JWT_MALFORMED, ERR_LIMIT_EXCEEDED, ERR_INVALID_ARGUMENT
   */
  static parseUnverified(token: string): JwtSvid {
    if (typeof token !== 'string') throw new PkiError('ERR_INVALID_ARGUMENT', 'a JWT-SVID is a string')
    if (token.length > maxTokenLength) {
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `a token of ${token.length} characters, at most ${maxTokenLength} wanted`,
      )
    }
    const [head = '', payload = '', signature = '', ...rest] = token.split('.', 4)
    if (signature === '' || rest.length > 0)
      throw new PkiError('ERR_JWT_MALFORMED', 'not three parts in compact serialization (J-1)')
    // J-3: the algorithm before everything else.
    const header = readHeader(object(head, 'header'))
    const claims = object(payload, 'payload')
    octets(signature, 'signature')
    return new JwtSvid(token, header, claims)
  }

  /** The token itself, a bearer secret: whoever has it is the workload until it expires. Not in `inspect` nor in JSON. */
  get token(): string {
    return this.#token
  }
}

interface Header {
  readonly alg: JwtSvidAlgorithm
  readonly kid: string
}

function readHeader(header: JsonObject): Header {
  const { alg, kid, typ } = header
  if (!isJwtSvidAlgorithm(alg))
    throw new PkiError('ERR_JWT_ALGORITHM', 'alg is absent or not on the list (J-3)')
  // jwk, jku, x5c, x5u, crit, b64: each a way to make a verifier use something else than the bundle.
  if (Object.keys(header).some((name) => name !== 'alg' && name !== 'kid' && name !== 'typ')) {
    throw new PkiError('ERR_JWT_HEADER', 'a header other than alg, kid and typ (J-2)')
  }
  if (typeof kid !== 'string' || kid === '') throw new PkiError('ERR_JWT_HEADER', 'no kid (J-4)')
  if (typ !== undefined && typ !== 'JWT' && typ !== 'JOSE')
    throw new PkiError('ERR_JWT_HEADER', 'typ is neither JWT nor JOSE (J-5)')
  return { alg, kid }
}

function subject({ sub }: JsonObject): SpiffeId {
  const id = typeof sub === 'string' ? SpiffeId.tryParse(sub) : undefined
  if (id === undefined) throw claimError('sub is no SPIFFE ID (J-6)')
  return id
}

function audience({ aud }: JsonObject): readonly string[] {
  const values: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (values.length === 0 || !values.every((value) => typeof value === 'string' && value !== '')) {
    throw claimError('aud is absent, empty or no text (J-7)')
  }
  return Object.freeze([...(values as readonly string[])])
}

/** NumericDate of RFC 7519 §2: seconds, also with a fraction. */
function date(claims: JsonObject, name: 'exp' | 'nbf' | 'iat'): Date | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  const found = new Date(typeof value === 'number' && value >= 0 ? value * 1000 : Number.NaN)
  if (Number.isNaN(found.getTime())) throw claimError(`${name} is no NumericDate (J-8, J-9)`)
  return found
}

function object(part: string, what: string): JsonObject {
  const bytes = octets(part, what)
  let value: JsonValue
  try {
    value = parseJson(bytes)
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw malformed(what, cause)
  }
  if (!isJsonObject(value)) throw malformed(what)
  return value
}

function octets(part: string, what: string): Uint8Array {
  try {
    return decodeBase64url(part)
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw malformed(what, cause)
  }
}

function malformed(what: string, cause?: PkiError): PkiError<'ERR_JWT_MALFORMED'> {
  return new PkiError(
    'ERR_JWT_MALFORMED',
    `the ${what} of the token is no strict JSON object in canonical base64url`,
    { cause },
  )
}

function claimError(reason: string): PkiError<'ERR_JWT_CLAIM'> {
  return new PkiError('ERR_JWT_CLAIM', reason)
}

/** Twice what HTTP servers take as a header. */
const maxTokenLength = 16 * 1024
