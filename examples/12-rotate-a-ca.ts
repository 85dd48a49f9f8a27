// A CA replaces its root without an interruption: planned, shown, published, tried on a share, activated.

import {
  MemoryKeyManager,
  SoftwareSigner,
  SpiffeId,
  buildCertificateRequest,
  createIssuanceService,
} from 'spiffe-pki'
import { createMemoryStorage, createRotatingAuthority, planRotation, workloadProfile } from 'spiffe-pki/ca'
import { X509SvidValidator } from 'spiffe-pki/svid'
import { FakeClock } from 'spiffe-pki/testing'

// Hours pass at once here. Your CA takes the clock of the machine, and its own steps: `automatic`.
const clock = new FakeClock(new Date())
const hour = 3_600_000
const numbers = { refreshHintSeconds: 300, pollIntervalSeconds: 60 }

// 1. The numbers: what cannot hold is refused, with the number to change.
const plan = planRotation({ caTtlSeconds: 24 * 3600, leafTtlSeconds: 3600, ...numbers })
console.log(`published for ${plan.publishedForSeconds} s before it signs`)
try {
  planRotation({ caTtlSeconds: 24 * 3600, leafTtlSeconds: 24 * 3600, ...numbers })
} catch (error) {
  console.log(`refused: ${(error as Error).message}`)
}

// 2. The CA. In production: createSqliteStorage or createPostgresStorage, and keys in files or a token.
const rotating = await createRotatingAuthority({
  trustDomain: 'example.org',
  storage: createMemoryStorage({ clock }),
  keys: new MemoryKeyManager(),
  ttlSeconds: 24 * 3600,
  profile: { ...workloadProfile, defaultTtlSeconds: 3600, maxTtlSeconds: 3600 },
  ...numbers,
  automatic: false,
  clock,
})
rotating.onEvent((event) => {
  if (event.kind === 'tainted') console.log(`holders of ${event.id}: renew now`)
})
const { authority } = rotating
const issuance = createIssuanceService({ authority, clock })
const web = { identities: [SpiffeId.parse('spiffe://example.org/web')], credential: 'example', claims: {} }
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const verify = async (): Promise<void> => {
  const { certificate, chain } = await issuance.issue({ csr }, web)
  const validator = new X509SvidValidator({ bundles: authority })
  const { ok } = validator.verify([certificate, ...chain], { time: new Date(clock.now()) })
  console.log(`  a leaf of ${certificate.issuer.toString()} is ${ok ? 'accepted' : 'refused'}`)
}
await verify()

// 3. A new key and its certificate, proven by a leaf that is thrown away. First what would change.
const { changes } = await rotating.prepareNext({ dryRun: true })
console.log(`would make: ${changes.map(({ id, to }) => `${id} ${to}`).join(', ')}`)
await rotating.prepareNext()
await rotating.publish()
console.log(`roots in the bundle: ${authority.roots.length}`)

// 4. Not before everybody has the new root.
await rotating.activate().catch((error: unknown) => console.log(`too early: ${(error as Error).message}`))
clock.advance(plan.publishedForSeconds * 1000)

// 5. For a tenth of the keys, then for all. `share: 0` would take it back.
await rotating.activate({ share: 0.1 })
await verify()
await rotating.activate()
await verify()

// 6. The old root ends when its last leaf has expired, not before.
await rotating.revoke('ca-1').catch((error: unknown) => console.log(`too early: ${(error as Error).message}`))
clock.advance(2 * hour)
await rotating.revoke('ca-1')
for (const { id, state } of (await rotating.status()).authorities) console.log(`${id} is ${state}`)
await issuance[Symbol.asyncDispose]()
await rotating[Symbol.asyncDispose]()
