// Who may be answered at once.

import { expect, it } from 'vitest'
import { Places } from '../../../../src/adapters/http/places.ts'

it('one source has half of the places, all together have all', () => {
  const places = new Places(4)
  const take = (...sources: string[]): boolean[] => sources.map((source) => places.take(source))
  expect(take('a', 'a', 'a', 'b', 'c', 'd')).toEqual([true, true, false, true, true, false])
  places.giveBack('a')
  expect(take('d', 'a')).toEqual([true, false])
})

it('a single place is for everybody', () => {
  const places = new Places(1)
  expect(places.take('a')).toBe(true)
  expect(places.take('b')).toBe(false)
  places.giveBack('a')
  expect(places.take('b')).toBe(true)
})
