// Reads the bodies of requests: few octets, in little time, and of few clients at once.

import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../runtime/index.ts'

/** The octets, or the reason why there are none. */
export type RequestBody =
  { readonly octets: Uint8Array } | { readonly status: 408 | 413 | 400 | 503; readonly reason: string }

/** The limits of the bodies that are being read. */
export interface BodyLimits {
  readonly maxBytes: number
  readonly timeoutMs: number
  /** Bodies that are being read at once. */
  readonly maxPending: number
  readonly clock: Clock
}

/** The bodies that have not arrived yet. */
export class RequestBodies {
  readonly #limits: BodyLimits
  /** Functions that end each pending body, the oldest first. */
  readonly #pending = new Set<(body: RequestBody) => void>()

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /**
   * Reads a body until it is complete, or until the limit of `maxBytes`, `timeoutMs` or 256 pieces is
   * reached. If too many bodies are pending, the oldest is ended, so that incomplete bodies do not block
   * others. A body that Express has already parsed (`request.body`) is used as it is.
   */
  async read(request: IncomingMessage): Promise<RequestBody> {
    const { maxBytes, timeoutMs, maxPending, clock } = this.#limits
    const parsed: unknown = (request as { readonly body?: unknown }).body
    if (parsed instanceof Uint8Array)
      return parsed.length <= maxBytes ? { octets: new Uint8Array(parsed) } : tooLarge(maxBytes)
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) return tooLarge(maxBytes)
    if (this.#pending.size >= maxPending)
      this.#pending.values().next().value?.({ status: 503, reason: 'too many requests at once' })
    return new Promise((resolve) => {
      const arrived = new ArrivedOctets(maxBytes)
      const cancel = clock.schedule(() => {
        end({ status: 408, reason: `the body was not complete within ${timeoutMs} ms` })
      }, timeoutMs)
      const end = (body: RequestBody): void => {
        cancel()
        this.#pending.delete(end)
        request.off('data', onData).off('end', onEnd).off('error', onClose).off('close', onClose)
        if (!('octets' in body)) request.pause()
        resolve(body)
      }
      let pieces = 0
      const onData = (chunk: Uint8Array): void => {
        // Otherwise Node would also deliver the rest of a flood of chunks with one octet each.
        if (++pieces > maxPieces) request.destroy()
        else if (!arrived.add(chunk)) end(tooLarge(maxBytes))
      }
      const onEnd = (): void => {
        end({ octets: arrived.octets() })
      }
      const onClose = (): void => {
        end({ status: 400, reason: 'the request ended before its body was complete' })
      }
      this.#pending.add(end)
      request.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose)
    })
  }
}

/** The octets so far, in one piece: an object for each chunk of one octet would take 200 times its memory. */
class ArrivedOctets {
  readonly #maxBytes: number
  #octets = new Uint8Array(512)
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Adds a chunk; false if there are too many octets. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length
    if (length > this.#maxBytes) return false
    if (length > this.#octets.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, Math.max(length, 2 * this.#octets.length)))
      larger.set(this.#octets.subarray(0, this.#length))
      this.#octets = larger
    }
    this.#octets.set(chunk, this.#length)
    this.#length = length
    return true
  }

  octets(): Uint8Array {
    return this.#octets.slice(0, this.#length)
  }
}

/** A packet carries at least 536 octets (RFC 9293 §3.7.1): 31 packets for the largest body. */
const maxPieces = 256

function tooLarge(maxBytes: number): RequestBody {
  return { status: 413, reason: `the body is larger than ${maxBytes} octets, the maximum` }
}
