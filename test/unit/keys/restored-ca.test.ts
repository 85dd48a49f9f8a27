// A CA that is lost with its machine, and comes back from the backup of its key.

import '../../support/cheap-scrypt.ts'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { FileKeyManager } from '../../../src/adapters/files/index.ts'
import { MemoryKeyManager } from '../../../src/keys/index.ts'
import { X509SvidValidator } from '../../../src/svid/index.ts'
import { Certificate } from '../../../src/x509/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { callerOf, newRequest, workloadId } from '../../support/pki.ts'

const recipient = generateKeyPairSync('x25519')
const second = await mkdtemp(join(tmpdir(), 'restored-'))
afterAll(() => rm(second, { recursive: true }))

async function issue(certificate: Certificate, signer: Signer) {
  const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer })
  const { request } = await newRequest()
  const issued = await createIssuanceService({ authority }).issue({ csr: request }, callerOf())
  return { leaf: issued.certificate, bundle: authority.trustBundle() }
}

describe('a restored CA', () => {
  it.each([
    {
      what: 'a passphrase',
      algorithm: 'P-256',
      sealing: { passphrase: 'correct horse' },
      opening: { passphrase: 'correct horse' },
    },
    {
      what: "a recipient's key",
      algorithm: 'Ed25519',
      sealing: { recipient: recipient.publicKey },
      opening: { recipient: recipient.privateKey },
    },
    {
      what: 'a passphrase',
      algorithm: 'RSA-PSS-2048',
      sealing: { passphrase: 'correct horse' },
      opening: { passphrase: 'correct horse' },
    },
  ] as const)('signs as before: $algorithm under $what', async ({ algorithm, sealing, opening }) => {
    // On the first machine: everything that leaves it is text.
    await using lost = new MemoryKeyManager()
    const original = await lost.generateKey('root', algorithm)
    const root = await createRootCertificate(original, { subject: 'CN=root', trustDomain: 'example.org' })
    const before = await issue(root, original)
    const carried = JSON.stringify({ backup: await lost.backupKey('root', sealing), root: root.toPem() })
    await lost.destroyKey('root')

    // On the second, in another kind of backend.
    const { backup, root: pem } = JSON.parse(carried)
    await using keys = await FileKeyManager.open({
      directory: join(second, algorithm),
      passphrase: () => 'another one',
    })
    const signer = await keys.restoreKey(backup, opening)
    expect(signer.publicKey.equals(root.publicKey)).toBe(true)
    expect(signer.signatureAlgorithm).toBe(original.signatureAlgorithm)
    const after = await issue(Certificate.fromPem(pem), (await keys.getSigner('root'))!)

    // Whoever trusted the first trusts what the second signs.
    const validator = new X509SvidValidator({ bundles: before.bundle })
    for (const { leaf } of [before, after]) {
      expect(leaf.verifySignatureBy(root.publicKey)).toBe(true)
      const verdict = validator.verify([leaf])
      expect(verdict.ok && verdict.id.toString()).toBe(workloadId.toString())
    }
  })
})
