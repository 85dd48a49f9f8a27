// The policy of the main job: three callers ask, and each is told by which rule it is allowed, narrowed or
// refused.

import { SoftwareSigner } from 'spiffe-pki/keys'
import { openPolicyFile } from 'spiffe-pki/policy-file'
import { SpiffeId } from 'spiffe-pki/spiffe'
import { buildCertificateRequest, generalName } from 'spiffe-pki/x509'
import { step } from './story.ts'

const day = 86_400
const askers = [
  { id: 'spiffe://example.org/ns/shop/sa/web', ttlSeconds: day, dns: 'web.shop.svc.cluster.local' },
  { id: 'spiffe://example.org/ns/shop/sa/payments', ttlSeconds: day, dns: 'bank.example.com' },
  { id: 'spiffe://example.org/ns/old/sa/billing', ttlSeconds: day, dns: 'billing.old.svc.cluster.local' },
]

/** Puts three requests to the policy in the file; nothing is issued. */
export async function showPolicy(file: string): Promise<void> {
  await using policy = await openPolicyFile(file, { pollMs: 0 })
  const key = await SoftwareSigner.generate('P-256')
  for (const { id, ttlSeconds, dns } of askers) {
    const csr = await buildCertificateRequest({ extensions: { subjectAltName: [generalName.dns(dns)] } }, key)
    const caller = { identities: [SpiffeId.parse(id)], credential: 'x509', claims: {} }
    const decision = await policy.decide({ csr, ttlSeconds, dryRun: true }, caller)
    const asked = `it asked for ${ttlSeconds} s and the name ${dns}`
    if (!decision.allowed) step(`${id} is refused by the rule ${decision.rule}`, [asked, decision.reason])
    else if (decision.trimmed.length === 0) step(`${id} is allowed by the rule ${decision.rule}`, [asked])
    else step(`${id} is narrowed by the rules ${decision.rule}`, [asked, ...decision.trimmed])
  }
}
