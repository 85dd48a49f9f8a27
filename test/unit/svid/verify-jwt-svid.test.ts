// JWT-SVIDs by rule number: J-1 to J-13. Tokens are made with node:crypto alone, so that issuing does not vouch for verifying.

import { generateKeyPairSync, sign } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { matchMemberOf } from '../../../src/spiffe/index.ts'
import { JwtAuthority, JwtSvid, TrustBundle, TrustBundleSet, issueJwtSvid, verifyJwtSvid } from '../../../src/svid/index.ts'
import type { JwtSvidFields, JwtSvidOptions } from '../../../src/svid/index.ts'
import type { Signer } from '../../../src/x509/index.ts'

const own = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const bundles = new TrustBundleSet([
  new TrustBundle('example.org', { jwtAuthorities: [JwtAuthority.from('k1', own)] }),
  new TrustBundle('foreign.org', { jwtAuthorities: [JwtAuthority.from('f1', foreign)] }),
  new TrustBundle('empty.org'),
])
const id = 'spiffe://example.org/ns/prod/sa/api'
const now = 1_780_000_000
const options: JwtSvidOptions = { bundles, audience: 'me', time: new Date(now * 1000) }
const header = { alg: 'ES256', kid: 'k1', typ: 'JWT' }
const claims = { sub: id, aud: ['me', 'other'], exp: now + 300, iat: now }
const part = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted })

function token(head: unknown = header, payload: unknown = claims, key = own): string {
  const input = `${part(head)}.${part(payload)}`
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

describe('verifyJwtSvid accepts', () => {
  it.each([
    ['a plain token', header, claims],
    ['J-5 no typ', { alg: 'ES256', kid: 'k1' }, claims],
    ['J-5 typ JOSE', { ...header, typ: 'JOSE' }, claims],
    ['J-7 one audience as text', header, { ...claims, aud: 'me' }],
    ['J-8 expired within the skew', header, { ...claims, exp: now - 59 }],
    ['J-8 a fraction of a second', header, { ...claims, exp: now + 0.5 }],
    ['J-9 not before within the skew', header, { ...claims, nbf: now + 60 }],
    ['J-9 without iat', header, { ...claims, iat: undefined }],
    ['J-13 any jti, and claims of others', header, { ...claims, jti: 'x', iss: 'https://example.org', more: { deep: [1] } }],
  ])('%s', async (_name, head, payload) => {
    const svid = await verifyJwtSvid(token(head, payload), options)
    expect(svid.id.toString()).toBe(id)
    expect(svid.keyId).toBe('k1')
  })

  it('one of several audiences, an ID, a matcher', async () => {
    await verifyJwtSvid(token(), { ...options, audience: ['x', 'other'], id })
    await verifyJwtSvid(token(), { ...options, id: matchMemberOf('example.org') })
  })
})

const whole = token()
const [head0, payload0, signature0] = whole.split('.') as [string, string, string]
const hmac = part({ alg: 'HS256', kid: 'k1' })

describe('verifyJwtSvid refuses', () => {
  it.each<[string, string, string]>([
    ['J-1 nothing', '', 'ERR_JWT_MALFORMED'],
    ['J-1 two parts', `${head0}.${payload0}`, 'ERR_JWT_MALFORMED'],
    ['J-1 four parts', `${whole}.x`, 'ERR_JWT_MALFORMED'],
    ['J-1 JSON serialization', JSON.stringify({ payload: payload0, protected: head0, signature: signature0 }), 'ERR_JWT_MALFORMED'],
    ['J-1 five parts, encrypted', `${whole}.x.y`, 'ERR_JWT_MALFORMED'],
    ['padding', `${whole}=`, 'ERR_JWT_MALFORMED'],
    ['white space', `${whole}\n`, 'ERR_JWT_MALFORMED'],
    ['Bearer in front', `Bearer ${whole}`, 'ERR_JWT_MALFORMED'],
    ['an array for a payload', token(header, []), 'ERR_JWT_MALFORMED'],
    ['a claim twice', token(header, `{"sub":"${id}","aud":"me","exp":1,"exp":${now + 300}}`), 'ERR_JWT_MALFORMED'],
    ['too long', 'a'.repeat(16_385), 'ERR_LIMIT_EXCEEDED'],
    ...['jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64', 'cty', 'x'].map((name): [string, string, string] => [`J-2 header ${name}`, token({ ...header, [name]: 'x' }), 'ERR_JWT_HEADER']),
    ...['none', 'HS256', 'EdDSA', 'Ed25519', 'es256', 'ES256K', '', undefined, null, ['ES256'], 'constructor'].map((alg): [string, string, string] => [`J-3 alg ${String(alg)}`, token({ ...header, alg }), 'ERR_JWT_ALGORITHM']),
    ['J-3 before all else', `${hmac}.!.!`, 'ERR_JWT_ALGORITHM'],
    ['J-3 an alg of another kind of key', token({ ...header, alg: 'RS256' }), 'ERR_JWT_ALGORITHM'],
    ['J-3 an alg of another curve', token({ ...header, alg: 'ES384' }), 'ERR_JWT_ALGORITHM'],
    ['J-4 no kid', token({ alg: 'ES256' }), 'ERR_JWT_HEADER'],
    ['J-4 an empty kid', token({ ...header, kid: '' }), 'ERR_JWT_HEADER'],
    ['J-4 a kid that is no text', token({ ...header, kid: 1 }), 'ERR_JWT_HEADER'],
    ['J-5 another typ', token({ ...header, typ: 'at+jwt' }), 'ERR_JWT_HEADER'],
    ['J-5 typ in lower case', token({ ...header, typ: 'jwt' }), 'ERR_JWT_HEADER'],
    ['J-6 no sub', token(header, { ...claims, sub: undefined }), 'ERR_JWT_CLAIM'],
    ['J-6 sub is no SPIFFE ID', token(header, { ...claims, sub: 'https://example.org/x' }), 'ERR_JWT_CLAIM'],
    ['J-6 sub is no text', token(header, { ...claims, sub: [id] }), 'ERR_JWT_CLAIM'],
    ['J-6 another trust domain, own key', token(header, { ...claims, sub: 'spiffe://foreign.org/x' }), 'ERR_JWT_KEY_UNKNOWN'],
    ['J-6 another trust domain, its kid, own key', token({ ...header, kid: 'f1' }, { ...claims, sub: 'spiffe://foreign.org/x' }), 'ERR_JWT_SIGNATURE'],
    ['J-6 own trust domain, foreign key', token({ ...header, kid: 'f1' }, claims, foreign), 'ERR_JWT_KEY_UNKNOWN'],
    ['J-6 an unknown trust domain', token(header, { ...claims, sub: 'spiffe://unknown.org/x' }), 'ERR_BUNDLE_NOT_FOUND'],
    ['B-4 a bundle that revokes everything', token(header, { ...claims, sub: 'spiffe://empty.org/x' }), 'ERR_BUNDLE_NOT_FOUND'],
    ['J-7 no aud', token(header, { ...claims, aud: undefined }), 'ERR_JWT_CLAIM'],
    ['J-7 no audience in aud', token(header, { ...claims, aud: [] }), 'ERR_JWT_CLAIM'],
    ['J-7 aud is no text', token(header, { ...claims, aud: ['me', 1] }), 'ERR_JWT_CLAIM'],
    ['J-7 another audience', token(header, { ...claims, aud: ['Me', 'me '] }), 'ERR_JWT_AUDIENCE'],
    ['J-8 no exp', token(header, { ...claims, exp: undefined }), 'ERR_JWT_CLAIM'],
    ['J-8 exp as text', token(header, { ...claims, exp: String(now + 300) }), 'ERR_JWT_CLAIM'],
    ['J-8 exp beyond time', token(header, { ...claims, exp: 1e300 }), 'ERR_JWT_CLAIM'],
    ['J-8 expired', token(header, { ...claims, exp: now - 60 }), 'ERR_JWT_EXPIRED'],
    ['J-9 not yet', token(header, { ...claims, nbf: now + 61 }), 'ERR_JWT_NOT_YET_VALID'],
    ['J-9 issued in the future', token(header, { ...claims, iat: now + 61 }), 'ERR_JWT_NOT_YET_VALID'],
    ['J-9 nbf is no number', token(header, { ...claims, nbf: null }), 'ERR_JWT_CLAIM'],
    ['J-12 an unknown kid', token({ ...header, kid: 'k2' }), 'ERR_JWT_KEY_UNKNOWN'],
    ['another key', token(header, claims, foreign), 'ERR_JWT_SIGNATURE'],
    ['a changed payload', `${head0}.${part({ ...claims, exp: now + 301 })}.${signature0}`, 'ERR_JWT_SIGNATURE'],
    ['a signature of zeros', `${head0}.${payload0}.${Buffer.alloc(64).toString('base64url')}`, 'ERR_JWT_SIGNATURE'],
    ['no signature', `${head0}.${payload0}.`, 'ERR_JWT_MALFORMED'],
    ['a signature in DER', `${head0}.${payload0}.${sign('sha256', Buffer.from(`${head0}.${payload0}`), own).toString('base64url')}`, 'ERR_JWT_SIGNATURE'],
  ])('%s', async (_name, refused, wanted) => {
    await expect(verifyJwtSvid(refused, options)).rejects.toThrow(code(wanted))
  })

  it.each<[string, Partial<JwtSvidOptions>, string]>([
    ['J-10 no audience wanted', { audience: [] }, 'ERR_INVALID_ARGUMENT'],
    ['J-10 an empty audience wanted', { audience: '' }, 'ERR_INVALID_ARGUMENT'],
    ['J-10 undefined wanted', { audience: undefined as unknown as string }, 'ERR_INVALID_ARGUMENT'],
    ['no time', { time: new Date(Number.NaN) }, 'ERR_INVALID_ARGUMENT'],
    ['a skew of an hour', { clockSkewSeconds: 3600 }, 'ERR_INVALID_ARGUMENT'],
    ['another ID', { id: `${id}x` }, 'ERR_SPIFFE_ID_MISMATCH'],
    ['another trust domain', { id: matchMemberOf('foreign.org') }, 'ERR_SPIFFE_ID_MISMATCH'],
    ['an asynchronous matcher', { id: (async () => Promise.resolve(false)) as never }, 'ERR_SPIFFE_ID_MISMATCH'],
    ['a source with the bundle of another', { bundles: { bundleFor: () => new TrustBundle('other.org') } }, 'ERR_BUNDLE_NOT_FOUND'],
  ])('options: %s', async (_name, changes, wanted) => {
    await expect(verifyJwtSvid(token(), { ...options, ...changes })).rejects.toThrow(code(wanted))
  })
})

describe('issueJwtSvid', () => {
  const fields: JwtSvidFields = { id, audience: 'me', keyId: 'k1' }

  it.each(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-PSS-2048'] as const)('signs with %s what verifies', async (algorithm) => {
    const signer = await SoftwareSigner.generate(algorithm)
    const bundle = new TrustBundle('example.org', { jwtAuthorities: [JwtAuthority.from('k1', signer.publicKey)] })
    for (let round = 0; round < 8; round++) {
      const { token: made } = await issueJwtSvid({ ...fields, claims: { jti: String(round) } }, signer)
      const svid = await verifyJwtSvid(made, { bundles: bundle, audience: 'me', id })
      expect(svid.claims['jti']).toBe(String(round))
      expect(svid.expiresAt.getTime() - svid.issuedAt!.getTime()).toBe(300_000)
    }
  })

  it('never shows the token', async () => {
    const svid = await issueJwtSvid(fields, new SoftwareSigner(own))
    const signature = svid.token.split('.')[2]!
    expect(inspect(svid, { showHidden: true, depth: 9 }) + JSON.stringify(svid)).not.toContain(signature)
    expect(JwtSvid.parseUnverified(svid.token).id.toString()).toBe(id)
  })

  it.each<[string, Partial<JwtSvidFields>, string]>([
    ['no life', { ttlSeconds: 0 }, 'ERR_TTL'],
    ['a life of two days', { ttlSeconds: 172_800 }, 'ERR_TTL'],
    ['no audience', { audience: [] }, 'ERR_INVALID_ARGUMENT'],
    ['no kid', { keyId: '' }, 'ERR_JWK_INVALID'],
    ['no SPIFFE ID', { id: 'https://x' }, 'ERR_SPIFFE_ID_INVALID'],
    ['a claim that is set already', { claims: { exp: 1 } }, 'ERR_INVALID_ARGUMENT'],
    ['claims that are no JSON', { claims: { big: 1n } }, 'ERR_INVALID_ARGUMENT'],
  ])('refuses %s', async (_name, changes, wanted) => {
    await expect(issueJwtSvid({ ...fields, ...changes }, new SoftwareSigner(own))).rejects.toThrow(code(wanted))
  })

  it('J-3 refuses Ed25519', async () => {
    await expect(issueJwtSvid(fields, await SoftwareSigner.generate('Ed25519'))).rejects.toThrow(code('ERR_JWK_INVALID'))
  })

  it('does not let out what does not verify', async () => {
    const good = new SoftwareSigner(own)
    const broken: Signer = { id: 'x', publicKey: good.publicKey, signatureAlgorithm: good.signatureAlgorithm, sign: () => sign('sha256', Buffer.from('other'), own) }
    await expect(issueJwtSvid(fields, broken)).rejects.toThrow(code('ERR_JWT_SIGNATURE'))
  })
})
