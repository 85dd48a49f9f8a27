// The source of JWT-SVIDs: one token per audience, fetched at half of its life, once for all who ask.

import { describe, expect, test } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createJwtSource } from '../../../src/secrets/index.ts'
import type { JwtSource } from '../../../src/secrets/internal.ts'
import { JwtAuthority, TrustBundle, TrustBundleSet, issueJwtSvid } from '../../../src/svid/index.ts'
import type { JwtSvid } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { deferred } from '../../support/deferred.ts'

const id = 'spiffe://example.org/web'
const signer = await SoftwareSigner.generate('P-256')
const bundle = new TrustBundle('example.org', {
  jwtAuthorities: [JwtAuthority.from('jwt-1', signer.publicKey)],
})
type Options = Parameters<typeof createJwtSource>[0]
type Fetch = Options['fetchToken']

interface Setup extends AsyncDisposable {
  readonly clock: FakeClock
  readonly jwt: JwtSource
  readonly requests: Parameters<Fetch>[0][]
  readonly issue: Fetch
  fetch: Fetch
}

function setUp(options: Partial<Options> = {}): Setup {
  const clock = new FakeClock()
  const requests: Parameters<Fetch>[0][] = []
  const issue: Fetch = ({ audience, id: of }) =>
    issueJwtSvid({ id: of ?? id, audience, keyId: 'jwt-1', ttlSeconds: 300, clock }, signer)
  const jwt = createJwtSource({
    clock,
    fetchToken: (request) => {
      requests.push(request)
      return setup.fetch(request)
    },
    ...options,
  })
  const setup: Setup = {
    ...{ clock, jwt, requests, issue, fetch: issue },
    [Symbol.asyncDispose]: () => jwt[Symbol.asyncDispose](),
  }
  return setup
}

const later = (
  ms: number,
): { readonly id: string; readonly audience: string; readonly keyId: string; readonly clock: FakeClock } => ({
  id,
  audience: 'db',
  keyId: 'jwt-1',
  clock: new FakeClock(new Date(new FakeClock().now() + ms)),
})

describe('createJwtSource', () => {
  test('one token per audience, until half of its life', async () => {
    await using setup = setUp({ bundles: bundle })
    const { jwt, clock, requests } = setup
    const first = await jwt.token('db')
    clock.advance(149_000)
    expect(await jwt.token('db')).toBe(first)
    expect((await jwt.svid('orders')).audience).toEqual(['orders'])
    expect(requests.map(({ audience }) => audience)).toEqual(['db', 'orders'])
    clock.advance(2_000)
    expect(await jwt.token('db')).not.toBe(first)
    expect(requests).toHaveLength(3)
  })

  test('one flight for all who ask, and one that gives up takes nobody along', async () => {
    await using setup = setUp()
    const { jwt, requests } = setup
    const impatient = new AbortController()
    const given = jwt.token('db', { signal: impatient.signal })
    const rest = Array.from({ length: 50 }, () => jwt.token('db'))
    impatient.abort()
    await expect(given).rejects.toThrow(code('ERR_ABORTED'))
    expect(new Set(await Promise.all(rest)).size).toBe(1)
    expect(requests).toHaveLength(1)
  })

  test('identities and hints have tokens of their own, and are passed on', async () => {
    await using setup = setUp()
    const { jwt, requests } = setup
    const other = 'spiffe://example.org/other'
    expect((await jwt.svid('db', { id: other })).id.toString()).toBe(other)
    await jwt.token('db', { hint: 'internal' })
    await jwt.token('db')
    expect(requests.map(({ id: of, hint }) => [of?.toString(), hint])).toEqual([
      [other, undefined],
      [undefined, 'internal'],
      [undefined, undefined],
    ])
    expect(Object.keys(requests[2]!).sort()).toEqual(['audience', 'signal'])
  })

  test('while nothing is issued the valid token is used on, with a pause between attempts', async () => {
    await using setup = setUp()
    const { jwt, clock, requests } = setup
    const first = await jwt.token('db')
    setup.fetch = () => Promise.reject(new Error('away'))
    clock.advance(200_000)
    for (let call = 0; call < 10; call++) expect(await jwt.token('db')).toBe(first)
    expect(requests).toHaveLength(2)
    clock.advance(99_999)
    expect(await jwt.token('db')).toBe(first)
    expect(requests).toHaveLength(3)
    clock.advance(1)
    await expect(jwt.token('db')).rejects.toThrow('away')
    setup.fetch = setup.issue
    clock.advance(150_000 * 1.2)
    expect(await jwt.token('db')).not.toBe(first)
  })

  test.each<readonly [string, () => Promise<JwtSvid | string>, Partial<Options>]>([
    ['another audience', () => issueJwtSvid({ ...later(0), audience: 'orders' }, signer), {}],
    ['another identity', () => issueJwtSvid(later(0), signer), { id: 'spiffe://example.org/api' }],
    ['an expired one', () => issueJwtSvid(later(-600_000), signer), {}],
    ['one of the future', () => issueJwtSvid(later(600_000), signer), { bundles: bundle }],
    [
      'one that lives too long',
      () => issueJwtSvid({ ...later(0), ttlSeconds: 3_601 }, signer),
      { maxTtlSeconds: 3_600 },
    ],
    [
      'a foreign signature',
      async () => issueJwtSvid(later(0), await SoftwareSigner.generate('P-256')),
      { bundles: bundle },
    ],
    ['no token', async () => 'none', {}],
    ['nothing', async () => undefined as unknown as string, {}],
  ])('refuses %s, and asks again only after a pause', async (_what, answer, options) => {
    await using setup = setUp(options)
    setup.fetch = answer
    await expect(setup.jwt.token('db')).rejects.toThrow(code('ERR_CA_REPLY'))
    setup.fetch = setup.issue
    await expect(setup.jwt.token('db')).rejects.toThrow(code('ERR_CA_REPLY'))
    expect(setup.requests).toHaveLength(1)
  })

  test('a token whose key has left the bundle is not used any more', async () => {
    const next = await SoftwareSigner.generate('P-256')
    const bundles = new TrustBundleSet([bundle])
    await using setup = setUp({ bundles })
    const first = await setup.jwt.token('db')
    bundles.set(
      new TrustBundle('example.org', { jwtAuthorities: [JwtAuthority.from('jwt-2', next.publicKey)] }),
    )
    setup.fetch = () => issueJwtSvid({ id, audience: 'db', keyId: 'jwt-2', clock: setup.clock }, next)
    expect(await setup.jwt.token('db')).not.toBe(first)
  })

  test.each([
    ['forward by an hour', 3_600_000],
    ['forward by a day', 86_400_000],
    ['back by an hour', -3_600_000],
    ['back by a day', -86_400_000],
  ])('a wall clock set %s: the token is never used beyond its life on either clock', async (_how, jumpMs) => {
    await using setup = setUp()
    const { jwt, clock } = setup
    const first = await jwt.token('db')
    clock.setWallClock(new Date(clock.now() + jumpMs))
    if (jumpMs > 0) expect(await jwt.token('db')).not.toBe(first)
    clock.advance(300_000)
    expect(await jwt.token('db')).not.toBe(first)
  })

  test('after half of its life the valid token is given while a slow fetch goes on', async () => {
    await using setup = setUp()
    const { jwt, clock, requests } = setup
    const first = await jwt.token('db')
    clock.advance(151_000)
    const answer = deferred<JwtSvid | string>()
    setup.fetch = () => answer.promise
    const patient = jwt.token('db')
    await expect.poll(() => requests.length).toBe(2)
    clock.advance(999)
    clock.advance(1)
    expect(await patient).toBe(first)
    // From then on nobody waits.
    expect(await jwt.token('db')).toBe(first)
    answer.resolve(await setup.issue(requests[1]!))
    await expect.poll(async () => (await jwt.token('db')) !== first).toBe(true)
    expect(requests).toHaveLength(2)
  })

  test('a fetch for a valid token ends at its deadline too, and is tried again', async () => {
    await using setup = setUp()
    const { jwt, clock, requests } = setup
    const first = await jwt.token('db')
    clock.advance(151_000)
    setup.fetch = () => new Promise(() => undefined)
    const patient = jwt.token('db')
    await expect.poll(() => requests.length).toBe(2)
    clock.advance(1_000)
    expect(await patient).toBe(first)
    clock.advance(29_000)
    expect(requests[1]!.signal.aborted).toBe(true)
    setup.fetch = setup.issue
    await expect.poll(() => clock.pending).toBe(0)
    expect(await jwt.token('db')).toBe(first)
    clock.advance(1_200)
    expect(await jwt.token('db')).not.toBe(first)
    expect(requests).toHaveLength(3)
  })

  test('a fetch that never ends is given up', async () => {
    await using setup = setUp({ timeoutSeconds: 5 })
    let signal: AbortSignal | undefined
    setup.fetch = (request) => {
      signal = request.signal
      return new Promise(() => undefined)
    }
    const waiting = expect(setup.jwt.token('db')).rejects.toThrow(code('ERR_TIMEOUT'))
    await expect.poll(() => signal !== undefined).toBe(true)
    setup.clock.advance(5_000)
    await waiting
    expect(signal?.aborted).toBe(true)
    expect(setup.clock.pending).toBe(0)
  })

  test('holds so many tokens and no more; the one used least recently makes room', async () => {
    await using setup = setUp({ maxTokens: 2 })
    const { jwt, requests } = setup
    for (const audience of ['a', 'b', 'a', 'c', 'a', 'b']) await jwt.token(audience)
    expect(requests.map(({ audience }) => audience)).toEqual(['a', 'b', 'c', 'b'])
    setup.fetch = () => new Promise(() => undefined)
    const hanging = ['d', 'e'].map((audience) => jwt.token(audience).catch(() => undefined))
    await expect(jwt.token('f')).rejects.toThrow(code('ERR_LIMIT_EXCEEDED'))
    await jwt[Symbol.asyncDispose]()
    await Promise.all(hanging)
    await expect(jwt.token('a')).rejects.toThrow(code('ERR_CLOSED'))
  })

  test('refuses what is no option, audience or function', async () => {
    await using setup = setUp()
    for (const call of [
      () => setup.jwt.token(''),
      () => setup.jwt.token(['db'] as never),
      () => setup.jwt.token('db', { id: undefined } as never),
      () => setup.jwt.token('db', { hnt: 'x' } as never),
      async () => createJwtSource({ fetchToken: 'x' as never }),
      async () => createJwtSource({ fetchToken: setup.issue, maxTokens: 0 }),
      async () => createJwtSource({ fetchToken: setup.issue, bundles: undefined as never }),
    ])
      await expect(call()).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
