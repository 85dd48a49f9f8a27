// Tokens of tests: made by node:crypto, so that they can be as wrong as a test wants them.

import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { AuthenticationRequest } from '../../src/auth/index.ts'

export interface TokenKey {
  readonly kid: string
  readonly alg: 'ES256' | 'RS256'
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: Record<string, unknown>
}

export function tokenKey(kid = 'k1', alg: TokenKey['alg'] = 'ES256'): TokenKey {
  const { privateKey, publicKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    kid,
    alg,
    privateKey,
    publicKey,
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
  }
}

export const jwkSet = (...keys: readonly TokenKey[]): string =>
  JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token. Header and claims are objects, or the very text that is to be encoded. */
export function makeToken(
  { kid, alg, privateKey }: TokenKey,
  claims: object | string | null,
  header: object | string = {},
): string {
  const head = encode(typeof header === 'string' ? header : { alg, kid, typ: 'JWT', ...header })
  const input = `${head}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

/** Signed with HMAC and the public key as its secret. */
export function confusedToken({ kid, publicKey }: TokenKey, claims: object): string {
  const input = `${encode({ alg: 'HS256', kid, typ: 'JWT' })}.${encode(claims)}`
  const secret = publicKey.export({ format: 'pem', type: 'spki' })
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

export function unsignedToken(claims: object, kid = 'k1'): string {
  return `${encode({ alg: 'none', kid, typ: 'JWT' })}.${encode(claims)}.`
}

/** A request with these headers. */
export function requestWith(
  headers: Readonly<Record<string, string | readonly string[]>>,
  extra: Partial<AuthenticationRequest> = {},
): AuthenticationRequest {
  return {
    transport: 'test',
    header: (name) => {
      const value = headers[name] ?? []
      return typeof value === 'string' ? [value] : value
    },
    peer: { address: '192.0.2.1', port: 1 },
    tls: undefined,
    signal: new AbortController().signal,
    ...extra,
  }
}

export const bearer = (token: string): AuthenticationRequest =>
  requestWith({ authorization: `Bearer ${token}` })

/** Seconds since the epoch of `FakeClock` at its start. */
export const testNow: number = Date.parse('2026-01-01T00:00:00Z') / 1000
