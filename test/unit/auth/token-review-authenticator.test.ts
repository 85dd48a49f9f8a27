// TokenReview against an API server that is made here from the public API: status codes, audiences, RBAC,
// clusters, outages.

import { describe, expect, it } from 'vitest'
import { TokenReviewAuthenticator, requireCaller } from '../../../src/auth/index.ts'
import type { Caller } from '../../../src/auth/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import type { GuardedFetcher } from '../../../src/runtime/index.ts'
import type { GuardedRequest, GuardedResponse } from '../../../src/runtime/internal.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { makeToken, requestWith, testNow, tokenKey } from '../../support/tokens.ts'

const key = tokenKey()
const claims = { sub: 'system:serviceaccount:prod:api', exp: testNow + 3_600 }
const token = makeToken(key, claims)
const extra = {
  'authentication.kubernetes.io/pod-name': ['api-7d9f'],
  'authentication.kubernetes.io/pod-uid': ['49ad8d4d'],
  'authentication.kubernetes.io/node-name': ['node-1'],
}
const user = {
  username: 'system:serviceaccount:prod:api',
  uid: 'sa-uid',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:prod', 'system:authenticated'],
  extra,
}
const good = { authenticated: true, user, audiences: ['istio-ca'] }

/** As kube-apiserver answers: 201 with the whole TokenReview. */
class FakeApiServer implements GuardedFetcher {
  status: unknown = good
  httpStatus = 201
  body: string | undefined
  failure: PkiError | undefined
  readonly reviews: { readonly url: string; readonly spec: Record<string, unknown> }[] = []
  hold: Promise<void> = Promise.resolve()

  async fetch(url: string, { method, body }: GuardedRequest = {}): Promise<GuardedResponse> {
    expect(method).toBe('POST')
    const sent = JSON.parse(new TextDecoder().decode(body))
    expect(sent).toMatchObject({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview' })
    this.reviews.push({ url, spec: sent.spec })
    await this.hold
    if (this.failure !== undefined) throw this.failure
    const answer = this.body ?? JSON.stringify({ ...sent, status: this.status })
    return { url, status: this.httpStatus, headers: {}, body: new TextEncoder().encode(answer) }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function setUp(names: readonly string[] = ['one'], options: object = {}) {
  const clock = new FakeClock()
  const servers = names.map(() => new FakeApiServer())
  const authenticator = new TokenReviewAuthenticator({
    trustDomain: 'cluster.local',
    audience: ['istio-ca', 'spiffe-pki'],
    clusters: names.map((name, at) => ({ name, server: `https://${name}.example`, fetcher: servers[at]! })),
    clock,
    ...options,
  })
  const ask = (headers: Record<string, string | string[]> = {}, text = token): Promise<Caller> =>
    requireCaller(authenticator, requestWith({ authorization: `Bearer ${text}`, ...headers }))
  return { clock, server: servers[0]!, servers, authenticator, ask }
}

it.each(['soon', null, true, []])('a token whose exp is %j is refused without a review', async (exp) => {
  const { ask, server } = setUp()
  await expect(ask({}, makeToken(key, { ...claims, exp }))).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  expect(server.reviews).toEqual([])
})

describe('a review', () => {
  it('sends the audiences and tells what the API server answered', async () => {
    const { ask, server } = setUp()
    const caller = await ask()
    expect(caller.identities.map(String)).toEqual(['spiffe://cluster.local/ns/prod/sa/api'])
    expect(caller.kubernetes).toEqual({
      namespace: 'prod',
      serviceAccount: 'api',
      podName: 'api-7d9f',
      podUid: '49ad8d4d',
      nodeName: 'node-1',
      cluster: 'one',
    })
    expect(server.reviews).toEqual([
      {
        url: 'https://one.example/apis/authentication.k8s.io/v1/tokenreviews',
        spec: { token, audiences: ['istio-ca', 'spiffe-pki'] },
      },
    ])
    expect(JSON.stringify(caller.claims)).not.toContain(token)
  })

  it('is asked for tokens of service accounts whose exp is absent or ahead, and for no other', async () => {
    const { ask, server } = setUp()
    const other = makeToken(key, { ...claims, sub: 'alice' })
    await expect(ask({}, other)).rejects.toThrow(code('ERR_CREDENTIAL_MISSING'))
    for (const exp of ['1', null, testNow])
      await expect(ask({}, makeToken(key, { ...claims, exp }))).rejects.toThrow(
        code('ERR_CREDENTIAL_INVALID'),
      )
    expect(server.reviews).toEqual([])
    expect(await ask({}, makeToken(key, { sub: claims.sub }))).toMatchObject({ credential: 'kubernetes-jwt' })
  })

  it.each([
    ['not authenticated', { authenticated: false, error: 'invalid bearer token' }],
    ['authenticated left out', { ...good, authenticated: undefined }],
    ['authenticated as a text', { ...good, authenticated: 'true' }],
    ['authenticated as a number', { ...good, authenticated: 1 }],
    ['an error beside it', { ...good, error: 'webhook timed out' }],
    ['a null error', { ...good, error: null }],
    ['no audiences', { ...good, audiences: undefined }],
    ['null audiences', { ...good, audiences: null }],
    ['empty audiences', { ...good, audiences: [] }],
    ['audiences as a text', { ...good, audiences: 'istio-ca' }],
    ['another audience', { ...good, audiences: ['https://kubernetes.default.svc'] }],
    ['null in the audiences', { ...good, audiences: [null] }],
    ['no user', { ...good, user: undefined }],
    ['a null user', { ...good, user: null }],
    ['a user of another kind', { ...good, user: { ...user, username: 'admin' } }],
    ['a node', { ...good, user: { ...user, username: 'system:node:one' } }],
    ['three parts', { ...good, user: { ...user, username: 'system:serviceaccount:prod' } }],
    ['five parts', { ...good, user: { ...user, username: 'system:serviceaccount:prod:api:x' } }],
    ['a null name', { ...good, user: { ...user, username: null } }],
    ['no groups', { ...good, user: { ...user, groups: undefined } }],
    ['the group of its namespace alone', { ...good, user: { ...user, groups: [user.groups[1]] } }],
    ['the group of all accounts alone', { ...good, user: { ...user, groups: [user.groups[0]] } }],
    ['groups of another namespace', { ...good, user: { ...user, groups: ['system:serviceaccounts'] } }],
    [
      'a pod without UID',
      { ...good, user: { ...user, extra: { ...extra, 'authentication.kubernetes.io/pod-uid': undefined } } },
    ],
    [
      'two pods',
      {
        ...good,
        user: { ...user, extra: { ...extra, 'authentication.kubernetes.io/pod-name': ['a', 'b'] } },
      },
    ],
    [
      'a null pod',
      { ...good, user: { ...user, extra: { ...extra, 'authentication.kubernetes.io/pod-name': null } } },
    ],
  ])('with %s is refused, and asked again', async (_, status) => {
    const { ask, server } = setUp()
    server.status = status
    await expect(ask()).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    await expect(ask()).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    expect(server.reviews).toHaveLength(2)
  })

  it('names both sets of audiences in its refusal', async () => {
    const { ask, server } = setUp()
    server.status = { ...good, audiences: ['vault'] }
    await expect(ask()).rejects.toThrow(/"vault".*"istio-ca","spiffe-pki"/)
  })

  it.each([
    [403, undefined, 'ERR_KUBERNETES_FORBIDDEN'],
    [401, undefined, 'ERR_KUBERNETES_FORBIDDEN'],
    [500, undefined, 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [429, undefined, 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [404, undefined, 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [201, '', 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [201, 'null', 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [201, '[]', 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [201, '{"kind":"TokenReview","status":null}', 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [201, '{"kind":"Status","status":{"authenticated":true}}', 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    [201, '{"kind":"TokenReview","kind":"TokenReview"}', 'ERR_AUTHENTICATOR_UNAVAILABLE'],
  ])('answered %i %j is %s, and for a second nobody asks', async (status, body, expected) => {
    const { ask, server, clock } = setUp()
    server.httpStatus = status
    server.body = body
    for (let at = 0; at < 20; at++) await expect(ask()).rejects.toThrow(code(expected))
    expect(server.reviews).toHaveLength(1)
    clock.advance(1_000)
    server.httpStatus = 201
    server.body = undefined
    expect((await ask()).credential).toBe('kubernetes-jwt')
  })

  it('an API server that does not answer is unavailable, and no cluster is asked in its place', async () => {
    const { ask, servers } = setUp(['one', 'two'])
    servers[0]!.failure = new PkiError('ERR_TIMEOUT', 'down')
    await expect(ask({ clusterid: 'one' })).rejects.toThrow(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
    expect(servers[1]!.reviews).toHaveLength(0)
    expect((await ask({ clusterid: 'two' })).kubernetes?.cluster).toBe('two')
  })
})

describe('clusters', () => {
  it.each([
    [{}],
    [{ clusterid: 'three' }],
    [{ clusterid: ['one', 'two'] }],
    [{ clusterid: '' }],
    [{ clusterid: 'One' }],
  ])('the headers %j of two clusters are refused, and nobody is asked', async (headers) => {
    const { ask, servers } = setUp(['one', 'two'])
    await expect(ask(headers)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    expect(servers.flatMap(({ reviews }) => reviews)).toEqual([])
  })

  it('an answer of one cluster is none of another', async () => {
    const { ask, servers } = setUp(['one', 'two'])
    await ask({ clusterid: 'one' })
    servers[1]!.status = { authenticated: false }
    await expect(ask({ clusterid: 'two' })).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    expect(servers[1]!.reviews).toHaveLength(1)
  })
})

describe('the cache', () => {
  it('keeps a positive answer for a minute, and asks once for many', async () => {
    const { ask, server, clock } = setUp()
    await Promise.all(Array.from({ length: 50 }, () => ask()))
    clock.advance(59_999)
    await ask()
    expect(server.reviews).toHaveLength(1)
    clock.advance(1)
    server.status = { authenticated: false }
    await expect(ask()).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    expect(server.reviews).toHaveLength(2)
  })

  it('ends with the token, and can be turned off', async () => {
    const { ask, server, clock } = setUp()
    const short = makeToken(key, { ...claims, exp: testNow + 5 })
    await ask({}, short)
    clock.advance(5_000)
    await expect(ask({}, short)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    expect(server.reviews).toHaveLength(1)
    const off = setUp(['one'], { cacheSeconds: 0 })
    await off.ask()
    await off.ask()
    expect(off.server.reviews).toHaveLength(2)
  })

  it('one caller that leaves does not end the review of another; too many at once are refused', async () => {
    const { server, authenticator, ask } = setUp(['one'], { maxInFlight: 1 })
    let release: () => void = () => undefined
    server.hold = new Promise((resolve) => (release = resolve))
    const gone = new AbortController()
    const first = authenticator.authenticate(
      requestWith({ authorization: `Bearer ${token}` }, { signal: gone.signal }),
    )
    const second = ask()
    const other = makeToken(key, { ...claims, jti: 'other' })
    await expect(ask({}, other)).rejects.toThrow(code('ERR_OVERLOADED'))
    gone.abort()
    await expect(first).rejects.toThrow(code('ERR_ABORTED'))
    release()
    expect((await second).credential).toBe('kubernetes-jwt')
    await authenticator[Symbol.asyncDispose]()
    await expect(ask()).rejects.toThrow(code('ERR_CLOSED'))
  })
})

it.each([
  { audience: '' },
  { audience: undefined },
  { clusters: [] },
  { clusters: [{ name: 'a', server: 'https://a/path', fetcher: new FakeApiServer() }] },
  { clusters: [{ name: 'a', server: 'https://a', fetcher: {} }] },
  { cacheSeconds: 61 },
  { maxInFlight: 0 },
])('the options %# are refused', (options) => {
  expect(() => setUp(['one'], options)).toThrow(code('ERR_INVALID_ARGUMENT'))
})
