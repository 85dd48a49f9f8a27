// Hashes and proofs of RFC 6962, against a direct transcription of its definitions.

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  parentHashes,
  rootHash,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/audit/merkle-tree.ts'

const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 31, 33, 64]
const leaves = Array.from({ length: 100 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)))

/** MTH of RFC 6962 section 2.1. */
function definedRoot(from: number, to: number): Buffer {
  if (to - from === 1) return Buffer.from(leaves[from]!)
  let split = 1
  while (split * 2 < to - from) split *= 2
  const parts = [Buffer.of(1), definedRoot(from, from + split), definedRoot(from + split, to)]
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function subtree(level: number, index: number): Promise<Uint8Array> {
  let row: readonly Uint8Array[] = leaves
  for (let i = 0; i < level; i++) row = parentHashes(row)
  return Promise.resolve(row[index]!)
}

describe('rootHash', () => {
  it('of nothing is the hash of nothing', async () => {
    expect(Buffer.from(await rootHash(0, subtree)).toString('hex')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
  })

  it.each(sizes)('of %i leaves is the one that the definition gives', async (size) => {
    expect(Buffer.from(await rootHash(size, subtree))).toEqual(definedRoot(0, size))
  })

  it('refuses a hash of another length', async () => {
    await expect(rootHash(1, () => Promise.resolve(new Uint8Array(31)))).rejects.toMatchObject({
      code: 'ERR_AUDIT_LOG',
    })
  })
})

describe.each(sizes)('a tree of %i leaves', (size) => {
  const root = definedRoot(0, size)

  it('has a proof of each leaf, and the proof of no other', async () => {
    for (let index = 0; index < size; index++) {
      const proof = await inclusionProof(index, size, subtree)
      const hash = leaves[index]!
      expect(verifyInclusion({ index, hash }, { size, root }, proof)).toBe(true)
      for (let other = 0; other < size + 2; other++) {
        if (other === index) continue
        expect(verifyInclusion({ index: other, hash }, { size, root }, proof)).toBe(false)
      }
      expect(verifyInclusion({ index, hash: leafHash(Buffer.from('x')) }, { size, root }, proof)).toBe(false)
      expect(verifyInclusion({ index, hash }, { size, root }, [...proof, root])).toBe(false)
      if (proof.length > 0)
        expect(verifyInclusion({ index, hash }, { size, root }, proof.slice(1))).toBe(false)
    }
  })

  it('has a proof from each older size, and of no other older root', async () => {
    for (let older = 0; older <= size; older++) {
      const proof = await consistencyProof(older, size, subtree)
      const before = { size: older, root: older === 0 ? root : definedRoot(0, older) }
      expect(verifyConsistency(before, { size, root }, proof)).toBe(true)
      if (older === 0) continue
      const odd = { size: older, root: leafHash(Buffer.from('odd')) }
      expect(verifyConsistency(odd, { size, root }, proof)).toBe(false)
      expect(verifyConsistency(before, { size, root: odd.root }, proof)).toBe(false)
      expect(verifyConsistency(before, { size, root }, [...proof, root])).toBe(false)
      if (proof.length > 0) expect(verifyConsistency(before, { size, root }, proof.slice(1))).toBe(false)
    }
    expect(verifyConsistency({ size: size + 1, root }, { size, root }, [])).toBe(false)
  })
})
