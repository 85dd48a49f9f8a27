// The published JSON Schema of authorization files and the reader take the same documents.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Authorizer } from '../../../src/policy/index.ts'
import { code } from '../../support/codes.ts'
import { isValid } from '../../support/json-schema.ts'

const schema = JSON.parse(
  readFileSync(new URL('../../../docs/authorization.schema.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, unknown>>

const options = { workload: { namespace: 'shop', labels: {} }, trustDomain: 'example.org' }
const read = (document: unknown): Authorizer => new Authorizer([document], options)

const policy = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'readers', namespace: 'shop' },
}
const peers = {
  apiVersion: 'security.istio.io/v1beta1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default' },
}
const withSpec = (spec: unknown): object => ({ ...policy, spec })
const withRule = (rule: unknown): object => withSpec({ rules: [rule] })
const source = (fields: unknown): object => withRule({ from: [{ source: fields }] })
const operation = (fields: unknown): object => withRule({ to: [{ operation: fields }] })
const condition = (fields: unknown): object => withRule({ when: [fields] })
const texts = ['a', 'b*', '*c', '*']
const negated = (name: string): string => `not${name.charAt(0).toUpperCase()}${name.slice(1)}`
const bothOf = (names: readonly string[]): string[] => names.flatMap((name) => [name, negated(name)])

const taken: readonly (readonly [string, object])[] = [
  ['a policy without spec', policy],
  [
    'metadata as kubectl prints it',
    { ...policy, metadata: { name: 'a', uid: 'x', labels: { a: 'b' } }, status: {} },
  ],
  ['a selector', withSpec({ selector: { matchLabels: { app: 'orders', empty: '' } }, action: 'DENY' })],
  ['an empty selector', withSpec({ selector: {} })],
  ['no rule', withSpec({ rules: [] })],
  ['a rule for everything', withRule({})],
  ['an empty list of conditions', withRule({ when: [] })],
  ...bothOf(['principals', 'requestPrincipals', 'namespaces']).map(
    (name) => [`source.${name}`, source({ [name]: texts })] as const,
  ),
  ...bothOf(['serviceAccounts']).map(
    (name) => [`source.${name}`, source({ [name]: ['a', 'b*', '*', 'c/d', '*/d', 'c/*'] })] as const,
  ),
  ...bothOf(['ipBlocks', 'remoteIpBlocks']).map(
    (name) => [`source.${name}`, source({ [name]: ['10.0.0.0/8', '192.0.2.1', 'fd00::/8'] })] as const,
  ),
  ...bothOf(['hosts', 'methods']).map((name) => [`operation.${name}`, operation({ [name]: texts })] as const),
  ...bothOf(['paths']).map(
    (name) => [`operation.${name}`, operation({ [name]: ['/a/{*}/b/{**}', '/x*'] })] as const,
  ),
  ...bothOf(['ports']).map((name) => [`operation.${name}`, operation({ [name]: ['80', '65535'] })] as const),
  ...[
    'source.namespace',
    'source.principal',
    'source.serviceAccount',
    'connection.sni',
    'request.auth.principal',
    'request.auth.audiences',
    'request.auth.presenter',
    'request.auth.claims[iss]',
    'request.auth.claims[realm][roles]',
    'request.headers[x-team]',
    'request.headers[:path]',
  ].map((key) => [key, condition({ key, values: ['a'], notValues: ['b'] })] as const),
  ...['source.ip', 'remote.ip', 'destination.ip'].map(
    (key) => [key, condition({ key, notValues: ['10.0.0.0/8'] })] as const,
  ),
  ['destination.port', condition({ key: 'destination.port', values: ['443'] })],
  ['modes', { ...peers, spec: { mtls: { mode: 'STRICT' } } }],
  [
    'modes by port',
    {
      ...peers,
      spec: { selector: { matchLabels: { a: 'b' } }, portLevelMtls: { 8080: { mode: 'UNSET' }, 1: {} } },
    },
  ],
]

const refused: readonly (readonly [string, unknown])[] = [
  ['a list', []],
  ['no kind', { apiVersion: 'security.istio.io/v1', metadata: { name: 'a' } }],
  ['another kind', { ...policy, kind: 'Gateway' }],
  ['another version', { ...policy, apiVersion: 'v1' }],
  ['no metadata', { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' }],
  ['a name that is none', { ...policy, metadata: { name: 'A b' } }],
  ['an unknown key of metadata', { ...policy, metadata: { name: 'a', nam: 'b' } }],
  ['an unknown key', { ...policy, sepc: {} }],
  ['an unknown key of spec', withSpec({ rule: [] })],
  ['CUSTOM', withSpec({ action: 'CUSTOM' })],
  ['a provider', withSpec({ provider: { name: 'a' } })],
  ['targetRefs', withSpec({ targetRefs: [] })],
  ['mtls of an AuthorizationPolicy', withSpec({ mtls: {} })],
  ['a label with *', withSpec({ selector: { matchLabels: { app: 'a*' } } })],
  ['matchExpressions', withSpec({ selector: { matchExpressions: [] } })],
  ['an unknown key of a rule', withRule({ form: [] })],
  ['an empty from', withRule({ from: [] })],
  ['an empty to', withRule({ to: [] })],
  ['from without source', withRule({ from: [{}] })],
  ['an empty source', source({})],
  ['an unknown field of a source', source({ principal: ['a'] })],
  ['an empty list', source({ principals: [] })],
  ['a number', source({ namespaces: [1] })],
  ['an empty text', source({ namespaces: [''] })],
  ['* in the middle', source({ principals: ['a*b'] })],
  ['a service account that ends with a name', source({ serviceAccounts: ['*c'] })],
  ['serviceAccounts beside namespaces', source({ serviceAccounts: ['a'], namespaces: ['b'] })],
  ['a network that is none', source({ ipBlocks: ['10.0.0.0/x'] })],
  ['an empty operation', operation({})],
  ['an unknown field of an operation', operation({ method: ['GET'] })],
  ['a port as a number', operation({ ports: [80] })],
  ['a port that is none', operation({ ports: ['http'] })],
  ['a condition without key', condition({ values: ['a'] })],
  ['a condition without values', condition({ key: 'source.ip' })],
  ['an unknown condition', condition({ key: 'source.port', values: ['1'] })],
  ['a header without name', condition({ key: 'request.headers[]', values: ['1'] })],
  ['an unknown key of a condition', condition({ key: 'source.ip', values: ['10.0.0.1'], value: [] })],
  ['an unknown mode', { ...peers, spec: { mtls: { mode: 'strict' } } }],
  ['an unknown key of mtls', { ...peers, spec: { mtls: { modes: 'STRICT' } } }],
  [
    'a port of PeerAuthentication',
    { ...peers, spec: { selector: { matchLabels: { a: 'b' } }, portLevelMtls: { http: {} } } },
  ],
  ['rules of a PeerAuthentication', { ...peers, spec: { rules: [] } }],
]

describe('docs/authorization.schema.json and the reader', () => {
  it.each(taken)('take %s', (_, document) => {
    expect(() => read(document)).not.toThrow()
    expect(isValid(schema, document)).toBe(true)
    expect(isValid(schema, { apiVersion: 'v1', kind: 'List', metadata: {}, items: [document] })).toBe(true)
  })

  it.each(refused)('refuse %s', (_, document) => {
    expect(() => read(document)).toThrow(code('ERR_POLICY_INVALID'))
    expect(isValid(schema, document)).toBe(false)
    expect(isValid(schema, { apiVersion: 'v1', kind: 'List', items: [document] })).toBe(false)
  })

  it('name the same keys: the reader names them all for an unknown key', () => {
    const defs = schema['$defs'] as Readonly<
      Record<string, { readonly properties: Readonly<Record<string, object>> }>
    >
    const specOf = (kind: string): string[] =>
      Object.keys((defs[kind]!.properties['spec'] as (typeof defs)[string]).properties)
    const labels = { selector: { matchLabels: { a: 'b' } } }
    const cases: readonly (readonly [object, readonly string[]])[] = [
      [{ ...policy, x: 1 }, Object.keys(defs['authorizationPolicy']!.properties)],
      [{ ...peers, x: 1 }, Object.keys(defs['peerAuthentication']!.properties)],
      [{ ...policy, metadata: { name: 'a', x: 1 } }, Object.keys(defs['metadata']!.properties)],
      [withSpec({ x: 1 }), specOf('authorizationPolicy')],
      [{ ...peers, spec: { ...labels, x: 1 } }, specOf('peerAuthentication')],
      [withSpec({ selector: { x: 1 } }), Object.keys(defs['selector']!.properties)],
      [{ ...peers, spec: { mtls: { x: 1 } } }, Object.keys(defs['mtls']!.properties)],
      [withRule({ x: 1 }), Object.keys(defs['rule']!.properties)],
      [source({ x: 1 }), Object.keys(defs['source']!.properties)],
      [operation({ x: 1 }), Object.keys(defs['operation']!.properties)],
      [
        condition({ key: 'source.ip', values: ['10.0.0.1'], x: 1 }),
        Object.keys(defs['condition']!.properties),
      ],
    ]
    for (const [document, keys] of cases) expect(keysNamedFor(document)).toEqual([...keys].toSorted())
  })
})

function keysNamedFor(document: object): string[] {
  try {
    read(document)
  } catch (error) {
    const [, keys] = /expected one of (.*)$/.exec((error as Error).message) ?? []
    if (keys !== undefined) return keys.split(', ').toSorted()
  }
  throw new Error('the reader took an unknown key')
}
