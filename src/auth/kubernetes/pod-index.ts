// Pods by cluster and node: the contract that the node authorizer uses, and an implementation in memory.

import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { PkiError } from '../../errors/index.ts'

/** The record of one pod. @inline */
export interface IndexedPod {
  readonly namespace: string
  readonly name: string
  /** A later pod of the same name has a different UID. */
  readonly uid: string
  readonly serviceAccount: string
  /** Undefined until the pod is scheduled. */
  readonly nodeName?: string | undefined
  /** `status.phase`. Pods with `Succeeded` and `Failed` have terminated. */
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
}

/** The pods of clusters, as kept by a watch on the API server. Calls return at once from memory. */
export interface PodIndex {
  /**
   * When the index was last known to be synchronized with a cluster, in milliseconds of wall time; undefined
   * before the first list, or for an unknown cluster.
   */
  syncedAt(cluster: string): number | undefined
  /** A pod by its names. */
  pod(cluster: string, namespace: string, name: string): IndexedPod | undefined
  /** The pods on a node that run under a service account. */
  podsOnNode(
    cluster: string,
    nodeName: string,
    namespace: string,
    serviceAccount: string,
  ): readonly IndexedPod[]
}

/** A `PodIndex` that its owner updates. */
export interface MemoryPodIndex extends PodIndex {
  /**
   * Replaces all pods of a cluster by the result of a list. `at` is the time of the list. @throws
   * ERR_LIMIT_EXCEEDED, ERR_INVALID_ARGUMENT
   */
  replace(cluster: string, pods: Iterable<IndexedPod>, at: Date): void
  /** Applies an event of a watch. @throws ERR_LIMIT_EXCEEDED, ERR_INVALID_ARGUMENT */
  set(cluster: string, pod: IndexedPod): void
  /** Removes a pod; a pod of that name with another UID stays. */
  delete(cluster: string, pod: Pick<IndexedPod, 'namespace' | 'name' | 'uid'>): void
  /** Records that the watch is alive and nothing has changed. */
  markSynced(cluster: string, at: Date): void
}

/**
 * A pod index in memory, for tests and for programs that already have a watch.
 *
 * @param options `maxPods` over all clusters, default 200,000.
 * @example
 * ```ts
 * const pods = createMemoryPodIndex()
 * pods.replace('Kubernetes', [], new Date())
 * ```
 * @throws ERR_INVALID_ARGUMENT
 */
export function createMemoryPodIndex(options: { readonly maxPods?: number } = {}): MemoryPodIndex {
  const { maxPods = 200_000 } = readOptions<{ readonly maxPods?: number }>('createMemoryPodIndex', options, {
    maxPods: 'optional',
  })
  return new PodMaps(requireCount('maxPods', maxPods, 1))
}

interface ClusterPods {
  readonly byName: Map<string, IndexedPod>
  readonly byNode: Map<string, Map<string, IndexedPod>>
  syncedAt: number | undefined
}

class PodMaps implements MemoryPodIndex {
  readonly #maxPods: number
  readonly #clusters = new Map<string, ClusterPods>()
  #count = 0

  constructor(maxPods: number) {
    this.#maxPods = maxPods
  }

  syncedAt(cluster: string): number | undefined {
    return this.#clusters.get(cluster)?.syncedAt
  }

  pod(cluster: string, namespace: string, name: string): IndexedPod | undefined {
    return this.#clusters.get(cluster)?.byName.get(`${namespace}/${name}`)
  }

  podsOnNode(
    cluster: string,
    nodeName: string,
    namespace: string,
    serviceAccount: string,
  ): readonly IndexedPod[] {
    const pods = this.#clusters.get(cluster)?.byNode.get(placeOf(nodeName, namespace, serviceAccount))
    return pods === undefined ? [] : [...pods.values()]
  }

  replace(cluster: string, pods: Iterable<IndexedPod>, at: Date): void {
    const before = this.#clusters.get(cluster)
    const others = this.#count - (before?.byName.size ?? 0)
    const next: ClusterPods = { byName: new Map(), byNode: new Map(), syncedAt: timeOf(at) }
    for (const pod of pods) {
      this.#requireRoom(others + next.byName.size)
      put(next, checkPod(pod))
    }
    this.#clusters.set(cluster, next)
    this.#count = others + next.byName.size
  }

  set(cluster: string, pod: IndexedPod): void {
    const pods = this.#of(cluster)
    const checked = checkPod(pod)
    if (!pods.byName.has(keyOf(checked))) this.#requireRoom(this.#count)
    this.#count += put(pods, checked)
  }

  delete(cluster: string, { namespace, name, uid }: Pick<IndexedPod, 'namespace' | 'name' | 'uid'>): void {
    const pods = this.#clusters.get(cluster)
    const known = pods?.byName.get(`${namespace}/${name}`)
    if (pods === undefined || known?.uid !== uid) return
    remove(pods, known)
    this.#count--
  }

  markSynced(cluster: string, at: Date): void {
    this.#of(cluster).syncedAt = timeOf(at)
  }

  #of(cluster: string): ClusterPods {
    let pods = this.#clusters.get(cluster)
    if (pods === undefined) {
      pods = { byName: new Map(), byNode: new Map(), syncedAt: undefined }
      this.#clusters.set(cluster, pods)
    }
    return pods
  }

  #requireRoom(count: number): void {
    if (count < this.#maxPods) return
    throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${this.#maxPods} pods in the index`)
  }
}

/** 1 for a new pod, 0 for one that replaces another. */
function put(pods: ClusterPods, pod: IndexedPod): 0 | 1 {
  const before = pods.byName.get(keyOf(pod))
  if (before !== undefined) remove(pods, before)
  pods.byName.set(keyOf(pod), pod)
  if (pod.nodeName !== undefined) {
    const place = placeOf(pod.nodeName, pod.namespace, pod.serviceAccount)
    const there = pods.byNode.get(place)
    if (there === undefined) pods.byNode.set(place, new Map([[keyOf(pod), pod]]))
    else there.set(keyOf(pod), pod)
  }
  return before === undefined ? 1 : 0
}

function remove(pods: ClusterPods, pod: IndexedPod): void {
  pods.byName.delete(keyOf(pod))
  if (pod.nodeName === undefined) return
  const place = placeOf(pod.nodeName, pod.namespace, pod.serviceAccount)
  const there = pods.byNode.get(place)
  there?.delete(keyOf(pod))
  if (there?.size === 0) pods.byNode.delete(place)
}

/** A checked copy of a pod. @throws ERR_INVALID_ARGUMENT */
function checkPod(pod: IndexedPod): IndexedPod {
  const { namespace, name, uid, serviceAccount, nodeName, phase } = pod
  const texts: readonly unknown[] = [namespace, name, uid, serviceAccount, nodeName ?? 'none']
  if (!texts.every((text) => typeof text === 'string' && text !== '' && !text.includes('/')))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a pod needs namespace, name, uid and serviceAccount')
  if (!phases.includes(phase))
    throw new PkiError('ERR_INVALID_ARGUMENT', `the phase of a pod must be one of ${phases.join(', ')}`)
  return Object.freeze({ namespace, name, uid, serviceAccount, nodeName, phase })
}

function timeOf(at: Date): number {
  const time = at instanceof Date ? at.getTime() : Number.NaN
  if (Number.isNaN(time))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the time of a pod index is not a valid Date')
  return time
}

function keyOf({ namespace, name }: IndexedPod): string {
  return `${namespace}/${name}`
}

function placeOf(nodeName: string, namespace: string, serviceAccount: string): string {
  return `${nodeName}/${namespace}/${serviceAccount}`
}

const phases: readonly string[] = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']
