// The contract of pod indexes: lookups from memory, by exactly the given names, in exactly the given cluster.

import type { PodIndex } from '../../../auth/index.ts'
import { holds, same, tryToChange } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'

type Pod = NonNullable<ReturnType<PodIndex['pod']>>

/** The tested implementation. @inline */
export interface PodIndexContractOptions {
  /** Creates an index that is synchronized with these clusters: their names, and the pods of each. */
  readonly open: (clusters: Readonly<Record<string, readonly Pod[]>>) => PodIndex | Promise<PodIndex>
}

/** The cases of `PodIndex`. */
export function podIndexContract({ open }: PodIndexContractOptions): readonly ContractCase[] {
  const tests: Readonly<Record<string, (index: PodIndex) => void>> = {
    'has the time of synchronization of each cluster in milliseconds, and none of another cluster': (
      index,
    ) => {
      for (const cluster of Object.keys(clusters)) {
        const at: unknown = index.syncedAt(cluster)
        holds(typeof at === 'number' && Number.isFinite(at), `syncedAt of ${cluster} is ${String(at)}`)
        holds((at as number) > Date.UTC(2001, 0), `syncedAt of ${cluster} is not in milliseconds`)
      }
      for (const cluster of strangers)
        same(index.syncedAt(cluster), undefined, `syncedAt of the unknown cluster ${cluster}`)
    },
    'finds each pod by its names, with every field': (index) => {
      for (const [cluster, pods] of Object.entries(clusters))
        for (const pod of pods)
          same(fieldsOf(index.pod(cluster, pod.namespace, pod.name)), fieldsOf(pod), 'the pod')
    },
    'finds no pod under another name, namespace or cluster': (index) => {
      for (const [cluster, namespace, name] of [
        ['east', 'prod', 'api'],
        ['east', 'prod', 'api-10'],
        ['east', 'api-1', 'prod'],
        ['east', 'test', 'pending'],
        ['west', 'prod', 'worker'],
        ...strangers.map((stranger) => [stranger, 'prod', 'api-1'] as const),
        ...strangers.map((stranger) => ['east', stranger, 'api-1'] as const),
        ...strangers.map((stranger) => ['east', 'prod', stranger] as const),
      ] as const)
        same(index.pod(cluster, namespace, name), undefined, `the pod ${namespace}/${name} in ${cluster}`)
    },
    'lists the pods of a node under a service account, and no other pods': (index) => {
      const found = (...place: Place): string[] =>
        listOf(index, place)
          .map(({ uid }) => uid)
          .sort()
      same(found('east', 'node-1', 'prod', 'api'), ['e1', 'e2'], 'the pods of prod/api on node-1 of east')
      same(found('east', 'node-2', 'prod', 'api'), ['e3'], 'the pods of prod/api on node-2 of east')
      same(found('east', 'node-1', 'test', 'api'), ['e4'], 'the pods of test/api on node-1 of east')
      same(found('east', 'node-1', 'prod', 'worker'), ['e5'], 'the pods of prod/worker on node-1 of east')
      same(found('west', 'node-1', 'prod', 'api'), ['w1'], 'the pods of prod/api on node-1 of west')
    },
    'lists nothing for an unknown place, and no pod before it is scheduled': (index) => {
      for (const place of [
        ['west', 'node-2', 'prod', 'api'],
        ['east', 'node', 'prod', 'api'],
        ['east', 'prod', 'node-1', 'api'],
        ...strangers.map((stranger) => [stranger, 'node-1', 'prod', 'api'] as const),
        ...strangers.map((stranger) => ['east', stranger, 'prod', 'api'] as const),
        ...strangers.map((stranger) => ['east', 'node-1', 'prod', stranger] as const),
      ] as const)
        same(listOf(index, place), [], `the pods of ${place.join(' ')}`)
    },
    'is not changed by changes to what it returned': (index) => {
      const place = ['east', 'node-1', 'prod', 'api'] as const
      const expected = listOf(index, place).map(fieldsOf)
      tryToChange(() => Object.assign(index.pod('east', 'prod', 'api-1') ?? {}, { uid: 'x', nodeName: 'x' }))
      tryToChange(() => Object.assign(listOf(index, place)[0] ?? {}, { uid: 'x', nodeName: 'x' }))
      tryToChange(() => void (listOf(index, place) as Pod[]).splice(0))
      same(listOf(index, place).map(fieldsOf), expected, 'the pods after the change')
      same(index.pod('east', 'prod', 'api-1')?.uid, 'e1', 'the UID after the change')
    },
  }
  return Object.entries(tests).map(([name, test]) => ({ name, run: async () => test(await open(clusters)) }))
}

type Place = readonly [cluster: string, nodeName: string, namespace: string, serviceAccount: string]

/** The answer of `podsOnNode`: a list, at once. */
function listOf(index: PodIndex, place: Place): readonly Pod[] {
  const found: unknown = index.podsOnNode(...place)
  holds(Array.isArray(found), 'podsOnNode did not return a list; it must return synchronously')
  return found as readonly Pod[]
}

/** The fields of the contract: an index may keep more. */
function fieldsOf(pod: Pod | undefined): unknown {
  if (pod === undefined) return undefined
  const { namespace, name, uid, serviceAccount, nodeName, phase } = pod
  return { namespace, name, uid, serviceAccount, nodeName: nodeName ?? 'none', phase }
}

const podOf = (uid: string, name: string, fields: Partial<Pod> = {}): Pod =>
  Object.freeze({
    namespace: 'prod',
    name,
    uid,
    serviceAccount: 'api',
    nodeName: 'node-1',
    phase: 'Running',
    ...fields,
  })

/** Two clusters whose pods have equal names, so that only the cluster distinguishes them. */
const clusters: Readonly<Record<string, readonly Pod[]>> = Object.freeze({
  east: Object.freeze([
    podOf('e1', 'api-1'),
    podOf('e2', 'api-2'),
    podOf('e3', 'api-3', { nodeName: 'node-2' }),
    podOf('e4', 'api-1', { namespace: 'test' }),
    podOf('e5', 'worker', { serviceAccount: 'worker' }),
    podOf('e6', 'pending', { nodeName: undefined, phase: 'Pending' }),
  ]),
  west: Object.freeze([podOf('w1', 'api-1')]),
})

/** Names that no cluster, node, namespace or pod has; some are properties of every object. */
const strangers = ['', 'north', 'undefined', 'constructor', '__proto__'] as const
