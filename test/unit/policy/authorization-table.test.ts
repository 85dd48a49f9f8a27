// Istio's documented semantics of AuthorizationPolicy and PeerAuthentication, as a table of requests and
// decisions.

import { describe, expect, it } from 'vitest'
import { Authorizer } from '../../../src/policy/index.ts'
import type { AuthorizationRequest } from '../../../src/policy/internal.ts'

type Options = Partial<ConstructorParameters<typeof Authorizer>[1]>

const workload = { namespace: 'shop', labels: { app: 'orders', tier: 'back' } }
const td = 'example.org'
const api = `spiffe://${td}/ns/web/sa/api`
const ui = `spiffe://${td}/ns/web/sa/ui`
const batch = `spiffe://${td}/ns/jobs/sa/batch`
const foreign = 'spiffe://partner.test/ns/web/sa/api'
const get: AuthorizationRequest = { method: 'GET', path: '/', host: 'orders.shop', destinationPort: 8080 }

let made = 0
function policy(spec: object | undefined, namespace = 'shop', name = `p${made++}`): object {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace },
    ...(spec && { spec }),
  }
}
function peers(spec: object | undefined, namespace = 'shop', name = `a${made++}`, created?: string): object {
  const metadata = { name, namespace, ...(created && { creationTimestamp: created }) }
  return { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata, ...(spec && { spec }) }
}
const authorizer = (resources: object[], options: Options = {}): Authorizer =>
  new Authorizer(resources, { workload, trustDomain: td, ...options })

type Case = readonly [what: string, request: AuthorizationRequest, allowed: boolean]
/** One rule with ALLOW, and the same with DENY: what ALLOW allows, DENY denies. */
function bothWays(title: string, rule: object, cases: readonly Case[], options: Options = {}): void {
  describe(title, () => {
    const allow = authorizer([policy({ action: 'ALLOW', rules: [rule] })], options)
    const deny = authorizer([policy({ action: 'DENY', rules: [rule] })], options)
    it.each(cases)('%s', (_, request, matches) => {
      const full = { ...get, ...request }
      expect(allow.decide(full).allowed).toBe(matches)
      expect(deny.decide(full).allowed).toBe(!matches)
    })
  })
}
const source = (fields: object): object => ({ from: [{ source: fields }] })
const operation = (fields: object): object => ({ to: [{ operation: fields }] })
const when = (key: string, values?: string[], notValues?: string[]): object => ({
  when: [{ key, ...(values && { values }), ...(notValues && { notValues }) }],
})

describe('actions and their precedence', () => {
  const all = { rules: [{}] }
  const none = {}
  const table: readonly (readonly [string, object[], boolean, (string | undefined)?])[] = [
    ['no policy at all', [], true, 'no-allow-policy'],
    ['an empty policy denies everything', [policy({})], false, 'no-allow-rule'],
    ['a policy without spec denies everything', [policy(undefined)], false, 'no-allow-rule'],
    ['an empty list of rules denies everything', [policy({ rules: [] })], false],
    ['one empty rule allows everything', [policy({ rules: [{}] }, 'shop', 'open')], true, 'shop/open[0]'],
    ['DENY without rules denies nothing', [policy({ action: 'DENY' })], true, 'no-allow-policy'],
    [
      'DENY with an empty rule denies everything',
      [policy({ action: 'DENY', rules: [{}] }, 'shop', 'shut')],
      false,
      'shop/shut[0]',
    ],
    ['DENY goes before ALLOW', [policy(all), policy({ action: 'DENY', ...all })], false],
    ['DENY that does not match leaves it to ALLOW', [policy(all), policy({ action: 'DENY' })], true],
    ['AUDIT decides nothing', [policy({ action: 'AUDIT', ...all })], true, 'no-allow-policy'],
    ['AUDIT does not allow', [policy({ action: 'AUDIT', ...all }), policy(none)], false],
    ['one ALLOW of several is enough', [policy(none), policy(all, 'shop', 'b')], true, 'shop/b[0]'],
    [
      'the second rule of a policy',
      [policy({ rules: [operation({ methods: ['PUT'] }), {}] }, 'shop', 'two')],
      true,
      'shop/two[1]',
    ],
    ['policy of another namespace', [policy(none, 'other')], true, 'no-allow-policy'],
    ['policy of the root namespace', [policy(none, 'istio-system')], false],
    [
      'DENY of the root namespace, ALLOW of its own',
      [policy(all), policy({ action: 'DENY', ...all }, 'istio-system')],
      false,
    ],
    ['ALLOW of the root namespace adds to its own', [policy(none), policy(all, 'istio-system')], true],
    ['selector with the label', [policy({ selector: { matchLabels: { app: 'orders' } } })], false],
    [
      'selector with both labels',
      [policy({ selector: { matchLabels: { app: 'orders', tier: 'back' } } })],
      false,
    ],
    ['selector with another value', [policy({ selector: { matchLabels: { app: 'pay' } } })], true],
    [
      'selector with a label that it has not',
      [policy({ selector: { matchLabels: { app: 'orders', x: 'y' } } })],
      true,
    ],
    ['empty selector', [policy({ selector: {} })], false],
    [
      'selector in the root namespace',
      [policy({ selector: { matchLabels: { app: 'orders' } } }, 'istio-system')],
      false,
    ],
    [
      'selector of others in the root namespace',
      [policy({ selector: { matchLabels: { app: 'pay' } } }, 'istio-system')],
      true,
    ],
    ['selector with an inherited name', [policy({ selector: { matchLabels: { constructor: 'x' } } })], true],
  ]
  it.each(table.map((row) => [row[0], row] as const))('%s', (_, [, resources, allowed, rule]) => {
    const decision = authorizer(resources).decide(get)
    expect(decision.allowed).toBe(allowed)
    if (rule !== undefined) expect(decision.rule).toBe(rule)
    expect(decision.rule).not.toBe('')
    expect(decision.reason).not.toBe('')
  })

  it('of several rules that match, the first is named, with keys or without', () => {
    const known = source({ principals: [`${td}/ns/web/sa/api`] })
    const place = source({ namespaces: ['web'] })
    const request = { ...get, principal: api }
    for (const rules of [
      [{}, known, place],
      [known, {}, place],
      [place, known],
      [known, place],
    ])
      for (const action of ['ALLOW', 'DENY'])
        expect(authorizer([policy({ action, rules }, 'shop', 'p')]).decide(request).rule).toBe('shop/p[0]')
  })

  it('another root namespace', () => {
    expect(authorizer([policy({}, 'mesh')], { rootNamespace: 'mesh' }).decide(get).allowed).toBe(false)
    expect(authorizer([policy({}, 'istio-system')], { rootNamespace: 'mesh' }).decide(get).allowed).toBe(true)
  })

  it('AUDIT is told beside the decision', () => {
    const audit = policy({ action: 'AUDIT', rules: [operation({ methods: ['PUT'] }), {}] }, 'shop', 'watch')
    expect(authorizer([audit, policy({})]).decide(get)).toMatchObject({
      allowed: false,
      audited: ['shop/watch[1]'],
    })
  })
})

bothWays('principals', source({ principals: [`${td}/ns/web/sa/api`] }), [
  ['the same', { principal: api }, true],
  ['another service account', { principal: ui }, false],
  ['another trust domain', { principal: foreign }, false],
  ['no mutual TLS', {}, false],
])
bothWays('principals of cluster.local', source({ principals: ['cluster.local/ns/web/sa/api'] }), [
  ['is the trust domain of the mesh', { principal: api }, true],
  ['and not another of that name', { principal: 'spiffe://cluster.local/ns/web/sa/api' }, false],
])
bothWays('principals by prefix', source({ principals: [`${td}/ns/web/*`] }), [
  ['api', { principal: api }, true],
  ['ui', { principal: ui }, true],
  ['batch', { principal: batch }, false],
  ['foreign', { principal: foreign }, false],
])
bothWays('principals by suffix', source({ principals: ['*/ns/web/sa/api'] }), [
  ['api', { principal: api }, true],
  ['of every trust domain', { principal: foreign }, true],
  ['ui', { principal: ui }, false],
])
bothWays('principals by presence', source({ principals: ['*'] }), [
  ['any', { principal: foreign }, true],
  ['none', {}, false],
])
bothWays('notPrincipals', source({ notPrincipals: [`${td}/ns/web/sa/api`] }), [
  ['the same', { principal: api }, false],
  ['another', { principal: ui }, true],
  ['none', {}, true],
])
bothWays('notPrincipals by presence', source({ notPrincipals: ['*'] }), [
  ['any', { principal: api }, false],
  ['none', {}, true],
])
bothWays('several principals', source({ principals: [`${td}/ns/web/sa/api`, `${td}/ns/jobs/sa/batch`] }), [
  ['the first', { principal: api }, true],
  ['the second', { principal: batch }, true],
  ['neither', { principal: ui }, false],
])
bothWays(
  'aliases of the trust domain',
  source({ principals: ['old.example/ns/web/sa/api'] }),
  [
    ['the new name', { principal: api }, true],
    ['the old name', { principal: 'spiffe://old.example/ns/web/sa/api' }, true],
    ['a third', { principal: foreign }, false],
  ],
  { aliases: ['old.example'] },
)
bothWays(
  'the new name in a policy, the old one in a certificate',
  source({ principals: [`${td}/ns/web/sa/api`], notNamespaces: ['jobs'] }),
  [
    ['the old name', { principal: 'spiffe://old.example/ns/web/sa/api' }, true],
    ['the old name of another', { principal: 'spiffe://old.example/ns/jobs/sa/api' }, false],
  ],
  { aliases: ['old.example'] },
)
bothWays(
  'notPrincipals under an alias',
  source({ notPrincipals: ['old.example/ns/web/sa/api'] }),
  [
    ['the new name', { principal: api }, false],
    ['another', { principal: ui }, true],
  ],
  { aliases: ['old.example'] },
)
bothWays('namespaces', source({ namespaces: ['web'] }), [
  ['web', { principal: api }, true],
  ['jobs', { principal: batch }, false],
  ['no mutual TLS', {}, false],
  ['an identity without a namespace', { principal: `spiffe://${td}/web` }, false],
])
bothWays('namespaces by prefix and suffix', source({ namespaces: ['we*', '*obs'] }), [
  ['web', { principal: api }, true],
  ['jobs', { principal: batch }, true],
  ['other', { principal: `spiffe://${td}/ns/other/sa/x` }, false],
])
bothWays('notNamespaces', source({ notNamespaces: ['web'] }), [
  ['web', { principal: api }, false],
  ['jobs', { principal: batch }, true],
  ['none', {}, true],
])
bothWays(
  'namespaces and notPrincipals',
  source({ namespaces: ['web'], notPrincipals: [`${td}/ns/web/sa/ui`] }),
  [
    ['api', { principal: api }, true],
    ['ui', { principal: ui }, false],
    ['batch', { principal: batch }, false],
  ],
)
bothWays('serviceAccounts', source({ serviceAccounts: ['web/api', 'local'] }), [
  ['with a namespace', { principal: api }, true],
  ['of the namespace of the policy', { principal: `spiffe://${td}/ns/shop/sa/local` }, true],
  ['of another namespace', { principal: `spiffe://${td}/ns/web/sa/local` }, false],
])
bothWays('notServiceAccounts', source({ notServiceAccounts: ['web/api'] }), [
  ['it', { principal: api }, false],
  ['another', { principal: ui }, true],
])

const token = {
  iss: 'https://issuer.test',
  sub: 'alice',
  aud: ['orders', 'pay'],
  azp: 'cli',
  groups: ['a', 'b'],
  scope: 'read write',
  deep: { team: { name: 'x' } },
  n: 7,
}
bothWays('requestPrincipals', source({ requestPrincipals: ['https://issuer.test/alice'] }), [
  ['the same', { claims: token }, true],
  ['another subject', { claims: { ...token, sub: 'bob' } }, false],
  ['another issuer', { claims: { ...token, iss: 'https://other.test' } }, false],
  ['a subject that is a number', { claims: { ...token, sub: 7 } }, false],
  ['no token', {}, false],
])
bothWays('requestPrincipals by presence', source({ requestPrincipals: ['*'] }), [
  ['a token', { claims: token }, true],
  ['none', {}, false],
  ['a token without a subject', { claims: { iss: 'x' } }, false],
])
bothWays('requestPrincipals by prefix', source({ requestPrincipals: ['https://issuer.test/*'] }), [
  ['it', { claims: token }, true],
  ['another', { claims: { ...token, iss: 'https://issuer.test.evil' } }, false],
])
bothWays('notRequestPrincipals', source({ notRequestPrincipals: ['*'] }), [
  ['a token', { claims: token }, false],
  ['none', {}, true],
])
bothWays('ipBlocks', source({ ipBlocks: ['10.1.0.0/16', '192.0.2.7', 'fd00::/8'] }), [
  ['in the network', { sourceIp: '10.1.2.3' }, true],
  ['in its mapped form', { sourceIp: '::ffff:10.1.2.3' }, true],
  ['beside it', { sourceIp: '10.2.0.1' }, false],
  ['the address', { sourceIp: '192.0.2.7' }, true],
  ['the next address', { sourceIp: '192.0.2.8' }, false],
  ['IPv6', { sourceIp: 'fd12::1' }, true],
  ['other IPv6', { sourceIp: 'fe80::1' }, false],
])
bothWays('notIpBlocks', source({ notIpBlocks: ['10.1.0.0/16'] }), [
  ['in it', { sourceIp: '10.1.2.3' }, false],
  ['not in it', { sourceIp: '10.2.0.1' }, true],
])
bothWays('remoteIpBlocks', source({ remoteIpBlocks: ['198.51.100.0/24'] }), [
  ['the client', { sourceIp: '10.0.0.1', remoteIp: '198.51.100.9' }, true],
  ['the proxy', { sourceIp: '198.51.100.9', remoteIp: '10.0.0.1' }, false],
  ['without a proxy', { sourceIp: '198.51.100.9' }, true],
])
bothWays('notRemoteIpBlocks', source({ notRemoteIpBlocks: ['198.51.100.0/24'] }), [
  ['the client', { sourceIp: '10.0.0.1', remoteIp: '198.51.100.9' }, false],
  ['another', { sourceIp: '10.0.0.1' }, true],
])
bothWays(
  'several sources',
  { from: [{ source: { namespaces: ['jobs'] } }, { source: { principals: [`${td}/ns/web/sa/ui`] } }] },
  [
    ['the first', { principal: batch }, true],
    ['the second', { principal: ui }, true],
    ['neither', { principal: api }, false],
  ],
)

bothWays('methods', operation({ methods: ['GET', 'HEAD'] }), [
  ['GET', {}, true],
  ['HEAD', { method: 'HEAD' }, true],
  ['POST', { method: 'POST' }, false],
  ['in lower case', { method: 'get' }, false],
])
bothWays('methods by prefix', operation({ methods: ['P*'] }), [
  ['PUT', { method: 'PUT' }, true],
  ['GET', {}, false],
])
bothWays('notMethods', operation({ notMethods: ['GET'] }), [
  ['GET', {}, false],
  ['POST', { method: 'POST' }, true],
])
bothWays('hosts', operation({ hosts: ['Orders.Shop', '*.example.com'] }), [
  ['in another case', { host: 'ORDERS.shop' }, true],
  ['by suffix', { host: 'a.Example.com' }, true],
  ['the suffix alone', { host: 'example.com' }, false],
  ['with a port', { host: 'orders.shop:8080' }, false],
  ['another', { host: 'orders.other' }, false],
])
bothWays('hosts by prefix', operation({ hosts: ['orders.*'] }), [
  ['orders.shop', {}, true],
  ['pay.shop', { host: 'pay.shop' }, false],
])
bothWays('notHosts', operation({ notHosts: ['orders.shop'] }), [
  ['it', {}, false],
  ['another', { host: 'x' }, true],
])
bothWays('paths', operation({ paths: ['/exact', '/prefix*', '*/suffix'] }), [
  ['exact', { path: '/exact' }, true],
  ['exact with a query', { path: '/exact?admin=1' }, true],
  ['longer', { path: '/exact/' }, false],
  ['in another case', { path: '/Exact' }, false],
  ['prefix', { path: '/prefix' }, true],
  ['prefix of a name', { path: '/prefixed/x' }, true],
  ['suffix', { path: '/a/b/suffix' }, true],
  ['suffix in the query', { path: '/a?/suffix' }, false],
  ['another', { path: '/other' }, false],
])
bothWays('paths by presence', operation({ paths: ['*'] }), [['any', { path: '/x' }, true]])
bothWays('notPaths', operation({ notPaths: ['/health', '/public/*'] }), [
  ['health', { path: '/health' }, false],
  ['below', { path: '/public/a' }, false],
  ['another', { path: '/admin' }, true],
])
bothWays('ports', operation({ ports: ['8080', '9090'] }), [
  ['8080', {}, true],
  ['9090', { destinationPort: 9090 }, true],
  ['80', { destinationPort: 80 }, false],
])
bothWays('notPorts', operation({ notPorts: ['8080'] }), [
  ['8080', {}, false],
  ['80', { destinationPort: 80 }, true],
])
bothWays('all fields of an operation', operation({ methods: ['GET'], paths: ['/a'], ports: ['8080'] }), [
  ['all', { path: '/a' }, true],
  ['another path', { path: '/b' }, false],
  ['another method', { path: '/a', method: 'PUT' }, false],
  ['another port', { path: '/a', destinationPort: 1 }, false],
])
bothWays(
  'several operations',
  { to: [{ operation: { methods: ['GET'] } }, { operation: { paths: ['/up'] } }] },
  [
    ['the first', {}, true],
    ['the second', { method: 'PUT', path: '/up' }, true],
    ['neither', { method: 'PUT' }, false],
  ],
)

describe('path templates', () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['/foo/{*}', '/foo/bar', true],
    ['/foo/{*}', '/foo', false],
    ['/foo/{*}', '/foo/', false],
    ['/foo/{*}', '/foo/bar/baz', false],
    ['/foo/{*}', '/foo/bar/', false],
    ['/foo/{**}/', '/foo/bar/', true],
    ['/foo/{**}/', '/foo/bar/baz.txt/', true],
    ['/foo/{**}/', '/foo//', true],
    ['/foo/{**}/', '/foo/bar', false],
    ['/foo/{**}', '/foo/bar/baz', true],
    ['/foo/{**}', '/foo/', true],
    ['/foo/{**}', '/foo', false],
    ['/foo/{**}', '/food/x', false],
    ['/foo/{*}/bar/{**}', '/foo/buzz/bar/', true],
    ['/foo/{*}/bar/{**}', '/foo/buzz/bar/baz', true],
    ['/foo/{*}/bar/{**}', '/foo/bar/baz', false],
    ['/{**}', '/anything/at/all', true],
    ['/{*}/x', '/a/x', true],
    ['/{*}/x', '/a/b/x', false],
    ['/a/{**}/z', '/a/b/c/z', true],
    ['/a/{**}/z', '/a/z', false],
    ['/a/{**}/z', '/a/b/zz', false],
  ]
  it.each(table)('%s %s', (template, path, matches) => {
    const allow = authorizer([policy({ rules: [operation({ paths: [template] })] })])
    expect(allow.decide({ ...get, path }).allowed).toBe(matches)
  })
  it.each([
    '/*/baz/{*}',
    '/**/baz/{*}',
    '/{**}/foo/{*}',
    '/foo/{*}.txt',
    '/foo/{x}',
    'foo/{*}',
    '/foo/{*',
    '/{**}/{**}',
  ])('%s is refused', (template) => {
    expect(() => authorizer([policy({ rules: [operation({ paths: [template] })] })])).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID' }),
    )
  })
})

describe('normalisation of paths', () => {
  const table: readonly (readonly [
    Exclude<Options['pathNormalization'], undefined>,
    string,
    string,
    boolean,
  ])[] = [
    ['none', '/a/../admin', '/admin', false],
    ['none', '/admin?x', '/admin', true],
    ['base', '/a/../admin', '/admin', true],
    ['base', '/./admin', '/admin', true],
    ['base', '/../admin', '/admin', true],
    ['base', '/a/..', '/', true],
    ['base', '\\admin', '/admin', true],
    ['base', '/%61dmin', '/admin', true],
    ['base', '/a/%2e%2E/admin', '/admin', true],
    ['base', '//admin', '/admin', false],
    ['base', '/%2Fadmin', '/admin', false],
    ['base', '/admin%2fx', '/admin%2fx', true],
    ['base', '/admin#x', '/admin', true],
    ['merge-slashes', '//admin', '/admin', true],
    ['merge-slashes', '/a//..//admin', '/admin', false],
    ['merge-slashes', '/%2Fadmin', '/admin', false],
    ['decode-and-merge-slashes', '/%2Fadmin', '/admin', true],
    ['decode-and-merge-slashes', '/a%2f..%5Cadmin', '/admin', true],
    ['decode-and-merge-slashes', '/%zz', '/%zz', true],
    ['decode-and-merge-slashes', '%5cadmin', '/admin', true],
  ]
  it.each(table)('%s: %s is %s: %s', (pathNormalization, path, wanted, matches) => {
    const deny = authorizer([policy({ action: 'DENY', rules: [operation({ paths: [wanted] })] })], {
      pathNormalization,
    })
    expect(deny.decide({ ...get, path }).allowed).toBe(!matches)
  })
})

bothWays('request.headers', when('request.headers[X-Role]', ['admin', 'ops*']), [
  ['it', { headers: { 'x-role': 'admin' } }, true],
  ['by prefix', { headers: { 'x-role': 'ops-1' } }, true],
  ['another', { headers: { 'x-role': 'user' } }, false],
  ['absent', { headers: {} }, false],
  ['no headers', {}, false],
  ['by presence, empty', { headers: { 'x-role': '' } }, false],
])
bothWays('request.headers, notValues', when('request.headers[x-role]', undefined, ['admin']), [
  ['it', { headers: { 'x-role': 'admin' } }, false],
  ['another', { headers: { 'x-role': 'user' } }, true],
  ['absent', {}, true],
])
bothWays('source.ip', when('source.ip', ['10.0.0.0/8']), [
  ['in it', { sourceIp: '10.9.9.9' }, true],
  ['not in it', { sourceIp: '11.0.0.1' }, false],
])
bothWays('remote.ip', when('remote.ip', ['10.0.0.0/8']), [
  ['in it', { sourceIp: '11.0.0.1', remoteIp: '10.9.9.9' }, true],
  ['not in it', { sourceIp: '10.0.0.1', remoteIp: '11.0.0.1' }, false],
])
bothWays('source.namespace', when('source.namespace', ['web']), [
  ['web', { principal: api }, true],
  ['jobs', { principal: batch }, false],
])
bothWays('source.principal', when('source.principal', ['cluster.local/ns/web/sa/api']), [
  ['it', { principal: api }, true],
  ['another', { principal: ui }, false],
])
bothWays('source.principal, notValues', when('source.principal', ['*'], [`${td}/ns/web/sa/ui`]), [
  ['api', { principal: api }, true],
  ['ui', { principal: ui }, false],
  ['none', {}, false],
])
bothWays('source.serviceAccount', when('source.serviceAccount', ['web/api']), [
  ['it', { principal: api }, true],
  ['another', { principal: ui }, false],
])
bothWays('request.auth.principal', when('request.auth.principal', ['https://issuer.test/alice']), [
  ['it', { claims: token }, true],
  ['none', {}, false],
])
bothWays('request.auth.audiences', when('request.auth.audiences', ['pay']), [
  ['in the list', { claims: token }, true],
  ['as text', { claims: { aud: 'pay' } }, true],
  ['another', { claims: { aud: ['x'] } }, false],
])
bothWays('request.auth.presenter', when('request.auth.presenter', ['cli']), [
  ['it', { claims: token }, true],
  ['another', { claims: { azp: 'web' } }, false],
])
bothWays('request.auth.claims', when('request.auth.claims[groups]', ['b']), [
  ['in the list', { claims: token }, true],
  ['as text', { claims: { groups: 'b' } }, true],
  ['another', { claims: { groups: ['c'] } }, false],
  ['absent', { claims: {} }, false],
  [
    'of the prototype',
    { claims: Object.create({ groups: 'b' }) as object as Record<string, unknown> },
    false,
  ],
])
bothWays('nested claims', when('request.auth.claims[deep][team][name]', ['x']), [
  ['it', { claims: token }, true],
  ['another', { claims: { deep: { team: { name: 'y' } } } }, false],
  ['not nested', { claims: { deep: 'x' } }, false],
  ['null on the way', { claims: { deep: { team: null } } }, false],
])
bothWays('scopes', when('request.auth.claims[scope]', ['write']), [
  ['one of several', { claims: token }, true],
  ['a part of one', { claims: { scope: 'rewrite' } }, false],
])
bothWays('a claim that is a number', when('request.auth.claims[n]', ['7']), [
  ['is no text', { claims: token }, false],
])
bothWays('destination.port', when('destination.port', ['8080']), [
  ['it', {}, true],
  ['another', { destinationPort: 1 }, false],
])
bothWays('destination.ip', when('destination.ip', ['10.0.0.0/8']), [
  ['it', { destinationIp: '10.1.1.1' }, true],
  ['another', { destinationIp: '11.1.1.1' }, false],
])
bothWays('connection.sni', when('connection.sni', ['*.example.org']), [
  ['it', { sni: 'a.example.org' }, true],
  ['another', { sni: 'a.example.com' }, false],
  ['none', {}, false],
])
bothWays(
  'from, to and when together',
  {
    ...source({ namespaces: ['web'] }),
    ...operation({ methods: ['GET'] }),
    ...when('request.headers[a]', ['1']),
  },
  [
    ['all three', { principal: api, headers: { a: '1' } }, true],
    ['another source', { principal: batch, headers: { a: '1' } }, false],
    ['another operation', { principal: api, method: 'PUT', headers: { a: '1' } }, false],
    ['another condition', { principal: api, headers: { a: '2' } }, false],
  ],
)
bothWays(
  'two conditions',
  {
    when: [
      { key: 'request.headers[a]', values: ['1'] },
      { key: 'request.headers[b]', values: ['2'] },
    ],
  },
  [
    ['both', { headers: { a: '1', b: '2' } }, true],
    ['one', { headers: { a: '1' } }, false],
  ],
)

describe('a header sent twice', () => {
  const rule = when('request.headers[x-role]', ['admin'])
  const allow = authorizer([policy({ rules: [rule] })])
  const deny = authorizer([policy({ action: 'DENY', rules: [rule] })])
  it.each([[['user', 'admin']], ['user, admin'], ['user,admin']])(
    '%j is neither allowed nor passed by',
    (value) => {
      const request = { ...get, headers: { 'x-role': value } }
      expect([allow.decide(request).allowed, deny.decide(request).allowed]).toEqual([false, false])
    },
  )
})

describe('connections that are not HTTP', () => {
  const tcp = { principal: api, sourceIp: '10.0.0.1', destinationPort: 9000 }
  const table: readonly (readonly [string, object, 'ALLOW' | 'DENY', boolean])[] = [
    ['ALLOW by port', operation({ ports: ['9000'] }), 'ALLOW', true],
    ['ALLOW by principal', source({ principals: [`${td}/ns/web/sa/api`] }), 'ALLOW', true],
    ['ALLOW with a method never matches', operation({ ports: ['9000'], methods: ['GET'] }), 'ALLOW', false],
    ['ALLOW with notMethods never matches', operation({ notMethods: ['GET'] }), 'ALLOW', false],
    ['ALLOW with a token never matches', source({ requestPrincipals: ['*'] }), 'ALLOW', false],
    ['ALLOW with a header never matches', when('request.headers[a]', undefined, ['1']), 'ALLOW', false],
    ['DENY with a method leaves it out', operation({ ports: ['9000'], methods: ['GET'] }), 'DENY', false],
    ['DENY of a method and another port', operation({ ports: ['9001'], methods: ['GET'] }), 'DENY', true],
    ['DENY of a path alone denies all', operation({ paths: ['/x'] }), 'DENY', false],
    [
      'DENY of a token leaves it out',
      source({ requestPrincipals: ['x/y'], namespaces: ['web'] }),
      'DENY',
      false,
    ],
    ['DENY of another namespace', source({ namespaces: ['jobs'] }), 'DENY', true],
  ]
  it.each(table)('%s', (_, rule, action, allowed) => {
    expect(authorizer([policy({ action, rules: [rule] })]).decide(tcp).allowed).toBe(allowed)
  })
})

describe('what is not known', () => {
  it.each([
    [source({ ipBlocks: ['10.0.0.0/8'] })],
    [source({ notIpBlocks: ['10.0.0.0/8'] })],
    [operation({ ports: ['80'] })],
    [operation({ notPorts: ['80'] })],
    [when('source.ip', undefined, ['10.0.0.0/8'])],
  ])('%j neither allows nor is passed by', (rule) => {
    const request = { method: 'GET', path: '/' }
    expect(authorizer([policy({ rules: [rule] })]).decide(request).allowed).toBe(false)
    expect(authorizer([policy({ action: 'DENY', rules: [rule] })]).decide(request).allowed).toBe(false)
  })

  const odd = (value: unknown): never => value as never
  it.each<readonly [string, object, AuthorizationRequest]>([
    ['a path', operation({ paths: ['/admin'] }), { method: 'GET', host: 'a' }],
    ['notPaths', operation({ notPaths: ['/admin'] }), { method: 'GET', host: 'a' }],
    ['a path that is no text', operation({ notPaths: ['/admin'] }), { ...get, path: odd(['/admin']) }],
    ['a path template', operation({ paths: ['/{**}'] }), { ...get, path: odd(null) }],
    ['a host', operation({ hosts: ['admin.test'] }), { method: 'GET', path: '/' }],
    ['notHosts', operation({ notHosts: ['admin.test'] }), { method: 'GET', path: '/' }],
    [':path', when('request.headers[:path]', undefined, ['/admin']), { method: 'GET' }],
    ['a method that is no text', operation({ notMethods: ['PUT'] }), { ...get, method: odd(['PUT']) }],
    [
      'a principal that is no SPIFFE ID',
      source({ principals: [`${td}/ns/web/sa/api`] }),
      { ...get, principal: `${td}/ns/web/sa/api` },
    ],
    ['notPrincipals of such', source({ notPrincipals: ['x'] }), { ...get, principal: 'spiffe://A/x' }],
    ['notNamespaces of such', source({ notNamespaces: ['x'] }), { ...get, principal: 'spiffe://A/x' }],
    ['a server name', when('connection.sni', undefined, ['x']), { ...get, sni: odd(1) }],
    ['a header', when('request.headers[a]', undefined, ['x']), { ...get, headers: { a: odd([1]) } }],
    [
      'the last of many values of a header',
      when('request.headers[a]', ['evil']),
      { ...get, headers: { a: `${','.repeat(64)}evil` } },
    ],
    [
      'the last of many values of a header, notValues',
      when('request.headers[a]', undefined, ['evil']),
      { ...get, headers: { a: `${','.repeat(64)}evil` } },
    ],
  ])('%s neither allows nor is passed by', (_, rule, request) => {
    // Beside other rules, so that it is looked for by its keys.
    const others = [source({ principals: ['x'] }), operation({ paths: ['/x'] })]
    expect(authorizer([policy({ rules: [...others, rule] })]).decide(request).allowed).toBe(false)
    const deny = authorizer([policy({ action: 'DENY', rules: [...others, rule] })])
    expect(deny.decide(request).allowed).toBe(false)
  })

  it('a port that may be one where mutual TLS is STRICT', () => {
    const selector = { matchLabels: { app: 'orders' } }
    const portLevelMtls = { 80: { mode: 'DISABLE' }, 8443: { mode: 'STRICT' } }
    const own = authorizer([peers({ selector, portLevelMtls }, 'shop', 'pa')])
    const allowed = (destinationPort: unknown): boolean =>
      own.decide({ ...get, destinationPort: destinationPort as number }).allowed
    expect([80, 443, 8443].map(allowed)).toEqual([true, true, false])
    expect(allowed(undefined)).toBe(false)
    expect(allowed('8443')).toBe(false)
    expect(own.decide({ ...get, destinationPort: undefined, principal: api }).allowed).toBe(true)
  })
})

describe('PeerAuthentication', () => {
  const mode = (name: string): object => ({ mtls: { mode: name } })
  const selector = { selector: { matchLabels: { app: 'orders' } } }
  const other = { selector: { matchLabels: { app: 'pay' } } }
  const table: readonly (readonly [
    string,
    object[],
    string,
    (string | undefined)?,
    (number | undefined)?,
  ])[] = [
    ['nothing', [], 'PERMISSIVE', 'default'],
    ['mesh', [peers(mode('STRICT'), 'istio-system', 'm')], 'STRICT', 'istio-system/m'],
    ['namespace', [peers(mode('STRICT'), 'shop', 'n')], 'STRICT', 'shop/n'],
    ['another namespace', [peers(mode('STRICT'), 'web')], 'PERMISSIVE', 'default'],
    ['namespace before mesh', [peers(mode('STRICT'), 'istio-system'), peers(mode('DISABLE'))], 'DISABLE'],
    [
      'workload before namespace',
      [peers(mode('STRICT')), peers({ ...selector, ...mode('PERMISSIVE') })],
      'PERMISSIVE',
    ],
    ['workload of another label', [peers(mode('STRICT')), peers({ ...other, ...mode('DISABLE') })], 'STRICT'],
    [
      'UNSET inherits from the namespace',
      [peers(mode('STRICT')), peers({ ...selector, ...mode('UNSET') })],
      'STRICT',
    ],
    ['no mtls inherits from the mesh', [peers(mode('STRICT'), 'istio-system'), peers({})], 'STRICT'],
    ['no spec inherits', [peers(mode('DISABLE'), 'istio-system'), peers(undefined)], 'DISABLE'],
    ['mtls without a mode inherits', [peers(mode('STRICT'), 'istio-system'), peers({ mtls: {} })], 'STRICT'],
    [
      'UNSET all the way',
      [peers(mode('UNSET'), 'istio-system'), peers(mode('UNSET'))],
      'PERMISSIVE',
      'default',
    ],
    [
      'port',
      [peers({ ...selector, ...mode('STRICT'), portLevelMtls: { 8080: { mode: 'DISABLE' } } })],
      'DISABLE',
      undefined,
      8080,
    ],
    [
      'another port',
      [peers({ ...selector, ...mode('STRICT'), portLevelMtls: { 8080: { mode: 'DISABLE' } } })],
      'STRICT',
      undefined,
      80,
    ],
    [
      'port UNSET inherits',
      [peers({ ...selector, ...mode('STRICT'), portLevelMtls: { 8080: { mode: 'UNSET' } } })],
      'STRICT',
      undefined,
      8080,
    ],
    [
      'port before everything',
      [
        peers(mode('STRICT'), 'istio-system'),
        peers({ ...selector, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } }),
      ],
      'PERMISSIVE',
      undefined,
      8080,
    ],
    [
      'other ports inherit from the mesh',
      [
        peers(mode('STRICT'), 'istio-system'),
        peers({ ...selector, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } }),
      ],
      'STRICT',
      undefined,
      81,
    ],
    [
      'the older of two',
      [
        peers(mode('DISABLE'), 'shop', 'a', '2026-02-01T00:00:00Z'),
        peers(mode('STRICT'), 'shop', 'b', '2026-01-01T00:00:00Z'),
      ],
      'STRICT',
      'shop/b',
    ],
    [
      'by name where neither has a time',
      [peers(mode('STRICT'), 'shop', 'b'), peers(mode('DISABLE'), 'shop', 'a')],
      'DISABLE',
      'shop/a',
    ],
    [
      'a workload of the root namespace',
      [peers(mode('DISABLE')), peers({ ...selector, ...mode('STRICT') }, 'istio-system')],
      'STRICT',
    ],
    [
      'its own before that',
      [peers({ ...selector, ...mode('DISABLE') }), peers({ ...selector, ...mode('STRICT') }, 'istio-system')],
      'DISABLE',
    ],
  ]
  it.each(table.map((row) => [row[0], row] as const))('%s', (_, [, resources, expected, rule, port]) => {
    const found = authorizer(resources).mutualTls(port)
    expect(found.mode).toBe(expected)
    if (rule !== undefined) expect(found.rule).toBe(rule)
  })

  it('a time that is no text is none: the one with a time is older', () => {
    const mtls = (mode: string): object => ({ mtls: { mode } })
    const dated = peers(mtls('STRICT'), 'shop', 'b', '2020-01-01T00:00:00Z')
    for (const odd of [2000, [2000], true]) {
      const other = peers(mtls('DISABLE'), 'shop', 'a', odd as never)
      expect(authorizer([other, dated]).mutualTls()).toEqual({ mode: 'STRICT', rule: 'shop/b' })
    }
  })

  it('STRICT refuses a request without a peer before any policy, PERMISSIVE and DISABLE do not', () => {
    const open = policy({ rules: [{}] })
    const decide = (name: string, request: AuthorizationRequest) =>
      authorizer([open, peers(mode(name), 'shop', 'pa')]).decide(request)
    expect(decide('STRICT', get)).toMatchObject({ allowed: false, rule: 'shop/pa' })
    expect(decide('STRICT', { ...get, principal: 'not an id' }).allowed).toBe(false)
    expect(decide('STRICT', { ...get, principal: api }).allowed).toBe(true)
    expect(decide('PERMISSIVE', get).allowed).toBe(true)
    expect(decide('DISABLE', get).allowed).toBe(true)
  })
})

describe('what is refused, with its place', () => {
  const rule = (part: object): object => policy({ rules: [part] })
  const table: readonly (readonly [string, unknown, string])[] = [
    ['CUSTOM', policy({ action: 'CUSTOM', provider: { name: 'x' } }), '.spec.action: CUSTOM'],
    ['a provider', policy({ provider: { name: 'x' } }), '.spec.action: CUSTOM'],
    ['an unknown action', policy({ action: 'LOG' }), '.spec.action'],
    ['CUSTOM alone', policy({ action: 'CUSTOM' }), '.spec.action: CUSTOM'],
    ['targetRefs', policy({ targetRefs: [] }), '.spec.targetRefs: applies to gateways'],
    ['a targetRef', policy({ targetRef: {} }), '.spec.targetRef: applies to gateways'],
    ['no version', { ...policy({}), apiVersion: undefined }, '.apiVersion: has no value'],
    [
      'no key of a version',
      { kind: 'AuthorizationPolicy', metadata: { name: 'a' } },
      'apiVersion is missing',
    ],
    ['a label that is a number', policy({ selector: { matchLabels: { app: 7 } } }), '.matchLabels.app'],
    ['a label without a name', policy({ selector: { matchLabels: { '': 'a' } } }), '.matchLabels.: expected'],
    [
      'a port of portLevelMtls beyond',
      peers({ selector: { matchLabels: { a: 'b' } }, portLevelMtls: { 65536: { mode: 'STRICT' } } }),
      '.portLevelMtls.65536',
    ],
    ['an unknown field of spec', policy({ rule: [] }), '.spec.rule'],
    ['an unknown field of a rule', rule({ form: [] }), '.spec.rules[0].form'],
    [
      'an unknown field of a source',
      rule(source({ principal: ['x'] })),
      '.spec.rules[0].from[0].source.principal',
    ],
    [
      'an unknown field of an operation',
      rule(operation({ path: ['x'] })),
      '.spec.rules[0].to[0].operation.path',
    ],
    [
      'an unknown field beside source',
      rule({ from: [{ source: { namespaces: ['a'] }, x: 1 }] }),
      '.from[0].x',
    ],
    [
      'an unknown field of a condition',
      rule({ when: [{ key: 'source.ip', values: ['1.1.1.1'], value: 1 }] }),
      '.when[0].value',
    ],
    ['an unknown key', rule(when('request.header[a]', ['x'])), '.when[0].key'],
    ['a key of Envoy', rule(when('experimental.envoy.filters.a[b]', ['x'])), '.when[0].key'],
    ['a condition without values', rule(when('source.ip')), '.when[0]: values or notValues is missing'],
    ['an empty source', rule(source({})), '.source: is empty'],
    ['an empty operation', rule(operation({})), '.operation: is empty'],
    ['an empty from', rule({ from: [] }), '.from: is an empty list'],
    ['an empty list', rule(source({ principals: [] })), '.principals: is an empty list'],
    ['an empty text', rule(source({ principals: [''] })), '.principals[0]'],
    ['a number', rule(operation({ ports: [80] })), '.ports[0]'],
    ['a port beyond', rule(operation({ ports: ['65536'] })), '.ports[0]'],
    ['port 0', rule(operation({ ports: ['0'] })), '.ports[0]'],
    ['a * inside', rule(source({ principals: ['a*b'] })), '.principals[0]'],
    ['two *', rule(source({ principals: ['*a*'] })), '.principals[0]'],
    ['no network', rule(source({ ipBlocks: ['10.0.0.0/33'] })), '.ipBlocks[0]'],
    ['no network of a condition', rule(when('source.ip', ['x'])), '.values[0]'],
    [
      'serviceAccounts beside namespaces',
      rule(source({ serviceAccounts: ['a/b'], namespaces: ['a'] })),
      '.serviceAccounts',
    ],
    ['a wildcard in a label', policy({ selector: { matchLabels: { app: '*' } } }), '.matchLabels.app'],
    ['an unknown selector', policy({ selector: { labels: {} } }), '.selector.labels'],
    ['a mode', peers({ mtls: { mode: 'strict' } }), '.mtls.mode'],
    ['ports without a selector', peers({ portLevelMtls: { 80: { mode: 'STRICT' } } }), '.portLevelMtls'],
    [
      'a port of portLevelMtls',
      peers({ selector: { matchLabels: { a: 'b' } }, portLevelMtls: { http: { mode: 'STRICT' } } }),
      '.portLevelMtls.http',
    ],
    ['another kind', { ...policy({}), kind: 'RequestAuthentication' }, '.kind'],
    ['another version', { ...policy({}), apiVersion: 'v1' }, '.apiVersion'],
    [
      'no metadata',
      { kind: 'AuthorizationPolicy', apiVersion: 'security.istio.io/v1' },
      'metadata is missing',
    ],
    ['no name', { ...policy({}), metadata: {} }, 'name is missing'],
    [
      'an unknown field of metadata',
      { ...policy({}), metadata: { name: 'a', nmespace: 'b' } },
      '.metadata.nmespace',
    ],
    ['null', null, 'expected an object'],
    ['a rule that is null', policy({ rules: [null] }), '.rules[0]'],
    ['spec that is null', { ...policy({}), spec: null }, '.spec'],
  ]
  it.each(table)('%s', (_, resource, place) => {
    const make = (): unknown => authorizer([policy({ rules: [{}] }), resource as object])
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_POLICY_INVALID' }))
    expect(make).toThrow(place)
    expect(make).toThrow('policy[1]')
  })

  it.each([{}, null, undefined, 'text', { length: 0 }])('resources that are %j', (resources) => {
    expect(() => authorizer(resources as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })

  it('a policy that is for others is checked too', () => {
    expect(() => authorizer([policy({ rules: [{ form: [] }] }, 'elsewhere')])).toThrow('form')
  })
  it.each([
    [{ workload: {} }],
    [{ workload: { namespace: '' } }],
    [{ workload: { namespace: 'a', labels: { a: 1 } } }],
    [{ pathNormalization: 'all' }],
    [{ trustDomain: 'No' }],
    [{ extra: 1 }],
  ])('option %j', (options) => {
    expect(() => authorizer([], options as never)).toThrow(expect.objectContaining({ name: 'PkiError' }))
  })
})
