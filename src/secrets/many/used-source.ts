// A source that several users share: disposing of it ends one use.

import { eitherSignal } from '../../internal/turns/waiting.ts'
import { PkiError } from '../../errors/index.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import type { TrustBundle } from '../../svid/index.ts'
import type { X509Identity, X509Source, X509SourceStatus } from '../x509-source.ts'

/** One use of a shared source. */
export class UsedSource implements X509Source {
  readonly #source: X509Source
  readonly #stops = new Set<() => void>()
  readonly #closed = new AbortController()
  #release: (() => void) | undefined

  constructor(source: X509Source, release: () => void) {
    this.#source = source
    this.#release = release
  }

  get current(): X509Identity {
    return this.#open().current
  }

  get status(): X509SourceStatus {
    return this.#source.status
  }

  async ready(signal?: AbortSignal): Promise<X509Identity> {
    const source = this.#open()
    try {
      return await source.ready(this.#end(signal))
    } catch (error) {
      this.#open()
      throw error
    }
  }

  async renew(signal?: AbortSignal): Promise<X509Identity> {
    const source = this.#open()
    try {
      return await source.renew(this.#end(signal))
    } catch (error) {
      this.#open()
      throw error
    }
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#open().bundleFor(trustDomain)
  }

  onChange(listener: (identity: X509Identity) => void): () => void {
    const stop = this.#open().onChange(listener)
    this.#stops.add(stop)
    return () => {
      this.#stops.delete(stop)
      stop()
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<X509Identity, void, undefined> {
    const iterator = this.#open()[Symbol.asyncIterator]()
    const ended = new Promise<{ readonly done: true; readonly value: undefined }>((resolve) => {
      this.#closed.signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), {
        once: true,
      })
    })
    for (;;) {
      const next = await Promise.race([iterator.next(), ended])
      if (next.done === true || this.#closed.signal.aborted) return
      yield next.value
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    for (const stop of this.#stops) stop()
    this.#stops.clear()
    this.#release?.()
    this.#release = undefined
  }

  #open(): X509Source {
    if (!this.#closed.signal.aborted) return this.#source
    throw new PkiError('ERR_CLOSED', 'this use of the source has ended')
  }

  #end(signal: AbortSignal | undefined): AbortSignal {
    return eitherSignal(signal, this.#closed.signal)
  }
}
