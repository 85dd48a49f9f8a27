// The gate of a TLS client: nothing is announced or sent before the server is accepted.

import type { TLSSocket } from 'node:tls'
import { PkiError } from '../../../errors/index.ts'

/**
 * `secure` fires inside the handshake's last step, before any queued octet is encrypted. Node's own listener,
 * which announces `secureConnect`, runs only after the peer was accepted.
 *
 * @param announced Called when that listener has run, whether or not it threw.
 */
export function gateClient(socket: TLSSocket, accept: () => object, announced?: () => void): void {
  const announce = socket.listeners('secure') as (() => void)[]
  if (announce.length === 0) {
    socket.destroy(
      new PkiError('ERR_INTERNAL', 'this version of Node does not report the end of a TLS handshake'),
    )
    return
  }
  socket.removeAllListeners('secure')
  socket.once('secure', () => {
    const outcome = accept()
    if (outcome instanceof PkiError) {
      socket.destroy(outcome)
      return
    }
    try {
      for (const listener of announce) listener.call(socket)
    } finally {
      announced?.()
    }
  })
}
