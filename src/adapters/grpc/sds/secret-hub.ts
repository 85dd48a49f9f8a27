// One watch and one encoding per secret, for any number of subscribed streams.

import { randomInt } from 'node:crypto'
import { isPkiError } from '../../../errors/index.ts'
import { waitFor } from '../../../internal/turns/waiting.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import type { Secret, SecretSource } from '../../../secrets/index.ts'
import type { PushTurn, Pusher } from '../local-server/index.ts'
import { encodeSecret } from './encode-secret.ts'
import type { EncodedSecret, SecretEncoding } from './encode-secret.ts'
import type { Watched } from './subscriptions.ts'

interface Topic<Value, Listener> {
  readonly listeners: Set<Listener>
  readonly end: AbortController
  value: Value | undefined
}

type SecretTopic = Topic<EncodedSecret | null, Pusher>

/** The dependencies of a hub. */
export interface SecretHubOptions {
  readonly source: SecretSource
  readonly encoding: SecretEncoding
  readonly turn: PushTurn
  readonly clock: Clock
  readonly logger: Logger
}

/** The secrets of one source, encoded. */
export class SecretHub {
  readonly #options: SecretHubOptions
  readonly #topics = new Map<string, SecretTopic>()
  #names: Topic<readonly string[], (names: readonly string[]) => void> | undefined

  constructor(options: SecretHubOptions) {
    this.#options = options
  }

  /** The number of watched secrets. */
  get size(): number {
    return this.#topics.size
  }

  /**
   * Watches a secret until `unwatch`. After each change the stream gets its turn, and reads the secret only
   * then: a change to a thousand streams touches each of them once.
   */
  watch(name: string, stream: Pusher): Watched<EncodedSecret> {
    const topic = this.#topics.get(name) ?? this.#open(name)
    topic.listeners.add(stream)
    return topic
  }

  unwatch(name: string, stream: Pusher): void {
    const topic = this.#topics.get(name)
    if (topic === undefined) return
    topic.listeners.delete(stream)
    if (topic.listeners.size > 0) return
    topic.end.abort()
    this.#topics.delete(name)
  }

  /**
   * Calls `listener` with the names of all secrets, at once if they are known, and after each change. Returns
   * a function that stops the calls.
   */
  watchNames(listener: (names: readonly string[]) => void): () => void {
    const topic = (this.#names ??= this.#openNames())
    topic.listeners.add(listener)
    if (topic.value !== undefined) listener(topic.value)
    return () => {
      topic.listeners.delete(listener)
      if (topic.listeners.size > 0) return
      topic.end.abort()
      if (this.#names === topic) this.#names = undefined
    }
  }

  #open(name: string): SecretTopic {
    const topic: SecretTopic = {
      listeners: new Set(),
      end: new AbortController(),
      value: undefined,
    }
    this.#topics.set(name, topic)
    const { source } = this.#options
    void this.#follow(name, topic.end.signal, async () => {
      for await (const secret of source.watch(name, topic.end.signal)) this.#publish(name, topic, secret)
    })
    return topic
  }

  #publish(name: string, topic: SecretTopic, secret: Secret | undefined): void {
    const next = this.#encode(name, secret, topic.value)
    if (next === undefined || isSame(next, topic.value)) return
    topic.value = next
    for (const stream of topic.listeners) this.#options.turn.add(stream)
  }

  /** undefined: it cannot be encoded, and the previous encoding stays. */
  #encode(
    name: string,
    secret: Secret | undefined,
    before: EncodedSecret | null | undefined,
  ): EncodedSecret | null | undefined {
    // Proxies keep a removed secret: removed authorities are replaced by an authority without certificates
    // (F-14).
    const gone = secret === undefined && before?.type === 'validation'
    const found: Secret | undefined = gone ? { type: 'validation', name, authorities: [], crls: [] } : secret
    if (found === undefined) return null
    try {
      return encodeSecret(name, found, this.#options.encoding)
    } catch (error) {
      this.#options.logger.error({ name, reason: String(error) }, 'a secret cannot be encoded')
      return undefined
    }
  }

  #openNames(): Topic<readonly string[], (names: readonly string[]) => void> {
    const topic: Topic<readonly string[], (names: readonly string[]) => void> = {
      listeners: new Set(),
      end: new AbortController(),
      value: undefined,
    }
    const { source, logger } = this.#options
    if (typeof source.watchNames !== 'function') {
      logger.warn({}, 'a client subscribed to every secret, but the source does not list its names')
      topic.value = []
      return topic
    }
    void this.#follow('*', topic.end.signal, async () => {
      for await (const names of source.watchNames?.(topic.end.signal) ?? []) {
        if (topic.value?.join('\n') === names.join('\n')) continue
        topic.value = Object.freeze([...names])
        for (const listener of [...topic.listeners]) listener(topic.value)
      }
    })
    return topic
  }

  /** Watches again after a failure or an unexpected end; the known secret is served meanwhile. */
  async #follow(name: string, signal: AbortSignal, watch: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#options
    for (let failures = 0; !signal.aborted; failures++) {
      const startedMs = clock.monotonic()
      try {
        await watch()
        if (!isOver(signal)) logger.debug({ name }, 'the source ended the watch of a secret')
      } catch (error) {
        const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
        if (!isOver(signal)) logger.warn({ name, code, reason: String(error) }, 'a secret cannot be watched')
      }
      if (clock.monotonic() - startedMs > maxDelayMs) failures = 0
      await waitFor(unreferenced(clock), delayMs(failures), signal).catch(() => undefined)
    }
  }
}

function isSame(next: EncodedSecret | null, before: EncodedSecret | null | undefined): boolean {
  if (next === null || before === null || before === undefined) return next === before
  return next.version === before.version
}

/** Read again, because it changes during the watch. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted
}

/** The timer of this pause does not keep the process alive. */
function unreferenced(clock: Clock): Pick<Clock, 'schedule'> {
  return { schedule: (callback, ms) => clock.schedule(callback, ms) }
}

function delayMs(failures: number): number {
  return Math.min(firstDelayMs * 2 ** Math.min(failures, 16), maxDelayMs) * (0.8 + randomInt(400) / 1000)
}

const firstDelayMs = 200
const maxDelayMs = 30_000
