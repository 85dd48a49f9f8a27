// Impersonation: a node agent, such as ztunnel, requests certificates for the pods on its node, and for no
// other pods.

import { PkiError } from '../../errors/index.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import { SpiffeId, TrustDomain, istio } from '../../spiffe/index.ts'
import type { Caller, KubernetesCaller } from '../authenticator.ts'
import type { IndexedPod, PodIndex } from './pod-index.ts'
import { checkCaller } from '../require-caller.ts'

/** Options of `createNodeAuthorizer`. @inline */
export interface NodeAuthorizerOptions {
  /** The trust domain served; identities of another one are refused. */
  readonly trustDomain: TrustDomain | string
  /** Service accounts of node agents, as `namespace/name`, such as `istio-system/ztunnel`. */
  readonly trustedNodeAccounts: readonly string[]
  /** The index of pods and their nodes. */
  readonly pods: PodIndex
  /**
   * Maximum age of a cluster's index, in seconds; with an older one the call fails as unavailable. Default
   * 30.
   */
  readonly maxIndexAgeSeconds?: number
  readonly clock?: Clock | undefined
  /** Receives one warning for each refusal: the caller, the requested identity, the reason. Default: none. */
  readonly logger?: Logger | undefined
}

/**
 * Decides whether a node agent may request the certificate of another identity; for the option
 * `impersonation` of the certificate service.
 *
 * The caller must have a service account token of a trusted account that is bound to its pod. The pod must be
 * in the index with this name and UID, run under that account, and not be terminated. On the same node of the
 * same cluster there must be a pod, not terminated, under the requested account. The requested identity must
 * be in the trust domain served.
 *
 * @example
 * ```ts
 * const impersonation = createNodeAuthorizer({
 *   trustDomain: 'cluster.local',
 *   trustedNodeAccounts: ['istio-system/ztunnel'],
 *   pods: createMemoryPodIndex(),
 * })
 * ```
 * @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID
 */
export function createNodeAuthorizer(options: NodeAuthorizerOptions): {
  /**
   * The caller with `identity` alone. @throws ERR_IMPERSONATION_DENIED; ERR_AUTHENTICATOR_UNAVAILABLE the
   * index is not yet synchronized
   */
  authorize(caller: Caller, identity: string): Promise<Caller>
} {
  return new NodeAuthorizer(
    readOptions<NodeAuthorizerOptions>('createNodeAuthorizer', options, {
      trustDomain: 'required',
      trustedNodeAccounts: 'required',
      pods: 'required',
      maxIndexAgeSeconds: 'guard',
      clock: 'optional',
      logger: 'optional',
    }),
  )
}

/** A caller whose credential names its pod. */
type NodeAgent = KubernetesCaller & {
  readonly podName: string
  readonly podUid: string
  readonly cluster: string
}

class NodeAuthorizer {
  readonly #trustDomain: string
  readonly #accounts: ReadonlySet<string>
  readonly #pods: PodIndex
  readonly #maxAgeMs: number
  readonly #clock: Clock
  readonly #logger: Logger

  constructor({
    trustDomain,
    trustedNodeAccounts,
    pods,
    maxIndexAgeSeconds = 30,
    clock = systemClock,
    logger,
  }: NodeAuthorizerOptions) {
    checkMeasures({ maxIndexAgeSeconds }, 1)
    this.#trustDomain = TrustDomain.from(trustDomain).name
    this.#accounts = new Set(trustedNodeAccounts.map(checkAccount))
    if (this.#accounts.size === 0)
      throw bad('trustedNodeAccounts is empty, so every impersonation would be refused')
    if (typeof (pods as Partial<PodIndex>).podsOnNode !== 'function') throw bad('pods is not a PodIndex')
    this.#pods = pods
    this.#maxAgeMs = maxIndexAgeSeconds * 1000
    this.#clock = clock
    this.#logger = safeLogger('createNodeAuthorizer', logger)
  }

  async authorize(caller: Caller, identity: string): Promise<Caller> {
    try {
      const agent = this.#requireAgent(caller)
      const wanted = this.#requireIdentity(identity)
      this.#requireFresh(agent.cluster)
      const node = this.#requireNode(agent)
      this.#requirePod(agent.cluster, node, wanted)
      const impersonated = {
        identities: [wanted.id],
        credential: caller.credential,
        kubernetes: agent,
        claims: { ...caller.claims, impersonatedBy: caller.identities.map(String), nodeName: node },
      }
      return checkCaller(impersonated, 'createNodeAuthorizer')
    } catch (error) {
      this.#log(caller, identity, error as PkiError)
      throw error
    }
  }

  /** Only a token names the pod of its holder: a certificate of that account may be used anywhere. */
  #requireAgent({ kubernetes, credential }: Caller): NodeAgent {
    const { podName, podUid, cluster, namespace, serviceAccount } = kubernetes ?? {}
    if (kubernetes === undefined || podName === undefined || podUid === undefined || cluster === undefined)
      throw denied(`the credential is ${credential}, expected a service account token that is bound to a pod`)
    const account = `${namespace ?? ''}/${serviceAccount ?? ''}`
    if (!this.#accounts.has(account)) throw denied(`${account} is not a trusted node account`)
    return { ...kubernetes, podName, podUid, cluster }
  }

  #requireIdentity(identity: string): {
    readonly id: SpiffeId
    readonly namespace: string
    readonly account: string
  } {
    const id = SpiffeId.tryParse(identity)
    const workload = id === undefined ? undefined : istio.tryParse(id)
    if (id === undefined || workload === undefined)
      throw denied('the requested identity is not spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT')
    if (!id.memberOf(this.#trustDomain))
      throw denied(`the requested identity is in ${id.trustDomainName}, expected ${this.#trustDomain}`)
    return { id, namespace: workload.namespace, account: workload.serviceAccount }
  }

  #requireFresh(cluster: string): void {
    const at = this.#pods.syncedAt(cluster)
    const age = at === undefined ? Infinity : this.#clock.now() - at
    if (age <= this.#maxAgeMs) return
    throw new PkiError(
      'ERR_AUTHENTICATOR_UNAVAILABLE',
      at === undefined
        ? `the pods of ${cluster} have not been listed yet`
        : `the index of ${cluster} is ${Math.round(age / 1000)} s old; ` +
            `the maximum is ${this.#maxAgeMs / 1000} s`,
    )
  }

  /** The node on which the caller's own pod runs. */
  #requireNode({ cluster, namespace, podName, podUid, serviceAccount, nodeName }: NodeAgent): string {
    const pod = this.#pods.pod(cluster, namespace, podName)
    if (pod === undefined) throw denied(`the pod ${namespace}/${podName} of the caller is not in ${cluster}`)
    if (pod.uid !== podUid)
      throw denied(
        `the pod ${namespace}/${podName} has the UID ${pod.uid}; expected ${podUid} from the token`,
      )
    if (pod.serviceAccount !== serviceAccount)
      throw denied(`the pod ${namespace}/${podName} runs under ${pod.serviceAccount}, not ${serviceAccount}`)
    if (isOver(pod)) throw denied(`the pod ${namespace}/${podName} of the caller has ended (${pod.phase})`)
    if (pod.nodeName === undefined)
      throw denied(`the pod ${namespace}/${podName} of the caller is not scheduled to a node`)
    if (nodeName !== undefined && nodeName !== pod.nodeName)
      throw denied(`the token is bound to the node ${nodeName}, the pod is on ${pod.nodeName}`)
    return pod.nodeName
  }

  #requirePod(
    cluster: string,
    node: string,
    { namespace, account }: { readonly namespace: string; readonly account: string },
  ): void {
    const there = this.#pods.podsOnNode(cluster, node, namespace, account)
    // The index may be a foreign implementation: its results are compared again.
    const found = there.some(
      (pod) =>
        !isOver(pod) &&
        pod.nodeName === node &&
        pod.namespace === namespace &&
        pod.serviceAccount === account,
    )
    if (!found) throw denied(`no pod of ${namespace}/${account} runs on ${node} in ${cluster}`)
  }

  /** One log line: the caller, the requested identity, the reason (R12). */
  #log({ identities, credential, kubernetes }: Caller, identity: string, { code, message }: PkiError): void {
    this.#logger.warn(
      {
        code,
        reason: message,
        by: identities.map(String),
        credential,
        account:
          kubernetes === undefined ? undefined : `${kubernetes.namespace}/${kubernetes.serviceAccount}`,
        pod: kubernetes?.podName,
        cluster: kubernetes?.cluster,
        wanted: typeof identity === 'string' ? identity.slice(0, 256) : typeof identity,
        trustedNodeAccounts: [...this.#accounts],
      },
      'impersonation refused',
    )
  }
}

function isOver({ phase }: IndexedPod): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

function checkAccount(account: string): string {
  if (typeof account === 'string' && /^[a-z0-9-]+\/[a-z0-9.-]+$/.test(account)) return account
  throw bad(
    'expected a node account as namespace/name, found ' +
      (typeof account === 'string' ? JSON.stringify(account) : typeof account),
  )
}

function denied(reason: string): PkiError<'ERR_IMPERSONATION_DENIED'> {
  return new PkiError('ERR_IMPERSONATION_DENIED', reason)
}

function bad(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `createNodeAuthorizer: ${what}`)
}
