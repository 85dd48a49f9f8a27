// Before a policy is switched on: which certificates that were issued would it refuse or change?

import {
  MemoryKeyManager,
  SpiffeId,
  buildCertificateRequest,
  createCertificateAuthority,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'
import { createRulePolicy, replayPolicy } from 'spiffe-pki/policy'

const trustDomain = 'example.org'
const keys = new MemoryKeyManager()
const signer = await keys.generateKey('ca', 'P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=example.org', trustDomain })
const authority = createCertificateAuthority({ trustDomain, certificate, signer })
await using issuance = createIssuanceService({ authority })

for (const path of ['/ns/shop/sa/web', '/ns/shop/sa/payments', '/ns/old/sa/billing']) {
  const csr = await buildCertificateRequest(
    {},
    await keys.generateKey(path.slice(4).replaceAll('/', '-'), 'P-256'),
  )
  const identities = [SpiffeId.parse(`spiffe://${trustDomain}${path}`)]
  await issuance.issue({ csr, ttlSeconds: 7200 }, { identities, credential: 'x509', claims: {} })
}

const changed = createRulePolicy({
  trustDomain,
  rules: [
    { name: 'services', identity: '/ns/{ns}/sa/{sa}' },
    { name: 'payments-live-an-hour', identity: '/ns/shop/sa/payments', maxTtlSeconds: 3600 },
    { name: 'retired', identity: '/ns/old/**', effect: 'deny' },
  ],
})
for await (const one of replayPolicy(authority.storage.certificates, changed))
  console.log(`${one.identity}: ${one.outcome}, by ${one.rule}. ${one.reasons.join('; ')}`)
