// SPIFFE IDs (SPIFFE-ID.md section 2).

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { SpiffeId, TrustDomain } from '../../../src/spiffe/index.ts'

const text = 'spiffe://example.org/ns/prod/sa/api'
const thrown = (code: string): unknown => expect.objectContaining({ code })

describe('SpiffeId.parse', () => {
  it.each([
    // [input, trust domain, path]
    ['spiffe://example.org', 'example.org', ''],
    [text, 'example.org', '/ns/prod/sa/api'],
    ['spiffe://10.0.0.1/web', '10.0.0.1', '/web'],
    ['spiffe://td/...', 'td', '/...'],
    ['spiffe://td/.a/..b/c..', 'td', '/.a/..b/c..'],
    ['spiffe://-._/A-Z_.', '-._', '/A-Z_.'],
    [`spiffe://${'a'.repeat(255)}/x`, 'a'.repeat(255), '/x'],
  ])('accepts %s', (input, trustDomain, path) => {
    const id = SpiffeId.parse(input)
    expect([id.trustDomainName, id.trustDomain.name, id.path, id.toString()]).toEqual([
      trustDomain,
      trustDomain,
      path,
      input,
    ])
    expect(id.hasPath).toBe(path !== '')
  })

  it.each([
    // [input, rule]
    ['', 'ID-1'],
    ['spiffe:/td/x', 'ID-1'],
    ['SPIFFE://td/x', 'ID-1'],
    ['spiffe://', 'ID-1'],
    ['spiffe:///x', 'ID-1'],
    ['spiffe://td?x', 'ID-3'],
    ['spiffe://td#x', 'ID-3'],
    ['spiffe://u@td/x', 'ID-3'],
    ['spiffe://td:80/x', 'ID-3'],
    ['spiffe://td:', 'ID-3'],
    ['spiffe://Td/x', 'ID-3'],
    ['spiffe://[::1]/x', 'ID-3'],
    ['spiffe://td\0/x', 'ID-3'],
    ['spiffe://t\u{ff44}/x', 'ID-3'],
    ['spiffe://td\ud800/x', 'ID-3'],
    ['spiffe://td/%41', 'ID-5'],
    ['spiffe://td/a?b', 'ID-5'],
    ['spiffe://td/?b', 'ID-5'],
    ['spiffe://td/a\n', 'ID-5'],
    ['spiffe://td/.!', 'ID-5'],
    ['spiffe://td/..\\', 'ID-5'],
    ['spiffe://td/a\udc00', 'ID-5'],
    ['spiffe://td/\u0131', 'ID-5'],
    ['spiffe://td/', 'ID-6'],
    ['spiffe://td/a/', 'ID-6'],
    ['spiffe://td//a', 'ID-6'],
    ['spiffe://td/.', 'ID-6'],
    ['spiffe://td/a/../b', 'ID-6'],
    [`spiffe://${'a'.repeat(256)}/x`, 'ID-7'],
    [`spiffe://td/${'a'.repeat(2048 - 11)}`, 'ID-7'],
  ])('rejects %j (%s)', (input, rule) => {
    expect(() => SpiffeId.parse(input)).toThrow(thrown('ERR_SPIFFE_ID_INVALID'))
    const message = expect.stringContaining(`(${rule})`) as string
    expect(() => SpiffeId.parse(input)).toThrow(expect.objectContaining({ message }))
    expect(SpiffeId.tryParse(input)).toBeUndefined()
  })

  it('rejects a scheme with any one character changed (ID-8)', () => {
    for (let at = 0; at < 'spiffe://'.length; at++) {
      const changed = `${text.slice(0, at)}x${text.slice(at + 1)}`
      expect([changed, SpiffeId.tryParse(changed)]).toEqual([changed, undefined])
      expect([changed, TrustDomain.tryParse(changed.slice(0, 'spiffe://example.org'.length))]).toEqual([
        changed,
        undefined,
      ])
    }
  })

  it('accepts 2,048 bytes (ID-7)', () => {
    expect(SpiffeId.parse(`spiffe://td/${'a'.repeat(2048 - 12)}`).toString()).toHaveLength(2048)
  })

  it.each([undefined, null, 1, {}, [], new String(text)])('refuses %j, which is no string', (value) => {
    expect(() => SpiffeId.parse(value as string)).toThrow(thrown('ERR_SPIFFE_ID_INVALID'))
    expect(SpiffeId.tryParse(value as string)).toBeUndefined()
  })

  it('quotes hostile text in printable ASCII, cut', () => {
    let message = ''
    try {
      SpiffeId.parse(`spiffe://td/\u001b[31m\u202e"${'x'.repeat(500)}`)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toMatch(/^[\x20-\x7e…]+$/)
    expect(message.length).toBeLessThan(300)
  })
})

describe('SpiffeId from parts', () => {
  it('builds from a path and from segments', () => {
    expect(SpiffeId.fromPath('example.org', '/ns/prod/sa/api').toString()).toBe(text)
    expect(SpiffeId.fromPath(TrustDomain.parse('example.org'), '').toString()).toBe('spiffe://example.org')
    expect(SpiffeId.fromSegments('example.org', ['ns', 'prod', 'sa', 'api']).path).toBe('/ns/prod/sa/api')
    expect(SpiffeId.fromSegments('example.org', []).hasPath).toBe(false)
    const id = SpiffeId.parse(text)
    expect(SpiffeId.from(id)).toBe(id)
    expect(SpiffeId.from(text).equals(id)).toBe(true)
  })

  it.each(['x', '/', '/a/', '//', '/./a', '/a b', '/é', 7 as unknown as string])(
    'refuses the path %j',
    (path) => {
      expect(() => SpiffeId.fromPath('td', path)).toThrow(thrown('ERR_SPIFFE_PATH_INVALID'))
      expect(() => SpiffeId.parse('spiffe://td/x').appendPath(path)).toThrow(
        thrown('ERR_SPIFFE_PATH_INVALID'),
      )
    },
  )

  it.each(['', '.', '..', 'a/b', 'a b', '%', null as unknown as string])(
    'refuses the segment %j',
    (segment) => {
      expect(() => SpiffeId.fromSegments('td', ['a', segment])).toThrow(thrown('ERR_SPIFFE_PATH_INVALID'))
    },
  )

  it('refuses a foreign trust domain and a whole that is too long', () => {
    expect(() => SpiffeId.fromPath('TD', '/x')).toThrow(thrown('ERR_TRUST_DOMAIN_INVALID'))
    expect(() => SpiffeId.fromPath('td', `/${'a'.repeat(2047)}`)).toThrow(thrown('ERR_SPIFFE_ID_INVALID'))
    expect(() => SpiffeId.fromSegments('td', ['a'.repeat(2048)])).toThrow(thrown('ERR_SPIFFE_PATH_INVALID'))
  })

  it('appends, replaces and moves', () => {
    const id = SpiffeId.parse('spiffe://td/a')
    expect(id.appendPath('/b/c').toString()).toBe('spiffe://td/a/b/c')
    expect(id.appendPath('').toString()).toBe('spiffe://td/a')
    expect(id.appendSegments(['b', 'c']).toString()).toBe('spiffe://td/a/b/c')
    expect(id.withPath('').toString()).toBe('spiffe://td')
    expect(id.withTrustDomain('other').toString()).toBe('spiffe://other/a')
    expect(id.toString()).toBe('spiffe://td/a')
  })
})

describe('SpiffeId', () => {
  const id = SpiffeId.parse(text)

  it('compares byte for byte', () => {
    expect(id.equals(SpiffeId.parse(text))).toBe(true)
    expect(id.equals('spiffe://example.org/ns/prod/sa/API')).toBe(false)
    const [a, b] = [SpiffeId.parse('spiffe://a/z'), SpiffeId.parse('spiffe://b')]
    expect([
      SpiffeId.compare(a, b),
      SpiffeId.compare(b, a),
      SpiffeId.compare(a, SpiffeId.parse('spiffe://a/z')),
    ]).toEqual([-1, 1, 0])
    const sorted = ['spiffe://b', 'spiffe://a/z', 'spiffe://a', 'spiffe://b']
      .map(SpiffeId.parse)
      .sort(SpiffeId.compare)
    expect(sorted.map(String)).toEqual(['spiffe://a', 'spiffe://a/z', 'spiffe://b', 'spiffe://b'])
  })

  it.each([
    ['example.org', true],
    ['example.or', false],
    ['example.org.', false],
    ['xample.org', false],
    ['', false],
  ])('memberOf(%j) is %s', (name, expected) => {
    expect(id.memberOf(name)).toBe(expected)
    if (name !== '') expect(id.memberOf(TrustDomain.parse(name))).toBe(expected)
  })

  it('shows as its text', () => {
    expect(String(id)).toBe(text)
    expect(JSON.stringify({ id })).toBe(`{"id":"${text}"}`)
    expect(inspect(id)).toBe(`SpiffeId(${text})`)
    expect(() => inspect(SpiffeId.prototype)).not.toThrow()
    expect(id.segments).toEqual(['ns', 'prod', 'sa', 'api'])
    expect(SpiffeId.parse('spiffe://td').segments).toEqual([])
  })

  it('cannot be changed', () => {
    expect(Object.keys(id)).toEqual([])
    expect(() => {
      ;(id as { path: string }).path = '/root'
    }).toThrow(TypeError)
    expect(id.toString()).toBe(text)
  })
})
