// Keeps a number of unary calls in flight and measures each; as thin as it can be, for it shares the cores
// with the server.

import type { Client } from '@grpc/grpc-js'

/** What to drive. */
export interface DriveOptions {
  readonly clients: readonly Client[]
  readonly path: string
  /** Encoded requests, sent in turns. */
  readonly requests: readonly Buffer[]
  readonly inFlight: number
  readonly seconds: number
}

/** What came of it. */
export interface DriveResult {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly answered: number
  readonly failed: number
}

/**
 * Calls until the time is over, then waits for what is in flight; every call is answered or counted as
 * failed.
 */
export function drive({ clients, path, requests, inFlight, seconds }: DriveOptions): Promise<DriveResult> {
  return new Promise((resolve) => {
    const latencies: number[] = []
    const began = performance.now()
    const until = began + seconds * 1000
    let sent = 0
    let failed = 0
    let open = 0
    const next = (): void => {
      const started = performance.now()
      if (started >= until) {
        if (open === 0) resolve(result(latencies, failed, performance.now() - began))
        return
      }
      const number = sent++
      open++
      clients[number % clients.length]!.makeUnaryRequest(
        path,
        same,
        same,
        requests[number % requests.length]!,
        (error) => {
          open--
          if (error === null) latencies.push(performance.now() - started)
          else failed++
          next()
        },
      )
    }
    for (let i = 0; i < inFlight; i++) next()
  })
}

function result(latencies: number[], failed: number, elapsedMs: number): DriveResult {
  latencies.sort((a, b) => a - b)
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
  return {
    perSecond: (latencies.length * 1000) / elapsedMs,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    answered: latencies.length,
    failed,
  }
}

const same = (bytes: Buffer): Buffer => bytes
