// Guards of single credentials that no other test of this folder held: each case fails if its guard is left
// out.

import { describe, expect, it } from 'vitest'
import {
  ApiKeyAuthenticator,
  CompositeAuthenticator,
  JoinTokenAuthenticator,
  JwtSvidAuthenticator,
  KubernetesTokenAuthenticator,
  OidcAuthenticator,
  allOf,
  anyOf,
  createMemoryOneTimeStore,
  requireCaller,
} from '../../../src/auth/index.ts'
import type { Authenticator, Caller } from '../../../src/auth/index.ts'
import { ReviewCache } from '../../../src/auth/kubernetes/review-cache.ts'
import { withBinding } from '../../../src/auth/kubernetes/service-account.ts'
import { LockOut } from '../../../src/auth/secrets/lock-out.ts'
import { lastXfccElement } from '../../../src/auth/xfcc/xfcc-header.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { TrustBundle } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { bearer, jwkSet, makeToken, requestWith, testNow, tokenKey } from '../../support/tokens.ts'

const key = tokenKey()
const issuer = 'https://issuer.example'
const account = {
  iss: issuer,
  aud: 'ca',
  sub: 'system:serviceaccount:prod:api',
  iat: testNow - 10,
  exp: testNow + 600,
  'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'api', uid: 's-1' } },
}
const clock = new FakeClock()
const kubernetes = new KubernetesTokenAuthenticator({
  trustDomain: 'example.org',
  audience: 'ca',
  clusters: [{ name: 'one', issuer, jwks: jwkSet(key) }],
  clock,
})
const oidc = new OidcAuthenticator({
  clock,
  issuers: [
    { issuer, audience: 'ca', identity: 'spiffe://example.org/{kubernetes.io.namespace}', jwks: jwkSet(key) },
  ],
})
const invalid = code('ERR_INVALID_ARGUMENT')
const refused = code('ERR_CREDENTIAL_INVALID')

describe('a service account token', () => {
  it('is accepted with the signature of its cluster, and with no other', async () => {
    const token = makeToken(key, account)
    expect(await kubernetes.authenticate(bearer(token))).toMatchObject({ credential: 'kubernetes-jwt' })
    const [head = '', body = '', signature = ''] = token.split('.')
    const other = makeToken(key, { ...account, jti: 'another' }).split('.')[2] ?? ''
    const flipped = Buffer.from(signature, 'base64url')
    flipped[40]! ^= 1
    for (const wrong of [other, flipped.toString('base64url'), Buffer.alloc(64).toString('base64url')]) {
      const forged = bearer(`${head}.${body}.${wrong}`)
      await expect(kubernetes.authenticate(forged)).rejects.toMatchObject({
        code: 'ERR_CREDENTIAL_INVALID',
        cause: { code: 'ERR_JWT_SIGNATURE' },
      })
    }
  })

  it('needs no typ', async () => {
    const token = makeToken(key, account, { typ: undefined })
    expect(await kubernetes.authenticate(bearer(token))).toMatchObject({ credential: 'kubernetes-jwt' })
  })

  it.each([
    ['exp', -1],
    ['exp', 1e300],
    ['exp', '1e3'],
    ['iat', -1],
    ['nbf', -1],
  ])('with %s %s is refused', async (claim, value) => {
    const request = bearer(makeToken(key, { ...account, [claim]: value }))
    for (const one of [kubernetes, oidc])
      await expect(one.authenticate(request)).rejects.toMatchObject({ cause: { code: 'ERR_JWT_CLAIM' } })
  })

  it('names a pod and a node as Kubernetes does', () => {
    const bare = { namespace: 'prod', serviceAccount: 'api' }
    const bound = { podName: 'api-1', podUid: 'u-1', nodeName: 'node-1' }
    expect(withBinding(bare, bound)).toMatchObject(bound)
    for (const change of [
      { podName: 'api/1' },
      { podName: 'a'.repeat(254) },
      { podUid: 'u 1' },
      { podUid: 'u'.repeat(65) },
      { nodeName: 'node/1' },
      { nodeName: 'n'.repeat(254) },
    ])
      expect(() => withBinding(bare, { ...bound, ...change })).toThrow(code('ERR_JWT_CLAIM'))
  })
})

describe('reviews of tokens', () => {
  const found = { namespace: 'prod', serviceAccount: 'api' }
  const review = (token: string, run: () => Promise<typeof found>, expiresAt?: number) => ({
    ...{ token, cluster: 'one', expiresAt, run },
    signal: new AbortController().signal,
  })

  it('are no more at once than the limit, and one for each token', async () => {
    const cache = new ReviewCache(new FakeClock(), 60, 2)
    const ends: (() => void)[] = []
    const run = () => new Promise<typeof found>((resolve) => ends.push(() => resolve(found)))
    const [first, again, second] = ['a', 'a', 'b'].map((token) => cache.account(review(token, run)))
    await expect(cache.account(review('c', run))).rejects.toThrow(code('ERR_OVERLOADED'))
    expect(ends).toHaveLength(2)
    for (const end of ends) end()
    expect(await Promise.all([first, again, second])).toEqual([found, found, found])
    const later = cache.account(review('c', run))
    ends.at(-1)?.()
    expect(await later).toEqual(found)
  })

  it('are remembered no longer than the token is valid, and not after close', async () => {
    const time = new FakeClock()
    const cache = new ReviewCache(time, 60, 2)
    let asked = 0
    const run = async () => {
      asked++
      return found
    }
    const ask = (token: string, expiresAt: number) => cache.account(review(token, run, expiresAt))
    await ask('expired', time.now())
    await ask('expired', time.now())
    expect(asked).toBe(2)
    const soon = time.now() + 5_000
    await ask('short', soon)
    await ask('short', soon)
    expect(asked).toBe(3)
    time.advance(5_000)
    await ask('short', soon)
    expect(asked).toBe(4)
    cache.close()
    await expect(ask('short', soon)).rejects.toThrow(code('ERR_CLOSED'))
  })
})

describe('a source that is locked out', () => {
  const at = (address: string) => requestWith({}, { peer: { address, port: 1 } })

  it('is one whose failures are as many as the limit, within the time', () => {
    const time = new FakeClock()
    const lock = new LockOut('test', { maxFailures: 2, seconds: 10 }, time)
    const check = () => lock.check(at('192.0.2.1'))
    lock.failed(at('192.0.2.1'))
    expect(check).not.toThrow()
    time.advance(10_000)
    lock.failed(at('192.0.2.1'))
    expect(check).not.toThrow()
    lock.failed(at('192.0.2.1'))
    expect(check).toThrow(refused)
    expect(() => lock.check(at('192.0.2.2'))).not.toThrow()
    // A failure of another source removes those whose time has passed, and no others.
    lock.failed(at('192.0.2.3'))
    expect(check).toThrow(refused)
    time.advance(10_000)
    expect(check).not.toThrow()
  })

  it('may not use a join token either', async () => {
    const tokens = new JoinTokenAuthenticator({
      store: createMemoryOneTimeStore(),
      lockOut: { maxFailures: 2 },
    })
    const token = await tokens.createToken({ identities: ['spiffe://example.org/a'], ttlSeconds: 60 })
    const send = (value: string) => requireCaller(tokens, requestWith({ 'x-join-token': value }))
    for (let count = 0; count < 2; count++) await expect(send('x')).rejects.toThrow(refused)
    await expect(send(token)).rejects.toThrow(/is locked out for/)
  })
})

describe('what is no authenticator, list or key is refused when it is given', () => {
  const entry = {
    id: 'ci',
    digest: ApiKeyAuthenticator.digestOf('key'),
    identities: ['spiffe://example.org/ci'],
  }
  it.each<[string, () => unknown]>([
    ['anyOf', () => anyOf({} as never)],
    ['anyOf of nothing that authenticates', () => anyOf([{ name: 'x' }] as never)],
    ['allOf', () => allOf('text' as never)],
    ['allOf of nothing that authenticates', () => allOf([oidc, { name: 'x' }] as never)],
    ['CompositeAuthenticator', () => new CompositeAuthenticator([{ name: 'x' }] as never)],
    ['keys', () => new ApiKeyAuthenticator({ keys: { length: 0 } as never })],
    ['an id that is a number', () => new ApiKeyAuthenticator({ keys: [{ ...entry, id: 7 as never }] })],
    ['a long id', () => new ApiKeyAuthenticator({ keys: [{ ...entry, id: 'x'.repeat(129) }] })],
    ['a digest', () => new ApiKeyAuthenticator({ keys: [{ ...entry, digest: [entry.digest] as never }] })],
    [
      'identities',
      () => new ApiKeyAuthenticator({ keys: [{ ...entry, identities: 'spiffe://a/b' as never }] }),
    ],
    ['reloadSeconds', () => new ApiKeyAuthenticator({ keys: [entry], reloadSeconds: 0 })],
    ['maxStaleSeconds', () => new ApiKeyAuthenticator({ keys: [entry], maxStaleSeconds: -1 })],
    ['a store', () => new JoinTokenAuthenticator({ store: {} as never })],
    [
      'bundles',
      () => new JwtSvidAuthenticator({ trustDomain: 'example.org', audience: 'ca', bundles: {} as never }),
    ],
    [
      'federatesWith',
      () =>
        new JwtSvidAuthenticator({
          ...{ trustDomain: 'example.org', audience: 'ca', bundles: new TrustBundle('example.org') },
          federatesWith: 'partner.org' as never,
        }),
    ],
  ])('%s', (_what, make) => {
    expect(make).toThrow(invalid)
  })

  it('a date of a one-time value', async () => {
    const store = createMemoryOneTimeStore()
    for (const date of [clock.now() + 1000, new Date(NaN), { getTime: () => Infinity }])
      await expect(store.add('key', 'value', date as never)).rejects.toThrow(invalid)
  })

  it('requireCaller', async () => {
    for (const one of [{}, { name: 'x' }, undefined])
      await expect(requireCaller(one as never, requestWith({}))).rejects.toThrow(invalid)
  })
})

it.each(['namespace', 'serviceAccount', 'podName', 'podUid', 'nodeName', 'cluster'])(
  'a caller whose %s is no text fails its authenticator',
  async (field) => {
    const caller = {
      identities: [SpiffeId.parse('spiffe://example.org/a')],
      credential: 'test',
      claims: {},
      kubernetes: { namespace: 'prod', serviceAccount: 'api', [field]: 7 },
    }
    const own: Authenticator = { name: 'own', authenticate: async () => caller as Caller }
    await expect(requireCaller(own, requestWith({}))).rejects.toThrow(code('ERR_AUTHENTICATOR_FAILED'))
  },
)

it.each(['URI', 'By=a;URI', 'By=a;', ';', 'URI=a,URI', 'By=a;URI="b"x', 'URI=a"b', 'URI=a=b'])(
  'the header %s of a proxy is malformed',
  (header) => {
    expect(() => lastXfccElement(header)).toThrow(refused)
  },
)

it('the header of a proxy has at most 16 elements', () => {
  const of = (count: number): string => Array.from({ length: count }, (_, at) => `URI=u${at}`).join()
  expect(lastXfccElement(of(16)).uri).toEqual(['u15'])
  expect(() => lastXfccElement(of(17))).toThrow(/more than 16 elements/)
  expect(lastXfccElement('URI="a,b;c=d",URI="e\\"f"').uri).toEqual(['e"f'])
})
