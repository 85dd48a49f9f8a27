// A changed policy over certificates that were issued.

import { expect, it } from 'vitest'
import { createCertificateAuthority, createRootCertificate, workloadProfile } from '../../../src/ca/index.ts'
import type { CertificateStore } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createRulePolicy, replayPolicy } from '../../../src/policy/index.ts'
import type { IssuancePolicy, PolicyDocument } from '../../../src/policy/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, testPki } from '../../support/pki.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { buildCertificateRequest, generalName } from '../../../src/x509/index.ts'
import type { GeneralName } from '../../../src/x509/index.ts'

async function outcomesOf(...given: Parameters<typeof replayPolicy>): Promise<string[][]> {
  const found: string[][] = []
  for await (const { outcome, reasons } of replayPolicy(...given)) found.push([outcome, ...reasons])
  return found
}

it('judges each record for its own time', async () => {
  const clock = new FakeClock(new Date('2026-11-23T12:00:00Z')) // a Monday
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, {
    subject: 'CN=root',
    trustDomain: 'example.org',
    clock,
  })
  const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, clock })
  await using service = createIssuanceService({ authority, clock })
  const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
  await service.issue({ csr }, callerOf())
  clock.advance(12 * 3600_000)
  await service.issue({ csr }, callerOf())
  const rule = { name: 'office', identity: '*', during: [{ from: '08:00', to: '18:00' }] }
  const policy = createRulePolicy({ trustDomain: 'example.org', rules: [rule] }, { clock })
  expect(await outcomesOf(authority.storage.certificates, policy)).toEqual([
    ['same'],
    ['refused', 'the time 2026-11-24T00:00:00.000Z is outside the hours of the rule'],
  ])
})

it('does not judge what code of its own decides by facts that records do not have', async () => {
  const { authority, issuance } = await testPki()
  const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
  await issuance.issue({ csr }, callerOf())
  const own = (read: IssuancePolicy['decide']): IssuancePolicy => ({ decide: read })
  const base = createRulePolicy({ trustDomain: 'example.org', rules: [{ name: 'r', identity: '*' }] })
  type Read = (...facts: Parameters<IssuancePolicy['decide']>) => unknown
  const reads: readonly (readonly [Read, string])[] = [
    [(_, { claims }) => claims['env'], 'the claim "env"'],
    [(_, { claims }) => 'env' in claims, 'the claim "env"'],
    [(_, { claims }) => Object.keys(claims), 'the claims of the caller'],
    [(_, { kubernetes }) => kubernetes, 'the Kubernetes facts of the caller'],
    [({ source }) => source, 'the address of the caller'],
  ]
  for (const [read, missing] of reads) {
    const policy = own((request, caller) => {
      read(request, caller)
      return base.decide(request, caller)
    })
    expect(await outcomesOf(authority.storage.certificates, policy)).toEqual([
      ['unknown', `cannot be decided: the record does not have ${missing}`],
    ])
  }
  expect(await outcomesOf(authority.storage.certificates, base)).toEqual([['same']])
})

it('asks the store for nothing once it is aborted', async () => {
  const policy = createRulePolicy({ trustDomain: 'example.org', rules: [] })
  const query = (): never => {
    throw new Error('asked')
  }
  await expect(outcomesOf({ query }, policy, { signal: AbortSignal.abort() })).rejects.toThrow(
    code('ERR_ABORTED'),
  )
})

it('says which certificates would be refused, changed, or as they are', async () => {
  const trustDomain = 'example.org'
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  const authority = createCertificateAuthority({ trustDomain, certificate, signer })
  const rule = { name: 'old', identity: '/{name}', dnsNames: ['{name}.example'] }
  const service = createIssuanceService({
    authority,
    policy: createRulePolicy({ trustDomain, rules: [rule] }),
  })
  const key = await SoftwareSigner.generate('Ed25519')
  for (const [name, dns] of [
    ['a', false],
    ['b', true],
    ['c', false],
  ] as const) {
    const subjectAltName = dns ? [generalName.dns(`${name}.example`)] : undefined
    const csr = await buildCertificateRequest({ extensions: { subjectAltName } }, key)
    const caller = {
      identities: [SpiffeId.parse(`spiffe://example.org/${name}`)],
      credential: 'x509',
      claims: {},
    }
    await service.issue({ csr, ttlSeconds: name === 'a' ? 600 : 7200 }, caller)
  }
  const rules = [
    {
      name: 'new',
      identity: '/{name}',
      maxTtlSeconds: 3600,
      rateLimit: { per: 'all', count: 1, windowSeconds: 60 } as const,
    },
    { name: 'not c', identity: '/c', effect: 'deny' as const },
  ]
  const changed = createRulePolicy({ trustDomain, rules, excess: 'trim' })
  const found = []
  for await (const one of replayPolicy(authority.storage.certificates, changed)) found.push(one)
  const { certificates } = authority.storage
  expect(
    found.map(({ identity, outcome, rule: by, ruleBefore }) => [identity, outcome, by, ruleBefore]),
  ).toEqual([
    ['spiffe://example.org/a', 'same', 'new', 'old'],
    ['spiffe://example.org/b', 'differs', 'new', 'old'],
    ['spiffe://example.org/c', 'refused', 'not c', 'old'],
  ])
  expect(found[1]?.reasons).toEqual([
    'without DNS:b.example',
    expect.stringMatching(/^validity: 7[0-9]{3} s cut to 3600 s$/),
  ])
  expect(await outcomesBy({ requiredClaims: { ref: 'main' } })).toEqual([
    ['unknown', 'cannot be decided: the record does not have the claim "ref"'],
    ['unknown', 'cannot be decided: the record does not have the claim "ref"'],
    ['unknown', 'cannot be decided: the record does not have the claim "ref"'],
  ])
  expect(await outcomesBy({ networks: ['10.0.0.0/8'], identity: '/b' })).toEqual([
    ['refused', 'no rule allows spiffe://example.org/a'],
    ['unknown', 'cannot be decided: the record does not have the address of the caller'],
    ['refused', 'no rule allows spiffe://example.org/c'],
  ])
  // A condition that does not hold in any case decides, whatever the claims were.
  const both = { keyAlgorithms: ['P-256'], requiredClaims: { ref: 'main' } }
  expect(new Set((await outcomesBy(both)).map(([outcome]) => outcome))).toEqual(new Set(['refused']))
  // A rule that denies by claims may apply, and one for others does not.
  const deny = { name: 'd', identity: '/a', effect: 'deny', requiredClaims: { env: 'test' } } as const
  expect((await outcomesBy({}, [deny])).map(([outcome]) => outcome)).toEqual(['unknown', 'same', 'same'])
  async function outcomesBy(
    rest: Partial<PolicyDocument['rules'][number]>,
    others: PolicyDocument['rules'] = [],
  ): Promise<string[][]> {
    const one = { name: 'r', identity: '*', dnsNames: ['b.example'], ...rest }
    const policy = createRulePolicy({ trustDomain, rules: [one, ...others] })
    return outcomesOf(certificates, policy)
  }
  const later = replayPolicy(certificates, changed, { since: new Date(Date.now() + 60_000) })
  expect(await later.next()).toEqual({ done: true, value: undefined })
})

async function issuedBy(
  document: Partial<PolicyDocument>,
  ids: readonly string[],
  names: readonly GeneralName[],
  profile?: Parameters<typeof createCertificateAuthority>[0]['profile'],
): Promise<{ store: CertificateStore; policy: IssuancePolicy }> {
  const trustDomain = 'example.org'
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  const authority = createCertificateAuthority({
    trustDomain,
    certificate,
    signer,
    ...(profile && { profile }),
  })
  const policy = createRulePolicy({ trustDomain, rules: [{ name: 'r', identity: '*' }], ...document })
  await using service = createIssuanceService({ authority, policy })
  const key = await SoftwareSigner.generate('P-256')
  const csr = await buildCertificateRequest({ extensions: { subjectAltName: names } }, key)
  const identities = ids.map((id) => SpiffeId.parse(id))
  await service.issue({ csr }, { identities, credential: 'x509', claims: {} })
  return { store: authority.storage.certificates, policy }
}

it.each(['spiffe://example.org/b', 'spiffe://old.example/b'])(
  'asks again for the identity that %s selected, under the name that the caller has',
  async (selected) => {
    const ids = [selected, 'spiffe://example.org/a']
    const given = await issuedBy({ aliases: ['old.example'] }, ids, [generalName.uri(selected)])
    expect(await outcomesOf(given.store, given.policy)).toEqual([['same']])
  },
)

it('asks again for a certificate with the most names that one can have', async () => {
  const dnsNames = Array.from({ length: 99 }, (_, at) => `host-${at}.example`)
  const rules = [{ name: 'r', identity: '*', dnsNames }]
  const names = dnsNames.map((name) => generalName.dns(name))
  const { store, policy } = await issuedBy({ rules }, ['spiffe://example.org/a'], names)
  expect(await outcomesOf(store, policy)).toEqual([['same']])
})

it('asks again for a certificate without a SPIFFE ID, for the identity that it was for', async () => {
  const rules = [
    { name: 'b', identity: '/b', dnsNames: ['b.example'], spiffeId: 'absent' as const },
    { name: 'a', identity: '/a' },
  ]
  const ids = ['spiffe://example.org/a', 'spiffe://example.org/b']
  const names = [generalName.uri(ids[1]!), generalName.dns('b.example')]
  const { store, policy } = await issuedBy({ rules }, ids, names, {
    ...workloadProfile,
    name: 'database',
    spiffeId: 'absent',
  })
  expect(await outcomesOf(store, policy)).toEqual([['same']])
})

it('skips a record without a certificate', async () => {
  const { store, policy } = await issuedBy(
    {},
    ['spiffe://example.org/a'],
    [generalName.uri('spiffe://example.org/a')],
  )
  const { items } = await store.query({})
  const unfinished = { ...items[0]!, state: 'intended' as const, certificate: undefined }
  const query = async () => ({ items: [unfinished, ...items], next: undefined })
  expect(await outcomesOf({ query }, policy)).toEqual([['same']])
})
