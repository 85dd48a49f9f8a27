// A changed policy over certificates that were issued.

import { expect, it } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createRulePolicy, replayPolicy } from '../../../src/policy/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { buildCertificateRequest, generalName } from '../../../src/x509/index.ts'

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
  const later = replayPolicy(certificates, changed, { since: new Date(Date.now() + 60_000) })
  expect(await later.next()).toEqual({ done: true, value: undefined })
})
