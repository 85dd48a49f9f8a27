// A TCP proxy in front of PostgreSQL's Unix socket that cuts the network: silently, with an end, or between a
// COMMIT and its answer.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A proxy of one process. */
export interface CutProxy extends AsyncDisposable {
  readonly port: number
  /** Forwards nothing any more, and says nothing of it: packets are lost. */
  cut(): void
  /** Ends every connection; new ones go through. */
  restore(): void
  /** The next COMMIT is forwarded, and the connection ends before its answer. Resolves then. */
  cutAtCommit(): Promise<void>
}

/** Listens on a port of 127.0.0.1 for the server whose socket is in `directory`. */
export async function startCutProxy(directory: string): Promise<CutProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let isCut = false
  let atCommit: (() => void) | undefined
  const proxy = createServer((client) => {
    const server = connect(`${directory}/.s.PGSQL.5432`)
    const pair = [client, server] as const
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    let isDropped = false
    client.on('data', (octets) => {
      if (isCut || isDropped) return
      if (atCommit !== undefined && octets.includes('COMMIT\0')) {
        isDropped = true
        const told = atCommit
        atCommit = undefined
        // Answered: the server has committed.
        server.once('data', () => {
          end()
          told()
        })
      }
      server.write(octets)
    })
    server.on('data', (octets) => {
      if (!isCut && !isDropped) client.write(octets)
    })
    for (const socket of pair) {
      socket.on('error', end)
      socket.on('close', () => {
        if (!isCut) end()
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const endAll = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy()
    pairs.clear()
  }
  return {
    port: (proxy.address() as AddressInfo).port,
    cut: () => void (isCut = true),
    restore() {
      isCut = false
      endAll()
    },
    cutAtCommit: () => new Promise((resolve) => (atCommit = resolve)),
    async [Symbol.asyncDispose]() {
      endAll()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}
