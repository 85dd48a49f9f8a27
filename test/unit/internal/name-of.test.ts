// How messages describe a value that was found in place of the expected one.

import { describe, expect, it } from 'vitest'
import { nameOf, shownValue } from '../../../src/internal/values/name-of.ts'

describe('a value in a message', () => {
  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    ['', 'an empty text'],
    ['text', 'a string'],
    [[], 'an empty array'],
    [[1], 'an array'],
    [new Date(NaN), 'an invalid Date'],
    [new Date(0), 'a Date'],
    [Promise.resolve(), 'a promise: is an await missing?'],
    [{}, 'an object'],
    [new Uint8Array(1), 'a Uint8Array'],
  ])('is named by its kind: %s', (value, name) => {
    expect(nameOf(value)).toBe(name)
  })

  it.each([
    ['refuse', '"refuse"'],
    ['x'.repeat(100), `"${'x'.repeat(64)}"`],
    [1.5, '1.5'],
    [-1n, '-1'],
    ['', 'an empty text'],
    [{}, 'an object'],
  ])('that is no secret is shown: %s', (value, shown) => {
    expect(shownValue(value)).toBe(shown)
  })
})
