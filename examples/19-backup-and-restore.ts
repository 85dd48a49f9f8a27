// A CA loses its disk and is restored from a backup: the same root, records, revocations and audit log.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SoftwareSigner, SpiffeId, buildCertificateRequest } from 'spiffe-pki'
import { verifyAuditLog } from 'spiffe-pki/audit'
import { createTileDirectory } from 'spiffe-pki/files'
import { createCaService, restoreBackup, verifyBackup } from 'spiffe-pki/service'

const folder = await mkdtemp(join(tmpdir(), 'backup-'))
const [directory, path] = [join(folder, 'ca'), join(folder, 'ca-backup')]
const trustDomain = 'example.org'
// From your secret store, and the two of them not in the same place.
const keyPassphrase = () => process.env['CA_PASSPHRASE'] ?? 'only for an example'
const passphrase = () => process.env['BACKUP_PASSPHRASE'] ?? 'for an example too'

const web = { identities: [SpiffeId.parse(`spiffe://${trustDomain}/web`)], credential: 'example', claims: {} }
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))

const first = await createCaService({ directory, trustDomain, passphrase: keyPassphrase })
const { certificate } = await first.issuance.issue({ csr, ttlSeconds: 3600 }, web)
const { created, checkpoint, auditSize } = await first.backup({ path, passphrase })
console.log(`backup of ${created.toISOString()}: ${auditSize} records of the audit log`)
const auditKey = first.audit?.key
const listBefore = await first.authority.issueCrl({ fresh: true })
await first[Symbol.asyncDispose]()

// Each backup is tried: every key signs, every record is read, the audit log is proven.
const { certificates, keys } = await verifyBackup({ path, passphrase, keyPassphrase })
console.log(`verified: ${certificates} certificates, keys ${keys.join(', ')}`)

// Everything is lost but the backup and the checkpoint, which is kept elsewhere.
await rm(directory, { recursive: true })
await restoreBackup({ path, directory, passphrase, trustDomain, minAuditSize: auditSize ?? 0 })
{
  await using again = await createCaService({ directory, trustDomain, passphrase: keyPassphrase })
  const status = await again.issuance.status(certificate.serialNumber)
  const list = await again.authority.issueCrl({ fresh: true })
  console.log(`the same root: ${again.root.equals(first.root)}; the certificate is ${status?.state}`)
  console.log(`the next CRL has a greater number: ${(list.crlNumber ?? 0n) > (listBefore.crlNumber ?? 0n)}`)
  await again.audit?.integrate()
  if (auditKey === undefined || checkpoint === undefined) throw new Error('the audit log is off')
  const tiles = createTileDirectory(join(directory, 'audit'))
  const report = await verifyAuditLog({
    tiles,
    key: auditKey,
    seen: checkpoint,
    entries: again.storage.audit,
  })
  console.log(
    `audit log: ${report.ok ? 'nothing is missing' : report.findings.map(({ message }) => message).join()}`,
  )
}
await rm(folder, { recursive: true })
