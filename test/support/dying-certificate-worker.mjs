// A certificate worker that ends when it sees its second batch, before it can answer it.

import { parentPort } from 'node:worker_threads'

await import('./certificate-worker.mjs')
let batches = 0
parentPort.on('message', () => {
  if (++batches === 2) process.exit(1)
})
