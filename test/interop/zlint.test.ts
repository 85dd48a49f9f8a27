// What we issue, zlint accepts by the rules of the RFCs: CA certificates, leaves, lists and OCSP responses.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { GoProgram } from '../support/go-program.ts'
import { issueAll } from '../support/issued-files.ts'
import type { IssuedKind } from '../support/issued-files.ts'
import { temporaryFolders } from '../support/temporary.ts'

const algorithms = ['P-256', 'P-384', 'Ed25519', 'RSA-2048', 'RSA-PSS-2048'] as const
/** The other sources are rules for the certificates of web sites. */
const sources = '-includeSources=RFC3279,RFC5280,RFC5480,RFC8813'

/** By the name of a lint. */
type Results = Readonly<Record<string, { readonly result: string; readonly details?: string }>>

const zlint = new GoProgram('zlint', { target: 'github.com/zmap/zlint/v3/cmd/zlint', isHeavy: true })
const newFolder = temporaryFolders('zlint-')

describe.skipIf(!zlint.isAvailable)('zlint', () => {
  const linted: { readonly kind: IssuedKind; readonly name: string; readonly results: Results }[] = []

  beforeAll(async () => {
    const binary = await zlint.build()
    const folder = newFolder()
    const issued = (await Promise.all(algorithms.map(issueAll))).flat()
    for (const { name, der } of issued) writeFileSync(join(folder, `${name}.der`), der)
    const lint = async (kinds: readonly IssuedKind[], options: readonly string[]): Promise<void> => {
      const files = issued.filter(({ kind }) => kinds.includes(kind))
      const args = [...options, ...files.map(({ name }) => join(folder, `${name}.der`))]
      const { stdout } = await promisify(execFile)(binary, args, { maxBuffer: 1 << 26 })
      // A line for each file.
      for (const [at, line] of stdout.trim().split('\n').entries()) {
        const { kind, name } = files[at] as (typeof files)[number]
        linted.push({ kind, name, results: JSON.parse(line) as Results })
      }
    }
    await lint(['certificate', 'crl'], [sources])
    // Every rule: it lists RFC6960 as a source, and refuses the name as an option.
    await lint(['ocsp'], [])
  }, 1_800_000)

  it('reads every file', () => {
    expect(linted).toHaveLength(algorithms.length * 23)
  })

  it.each(['certificate', 'crl', 'ocsp'] as const)('has rules that apply to each %s', (kind) => {
    const passed = linted
      .filter((one) => one.kind === kind)
      .map(({ results }) => Object.values(results).filter(({ result }) => result === 'pass').length)
    expect(Math.min(...passed)).toBeGreaterThan(0)
  })

  it('finds nothing', () => {
    const found = linted.flatMap(({ name, results }) =>
      Object.entries(results)
        .filter(([, { result }]) => !['pass', 'NA', 'NE'].includes(result))
        .map(([lint, { result, details }]) => `${name}: ${result} ${lint} ${details ?? ''}`),
    )
    expect(found).toEqual([])
  })
})
