// Trust domain aliases.

import { describe, expect, it } from 'vitest'
import { SpiffeId, TrustDomain, TrustDomainAliases } from '../../../src/spiffe/index.ts'

describe('TrustDomainAliases', () => {
  const aliases = new TrustDomainAliases('new', ['old', TrustDomain.parse('older'), 'new', 'old'])
  const ours = SpiffeId.parse('spiffe://old/a')
  const foreign = SpiffeId.parse('spiffe://foreign/a')

  it('knows its names once', () => {
    expect(aliases.aliases.map(String)).toEqual(['old', 'older'])
    const names = ['new', 'old', TrustDomain.parse('older'), 'foreign']
    expect(names.map((name) => aliases.has(name))).toEqual([true, true, true, false])
  })

  it('expands our IDs over all names and leaves foreign ones alone', () => {
    expect(aliases.expand(ours).map(String)).toEqual(['spiffe://old/a', 'spiffe://new/a', 'spiffe://older/a'])
    expect(aliases.expand(foreign)).toEqual([foreign])
    expect(aliases.expandAll([ours, SpiffeId.parse('spiffe://new/a'), foreign]).map(String)).toEqual([
      'spiffe://old/a',
      'spiffe://new/a',
      'spiffe://older/a',
      'spiffe://foreign/a',
    ])
  })

  it('has one canonical name', () => {
    expect(aliases.canonical(ours).toString()).toBe('spiffe://new/a')
    expect(aliases.canonical(foreign)).toBe(foreign)
    expect(aliases.equivalent(ours, SpiffeId.parse('spiffe://older/a'))).toBe(true)
    expect(aliases.equivalent(ours, SpiffeId.parse('spiffe://older/b'))).toBe(false)
    expect(aliases.equivalent(ours, foreign)).toBe(false)
    expect(aliases.equivalent(foreign, foreign)).toBe(true)
  })

  it('refuses bad names and too many', () => {
    expect(() => new TrustDomainAliases('new', ['OLD'])).toThrow(
      expect.objectContaining({ code: 'ERR_TRUST_DOMAIN_INVALID' }),
    )
    const many = Array.from({ length: 257 }, (_, at) => `td${at}`)
    expect(() => new TrustDomainAliases('new', many)).toThrow(
      expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' }),
    )
  })

  it('says so when an alias makes the ID too long (ID-7)', () => {
    const long = SpiffeId.parse(`spiffe://new/${'a'.repeat(2048 - 13)}`)
    expect(() => aliases.expand(long)).toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }))
  })
})
