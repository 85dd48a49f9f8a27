// OpenSSL and curl-shaped requests against the HTTP handler: lists, OCSP, certificates.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { createHttpHandler } from '../../src/adapters/http/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'

const run = promisify(execFile)

it.skipIf(!requires('openssl'))(
  'openssl ocsp and openssl verify -crl_check agree with what was revoked',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'openssl-http-'))
    const trustDomain = 'example.org'
    const signer = await SoftwareSigner.generate('P-256')
    const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
    const authority = createCertificateAuthority({ trustDomain, certificate: root, signer })
    const service = createIssuanceService({ authority })
    const caller = { identities: [SpiffeId.parse('spiffe://example.org/a')], credential: 'x509', claims: {} }
    const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
    const kept = (await service.issue({ csr }, caller)).certificate
    const revoked = (await service.issue({ csr }, caller)).certificate
    await service.revoke(revoked.serialNumber, 'keyCompromise', caller)
    const server = createServer(createHttpHandler({ authority })).listen(0, '127.0.0.1')
    try {
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const file = (name: string, content: string): string => {
        writeFileSync(join(folder, name), content)
        return join(folder, name)
      }
      const rootFile = file('root.pem', root.toPem())
      const names = [
        [file('kept.pem', kept.toPem()), /: good/],
        [file('revoked.pem', revoked.toPem()), /: revoked[\s\S]*Reason: keyCompromise/],
      ] as const
      for (const [name, expected] of names)
        for (const nonce of ['-nonce', '-no_nonce']) {
          const options = [
            'ocsp',
            '-issuer',
            rootFile,
            '-CAfile',
            rootFile,
            '-cert',
            name,
            '-url',
            `${url}/ocsp`,
            nonce,
          ]
          const { stdout, stderr } = await run('openssl', options)
          expect(stderr).toContain('Response verify OK')
          expect(stdout).toMatch(expected)
        }
      const list = Buffer.from(await (await fetch(`${url}/crl`)).arrayBuffer())
      const pem = `-----BEGIN X509 CRL-----\n${list.toString('base64')}\n-----END X509 CRL-----\n`
      const verify = [
        'verify',
        '-x509_strict',
        '-crl_check',
        '-CAfile',
        rootFile,
        '-CRLfile',
        file('list.pem', pem),
      ]
      expect((await run('openssl', [...verify, names[0][0]])).stdout).toMatch(/: OK/)
      await expect(run('openssl', [...verify, names[1][0]])).rejects.toThrow(/certificate revoked/)
    } finally {
      server.close()
      rmSync(folder, { recursive: true })
    }
  },
)
