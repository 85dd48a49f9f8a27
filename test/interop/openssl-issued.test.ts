// What we make, OpenSSL accepts: certificates, requests and CRLs of every key type; what OpenSSL asks for, we issue.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { buildRevocationList, generalName } from '../../src/x509/index.ts'
import { callerOf, newRequest, testPki, workloadId } from '../support/pki.ts'
import { requires } from '../support/requires.ts'

const directory = mkdtempSync(join(tmpdir(), 'openssl-'))
afterAll(() => rmSync(directory, { recursive: true }))
const openssl = (...args: readonly string[]): string => execFileSync('openssl', args, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const write = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text)
  return name
}
const algorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'RSA-PSS-2048']

describe.skipIf(!requires('openssl'))('OpenSSL', () => {
  it.each(algorithms)('accepts what a CA with a key of %s issues', async (algorithm) => {
    const pki = await testPki(algorithm)
    const root = write('root.pem', pki.root.toPem())
    const { request } = await newRequest(algorithm, { extensions: { subjectAltName: [generalName.uri(workloadId.toString()), generalName.dns('localhost')] } })
    const { certificate } = await pki.issuance.issue({ csr: request }, callerOf())
    expect(openssl('verify', '-x509_strict', '-CAfile', root, write('leaf.pem', certificate.toPem()))).toContain('OK')
    const text = openssl('x509', '-in', 'leaf.pem', '-noout', '-text')
    expect(text).toContain(`URI:${workloadId.toString()}`)
    expect(text).toContain('TLS Web Server Authentication, TLS Web Client Authentication')
    expect(openssl('req', '-in', write('csr.pem', request.toPem()), '-verify', '-noout', '-text')).toContain('localhost')
    const list = await buildRevocationList({
      issuer: pki.root.subject, thisUpdate: new Date(Date.now() - 60_000), nextUpdate: new Date(Date.now() + 3_600_000), crlNumber: 5, authorityKeyIdentifier: pki.root.subjectKeyIdentifier!,
      entries: [{ serialNumber: certificate.serialNumber, revocationDate: new Date(), reason: 'keyCompromise' }],
    }, pki.signer)
    expect(openssl('crl', '-in', write('crl.pem', list.toPem()), '-CAfile', root, '-noout', '-text')).toContain('Key Compromise')
    expect(() => openssl('verify', '-crl_check', '-CRLfile', 'crl.pem', '-CAfile', root, 'leaf.pem')).toThrow(/revoked/)
  })

  it.each([
    ['P-256', ['ec', 'ec_paramgen_curve:P-256']], ['P-384', ['ec', 'ec_paramgen_curve:P-384']], ['P-521', ['ec', 'ec_paramgen_curve:P-521']],
    ['RSA-2048', ['rsa', 'rsa_keygen_bits:2048']], ['RSA-4096', ['rsa', 'rsa_keygen_bits:4096']], ['Ed25519', ['ed25519']], ['RSA-PSS', ['rsa-pss', 'rsa_keygen_bits:2048']],
  ] as const)('asks with a key of %s, and gets a certificate', async (name, [algorithm, ...options]) => {
    openssl('genpkey', '-algorithm', algorithm, ...options.flatMap((option) => ['-pkeyopt', option]), '-out', `${name}.key`)
    openssl('req', '-new', '-key', `${name}.key`, '-subj', '/CN=whoever', '-addext', `subjectAltName=URI:${workloadId.toString()}`, '-out', `${name}.csr`)
    const pki = await testPki()
    const { certificate } = await pki.issuance.issue({ csr: readFileSync(join(directory, `${name}.csr`), 'utf8') }, callerOf())
    expect(openssl('verify', '-CAfile', write('root.pem', pki.root.toPem()), write('leaf.pem', certificate.toPem()))).toContain('OK')
  })
})
