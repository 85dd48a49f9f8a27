// The Merkle tree of RFC 6962 section 2.1: hashes, inclusion proofs and consistency proofs, created and
// verified.

import { createHash } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { equalBytes } from '../internal/bytes.ts'

/** Octets of a hash: SHA-256. */
export const hashLength = 32

/** The hash of the complete subtree of 2^level leaves whose first leaf is `index * 2^level`. */
export type SubtreeReader = (level: number, index: number) => Promise<Uint8Array>

/** The hash of one entry: SHA-256(0x00 || entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return createHash('sha256').update(leafPrefix).update(entry).digest()
}

/** The hash of an inner node: SHA-256(0x01 || left || right). */
function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest()
}

/** The parent nodes of pairs in a row of nodes; a last node without a sibling has no parent. */
export function parentHashes(row: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = []
  for (let i = 0; i + 1 < row.length; i += 2)
    above.push(nodeHash(row[i] as Uint8Array, row[i + 1] as Uint8Array))
  return above
}

/** The root hash of the first `size` leaves; for 0 leaves, the SHA-256 of the empty string. */
export async function rootHash(size: number, read: SubtreeReader): Promise<Uint8Array> {
  return size === 0 ? createHash('sha256').digest() : rangeHash(0, size, read)
}

/** The audit path of leaf `index` in the tree of `size` leaves, from the leaf up: PATH(m, D[n]). */
export async function inclusionProof(
  index: number,
  size: number,
  read: SubtreeReader,
): Promise<Uint8Array[]> {
  const proof: Uint8Array[] = []
  let [low, high] = [0, size]
  while (high - low > 1) {
    const middle = low + splitOf(high - low)
    if (index < middle) {
      proof.push(await rangeHash(middle, high, read))
      high = middle
    } else {
      proof.push(await rangeHash(low, middle, read))
      low = middle
    }
  }
  return proof.reverse()
}

/**
 * The consistency proof that the first `older` leaves of the tree of `size` leaves are those of the older
 * tree: PROOF(m, D[n]).
 */
export async function consistencyProof(
  older: number,
  size: number,
  read: SubtreeReader,
): Promise<Uint8Array[]> {
  if (older === 0 || older === size) return []
  const proof: Uint8Array[] = []
  let [low, high] = [0, size]
  // Descend to the subtree that ends where the older tree ends; the siblings of the path are the proof.
  while (older !== high) {
    const middle = low + splitOf(high - low)
    if (older <= middle) {
      proof.push(await rangeHash(middle, high, read))
      high = middle
    } else {
      proof.push(await rangeHash(low, middle, read))
      low = middle
    }
  }
  // The verifier has the older root already.
  if (low !== 0) proof.push(await rangeHash(low, high, read))
  return proof.reverse()
}

/** Whether the proof from the leaf yields the root (RFC 9162 section 2.1.3.2). */
export function verifyInclusion(
  leaf: { readonly index: number; readonly hash: Uint8Array },
  tree: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (!(leaf.index < tree.size)) return false
  let [node, last, hash] = [leaf.index, tree.size - 1, leaf.hash]
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else {
      hash = nodeHash(hash, sibling)
    }
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equalBytes(hash, tree.root)
}

/** Whether the tree of `newer` begins with that of `older` (RFC 9162 section 2.1.4.2). */
export function verifyConsistency(
  older: { readonly size: number; readonly root: Uint8Array },
  newer: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (older.size > newer.size) return false
  if (older.size === newer.size) return proof.length === 0 && equalBytes(older.root, newer.root)
  if (older.size === 0) return proof.length === 0
  const [first, ...siblings] = isPowerOfTwo(older.size) ? [older.root, ...proof] : proof
  return first !== undefined && foldsToBoth(older, newer, first, siblings)
}

/** Ascends from the last node common to both trees to the two roots. */
function foldsToBoth(
  older: { readonly size: number; readonly root: Uint8Array },
  newer: { readonly size: number; readonly root: Uint8Array },
  first: Uint8Array,
  siblings: readonly Uint8Array[],
): boolean {
  let [node, last] = [older.size - 1, newer.size - 1]
  while (node % 2 === 1) [node, last] = [half(node), half(last)]
  let [was, is] = [first, first]
  for (const sibling of siblings) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      was = nodeHash(sibling, was)
      is = nodeHash(sibling, is)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else {
      is = nodeHash(is, sibling)
    }
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equalBytes(was, older.root) && equalBytes(is, newer.root)
}

/**
 * Computes the hash of the leaves from `low` (inclusive) to `high` (exclusive), where a subtree of that many
 * leaves begins at `low`.
 */
async function rangeHash(low: number, high: number, read: SubtreeReader): Promise<Uint8Array> {
  const count = high - low
  if (isPowerOfTwo(count)) {
    const hash = await read(Math.log2(count), low / count)
    if (hash.length !== hashLength)
      throw new PkiError(
        'ERR_AUDIT_LOG',
        `a hash of the tree has ${hash.length} octets, expected ${hashLength}`,
      )
    return hash
  }
  const middle = low + splitOf(count)
  return nodeHash(await rangeHash(low, middle, read), await rangeHash(middle, high, read))
}

/** The largest power of two below `count`. */
function splitOf(count: number): number {
  let split = 1
  while (split * 2 < count) split *= 2
  return split
}

function isPowerOfTwo(count: number): boolean {
  return splitOf(count) * 2 === count || count === 1
}

function half(count: number): number {
  return Math.floor(count / 2)
}

const leafPrefix = Uint8Array.of(0)
const nodePrefix = Uint8Array.of(1)
