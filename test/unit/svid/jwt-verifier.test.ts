// The verifier of JWT-SVIDs with a memory: what it remembers, how long, and what it never remembers.

import { describe, expect, test, vi } from 'vitest'
import { PkiError } from '../../../src/errors/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  JwtAuthority,
  TrustBundle,
  TrustBundleSet,
  createJwtVerifier,
  issueJwtSvid,
} from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'

const signer = await SoftwareSigner.generate('P-256')
const other = await SoftwareSigner.generate('P-256')
const bundleOf = (key: SoftwareSigner): TrustBundle =>
  new TrustBundle('example.org', { jwtAuthorities: [JwtAuthority.from('jwt-1', key.publicKey)] })

async function setUp(maxTokens?: number) {
  const clock = new FakeClock()
  const bundles = new TrustBundleSet([bundleOf(signer)])
  const verifier = createJwtVerifier({ bundles, clock, maxTokens })
  const tokenFor = async (audience: string, key = signer): Promise<string> =>
    (await issueJwtSvid({ id: 'spiffe://example.org/web', audience, keyId: 'jwt-1', clock }, key)).token
  return { clock, bundles, verifier, tokenFor, token: await tokenFor('db') }
}

describe('createJwtVerifier', () => {
  test('an accepted token is the same object the second time, for its audience alone', async () => {
    const { verifier, token } = await setUp()
    const first = await verifier.verify(token, 'db')
    expect(await verifier.verify(token, 'db')).toBe(first)
    await expect(verifier.verify(token, 'orders')).rejects.toThrow(code('ERR_JWT_AUDIENCE'))
    await expect(verifier.verify(`${token}x`, 'db')).rejects.toThrow()
    expect(await verifier.verify(token, 'db')).toBe(first)
  })

  test('never beyond exp, on either clock', async () => {
    const { verifier, token, clock } = await setUp()
    const first = await verifier.verify(token, 'db')
    clock.advance(299_999)
    expect(await verifier.verify(token, 'db')).toBe(first)
    clock.advance(1)
    // Within the skew it is accepted, and verified each time.
    const late = await verifier.verify(token, 'db')
    expect(late).not.toBe(first)
    expect(await verifier.verify(token, 'db')).not.toBe(late)
    clock.setWallClock(new Date(clock.now() - 200_000))
    expect(await verifier.verify(token, 'db')).not.toBe(first)
    clock.advance(260_000)
    await expect(verifier.verify(token, 'db')).rejects.toThrow(code('ERR_JWT_EXPIRED'))
  })

  test('a clock that is set back before the verification: verified again', async () => {
    const { verifier, token, clock } = await setUp()
    await verifier.verify(token, 'db')
    clock.setWallClock(new Date(clock.now() - 3_600_000))
    await expect(verifier.verify(token, 'db')).rejects.toThrow(code('ERR_JWT_NOT_YET_VALID'))
  })

  test('a clock that is set back after the verification does not lengthen the life of a token', async () => {
    const { verifier, token, clock } = await setUp()
    const first = await verifier.verify(token, 'db')
    clock.advance(299_999)
    clock.setWallClock(new Date(clock.now() - 200_000))
    expect(await verifier.verify(token, 'db')).toBe(first)
    clock.advance(1)
    expect(await verifier.verify(token, 'db')).not.toBe(first)
  })

  test('a token within the skew after its end takes no place of one that is remembered', async () => {
    const { verifier, token, tokenFor, clock } = await setUp(1)
    clock.advance(330_000)
    const current = await tokenFor('db')
    const first = await verifier.verify(current, 'db')
    await verifier.verify(token, 'db')
    expect(await verifier.verify(current, 'db')).toBe(first)
  })

  test.each(['replaced', 'removed'])('a key that is %s takes its remembered tokens along', async (how) => {
    const { verifier, token, bundles } = await setUp()
    await verifier.verify(token, 'db')
    if (how === 'removed') bundles.delete('example.org')
    else bundles.set(bundleOf(other))
    await expect(verifier.verify(token, 'db')).rejects.toThrow(/./)
    bundles.set(bundleOf(signer))
    expect((await verifier.verify(token, 'db')).audience).toEqual(['db'])
  })

  test('a refused token is not remembered: it is accepted as soon as its key is known', async () => {
    const { verifier, tokenFor, bundles } = await setUp()
    const token = await tokenFor('db', other)
    await expect(verifier.verify(token, 'db')).rejects.toThrow(code('ERR_JWT_SIGNATURE'))
    bundles.set(bundleOf(other))
    expect((await verifier.verify(token, 'db')).id.toString()).toBe('spiffe://example.org/web')
  })

  test('remembers so many and no more', async () => {
    const { verifier, tokenFor } = await setUp(2)
    const tokens = await Promise.all(['a', 'b', 'c'].map((audience) => tokenFor(audience)))
    const [first] = await Promise.all(tokens.slice(0, 1).map((token) => verifier.verify(token, 'a')))
    await verifier.verify(tokens[1]!, 'b')
    expect(await verifier.verify(tokens[0]!, 'a')).toBe(first)
    const second = await verifier.verify(tokens[1]!, 'b')
    await verifier.verify(tokens[2]!, 'c')
    expect(await verifier.verify(tokens[1]!, 'b')).toBe(second)
    expect(await verifier.verify(tokens[0]!, 'a')).not.toBe(first)
    const none = await setUp(0)
    const once = await none.verifier.verify(none.token, 'db')
    expect(await none.verifier.verify(none.token, 'db')).not.toBe(once)
  })

  test.each([undefined, null, 7, {}, '', 'a.b.c', 'x'.repeat(20_000)])(
    'refuses %j as a token',
    async (token) => {
      const { verifier } = await setUp()
      await expect(verifier.verify(token as string, 'db')).rejects.toThrow(PkiError)
    },
  )

  test('a receiver cannot change what the next one gets', async () => {
    const { verifier, token } = await setUp()
    const first = await verifier.verify(token, 'db')
    const expiresMs = first.expiresAt.getTime()
    first.expiresAt.setTime(0)
    expect(() => Object.assign(first, { id: 'spiffe://example.org/other' })).toThrow(TypeError)
    expect(() => Object.assign(first.claims, { sub: 'spiffe://example.org/other' })).toThrow(TypeError)
    expect(Object.isFrozen(first.claims.aud)).toBe(true)
    const second = await verifier.verify(token, 'db')
    expect([second, second.expiresAt.getTime()]).toEqual([first, expiresMs])
  })

  test('a list of audiences is refused, not taken for the text that it is joined to', async () => {
    const { verifier, token } = await setUp()
    const list = ['db', 'orders'] as unknown as string
    await expect(verifier.verify(token, list)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(verifier.verify(token, 'db,orders')).rejects.toThrow(code('ERR_JWT_AUDIENCE'))
  })

  test('refuses options and audiences that are none', async () => {
    const { verifier, token } = await setUp()
    for (const audience of ['', undefined, null, []])
      await expect(verifier.verify(token, audience as string)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => createJwtVerifier({ bundles: vi.fn() as never })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => createJwtVerifier({ bundles: bundleOf(signer), maxTokens: -1 })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})
