// Generated chains, verified by us and by `openssl verify`, which accepts what we accept, and otherwise
// accepts only what breaks a rule that it does not check.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainVerdict, validationProfiles, verifyPath } from '../../src/validation/index.ts'
import { formatGeneralName } from '../../src/x509/internal.ts'
import type { Certificate } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'
import { time } from '../unit/validation/test-pki.ts'
import { constrainedChains } from './constrained-chains.ts'
import { chainPlans, makeChain } from './generated-chains.ts'

const runs = Number(process.env['SPIFFE_PKI_OPINIONS'] ?? 150)
const tool = 'openssl'
const present = requires(tool)
const folder = present ? mkdtempSync(join(tmpdir(), 'opinions-')) : ''

/** Rules of ours that `openssl verify` does not have, by the code and the start of the rule. */
const stricter: readonly (readonly [string, RegExp])[] = [
  // Section 4's demands on CAs: OpenSSL checks some of them, under -x509_strict only.
  ['ERR_PATH_PROFILE', /^RFC 5280 §4\./],
  // Nested purposes: OpenSSL asks them of CAs too, but lets anyExtendedKeyUsage and absent extensions differ
  // by purpose.
  ['ERR_PATH_EXTENDED_KEY_USAGE', /^RFC 5280 §4\.2\.1\.12/],
]

/**
 * OpenSSL's TLS purposes do not take anyExtendedKeyUsage, which RFC 5280 §4.2.1.12 leaves to the application.
 */
const profile = { ...validationProfiles.rfc5280, acceptAnyExtendedKeyUsage: false }

describe.skipIf(!present)('openssl verify', () => {
  let count = 0
  const tally = { both: 0, neither: 0, stricter: 0 }

  beforeAll(() => expect(spawnSync(tool, ['version']).status).toBe(0))
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it(`agrees over ${runs} generated chains, or a clause says why not`, async () => {
    await fc.assert(
      fc.asyncProperty(chainPlans, async (plan) => {
        const { leaf, intermediates, root } = await makeChain(plan)
        const verdict = verifyPath(leaf, {
          anchors: [root],
          intermediates,
          time,
          profile,
          extendedKeyUsage: 'serverAuth',
          peer: { dns: 'web.example' },
        })
        const theirs = opensslAccepts(++count, leaf, intermediates, root)
        if (verdict.ok) {
          expect(theirs.accepted, `accepted here, refused by openssl: ${theirs.text}`).toBe(true)
          tally.both++
        } else if (!theirs.accepted) {
          tally.neither++
        } else {
          const [first] = verdict.rejected
          expect(
            stricter.some(([code, rule]) => first?.code === code && rule.test(first.rule)),
            explainVerdict(verdict),
          ).toBe(true)
          tally.stricter++
        }
      }),
      { numRuns: runs },
    )
    // The generator has to make both kinds, or the test says nothing.
    expect(tally.both).toBeGreaterThan(runs / 20)
    expect(tally.neither).toBeGreaterThan(runs / 20)
  })

  it('says of leaves below constrained intermediates what we say', async () => {
    for (const [at, { name, holds, leaf, intermediates, root }] of (await constrainedChains()).entries()) {
      const verdict = verifyPath(leaf, { anchors: [root], intermediates, extendedKeyUsage: 'serverAuth' })
      const [leafFile, chainFile, rootFile] = ['leaf', 'chain', 'root'].map((file) =>
        join(folder, `constrained-${file}-${at}.pem`),
      ) as [string, string, string]
      writeFileSync(leafFile, leaf.toPem())
      writeFileSync(chainFile, intermediates.map((certificate) => certificate.toPem()).join(''))
      writeFileSync(rootFile, root.toPem())
      const { status, stderr } = spawnSync(tool, [
        'verify',
        '-x509_strict',
        '-no-CApath',
        '-no-CAstore',
        '-CAfile',
        rootFile,
        '-untrusted',
        chainFile,
        '-purpose',
        'sslserver',
        leafFile,
      ])
      const what =
        `${name}: ` +
        `${leaf.subjectAltName!.map(formatGeneralName).join(', ')}: ` +
        `${stderr.toString()}, ${explainVerdict(verdict)}`
      expect([verdict.ok, status === 0], what).toEqual([holds, holds])
      if (!holds)
        expect(stderr.toString(), what).toMatch(
          /permitted subtree violation|excluded subtree violation|path length constraint exceeded/,
        )
    }
  })
})

function opensslAccepts(
  run: number,
  leaf: Certificate,
  intermediates: readonly Certificate[],
  root: Certificate,
): { accepted: boolean; text: string } {
  const [leafFile, chainFile, rootFile] = ['leaf', 'chain', 'root'].map((name) =>
    join(folder, `${name}-${run}.pem`),
  ) as [string, string, string]
  writeFileSync(leafFile, leaf.toPem())
  writeFileSync(chainFile, intermediates.map((certificate) => certificate.toPem()).join(''))
  writeFileSync(rootFile, root.toPem())
  const untrusted = intermediates.length === 0 ? [] : ['-untrusted', chainFile]
  const { status, stderr } = spawnSync(tool, [
    'verify',
    '-no-CApath',
    '-no-CAstore',
    '-CAfile',
    rootFile,
    ...untrusted,
    '-attime',
    String(time.getTime() / 1000),
    '-purpose',
    'sslserver',
    '-verify_hostname',
    'web.example',
    leafFile,
  ])
  return { accepted: status === 0, text: stderr.toString() }
}
