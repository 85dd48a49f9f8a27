// What we issue, pkilint accepts: CA certificates, leaves with and without a subject, lists and OCSP
// responses.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { TrustDomain } from '../../src/spiffe/index.ts'
import { OcspCertificateId, OcspRequest, buildCertificateRequest, generalName } from '../../src/x509/index.ts'
import { callerOf, workloadId } from '../support/pki.ts'
import { pkilintPython, requires } from '../support/requires.ts'

const algorithms = ['P-256', 'P-384', 'Ed25519', 'RSA-2048', 'RSA-PSS-2048'] as const

/**
 * Rules of pkilint that are wrong for what a CA of workloads issues: it takes `spiffe://` for an invalid URI
 * and a single label such as `localhost` for an invalid domain name.
 */
const notForWorkloads = new Set(['pkix.invalid_uri_syntax', 'pkix.invalid_domain_name_syntax'])

interface Finding {
  readonly node_path: string
  readonly finding_descriptions: readonly { readonly severity: string; readonly code: string }[]
}

const present = requires('pkilint')

describe.skipIf(!present)('pkilint', () => {
  const directory = present ? mkdtempSync(join(tmpdir(), 'pkilint-')) : ''
  const files = new Map<string, 'certificate' | 'crl' | 'ocsp'>()
  const findings = new Map<string, readonly string[]>()
  const ignored = new Set<string>()
  const write = (kind: 'certificate' | 'crl' | 'ocsp', name: string, der: Uint8Array): void => {
    const path = join(directory, `${name}.der`)
    writeFileSync(path, der)
    files.set(path, kind)
  }
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  beforeAll(async () => {
    for (const algorithm of algorithms) await issueAll(algorithm, write)
    const input = [...files].map(([path, kind]) => `${kind} ${path}\n`).join('')
    const script = fileURLToPath(new URL('pkilint/lint.py', import.meta.url))
    const { status, stdout, stderr } = spawnSync(pkilintPython() as string, [script], {
      input,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    })
    if (status !== 0) throw new Error(stderr)
    for (const line of stdout.trim().split('\n')) {
      const [path = '', json = ''] = line.split('\t')
      const { results } = JSON.parse(json) as { readonly results: readonly Finding[] }
      const codes = results.flatMap(({ node_path, finding_descriptions }) =>
        finding_descriptions
          .filter(({ code }) => !notForWorkloads.has(code) || !ignored.add(code))
          .map(({ severity, code }) => `${severity} ${code} at ${node_path}`),
      )
      findings.set(path, codes)
    }
  }, 120_000)

  it('reads every file', () => {
    expect(findings.size).toBe(files.size)
    expect(files.size).toBe(algorithms.length * 10)
  })

  it('finds nothing but what it finds in every certificate of a workload', () => {
    expect(ignored).toEqual(notForWorkloads)
    expect([...findings].filter(([, found]) => found.length > 0)).toEqual([])
  })
})

/** Everything that one CA of this key issues. */
async function issueAll(
  algorithm: (typeof algorithms)[number],
  write: (kind: 'certificate' | 'crl' | 'ocsp', name: string, der: Uint8Array) => void,
): Promise<void> {
  const [rootKey, nextKey, caKey] = await Promise.all([
    SoftwareSigner.generate(algorithm),
    SoftwareSigner.generate(algorithm),
    SoftwareSigner.generate(algorithm),
  ])
  const trustDomain = 'example.org'
  const root = await createRootCertificate(rootKey, { subject: `CN=root ${algorithm}`, trustDomain })
  const next = await createRootCertificate(nextKey, { subject: 'CN=next root', trustDomain })
  const parent = { certificate: root, signer: rootKey }
  const ca = await createIntermediateCertificate(parent, caKey.publicKey, {
    subject: 'CN=issuing',
    trustDomain,
    nameConstraints: { permitted: [generalName.uri(trustDomain), generalName.dns('localhost')] },
  })
  const cross = await createCrossCertificate({ certificate: next, signer: nextKey }, root, {
    pathLength: 1,
  })
  for (const [name, one] of Object.entries({ root, next, ca, cross }))
    write('certificate', `${algorithm}-${name}`, one.der)

  const authority = createCertificateAuthority({
    trustDomain,
    certificate: ca,
    signer: caKey,
    roots: [root],
  })
  const issuance = createIssuanceService({
    authority,
    isAdministrator: () => true,
    policy: callerIdentityPolicy({
      trustDomain: TrustDomain.from(trustDomain),
      mayHaveName: () => true,
    }),
  })
  await using _closed = issuance as typeof issuance & AsyncDisposable
  const caller = callerOf(workloadId.toString())
  write('crl', `${algorithm}-empty-list`, (await authority.issueCrl()).der)
  for (const [name, subject] of [
    ['leaf', undefined],
    ['leaf-with-subject', 'CN=api.example.org'],
  ] as const) {
    const key = await SoftwareSigner.generate(algorithm)
    const names = [generalName.uri(workloadId.toString()), generalName.dns('localhost')]
    const csr = await buildCertificateRequest(
      { ...(subject === undefined ? {} : { subject }), extensions: { subjectAltName: names } },
      key,
    )
    const { certificate } = await issuance.issue({ csr }, caller)
    write('certificate', `${algorithm}-${name}`, certificate.der)
    if (subject !== undefined) await issuance.revoke(certificate.serialNumber, 'keyCompromise', caller)
    const request = OcspRequest.of([OcspCertificateId.of(certificate, ca)])
    write('ocsp', `${algorithm}-${name}-status`, (await authority.answerOcsp(request.der)).response)
  }
  write('crl', `${algorithm}-list`, (await authority.issueCrl()).der)
}
