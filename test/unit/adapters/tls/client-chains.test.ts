// The remembered chains of clients: bounded by number and by octets; servers are told when they go.

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

test('when there is no room for one more all are forgotten, and it is told', () => {
  const chains = new ClientChains(2)
  let told = 0
  const stop = chains.onForgotten(() => told++)
  chains.set(first, chainOf(first))
  chains.set(second, chainOf(second))
  // A client that comes again needs no room.
  chains.set(first, chainOf(first))
  expect(held(chains)).toEqual([true, true, false])
  expect(told).toBe(0)
  chains.set(third, chainOf(third))
  expect(held(chains)).toEqual([false, false, true])
  expect(told).toBe(1)
  expect(found(chains, third)).toEqual(chainOf(third))
  stop()
  chains.set(first, chainOf(first))
  chains.set(second, chainOf(second))
  expect(told).toBe(1)
})

test('so it is for octets, each counted once', () => {
  // Signatures differ by an octet or two.
  const chains = new ClientChains(10_000, 2 * octets + 20)
  for (let time = 0; time < 5; time++) chains.set(first, chainOf(first))
  chains.set(second, chainOf(second))
  expect(held(chains)).toEqual([true, true, false])
  chains.set(third, chainOf(third))
  expect(held(chains)).toEqual([false, false, true])
  chains.set(first, chainOf(first))
  expect(held(chains)).toEqual([true, false, true])
})

test('a chain that is larger than all that is held is not held, and its session cannot be resumed', () => {
  const chains = new ClientChains(10_000, octets - 20)
  let told = 0
  chains.onForgotten(() => told++)
  chains.set(first, chainOf(first))
  expect([chains.size, told]).toEqual([0, 1])
})
