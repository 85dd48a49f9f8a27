// Budgets: what hostile inputs may cost, counted rather than timed.

import { beforeAll, describe, expect, it } from 'vitest'
import { Budget, createPathValidator, defaultBudget, verifyPath } from '../../../src/validation/index.ts'
import type { Verdict } from '../../../src/validation/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import type { Certificate, GeneralName } from '../../../src/x509/index.ts'
import { makeAuthority, makeLeaf, newSigner, time } from './test-pki.ts'
import type { Authority } from './test-pki.ts'

let root: Authority
let strangers: Authority

beforeAll(async () => {
  root = await makeAuthority('root')
  strangers = await makeAuthority('strangers')
})

const codes = (verdict: Verdict): string[] => (verdict.ok ? [] : verdict.rejected.map(({ code }) => code))

/** `levels` × `width` CAs where every one of a level signed every one of the next; none leads to the root. */
async function lattice(levels: number, width: number): Promise<{ leaf: Certificate; intermediates: Certificate[] }> {
  const intermediates: Certificate[] = []
  let above: Authority[] = [strangers]
  for (let level = 0; level < levels; level++) {
    const signer = newSigner()
    const next: Authority[] = []
    for (let at = 0; at < width; at++) {
      const serialNumber = Uint8Array.of(1, level, at)
      next.push(await makeAuthority(`level ${level}`, above[at % above.length], { signer, serialNumber, extensions: { subjectAltName: [{ type: 'dns', value: `n${at}.example` }] } }))
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
    expect(verdict.spent.candidates).toBeLessThanOrEqual(defaultBudget.candidates + 1)
    expect(verdict.spent.signatureChecks).toBeLessThanOrEqual(defaultBudget.signatureChecks + 1)
  })

  it('checks each signature once, however many paths lead through it', async () => {
    const { leaf, intermediates } = await lattice(3, 4)
    const { spent } = verifyPath(leaf, { anchors: [root.certificate], intermediates, time })
    // All of a level have one key: the leaf is checked with each of 4, every intermediate with each of 4 above it at most.
    expect(spent.signatureChecks).toBeLessThanOrEqual(4 + 3 * 4 * 4)
  })

  it('keeps a bounded list of refused paths', async () => {
    const { leaf, intermediates } = await lattice(3, 8)
    expect(codes(verifyPath(leaf, { anchors: [root.certificate], intermediates, time })).length).toBeLessThanOrEqual(64)
  })
})

describe('limits', () => {
  it.each([
    ['signature checks', { signatureChecks: 1 }],
    ['candidates', { candidates: 1 }],
    ['bytes', { bytes: 500 }],
  ])('of %s end the verification', async (_name, budget) => {
    const issuing = await makeAuthority('issuing', root)
    const verdict = verifyPath(await makeLeaf(issuing), { anchors: [root.certificate], intermediates: [issuing.certificate], time, budget })
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
    expect(codes(validator.verify(leaf, { intermediates, budget: { pathLength: 4 } }))[0]).toBe('ERR_PATH_LENGTH')
    expect(validator.verify(leaf, { intermediates, budget: { pathLength: 5 } }).ok).toBe(true)
    const shortcut = await makeAuthority('depth 2', root, { signer: authority.signer })
    expect(validator.verify(leaf, { intermediates: [...intermediates, shortcut.certificate], budget: { pathLength: 4 } }).ok).toBe(true)
  })

  it('of name comparisons end 2,048 names against 2,048 constraints', async () => {
    const names = (suffix: string): GeneralName[] => Array.from({ length: 2048 }, (_, at) => generalName.dns(`n${at}.${suffix}`))
    const issuing = await makeAuthority('issuing', root, { extensions: { nameConstraints: { permitted: [...names('other.example'), generalName.dns('web.example')], excluded: names('bad.example') } } })
    const leaf = await makeLeaf(issuing, { extensions: { subjectAltName: names('web.example') } })
    const verdict = verifyPath(leaf, { anchors: [root.certificate], intermediates: [issuing.certificate], time })
    expect(codes(verdict)[0]).toBe('ERR_PATH_BUDGET')
    expect(verdict.spent.nameComparisons).toBeLessThanOrEqual(defaultBudget.nameComparisons + 2048)
    // With the budget for it, the answer is yes.
    expect(verifyPath(leaf, { anchors: [root.certificate], intermediates: [issuing.certificate], time, budget: { nameComparisons: 10_000_000 } }).ok).toBe(true)
  })

  it('are counted per verification, not per validator', async () => {
    const issuing = await makeAuthority('issuing', root)
    const leaf = await makeLeaf(issuing)
    const validator = createPathValidator({ anchors: [root.certificate], intermediates: [issuing.certificate], time, budget: { signatureChecks: 2 } })
    for (let run = 0; run < 5; run++) expect(validator.verify(leaf).ok).toBe(true)
  })
})

it('a budget says what it was asked for', () => {
  const budget = new Budget({ nameComparisons: 3 })
  budget.spend('nameComparisons', 3)
  expect(() => budget.spend('nameComparisons')).toThrow(expect.objectContaining({ code: 'ERR_PATH_BUDGET' }))
  expect(budget.spent.nameComparisons).toBe(4)
})
