// Dead HTTP/2 connections: Node keeps a session that no longer reads, and does not detect that its peer has
// disappeared.

import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../../runtime/index.ts'

/**
 * Ends a session from which nothing arrives: after `lookMs` without an octet a PING is sent (RFC 9113 §6.7),
 * and after the same time again without an octet the session is closed. Any octet counts, so a slow session
 * with a long response is kept.
 *
 * @param socket The real socket of the session.
 */
export function closeWhenDead(session: ServerHttp2Session, socket: Socket, clock: Clock): void {
  let octets = socket.bytesRead
  let isAsked = false
  const look = (): void => {
    if (session.destroyed) return
    const isAlive = socket.bytesRead !== octets
    if (isAsked && !isAlive) {
      session.destroy()
      // A session that was being closed waits for its peer otherwise.
      socket.destroy()
      return
    }
    octets = socket.bytesRead
    isAsked = !isAlive
    if (isAsked) session.ping(() => undefined)
    cancel = clock.schedule(look, lookMs)
  }
  let cancel = clock.schedule(look, lookMs)
  session.once('close', () => {
    cancel()
  })
}

const lookMs = 15_000
