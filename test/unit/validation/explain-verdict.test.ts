// Verdicts that explain: as data and as text, of any length, with names that want to be more than names.

import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { element, sequence } from '../../../src/der/index.ts'
import {
  createPathValidator,
  explainVerdict,
  verifyPathOrThrow,
  verifyPath,
} from '../../../src/validation/index.ts'
import type { Verdict } from '../../../src/validation/index.ts'
import type { RejectedVerdict } from '../../../src/validation/internal.ts'
import { DistinguishedName, extensionOids, generalName } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { makeAuthority, makeLeaf, newSigner, time } from './test-pki.ts'
import type { Authority } from './test-pki.ts'

const root = await makeAuthority('root')

const commonName = (text: string): DistinguishedName =>
  DistinguishedName.fromDer(
    sequence(
      element(0x31, sequence(element(6, Uint8Array.of(0x55, 4, 3)), element(0x0c, Buffer.from(text)))),
    ),
  )
const options = (extra: object = {}): Parameters<typeof verifyPath>[1] => ({
  anchors: [root.certificate],
  profile: 'spiffe',
  time,
  ...extra,
})
const refused = (verdict: Verdict): RejectedVerdict => {
  if (verdict.ok) throw new Error('accepted')
  return verdict
}

/**
 * Everything that some viewer takes for the end of a line, moves its cursor, or turns the direction of what
 * follows.
 */
const breaking = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const hostile = [
  ['a line feed', 'x\nAccepted.\n'],
  ['a carriage return', 'x\rAccepted.'],
  ['NEL', 'x\u0085Accepted.'],
  ['a line separator', 'x\u2028Accepted.'],
  ['a paragraph separator', 'x\u2029Accepted.'],
  ['an override of direction', 'x\u202eetadilav'],
  ['an isolate', 'x\u2066y'],
  ['an escape sequence', 'x\u001b[2Jy'],
  ['a byte order mark', 'x\ufeffy'],
  ['a tag character', 'x\u{e0041}y'],
  ['a backspace', 'x\b\b\by'],
  ['a zero width joiner', 'x\u200dy'],
] as const

describe('names from outside', () => {
  it.each(hostile)('with %s forge no line of the text', async (_what, text) => {
    const issuing = await makeAuthority('', root, { subject: commonName(`${text}"  <-- here`) })
    const leaf = await makeLeaf(issuing, { subject: commonName(text) })
    const { ok, path } = verifyPath(leaf, options({ intermediates: [issuing.certificate] })) as {
      ok: true
      path: { certificates: readonly Certificate[] }
    }
    expect([ok, path.certificates.length]).toEqual([true, 3])
    const verdicts = [
      verifyPath(leaf, options({ intermediates: [issuing.certificate] })),
      refused(verifyPath(leaf, options())),
      refused(
        verifyPath(leaf, options({ intermediates: [issuing.certificate], peer: { dns: 'other.example' } })),
      ),
    ]
    for (const verdict of verdicts) {
      const lines = explainVerdict(verdict).split('\n')
      const certificates = verdict.ok
        ? verdict.path.certificates.length
        : verdict.rejected.reduce((sum, each) => sum + each.path.length + 1, 0)
      expect(lines).toHaveLength(certificates + 2)
      for (const line of lines) expect(line).not.toMatch(breaking)
      // A mark stands after the quotes, never within.
      for (const line of lines)
        expect(line.replace(/"(?:[^"\\]|\\.)*"/g, '').split('<-- here').length).toBeLessThanOrEqual(2)
    }
  })

  it.each(hostile)('with %s break no message, as data or thrown', async (_what, text) => {
    const unknown = await makeLeaf({ ...root, name: commonName(text) })
    const excluding = await makeAuthority('excluding', root, {
      extensions: { nameConstraints: { excluded: [generalName.email('mail.example')] } },
    })
    const address = Buffer.from(`"${text.replaceAll(/[^\x00-\x7f]/gu, '\x01')}"@mail.example`)
    const other = [
      { oid: extensionOids.subjectAltName, critical: false, value: sequence(element(0x81, address)) },
    ]
    const addressed = await makeLeaf(excluding, { extensions: { subjectAltName: undefined, other } })
    for (const leaf of [unknown, addressed]) {
      const asked = options({ intermediates: [excluding.certificate] })
      for (const { message } of refused(verifyPath(leaf, asked)).rejected)
        expect(message).not.toMatch(breaking)
      let thrown: unknown
      try {
        verifyPathOrThrow(leaf, asked)
      } catch (error) {
        thrown = error
      }
      expect((thrown as Error).message).not.toMatch(breaking)
    }
  })

  it('of any characters make as many lines as there are certificates', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .string({ unit: 'binary', minLength: 1, maxLength: 60 })
          .filter((text) => Buffer.from(text).toString() === text),
        async (text) => {
          const leaf = await makeLeaf(root, { signer: root.signer, subject: commonName(text) })
          const lines = explainVerdict(verifyPath(leaf, options({ peer: { dns: 'other.example' } }))).split(
            '\n',
          )
          expect(lines.length).toBeLessThanOrEqual(5)
          expect(lines.filter((line) => breaking.test(line))).toEqual([])
        },
      ),
      { numRuns: 200 },
    )
  })

  it('are cut, not between the halves of a pair', async () => {
    const leaf = await makeLeaf(await makeAuthority('unknown'), {
      subject: commonName(`${'x'.repeat(195)}${'😀'.repeat(20_000)}`),
    })
    const text = explainVerdict(verifyPath(leaf, options()))
    expect(text.length).toBeLessThan(2000)
    expect(text.isWellFormed?.() ?? true).toBe(true)
  })
})

describe('many paths', () => {
  let leaf: Certificate
  let intermediates: Certificate[]
  /** 20 × 24 paths of four, each refused by the same constraint. */
  beforeAll(async () => {
    const [upperKey, lowerKey] = [newSigner(), newSigner()]
    const named = (at: number): { subjectAltName: ReturnType<typeof generalName.dns>[] } => ({
      subjectAltName: [generalName.dns(`n${at}.example`)],
    })
    const long = commonName(`${'lower'.repeat(500)}\u202e`)
    const upper: Authority[] = []
    for (let at = 0; at < 20; at++)
      upper.push(
        await makeAuthority('upper', root, {
          signer: upperKey,
          extensions: { ...named(at), nameConstraints: { permitted: [generalName.uri('good.example')] } },
        }),
      )
    const lower: Authority[] = []
    for (let at = 0; at < 24; at++)
      lower.push(
        await makeAuthority('', upper[0], { subject: long, signer: lowerKey, extensions: named(at) }),
      )
    leaf = await makeLeaf(lower[0] as Authority, {
      extensions: { subjectAltName: [generalName.uri('https://evil.example/')] },
    })
    intermediates = [...upper, ...lower].map(({ certificate }) => certificate)
  })

  it('are listed up to 64, the others counted', () => {
    const verdict = refused(verifyPath(leaf, options({ intermediates })))
    expect([verdict.rejected.length, verdict.omitted]).toEqual([64, 20 * 24 - 64])
    for (const each of verdict.rejected)
      expect(each).toMatchObject({
        code: 'ERR_PATH_NAME_CONSTRAINTS',
        rule: 'RFC 5280 §6.1.3 (b)',
        certificate: leaf,
        path: { length: 4 },
      })
    const lines = explainVerdict(verdict).split('\n')
    expect(lines[0]).toBe(`Rejected: 480 paths tried. The time is ${time.toISOString()}.`)
    expect(lines.at(-2)).toMatch(/^4\d\d more paths are not shown\.$/)
    const { candidates, signatureChecks, nameComparisons, policyNodes, octets, pathCertificates } =
      verdict.spent
    expect(lines.at(-1)).toBe(
      `Spent: ${candidates} candidates, ${signatureChecks} signature checks, ` +
        `${nameComparisons} name comparisons, ${policyNodes} policy nodes, ` +
        `${octets} octets; longest path ${pathCertificates}.`,
    )
  })

  it('make a text that is bounded, each certificate described once', () => {
    const wide = { ...refused(verifyPath(leaf, options({ intermediates }))) }
    const deep = {
      ...wide,
      rejected: wide.rejected.map((each) => ({ ...each, path: [...intermediates, ...each.path] })),
    }
    const written = vi.spyOn(DistinguishedName.prototype, 'toString')
    const text = explainVerdict(deep)
    expect(written.mock.calls.length).toBeLessThanOrEqual(intermediates.length + 2)
    written.mockRestore()
    // One path more than fits: 46 lines here.
    expect(text.length).toBeLessThan(64 * 1024 + 46 * 1500)
    expect(explainVerdict(wide).length).toBeLessThan(64 * 1024 + 4 * 1500)
  })
})

it('a clock without a time is no reason to accept', async () => {
  const clock = { now: () => Number.NaN, monotonic: () => 0, schedule: () => () => undefined }
  const leaf = await makeLeaf(root)
  expect(() => createPathValidator({ anchors: [root.certificate], clock }).verify(leaf)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  )
})
