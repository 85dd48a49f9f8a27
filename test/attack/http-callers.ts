// Good callers of an HTTP server, in a process of their own: each on a new connection, at a steady rate.

import { get } from 'node:http'

/** Who calls, and how often. */
export interface Calls {
  readonly port: number
  readonly localAddress: string
  readonly paths: readonly string[]
  readonly count: number
  /** How long each waits for its whole answer. */
  readonly patienceMs: number
}

const intervalMs = 25

/** The time until the whole answer; undefined where there was none in time. */
function call({ port, localAddress, patienceMs }: Calls, path: string): Promise<number | undefined> {
  const begun = performance.now()
  return new Promise((resolve) => {
    const sent = get({ host: '127.0.0.1', port, localAddress, path, agent: false }, (response) => {
      response.resume()
      response.on('end', () => {
        const ms = performance.now() - begun
        resolve(response.statusCode === 200 && ms <= patienceMs ? ms : undefined)
      })
    })
    sent.on('error', () => resolve(undefined))
    setTimeout(() => {
      resolve(undefined)
      sent.destroy()
    }, patienceMs)
  })
}

process.on('message', (calls: Calls) => {
  const all: Promise<number | undefined>[] = []
  const timer = setInterval(() => {
    all.push(call(calls, calls.paths[all.length % calls.paths.length] as string))
    if (all.length < calls.count) return
    clearInterval(timer)
    void Promise.all(all).then((times) => {
      const served = times.filter((ms) => ms !== undefined)
      process.send?.({ share: served.length / all.length, slowestMs: Math.max(0, ...served) })
    })
  }, intervalMs)
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
