// The incremental protocol of one stream (DeltaSecrets, Envoy's xDS protocol, "Incremental xDS"), as a pure
// object without gRPC and timers.

import { StatusAnswer, status } from '../status.ts'
import { checkType, everything, versionOf } from './sotw-state.ts'
import type { Received } from './sotw-state.ts'
import { Subscriptions } from './subscriptions.ts'
import type { NameChanges, SdsResource, Watched } from './subscriptions.ts'

/** The relevant fields of a `DeltaDiscoveryRequest`. */
export interface DeltaRequest {
  readonly nodeId: string
  readonly typeUrl: string
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  /** The versions by name that the client has from an earlier stream; in the first request only. */
  readonly initialResourceVersions: Readonly<Record<string, string>>
  readonly responseNonce: string
  readonly error?: string | undefined
}

/** The content of the next response. */
export interface DeltaResponse<Resource> {
  readonly systemVersionInfo: string
  readonly nonce: string
  readonly resources: readonly Resource[]
  readonly removed: readonly string[]
}

/** The state of one stream. */
export class DeltaState<Resource extends SdsResource> {
  readonly #subscriptions: Subscriptions<Resource>
  /** The versions that the client reported and that have not been compared yet. */
  #initial: Map<string, string> = new Map()
  /** Removed names that the client still has. */
  #gone: Set<string> = new Set()
  /** Responses that are neither accepted nor rejected yet, the oldest first. */
  readonly #outstanding = new Map<string, readonly Resource[]>()
  #first = true
  #nonce = 0

  constructor({ maxNames }: { readonly maxNames: number }) {
    this.#subscriptions = new Subscriptions(maxNames, true)
  }

  get wildcard(): boolean {
    return this.#subscriptions.wildcard
  }

  /** Every name that the stream follows. */
  get names(): Iterable<string> {
    return this.#subscriptions.names
  }

  /** Whether `next` has a response. */
  get due(): boolean {
    return this.#subscriptions.due || this.#gone.size > 0
  }

  /** @throws `StatusAnswer`, which ends the stream */
  receive(request: DeltaRequest): Received {
    checkType(request.typeUrl)
    const first = this.#first
    if (first && request.nodeId === '')
      throw new StatusAnswer({ code: status.INVALID_ARGUMENT, details: 'missing node information' })
    this.#first = false
    const before = this.#subscriptions.explicit
    const changes = this.#change(request, first)
    if (first) {
      this.#initial = new Map(Object.entries(request.initialResourceVersions))
      this.#compareInitial(changes.added)
      return { kind: 'first', ...changes }
    }
    // A repeated request: the client may have dropped the secrets that it received.
    for (const name of request.subscribe) if (before.has(name)) this.#subscriptions.owe(name)
    return { ...this.#acknowledge(request), ...changes }
  }

  /**
   * Sets the existing names, for a client that subscribed to everything. Removed names are reported to the
   * client.
   */
  know(names: readonly string[]): NameChanges {
    const changes = this.#subscriptions.know(names)
    this.#compareInitial(changes.added)
    if (!this.wildcard) return changes
    for (const name of changes.removed) this.#gone.add(name)
    for (const name of changes.added) this.#gone.delete(name)
    for (const name of this.#initial.keys()) this.#gone.add(name)
    this.#initial.clear()
    return changes
  }

  /** Sets the object from which the content of a name is read from now on. */
  offer(name: string, watched: Watched<Resource>): void {
    this.#subscriptions.offer(name, watched)
  }

  /** The next response; undefined if nothing has changed. */
  next(): DeltaResponse<Resource> | undefined {
    if (!this.due) return undefined
    const { resources, absent } = this.#subscriptions.take()
    const removed = [...new Set([...absent, ...this.#gone])]
    this.#gone.clear()
    const nonce = String(++this.#nonce)
    this.#outstanding.set(nonce, resources)
    if (this.#outstanding.size > maxOutstanding) {
      const [oldest] = this.#outstanding.keys()
      if (oldest !== undefined) this.#outstanding.delete(oldest)
    }
    return { systemVersionInfo: versionOf(resources), nonce, resources, removed }
  }

  #change({ subscribe, unsubscribe }: DeltaRequest, first: boolean): NameChanges {
    const { explicit, wildcard } = this.#subscriptions
    const wanted = new Set(subscribe)
    // No name in the first request means all names, and so does "*" at any time.
    const legacy = first && subscribe.length === 0
    const all = (wildcard || legacy || wanted.has(everything)) && !unsubscribe.includes(everything)
    const names = new Set([...explicit, ...subscribe.filter((name) => name !== everything)])
    // A name in both lists stays subscribed.
    for (const name of unsubscribe) if (!wanted.has(name)) names.delete(name)
    const changes = this.#subscriptions.become(names, all)
    // A name that stays subscribed because everything is: its state is sent again.
    for (const name of unsubscribe) if (all && explicit.has(name)) this.#subscriptions.owe(name)
    for (const name of [...changes.added, ...changes.removed]) this.#gone.delete(name)
    return changes
  }

  #compareInitial(names: readonly string[]): void {
    for (const name of names) {
      const version = this.#initial.get(name)
      if (version === undefined) continue
      this.#subscriptions.has(name, version)
      this.#initial.delete(name)
    }
  }

  #acknowledge({ responseNonce, error }: DeltaRequest): Omit<Received, keyof NameChanges> {
    if (responseNonce === '') return { kind: 'again' }
    const resources = this.#outstanding.get(responseNonce)
    if (resources === undefined) return { kind: 'stale' }
    this.#outstanding.delete(responseNonce)
    if (error === undefined) return { kind: 'ack' }
    for (const { name, version } of resources) this.#subscriptions.reject(name, version)
    return { kind: 'nack', error, rejected: resources }
  }
}

/** Limits the memory for a client that acknowledges nothing. */
const maxOutstanding = 64
