// The state of the world protocol of one stream (StreamSecrets, Envoy's xDS protocol, "State of the World":
// versions, nonces, ACK and NACK), as a pure object without gRPC and timers.

import { createHash } from 'node:crypto'
import { StatusAnswer, status } from '../status.ts'
import { Subscriptions } from './subscriptions.ts'
import type { NameChanges, SdsResource, Watched } from './subscriptions.ts'

/** The type of every resource of this service. */
export const secretTypeUrl = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'

/** The relevant fields of a `DiscoveryRequest`. */
export interface SotwRequest {
  readonly nodeId: string
  readonly resourceNames: readonly string[]
  readonly typeUrl: string
  readonly responseNonce: string
  /** The reason for which the client rejected the response with this nonce. */
  readonly error?: string | undefined
}

/** The meaning of a request. */
export interface Received extends NameChanges {
  readonly kind: 'first' | 'ack' | 'nack' | 'stale' | 'again'
  /** After a NACK: the client's message, and the rejected versions. */
  readonly error?: string | undefined
  readonly rejected?: readonly SdsResource[] | undefined
}

/** The content of a response: only the changed resources. */
export interface SotwResponse<Resource> {
  readonly versionInfo: string
  readonly nonce: string
  readonly resources: readonly Resource[]
}

/** The state of one stream. */
export class SotwState<Resource extends SdsResource> {
  readonly #subscriptions: Subscriptions<Resource>
  #first = true
  #nonce = 0
  /** The content of the response with the last nonce. */
  #lastSent: readonly Resource[] = []
  /** Until the client sends its first name, a request without names means all names. */
  #legacyWildcard = true

  constructor({ maxNames }: { readonly maxNames: number }) {
    this.#subscriptions = new Subscriptions(maxNames, false)
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
    return this.#subscriptions.due
  }

  /** @throws `StatusAnswer`, which ends the stream */
  receive(request: SotwRequest): Received {
    checkType(request.typeUrl)
    if (this.#first) return this.#receiveFirst(request)
    if (request.responseNonce === '') {
      // The client starts again on the same stream: every name that it requests must be sent.
      const changes = this.#become(request.resourceNames)
      this.#subscriptions.owe()
      return { kind: 'again', ...changes }
    }
    if (request.responseNonce !== String(this.#nonce)) return { kind: 'stale', added: [], removed: [] }
    const rejected = request.error === undefined ? [] : this.#lastSent
    const changes = this.#become(request.resourceNames)
    if (request.error === undefined) return { kind: 'ack', ...changes }
    for (const { name, version } of rejected) this.#subscriptions.reject(name, version)
    return { kind: 'nack', error: request.error, rejected, ...changes }
  }

  /** Sets the existing names, for a client that subscribed to everything. */
  know(names: readonly string[]): NameChanges {
    return this.#subscriptions.know(names)
  }

  /**
   * Sets the object from which the content of a name is read from now on. This protocol cannot express that a
   * name does not exist: the client keeps its version.
   */
  offer(name: string, watched: Watched<Resource>): void {
    this.#subscriptions.offer(name, watched)
  }

  /** The next response; undefined if nothing has changed. */
  next(): SotwResponse<Resource> | undefined {
    if (!this.due) return undefined
    const { resources } = this.#subscriptions.take()
    this.#lastSent = resources
    return { versionInfo: versionOf(resources), nonce: String(++this.#nonce), resources }
  }

  /** A first request is never an acknowledgement, even with a nonce: that nonce is from another stream. */
  #receiveFirst(request: SotwRequest): Received {
    if (request.nodeId === '')
      throw new StatusAnswer({ code: status.INVALID_ARGUMENT, details: 'missing node information' })
    this.#first = false
    return { kind: 'first', ...this.#become(request.resourceNames) }
  }

  #become(names: readonly string[]): NameChanges {
    if (names.length > 0) this.#legacyWildcard = false
    const wildcard = this.#legacyWildcard || names.includes(everything)
    return this.#subscriptions.become(
      names.filter((name) => name !== everything),
      wildcard,
    )
  }
}

/**
 * @throws `StatusAnswer` for a type that this service does not have; it may be omitted, because there is only
 * one
 */
export function checkType(typeUrl: string): void {
  if (typeUrl === '' || typeUrl === secretTypeUrl) return
  throw new StatusAnswer({
    code: status.INVALID_ARGUMENT,
    details: `type_url is ${JSON.stringify(typeUrl.slice(0, 256))}; expected ${secretTypeUrl}`,
  })
}

/** The name that means all names. */
export const everything = '*'

/** One version for a response: the version of its resource, or a digest of all. */
export function versionOf(resources: readonly SdsResource[]): string {
  const [only] = resources
  if (resources.length === 1 && only !== undefined) return only.version
  const digest = createHash('sha256')
  for (const { name, version } of resources) digest.update(`${name}\n${version}\n`)
  return digest.digest('hex').slice(0, 16)
}
