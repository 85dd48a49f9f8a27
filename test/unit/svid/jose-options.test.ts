// The signature check is told the one algorithm that was agreed on before: it does not take that of the
// token's header.

import { generateKeyPairSync, sign } from 'node:crypto'
import { compactVerify } from 'jose/jws/compact/verify'
import { expect, it, vi } from 'vitest'
import { JwtAuthority, TrustBundle, verifyJwtSvid } from '../../../src/svid/index.ts'

vi.mock('jose/jws/compact/verify', async (original) => {
  const jose = await original<{ readonly compactVerify: typeof compactVerify }>()
  return { ...jose, compactVerify: vi.fn(jose.compactVerify) }
})

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const now = 1_780_000_000

it('verifyJwtSvid pins the algorithm', async () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: 'spiffe://example.org/a', aud: 'me', exp: now + 60 }
  const input = `${part({ alg: 'ES384', kid: 'k1' })}.${part(claims)}`
  const signature = sign('sha384', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const bundles = new TrustBundle('example.org', { jwtAuthorities: [JwtAuthority.from('k1', privateKey)] })
  const token = `${input}.${signature.toString('base64url')}`
  await verifyJwtSvid(token, { bundles, audience: 'me', time: new Date(now * 1000) })
  expect(vi.mocked(compactVerify).mock.calls.map(([, , options]) => options)).toEqual([
    { algorithms: ['ES384'] },
  ])
})
