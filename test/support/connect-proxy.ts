// A proxy that connects to this machine (RFC 9110 §9.3.6).

import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A proxy that ends with the test. `asked` has the targets of its requests. */
export async function serveProxy(): Promise<{ readonly port: number; readonly asked: readonly string[] }> {
  const asked: string[] = []
  const proxy = createServer().on('connect', ({ url = '' }: { url?: string }, socket: Socket) => {
    asked.push(url)
    const target = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    for (const one of [target, socket]) one.on('error', () => undefined)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => void proxy.close())
  return { port: (proxy.address() as AddressInfo).port, asked }
}
