// Odd values of a request: what is not of its type is not known or absent, and never matches by accident.

import { describe, expect, it } from 'vitest'
import { Authorizer } from '../../../src/policy/index.ts'
import type { AuthorizationRequest } from '../../../src/policy/internal.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'

const td = 'example.org'
const get = { method: 'GET', path: '/', host: 'orders.shop', destinationPort: 8080 }
type Options = Partial<ConstructorParameters<typeof Authorizer>[1]>

function decides(action: 'ALLOW' | 'DENY', rule: object, request: object, options: Options = {}): boolean {
  const policy = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'p', namespace: 'shop' },
    spec: { action, rules: [rule] },
  }
  const workload = { namespace: 'shop', labels: {} }
  const authorizer = new Authorizer([policy], { workload, trustDomain: td, ...options })
  return authorizer.decide({ ...get, ...request } as AuthorizationRequest).allowed
}
const when = (key: string, values?: string[], notValues?: string[]): object => ({
  when: [{ key, ...(values && { values }), ...(notValues && { notValues }) }],
})
const source = (fields: object): object => ({ from: [{ source: fields }] })

describe('what has the value is matched, what has not is not', () => {
  it.each<readonly [string, object, object, boolean]>([
    ['a claim below a list', when('request.auth.claims[groups][0]', ['a']), { groups: ['a'] }, false],
    ['a claim below a text', when('request.auth.claims[groups][0]', ['a']), { groups: 'a' }, false],
    ['a claim below an object', when('request.auth.claims[groups][0]', ['a']), { groups: { 0: 'a' } }, true],
    ['a number', when('request.auth.claims[n]', ['*']), { n: 7 }, false],
    ['an object', when('request.auth.claims[n]', ['*']), { n: { a: 'b' } }, false],
    ['a text between others', when('request.auth.claims[n]', ['b*']), { n: [7, null, {}, 'b'] }, true],
    ['a list without a text', when('request.auth.claims[n]', ['*']), { n: [7, null, {}] }, false],
    ['an empty list', when('request.auth.claims[n]', ['*']), { n: [] }, false],
    ['a permission of several', when('request.auth.claims[permission]', ['b']), { permission: 'a b' }, true],
    ['another claim with blanks', when('request.auth.claims[name]', ['b']), { name: 'a b' }, false],
    ['a claim below scope', when('request.auth.claims[scope][x]', ['b']), { scope: { x: 'a b' } }, false],
    ['a token without an issuer', source({ requestPrincipals: ['*'] }), { sub: 'alice' }, false],
    ['an issuer that is a number', source({ requestPrincipals: ['*'] }), { iss: 1, sub: 'alice' }, false],
  ])('%s', (_, rule, claims, matches) => {
    expect(decides('ALLOW', rule, { claims })).toBe(matches)
    expect(decides('DENY', rule, { claims })).toBe(!matches)
  })

  it.each<readonly [string, object, boolean]>([
    ['a name that every object has', { constructor: undefined }, false],
    ['a header of that name', { constructor: 'x' }, true],
    ['no value at all', { constructor: [] }, false],
  ])('a header: %s', (_, headers, matches) => {
    const own = Object.entries(headers).filter(([, value]) => value !== undefined)
    const request = { headers: Object.fromEntries(own) as object }
    expect(decides('ALLOW', when('request.headers[constructor]', ['*']), request)).toBe(matches)
    expect(decides('DENY', when('request.headers[constructor]', ['*']), request)).toBe(!matches)
  })

  it('an empty value is none', () => {
    const rule = when('request.headers[a]', ['*'])
    expect(decides('ALLOW', rule, { headers: { a: '' } })).toBe(false)
    expect(decides('DENY', rule, { headers: { a: '' } })).toBe(true)
  })

  it.each([
    ['/foo/{*}', 'xfoo/a', false],
    ['/foo/{*}', '/foo/a', true],
    ['/{**}', '*', false],
    ['/a/{**}', '/ab', false],
    ['/a/{**}', '/a', false],
    ['/a/{**}', '/a/b', true],
    ['/a/b/{**}', '/a', false],
  ])('the template %s for the path %s: %s', (template, path, matches) => {
    const rule = { to: [{ operation: { paths: [template] } }] }
    expect(decides('ALLOW', rule, { path })).toBe(matches)
    expect(decides('DENY', rule, { path })).toBe(!matches)
  })

  it('a peer as a SpiffeId, as its text', () => {
    const rule = source({ principals: [`${td}/ns/web/sa/api`] })
    const principal = SpiffeId.parse(`spiffe://${td}/ns/web/sa/api`)
    for (const one of [principal, principal.toString()]) {
      expect(decides('ALLOW', rule, { principal: one })).toBe(true)
      expect(decides('DENY', rule, { principal: one })).toBe(false)
    }
  })

  it('a key that a document only inherits is not its own', () => {
    const spec: object = Object.assign(Object.create({ action: 'DENY' }) as object, { rules: [{}] })
    const policy = {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'p', namespace: 'shop' },
      spec,
    }
    const workload = { namespace: 'shop', labels: {} }
    expect(new Authorizer([policy], { workload, trustDomain: td }).decide(get).allowed).toBe(true)
  })
})

describe('paths that are left out', () => {
  const rule = (fields: object): object => ({ to: [{ operation: fields }] })
  it.each<readonly [string, object, boolean]>([
    ['/a', { notPaths: ['/a', '/b'] }, false],
    ['/c', { notPaths: ['/a', '/b'] }, true],
    ['/a', { paths: ['/a', '/c'], notPaths: ['/a'] }, false],
    ['/c', { paths: ['/a', '/c'], notPaths: ['/a'] }, true],
  ])('%s by %j: %s', (path, fields, matches) => {
    expect(decides('ALLOW', rule(fields), { path })).toBe(matches)
    expect(decides('DENY', rule(fields), { path })).toBe(!matches)
  })

  it('are texts of 1 to 2,048 characters', () => {
    const exact = `/${'x'.repeat(2047)}`
    expect(decides('ALLOW', rule({ paths: [exact] }), { path: exact })).toBe(true)
    expect(() => decides('ALLOW', rule({ paths: [`${exact}x`] }), {})).toThrow('1 to 2,048 characters')
  })
})

describe('what is not known neither allows nor is passed by', () => {
  it.each<readonly [string, object, object]>([
    ['a peer that is a number', source({ notPrincipals: ['x'] }), { principal: 7 }],
    ['a peer that is null', source({ notNamespaces: ['x'] }), { principal: null }],
    ['an address that is a number', source({ notIpBlocks: ['10.0.0.0/8'] }), { sourceIp: 7 }],
    ['an address that is none', source({ notIpBlocks: ['10.0.0.0/8'] }), { sourceIp: 'x' }],
    [
      'the last of 66 values of a header',
      when('request.headers[a]', ['evil']),
      { headers: { a: `${','.repeat(65)}evil` } },
    ],
    [
      'a value among others that is no text',
      when('request.headers[a]', ['evil']),
      { headers: { a: ['x', 7] } },
    ],
  ])('%s', (_, rule, request) => {
    expect(decides('ALLOW', rule, request)).toBe(false)
    expect(decides('DENY', rule, request)).toBe(false)
  })

  it('65 values of a header is one too many, 64 are split', () => {
    const rule = when('request.headers[a]', ['evil'])
    const values = (count: number): object => ({ headers: { a: `${','.repeat(count - 1)}x` } })
    expect([values(64), values(65)].map((request) => decides('DENY', rule, request))).toEqual([true, false])
  })
})

describe('a name of the trust domain with which the ID is too long', () => {
  const long = `${'l'.repeat(200)}.test`
  const path = `/${'p'.repeat(200)}`.repeat(10)
  const principal = `spiffe://${td}${path}`
  const options = { aliases: [long, 'old.org'] }

  it('is left out, and the other names are not', () => {
    for (const name of [td, 'old.org']) {
      const rule = source({ principals: [`${name}/*`] })
      expect(decides('ALLOW', rule, { principal }, options)).toBe(true)
      expect(decides('DENY', rule, { principal }, options)).toBe(false)
    }
    expect(decides('ALLOW', source({ principals: [`${long}/*`] }), { principal }, options)).toBe(false)
  })
})
