// Trust domain names (SPIFFE-ID.md section 2.1).

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TrustDomain } from '../../../src/spiffe/index.ts'

const thrown = expect.objectContaining({ code: 'ERR_TRUST_DOMAIN_INVALID' }) as unknown

describe('TrustDomain', () => {
  it.each([
    ['example.org', 'example.org'],
    ['spiffe://example.org', 'example.org'],
    ['a', 'a'],
    ['spiffe', 'spiffe'],
    ['a..b.', 'a..b.'],
    ['a'.repeat(255), 'a'.repeat(255)],
  ])('parses %j', (input, name) => {
    expect(TrustDomain.parse(input).name).toBe(name)
    expect(TrustDomain.tryParse(input)?.idString).toBe(`spiffe://${name}`)
  })

  it.each([
    '',
    ' ',
    '/',
    'a/b',
    'a/',
    'A',
    'a:1',
    'a@b',
    '[::1]',
    'a\0',
    'é',
    '\ud800',
    '%61',
    'spiffe://',
    'spiffe:/a',
    'spiffe://a/',
    'spiffe://a/b',
    'http://a',
    'a'.repeat(256),
    `spiffe://${'a'.repeat(256)}`,
    'a'.repeat(100_000),
    null,
    undefined,
    1,
    {},
  ])('refuses %j', (input) => {
    expect(() => TrustDomain.parse(input as string)).toThrow(thrown)
    expect(TrustDomain.tryParse(input as string)).toBeUndefined()
  })

  it.each([
    ['', 'ID-1'],
    ['spiffe://', 'ID-1'],
    ['A', 'ID-3'],
    ['a/b', 'ID-3'],
    ['a'.repeat(256), 'ID-7'],
    ['a'.repeat(265), 'ID-7'],
    // Its length is looked at before what is in it.
    ['A'.repeat(265), 'ID-7'],
    [`spiffe://${'A'.repeat(255)}`, 'ID-3'],
  ])('says which rule %j breaks: %s', (input, rule) => {
    expect(() => TrustDomain.parse(input)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`(${rule})`) as string }),
    )
  })

  it('compares, sorts and shows', () => {
    const a = TrustDomain.parse('a')
    expect([a.equals('a'), a.equals(TrustDomain.parse('a')), a.equals('A'), a.equals('b')]).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect([
      TrustDomain.compare(a, TrustDomain.parse('b')),
      TrustDomain.compare(TrustDomain.parse('b'), a),
      TrustDomain.compare(a, TrustDomain.parse('a')),
    ]).toEqual([-1, 1, 0])
    expect([TrustDomain.parse('b'), a, TrustDomain.parse('a')].sort(TrustDomain.compare).map(String)).toEqual(
      ['a', 'a', 'b'],
    )
    expect(TrustDomain.from(a)).toBe(a)
    expect(JSON.stringify([a])).toBe('["a"]')
    expect(inspect(a)).toBe('TrustDomain(a)')
    expect(() => inspect(TrustDomain.prototype)).not.toThrow()
  })
})
