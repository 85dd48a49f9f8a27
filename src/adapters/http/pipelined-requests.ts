// Bounds the requests that one HTTP/1 connection sends without waiting for the answers.

import type { IncomingMessage, ServerResponse } from 'node:http'

interface Requests {
  /** Whose answers the client has not taken. */
  unanswered: number
  /** In this turn of the event loop. */
  inTurn: number
}

/**
 * Node reads as many requests of a connection as have arrived, up to two megabytes of them in one turn of the
 * event loop, whether or not the ones before were answered (RFC 9112 §9.3.2): one stranger stops the process
 * for seconds. Hardly any client has more than one request under way on a connection.
 */
export class PipelinedRequests {
  readonly #requests = new WeakMap<object, Requests>()

  /** False, and the connection is closed, where too many are unanswered. */
  admit({ socket, httpVersionMajor }: IncomingMessage, response: ServerResponse): boolean {
    // HTTP/2 limits the streams of a session itself.
    if (httpVersionMajor >= 2) return true
    // What was read together with the requests before is still handed over after the closing.
    if (socket.destroyed) return false
    let requests = this.#requests.get(socket)
    if (requests === undefined) this.#requests.set(socket, (requests = { unanswered: 0, inTurn: 0 }))
    if (requests.unanswered >= maxUnanswered) {
      socket.destroy()
      return false
    }
    requests.unanswered++
    // Only then has the client taken the answer: one that reads nothing keeps its places.
    response.once('close', () => requests.unanswered--)
    requests.inTurn++
    if (requests.inTurn === 1) setImmediate(() => (requests.inTurn = 0))
    if (requests.inTurn === maxInTurn) {
      socket.pause()
      setImmediate(() => socket.resume())
    }
    return true
  }
}

const maxUnanswered = 16
const maxInTurn = 4
