// What we issue, pkilint accepts: CA certificates, leaves with and without a subject, lists and OCSP
// responses.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueAll } from '../support/issued-files.ts'
import type { IssuedKind } from '../support/issued-files.ts'
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
  const files = new Map<string, IssuedKind>()
  const findings = new Map<string, readonly string[]>()
  const ignored = new Set<string>()
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  beforeAll(async () => {
    for (const algorithm of algorithms)
      for (const { kind, name, der } of await issueAll(algorithm)) {
        const path = join(directory, `${name}.der`)
        writeFileSync(path, der)
        files.set(path, kind)
      }
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
    expect(files.size).toBe(algorithms.length * 23)
  })

  it('finds nothing but what it finds in every certificate of a workload', () => {
    expect(ignored).toEqual(notForWorkloads)
    expect([...findings].filter(([, found]) => found.length > 0)).toEqual([])
  })
})
