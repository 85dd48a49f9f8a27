import { describe, expect, it } from 'vitest'
import {
  SpiffeId,
  TrustDomain,
  matchAny,
  matchId,
  matchMemberOf,
  matchOneOf,
  matchPathPattern,
  requireMatch,
} from '../../../src/spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../../src/spiffe/index.ts'

const a = SpiffeId.parse('spiffe://td/a')
const b = SpiffeId.parse('spiffe://td/b')
const foreign = SpiffeId.parse('spiffe://other/a')

describe('matchers', () => {
  const table: [string, SpiffeIdMatcher, [boolean, boolean, boolean]][] = [
    ['matchAny', matchAny(), [true, true, true]],
    ['matchId', matchId(a), [true, false, false]],
    ['matchId of text', matchId('spiffe://td/a'), [true, false, false]],
    ['matchOneOf', matchOneOf([a, 'spiffe://other/a']), [true, false, true]],
    ['matchOneOf of nothing', matchOneOf([]), [false, false, false]],
    ['matchMemberOf', matchMemberOf('td'), [true, true, false]],
    ['matchMemberOf of an object', matchMemberOf(TrustDomain.parse('other')), [false, false, true]],
    ['matchPathPattern', matchPathPattern('td', '/*'), [true, true, false]],
  ]
  it.each(table)('%s', (_name, matcher, expected) => {
    expect([matcher(a), matcher(b), matcher(foreign)]).toEqual(expected)
    expect(matcher.description).toEqual(expect.any(String))
  })

  it('refuses what is no ID or trust domain at once, not at the first match', () => {
    expect(() => matchId('td/a')).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }))
    expect(() => matchOneOf(['spiffe://td/a', ''])).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }),
    )
    expect(() => matchMemberOf('TD')).toThrow(expect.objectContaining({ code: 'ERR_TRUST_DOMAIN_INVALID' }))
  })
})

describe('matchPathPattern', () => {
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
    expect(matchPathPattern('td', pattern)(SpiffeId.fromPath('td', path))).toBe(expected)
  })

  it.each(['', 'a', '/', '/a/', '/a*', '/**/a', '/***', '/a/../b', undefined])(
    'refuses the pattern %j',
    (pattern) => {
      expect(() => matchPathPattern('td', pattern as string)).toThrow(
        expect.objectContaining({ code: 'ERR_SPIFFE_PATH_INVALID' }),
      )
    },
  )
})

describe('requireMatch', () => {
  it('gives the ID or says what was wanted', () => {
    expect(requireMatch(a, matchId(a))).toBe(a)
    expect(() => requireMatch(b, matchId(a))).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_ID_MISMATCH' }),
    )
    expect(() => requireMatch(b, () => false)).toThrow(
      expect.objectContaining({ code: 'ERR_SPIFFE_ID_MISMATCH' }),
    )
  })

  it('takes only true for a yes', () => {
    const later = (async () => Promise.resolve(false)) as unknown as SpiffeIdMatcher
    expect(() => requireMatch(a, later)).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_MISMATCH' }))
  })
})
