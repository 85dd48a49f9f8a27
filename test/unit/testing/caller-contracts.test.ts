// The suites of what decides about callers: attestors, impersonation authorizers and pod indexes.

import { describe, expect, it } from 'vitest'
import type { ImpersonationAuthorizer } from '../../../src/adapters/grpc/index.ts'
import type { Attestor } from '../../../src/adapters/grpc/sds/index.ts'
import { createMemoryPodIndex, createNodeAuthorizer } from '../../../src/auth/index.ts'
import type { AuthenticationRequest, Caller, PodIndex } from '../../../src/auth/index.ts'
import type { SecretSource } from '../../../src/secrets/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { contracts } from '../../../src/testing/index.ts'
import { failingCases, itKeeps } from '../../support/contract.ts'

type PodLists = Parameters<Parameters<typeof contracts.PodIndex>[0]['open']>[0]
type Pod = PodLists[string][number]

function memoryIndex(clusters: PodLists) {
  const index = createMemoryPodIndex()
  for (const [cluster, pods] of Object.entries(clusters))
    index.replace(cluster, pods, new Date('2026-11-30T12:00:00Z'))
  return index
}

const served: SecretSource = {
  get: () => Promise.reject(new Error('the suite asks for no secret')),
  async *watch() {},
}
const whoIs = (name: string): Partial<AuthenticationRequest> => ({
  header: (header) => (header === 'who' ? [name] : []),
})
const known = [whoIs('api'), whoIs('orders')]
const callers = { known, unknown: [whoIs('eve'), {}] }
const isKnown = ({ header }: AuthenticationRequest): boolean =>
  ['api', 'orders'].includes(header('who')[0] ?? '')
const byHeader: Attestor<SecretSource> = {
  name: 'by header',
  attest: async (call: AuthenticationRequest) => (isKnown(call) ? served : undefined),
}

const wanted = 'spiffe://cluster.local/ns/prod/sa/api'
const agent: Caller = {
  identities: [SpiffeId.parse('spiffe://cluster.local/ns/istio-system/sa/ztunnel')],
  credential: 'kubernetes-jwt',
  claims: {},
  kubernetes: {
    namespace: 'istio-system',
    serviceAccount: 'ztunnel',
    podName: 'ztunnel-a',
    podUid: 'uid-a',
    cluster: 'one',
  },
}
const ztunnel: Pod = {
  namespace: 'istio-system',
  name: 'ztunnel-a',
  uid: 'uid-a',
  serviceAccount: 'ztunnel',
  nodeName: 'node-1',
  phase: 'Running',
}
const api: Pod = { ...ztunnel, namespace: 'prod', name: 'api-1', uid: 'uid-api', serviceAccount: 'api' }
const stranger: Caller = { ...agent, kubernetes: undefined, credential: 'x509' }
const requests = {
  allowed: [agent, wanted],
  refused: [
    [agent, 'spiffe://cluster.local/ns/prod/sa/orders'],
    [stranger, wanted],
  ],
} as const
const synchronizedIndex = createMemoryPodIndex()
synchronizedIndex.replace('one', [ztunnel, api], new Date())
const nodeAuthorizer: ImpersonationAuthorizer = createNodeAuthorizer({
  trustDomain: 'cluster.local',
  trustedNodeAccounts: ['istio-system/ztunnel'],
  pods: synchronizedIndex,
  maxIndexAgeSeconds: 86_400,
})

describe('Attestor: by header', () => itKeeps(contracts.Attestor({ open: () => byHeader, ...callers })))
describe('ImpersonationAuthorizer: of nodes', () =>
  itKeeps(contracts.ImpersonationAuthorizer({ open: () => nodeAuthorizer, ...requests })))
describe('PodIndex: in memory', () => itKeeps(contracts.PodIndex({ open: memoryIndex })))

it.each<[string, (call: AuthenticationRequest) => unknown, string, string?]>([
  ['without a name', byHeader.attest, 'has a name', ' '],
  ['that answers at once', () => served, 'resolves to the source of each known caller, at each call'],
  [
    'that gives no source',
    async (call) => isKnown(call) || undefined,
    'resolves to the source of each known',
  ],
  ['that serves everybody', async () => served, 'resolves to undefined for a caller without an identity'],
  [
    'that throws for an unknown caller',
    (call) => (isKnown(call) ? Promise.resolve(served) : Promise.reject(new Error('unknown'))),
    'resolves to undefined for a caller without an identity here',
  ],
])('an attestor %s fails', async (_what, attest, name, named = 'a') => {
  const attestor = { name: named, attest } as never
  const failed = await failingCases(contracts.Attestor({ open: () => attestor, ...callers }))
  expect(failed).toContainEqual(expect.stringContaining(name))
})

it('an attestor that mixes up concurrent calls fails', async () => {
  let last: AuthenticationRequest
  const open = () => ({
    name: 'mixed up',
    attest: async (call: AuthenticationRequest) => {
      last = call
      await Promise.resolve()
      return isKnown(last) ? served : undefined
    },
  })
  expect(await failingCases(contracts.Attestor({ open, ...callers }))).toEqual([
    'attests each of many concurrent calls separately',
  ])
})

const become = (caller: Caller, ...ids: string[]): Caller => ({
  ...caller,
  identities: ids.map((id) => SpiffeId.parse(id)),
})
it.each<[string, (caller: Caller, identity: string) => unknown, string]>([
  ['that keeps the own identity', async (caller) => caller, 'returns the caller with the requested identity'],
  [
    'that adds the identity',
    async (caller, identity) => become(caller, String(caller.identities[0]), identity),
    'returns the caller with the requested identity as its only one',
  ],
  ['that answers at once', become, 'returns the caller with the requested identity'],
  [
    'that writes to the caller',
    async (caller, identity) => {
      if (Object.isFrozen(caller)) return become(caller, identity)
      Object.assign(caller.claims, { impersonated: true })
      return become(caller, identity)
    },
    'does not change the caller that it was given',
  ],
  ['that allows everything', async (caller, identity) => become(caller, identity), 'refuses each caller'],
  ['that returns undefined', async () => undefined, 'refuses each caller that may not have the identity'],
  [
    'that trims',
    async (caller, identity) => nodeAuthorizer.authorize(caller, identity.trim()),
    'refuses texts that are not the identity',
  ],
])('an impersonation authorizer %s fails', async (_what, authorize, name) => {
  const open = () => ({ authorize }) as never
  const failed = await failingCases(contracts.ImpersonationAuthorizer({ open, ...requests }))
  expect(failed).toContainEqual(expect.stringContaining(name))
})

it('an impersonation authorizer that mixes up concurrent calls fails', async () => {
  let last: [Caller, string]
  const open = () => ({
    authorize: async (...given: [Caller, string]) => {
      last = given
      await Promise.resolve()
      return nodeAuthorizer.authorize(...last)
    },
  })
  expect(await failingCases(contracts.ImpersonationAuthorizer({ open, ...requests }))).toEqual([
    'decides each of many concurrent calls separately',
  ])
})

const lists = 'lists the pods of a node under a service account, and no other pods'
it.each<[string, (index: PodIndex, clusters: PodLists) => Partial<PodIndex>, string]>([
  ['in seconds', (index) => ({ syncedAt: (of) => (index.syncedAt(of) ?? 0) / 1000 }), 'in milliseconds'],
  ['that knows every cluster', () => ({ syncedAt: () => Date.now() }), 'none of another cluster'],
  ['that has clusters in an object', (_, clusters) => ({ pod: inObject(clusters) }), 'finds no pod under'],
  ['that is asynchronous', () => ({ podsOnNode: async () => [] }) as never, lists],
  ['without pods', () => ({ pod: () => undefined }), 'finds each pod by its names, with every field'],
  [
    'of one cluster',
    (index) => ({ pod: (_, ...names) => index.pod('east', ...names) }),
    'finds no pod under',
  ],
  [
    'of one cluster, by node',
    (index) => ({ podsOnNode: (_, ...place) => index.podsOnNode('east', ...place) }),
    lists,
  ],
  [
    'that takes prefixes for names',
    (_, clusters) => ({
      podsOnNode: (cluster, node, ns, account) =>
        (clusters[cluster] ?? []).filter(
          (pod) =>
            pod.nodeName?.startsWith(node) === true && pod.namespace === ns && pod.serviceAccount === account,
        ),
    }),
    'lists nothing for an unknown place',
  ],
  [
    'that lists pods without a node under "undefined"',
    (_, clusters) => ({
      podsOnNode: (cluster, node, ns, account) =>
        (clusters[cluster] ?? []).filter(
          (pod) => `${pod.nodeName}/${pod.namespace}/${pod.serviceAccount}` === `${node}/${ns}/${account}`,
        ),
    }),
    'lists nothing for an unknown place, and no pod before it is scheduled',
  ],
  ['that shares its records', sharing, 'is not changed by changes to what it returned'],
])('a pod index %s fails', async (_what, change, name) => {
  const open = (clusters: PodLists): PodIndex => {
    const index = memoryIndex(clusters)
    return {
      syncedAt: (of) => index.syncedAt(of),
      pod: (...names) => index.pod(...names),
      podsOnNode: (...place) => index.podsOnNode(...place),
      ...change(index, clusters),
    }
  }
  expect(await failingCases(contracts.PodIndex({ open }))).toContainEqual(expect.stringContaining(name))
})

/** A lookup in plain objects: `constructor` is a name that each has. */
function inObject(clusters: PodLists): PodIndex['pod'] {
  const pods = Object.fromEntries(
    Object.entries(clusters).map(([cluster, list]) => [
      cluster,
      Object.fromEntries(list.map((pod) => [`${pod.namespace}/${pod.name}`, pod])),
    ]),
  )
  return (cluster, namespace, name) => pods[cluster]![`${namespace}/${name}`]
}

function sharing(index: PodIndex): Partial<PodIndex> {
  const records = new Map<unknown, Pod>()
  const own = (pod: Pod): Pod => {
    const record = records.get(pod) ?? { ...pod }
    records.set(pod, record)
    return record
  }
  return { podsOnNode: (...place) => index.podsOnNode(...place).map(own) }
}
