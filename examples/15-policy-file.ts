// A policy in a file: changed while the service runs, taken as a whole, or refused with line and column.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SpiffeId } from 'spiffe-pki'
import { SoftwareSigner } from 'spiffe-pki/keys'
import { openPolicyFile } from 'spiffe-pki/policy-file'
import { buildCertificateRequest } from 'spiffe-pki/x509'

const folder = await mkdtemp(join(tmpdir(), 'policy-'))
const file = join(folder, 'policy.yaml')
const yaml = `trustDomain: example.org
rules:
  - name: services
    identity: /ns/{ns}/sa/{sa}
    maxTtlSeconds: 3600
    networks: [10.0.0.0/8]
`
await writeFile(file, yaml)
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const identities = [SpiffeId.parse('spiffe://example.org/ns/shop/sa/web')]
const caller = { identities, credential: 'x509', claims: {} }

try {
  await using policy = await openPolicyFile(file, { pollMs: 0 })
  const ask = async (source: string): Promise<void> => {
    const decision = await policy.decide({ csr, ttlSeconds: 7200, source }, caller)
    const what = decision.allowed ? `allowed; ${decision.trimmed.join(', ')}` : `refused: ${decision.reason}`
    console.log(`from ${source}, by ${decision.rule}: ${what}`)
  }
  await ask('10.1.2.3')
  await ask('203.0.113.9')

  await writeFile(file, yaml.replace('maxTtlSeconds', 'maxTtl'))
  await policy.reload().catch((error: unknown) => {
    console.log(`not taken: ${(error as Error).message.replace(`${folder}/`, '')}`)
  })
  await ask('10.1.2.3') // the last policy stays

  await writeFile(file, `${yaml}  - { name: closed, identity: /ns/shop/**, effect: deny }\n`)
  console.log(`taken: ${await policy.reload()}`)
  await ask('10.1.2.3')
} finally {
  await rm(folder, { recursive: true })
}
