// The other thread of `startBareThreads`.

import { parentPort, workerData } from 'node:worker_threads'
import { bareCryptography } from './bare-cryptography.ts'
import type { BareInput } from './bare-cryptography.ts'
import { takeShare } from './bare-threads.ts'
import type { BareShare } from './bare-threads.ts'

const work = bareCryptography(workerData as BareInput, true)

parentPort?.on('message', (share: BareShare) => {
  void takeShare(share, work).then(() => parentPort?.postMessage('done'))
})
