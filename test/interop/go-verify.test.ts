// A third opinion: the same kind of generated chains, judged by Go's crypto/x509 in one batch.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { explainVerdict, verifyPath } from '../../src/validation/index.ts'
import { formatGeneralName } from '../../src/x509/internal.ts'
import type { Certificate } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'
import { time } from '../unit/validation/test-pki.ts'
import { constrainedChains } from './constrained-chains.ts'
import { chainPlans, makeChain } from './generated-chains.ts'

const runs = Number(process.env['SPIFFE_PKI_OPINIONS'] ?? 300)
const tool = 'go'
const present = requires(tool)

/** Rules of ours that Go does not have, by the code and the start of the rule. */
const stricter: readonly (readonly [string, RegExp])[] = [
  // Section 4's demands on CAs are not Go's matter.
  ['ERR_PATH_PROFILE', /^RFC 5280 §4\./],
  // Go takes a key usage that does not fit the purpose.
  ['ERR_PATH_KEY_USAGE', /^RFC 5280 §4\.2\.1\.12/],
  // A wildcard directly below a top-level domain stands for a whole registry (BR 3.2.2.6).
  ['ERR_PATH_PEER_NAME', /^RFC 9525 §6\.3/],
  // A wildcard that may stand for an excluded name: Go compares the asterisk as a label.
  ['ERR_PATH_NAME_CONSTRAINTS', /^RFC 5280 §6\.1\.3 \(c\)/],
]

describe.skipIf(!present)("Go's crypto/x509", () => {
  it(`agrees over ${runs} generated chains, or a clause says why not`, async () => {
    const chains = await Promise.all(fc.sample(chainPlans, runs).map(makeChain))
    const theirs = goVerdicts(
      chains.map(({ leaf, intermediates, root }) => ({
        leaf: base64(leaf),
        intermediates: intermediates.map(base64),
        root: base64(root),
        time,
        host: 'web.example',
      })),
    )
    expect(theirs.length).toBe(runs)
    let both = 0
    for (const [at, { leaf, intermediates, root }] of chains.entries()) {
      const verdict = verifyPath(leaf, {
        anchors: [root],
        intermediates,
        time,
        extendedKeyUsage: 'serverAuth',
        peer: { dns: 'web.example' },
      })
      if (verdict.ok) {
        expect(theirs[at], explainVerdict(verdict)).toBe('ok')
        both++
      } else if (theirs[at] === 'ok') {
        const [first] = verdict.rejected
        expect(
          stricter.some(([code, rule]) => first?.code === code && rule.test(first.rule)),
          explainVerdict(verdict),
        ).toBe(true)
      }
    }
    expect(both).toBeGreaterThan(runs / 20)
  })

  it('says of leaves below constrained intermediates what we say', async () => {
    const chains = await constrainedChains()
    const now = new Date()
    const theirs = goVerdicts(
      chains.map(({ leaf, intermediates, root }) => ({
        leaf: base64(leaf),
        intermediates: intermediates.map(base64),
        root: base64(root),
        time: now,
      })),
    )
    for (const [at, { name, holds, goHolds, leaf, intermediates, root }] of chains.entries()) {
      const verdict = verifyPath(leaf, {
        anchors: [root],
        intermediates,
        time: now,
        extendedKeyUsage: 'serverAuth',
      })
      const what =
        `${name}: ` +
        `${leaf.subjectAltName!.map(formatGeneralName).join(', ')}: ${theirs[at]}, ${explainVerdict(verdict)}`
      expect([verdict.ok, theirs[at] === 'ok'], what).toEqual([holds, goHolds])
      if (!verdict.ok)
        expect(verdict.rejected[0]?.code, what).toMatch(/^ERR_PATH_(?:NAME_CONSTRAINTS|LENGTH)$/)
    }
  })
})

function goVerdicts(chains: readonly object[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'go-verify-'))
  try {
    const program = join(folder, 'verify')
    const built = spawnSync(tool, ['build', '-o', program, '.'], {
      cwd: join(import.meta.dirname, 'go-verify'),
      env: { ...process.env, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' },
    })
    if (built.status !== 0) throw new Error(`go build: ${built.stderr.toString()}`)
    const { stdout } = spawnSync(program, {
      input: chains.map((chain) => `${JSON.stringify(chain)}\n`).join(''),
      maxBuffer: 1 << 28,
    })
    return stdout.toString().trim().split('\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function base64(certificate: Certificate): string {
  return Buffer.from(certificate.der).toString('base64')
}
