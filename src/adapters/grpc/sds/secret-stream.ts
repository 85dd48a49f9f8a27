// One stream of secrets: the state of its protocol, the watches of its names, and writing at the pace of its
// reader.

import { metricNames } from '../../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import { AnswerPace, LatestWriter } from '../local-server/index.ts'
import type { MessageSink, PushTurn, Pusher } from '../local-server/index.ts'
import type { EncodedSecret } from './encode-secret.ts'
import type { SecretHub } from './secret-hub.ts'
import type { Received } from './sotw-state.ts'
import type { NameChanges, Watched } from './subscriptions.ts'

/** A protocol as used by a stream: requests in, responses out. */
export interface SecretProtocol<Request, Response> {
  readonly wildcard: boolean
  /** Every name that the stream follows. */
  readonly names: Iterable<string>
  /** Whether `next` has a response. */
  readonly due: boolean
  /** @throws `StatusAnswer` */
  receive(request: Request): Received
  know(names: readonly string[]): NameChanges
  offer(name: string, watched: Watched<EncodedSecret>): void
  next(): Response | undefined
}

/** The dependencies of a stream. */
export interface SecretStreamOptions<Request, Response> {
  readonly sink: MessageSink
  readonly protocol: SecretProtocol<Request, Response>
  readonly encode: (response: Response) => Uint8Array
  readonly hub: SecretHub
  readonly turn: PushTurn
  readonly minAnswerIntervalMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** A stream; active until `end`. */
export class SecretStream<Request, Response> implements Pusher {
  readonly #options: SecretStreamOptions<Request, Response>
  readonly #protocol: SecretProtocol<Request, Response>
  readonly #writer: LatestWriter
  readonly #pace: AnswerPace
  #stopNames: (() => void) | undefined
  #stopPause: (() => void) | undefined

  constructor(options: SecretStreamOptions<Request, Response>) {
    this.#options = options
    this.#protocol = options.protocol
    this.#pace = new AnswerPace(options.clock, options.minAnswerIntervalMs)
    this.#writer = new LatestWriter(options.sink, () => this.#next())
  }

  /** @throws `StatusAnswer` for a request that ends the stream */
  receive(request: Request): void {
    const received = this.#protocol.receive(request)
    this.#note(received)
    this.#follow(received)
    if (this.#protocol.wildcard) this.#followNames()
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
    for (const name of this.#protocol.names) this.#options.hub.unwatch(name, this)
    this.#options.turn.delete(this)
  }

  #next(): Uint8Array | undefined {
    if (this.#stopPause !== undefined || !this.#protocol.due) return undefined
    const waitMs = this.#pace.waitMs()
    if (waitMs > 0) {
      this.#pause(waitMs)
      return undefined
    }
    const response = this.#protocol.next()
    if (response === undefined) return undefined
    this.#pace.spend()
    return this.#options.encode(response)
  }

  #pause(waitMs: number): void {
    this.#stopPause = this.#options.clock.schedule(() => {
      this.#stopPause = undefined
      this.push()
    }, waitMs)
  }

  #follow({ added, removed }: NameChanges): void {
    const { hub } = this.#options
    for (const name of removed) hub.unwatch(name, this)
    for (const name of added) this.#protocol.offer(name, hub.watch(name, this))
  }

  #followNames(): void {
    this.#stopNames ??= this.#options.hub.watchNames((names) => {
      this.#follow(this.#protocol.know(names))
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
