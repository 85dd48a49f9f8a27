// A second opinion: generated chains, verified by us and by `openssl verify`. What we accept, it accepts; what it accepts and we do not
// has to break a rule that it does not check, named below.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainVerdict, validationProfiles, verifyPath } from '../../src/validation/index.ts'
import { generalName, keyPurposeOids } from '../../src/x509/index.ts'
import type { Certificate, ExtensionFields } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'
import { makeAuthority, makeLeaf, newSigner, time } from '../unit/validation/test-pki.ts'
import type { Changes } from '../unit/validation/test-pki.ts'

const runs = Number(process.env['SPIFFE_PKI_OPINIONS'] ?? 150)
const tool = 'openssl'
const present = requires(tool)
const folder = present ? mkdtempSync(join(tmpdir(), 'opinions-')) : ''

/** Rules of ours that `openssl verify` does not have, by the code and the start of the rule. */
const stricter: readonly (readonly [string, RegExp])[] = [
  // Section 4's demands on CAs: OpenSSL checks some of them, under -x509_strict only.
  ['ERR_PATH_PROFILE', /^RFC 5280 §4\./],
  // Nested purposes: OpenSSL asks them of CAs too, but lets anyExtendedKeyUsage and absent extensions differ by purpose.
  ['ERR_PATH_EXTENDED_KEY_USAGE', /^RFC 5280 §4\.2\.1\.12/],
]

/** OpenSSL's TLS purposes do not take anyExtendedKeyUsage, which RFC 5280 §4.2.1.12 leaves to the application. */
const profile = { ...validationProfiles.rfc5280, acceptAnyExtendedKeyUsage: false }

const signers = Array.from({ length: 4 }, newSigner)

const dates = fc.constantFrom<Partial<Changes>>({}, {}, {}, {}, { notAfter: new Date('2026-02-01T00:00:00Z') }, { notBefore: new Date('2026-08-01T00:00:00Z') })

const authorityFields: fc.Arbitrary<ExtensionFields> = fc.record(
  {
    basicConstraints: fc.constantFrom({ ca: true }, { ca: true }, { ca: true, pathLength: 0 }, { ca: true, pathLength: 1 }, { ca: false }),
    keyUsage: fc.constantFrom(['keyCertSign', 'cRLSign'] as const, ['keyCertSign'] as const, ['cRLSign'] as const),
    extendedKeyUsage: fc.constantFrom([keyPurposeOids.serverAuth], [keyPurposeOids.clientAuth], [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth]),
    nameConstraints: fc.constantFrom(
      { permitted: [generalName.dns('example')] },
      { permitted: [generalName.dns('other.example')] },
      { excluded: [generalName.dns('web.example')] },
      { permitted: [generalName.email('example')] },
    ),
    other: fc.constantFrom([], [], [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }], [{ oid: '1.2.3.4', critical: false, value: Uint8Array.of(5, 0) }]),
  },
  { requiredKeys: [] },
)

const leafFields: fc.Arbitrary<ExtensionFields> = fc.record(
  {
    basicConstraints: fc.constantFrom({ ca: false }, { ca: true }),
    keyUsage: fc.constantFrom(['digitalSignature'] as const, ['keyAgreement'] as const),
    extendedKeyUsage: fc.constantFrom([keyPurposeOids.serverAuth], [keyPurposeOids.clientAuth], [keyPurposeOids.any]),
    subjectAltName: fc.constantFrom([generalName.dns('web.example')], [generalName.dns('*.example')], [generalName.dns('other.test')], [generalName.dns('web.example'), generalName.dns('x.test')]),
    other: fc.constantFrom([], [], [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }]),
  },
  { requiredKeys: [] },
)

/** Settings that are unusual are rare, so that a good share of the chains is good. */
const rarely = (fields: fc.Arbitrary<ExtensionFields>): fc.Arbitrary<ExtensionFields> => fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fields })

const chains = fc.record({
  root: rarely(authorityFields),
  authorities: fc.array(fc.record({ fields: rarely(authorityFields), dates }), { maxLength: 2 }),
  leaf: fc.record({ fields: rarely(leafFields), dates }),
})

describe.skipIf(!present)('openssl verify', () => {
  let count = 0
  const tally = { both: 0, neither: 0, stricter: 0 }

  beforeAll(() => expect(spawnSync(tool, ['version']).status).toBe(0))
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it(`agrees over ${runs} generated chains, or a clause says why not`, async () => {
    await fc.assert(
      fc.asyncProperty(chains, async (wanted) => {
        const root = await makeAuthority('root', undefined, { signer: signers[0]!, extensions: wanted.root })
        let above = root
        const intermediates: Certificate[] = []
        for (const [at, { fields, dates: period }] of wanted.authorities.entries()) {
          above = await makeAuthority(`ca ${at}`, above, { signer: signers[at + 1]!, extensions: fields, ...period })
          intermediates.push(above.certificate)
        }
        const leaf = await makeLeaf(above, { signer: signers[3]!, extensions: wanted.leaf.fields, ...wanted.leaf.dates })
        const verdict = verifyPath(leaf, { anchors: [root.certificate], intermediates, time, profile, extendedKeyUsage: 'serverAuth', peer: { dns: 'web.example' } })
        const theirs = opensslAccepts(++count, leaf, intermediates, root.certificate)
        if (verdict.ok) {
          expect(theirs.accepted, `accepted here, refused by openssl: ${theirs.text}`).toBe(true)
          tally.both++
        } else if (!theirs.accepted) {
          tally.neither++
        } else {
          const [first] = verdict.rejected
          expect(stricter.some(([code, rule]) => first?.code === code && rule.test(first.rule)), explainVerdict(verdict)).toBe(true)
          tally.stricter++
        }
      }),
      { numRuns: runs },
    )
    // The generator has to make both kinds, or the test says nothing.
    expect(tally.both).toBeGreaterThan(runs / 20)
    expect(tally.neither).toBeGreaterThan(runs / 20)
  })
})

function opensslAccepts(run: number, leaf: Certificate, intermediates: readonly Certificate[], root: Certificate): { accepted: boolean; text: string } {
  const [leafFile, chainFile, rootFile] = ['leaf', 'chain', 'root'].map((name) => join(folder, `${name}-${run}.pem`)) as [string, string, string]
  writeFileSync(leafFile, leaf.toPem())
  writeFileSync(chainFile, intermediates.map((certificate) => certificate.toPem()).join(''))
  writeFileSync(rootFile, root.toPem())
  const untrusted = intermediates.length === 0 ? [] : ['-untrusted', chainFile]
  const { status, stderr } = spawnSync(tool, [
    'verify', '-no-CApath', '-no-CAstore', '-CAfile', rootFile, ...untrusted, '-attime', String(time.getTime() / 1000), '-purpose', 'sslserver', '-verify_hostname', 'web.example', leafFile,
  ])
  return { accepted: status === 0, text: stderr.toString() }
}
