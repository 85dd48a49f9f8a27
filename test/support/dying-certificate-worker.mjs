// A certificate worker that ends when it sees its second batch (or the one
// that DYING_BATCH counts), before it can answer it.

import { parentPort } from 'node:worker_threads'

await import('./certificate-worker.mjs')
const last = Number(process.env.DYING_BATCH ?? 2)
let batches = 0
parentPort.on('message', () => {
  if (++batches === last) process.exit(1)
})
