// What a trust bundle refuses: too many authorities, numbers that are none, an authority with a fault inside.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  JwtAuthority,
  TrustBundle,
  X509SvidValidator,
  parseSpiffeBundle,
  verifyJwtSvid,
} from '../../../src/svid/index.ts'
import { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { makeAuthority } from '../validation/test-pki.ts'

const trustDomain = 'example.org'
const { certificate } = await makeAuthority('root')
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const authority = JwtAuthority.from('k', publicKey)
const most = 10_000

describe('a trust bundle has at most 10,000 authorities', () => {
  it('of certificates, repeated ones included', () => {
    const bundle = (count: number) => () =>
      new TrustBundle(trustDomain, { x509Authorities: Array.from({ length: count }, () => certificate) })
    expect(bundle(most)).not.toThrow()
    expect(bundle(most + 1)).toThrow(code('ERR_LIMIT_EXCEEDED'))
  })

  it('of keys', () => {
    const bundle = (count: number) => () =>
      new TrustBundle(trustDomain, {
        jwtAuthorities: Array.from(
          { length: count },
          (_, at) => ({ keyId: `${at}`, equals: () => true }) as never,
        ),
      })
    expect(bundle(most)).not.toThrow()
    expect(bundle(most + 1)).toThrow(code('ERR_LIMIT_EXCEEDED'))
  })

  it('in DER, which is not read beyond them', () => {
    const der = (count: number) => () =>
      TrustBundle.fromDer(Uint8Array.from([...Array<number[]>(count).fill([0x30, 0]).flat(), 0xff]), {
        trustDomain,
      })
    expect(der(most - 1)).toThrow(code('ERR_DER'))
    expect(der(most)).toThrow(code('ERR_LIMIT_EXCEEDED'))
  })
})

describe('a trust bundle is not made', () => {
  it.each([
    ...[-1n, 1, '1', null].map((sequenceNumber) => ({ sequenceNumber })),
    ...[-1, 0.5, Number.NaN, 1n, '1'].map((refreshHintSeconds) => ({ refreshHintSeconds })),
  ])('with %o', (content) => {
    expect(() => new TrustBundle(trustDomain, content as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => new TrustBundle(trustDomain).with(content as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([
    { x509Authorities: certificate.toPem() },
    { x509Authorities: new Set([certificate]) },
    { jwtAuthorities: new Set([authority]) },
  ])('of what is not a list', (content) => {
    expect(() => new TrustBundle(trustDomain, content as never)).toThrow(/must be lists/)
  })
})

it('an authority whose extensions are malformed is not in the bundle of a document (X-14)', () => {
  const hex = Buffer.from(certificate.der).toString('hex')
  // The BOOLEAN cA of the basic constraints becomes an OCTET STRING.
  const broken = Buffer.from(hex.replace('30030101ff', '30030401ff'), 'hex')
  expect(Certificate.parse(broken).equals(certificate)).toBe(false)
  const entry = (der: Uint8Array) => ({
    kty: 'EC',
    use: 'x509-svid',
    x5c: [Buffer.from(der).toString('base64')],
  })
  const document = JSON.stringify({ keys: [authority.toJwk(), entry(broken), entry(certificate.der)] })
  const bundle = parseSpiffeBundle(document, { trustDomain })
  expect(bundle.x509Authorities).toHaveLength(1)
  expect(bundle.ignored).toMatchObject([{ index: 1 }])
})

it('a bundle is empty without certificates and keys, not without one of them', () => {
  const of = (content: object) => new TrustBundle(trustDomain, content).isEmpty
  expect(of({})).toBe(true)
  expect(of({ x509Authorities: [certificate] })).toBe(false)
  expect(of({ jwtAuthorities: [authority] })).toBe(false)
})

it.each([0, -1, Infinity, Number.NaN, '300'])(
  'a token is not verified for at most %o seconds',
  async (max) => {
    const options = { bundles: new TrustBundle(trustDomain), audience: 'a', maxTtlSeconds: max as number }
    await expect(verifyJwtSvid('x.y.z', options)).rejects.toThrow(/maxTtlSeconds/)
  },
)

describe('a validator of X.509-SVIDs', () => {
  const bundles = new TrustBundle(trustDomain, { x509Authorities: [certificate] })

  it('is not made without a source of bundles, or with receipts that nothing checks', () => {
    for (const options of [{ bundles: {} }, { bundles: new Map() }, { bundles, receipts: {} }])
      expect(() => new X509SvidValidator(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([undefined, certificate, certificate.toPem(), new Set([certificate])])(
    'throws for a chain that is not an array',
    (chain) => {
      expect(() => new X509SvidValidator({ bundles }).verify(chain as never)).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    },
  )
})
