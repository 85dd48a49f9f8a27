// Paths of SPIFFE IDs (rules ID-5, ID-6).

import { describe, expect, it } from 'vitest'
import {
  assertSpiffePath,
  isSpiffePath,
  joinSpiffePath,
  splitSpiffePath,
} from '../../../src/spiffe/spiffe-id.ts'

const thrown = expect.objectContaining({ code: 'ERR_SPIFFE_PATH_INVALID' }) as unknown

describe('SPIFFE paths', () => {
  it.each([
    ['', []],
    ['/a', ['a']],
    ['/a/B/..c', ['a', 'B', '..c']],
  ])('splits and joins %j', (path, segments) => {
    expect(isSpiffePath(path)).toBe(true)
    expect(splitSpiffePath(path)).toEqual(segments)
    expect(joinSpiffePath(segments)).toBe(path)
  })

  it.each([
    'a',
    '/',
    '/a/',
    '//a',
    '/..',
    '/a/./b',
    '/ä',
    '/a?',
    '/'.repeat(5000),
    `/${'a'.repeat(2048)}`,
    0,
    null,
  ])('refuses %j', (path) => {
    expect(isSpiffePath(path as string)).toBe(false)
    expect(() => assertSpiffePath(path as string)).toThrow(thrown)
    expect(() => splitSpiffePath(path as string)).toThrow(thrown)
  })

  it.each([
    ['a', 'ID-6'],
    ['!', 'ID-6'],
    ['/a!', 'ID-5'],
    ['//', 'ID-6'],
    ['/.', 'ID-6'],
    [`/${'!'.repeat(2048)}`, 'ID-7'],
  ])('says which rule %j breaks: %s', (path, rule) => {
    expect(() => splitSpiffePath(path)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`(${rule})`) as string }),
    )
  })

  it('stops at the limit while joining (ID-7)', () => {
    const endless = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 'a' }) }) }
    expect(() => joinSpiffePath(endless as unknown as string[])).toThrow(thrown)
  })
})
