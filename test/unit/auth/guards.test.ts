// Guards that no other test of this folder held: each case fails if its guard is left out.

import { constants, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  JwtSvidAuthenticator,
  KubernetesTokenAuthenticator,
  OidcAuthenticator,
  createMemoryOneTimeStore,
  withNonce,
} from '../../../src/auth/index.ts'
import type { AuthenticationRequest } from '../../../src/auth/index.ts'
import { parseJwkSet } from '../../../src/auth/jwt/jwk-set.ts'
import { readToken } from '../../../src/auth/jwt/token.ts'
import { createGuardedFetcher } from '../../../src/runtime/index.ts'
import { JwtAuthority, TrustBundle } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { httpEndpoint, loopback } from '../../support/http-endpoint.ts'
import { bearer, jwkSet, makeToken, requestWith, testNow, tokenKey } from '../../support/tokens.ts'

const key = tokenKey()
const rsa = tokenKey('k1', 'RS256')
const issuer = 'https://issuer.example'
const identity = 'spiffe://example.org/user/{sub}'
const claims = { iss: issuer, aud: 'ca', sub: 'alice', iat: testNow - 10, exp: testNow + 300 }
const clock = new FakeClock()
const oidc = new OidcAuthenticator({
  clock,
  issuers: [{ issuer, audience: 'ca', identity, jwks: jwkSet(key) }],
})
const kubernetes = new KubernetesTokenAuthenticator({
  trustDomain: 'example.org',
  audience: 'ca',
  clusters: [{ name: 'one', issuer, jwks: jwkSet(key) }],
  clock,
})
const token = makeToken(key, claims)
const ask = (authorization: string) => oidc.authenticate(requestWith({ authorization }))

describe('authorization', () => {
  it.each(['Basic dXNlcjpwYXNz', 'Bearerish x', `DPoP ${token}`])('%s is another scheme', async (header) => {
    expect(await ask(header)).toBeUndefined()
  })

  it.each(['\t', '\u00a0', ',', '='])('between Bearer and the token there is no %j', async (separator) => {
    await expect(ask(`Bearer${separator}${token}`)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })
})

it.each([undefined, '', 7, null])('a token with the issuer %j is refused', async (iss) => {
  for (const authenticator of [oidc, kubernetes]) {
    const refused = authenticator.authenticate(bearer(makeToken(key, { ...claims, iss })))
    await expect(refused).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  }
})

it('a token of other than three parts, or with a signature that is not base64url, is malformed', () => {
  const [header = '', body = ''] = token.split('.')
  const wrong = [`${header}.${body}`, `.${body}.AA`, `${header}.${body}.`, `${token}.AA`, `${token}.`]
  const signatures = ['A+A', 'AA=', 'A', 'AB', 'AA AA', 'AAA\u0141', 'AA\n']
  for (const text of [...wrong, ...signatures.map((signature) => `${header}.${body}.${signature}`)])
    expect(() => readToken(text)).toThrow(code('ERR_JWT_MALFORMED'))
})

it('one text that is header, payload and signature in one is malformed', () => {
  const json = JSON.stringify({ alg: 'ES256', kid: 'k1', iss: issuer })
  // Of so many octets that the text is canonical with a further character, and without.
  const padded = json.padEnd(json.length + ((4 - (json.length % 3)) % 3))
  expect(() => readToken(`${Buffer.from(padded).toString('base64url')}A`)).toThrow(code('ERR_JWT_MALFORMED'))
})

it.each(['', 'k'.repeat(1025), 7, undefined])('the kid %j is refused as a header', (kid) => {
  expect(() => readToken(makeToken(key, claims, { kid }))).toThrow(code('ERR_JWT_HEADER'))
})

it('an RSA key verifies each of its algorithms, and only signatures of the one in the header', async () => {
  const { alg: _, ...jwk } = rsa.jwk
  const one = { issuer, audience: 'ca', identity, jwks: JSON.stringify({ keys: [jwk] }) }
  const authenticator = new OidcAuthenticator({ clock, issuers: [one] })
  const signed = (alg: string, padding: number): AuthenticationRequest => {
    const [input = ''] = /^[^.]+\.[^.]+/.exec(makeToken(rsa, claims, { alg })) ?? []
    const how = { key: rsa.privateKey, padding, saltLength: 32 }
    return bearer(`${input}.${sign('sha256', Buffer.from(input), how).toString('base64url')}`)
  }
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants
  for (let round = 0; round < 2; round++) {
    for (const [alg, padding, wrong] of [
      ['RS256', RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING],
      ['PS256', RSA_PKCS1_PSS_PADDING, RSA_PKCS1_PADDING],
    ] as const) {
      expect(await authenticator.authenticate(signed(alg, padding))).toMatchObject({ credential: 'oidc' })
      await expect(authenticator.authenticate(signed(alg, wrong))).rejects.toMatchObject({
        code: 'ERR_CREDENTIAL_INVALID',
        cause: { code: 'ERR_JWT_SIGNATURE' },
      })
    }
  }
})

it('an error that is not about the token is thrown unchanged', async () => {
  const failure = new RangeError('the clock is broken')
  const broken = Object.assign(new FakeClock(), {
    now: () => {
      throw failure
    },
  })
  const one = { issuer, audience: 'ca', identity, jwks: jwkSet(key) }
  const asked = new OidcAuthenticator({ clock: broken, issuers: [one] }).authenticate(bearer(token))
  await expect(asked).rejects.toBe(failure)
})

it('a token without iat has no age, and is refused', async () => {
  const refused = oidc.authenticate(bearer(makeToken(key, { ...claims, iat: undefined })))
  await expect(refused).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
})

it('an algorithm of the key that its issuer is not to use is refused', async () => {
  const one = { issuer, audience: 'ca', identity, jwks: jwkSet(key) }
  const using = (algorithms: ('ES256' | 'RS256')[]) =>
    new OidcAuthenticator({ clock, issuers: [{ ...one, algorithms }] }).authenticate(bearer(token))
  await expect(using(['RS256'])).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  expect(await using(['RS256', 'ES256'])).toMatchObject({ credential: 'oidc' })
})

it('a token whose subject is no SPIFFE ID is no JWT-SVID', async () => {
  const bundles = new TrustBundle('example.org', { jwtAuthorities: [JwtAuthority.fromJwk(key.jwk as never)] })
  const jwtSvids = new JwtSvidAuthenticator({ bundles, trustDomain: 'example.org', audience: 'ca', clock })
  expect(await jwtSvids.authenticate(bearer(token))).toBeUndefined()
})

it.each(['[]', '7', '{}', '{"keys":{}}', '{"keys":[null]}', '{"keys":[[]]}', '{"keys":["x"]}'])(
  'a JWK Set is not %s',
  (text) => {
    expect(() => parseJwkSet(text)).toThrow(code('ERR_FETCH_FAILED'))
  },
)

it('a caller that has gone does not make its issuer unavailable', async () => {
  const endpoint = await httpEndpoint(() => undefined)
  await using fetcher = createGuardedFetcher(loopback)
  await using waiting = new OidcAuthenticator({
    clock,
    fetcher,
    issuers: [{ issuer, audience: 'ca', identity, jwksUri: `${endpoint.origin}/keys` }],
  })
  const gone = new AbortController()
  const asked = waiting.authenticate({ ...bearer(token), signal: gone.signal })
  await expect.poll(() => endpoint.requests.length).toBe(1)
  gone.abort()
  await expect(asked).rejects.toThrow(code('ERR_ABORTED'))
})

it('options that select nothing are refused', () => {
  const one = { issuer, audience: 'ca', identity, jwks: jwkSet(key) }
  expect(() => new OidcAuthenticator({ issuers: [{ ...one, extract: { sub: 'literal' } }] })).toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
  for (const change of [{ issuers: {} }, { issuers: '' }, { issuers: [one], header: 7 }])
    expect(() => new OidcAuthenticator(change as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  const store = createMemoryOneTimeStore()
  for (const claim of ['', 7, null])
    expect(() => withNonce(oidc, { store, claim: claim as never })).toThrow(code('ERR_INVALID_ARGUMENT'))
})
