// Budgets: what hostile inputs may cost, counted rather than timed.

import { describe, expect, it, vi } from 'vitest'
import { oid, sequence, setOf, utf8String } from '../../../src/der/index.ts'
import {
  createCrlChecker,
  createOcspChecker,
  createPathValidator,
  verifyPath,
} from '../../../src/validation/index.ts'
import { Budget, defaultBudget } from '../../../src/validation/budget.ts'
import type { RevocationChecker, Verdict } from '../../../src/validation/index.ts'
import {
  DistinguishedName,
  OcspCertificateId,
  OcspResponse,
  buildOcspResponse,
  buildCrl,
  generalName,
} from '../../../src/x509/index.ts'
import { anyPolicy } from '../../../src/x509/internal.ts'
import type { Certificate, GeneralName } from '../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import { makeAuthority, makeLeaf, newSigner, time } from './test-pki.ts'
import type { Authority } from './test-pki.ts'

const root = await makeAuthority('root')
const strangers = await makeAuthority('strangers')

const codes = (verdict: Verdict): string[] => (verdict.ok ? [] : verdict.rejected.map(({ code }) => code))

/** `levels` × `width` CAs where every one of a level signed every one of the next; none leads to the root. */
async function lattice(
  levels: number,
  width: number,
): Promise<{ leaf: Certificate; intermediates: Certificate[] }> {
  const intermediates: Certificate[] = []
  let above: Authority[] = [strangers]
  for (let level = 0; level < levels; level++) {
    const signer = newSigner()
    const next: Authority[] = []
    for (let at = 0; at < width; at++) {
      const serialNumber = Uint8Array.of(1, level, at)
      next.push(
        await makeAuthority(`level ${level}`, above[at % above.length], {
          signer,
          serialNumber,
          extensions: { subjectAltName: [{ type: 'dns', value: `n${at}.example` }] },
        }),
      )
    }
    intermediates.push(...next.map(({ certificate }) => certificate))
    above = next
  }
  return { leaf: await makeLeaf(above[0] as Authority), intermediates }
}

describe('a lattice of candidates', () => {
  it('ends in a budget verdict, whatever its width', async () => {
    const { leaf, intermediates } = await lattice(4, 25)
    const verdict = verifyPath(leaf, { anchors: [root.certificate], intermediates, time })
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
    // One more than the limit is what was refused.
    expect(verdict.spent.candidates).toBeLessThanOrEqual(defaultBudget.maxCandidates + 1)
    expect(verdict.spent.signatureChecks).toBeLessThanOrEqual(defaultBudget.maxSignatureChecks + 1)
  })

  it('checks each signature once, however many paths lead through it', async () => {
    const { leaf, intermediates } = await lattice(3, 4)
    const { spent } = verifyPath(leaf, { anchors: [root.certificate], intermediates, time })
    // All of a level have one key: the leaf is checked with each of 4, every intermediate with each of 4
    // above it at most.
    expect(spent.signatureChecks).toBeLessThanOrEqual(4 + 3 * 4 * 4)
  })

  it('keeps a bounded list of refused paths', async () => {
    const { leaf, intermediates } = await lattice(3, 8)
    expect(codes(verifyPath(leaf, { anchors: [root.certificate], intermediates, time }))).toHaveLength(64)
  })
})

describe('limits', () => {
  it.each([
    ['signature checks', { maxSignatureChecks: 1 }],
    ['candidates', { maxCandidates: 1 }],
    ['octets', { maxOctets: 500 }],
  ])('of %s end the verification', async (_name, budget) => {
    const issuing = await makeAuthority('issuing', root)
    const verdict = verifyPath(await makeLeaf(issuing), {
      anchors: [root.certificate],
      intermediates: [issuing.certificate],
      time,
      budget,
    })
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
  })

  it('of the path length end the path, not the verification', async () => {
    let authority = root
    const intermediates: Certificate[] = []
    for (let depth = 0; depth < 3; depth++) {
      authority = await makeAuthority(`depth ${depth}`, authority)
      intermediates.push(authority.certificate)
    }
    const leaf = await makeLeaf(authority)
    const validator = createPathValidator({ anchors: [root.certificate], time })
    expect(codes(validator.verify(leaf, { intermediates, budget: { maxPathCertificates: 4 } }))[0]).toBe(
      'ERR_PATH_LENGTH',
    )
    expect(validator.verify(leaf, { intermediates, budget: { maxPathCertificates: 5 } }).ok).toBe(true)
    const shortcut = await makeAuthority('depth 2', root, { signer: authority.signer })
    expect(
      validator.verify(leaf, {
        intermediates: [...intermediates, shortcut.certificate],
        budget: { maxPathCertificates: 4 },
      }).ok,
    ).toBe(true)
  })

  it('of name comparisons end 2,048 names against 2,048 constraints', async () => {
    const names = (suffix: string): GeneralName[] =>
      Array.from({ length: 2048 }, (_, at) => generalName.dns(`n${at}.${suffix}`))
    const issuing = await makeAuthority('issuing', root, {
      extensions: {
        nameConstraints: {
          permitted: [...names('other.example'), generalName.dns('web.example')],
          excluded: names('bad.example'),
        },
      },
    })
    const leaf = await makeLeaf(issuing, { extensions: { subjectAltName: names('web.example') } })
    const verdict = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates: [issuing.certificate],
      time,
    })
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
    expect(verdict.spent.nameComparisons).toBeLessThanOrEqual(defaultBudget.maxNameComparisons + 2048)
    // With the budget for it, the answer is yes.
    expect(
      verifyPath(leaf, {
        anchors: [root.certificate],
        intermediates: [issuing.certificate],
        time,
        budget: { maxNameComparisons: 10_000_000 },
      }).ok,
    ).toBe(true)
  })

  it('are not reached by one certificate that comes again and again', async () => {
    const issuing = await makeAuthority('issuing', root)
    const namesake = await makeAuthority('issuing', root)
    const leaf = await makeLeaf(issuing)
    const spentOn = (times: number) =>
      verifyPath(leaf, {
        anchors: [root.certificate],
        intermediates: Array.from({ length: times }, () => Uint8Array.from(namesake.certificate.der)),
        time,
      }).spent
    for (const times of [2, 20])
      expect({ ...spentOn(times), octets: 0 }).toEqual({ ...spentOn(1), octets: 0 })
  })

  it('are counted per verification, not per validator', async () => {
    const issuing = await makeAuthority('issuing', root)
    const leaf = await makeLeaf(issuing)
    const validator = createPathValidator({
      anchors: [root.certificate],
      intermediates: [issuing.certificate],
      time,
      budget: { maxSignatureChecks: 2 },
    })
    for (let run = 0; run < 5; run++) expect(validator.verify(leaf).ok).toBe(true)
  })
})

/** 20 × 24 paths from a leaf to the root: what costs something for each of them costs it 480 times. */
async function manyPaths(
  above: ExtensionFields = {},
  top: Authority = root,
): Promise<{ issuing: Authority; intermediates: Certificate[] }> {
  const [upperKey, lowerKey] = [newSigner(), newSigner()]
  const named = (at: number, extensions: ExtensionFields = {}): { extensions: ExtensionFields } => ({
    extensions: { subjectAltName: [generalName.dns(`n${at}.example`)], ...extensions },
  })
  const upper: Authority[] = []
  for (let at = 0; at < 20; at++)
    upper.push(await makeAuthority('upper', top, { signer: upperKey, ...named(at, above) }))
  const lower: Authority[] = []
  for (let at = 0; at < 24; at++)
    lower.push(await makeAuthority('lower', upper[0], { signer: lowerKey, ...named(at, above) }))
  return {
    issuing: lower[0] as Authority,
    intermediates: [...upper, ...lower].map(({ certificate }) => certificate),
  }
}

describe('what is done for each path', () => {
  const policies = Array.from({ length: 1000 }, (_, at) => `1.2.${at}`)
  const hour = (hours: number): Date => new Date(time.getTime() + hours * 3_600_000)

  it('reads the constraints and names of a certificate once', async () => {
    const { issuing, intermediates } = await manyPaths()
    let reads = 0
    const nameConstraints = {
      get permitted() {
        reads++
        return [{ base: generalName.uri('good.example'), minimum: 0, maximum: undefined }]
      },
      excluded: [],
    }
    const leaf = await makeLeaf(issuing, {
      extensions: {
        subjectAltName: [
          ...Array.from({ length: 1000 }, (_, at) => generalName.dns(`n${at}.example`)),
          generalName.uri('https://evil.example/'),
        ],
      },
    })
    const verdict = verifyPath(leaf, {
      anchors: [{ subject: root.name, publicKey: root.signer.publicKey, nameConstraints }],
      intermediates,
      time,
    })
    expect(codes(verdict)[0]).toBe('ERR_PATH_NAME_CONSTRAINTS')
    // The thousand DNS names, which nothing constrains, are never looked at.
    expect([reads, verdict.spent.nameComparisons]).toEqual([1, 480])
  })

  it('asks for the wanted names once', async () => {
    const { issuing, intermediates } = await manyPaths()
    const leaf = await makeLeaf(issuing, {
      extensions: { subjectAltName: [generalName.uri('spiffe://example.org/a')] },
    })
    let asked = 0
    const verdict = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates,
      time,
      peer: { spiffeId: () => ++asked < 0 },
    })
    expect([codes(verdict).length, codes(verdict)[0], asked]).toEqual([64, 'ERR_PATH_PEER_NAME', 1])
  })

  it('makes no long message, however long what it quotes', async () => {
    const purposes = Array.from({ length: 256 }, (_, at) => `1.2.${'123456789.'.repeat(12)}${at}`)
    const { issuing, intermediates } = await manyPaths({ extendedKeyUsage: purposes })
    const verdict = verifyPath(await makeLeaf(issuing), {
      anchors: [root.certificate],
      intermediates,
      time,
      extendedKeyUsage: 'serverAuth',
    })
    if (verdict.ok) throw new Error('accepted')
    for (const { message } of verdict.rejected) expect(message.length).toBeLessThanOrEqual(1024)
    expect(codes(verdict)[0]).toBe('ERR_PATH_EXTENDED_KEY_USAGE')
  })

  it.each<[string, ExtensionFields, readonly string[]]>([
    ['a thousand policies of the leaf, under any', { certificatePolicies: [anyPolicy] }, policies],
    ['a thousand policies each', { certificatePolicies: policies }, policies],
    [
      'a thousand policies mapped to one',
      {
        certificatePolicies: policies,
        policyMappings: policies.map((policy) => ({
          issuerDomainPolicy: policy,
          subjectDomainPolicy: '1.2.0',
        })),
      },
      policies,
    ],
  ])('walks the graph of policies within a budget: %s', async (_what, above, own) => {
    const { issuing, intermediates } = await manyPaths(above)
    const leaf = await makeLeaf(issuing, { extensions: { certificatePolicies: own } })
    const verdict = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates,
      time,
      policies: { initialPolicySet: ['1.9.9'], explicitPolicy: true },
    })
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
    expect(verdict.spent.policyNodes).toBeGreaterThan(defaultBudget.maxPolicyNodes)
    expect(verdict.spent.policyNodes).toBeLessThanOrEqual(defaultBudget.maxPolicyNodes + 2000)
    // Honest ones, however many, are far below.
    expect(
      verifyPath(leaf, {
        anchors: [root.certificate],
        intermediates,
        time,
        policies: { initialPolicySet: ['1.2.0'], explicitPolicy: true },
      }).ok,
    ).toBe(true)
  })

  it('writes the name of an unknown issuer once', async () => {
    const { issuing, intermediates } = await manyPaths(
      {},
      {
        ...strangers,
        name: DistinguishedName.fromDer(
          sequence(setOf(sequence(oid('2.5.4.3'), utf8String('a,'.repeat(4000))))),
        ),
      },
    )
    const leaf = await makeLeaf(issuing)
    const written = vi.spyOn(DistinguishedName.prototype, 'toString')
    const verdict = verifyPath(leaf, { anchors: [root.certificate], intermediates, time })
    expect(codes(verdict)[0]).toBe('ERR_PATH_ISSUER_UNKNOWN')
    expect(written.mock.calls.length).toBeLessThanOrEqual(intermediates.length)
    written.mockRestore()
  })

  async function askEach(
    make: (leaf: Certificate, issuing: Authority) => Promise<RevocationChecker>,
    extensions: ExtensionFields = {},
  ): Promise<Verdict> {
    const { issuing, intermediates } = await manyPaths()
    const leaf = await makeLeaf(issuing, { extensions })
    return verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates,
      time,
      revocation: await make(leaf, issuing),
    })
  }

  const answersAbout = (
    leaf: Certificate,
    { name, signer }: Authority,
    count: number,
  ): ReturnType<typeof buildOcspResponse> =>
    buildOcspResponse(
      {
        producedAt: hour(-1),
        responses: Array.from({ length: count }, () => ({
          certificateId: OcspCertificateId.of(leaf, { subject: name, publicKey: signer.publicKey }),
          certificateStatus: { status: 'unknown' as const },
          thisUpdate: hour(-1),
          nextUpdate: hour(1),
        })),
      },
      signer,
    )

  it('compares a thousand OCSP answers within a budget', async () => {
    const verdict = await askEach(async (leaf, issuing) =>
      createOcspChecker({
        responses: [await answersAbout(leaf, issuing, 1000)],
        mode: 'hard-fail',
        scope: 'leaf',
      }),
    )
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
    expect(verdict.spent.nameComparisons).toBeLessThanOrEqual(defaultBudget.maxNameComparisons + 16)
  })

  it('asks for the OCSP responses about a certificate once, and reads the same bytes once', async () => {
    const asked: Certificate[] = []
    const parsed = vi.spyOn(OcspResponse, 'from')
    const verdict = await askEach(async (leaf, issuing) => {
      const { der } = await answersAbout(leaf, issuing, 1)
      return createOcspChecker({
        responses: (certificate) => (asked.push(certificate), [der]),
        mode: 'hard-fail',
      })
    })
    expect(codes(verdict)[0]).toBe('ERR_REVOCATION_UNKNOWN')
    expect([new Set(asked).size, parsed.mock.calls.length]).toEqual([asked.length, 1])
    parsed.mockRestore()
  })

  it('compares a thousand entries of one serial number within a budget', async () => {
    const verdict = await askEach(async (leaf, { name, signer }) => {
      const entries = Array.from({ length: 1000 }, (_, at) => ({
        serialNumber: leaf.serialNumber,
        revocationDate: hour(-1),
        certificateIssuer: [
          { type: 'directoryName' as const, name: DistinguishedName.parse(`CN=other ${at}`) },
        ],
      }))
      // It covers one reason, so nobody is cleared by it, and every path asks again.
      const list = await buildCrl(
        {
          issuer: name,
          thisUpdate: hour(-1),
          nextUpdate: hour(1),
          crlNumber: 1,
          authorityKeyIdentifier: signer.publicKey.keyIdentifier,
          issuingDistributionPoint: { indirectCrl: true, onlySomeReasons: 0b10 },
          entries,
        },
        signer,
      )
      return createCrlChecker({ lists: [list], mode: 'hard-fail', scope: 'leaf' })
    })
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
    expect(verdict.spent.nameComparisons).toBeLessThanOrEqual(defaultBudget.maxNameComparisons + 40)
  })

  it('compares a thousand distribution points within a budget', async () => {
    const fullName = (at: number): { fullName: GeneralName[] } => ({
      fullName: [generalName.uri(`http://crl.example/${at}`)],
    })
    const crlDistributionPoints = Array.from({ length: 1000 }, (_, at) => ({
      name: fullName(at),
      reasons: undefined,
      crlIssuer: undefined,
    }))
    const verdict = await askEach(
      async (_leaf, { name, signer }) => {
        const lists = Array.from({ length: 20 }, (_, at) =>
          buildCrl(
            {
              issuer: name,
              thisUpdate: hour(-1),
              nextUpdate: hour(1),
              crlNumber: 1,
              authorityKeyIdentifier: signer.publicKey.keyIdentifier,
              issuingDistributionPoint: { name: fullName(2000 + at) },
              entries: [],
            },
            signer,
          ),
        )
        return createCrlChecker({ lists: await Promise.all(lists), mode: 'hard-fail', scope: 'leaf' })
      },
      { crlDistributionPoints },
    )
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
    expect(verdict.spent.nameComparisons).toBeLessThanOrEqual(defaultBudget.maxNameComparisons + 4)
  })
})

describe('each kind', () => {
  it.each([
    ['signatureChecks', 1],
    ['nameComparisons', 1],
    ['policyNodes', 1],
    ['candidates', 1],
    ['octets', 500],
  ] as const)('%s ends in a verdict of its own', async (kind, limit) => {
    const authority = await makeAuthority('issuing', root, {
      extensions: {
        certificatePolicies: ['1.2.3'],
        policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined },
        nameConstraints: { permitted: [generalName.dns('other.example'), generalName.dns('web.example')] },
      },
    })
    const leaf = await makeLeaf(authority, { extensions: { certificatePolicies: ['1.2.3'] } })
    const ask = (budget: object): Verdict =>
      verifyPath(leaf, { anchors: [root.certificate], intermediates: [authority.certificate], time, budget })
    const maximum = `max${kind[0]!.toUpperCase()}${kind.slice(1)}`
    const verdict = ask({ [maximum]: limit })
    expect(verdict).toMatchObject({
      ok: false,
      rejected: [
        { code: 'ERR_PATH_BUDGET', rule: 'budget', path: [leaf], message: expect.stringContaining(kind) },
      ],
    })
    expect(verdict.spent[kind]).toBeGreaterThan(limit)
    const enough = ask({}).spent[kind]
    expect([ask({ [maximum]: enough }).ok, ask({ [maximum]: enough - 1 }).ok]).toEqual([true, false])
  })

  it('bytes are those of OCSP responses too, where they come for the call', async () => {
    const leaf = await makeLeaf(root)
    const revocation = createOcspChecker({ responses: () => [new Uint8Array(100_000)], mode: 'soft-fail' })
    const ask = (bytes: number): Verdict =>
      verifyPath(leaf, { anchors: [root.certificate], time, revocation, budget: { maxOctets: bytes } })
    expect([ask(leaf.der.length + 100_000).ok, codes(ask(leaf.der.length + 99_999))[0]]).toEqual([
      true,
      'ERR_PATH_BUDGET',
    ])
  })
})

describe('what is presented', () => {
  it.each([
    ['nothing', new Uint8Array()],
    ['an octet', Uint8Array.of(1)],
    ['an empty sequence', Uint8Array.of(0x30, 0)],
    ['a text', 'x'],
  ])('and cannot be read counts: %s', async (_what, item) => {
    const leaf = await makeLeaf(root)
    const verify = (count: number): Verdict =>
      verifyPath(leaf, {
        anchors: [root.certificate],
        intermediates: Array.from({ length: count }, () => item),
        time,
      })
    expect(verify(900).ok).toBe(true)
    expect(codes(verify(50_000))[0]).toBe('ERR_PATH_BUDGET')
    expect(verify(50_000).spent.candidates).toBe(defaultBudget.maxCandidates + 1)
  })

  it.each([
    [256, 1],
    [384, 6],
    [521, 10],
    [2048, 1],
    [4096, 1],
    [4097, 10],
    [8192, 10],
  ])('a key of %i bits costs %i', (bits, units) => {
    const budget = new Budget()
    budget.spendSignatureCheck(bits)
    expect(budget.spent.signatureChecks).toBe(units)
  })
})

it('a budget says what it was asked for', () => {
  const budget = new Budget({ maxNameComparisons: 3 })
  budget.spend('nameComparisons', 3)
  expect(() => budget.spend('nameComparisons')).toThrow(expect.objectContaining({ code: 'ERR_PATH_BUDGET' }))
  expect(budget.spent.nameComparisons).toBe(4)
})
