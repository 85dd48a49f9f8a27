// The remembered chains of clients: bounded by number and by octets, the oldest make room.

import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { ClientChains } from '../../../../src/adapters/tls/client-chains.ts'
import { makeAuthority, makeLeaf } from '../../validation/test-pki.ts'

const authority = await makeAuthority('root')
const leaves = await Promise.all([1, 2, 3].map(() => makeLeaf(authority)))
const [first, second, third] = leaves as [(typeof leaves)[0], (typeof leaves)[0], (typeof leaves)[0]]
const chainOf = (leaf: typeof first): readonly (typeof first)[] => [leaf, authority.certificate]
const octets = first.der.length + authority.certificate.der.length
const found = (chains: ClientChains, leaf: typeof first) => chains.get(new X509Certificate(leaf.der))
const held = (chains: ClientChains): boolean[] => leaves.map((leaf) => found(chains, leaf) !== undefined)

test('the oldest of too many makes room; a client that comes again is the newest', () => {
  const chains = new ClientChains(2)
  chains.set(first, chainOf(first))
  chains.set(second, chainOf(second))
  chains.set(first, chainOf(first))
  chains.set(third, chainOf(third))
  expect(held(chains)).toEqual([true, false, true])
  expect(found(chains, first)).toEqual(chainOf(first))
})

test('so do the oldest of too many octets, each counted once', () => {
  // Signatures differ by an octet or two.
  const chains = new ClientChains(10_000, 2 * octets + 20)
  for (let time = 0; time < 5; time++) chains.set(first, chainOf(first))
  chains.set(second, chainOf(second))
  expect(held(chains)).toEqual([true, true, false])
  chains.set(third, chainOf(third))
  expect(held(chains)).toEqual([false, true, true])
})

test('a chain that is larger than all that is held is not held', () => {
  const chains = new ClientChains(10_000, octets - 20)
  chains.set(first, chainOf(first))
  expect(chains.size).toBe(0)
})
