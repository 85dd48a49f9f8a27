// One stream of secrets: the state of its protocol, the watches of its names, and writing at the pace of its
// reader.

import { metricNames } from '../../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import { AnswerPace, LatestWriter } from '../local-server/index.ts'
import type { MessageSink, PushTurn, Pusher } from '../local-server/index.ts'
import type { EncodedSecret } from './encode-secret.ts'
import type { SecretHub, SecretWatch } from './secret-hub.ts'
import type { Received } from './sotw-state.ts'
import type { NameChanges } from './subscriptions.ts'

/** A protocol as used by a stream: requests in, encoded responses out. */
export interface SecretProtocol<Request> {
  readonly wildcard: boolean
  /** Whether `next` has a response. */
  readonly due: boolean
  /** @throws `StatusAnswer` */
  receive(request: Request): Received
  know(names: readonly string[]): NameChanges
  offer(name: string, resource: EncodedSecret | null): void
  /** The next response, encoded. */
  next(): Uint8Array | undefined
}

/** The dependencies of a stream. */
export interface SecretStreamOptions<Request> {
  readonly sink: MessageSink
  readonly protocol: SecretProtocol<Request>
  readonly hub: SecretHub
  readonly turn: PushTurn
  readonly minAnswerIntervalMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** A stream; active until `end`. */
export class SecretStream<Request> implements Pusher {
  readonly #options: SecretStreamOptions<Request>
  readonly #writer: LatestWriter
  readonly #pace: AnswerPace
  readonly #watches = new Map<string, SecretWatch>()
  #stopNames: (() => void) | undefined
  #stopPause: (() => void) | undefined

  constructor(options: SecretStreamOptions<Request>) {
    this.#options = options
    this.#pace = new AnswerPace(options.clock, options.minAnswerIntervalMs)
    this.#writer = new LatestWriter(options.sink, () => this.#next())
  }

  /** @throws `StatusAnswer` for a request that ends the stream */
  receive(request: Request): void {
    const { protocol } = this.#options
    const received = protocol.receive(request)
    this.#note(received)
    this.#follow(received)
    if (protocol.wildcard) this.#followNames()
    else this.#forgetNames()
    this.#options.turn.add(this)
  }

  push(): void {
    this.#writer.flush()
  }

  end(): void {
    this.#writer.end()
    this.#stopPause?.()
    this.#forgetNames()
    for (const name of this.#watches.keys()) this.#options.hub.unwatch(name, this)
    this.#watches.clear()
    this.#options.turn.delete(this)
  }

  #next(): Uint8Array | undefined {
    if (this.#stopPause !== undefined) return undefined
    const { protocol, clock } = this.#options
    for (const [name, { value }] of this.#watches) if (value !== undefined) protocol.offer(name, value)
    if (!protocol.due) return undefined
    const waitMs = this.#pace.waitMs()
    if (waitMs > 0) {
      this.#stopPause = clock.schedule(() => {
        this.#stopPause = undefined
        this.push()
      }, waitMs)
      return undefined
    }
    this.#pace.spend()
    return protocol.next()
  }

  #follow({ added, removed }: NameChanges): void {
    const { hub } = this.#options
    for (const name of removed) {
      hub.unwatch(name, this)
      this.#watches.delete(name)
    }
    for (const name of added) this.#watches.set(name, hub.watch(name, this))
  }

  #followNames(): void {
    this.#stopNames ??= this.#options.hub.watchNames((names) => {
      this.#follow(this.#options.protocol.know(names))
      this.#options.turn.add(this)
    })
  }

  #forgetNames(): void {
    this.#stopNames?.()
    this.#stopNames = undefined
  }

  #note({ kind, error, rejected = [] }: Received): void {
    const { logger, metrics } = this.#options
    metrics.count(metricNames.sdsRequests, { kind })
    if (error === undefined || kind !== 'nack') return
    const names = rejected.map(({ name }) => name)
    const versions = rejected.map(({ version }) => version)
    logger.error(
      { names, versions, reason: error.slice(0, 1024) },
      'a proxy rejected a secret and keeps the previous one',
    )
  }
}
