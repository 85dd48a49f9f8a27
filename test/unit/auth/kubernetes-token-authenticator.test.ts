// Service account tokens verified locally: projected and legacy ones, of several clusters.

import { describe, expect, it } from 'vitest'
import { KubernetesTokenAuthenticator, requireCaller } from '../../../src/auth/index.ts'
import type { KubernetesTokenAuthenticatorOptions } from '../../../src/auth/kubernetes/kubernetes-token-authenticator.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { jwkSet, makeToken, requestWith, testNow, tokenKey } from '../../support/tokens.ts'
import type { TokenKey } from '../../support/tokens.ts'

const one = tokenKey('one')
const two = tokenKey('two')
const issuer = 'https://kubernetes.default.svc.cluster.local'
const uid = '49ad8d4d-8d2a-4a1c-a0d5-6f3f9c2b1a00'
const projected = {
  iss: issuer,
  aud: ['istio-ca'],
  sub: 'system:serviceaccount:prod:api',
  iat: testNow - 10,
  nbf: testNow - 10,
  exp: testNow + 3_600,
  jti: '8f1c',
  'kubernetes.io': {
    namespace: 'prod',
    node: { name: 'node-1', uid: 'n-uid' },
    pod: { name: 'api-7d9f', uid },
    serviceaccount: { name: 'api', uid: 'sa-uid' },
  },
}
const legacy = {
  iss: 'kubernetes/serviceaccount',
  'kubernetes.io/serviceaccount/namespace': 'prod',
  'kubernetes.io/serviceaccount/secret.name': 'api-token-x7',
  'kubernetes.io/serviceaccount/service-account.name': 'api',
  'kubernetes.io/serviceaccount/service-account.uid': 'sa-uid',
  sub: 'system:serviceaccount:prod:api',
}

function authenticator(
  options: Partial<KubernetesTokenAuthenticatorOptions> = {},
): KubernetesTokenAuthenticator {
  return new KubernetesTokenAuthenticator({
    trustDomain: 'cluster.local',
    audience: 'istio-ca',
    clusters: [{ name: 'one', aliases: ['primary'], issuer, jwks: jwkSet(one) }],
    clock: new FakeClock(),
    ...options,
  })
}

const ask = (
  which: KubernetesTokenAuthenticator,
  claims: object,
  clusterid: string | string[] = [],
  key: TokenKey = one,
) => requireCaller(which, requestWith({ authorization: `Bearer ${makeToken(key, claims)}`, clusterid }))

describe('a projected token', () => {
  it('tells namespace, service account, pod, node and cluster', async () => {
    const caller = await ask(authenticator({ requirePod: true }), projected)
    expect(caller.identities.map(String)).toEqual(['spiffe://cluster.local/ns/prod/sa/api'])
    expect(caller).toMatchObject({
      credential: 'kubernetes-jwt',
      kubernetes: {
        namespace: 'prod',
        serviceAccount: 'api',
        podName: 'api-7d9f',
        podUid: uid,
        nodeName: 'node-1',
        cluster: 'one',
      },
    })
  })

  const bound = projected['kubernetes.io']
  it.each([
    ['another namespace in sub', { sub: 'system:serviceaccount:kube-system:api' }],
    ['another account in sub', { sub: 'system:serviceaccount:prod:admin' }],
    ['a short sub', { sub: 'system:serviceaccount' }],
    ['three parts', { sub: 'system:serviceaccount:prod' }],
    ['five parts', { sub: 'system:serviceaccount:prod:api:x' }],
    ['a user', { sub: 'admin' }],
    ['a node', { sub: 'system:node:node-1' }],
    ['no bound objects', { 'kubernetes.io': undefined }],
    ['null bound objects', { 'kubernetes.io': null }],
    ['a list of bound objects', { 'kubernetes.io': [bound] }],
    ['a pod without UID', { 'kubernetes.io': { ...bound, pod: { name: 'api-7d9f' } } }],
    ['a null pod', { 'kubernetes.io': { ...bound, pod: null } }],
    ['a pod with another type', { 'kubernetes.io': { ...bound, pod: 'api-7d9f' } }],
    ['a null UID', { 'kubernetes.io': { ...bound, pod: { name: 'api-7d9f', uid: null } } }],
    ['a null node', { 'kubernetes.io': { ...bound, node: null } }],
    ['a pod name with a slash', { 'kubernetes.io': { ...bound, pod: { name: 'a/b', uid } } }],
    ['a UID with a slash', { 'kubernetes.io': { ...bound, pod: { name: 'api-7d9f', uid: 'a/b' } } }],
    ['an empty UID', { 'kubernetes.io': { ...bound, pod: { name: 'api-7d9f', uid: '' } } }],
    [
      'a namespace in capitals',
      { sub: 'system:serviceaccount:PROD:api', 'kubernetes.io': { ...bound, namespace: 'PROD' } },
    ],
    ['no pod', { 'kubernetes.io': { ...bound, pod: undefined } }],
    ['no exp', { exp: undefined }],
    ['the audience of the API server', { aud: [issuer] }],
    ['no audience', { aud: undefined }],
    ['an audience that is null', { aud: null }],
    ['an audience with null in it', { aud: ['istio-ca', null] }],
  ])('with %s is refused', async (_, claims) => {
    await expect(ask(authenticator({ requirePod: true }), { ...projected, ...claims })).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
  })

  it('without a pod is accepted where none is required', async () => {
    const caller = await ask(authenticator(), {
      ...projected,
      'kubernetes.io': { ...bound, pod: undefined, node: undefined },
    })
    expect(caller.kubernetes).toEqual({ namespace: 'prod', serviceAccount: 'api', cluster: 'one' })
  })
})

describe('clusters', () => {
  const both = authenticator({
    clusters: [
      { name: 'one', aliases: ['primary'], issuer, jwks: jwkSet(one) },
      { name: 'two', issuer: 'https://two.example', jwks: jwkSet(two) },
    ],
  })
  const ofTwo = { ...projected, iss: 'https://two.example' }

  it.each([
    [projected, one, [], 'one'],
    [projected, one, 'one', 'one'],
    [projected, one, 'primary', 'one'],
    [projected, one, '', 'one'],
    [ofTwo, two, 'two', 'two'],
    [ofTwo, two, [], 'two'],
    [projected, one, 'two', 'ERR_CREDENTIAL_INVALID'],
    [projected, one, 'three', 'ERR_CREDENTIAL_INVALID'],
    [projected, one, 'ONE', 'ERR_CREDENTIAL_INVALID'],
    [projected, one, ['one', 'one'], 'ERR_CREDENTIAL_INVALID'],
    [projected, two, [], 'ERR_CREDENTIAL_INVALID'],
    [ofTwo, one, 'two', 'ERR_CREDENTIAL_INVALID'],
    [{ ...projected, iss: 'https://three.example' }, one, [], 'ERR_CREDENTIAL_MISSING'],
  ])('case %#', async (claims, key, clusterid, expected) => {
    const answer = ask(both, claims, clusterid, key)
    if (expected.startsWith('ERR')) await expect(answer).rejects.toThrow(code(expected))
    else expect((await answer).kubernetes?.cluster).toBe(expected)
  })

  it('with one issuer are told apart by clusterid alone', async () => {
    const same = authenticator({
      clusters: [
        { name: 'one', issuer, jwks: jwkSet(one) },
        { name: 'two', issuer, jwks: jwkSet(two) },
      ],
    })
    expect((await ask(same, projected, 'one')).kubernetes?.cluster).toBe('one')
    expect((await ask(same, projected, 'two', two)).kubernetes?.cluster).toBe('two')
    for (const clusterid of [[], 'two'])
      await expect(ask(same, projected, clusterid)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })
})

describe('a legacy token', () => {
  const taking = authenticator({
    clusters: [{ name: 'one', issuer, jwks: jwkSet(one), dangerouslyAcceptLegacyTokens: true }],
  })

  it('is no credential unless it is asked for', async () => {
    await expect(ask(authenticator(), legacy)).rejects.toThrow(code('ERR_CREDENTIAL_MISSING'))
    expect((await ask(taking, legacy)).kubernetes).toEqual({
      namespace: 'prod',
      serviceAccount: 'api',
      cluster: 'one',
    })
  })

  it.each([
    { sub: 'system:serviceaccount:prod:admin' },
    { 'kubernetes.io/serviceaccount/namespace': 'kube-system' },
    { 'kubernetes.io/serviceaccount/service-account.name': null },
    { exp: testNow - 100 },
    { nbf: testNow + 100 },
  ])('with %j is refused', async (claims) => {
    await expect(ask(taking, { ...legacy, ...claims })).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })
})

it.each([
  { clusters: [] },
  { clusters: [{ name: '', issuer }] },
  { clusters: [{ name: 'a', issuer: '' }] },
  { clusters: [{ name: 'a', issuer: 'kubernetes/serviceaccount' }] },
  {
    clusters: [
      { name: 'a', issuer },
      { name: 'b', aliases: ['a'], issuer },
    ],
  },
  { audience: '' },
  { audience: [] },
  { audience: undefined },
  { maxTokenAgeSeconds: 0 },
  { requirePod: undefined },
])('the options %j are refused', (options) => {
  expect(() => authenticator(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
})
