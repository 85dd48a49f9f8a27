// A CA that outlives its process: keys in encrypted files, everything else in SQLite.

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SoftwareSigner, SpiffeId, buildCertificateRequest } from 'spiffe-pki'
import { createCaService } from 'spiffe-pki/service'

// Run it twice with one directory, and the second run continues: npx tsx examples/11-durable-ca.ts /tmp/my-ca
const directory = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'ca-')))
await using service = await createCaService({
  directory,
  trustDomain: 'example.org',
  // From your secret store: without it the keys do not open.
  passphrase: () => process.env['CA_PASSPHRASE'] ?? 'only for an example',
})
const { issuance, authority, storage, root } = service
console.log(`CA in ${directory}: root ${root.serialNumber}, valid until ${root.notAfter.toISOString()}`)

// What earlier runs have issued.
const { items: earlier } = await storage.certificates.query({ state: 'issued' })
for (const { serialNumber, revocation } of earlier)
  console.log(`earlier: ${serialNumber} is ${revocation === undefined ? 'valid' : revocation.reason}`)

// A workload makes a key and asks. Who is calling is known from its credential: here, we say so.
const key = await SoftwareSigner.generate('P-256')
const web = {
  identities: [SpiffeId.parse('spiffe://example.org/web')],
  credential: 'example',
  claims: {},
}
const csr = await buildCertificateRequest({}, key)
const { certificate } = await issuance.issue({ csr, ttlSeconds: 3600 }, web)
console.log(`issued: ${certificate.serialNumber} for ${String(web.identities[0])}`)

// Its key was stolen: it is on the next list, and on every list of the next runs until it expires.
await issuance.revoke(certificate.serialNumber, 'keyCompromise', web)
const list = await authority.issueCrl()
console.log(`list ${String(list.crlNumber)} names ${list.entryCount} certificates`)
