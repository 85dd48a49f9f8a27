// Closes a connection, and stops the parsing of the octets that Node has already read from it.

import type { IncomingMessage } from 'node:http'

/**
 * Node parses all octets of a read, 64 KiB at a time, also after `destroy`: 2,000 short requests, with two
 * objects and an event for each, take 15 ms. No documented interface stops this. Node calls `onIncoming` of a
 * connection's parser for each request; the return value 2, as for CONNECT, means that no HTTP follows. Node
 * sets another `onIncoming` when it uses the parser for its next connection. If a version of Node lacks this
 * property, the rest is parsed and ignored.
 */
export function endConnection({ socket }: Pick<IncomingMessage, 'socket'>): void {
  const { parser } = socket as { readonly parser?: { onIncoming?: unknown } | null }
  if (typeof parser?.onIncoming === 'function') parser.onIncoming = () => 2
  socket.destroy()
}
