// Matchers of SPIFFE IDs.

import { describe, expect, it } from 'vitest'
import { SpiffeId, TrustDomain, match } from '../../../src/spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../../src/spiffe/index.ts'

const a = SpiffeId.parse('spiffe://td/a')
const b = SpiffeId.parse('spiffe://td/b')
const foreign = SpiffeId.parse('spiffe://other/a')

describe('matchers', () => {
  const table: [string, SpiffeIdMatcher, [boolean, boolean, boolean]][] = [
    ['match.any', match.any(), [true, true, true]],
    ['match.id', match.id(a), [true, false, false]],
    ['match.id of text', match.id('spiffe://td/a'), [true, false, false]],
    ['match.oneOf', match.oneOf([a, 'spiffe://other/a']), [true, false, true]],
    ['match.oneOf of nothing', match.oneOf([]), [false, false, false]],
    ['match.memberOf', match.memberOf('td'), [true, true, false]],
    ['match.memberOf of an object', match.memberOf(TrustDomain.parse('other')), [false, false, true]],
    ['match.pathPattern', match.pathPattern('td', '/*'), [true, true, false]],
  ]
  it.each(table)('%s', (_name, matcher, expected) => {
    expect([matcher(a), matcher(b), matcher(foreign)]).toEqual(expected)
    expect(matcher.description).toEqual(expect.any(String))
  })

  it('refuses what is no ID or trust domain at once, not at the first match', () => {
    expect(() => match.id('td/a')).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }))
    expect(() => match.oneOf(['spiffe://td/a', ''])).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }),
    )
    expect(() => match.memberOf('TD')).toThrow(expect.objectContaining({ code: 'ERR_TRUST_DOMAIN_INVALID' }))
  })
})

describe('match.pathPattern', () => {
  it.each([
    ['/ns/prod/sa/*', '/ns/prod/sa/api', true],
    ['/ns/prod/sa/*', '/ns/prod/sa/api/x', false],
    ['/ns/prod/sa/*', '/ns/prod/sa', false],
    ['/ns/*/sa/api', '/ns/prod/sa/api', true],
    ['/ns/**', '/ns/prod/sa/api', true],
    ['/ns/**', '/ns', false],
    ['/ns/**', '/nsx/a', false],
    ['/**', '/a', true],
    ['/**', '', false],
    ['/a', '/a', true],
    ['/a', '/A', false],
  ])('%s against %j is %s', (pattern, path, expected) => {
    expect(match.pathPattern('td', pattern)(SpiffeId.fromPath('td', path))).toBe(expected)
  })

  it.each(['', 'a', '/', '/a/', '/a*', '/**/a', '/***', '/a/../b', undefined])(
    'refuses the pattern %j',
    (pattern) => {
      expect(() => match.pathPattern('td', pattern as string)).toThrow(
        expect.objectContaining({ code: 'ERR_SPIFFE_PATH_INVALID' }),
      )
    },
  )
})

describe('match.require', () => {
  it('gives the ID or says what was wanted', () => {
    expect(match.require(a, match.id(a))).toBe(a)
    expect(() => match.require(b, match.id(a))).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_ID_MISMATCH' }),
    )
    expect(() => match.require(b, () => false)).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_ID_MISMATCH' }),
    )
  })

  it('takes only true for a yes', () => {
    const later = (async () => Promise.resolve(false)) as unknown as SpiffeIdMatcher
    expect(() => match.require(a, later)).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_MISMATCH' }))
  })
})
