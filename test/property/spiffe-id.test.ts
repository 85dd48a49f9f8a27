// The scan against the grammar written as a regular expression, and the laws of building and taking apart.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPkiError } from '../../src/errors/index.ts'
import { SpiffeId, TrustDomain, istio } from '../../src/spiffe/index.ts'

// Written from SPIFFE-ID.md section 2, independently of the scan.
const grammar = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/(?!\.{1,2}(?:\/|$))[a-zA-Z0-9._-]+)*)$/

const characters = (set: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(set))
const name = fc.string({ unit: characters('abcxyz019.-_'), minLength: 1, maxLength: 40 })
const segment = fc
  .string({ unit: characters('abcXYZ019.-_'), minLength: 1, maxLength: 20 })
  .filter((text) => text !== '.' && text !== '..')
// Mostly legal characters and the ones that matter to URL parsers, so that near misses are common.
const nearMiss = fc.string({
  unit: fc.oneof(characters('ab/.-_A9'), characters('/.:@?#%[]\\ \0\né\u212a\ud800')),
  maxLength: 24,
})
const anyText = fc.oneof(
  nearMiss.map((rest) => `spiffe://${rest}`),
  nearMiss,
  fc.string({ unit: 'binary', maxLength: 40 }),
)

describe('SpiffeId', () => {
  it('accepts exactly the grammar', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const wanted = grammar.exec(text)
        const id = SpiffeId.tryParse(text)
        expect(id === undefined).toBe(wanted === null)
        if (id !== undefined)
          expect([id.trustDomainName, id.path, id.toString()]).toEqual([wanted?.[1], wanted?.[2], text])
      }),
      { numRuns: 5000 },
    )
  })

  it('throws nothing but its own error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.anything()), (value) => {
        for (const parse of [
          (text: string) => SpiffeId.parse(text),
          (text: string) => TrustDomain.parse(text),
        ]) {
          try {
            parse(value as string)
          } catch (error) {
            expect(isPkiError(error)).toBe(true)
          }
        }
      }),
    )
  })

  it('is what it was built from', () => {
    fc.assert(
      fc.property(name, fc.array(segment, { maxLength: 8 }), (trustDomain, segments) => {
        const id = SpiffeId.fromSegments(trustDomain, segments)
        expect(id.equals(SpiffeId.parse(id.toString()))).toBe(true)
        expect(id.equals(SpiffeId.fromPath(id.trustDomain, id.path))).toBe(true)
        expect(id.memberOf(trustDomain)).toBe(true)
        expect(id.segments).toEqual(segments)
        expect(TrustDomain.parse(trustDomain).name).toBe(trustDomain)
      }),
    )
  })

  it('is a member of no other trust domain', () => {
    fc.assert(
      fc.property(name, name, segment, (left, right, path) => {
        expect(SpiffeId.fromSegments(left, [path]).memberOf(right)).toBe(left === right)
      }),
    )
  })

  it('keeps the parts of an Istio identity', () => {
    fc.assert(
      fc.property(name, segment, segment, (trustDomain, namespace, serviceAccount) => {
        const input = { trustDomain, namespace, serviceAccount }
        const parsed = istio.parse(istio.spiffeId(input))
        expect({ ...parsed, trustDomain: parsed.trustDomain.name }).toEqual(input)
      }),
    )
  })
})
