// A parsed, unverified JWT-SVID: JWT-SVID.md sections 2 to 5, read strictly.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { decodeBase64url } from '../../internal/encodings/base64.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import type { JsonObject, JsonValue } from '../../internal/json.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import { isJwtSvidAlgorithm } from './jwt-authority.ts'
import type { JwtSvidAlgorithm } from './jwt-authority.ts'

/** The contents of a token. `verifyJwtSvid` and `issueJwtSvid` return verified ones. */
export class JwtSvid {
  /** The `sub` claim. */
  readonly id: SpiffeId
  /** The `aud` claim, one value or more. */
  readonly audience: readonly string[]
  /** `alg`: the signature algorithm. */
  readonly algorithm: JwtSvidAlgorithm
  /** The `kid` of the authority in the bundle of the trust domain. */
  readonly keyId: string
  /** Every claim, as JSON; frozen. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly #token: string
  readonly #expMs: number
  readonly #nbfMs: number | undefined
  readonly #iatMs: number | undefined

  private constructor(token: string, { alg, kid }: Header, claims: JsonObject) {
    this.#token = token
    this.algorithm = alg
    this.keyId = kid
    this.claims = freezeJson(claims)
    this.id = subject(claims)
    this.audience = audience(claims)
    const expMs = dateMs(claims, 'exp')
    if (expMs === undefined) throw claimError('exp is absent (J-8)')
    this.#expMs = expMs
    this.#nbfMs = dateMs(claims, 'nbf')
    this.#iatMs = dateMs(claims, 'iat')
    // Verifiers and sources give one token to many callers.
    Object.freeze(this)
  }

  /**
   * Reads a token WITHOUT verifying it: for tokens from a party that has verified them, such as a Workload
   * API.
   *
   * Compact serialization only (J-1), no header parameter except `alg`, `kid`, `typ` (J-2), at most 16 KiB.
   *
   * @throws ERR_JWT_ALGORITHM, ERR_JWT_HEADER, ERR_JWT_CLAIM,
   *   ERR_JWT_MALFORMED, ERR_LIMIT_EXCEEDED, ERR_INVALID_ARGUMENT
   */
  static parseUnverified(token: string): JwtSvid {
    if (typeof token !== 'string')
      throw new PkiError('ERR_INVALID_ARGUMENT', `a JWT-SVID must be a string, found ${nameOf(token)}`)
    if (token.length > maxTokenLength) {
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `the token has ${token.length} characters; the maximum is ${maxTokenLength}`,
      )
    }
    const [head = '', payload = '', signature = '', ...rest] = token.split('.', 4)
    if (signature === '' || rest.length > 0)
      throw new PkiError('ERR_JWT_MALFORMED', 'expected the three parts of compact serialization (J-1)')
    // J-3: the algorithm is checked first.
    const header = readHeader(object(head, 'header'))
    const claims = object(payload, 'payload')
    octets(signature, 'signature')
    return new JwtSvid(token, header, claims)
  }

  /** `exp`: when the token expires. */
  get expiresAt(): Date {
    return new Date(this.#expMs)
  }

  /** `nbf`: the start of validity, if present. */
  get notBefore(): Date | undefined {
    return asDate(this.#nbfMs)
  }

  /** `iat`: the time of issue, if present. */
  get issuedAt(): Date | undefined {
    return asDate(this.#iatMs)
  }

  /**
   * The token itself, a bearer secret: its holder can act as the workload until it expires. Omitted by
   * `inspect` and JSON.
   */
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
  if (!isJwtSvidAlgorithm(alg)) throw new PkiError('ERR_JWT_ALGORITHM', 'alg is absent or not allowed (J-3)')
  // jwk, jku, x5c, x5u, crit, b64: each could make a verifier use another key or input than intended.
  if (Object.keys(header).some((name) => name !== 'alg' && name !== 'kid' && name !== 'typ')) {
    throw new PkiError('ERR_JWT_HEADER', 'the token has a header other than alg, kid and typ (J-2)')
  }
  if (typeof kid !== 'string' || kid === '') throw new PkiError('ERR_JWT_HEADER', 'kid is absent (J-4)')
  if (typ !== undefined && typ !== 'JWT' && typ !== 'JOSE')
    throw new PkiError('ERR_JWT_HEADER', 'typ is neither JWT nor JOSE (J-5)')
  return { alg, kid }
}

function subject({ sub }: JsonObject): SpiffeId {
  const id = typeof sub === 'string' ? SpiffeId.tryParse(sub) : undefined
  if (id === undefined) throw claimError('sub is not a SPIFFE ID (J-6)')
  // SPIFFE-ID.md §2.2: an ID without a path names a trust domain, not a workload.
  if (!id.hasPath) throw claimError(`sub is ${id.toString()}, which has no path (J-6)`)
  return id
}

function audience({ aud }: JsonObject): readonly string[] {
  const values: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (values.length === 0 || !values.every((value) => typeof value === 'string' && value !== '')) {
    throw claimError('aud is absent, empty or not a string (J-7)')
  }
  return Object.freeze([...(values as readonly string[])])
}

/** NumericDate of RFC 7519 §2, in milliseconds: seconds, also with a fraction. */
function dateMs(claims: JsonObject, name: 'exp' | 'nbf' | 'iat'): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  const found = new Date(typeof value === 'number' && value >= 0 ? value * 1000 : Number.NaN).getTime()
  if (Number.isNaN(found)) throw claimError(`${name} is not a NumericDate (J-8, J-9)`)
  return found
}

function asDate(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms)
}

/** Objects of `parseJson` have no prototype, so `freezeDeep` leaves them out; their depth is limited. */
function freezeJson<Value extends JsonValue | undefined>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freezeJson(part)
  return Object.freeze(value)
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
    `the ${what} of the token is not a strict JSON object in canonical base64url`,
    { cause },
  )
}

function claimError(reason: string): PkiError<'ERR_JWT_CLAIM'> {
  return new PkiError('ERR_JWT_CLAIM', reason)
}

/** Twice the header size that HTTP servers accept. */
const maxTokenLength = 16 * 1024
