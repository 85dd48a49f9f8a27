// Rules over identities: what allows, what denies, what narrows, and that nothing is forgotten.

import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '../../../src/auth/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createRulePolicy } from '../../../src/policy/index.ts'
import type { IssuanceDecision, PolicyDocument } from '../../../src/policy/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { buildCertificateRequest, generalName } from '../../../src/x509/index.ts'
import type { CertificateRequest } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'

const trustDomain = 'example.org'
const key = await SoftwareSigner.generate('P-256')
const plain = await buildCertificateRequest({}, key)
const asking = (...names: string[]): Promise<CertificateRequest> =>
  buildCertificateRequest(
    {
      extensions: {
        subjectAltName: names.map((name) =>
          name.startsWith('spiffe:') ? generalName.uri(name) : generalName.dns(name),
        ),
      },
    },
    key,
  )
let clock: FakeClock
beforeEach(() => {
  clock = new FakeClock(new Date('2026-11-23T12:00:00Z')) // a Monday
})

type Rules = PolicyDocument['rules']
type Decide = (
  paths: string | readonly string[],
  request?: {
    csr?: CertificateRequest
    ttlSeconds?: number
    dryRun?: boolean
    claims?: object
    credential?: string
  },
) => IssuanceDecision

function policyOf(rules: Rules, rest: Partial<PolicyDocument> = {}): Decide {
  const policy = createRulePolicy({ trustDomain, rules, ...rest }, { clock })
  return (paths, { csr = plain, ttlSeconds, dryRun, claims = {}, credential = 'x509' } = {}) => {
    const identities = [paths]
      .flat()
      .map((path) => SpiffeId.parse(path.startsWith('/') ? `spiffe://${trustDomain}${path}` : path))
    return policy.decide({ csr, ttlSeconds, dryRun }, {
      identities,
      credential,
      claims,
    } as Caller) as IssuanceDecision
  }
}

const services = { name: 'services', identity: '/ns/{ns}/sa/{sa}' } as const

describe('who', () => {
  it.each([
    ['/ns/{ns}/sa/{sa}', '/ns/prod/sa/api', true],
    ['/ns/{ns}/sa/{sa}', '/ns/prod/sa/api/x', false],
    ['/ns/{ns}/sa/{sa}', '/ns/prod/sa', false],
    ['/ns/prod/sa/{sa}', '/ns/prod/sa/api', true],
    ['/ns/prod/sa/{sa}', '/ns/test/sa/api', false],
    ['/ns/prod/**', '/ns/prod/sa/api', true],
    ['/ns/prod/**', '/ns/prod', false],
    ['/ns/prod/**', '/ns/production/x', false],
    ['*', '/anything/at/all', true],
    ['spiffe://example.org/web', '/web', true],
    ['spiffe://example.org/web', '/web/x', false],
    ['spiffe://example.org/ns/{ns}/web', '/ns/a/web', true],
    ['/web', '/Web', false],
  ])('%s for %s: %s', (identity, path, allowed) => {
    expect(policyOf([{ name: 'r', identity }])(path)).toMatchObject(
      allowed ? { allowed: true, rule: 'r' } : { allowed: false, rule: 'no-rule', code: 'ERR_POLICY_DENIED' },
    )
  })

  it('another trust domain, no path, several identities: as the identity policy says', () => {
    const decide = policyOf([{ name: 'r', identity: '*' }])
    expect(decide('spiffe://other.org/a')).toMatchObject({ code: 'ERR_POLICY_TRUST_DOMAIN' })
    expect(decide('spiffe://example.org')).toMatchObject({ code: 'ERR_POLICY_IDENTITY' })
    expect(decide(['/a', '/b'])).toMatchObject({ code: 'ERR_POLICY_IDENTITY' })
  })

  it('an alias is the trust domain itself', () => {
    const decide = policyOf([{ name: 'r', identity: '/a' }], { aliases: ['old.org'] })
    expect(decide('spiffe://old.org/a')).toMatchObject({ allowed: true })
  })

  it('credentials', () => {
    const decide = policyOf([{ name: 'r', identity: '*', credentials: ['oidc'] }])
    expect(decide('/a')).toMatchObject({ rule: 'no-rule' })
    expect(decide('/a', { credential: 'oidc' })).toMatchObject({ allowed: true })
  })
})

describe('all rules that match are applied', () => {
  it('the shortest validity of them, and of the policy, cuts; the decision says so', () => {
    const decide = policyOf(
      [
        { ...services, maxTtlSeconds: 7200 },
        { name: 'prod', identity: '/ns/prod/**', maxTtlSeconds: 600 },
      ],
      { maxTtlSeconds: 86_400, defaultTtlSeconds: 300 },
    )
    expect(decide('/ns/prod/sa/a', { ttlSeconds: 3600 })).toMatchObject({
      rule: 'services, prod',
      content: { ttlSeconds: 3600, maxTtlSeconds: 600 },
      trimmed: ['validity: 3600 s cut to 600 s by prod'],
    })
    expect(decide('/ns/test/sa/a', { ttlSeconds: 3600 })).toMatchObject({
      content: { maxTtlSeconds: 7200 },
      trimmed: [],
    })
    expect(decide('/ns/test/sa/a')).toMatchObject({ content: { ttlSeconds: 300 } })
    expect(policyOf([{ name: 'r', identity: '*' }])('/a')).toMatchObject({
      content: { maxTtlSeconds: undefined },
    })
  })

  it('the limit of the policy cuts where no rule has a shorter one', () => {
    const decide = policyOf([{ ...services, maxTtlSeconds: 7200 }], { maxTtlSeconds: 60 })
    expect(decide('/ns/a/sa/b', { ttlSeconds: 3600 })).toMatchObject({
      content: { maxTtlSeconds: 60 },
      trimmed: ['validity: 3600 s cut to 60 s by maxTtlSeconds of the policy'],
    })
  })

  it('a denial of any identity of the caller counts, whichever the certificate is for', async () => {
    const decide = policyOf([
      { name: 'all', identity: '*' },
      { name: 'banned', identity: '/banned', effect: 'deny' },
    ])
    const csr = await asking('spiffe://example.org/good')
    expect(decide(['/good', '/banned'], { csr })).toMatchObject({ allowed: false, rule: 'banned' })
    expect(decide(['/good', '/other'], { csr })).toMatchObject({ allowed: true })
  })

  it('a rule is not for an identity of another trust domain with its path', async () => {
    const decide = policyOf([
      { name: 'all', identity: '*' },
      { name: 'banned', identity: '/banned', effect: 'deny' },
    ])
    const csr = await asking('spiffe://example.org/good')
    expect(decide(['/good', 'spiffe://other.org/banned'], { csr })).toMatchObject({ rule: 'all' })
  })

  it('a caller under two names of the trust domain is counted once', async () => {
    const rateLimit = { per: 'identity', count: 1, windowSeconds: 60 } as const
    const decide = policyOf([{ name: 'r', identity: '*', rateLimit }], { aliases: ['old.org'] })
    const csr = await asking('spiffe://example.org/a')
    expect(decide(['/a', 'spiffe://old.org/a'], { csr })).toMatchObject({ allowed: true })
    expect(decide('/a')).toMatchObject({ code: 'ERR_POLICY_RATE' })
  })

  it('a denial whose conditions do not hold is no permission', () => {
    const during = [{ from: '22:00', to: '06:00' }]
    const decide = policyOf([{ name: 'night', identity: '*', effect: 'deny', during }])
    expect(decide('/a')).toMatchObject({ allowed: false, rule: 'no-rule' })
  })

  it('a claim that the caller only inherits is not its own', () => {
    const decide = policyOf([{ name: 'r', identity: '*', requiredClaims: { env: 'prod' } }])
    const claims = Object.create({ env: 'prod' }) as object
    expect(decide('/a', { claims })).toMatchObject({ allowed: false, rule: 'r' })
  })

  it.each([
    ['mon, tue', { days: ['mon', 'tue'] }, 0, true],
    ['mon on Tuesday', { days: ['mon'] }, 24, false],
    ['no day', { days: [] }, 0, false],
    ['from noon', { from: '12:00' }, 0, true],
    ['from a minute past', { from: '12:01' }, 0, false],
    ['to noon', { to: '12:00' }, 0, false],
    ['to a minute past', { to: '12:01' }, 0, true],
    ['mon across midnight, at Tuesday 01:00', { days: ['mon'], from: '22:00', to: '06:00' }, 13, true],
    ['tue across midnight, at Tuesday 01:00', { days: ['tue'], from: '22:00', to: '06:00' }, 13, false],
    ['mon across midnight, at Monday 23:00', { days: ['mon'], from: '22:00', to: '06:00' }, 11, true],
    ['tue across midnight, at Monday 23:00', { days: ['tue'], from: '22:00', to: '06:00' }, 11, false],
    ['mon across midnight, at Tuesday 06:00', { days: ['mon'], from: '22:00', to: '06:00' }, 18, false],
    ['sun across midnight, at Monday 12:00', { days: ['sun'], from: '13:00', to: '12:30' }, 0, true],
    ['another time zone', { from: '13:00', to: '14:00', timeZone: 'Europe/Vienna' }, 0, true],
  ] as const)('a time window: %s', (_, window, hours, allowed) => {
    clock.advance(hours * 3600_000)
    expect(policyOf([{ name: 'r', identity: '*', during: [window] }])('/a').allowed).toBe(allowed)
  })

  it('a permission for another identity of the caller is none', async () => {
    const decide = policyOf([{ name: 'r', identity: '/other' }])
    const csr = await asking('spiffe://example.org/good')
    expect(decide(['/good', '/other'], { csr })).toMatchObject({ allowed: false, rule: 'no-rule' })
  })

  it('conditions of a denial say when it denies', () => {
    const decide = policyOf([
      { name: 'all', identity: '*' },
      { name: 'night', identity: '*', effect: 'deny', during: [{ from: '22:00', to: '06:00' }] },
    ])
    expect(decide('/a')).toMatchObject({ allowed: true })
    clock.advance(11 * 3600_000)
    expect(decide('/a')).toMatchObject({ allowed: false, rule: 'night' })
  })

  it('keys and claims', async () => {
    const decide = policyOf([
      {
        name: 'r',
        identity: '*',
        keyAlgorithms: ['P-256'],
        requiredClaims: { env: ['prod', 'test'], level: 3 },
      },
    ])
    expect(decide('/a', { claims: { env: 'prod', level: 3 } })).toMatchObject({ allowed: true })
    expect(decide('/a', { claims: { env: ['dev', 'test'], level: 3 } })).toMatchObject({ allowed: true })
    for (const claims of [
      {},
      { env: 'dev', level: 3 },
      { env: 'prod', level: '3' },
      { env: 'prod' },
      { env: null, level: 3 },
      { env: { prod: 1 }, level: 3 },
    ])
      expect(decide('/a', { claims })).toMatchObject({ allowed: false, rule: 'r' })
    const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-384'))
    expect(decide('/a', { csr, claims: { env: 'prod', level: 3 } })).toMatchObject({
      reason: 'the key is P-384; allowed: P-256',
    })
  })
})

describe('names', () => {
  const rules = [{ ...services, dnsNames: ['{sa}.{ns}.svc.cluster.local', 'shared.example'] }]

  it('come from the template, filled with the identity', async () => {
    const decide = policyOf(rules)
    const csr = await asking('api.prod.svc.cluster.local', 'shared.example')
    expect(decide('/ns/prod/sa/api', { csr })).toMatchObject({
      allowed: true,
      content: { subjectAltName: expect.objectContaining({ length: 3 }) },
    })
    expect(decide('/ns/test/sa/api', { csr })).toMatchObject({ allowed: false, code: 'ERR_CSR_SAN_FOREIGN' })
  })

  it('are cut where the policy says trim', async () => {
    const decide = policyOf(rules, { excess: 'trim' })
    const csr = await asking('other.prod.svc.cluster.local')
    const decision = decide('/ns/prod/sa/api', { csr })
    expect(decision).toMatchObject({ allowed: true, content: { subjectAltName: [{ type: 'uri' }] } })
    expect(decision.allowed && decision.trimmed).toHaveLength(1)
  })

  it('a segment that is no DNS label allows no name', async () => {
    const decide = policyOf([{ name: 'r', identity: '/{a}', dnsNames: ['{a}.example'] }])
    expect(decide('/x_Y', { csr: await asking('x_y.example') })).toMatchObject({ allowed: false })
  })

  it('of a rule that denies, or that is for another identity, allow nothing', async () => {
    const decide = policyOf([
      { name: 'a', identity: '/a' },
      { name: 'b', identity: '/b', dnsNames: ['b.example'] },
    ])
    const csr = await asking('spiffe://example.org/a', 'b.example')
    expect(decide(['/a', '/b'], { csr })).toMatchObject({ allowed: false, code: 'ERR_CSR_SAN_FOREIGN' })
  })
})

describe('rate limits', () => {
  const limited = (per: 'identity' | 'namespace' | 'caller' | 'all'): Decide =>
    policyOf([{ ...services, rateLimit: { per, count: 2, windowSeconds: 60 } }])
  const outcomes = (decide: Decide, ...paths: string[]): string[] =>
    paths.map((path) => {
      const decision = decide(path)
      return decision.allowed ? 'ok' : decision.code
    })

  it.each([
    ['identity', ['ok', 'ok', 'ERR_POLICY_RATE', 'ok', 'ok']],
    ['namespace', ['ok', 'ok', 'ERR_POLICY_RATE', 'ERR_POLICY_RATE', 'ok']],
    ['all', ['ok', 'ok', 'ERR_POLICY_RATE', 'ERR_POLICY_RATE', 'ERR_POLICY_RATE']],
    ['caller', ['ok', 'ok', 'ERR_POLICY_RATE', 'ok', 'ok']],
  ] as const)('per %s', (per, expected) => {
    const paths = ['/ns/a/sa/x', '/ns/a/sa/x', '/ns/a/sa/x', '/ns/a/sa/y', '/ns/b/sa/x']
    expect(outcomes(limited(per), ...paths)).toEqual(expected)
  })

  it('come back evenly, and the refusal says when', () => {
    const decide = limited('all')
    expect(outcomes(decide, '/ns/a/sa/x', '/ns/a/sa/x')).toEqual(['ok', 'ok'])
    expect(decide('/ns/a/sa/x')).toMatchObject({ reason: 'too many certificates; retry in 30 s' })
    clock.advance(30_000)
    expect(outcomes(decide, '/ns/a/sa/x', '/ns/a/sa/x')).toEqual(['ok', 'ERR_POLICY_RATE'])
  })

  it('a plan takes nothing, nor does what another limit refuses', () => {
    const decide = policyOf([
      { ...services, rateLimit: { per: 'all', count: 2, windowSeconds: 60 } },
      { name: 'tight', identity: '/ns/a/sa/x', rateLimit: { per: 'all', count: 1, windowSeconds: 60 } },
    ])
    for (let i = 0; i < 5; i++) expect(decide('/ns/a/sa/x', { dryRun: true }).allowed).toBe(true)
    expect(outcomes(decide, '/ns/a/sa/x', '/ns/a/sa/x', '/ns/a/sa/x', '/ns/a/sa/y')).toEqual([
      'ok',
      'ERR_POLICY_RATE',
      'ERR_POLICY_RATE',
      'ok',
    ])
  })
})

describe('a document is refused, with the place', () => {
  const rule = { name: 'r', identity: '/a' }
  it.each<[string, unknown]>([
    ['policy: expected an object, found null', null],
    ['policy: expected an object, found a list', []],
    ['policy: trustDomain is missing', { rules: [] }],
    ['policy.trustDomain: "Example.org" is not a trust domain', { trustDomain: 'Example.org', rules: [] }],
    ['policy: rules is missing', { trustDomain }],
    [
      'policy.rules: expected a list, found an object'.replace('an object', 'object'),
      { trustDomain, rules: {} },
    ],
    ['policy.polcy: unknown', { trustDomain, rules: [], polcy: 1 }],
    ['policy.rules[0]: name is missing', { trustDomain, rules: [{}] }],
    ['policy.rules[1].name: the name "r" is used twice', { trustDomain, rules: [rule, rule] }],
    ['policy.rules[0].maxTtl: unknown', { trustDomain, rules: [{ ...rule, maxTtl: 1 }] }],
    [
      'policy.rules[0].maxTtlSeconds: has no value',
      { trustDomain, rules: [{ ...rule, maxTtlSeconds: null }] },
    ],
    [
      'policy.rules[0].maxTtlSeconds: expected a whole number of at least 1, found 0',
      { trustDomain, rules: [{ ...rule, maxTtlSeconds: 0 }] },
    ],
    [
      'policy.rules[0].maxTtlSeconds: expected a whole number of at least 1, found "1h"',
      { trustDomain, rules: [{ ...rule, maxTtlSeconds: '1h' }] },
    ],
    [
      'policy.rules[0].effect: expected allow, deny; found "Deny"',
      { trustDomain, rules: [{ ...rule, effect: 'Deny' }] },
    ],
    ['policy.rules[0].identity: "a" is neither a path', { trustDomain, rules: [{ ...rule, identity: 'a' }] }],
    [
      'policy.rules[0].identity: "spiffe://other.org/a" is neither',
      { trustDomain, rules: [{ ...rule, identity: 'spiffe://other.org/a' }] },
    ],
    [
      'policy.rules[0].identity: "/a/*" : the segment'.replace(' :', ':'),
      { trustDomain, rules: [{ ...rule, identity: '/a/*' }] },
    ],
    [
      'policy.rules[0].identity: "/a/x{b}": the segment',
      { trustDomain, rules: [{ ...rule, identity: '/a/x{b}' }] },
    ],
    ['policy.rules[0].identity: "/a//b"', { trustDomain, rules: [{ ...rule, identity: '/a//b' }] }],
    ['policy.rules[0].identity: "/a/../b"', { trustDomain, rules: [{ ...rule, identity: '/a/../b' }] }],
    [
      'policy.rules[0].identity: "/{a}/{a}" has a placeholder twice',
      { trustDomain, rules: [{ ...rule, identity: '/{a}/{a}' }] },
    ],
    [
      'policy.rules[0].dnsNames[0]: {b} is not a placeholder of identity',
      { trustDomain, rules: [{ ...rule, dnsNames: ['{b}.x'] }] },
    ],
    [
      'policy.rules[0].dnsNames[0]: "a b" is not a DNS name',
      { trustDomain, rules: [{ ...rule, dnsNames: ['a b'] }] },
    ],
    [
      'policy.rules[0].during[0]: 18:00 to 18:00',
      { trustDomain, rules: [{ ...rule, during: [{ from: '18:00', to: '18:00' }] }] },
    ],
    [
      'policy.rules[0].during[0]: 8:00 to 24:00',
      { trustDomain, rules: [{ ...rule, during: [{ from: '8:00' }] }] },
    ],
    [
      'policy.rules[0].during[0]: "Mars/Base" is not',
      { trustDomain, rules: [{ ...rule, during: [{ timeZone: 'Mars/Base' }] }] },
    ],
    [
      'policy.rules[0].during[0].days[0]: expected mon',
      { trustDomain, rules: [{ ...rule, during: [{ days: ['Monday'] }] }] },
    ],
    [
      'policy.rules[0].rateLimit: count is missing',
      { trustDomain, rules: [{ ...rule, rateLimit: { per: 'all' } }] },
    ],
    [
      'policy.rules[0].requiredClaims.a: expected text',
      { trustDomain, rules: [{ ...rule, requiredClaims: { a: {} } }] },
    ],
    [
      'policy.rules[0].requiredClaims.a: expected text',
      { trustDomain, rules: [{ ...rule, requiredClaims: { a: [] } }] },
    ],
    ['policy.aliases[0]: expected the name', { trustDomain, rules: [], aliases: ['A'] }],
    ['policy.excess: expected refuse, trim', { trustDomain, rules: [], excess: 'cut' }],
  ])('%s', (message, document) => {
    expect(() => createRulePolicy(document as PolicyDocument)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID', message: expect.stringContaining(message) }),
    )
  })
})

it('a document that is changed afterwards changes nothing', () => {
  const rules = [{ name: 'r', identity: '/a', maxTtlSeconds: 60 }]
  const decide = policyOf(rules)
  rules[0]!.maxTtlSeconds = 1e9
  rules.push({ name: 's', identity: '*', maxTtlSeconds: 1 })
  expect(decide('/a')).toMatchObject({ rule: 'r', content: { maxTtlSeconds: 60 } })
  expect(decide('/b')).toMatchObject({ allowed: false })
})

it('finds the rules for an identity among very many, in their order', () => {
  const rules = Array.from({ length: 10_000 }, (_, i) => ({
    name: `r${i}`,
    identity: `/ns/n${i % 100}/sa/s${i}`,
  }))
  const decide = policyOf([
    { name: 'first', identity: '/ns/{ns}/sa/{sa}' },
    ...rules,
    { name: 'last', identity: '*' },
  ])
  expect(decide('/ns/n42/sa/s4242')).toMatchObject({ rule: 'first, r4242, last' })
})

describe('networks', () => {
  const decide = (rule: object, source?: string): IssuanceDecision =>
    createRulePolicy(
      { trustDomain, rules: [services, { ...services, name: 'here', ...rule }] },
      { clock },
    ).decide(
      { csr: plain, ttlSeconds: undefined, source },
      { identities: [SpiffeId.parse(`spiffe://${trustDomain}/ns/a/sa/b`)], credential: 'x509', claims: {} },
    ) as IssuanceDecision
  const networks = ['10.1.0.0/16', 'fd00::/8', '192.0.2.7']

  it.each([
    ['10.1.255.1', true],
    ['::ffff:10.1.2.3', true],
    ['10.2.0.1', false],
    ['fd12::1%eth0', true],
    ['fe80::1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    [undefined, false],
    ['no address', false],
  ])('%s: %s', (source, allowed) => {
    expect(decide({ networks }, source).allowed).toBe(allowed)
    // A rule that denies applies to the same addresses, and to callers without one.
    const unknown = source === undefined || source === 'no address'
    expect(decide({ networks, effect: 'deny' }, source).allowed).toBe(!allowed && !unknown)
  })

  it('an empty list is no network', () => {
    expect(decide({ networks: [] }, '10.1.2.3').allowed).toBe(false)
    expect(decide({ networks: [], effect: 'deny' }, '10.1.2.3').allowed).toBe(true)
  })

  it.each([['10.0.0.1/8'], ['10.0.0.0/33'], ['localhost'], [7], [null]])('refuses %j', (network) => {
    expect(() => decide({ networks: [network] })).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID' }),
    )
  })

  it('limits by source: one IPv4 address, one /64', () => {
    const rateLimit = { per: 'source', count: 1, windowSeconds: 60 } as const
    const policy = createRulePolicy({ trustDomain, rules: [{ ...services, rateLimit }] }, { clock })
    const from = (source: string | undefined, path = '/ns/a/sa/b'): boolean =>
      (
        policy.decide(
          { csr: plain, ttlSeconds: undefined, source },
          { identities: [SpiffeId.parse(`spiffe://${trustDomain}${path}`)], credential: 'x509', claims: {} },
        ) as IssuanceDecision
      ).allowed
    expect([from('10.0.0.1'), from('10.0.0.1', '/ns/a/sa/c'), from('10.0.0.2')]).toEqual([true, false, true])
    expect([from('fd00::1'), from('fd00::2'), from('fd00:0:0:1::1')]).toEqual([true, false, true])
    expect([from(undefined), from(undefined)]).toEqual([true, false])
  })
})

it.each([{ rules: [() => 0] }, { rules: [Symbol('x')] }])('what is not data is refused: %j', (document) => {
  expect(() => createRulePolicy({ trustDomain, ...document } as never)).toThrow(
    expect.objectContaining({ code: 'ERR_POLICY_INVALID' }),
  )
})

describe('certificates without a SPIFFE ID', () => {
  const databases = {
    name: 'databases',
    identity: '/ns/{ns}/sa/{sa}',
    dnsNames: ['{sa}.{ns}.internal', 'db.internal'],
    spiffeId: 'absent',
  } as const
  const everybody = { name: 'everybody', identity: '*', maxTtlSeconds: 60 } as const

  it('have the DNS names alone, for the identity of the caller', async () => {
    const decide = policyOf([databases, everybody])
    const csr = await asking('orders.shop.internal', 'db.internal')
    expect(decide('/ns/shop/sa/orders', { csr })).toEqual({
      allowed: true,
      rule: 'databases, everybody',
      identity: SpiffeId.parse('spiffe://example.org/ns/shop/sa/orders'),
      content: {
        subjectAltName: [generalName.dns('orders.shop.internal'), generalName.dns('db.internal')],
        subject: undefined,
        ttlSeconds: undefined,
        maxTtlSeconds: 60,
      },
      trimmed: [],
    })
  })

  it('leave out the SPIFFE ID that says which identity asks, and the common name', async () => {
    const own = 'spiffe://example.org/ns/shop/sa/orders'
    const csr = await buildCertificateRequest(
      {
        subject: 'CN=db.internal',
        extensions: { subjectAltName: [generalName.uri(own), generalName.dns('db.internal')] },
      },
      key,
    )
    const decision = policyOf([databases])(['/ns/shop/sa/web', own], { csr })
    expect(decision).toMatchObject({
      allowed: true,
      identity: SpiffeId.parse(own),
      content: { subjectAltName: [generalName.dns('db.internal')], subject: undefined },
      trimmed: ['the SPIFFE ID is omitted by databases'],
    })
  })

  it('are refused without a name, or with a name that no rule has', async () => {
    const decide = policyOf([databases])
    expect(decide('/ns/shop/sa/orders')).toMatchObject({ allowed: false, code: 'ERR_POLICY_DENIED' })
    const csr = await asking('web.shop.internal')
    expect(decide('/ns/shop/sa/orders', { csr })).toMatchObject({ code: 'ERR_CSR_SAN_FOREIGN' })
  })

  it('are for whom the rule is: a rule for another identity of the caller changes nothing', async () => {
    const decide = policyOf([{ ...databases, identity: '/db', dnsNames: ['db.internal'] }, everybody])
    const csr = await asking('spiffe://example.org/web')
    expect(decide(['/db', '/web'], { csr })).toMatchObject({
      content: { subjectAltName: [generalName.uri('spiffe://example.org/web')] },
    })
    expect(decide(['/db', '/web'], { csr })).not.toHaveProperty('identity')
  })

  it.each([{ dnsNames: undefined }, { dnsNames: [] }, { spiffeId: 'none' }, { spiffeId: true }])(
    'need a rule that is whole: not %o',
    (part) => {
      const { dnsNames, ...rest } = { ...databases, ...part }
      const rule = dnsNames === undefined ? rest : { ...rest, dnsNames }
      expect(() => policyOf([rule as never])).toThrow(code('ERR_POLICY_INVALID'))
    },
  )
})
