// The bare calls on two threads that share nothing but a count: what two cores have to give at this moment.

import { Worker } from 'node:worker_threads'
import { bareCryptography } from './bare-cryptography.ts'
import type { BareInput } from './bare-cryptography.ts'

/** Sent to the other thread: it takes from the count until there is none left, and answers. */
export interface BareShare {
  /** One 32-bit number: how many were begun. */
  readonly begun: Int32Array<SharedArrayBuffer>
  readonly wanted: number
}

export interface BareThreads extends AsyncDisposable {
  /** Does the calls so many times, on both. */
  run(wanted: number): Promise<void>
}

/** This thread and another. */
export function startBareThreads(input: BareInput): BareThreads {
  const worker = new Worker(new URL('bare-thread.mjs', import.meta.url), { workerData: input })
  const work = bareCryptography(input, true)
  return {
    async run(wanted) {
      const share: BareShare = { begun: new Int32Array(new SharedArrayBuffer(4)), wanted }
      const there = new Promise<void>((resolve, reject) => {
        worker.once('error', reject)
        worker.once('message', () => {
          worker.off('error', reject)
          resolve()
        })
      })
      worker.postMessage(share)
      await takeShare(share, work)
      await there
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}

export async function takeShare({ begun, wanted }: BareShare, work: () => Promise<void>): Promise<void> {
  while (Atomics.add(begun, 0, 1) < wanted) await work()
}
