// Writes to a stream at the pace of its reader: one message in transit, then the newest one.

/** The writable part of a grpc-js stream. */
export interface MessageSink {
  write(message: Uint8Array, sent: (error?: Error | null) => void): unknown
}

/**
 * Calls `next` for a message after a flush, once the reader has received the previous one. A paused reader
 * uses the memory of one message, regardless of the number of changes meanwhile, and then gets the newest
 * state.
 */
export class LatestWriter {
  readonly #sink: MessageSink
  readonly #next: () => Uint8Array | undefined
  #writing = false
  /** There may be more to send once the message in transit has been sent. */
  #again = false
  #ended = false

  constructor(sink: MessageSink, next: () => Uint8Array | undefined) {
    this.#sink = sink
    this.#next = next
  }

  /** Must be called when there may be something to send. */
  flush(): void {
    if (this.#ended) return
    this.#again = this.#writing
    if (this.#writing) return
    const message = this.#next()
    if (message === undefined) return
    this.#writing = true
    this.#sink.write(message, (error) => {
      this.#writing = false
      // The stream reports its end separately.
      if (this.#again && (error === undefined || error === null)) this.flush()
    })
  }

  /** Stops writing. */
  end(): void {
    this.#ended = true
  }
}
