// The registry: modes, expiry, listeners, and that the roots of one trust domain never vouch for another's
// names.

import { describe, expect, it } from 'vitest'
import { TrustDomainRegistry } from '../../../src/federation/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import { TrustBundle, X509SvidValidator } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { callerOf, newRequest, testPki } from '../../support/pki.ts'
import { makeAuthority } from '../validation/test-pki.ts'

const [first, second] = await Promise.all(['one', 'two'].map((name) => makeAuthority(name)))
const roots = [first, second].map((one) => (one as NonNullable<typeof one>).certificate)
const bundleOf = (name: string, count = 1): TrustBundle =>
  new TrustBundle(name, { x509Authorities: roots.slice(0, count) })
const partner = TrustDomain.parse('partner.test')

function opened(federated: ConstructorParameters<typeof TrustDomainRegistry>[0]['federated'] = []) {
  const clock = new FakeClock(new Date('2026-11-30T00:00:00Z'))
  const registry = new TrustDomainRegistry({
    own: { trustDomain: 'example.org', aliases: ['old.example'], bundle: bundleOf('example.org') },
    federated,
    clock,
  })
  const changes: [string, string][] = []
  registry.onChange(({ trustDomain, kind }) => void changes.push([trustDomain.name, kind]))
  return { clock, registry, changes }
}
const invalid = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })

describe('modes', () => {
  it('manual: only an operator puts a bundle in force', async () => {
    const { registry, changes } = opened([{ trustDomain: partner, mode: 'manual' }])
    await using _ = registry
    expect(registry.offerBundle(bundleOf('partner.test'))).toBe(false)
    expect(registry.bundleFor(partner)).toBeUndefined()
    registry.setBundle(bundleOf('partner.test'))
    expect(registry.bundleFor(partner)?.x509Authorities).toHaveLength(1)
    expect(registry.offerBundle(bundleOf('partner.test', 2))).toBe(false)
    expect(changes).toEqual([['partner.test', 'bundle']])
  })

  it('automatic: each bundle that is fetched', async () => {
    const { registry, changes } = opened([{ trustDomain: partner, mode: 'automatic' }])
    await using _ = registry
    expect(registry.offerBundle(bundleOf('partner.test'))).toBe(true)
    expect(registry.offerBundle(bundleOf('partner.test'))).toBe(true)
    expect(registry.offerBundle(bundleOf('partner.test', 2))).toBe(true)
    expect(registry.bundleFor(partner)?.x509Authorities).toHaveLength(2)
    expect(changes).toEqual([
      ['partner.test', 'bundle'],
      ['partner.test', 'bundle'],
    ])
  })

  it.each([
    ['true', () => true, true],
    ['false', () => false, false],
    ['truthy', () => 1 as never, false],
    [
      'an error',
      () => {
        throw new Error('no')
      },
      false,
    ],
  ])('conditional: %s', async (_, accepts, taken) => {
    const asked: unknown[] = []
    const { registry } = opened([
      {
        trustDomain: partner,
        mode: 'conditional',
        bundle: bundleOf('partner.test'),
        accepts: (offered, current) => {
          asked.push([offered.x509Authorities.length, current?.x509Authorities.length])
          return accepts()
        },
      },
    ])
    await using __ = registry
    expect(registry.offerBundle(bundleOf('partner.test', 2))).toBe(taken)
    expect(asked).toEqual([[2, 1]])
    expect(registry.bundleFor(partner)?.x509Authorities).toHaveLength(taken ? 2 : 1)
  })

  it('an unknown trust domain is not registered by a bundle', async () => {
    const { registry } = opened()
    await using _ = registry
    for (const give of [registry.offerBundle.bind(registry), registry.setBundle.bind(registry)])
      expect(() => give(bundleOf('stranger.test'))).toThrow(
        expect.objectContaining({ code: 'ERR_BUNDLE_NOT_FOUND' }),
      )
    expect(registry.bundleFor(TrustDomain.parse('stranger.test'))).toBeUndefined()
    expect(registry.get('stranger.test')).toBeUndefined()
  })
})

describe('expiry', () => {
  const expiresAt = new Date('2026-12-01T00:00:00Z')
  it('ends the trust at that moment, and tells it once', async () => {
    const bundle = bundleOf('partner.test')
    const { registry, clock, changes } = opened([
      { trustDomain: partner, mode: 'automatic', bundle, expiresAt },
    ])
    await using _ = registry
    clock.advance(24 * 3600 * 1000 - 1)
    expect(registry.get(partner)).toMatchObject({ trusted: true, expiresAt, mode: 'automatic' })
    clock.advance(1)
    expect(registry.bundleFor(partner)).toBeUndefined()
    expect(registry.get(partner)).toMatchObject({ trusted: false, bundle: undefined })
    expect(registry.offerBundle(bundleOf('partner.test', 2))).toBe(false)
    clock.advance(10 * 24 * 3600 * 1000)
    expect(changes).toEqual([['partner.test', 'expired']])
  })

  it('a federation that is made anew lives on', async () => {
    const { registry, clock, changes } = opened([{ trustDomain: partner, mode: 'manual', expiresAt }])
    await using _ = registry
    clock.advance(48 * 3600 * 1000)
    registry.federate({ trustDomain: partner, mode: 'manual', bundle: bundleOf('partner.test') })
    expect(registry.bundleFor(partner)).toBeDefined()
    expect(changes).toEqual([
      ['partner.test', 'expired'],
      ['partner.test', 'bundle'],
    ])
  })

  it('a date in ten years needs no timer of ten years', async () => {
    const far = new Date('2036-12-01T00:00:00Z')
    const bundle = bundleOf('partner.test')
    const { registry, clock } = opened([{ trustDomain: partner, mode: 'manual', bundle, expiresAt: far }])
    await using _ = registry
    clock.advance(100 * 24 * 3600 * 1000)
    expect(registry.bundleFor(partner)).toBeDefined()
  })
})

describe('trust domains', () => {
  it('lists ours first, with its policy', async () => {
    const clock = new FakeClock(new Date())
    const policy = {
      defaultTtlSeconds: 3600,
      maxTtlSeconds: 86_400,
      sanKinds: ['uri'],
      revocation: 'hard-fail',
    } as const
    await using registry = new TrustDomainRegistry({
      own: { trustDomain: 'example.org', policy },
      federated: [
        { trustDomain: 'z.test', mode: 'manual' },
        { trustDomain: 'a.test', mode: 'manual' },
      ],
      clock,
    })
    expect(registry.list().map(({ trustDomain }) => trustDomain.name)).toEqual([
      'example.org',
      'a.test',
      'z.test',
    ])
    expect(registry.list()[0]).toMatchObject({ mode: 'own', policy, trusted: false })
    expect(Object.isFrozen(registry.list()[0]?.policy.sanKinds)).toBe(true)
  })

  it('ours is neither removed nor federated with, under no name', async () => {
    const { registry } = opened()
    await using _ = registry
    expect(() => registry.remove('example.org')).toThrow(invalid)
    for (const trustDomain of ['example.org', 'old.example'])
      expect(() => registry.federate({ trustDomain, mode: 'manual' })).toThrow(invalid)
    expect(registry.isOwn('spiffe://old.example/a')).toBe(true)
    expect(registry.isOwn('spiffe://partner.test/a')).toBe(false)
    expect(registry.bundleFor(TrustDomain.parse('old.example'))).toBeUndefined()
  })

  it('a removed one has no bundle', async () => {
    const { registry, changes } = opened([
      { trustDomain: partner, mode: 'manual', bundle: bundleOf('partner.test') },
    ])
    await using _ = registry
    expect([registry.remove(partner), registry.remove(partner)]).toEqual([true, false])
    expect(registry.bundleFor(partner)).toBeUndefined()
    expect(changes).toEqual([['partner.test', 'removed']])
  })

  it.each([
    [{ trustDomain: 'a.test', mode: 'auto' }],
    [{ trustDomain: 'a.test', mode: 'conditional' }],
    [{ trustDomain: 'a.test', mode: 'manual', accepts: () => true }],
    [{ trustDomain: 'a.test', mode: 'manual', bundle: bundleOf('b.test') }],
    [{ trustDomain: 'a.test', mode: 'manual', expiresAt: new Date(Number.NaN) }],
    [{ trustDomain: 'a.test', mode: 'manual', expiresAt: undefined }],
    [{ trustDomain: 'a.test', mode: 'manual', policy: { maxTtl: 1 } }],
    [{ trustDomain: 'a.test', mode: 'manual', policy: { maxTtlSeconds: 0 } }],
    [{ trustDomain: 'a.test', mode: 'manual', policy: { defaultTtlSeconds: 2, maxTtlSeconds: 1 } }],
    [{ trustDomain: 'a.test', mode: 'manual', policy: { revocation: 'soft' } }],
    [{ trustDomain: 'a.test', mode: 'manual', x: 1 }],
  ])('%j is refused', async (federated) => {
    const { registry } = opened()
    await using _ = registry
    expect(() => registry.federate(federated as never)).toThrow(invalid)
  })

  it('a trust domain twice is refused', () => {
    const one = { trustDomain: 'a.test', mode: 'manual' } as const
    expect(() => opened([one, one])).toThrow(expect.objectContaining({ code: 'ERR_BUNDLE_DUPLICATE' }))
  })

  it('each listener is told, whatever another throws', async () => {
    const { registry, changes } = opened([{ trustDomain: partner, mode: 'manual' }])
    await using _ = registry
    registry.onChange(() => {
      throw new Error('first')
    })
    const late: unknown[] = []
    const stop = registry.onChange((change) => void late.push(change.kind))
    expect(() => registry.setBundle(bundleOf('partner.test'))).toThrow('first')
    expect([changes.length, late]).toEqual([1, ['bundle']])
    stop()
    expect(() => registry.remove(partner)).toThrow('first')
    expect(late).toEqual(['bundle'])
  })
})

it("the roots of one trust domain do not vouch for another's names", async () => {
  const { issuance, root } = await testPki()
  const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
  const verdictWith = (name: string, mode: 'own' | 'federated'): boolean => {
    const bundle = new TrustBundle(name, { x509Authorities: [root] })
    const registry = new TrustDomainRegistry({
      own: mode === 'own' ? { trustDomain: name, bundle } : { trustDomain: 'local.test' },
      federated: mode === 'own' ? [] : [{ trustDomain: name, mode: 'manual', bundle }],
    })
    return new X509SvidValidator({ bundles: registry }).verify([certificate]).ok
  }
  // The same root, under the name in the certificate and under others.
  expect(verdictWith('example.org', 'own')).toBe(true)
  expect(verdictWith('example.org', 'federated')).toBe(true)
  expect(verdictWith('other.test', 'own')).toBe(false)
  expect(verdictWith('other.test', 'federated')).toBe(false)
})
