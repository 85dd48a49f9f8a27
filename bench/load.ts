// npm run bench -- load: certificates per second over gRPC, the client in this process, the server in
// another, on the same cores.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Client, credentials } from '@grpc/grpc-js'
import { drive } from './load-client.ts'
import type { DriveResult } from './load-client.ts'
import type { ServerReady } from './load-server.ts'

/** One line of the load figures. */
export interface LoadRow extends DriveResult {
  readonly service: 'certificates' | 'trivial handler'
  readonly inFlight: number
}

/** All of them. */
export interface LoadResult {
  readonly load: readonly LoadRow[]
  /** Issuing in the server's process without gRPC, per second: `i`. */
  readonly inProcessPerSecond: number
  /**
   * Certificates per second with 1,000 in flight over 1 / (1/h + 1/i), h being the trivial handler's rate.
   */
  readonly shareOfLimit: number
}

/** Connections that carry the requests. */
const connections = 4

export async function runLoad({ short }: { readonly short: boolean }): Promise<LoadResult> {
  const server = fork(new URL('./load-server.ts', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    const ready = await message<ServerReady>(server)
    const tls = credentials.createSsl(
      Buffer.from(ready.roots),
      Buffer.from(ready.clientKey),
      Buffer.from(ready.clientCertificate),
    )
    const clients = Array.from(
      { length: connections },
      () => new Client(ready.address, tls, { 'grpc.use_local_subchannel_pool': 1 }),
    )
    const requests = ready.requests.map((text) => Buffer.from(text, 'base64'))
    const seconds = short ? 1 : 5
    const rows: LoadRow[] = []
    let inProcess = 0
    // Twice, alternating, so that both services and both halves of the run see the same machine; the first
    // pass warms up.
    for (const pass of ['warm-up', 'measured'] as const) {
      for (const inFlight of [1, 64, 1000]) {
        for (const [service, path] of [
          ['trivial handler', ready.trivialPath],
          ['certificates', ready.certificatePath],
        ] as const) {
          const result = await drive({
            clients,
            path,
            requests,
            inFlight,
            seconds: pass === 'warm-up' ? 1 : seconds,
          })
          if (pass === 'measured') rows.push(report({ service, inFlight, ...result }))
        }
      }
      server.send({ measureSeconds: seconds })
      inProcess = (await message<{ perSecond: number }>(server)).perSecond
    }
    for (const client of clients) client.close()
    return summary(rows, inProcess)
  } finally {
    server.kill()
  }
}

function summary(rows: readonly LoadRow[], inProcessPerSecond: number): LoadResult {
  const rate = (service: LoadRow['service']): number =>
    rows.find((row) => row.service === service && row.inFlight === 1000)!.perSecond
  const limit = 1 / (1 / rate('trivial handler') + 1 / inProcessPerSecond)
  const shareOfLimit = rate('certificates') / limit
  const lost = rows.reduce((sum, row) => sum + row.failed, 0)
  console.log(`\nIssuing in the server's process: ${inProcessPerSecond.toFixed(0)}/s.`)
  console.log(
    `1,000 in flight: ` +
      `${rate('certificates').toFixed(0)} certificates/s (bar 1000), ` +
      `${shareOfLimit.toFixed(2)} of 1 / (1/h + 1/i) (bar 0.80); ${lost} requests failed.`,
  )
  return { load: rows, inProcessPerSecond, shareOfLimit }
}

function report(row: LoadRow): LoadRow {
  const figures =
    `${row.perSecond.toFixed(0).padStart(6)}/s   p50 ` +
    `${row.p50Ms.toFixed(1)} ms   p99 ${row.p99Ms.toFixed(1)} ms   ` +
    `failed ${row.failed}`
  console.log(`${row.service.padEnd(16)} ${String(row.inFlight).padStart(5)} in flight   ${figures}`)
  return row
}

async function message<T>(child: ChildProcess): Promise<T> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the load server ended with ${String(code)}`)
  })
  const [value] = (await Promise.race([once(child, 'message'), ended])) as [T]
  return value
}
