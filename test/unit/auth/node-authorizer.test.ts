// Impersonation by node agents: each condition alone refuses, two clusters are kept apart, an old index says
// "not yet".

import { describe, expect, it } from 'vitest'
import { createMemoryPodIndex, createNodeAuthorizer } from '../../../src/auth/index.ts'
import type { Caller } from '../../../src/auth/index.ts'
import type { IndexedPod } from '../../../src/auth/kubernetes/pod-index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'

const ztunnel: IndexedPod = {
  namespace: 'istio-system',
  name: 'ztunnel-a',
  uid: 'uid-a',
  serviceAccount: 'ztunnel',
  nodeName: 'node-1',
  phase: 'Running',
}
const api: IndexedPod = {
  namespace: 'prod',
  name: 'api-1',
  uid: 'uid-api',
  serviceAccount: 'api',
  nodeName: 'node-1',
  phase: 'Running',
}
const wanted = 'spiffe://cluster.local/ns/prod/sa/api'
const agent: Caller = {
  identities: [SpiffeId.parse('spiffe://cluster.local/ns/istio-system/sa/ztunnel')],
  credential: 'kubernetes-jwt',
  claims: { jti: 'x' },
  kubernetes: {
    namespace: 'istio-system',
    serviceAccount: 'ztunnel',
    podName: 'ztunnel-a',
    podUid: 'uid-a',
    nodeName: 'node-1',
    cluster: 'one',
  },
}

function setUp(pods: readonly IndexedPod[] = [ztunnel, api], options: object = {}) {
  const clock = new FakeClock()
  const index = createMemoryPodIndex()
  index.replace('one', pods, new Date(clock.now()))
  const lines: Record<string, unknown>[] = []
  const ignore = (): void => undefined
  const authorizer = createNodeAuthorizer({
    trustDomain: 'cluster.local',
    trustedNodeAccounts: ['istio-system/ztunnel'],
    pods: index,
    clock,
    logger: { debug: ignore, info: ignore, error: ignore, warn: (fields) => lines.push(fields) },
    ...options,
  })
  return { clock, index, lines, authorizer }
}
const as = (change: object): Caller => ({
  ...agent,
  kubernetes: { ...agent.kubernetes!, ...change },
})

describe('a node agent', () => {
  it('is given the identity of a pod on its node', async () => {
    const { authorizer, lines } = setUp()
    const caller = await authorizer.authorize(agent, wanted)
    expect(caller.identities.map(String)).toEqual([wanted])
    expect(caller.claims).toMatchObject({ nodeName: 'node-1', impersonatedBy: agent.identities.map(String) })
    expect(lines).toEqual([])
  })

  it.each<[string, Caller, string, readonly IndexedPod[]]>([
    ['a client certificate', { ...agent, kubernetes: undefined, credential: 'x509' }, wanted, [ztunnel, api]],
    ['a token without a pod', as({ podName: undefined, podUid: undefined }), wanted, [ztunnel, api]],
    ['a token with the name of a pod alone', as({ podUid: undefined }), wanted, [ztunnel, api]],
    ['a token with the UID of a pod alone', as({ podName: undefined }), wanted, [ztunnel, api]],
    [
      'another account, with a pod of its own on the node',
      as({ namespace: 'prod', serviceAccount: 'api', podName: 'api-1', podUid: 'uid-api' }),
      wanted,
      [ztunnel, api],
    ],
    [
      'a pod that is on no node, as the wanted one',
      as({ nodeName: undefined }),
      wanted,
      [
        { ...ztunnel, nodeName: undefined },
        { ...api, nodeName: undefined },
      ],
    ],
    ['a token without a UID', as({ podUid: undefined }), wanted, [ztunnel, api]],
    ['a token without a cluster', as({ cluster: undefined }), wanted, [ztunnel, api]],
    ['another account', as({ serviceAccount: 'api' }), wanted, [ztunnel, api]],
    ['the account in another namespace', as({ namespace: 'prod' }), wanted, [ztunnel, api]],
    ['a pod that is not there', as({ podName: 'ztunnel-b' }), wanted, [ztunnel, api]],
    ['a pod of another UID', as({ podUid: 'uid-old' }), wanted, [ztunnel, api]],
    ['a pod under another account', agent, wanted, [{ ...ztunnel, serviceAccount: 'other' }, api]],
    ['a pod that has failed', agent, wanted, [{ ...ztunnel, phase: 'Failed' }, api]],
    ['a pod that is done', agent, wanted, [{ ...ztunnel, phase: 'Succeeded' }, api]],
    ['a pod on no node', agent, wanted, [{ ...ztunnel, nodeName: undefined }, api]],
    ['a token of another node', as({ nodeName: 'node-2' }), wanted, [ztunnel, api]],
    ['a pod on another node', agent, wanted, [ztunnel, { ...api, nodeName: 'node-2' }]],
    ['a pod that is not scheduled', agent, wanted, [ztunnel, { ...api, nodeName: undefined }]],
    ['a pod that is over', agent, wanted, [ztunnel, { ...api, phase: 'Failed' }]],
    ['a pod that is done', agent, wanted, [ztunnel, { ...api, phase: 'Succeeded' }]],
    ['no pod', agent, wanted, [ztunnel]],
    ['another account of the pod', agent, 'spiffe://cluster.local/ns/prod/sa/admin', [ztunnel, api]],
    ['another namespace of the pod', agent, 'spiffe://cluster.local/ns/dev/sa/api', [ztunnel, api]],
    ['another trust domain', agent, 'spiffe://other.local/ns/prod/sa/api', [ztunnel, api]],
    ['another path', agent, 'spiffe://cluster.local/ns/prod/sa/api/x', [ztunnel, api]],
    ['no SPIFFE ID', agent, 'prod/api', [ztunnel, api]],
    ['two identities in one text', agent, `${wanted},${wanted}`, [ztunnel, api]],
    ['null', agent, null as unknown as string, [ztunnel, api]],
  ])('%s: refused, in one line that says who, for whom, against what', async (_, caller, identity, pods) => {
    const { authorizer, lines } = setUp(pods)
    await expect(authorizer.authorize(caller, identity)).rejects.toThrow(code('ERR_IMPERSONATION_DENIED'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      code: 'ERR_IMPERSONATION_DENIED',
      by: agent.identities.map(String),
      wanted: identity === null ? 'object' : identity,
      trustedNodeAccounts: ['istio-system/ztunnel'],
      reason: expect.any(String),
    })
  })

  it('on no node gets nothing, whatever a foreign index says is there', async () => {
    const nowhere = { nodeName: undefined }
    const pods = {
      syncedAt: () => new FakeClock().now(),
      pod: () => ({ ...ztunnel, ...nowhere }),
      podsOnNode: () => [{ ...api, ...nowhere }],
    }
    const { authorizer, lines } = setUp([], { pods })
    await expect(authorizer.authorize(as(nowhere), wanted)).rejects.toThrow(code('ERR_IMPERSONATION_DENIED'))
    expect(lines).toEqual([expect.objectContaining({ reason: expect.stringContaining('not scheduled') })])
  })

  it('of one cluster gets nothing of another with the same names', async () => {
    const { authorizer, index, clock } = setUp([ztunnel])
    index.replace('two', [ztunnel, api], new Date(clock.now()))
    await expect(authorizer.authorize(agent, wanted)).rejects.toThrow(code('ERR_IMPERSONATION_DENIED'))
    expect((await authorizer.authorize(as({ cluster: 'two' }), wanted)).identities.join()).toBe(wanted)
  })

  it('is told to come back while the index is not in step', async () => {
    const { authorizer, index, clock, lines } = setUp()
    clock.advance(30_001)
    await expect(authorizer.authorize(agent, wanted)).rejects.toThrow(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
    await expect(authorizer.authorize(as({ cluster: 'three' }), wanted)).rejects.toThrow(
      code('ERR_AUTHENTICATOR_UNAVAILABLE'),
    )
    expect(lines).toHaveLength(2)
    index.markSynced('one', new Date(clock.now()))
    expect((await authorizer.authorize(agent, wanted)).identities.join()).toBe(wanted)
  })

  it.each([
    { trustedNodeAccounts: [] },
    { trustedNodeAccounts: [''] },
    { trustedNodeAccounts: ['ztunnel'] },
    { trustedNodeAccounts: ['a/b/c'] },
    { trustedNodeAccounts: ['*/ztunnel'] },
    { trustedNodeAccounts: undefined },
    { pods: {} },
    { maxIndexAgeSeconds: Number.NaN },
    { maxIndexAgeSeconds: undefined },
  ])('the options %j are refused', (options) => {
    expect(() => setUp([], options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('the pod index in memory', () => {
  it('follows events: a pod that moves, a later pod of the same name, a late deletion', () => {
    const { index } = setUp()
    const on = (node: string) => index.podsOnNode('one', node, 'prod', 'api').map(({ uid }) => uid)
    index.set('one', { ...api, uid: 'uid-new', nodeName: 'node-2' })
    expect([on('node-1'), on('node-2')]).toEqual([[], ['uid-new']])
    index.delete('one', api)
    expect(on('node-2')).toEqual(['uid-new'])
    index.delete('one', { ...api, uid: 'uid-new' })
    expect(on('node-2')).toEqual([])
    expect(index.pod('one', 'prod', 'api-1')).toBeUndefined()
  })

  it('has a limit, and takes no pod that is none', () => {
    const index = createMemoryPodIndex({ maxPods: 2 })
    index.replace('one', [ztunnel, api], new Date())
    index.set('one', { ...api, phase: 'Failed' })
    expect(() => index.set('two', api)).toThrow(code('ERR_LIMIT_EXCEEDED'))
    expect(() => index.replace('two', [api], new Date())).toThrow(code('ERR_LIMIT_EXCEEDED'))
    index.delete('one', api)
    index.set('two', api)
    for (const change of [
      { uid: '' },
      { phase: 'Gone' },
      { name: 'a/b' },
      { nodeName: 'a/b' },
      { namespace: null },
    ])
      expect(() => index.set('one', { ...api, ...change } as IndexedPod)).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    expect(() => index.markSynced('one', new Date(Number.NaN))).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
