// Matchers, Istio's names and aliases, each against a definition written another way.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPkiError } from '../../src/errors/index.ts'
import { SpiffeId, TrustDomain, TrustDomainAliases, istio, match } from '../../src/spiffe/index.ts'
import { joinSpiffePath } from '../../src/spiffe/spiffe-id.ts'
import { code } from '../support/codes.ts'

const characters = (set: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(set))
const domain = fc.string({ unit: characters('ab.-_1'), minLength: 1, maxLength: 6 })
// Few of them, so that equal ones meet; and those that a pattern or a URL parser might take for something
// else.
const segment = fc.oneof(
  fc.constantFrom('a', 'b', 'ns', 'sa', 'w', '...', 'A', '-', '_', '.a', 'a.'),
  fc
    .string({ unit: characters('abAB.-_'), minLength: 1, maxLength: 3 })
    .filter((text) => text !== '.' && text !== '..'),
)
const id = fc
  .tuple(domain, fc.array(segment, { maxLength: 4 }))
  .map(([trustDomain, segments]) => SpiffeId.fromSegments(trustDomain, segments))

describe('matchers', () => {
  it('that name an ID match it and nothing else', () => {
    fc.assert(
      fc.property(id, id, (wanted, found) => {
        const same = wanted.toString() === found.toString()
        expect(match.id(wanted)(found)).toBe(same)
        expect(match.oneOf([wanted])(found)).toBe(same)
        // A path without wildcards is a pattern for itself alone, whatever characters it has.
        if (wanted.hasPath) expect(match.pathPattern(wanted.trustDomain, wanted.path)(found)).toBe(same)
        expect(match.memberOf(wanted.trustDomain)(found)).toBe(
          wanted.trustDomainName === found.trustDomainName,
        )
        expect(match.any()(found)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('that are patterns mean what a regular expression of them means', () => {
    const piece = fc.oneof(segment, fc.constant('*'))
    fc.assert(
      fc.property(
        domain,
        fc.array(piece, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        id,
        (trustDomain, pieces, open, found) => {
          const pattern = `/${[...pieces, ...(open ? ['**'] : [])].join('/')}`
          const expression = new RegExp(
            `^/${pieces.map((one) => (one === '*' ? '[^/]+' : one.replaceAll('.', '\\.'))).join('/')}` +
              `${open ? '(?:/[^/]+)+' : ''}$`,
          )
          const matches = match.pathPattern(trustDomain, pattern)
          for (const candidate of [found, found.withTrustDomain(trustDomain)])
            expect(matches(candidate)).toBe(
              candidate.trustDomainName === trustDomain && expression.test(candidate.path),
            )
        },
      ),
      { numRuns: 2000 },
    )
  })

  it.each([
    '/ns/*/',
    '*',
    '/**/**',
    '/*a',
    '/a/***',
    '/%2a',
    '/a//*',
    '/./*',
    '/*/..',
    '/[a]',
    '/a|b',
    `/${'*/'.repeat(1100)}a`,
  ])('are not made of the pattern %s', (pattern) => {
    expect(() => match.pathPattern('td', pattern)).toThrow(code('ERR_SPIFFE_PATH_INVALID'))
  })

  it('are believed only when they say true', () => {
    const one = SpiffeId.parse('spiffe://td/a')
    for (const answer of [1, 'true', {}, Promise.resolve(true), undefined, null])
      expect(() => match.require(one, (() => answer) as never)).toThrow(code('ERR_SPIFFE_ID_MISMATCH'))
  })
})

describe("Istio's names", () => {
  const input = (namespace: string, serviceAccount: string) => ({
    trustDomain: 'cluster.local',
    namespace,
    serviceAccount,
  })

  it.each([
    ['the shortest', 'a', 'b'],
    [
      'the longest of Kubernetes (RFC 1123: 63 and 253)',
      'n'.repeat(63),
      `${'s'.repeat(63)}.`.repeat(3) + 's'.repeat(61),
    ],
    ['with dots', 'team', 'app.v1'],
    ['of digits', '1', '2'],
    ['that are words of the form', 'sa', 'ns'],
    ['that are the form', 'ns', 'sa'],
    ['that look like parents', '...', '..a'],
    ['in capitals, which Kubernetes has not and SPIFFE has', 'NS', 'SA'],
  ])('go both ways: %s', (_what, namespace, serviceAccount) => {
    const made = istio.spiffeId(input(namespace, serviceAccount))
    expect(made.toString()).toBe(`spiffe://cluster.local/ns/${namespace}/sa/${serviceAccount}`)
    expect(istio.parse(made.toString())).toMatchObject({ namespace, serviceAccount })
    expect(istio.tryParse(made)?.trustDomain.name).toBe('cluster.local')
  })

  it.each([
    '',
    '.',
    '..',
    '/',
    'a/b',
    '/a',
    'a/',
    'a b',
    'a%2fb',
    'a\\b',
    'a\0',
    'a\n',
    'a?b',
    'a#b',
    'a@b',
    'a:b',
    'a*',
    'ä',
    'a\u2024b',
    '\ud800',
    'a'.repeat(2048),
  ])('have no part %j', (part) => {
    for (const one of [input(part, 'a'), input('a', part)])
      expect(() => istio.spiffeId(one)).toThrow(code('ERR_SPIFFE_PATH_INVALID'))
    expect(istio.tryParse(`spiffe://cluster.local/ns/${part}/sa/a`)?.namespace).not.toBe(part)
    expect(istio.tryParse(`spiffe://cluster.local/ns/a/sa/${part}`)?.serviceAccount).not.toBe(part)
  })

  it('are refused as a whole above 2,048 bytes (ID-7)', () => {
    const room = 2048 - 'spiffe://cluster.local/ns//sa/a'.length
    expect(istio.spiffeId(input('n'.repeat(room), 'a')).toString()).toHaveLength(2048)
    expect(() => istio.spiffeId(input('n'.repeat(room + 1), 'a'))).toThrow(code('ERR_SPIFFE_ID_INVALID'))
  })

  it('never move a character from one part to another', () => {
    const anything = fc.oneof(
      segment,
      fc.string({ unit: characters('ab/.%\\@ '), maxLength: 6 }),
      fc.string({ unit: 'binary', maxLength: 6 }),
    )
    fc.assert(
      fc.property(anything, anything, (namespace, serviceAccount) => {
        let made: SpiffeId
        try {
          made = istio.spiffeId(input(namespace, serviceAccount))
        } catch (error) {
          expect(isPkiError(error, 'ERR_SPIFFE_PATH_INVALID')).toBe(true)
          return
        }
        expect(istio.parse(made.toString())).toMatchObject({ namespace, serviceAccount })
      }),
      { numRuns: 2000 },
    )
  })
})

describe('trust domain aliases', () => {
  const sets = fc.tuple(domain, fc.array(domain, { maxLength: 4 }))

  it('make one workload of IDs whose canonical form is one, and of no others', () => {
    fc.assert(
      fc.property(sets, id, id, ([name, others], left, right) => {
        const aliases = new TrustDomainAliases(name, others)
        for (const [a, b] of [
          [left, right],
          [left, right.withPath(left.path)],
          [left.withTrustDomain(name), right.withPath(left.path)],
        ] as const) {
          expect(aliases.equivalent(a, b)).toBe(aliases.canonical(a).equals(aliases.canonical(b)))
          expect(aliases.equivalent(a, b)).toBe(aliases.equivalent(b, a))
          expect(aliases.expand(a).some((one) => one.equals(b))).toBe(aliases.equivalent(a, b))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('keep the path, and leave a foreigner alone', () => {
    fc.assert(
      fc.property(sets, id, ([name, others], one) => {
        const aliases = new TrustDomainAliases(name, others)
        const expanded = aliases.expand(one)
        expect(expanded[0]).toBe(one)
        expect(new Set(expanded.map(String)).size).toBe(expanded.length)
        expect(expanded.every((other) => other.path === one.path)).toBe(true)
        const ours = new Set([name, ...others])
        expect(expanded.length).toBe(ours.has(one.trustDomainName) ? ours.size : 1)
        expect(aliases.canonical(aliases.canonical(one)).equals(aliases.canonical(one))).toBe(true)
        expect(aliases.has(one.trustDomain)).toBe(ours.has(one.trustDomainName))
        expect(aliases.expandAll(expanded).map(String)).toEqual(expanded.map(String))
      }),
      { numRuns: 1000 },
    )
  })

  it('have no alias that only looks like the name (ID-3, ID-4)', () => {
    const aliases = new TrustDomainAliases('example.org', ['10.0.0.1'])
    for (const other of [
      'example.org.',
      'xample.org',
      'example_org',
      'example-org',
      '010.0.0.1',
      '10.0.0.1.',
      '10.1',
      '167772161',
    ]) {
      const foreign = SpiffeId.fromPath(other, '/a')
      expect(aliases.has(TrustDomain.parse(other))).toBe(false)
      expect(aliases.expand(foreign)).toEqual([foreign])
      expect(aliases.equivalent(foreign, SpiffeId.parse('spiffe://example.org/a'))).toBe(false)
    }
    for (const text of ['EXAMPLE.ORG', 'spiffe://example.org', 'example.org/', ''])
      expect(aliases.has(text)).toBe(false)
  })
})

describe('paths', () => {
  it('are made of a list, and a text is none', () => {
    for (const make of [
      () => joinSpiffePath('ns' as never),
      () => SpiffeId.fromSegments('td', 'ns' as never),
      () => SpiffeId.parse('spiffe://td').appendSegments('ns' as never),
    ])
      expect(make).toThrow(code('ERR_SPIFFE_PATH_INVALID'))
  })
})
