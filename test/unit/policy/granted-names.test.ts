// Which names a rule grants: DNS names alone by `dnsNames`, and nothing by a rule that denies.

import { expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createRulePolicy } from '../../../src/policy/index.ts'
import type { IssuanceDecision, PolicyDocument } from '../../../src/policy/index.ts'
import { buildCertificateRequest, generalName } from '../../../src/x509/index.ts'
import type { GeneralName } from '../../../src/x509/index.ts'
import { callerOf } from '../../support/pki.ts'

const key = await SoftwareSigner.generate('P-256')

async function decide(
  id: string,
  name: GeneralName,
  ...rules: PolicyDocument['rules']
): Promise<IssuanceDecision> {
  const csr = await buildCertificateRequest({ extensions: { subjectAltName: [name] } }, key)
  return createRulePolicy({ trustDomain: 'example.org', rules }).decide(
    { csr, ttlSeconds: undefined },
    callerOf(id),
  )
}

it('an address is not granted as the DNS name with the same text', async () => {
  const id = (name: string) => `spiffe://example.org/ns/a/sa/${name}`
  const rule = { name: 'hosts', identity: '/ns/{ns}/sa/{sa}', dnsNames: ['{sa}'] }
  expect(await decide(id('a.test'), generalName.dns('a.test'), rule)).toMatchObject({ allowed: true })
  expect(await decide(id('10.0.0.1'), generalName.ip('10.0.0.1'), rule)).toMatchObject({ allowed: false })
})

it('a rule that denies grants no name, also while its condition does not hold', async () => {
  const id = 'spiffe://example.org/ns/a/sa/web'
  const allow = { name: 'all', identity: '*' }
  const rule = { name: 'held', identity: '*', dnsNames: ['web.test'], requiredClaims: { held: 'yes' } }
  expect(await decide(id, generalName.uri(id), allow, { ...rule, effect: 'deny' })).toMatchObject({
    allowed: true,
  })
  expect(await decide(id, generalName.dns('web.test'), allow, { ...rule, effect: 'deny' })).toMatchObject({
    allowed: false,
  })
})
