// JWT-SVIDs by rule number (J-1 to J-13), with tokens made by node:crypto alone, so that a fault in issuing
// cannot hide one in verifying.

import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { match } from '../../../src/spiffe/index.ts'
import {
  JwtAuthority,
  JwtSvid,
  TrustBundle,
  TrustBundleSet,
  issueJwtSvid,
  parseSpiffeBundle,
  verifyJwtSvid,
} from '../../../src/svid/index.ts'
import type { JwtSvidFields } from '../../../src/svid/jwt/issue-jwt-svid.ts'
import type { JwtSvidOptions } from '../../../src/svid/jwt/verify-jwt-svid.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { makeAuthority } from '../validation/test-pki.ts'

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
const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

function token(head: unknown = header, payload: unknown = claims, key = own): string {
  const input = `${part(head)}.${part(payload)}`
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
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
    ['J-7 an audience twice', header, { ...claims, aud: ['me', 'me'] }],
    ['J-8 an exp a day ahead', header, { ...claims, exp: now + 86_400 }],
    ['J-8 an exp in another spelling', header, `{"sub":"${id}","aud":"me","exp":${now + 300}.0e0}`],
    ['J-9 an nbf and iat of 0', header, { ...claims, nbf: 0, iat: 0 }],
    ['J-9 an nbf with a fraction', header, { ...claims, nbf: now + 59.9999 }],
    [
      'J-13 any jti, and claims of others',
      header,
      { ...claims, jti: 'x', iss: 'https://example.org', more: { deep: [1] } },
    ],
  ])('%s', async (_name, head, payload) => {
    const svid = await verifyJwtSvid(token(head, payload), options)
    expect(svid.id.toString()).toBe(id)
    expect(svid.keyId).toBe('k1')
  })

  it('an exp as far ahead as the verifier says', async () => {
    const far = token(header, { ...claims, exp: now + 90 * 86_400 })
    await expect(verifyJwtSvid(far, options)).rejects.toThrow(code('ERR_JWT_CLAIM'))
    expect((await verifyJwtSvid(far, { ...options, maxTtlSeconds: 90 * 86_400 })).keyId).toBe('k1')
  })

  it('no option by a slip', async () => {
    for (const slip of [{ id: undefined }, { spiffeId: id }, { audience: undefined }])
      await expect(verifyJwtSvid(token(), { ...options, ...slip } as never)).rejects.toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
  })

  it('one of several audiences, an ID, a matcher', async () => {
    for (const more of [{ audience: ['x', 'other'], id }, { id: match.memberOf('example.org') }])
      expect((await verifyJwtSvid(token(), { ...options, ...more })).id.toString()).toBe(id)
  })
})

const whole = token()
const [head0, payload0, signature0] = whole.split('.') as [string, string, string]
const hmac = part({ alg: 'HS256', kid: 'k1' })
const hmacOf = (key: string): string =>
  `${hmac}.${payload0}` +
  `.${createHmac('sha256', Buffer.from(key, 'base64url')).update(`${hmac}.${payload0}`).digest('base64url')}`

describe('verifyJwtSvid refuses', () => {
  it.each<[string, string, string]>([
    ['J-1 nothing', '', 'ERR_JWT_MALFORMED'],
    ['J-1 two parts', `${head0}.${payload0}`, 'ERR_JWT_MALFORMED'],
    ['J-1 four parts', `${whole}.x`, 'ERR_JWT_MALFORMED'],
    [
      'J-1 JSON serialization',
      JSON.stringify({ payload: payload0, protected: head0, signature: signature0 }),
      'ERR_JWT_MALFORMED',
    ],
    ['J-1 five parts, encrypted', `${whole}.x.y`, 'ERR_JWT_MALFORMED'],
    ['padding', `${whole}=`, 'ERR_JWT_MALFORMED'],
    ['white space', `${whole}\n`, 'ERR_JWT_MALFORMED'],
    ['Bearer in front', `Bearer ${whole}`, 'ERR_JWT_MALFORMED'],
    ['an array for a payload', token(header, []), 'ERR_JWT_MALFORMED'],
    [
      'a claim twice',
      token(header, `{"sub":"${id}","aud":"me","exp":1,"exp":${now + 300}}`),
      'ERR_JWT_MALFORMED',
    ],
    ['too long', 'a'.repeat(16_385), 'ERR_LIMIT_EXCEEDED'],
    ...['jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64', 'cty', 'x'].map((name): [string, string, string] => [
      `J-2 header ${name}`,
      token({ ...header, [name]: 'x' }),
      'ERR_JWT_HEADER',
    ]),
    ...[
      'none',
      'HS256',
      'EdDSA',
      'Ed25519',
      'es256',
      'ES256K',
      '',
      undefined,
      null,
      ['ES256'],
      'constructor',
    ].map((alg): [string, string, string] => [
      `J-3 alg ${String(alg)}`,
      token({ ...header, alg }),
      'ERR_JWT_ALGORITHM',
    ]),
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
    [
      'J-6 sub names a trust domain',
      token(header, { ...claims, sub: 'spiffe://example.org' }),
      'ERR_JWT_CLAIM',
    ],
    ['J-8 exp a century ahead', token(header, { ...claims, exp: now + 100 * 365 * 86_400 }), 'ERR_JWT_CLAIM'],
    ['J-8 exp a day and two minutes ahead', token(header, { ...claims, exp: now + 86_520 }), 'ERR_JWT_CLAIM'],
    ['J-6 sub is no text', token(header, { ...claims, sub: [id] }), 'ERR_JWT_CLAIM'],
    [
      'J-6 another trust domain, own key',
      token(header, { ...claims, sub: 'spiffe://foreign.org/x' }),
      'ERR_JWT_KEY_UNKNOWN',
    ],
    [
      'J-6 another trust domain, its kid, own key',
      token({ ...header, kid: 'f1' }, { ...claims, sub: 'spiffe://foreign.org/x' }),
      'ERR_JWT_SIGNATURE',
    ],
    [
      'J-6 own trust domain, foreign key',
      token({ ...header, kid: 'f1' }, claims, foreign),
      'ERR_JWT_KEY_UNKNOWN',
    ],
    [
      'J-6 an unknown trust domain',
      token(header, { ...claims, sub: 'spiffe://unknown.org/x' }),
      'ERR_BUNDLE_NOT_FOUND',
    ],
    [
      'B-4 a bundle that revokes everything',
      token(header, { ...claims, sub: 'spiffe://empty.org/x' }),
      'ERR_BUNDLE_NOT_FOUND',
    ],
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
    [
      'a changed payload',
      `${head0}.${part({ ...claims, exp: now + 301 })}.${signature0}`,
      'ERR_JWT_SIGNATURE',
    ],
    [
      'a signature of zeros',
      `${head0}.${payload0}.${Buffer.alloc(64).toString('base64url')}`,
      'ERR_JWT_SIGNATURE',
    ],
    [
      'J-1 an unprotected header',
      JSON.stringify({ payload: payload0, header: { alg: 'ES256', kid: 'k1' }, signature: signature0 }),
      'ERR_JWT_MALFORMED',
    ],
    ['J-1 an array of tokens', [whole] as unknown as string, 'ERR_INVALID_ARGUMENT'],
    ['J-1 a header that is no object', token('null'), 'ERR_JWT_MALFORMED'],
    ['J-1 a header that is a text', token('"ES256"'), 'ERR_JWT_MALFORMED'],
    [
      'J-1 a byte order mark before the header',
      token(`\ufeff${JSON.stringify(header)}`),
      'ERR_JWT_MALFORMED',
    ],
    [
      'J-1 bits left over in the header',
      head0.slice(0, -1) +
        `${String.fromCharCode(head0.charCodeAt(head0.length - 1) + 1)}.${payload0}.${signature0}`,
      'ERR_JWT_MALFORMED',
    ],
    [
      'J-1 bits left over in the signature',
      `${head0}.${payload0}` +
        `.${signature0.slice(0, -1)}` +
        (signature0.endsWith('A')
          ? 'B'
          : String.fromCharCode(signature0.charCodeAt(signature0.length - 1) + 1)),
      'ERR_JWT_MALFORMED',
    ],
    ['J-1 base64 in place of base64url', `${head0}.${payload0}.+${signature0.slice(1)}`, 'ERR_JWT_MALFORMED'],
    [
      'J-1 a payload that is not UTF-8',
      `${head0}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${signature0}`,
      'ERR_JWT_MALFORMED',
    ],
    [
      'J-1 a payload nested too deep',
      token(header, `{"sub":"${id}","aud":"me","exp":${now + 300},"x":${'['.repeat(40)}${']'.repeat(40)}}`),
      'ERR_JWT_MALFORMED',
    ],
    [
      'J-1 a payload with __proto__',
      token(header, `{"__proto__":{},"sub":"${id}","aud":"me","exp":${now + 300}}`),
      'ERR_JWT_MALFORMED',
    ],
    ['J-2 b64 and crit (RFC 7797)', token({ ...header, b64: false, crit: ['b64'] }), 'ERR_JWT_HEADER'],
    ['J-2 an empty crit', token({ ...header, crit: [] }), 'ERR_JWT_HEADER'],
    [
      'J-2 the key of the signer in jwk',
      token({ ...header, jwk: foreign.export({ format: 'jwk' }) }, claims, foreign),
      'ERR_JWT_HEADER',
    ],
    ['J-2 a header by the name of a member of Object', token({ ...header, toString: 'x' }), 'ERR_JWT_HEADER'],
    ['J-3 alg twice', token('{"alg":"none","alg":"ES256","kid":"k1"}'), 'ERR_JWT_MALFORMED'],
    [
      'J-3 alg twice by an escape',
      token('{"alg":"ES256","\\u0061lg":"none","kid":"k1"}'),
      'ERR_JWT_MALFORMED',
    ],
    ['J-3 none without a signature', `${part({ alg: 'none' })}.${payload0}.`, 'ERR_JWT_MALFORMED'],
    ['J-3 an HMAC by the public key', hmacOf(own.export({ format: 'jwk' }).x ?? ''), 'ERR_JWT_ALGORITHM'],
    ['J-4 a kid that is null', token({ ...header, kid: null }), 'ERR_JWT_HEADER'],
    ['J-5 typ null', token({ ...header, typ: null }), 'ERR_JWT_HEADER'],
    ['J-5 typ of a WIT-SVID', token({ ...header, typ: 'wit+jwt' }), 'ERR_JWT_HEADER'],
    ['J-6 sub with a slash at its end', token(header, { ...claims, sub: `${id}/` }), 'ERR_JWT_CLAIM'],
    [
      'J-6 sub in capitals',
      token(header, { ...claims, sub: id.replace('example', 'Example') }),
      'ERR_JWT_CLAIM',
    ],
    [
      'J-6 sub with percent encoding',
      token(header, { ...claims, sub: 'spiffe://example.org/ns%2Fprod' }),
      'ERR_JWT_CLAIM',
    ],
    [
      'J-6 sub longer than 2,048 bytes',
      token(header, { ...claims, sub: `spiffe://example.org/${'a'.repeat(2048)}` }),
      'ERR_JWT_CLAIM',
    ],
    [
      'J-6 sub twice',
      token(header, `{"sub":"spiffe://foreign.org/x","sub":"${id}","aud":"me","exp":${now + 300}}`),
      'ERR_JWT_MALFORMED',
    ],
    ['J-7 aud is null', token(header, { ...claims, aud: null }), 'ERR_JWT_CLAIM'],
    ['J-7 aud is an object', token(header, { ...claims, aud: { me: 'me' } }), 'ERR_JWT_CLAIM'],
    ['J-7 aud within an array', token(header, { ...claims, aud: [['me']] }), 'ERR_JWT_CLAIM'],
    ['J-7 an empty aud', token(header, { ...claims, aud: '' }), 'ERR_JWT_CLAIM'],
    ['J-7 an empty one beside the own', token(header, { ...claims, aud: ['me', ''] }), 'ERR_JWT_CLAIM'],
    ['J-7 several in one text', token(header, { ...claims, aud: 'me other' }), 'ERR_JWT_AUDIENCE'],
    ['J-8 exp is null', token(header, { ...claims, exp: null }), 'ERR_JWT_CLAIM'],
    ['J-8 exp is true', token(header, { ...claims, exp: true }), 'ERR_JWT_CLAIM'],
    ['J-8 exp in an array', token(header, { ...claims, exp: [now + 300] }), 'ERR_JWT_CLAIM'],
    ['J-8 a negative exp', token(header, { ...claims, exp: -1 }), 'ERR_JWT_CLAIM'],
    ['J-8 exp a second beyond time', token(header, { ...claims, exp: 8.64e12 + 1 }), 'ERR_JWT_CLAIM'],
    [
      'J-8 exp above 2^53',
      token(header, `{"sub":"${id}","aud":"me","exp":9007199254740993}`),
      'ERR_JWT_CLAIM',
    ],
    ['J-8 exp above 2^1024', token(header, `{"sub":"${id}","aud":"me","exp":1e400}`), 'ERR_JWT_MALFORMED'],
    [
      'J-8 exp of ten thousand digits',
      token(header, `{"sub":"${id}","aud":"me","exp":${'9'.repeat(10_000)}}`),
      'ERR_JWT_MALFORMED',
    ],
    [
      'J-8 exp in hexadecimal',
      token(header, `{"sub":"${id}","aud":"me","exp":0x7fffffff}`),
      'ERR_JWT_MALFORMED',
    ],
    ['J-8 exp in milliseconds', token(header, { ...claims, exp: now * 1e6 }), 'ERR_JWT_CLAIM'],
    ['J-9 a negative iat', token(header, { ...claims, iat: -1 }), 'ERR_JWT_CLAIM'],
    ['J-9 iat as text', token(header, { ...claims, iat: String(now) }), 'ERR_JWT_CLAIM'],
    ['J-9 nbf beyond time', token(header, { ...claims, nbf: 1e300 }), 'ERR_JWT_CLAIM'],
    ['J-9 an nbf in milliseconds', token(header, { ...claims, nbf: now * 1000 }), 'ERR_JWT_NOT_YET_VALID'],
    ['J-12 a kid in capitals', token({ ...header, kid: 'K1' }), 'ERR_JWT_KEY_UNKNOWN'],
    ['J-12 a kid with a blank', token({ ...header, kid: 'k1 ' }), 'ERR_JWT_KEY_UNKNOWN'],
    [
      'J-12 a kid by the name of a member of Object',
      token({ ...header, kid: 'constructor' }),
      'ERR_JWT_KEY_UNKNOWN',
    ],
    [
      'a signature one octet short',
      `${head0}.${payload0}.${Buffer.from(signature0, 'base64url').subarray(1).toString('base64url')}`,
      'ERR_JWT_SIGNATURE',
    ],
    [
      'a signature one octet long',
      `${head0}.${payload0}` +
        `.${Buffer.concat([Buffer.from(signature0, 'base64url'), Buffer.alloc(1)]).toString('base64url')}`,
      'ERR_JWT_SIGNATURE',
    ],
    ['no signature', `${head0}.${payload0}.`, 'ERR_JWT_MALFORMED'],
    [
      'a signature in DER',
      `${head0}.${payload0}` +
        `.${sign('sha256', Buffer.from(`${head0}.${payload0}`), own).toString('base64url')}`,
      'ERR_JWT_SIGNATURE',
    ],
  ])('%s', async (_name, refused, wanted) => {
    await expect(verifyJwtSvid(refused, options)).rejects.toThrow(code(wanted))
  })

  it.each<[string, Partial<JwtSvidOptions>, string]>([
    ['J-10 no audience wanted', { audience: [] }, 'ERR_INVALID_ARGUMENT'],
    ['J-10 an empty audience wanted', { audience: '' }, 'ERR_INVALID_ARGUMENT'],
    ['J-10 undefined wanted', { audience: undefined as unknown as string }, 'ERR_INVALID_ARGUMENT'],
    ['no time', { time: new Date(Number.NaN) }, 'ERR_INVALID_ARGUMENT'],
    ['a time as text', { time: '2026-06-01' as unknown as Date }, 'ERR_INVALID_ARGUMENT'],
    [
      'a clock without a time',
      { time: undefined, clock: { now: () => Number.NaN } as never },
      'ERR_INVALID_ARGUMENT',
    ],
    ['a skew that is no number', { clockSkewSeconds: Number.NaN }, 'ERR_INVALID_ARGUMENT'],
    ['J-10 an audience that is no text', { audience: [1] as unknown as string }, 'ERR_INVALID_ARGUMENT'],
    ['a skew of an hour', { clockSkewSeconds: 3600 }, 'ERR_INVALID_ARGUMENT'],
    ['another ID', { id: `${id}x` }, 'ERR_SPIFFE_ID_MISMATCH'],
    ['another trust domain', { id: match.memberOf('foreign.org') }, 'ERR_SPIFFE_ID_MISMATCH'],
    [
      'an asynchronous matcher',
      { id: (async () => Promise.resolve(false)) as never },
      'ERR_SPIFFE_ID_MISMATCH',
    ],
    [
      'a source with the bundle of another',
      { bundles: { bundleFor: () => new TrustBundle('other.org') } },
      'ERR_BUNDLE_NOT_FOUND',
    ],
  ])('options: %s', async (_name, changes, wanted) => {
    await expect(verifyJwtSvid(token(), { ...options, ...changes })).rejects.toThrow(code(wanted))
  })
})

describe('the edges of time, without skew', () => {
  const at = (milliseconds: number, changes: object): Promise<JwtSvid> =>
    verifyJwtSvid(token(header, { ...claims, ...changes }), {
      ...options,
      clockSkewSeconds: 0,
      time: new Date(now * 1000 + milliseconds),
    })

  it.each<[string, number, object, string?]>([
    ['J-8 the last millisecond before exp', -1, { iat: undefined, exp: now }],
    ['J-8 exp itself (RFC 7519 §4.1.4: "on or after")', 0, { exp: now }, 'ERR_JWT_EXPIRED'],
    ['J-8 the last millisecond before exp with a fraction', 499, { exp: now + 0.5 }],
    ['J-8 exp with a fraction itself', 500, { exp: now + 0.5 }, 'ERR_JWT_EXPIRED'],
    ['J-9 nbf itself', 0, { nbf: now }],
    ['J-9 the last millisecond before nbf', -1, { iat: undefined, nbf: now }, 'ERR_JWT_NOT_YET_VALID'],
    ['J-9 iat itself', 0, { iat: now }],
    ['J-9 the last millisecond before iat', -1, { iat: now }, 'ERR_JWT_NOT_YET_VALID'],
  ])('%s', async (_name, milliseconds, changes, wanted) => {
    if (wanted === undefined) await expect(at(milliseconds, changes)).resolves.toBeInstanceOf(JwtSvid)
    else await expect(at(milliseconds, changes)).rejects.toThrow(code(wanted))
  })
})

describe('the keys of a bundle', () => {
  const jwk = (key: typeof own, more: object): object => ({
    ...key.export({ format: 'jwk' }),
    d: undefined,
    ...more,
  })
  const bundleOf = (...keys: object[]): TrustBundle =>
    parseSpiffeBundle(JSON.stringify({ keys }), { trustDomain: 'example.org' })
  const ask = (bundle: TrustBundle, key = own): Promise<JwtSvid> =>
    verifyJwtSvid(token(header, claims, key), { ...options, bundles: bundle })

  it('J-12 of two keys under one kid the first counts, and alone', async () => {
    const bundle = bundleOf(
      jwk(own, { kid: 'k1', use: 'jwt-svid' }),
      jwk(foreign, { kid: 'k1', use: 'jwt-svid' }),
    )
    await expect(ask(bundle)).resolves.toBeInstanceOf(JwtSvid)
    await expect(ask(bundle, foreign)).rejects.toThrow(code('ERR_JWT_SIGNATURE'))
    expect(
      () =>
        new TrustBundle('example.org', {
          jwtAuthorities: [JwtAuthority.from('k1', own), JwtAuthority.from('k1', foreign)],
        }),
    ).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('J-12 an entry that cannot be used takes no kid', async () => {
    await expect(
      ask(
        bundleOf(
          jwk(own, { kid: 'k1', use: 'jwt-svid', y: 'AAAA' }),
          jwk(own, { kid: 'k1', use: 'jwt-svid' }),
        ),
      ),
    ).resolves.toBeInstanceOf(JwtSvid)
  })

  it.each<[string, object, string]>([
    ['sig', { kid: 'k1', use: 'sig' }, 'ERR_BUNDLE_NOT_FOUND'],
    ['JWT-SVID in capitals', { kid: 'k1', use: 'JWT-SVID' }, 'ERR_BUNDLE_NOT_FOUND'],
    ['wit-svid', { kid: 'k1', use: 'wit-svid' }, 'ERR_BUNDLE_NOT_FOUND'],
    ['nothing', { kid: 'k1' }, 'ERR_BUNDLE_NOT_FOUND'],
    ['jwt-svid, for another algorithm', { kid: 'k1', use: 'jwt-svid', alg: 'ES384' }, 'ERR_BUNDLE_NOT_FOUND'],
    [
      'jwt-svid, for encryption',
      { kid: 'k1', use: 'jwt-svid', key_ops: ['encrypt'] },
      'ERR_BUNDLE_NOT_FOUND',
    ],
    ['jwt-svid, under a kid that is a number', { kid: 1, use: 'jwt-svid' }, 'ERR_BUNDLE_NOT_FOUND'],
  ])('J-12 no key of the use %s', async (_use, more, wanted) => {
    await expect(ask(bundleOf(jwk(own, more)))).rejects.toThrow(code(wanted))
  })

  it('J-12 no key of an X.509 authority, though it has a kid', async () => {
    const { certificate } = await makeAuthority('root', undefined, { signer: new SoftwareSigner(own) })
    const entry = {
      kty: 'EC',
      kid: 'k1',
      use: 'x509-svid',
      x5c: [Buffer.from(certificate.der).toString('base64')],
    }
    expect(bundleOf(entry).x509Authorities).toHaveLength(1)
    await expect(ask(bundleOf(entry))).rejects.toThrow(code('ERR_BUNDLE_NOT_FOUND'))
    await expect(ask(bundleOf(entry, jwk(foreign, { kid: 'k1', use: 'jwt-svid' })))).rejects.toThrow(
      code('ERR_JWT_SIGNATURE'),
    )
  })

  it.each(['RS256', 'PS256'] as const)('J-3 an RSA key that is for %s takes nothing else', async (alg) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { n, e } = privateKey.export({ format: 'jwk' })
    const bundle = bundleOf({ kty: 'RSA', n, e, kid: 'k1', use: 'jwt-svid', alg })
    for (const used of ['RS256', 'PS256'] as const) {
      const input = `${part({ alg: used, kid: 'k1' })}.${part(claims)}`
      const padding = used === 'PS256' ? { padding: 6, saltLength: 32 } : {}
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, ...padding })
      const made = `${input}.${signature.toString('base64url')}`
      const asked = verifyJwtSvid(made, { ...options, bundles: bundle })
      if (used === alg) await asked
      else await expect(asked).rejects.toThrow(code('ERR_JWT_ALGORITHM'))
    }
  })

  it.each<[string, (set: TrustBundleSet) => void, string?]>([
    [
      'is taken out',
      (set) => {
        set.set(new TrustBundle('example.org'))
      },
      'ERR_BUNDLE_NOT_FOUND',
    ],
    [
      'is replaced',
      (set) => {
        set.set(bundleOf(jwk(foreign, { kid: 'k1', use: 'jwt-svid' })))
      },
      'ERR_JWT_KEY_UNKNOWN',
    ],
    [
      'gets another kid',
      (set) => {
        set.set(bundleOf(jwk(own, { kid: 'k2', use: 'jwt-svid' })))
      },
      'ERR_JWT_KEY_UNKNOWN',
    ],
    [
      'goes with its trust domain',
      (set) => {
        set.delete('example.org')
      },
      'ERR_BUNDLE_NOT_FOUND',
    ],
    [
      'gets company',
      (set) => {
        set.set(
          bundleOf(jwk(own, { kid: 'k1', use: 'jwt-svid' }), jwk(foreign, { kid: 'k2', use: 'jwt-svid' })),
        )
      },
    ],
  ])('J-12 a key that %s while a token is verified', async (_what, change, wanted) => {
    const set = new TrustBundleSet([bundleOf(jwk(own, { kid: 'k1', use: 'jwt-svid' }))])
    const asked = verifyJwtSvid(token(), { ...options, bundles: set })
    change(set)
    if (wanted === undefined) await expect(asked).resolves.toBeInstanceOf(JwtSvid)
    else await expect(asked).rejects.toThrow(code(wanted))
  })

  it('J-10 the audience that was wanted at the beginning is', async () => {
    const audience = ['nobody']
    const asked = verifyJwtSvid(token(), { ...options, audience })
    audience.push('me')
    await expect(asked).rejects.toThrow(code('ERR_JWT_AUDIENCE'))
  })

  it('J-12 a key that was taken out verifies nothing more', async () => {
    const set = new TrustBundleSet([bundleOf(jwk(own, { kid: 'k1', use: 'jwt-svid' }))])
    await verifyJwtSvid(token(), { ...options, bundles: set })
    set.set(bundleOf(jwk(foreign, { kid: 'k2', use: 'jwt-svid' })))
    await expect(verifyJwtSvid(token(), { ...options, bundles: set })).rejects.toThrow(
      code('ERR_JWT_KEY_UNKNOWN'),
    )
  })
})

describe('issueJwtSvid', () => {
  const fields: JwtSvidFields = { id, audience: 'me', keyId: 'k1' }

  it.each(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-PSS-2048'] as const)(
    'signs with %s what verifies',
    async (algorithm) => {
      const signer = await SoftwareSigner.generate(algorithm)
      const bundle = new TrustBundle('example.org', {
        jwtAuthorities: [JwtAuthority.from('k1', signer.publicKey)],
      })
      for (let round = 0; round < 8; round++) {
        const { token: made } = await issueJwtSvid({ ...fields, claims: { jti: String(round) } }, signer)
        const svid = await verifyJwtSvid(made, { bundles: bundle, audience: 'me', id })
        expect(svid.claims['jti']).toBe(String(round))
        expect(svid.expiresAt.getTime() - svid.issuedAt!.getTime()).toBe(300_000)
      }
    },
  )

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
    [
      'claims that answer for all',
      { claims: { toJSON: () => ({ sub: id, aud: ['me', 'other'], exp: 4_000_000_000 }) } },
      'ERR_INVALID_ARGUMENT',
    ],
    ['J-6 a sub among the claims', { claims: { sub: id } }, 'ERR_INVALID_ARGUMENT'],
    ['J-7 an audience among the claims', { claims: { aud: 'me' } }, 'ERR_INVALID_ARGUMENT'],
    ['J-7 an empty audience', { audience: ['me', ''] }, 'ERR_INVALID_ARGUMENT'],
    ['J-9 an nbf among the claims', { claims: { nbf: 0 } }, 'ERR_INVALID_ARGUMENT'],
    ['a fraction of a life', { ttlSeconds: 0.5 }, 'ERR_TTL'],
    ['an endless life', { ttlSeconds: Infinity }, 'ERR_TTL'],
    ['a kid that is too long', { keyId: 'k'.repeat(1025) }, 'ERR_JWK_INVALID'],
    ['claims that nobody could send', { claims: { x: 'x'.repeat(20_000) } }, 'ERR_LIMIT_EXCEEDED'],
    [
      'a claim that receivers refuse',
      { claims: JSON.parse('{"__proto__":{}}') as Record<string, unknown> },
      'ERR_JWT_MALFORMED',
    ],
  ])('refuses %s', async (_name, changes, wanted) => {
    await expect(issueJwtSvid({ ...fields, ...changes }, new SoftwareSigner(own))).rejects.toThrow(
      code(wanted),
    )
  })

  it(
    'J-1 to J-8 writes compact form with alg, kid and typ, one audience as text, whole ' + 'seconds',
    async () => {
      const { token: made } = await issueJwtSvid(
        { ...fields, claims: { toJSON: 'x' } },
        new SoftwareSigner(own),
      )
      const [head, payload] = made
        .split('.')
        .slice(0, 2)
        .map((each) => JSON.parse(Buffer.from(each, 'base64url').toString()) as Record<string, unknown>)
      expect(head).toEqual({ alg: 'ES256', kid: 'k1', typ: 'JWT' })
      expect(payload).toEqual({
        sub: id,
        aud: 'me',
        iat: expect.any(Number),
        exp: (payload?.['iat'] as number) + 300,
        toJSON: 'x',
      })
      expect(Number.isInteger(payload?.['iat'])).toBe(true)
      expect(
        (await issueJwtSvid({ ...fields, audience: ['a', 'b'] }, new SoftwareSigner(own))).audience,
      ).toEqual(['a', 'b'])
    },
  )

  it('J-3 refuses Ed25519', async () => {
    await expect(issueJwtSvid(fields, await SoftwareSigner.generate('Ed25519'))).rejects.toThrow(
      code('ERR_JWK_INVALID'),
    )
  })

  it('J-3 refuses an algorithm that is not one of the key', async () => {
    const { id: name, publicKey } = new SoftwareSigner(own)
    const other: Signer = {
      id: name,
      publicKey,
      signatureAlgorithm: 'ecdsa-with-SHA512',
      sign: (input) => sign('sha512', input, own),
    }
    await expect(issueJwtSvid(fields, other)).rejects.toThrow(code('ERR_JWK_INVALID'))
  })

  it('does not let out the signature of another curve', async () => {
    const { id: name, publicKey, signatureAlgorithm } = new SoftwareSigner(own)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
    await expect(
      issueJwtSvid(fields, {
        id: name,
        publicKey,
        signatureAlgorithm,
        sign: (input) => sign('sha256', input, privateKey),
      }),
    ).rejects.toThrow(code('ERR_JWT_SIGNATURE'))
  })

  it('does not let out what does not verify', async () => {
    const good = new SoftwareSigner(own)
    const broken: Signer = {
      id: 'x',
      publicKey: good.publicKey,
      signatureAlgorithm: good.signatureAlgorithm,
      sign: () => sign('sha256', Buffer.from('other'), own),
    }
    await expect(issueJwtSvid(fields, broken)).rejects.toThrow(code('ERR_JWT_SIGNATURE'))
  })
})
