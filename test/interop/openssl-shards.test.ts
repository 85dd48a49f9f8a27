// OpenSSL reads the lists of a CA that divides them: shards by distribution point, and delta CRLs.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { createCrlChecker, verifyPath } from '../../src/validation/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import type { Certificate, Crl } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'

const trustDomain = 'example.org'
const caller = { identities: [SpiffeId.parse('spiffe://example.org/a')], credential: 'x509', claims: {} }

it.skipIf(!requires('openssl'))(
  'openssl verify -use_deltas agrees with our checker about shards and deltas',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shards-'))
    try {
      const signer = await SoftwareSigner.generate('P-256')
      const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
      const crlDistribution = { url: 'http://crl.example.org/crl', shards: 2, deltaTtlSeconds: 3600 }
      const authority = createCertificateAuthority({
        trustDomain,
        certificate: root,
        signer,
        crlDistribution,
      })
      await using service = createIssuanceService({ authority, isAdministrator: () => true })
      const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
      const issue = async (shard: string): Promise<Certificate> => {
        for (;;) {
          const { certificate } = await service.issue({ csr }, caller)
          const record = await authority.storage.certificates.find({
            issuer: Buffer.from(root.subjectKeyIdentifier!).toString('hex').toUpperCase() as never,
            serialNumber: certificate.serialNumber,
          })
          if (record?.shard === shard) return certificate
        }
      }
      const [held, revoked, other] = [await issue('0'), await issue('0'), await issue('1')]
      await service.revoke(held.serialNumber, 'certificateHold', caller)
      const bases = await Promise.all(['0', '1'].map((shard) => authority.issueCrl({ shard })))
      const deltas = await Promise.all(['0', '1'].map((shard) => authority.issueCrl({ shard, delta: true })))
      const file = (name: string, text: string): string => {
        writeFileSync(join(folder, name), text)
        return join(folder, name)
      }
      const rootFile = file('root.pem', root.toPem())
      const theirs = (leaf: Certificate, lists: readonly Crl[]): string => {
        const listFile = file('lists.pem', lists.map((list) => list.toPem()).join(''))
        const flags = ['-crl_check', '-extended_crl', '-use_deltas', '-CRLfile', listFile]
        const trust = ['-no-CApath', '-no-CAstore', '-CAfile', rootFile]
        const { status, stderr } = spawnSync('openssl', [
          'verify',
          ...trust,
          ...flags,
          file('leaf.pem', leaf.toPem()),
        ])
        return status === 0
          ? 'good'
          : /certificate revoked/.test(String(stderr))
            ? 'ERR_REVOKED'
            : String(stderr)
      }
      const ours = (leaf: Certificate, lists: readonly Crl[]): string => {
        const revocation = createCrlChecker({ lists, mode: 'hard-fail' })
        const verdict = verifyPath(leaf, { anchors: [root], revocation })
        return verdict.ok ? 'good' : (verdict.rejected[0]?.code ?? '')
      }
      const both = (leaf: Certificate, lists: readonly Crl[]) => [theirs(leaf, lists), ours(leaf, lists)]
      const all = [...bases, ...deltas]
      expect(both(held, all)).toEqual(['ERR_REVOKED', 'ERR_REVOKED'])
      expect([both(revoked, all), both(other, all)]).toEqual([
        ['good', 'good'],
        ['good', 'good'],
      ])
      // A shard that is missing clears nobody.
      expect(theirs(other, [bases[0]!, deltas[0]!])).toMatch(
        /unable to get certificate CRL|different CRL scope/i,
      )
      expect(ours(other, [bases[0]!, deltas[0]!])).toBe('ERR_REVOCATION_UNKNOWN')
      await service.release(held.serialNumber, caller)
      await service.revoke(revoked.serialNumber, 'keyCompromise', caller)
      const later = [...bases, await authority.issueCrl({ shard: '0', delta: true })]
      expect(both(held, later)).toEqual(['good', 'good'])
      expect(both(revoked, later)).toEqual(['ERR_REVOKED', 'ERR_REVOKED'])
      const text = (list: Crl): string =>
        execFileSync('openssl', ['crl', '-noout', '-text', '-in', file('one.pem', list.toPem())]).toString()
      expect(text(bases[0]!)).toMatch(/Issuing Distribution Point: critical[\s\S]*\/0\.crl/)
      expect(text(bases[0]!)).toMatch(/X509v3 Freshest CRL:[\s\S]*\/0\.delta\.crl/)
      expect(text(later[2]!)).toMatch(/X509v3 Delta CRL Indicator: critical/)
      expect(text(later[2]!)).toContain('Remove From CRL')
      const leafText = execFileSync('openssl', [
        'x509',
        '-noout',
        '-text',
        '-in',
        file('leaf.pem', other.toPem()),
      ])
      expect(leafText.toString()).toMatch(/X509v3 CRL Distribution Points:[\s\S]*\/1\.crl/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
