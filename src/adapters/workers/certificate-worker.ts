// A thread that proves requests, signs and checks. Started by `CertificateWorkerPool`.

import { parentPort, workerData } from 'node:worker_threads'
import { isPkiError } from '../../errors/index.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import { CertificateRequest } from '../../x509/index.ts'
import { proveAndSign } from '../../ca/index.ts'
import { pack, unpack } from './worker-messages.ts'
import type { WorkerFailure, WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.ts'

const { privateKey, pss } = workerData as WorkerSetup
const signer = new SoftwareSigner(privateKey, { pss })

parentPort?.on('message', (request: WorkerRequest) => {
  void answer(request)
})

async function answer({ batch, jobs }: WorkerRequest): Promise<void> {
  const parts = unpack(jobs)
  const made: Uint8Array[] = []
  let failures: WorkerFailure[] | undefined
  for (let at = 0; at < parts.length / 2; at++) {
    try {
      made.push(
        await proveAndSign(
          CertificateRequest.parse(parts[2 * at] as Uint8Array),
          parts[2 * at + 1] as Uint8Array,
          signer,
        ),
      )
    } catch (error) {
      const known = isPkiError(error)
      failures ??= []
      failures.push({
        at,
        code: known ? error.code : 'ERR_INTERNAL',
        message: known ? error.message : 'a certificate worker failed',
      })
      made.push(new Uint8Array())
    }
  }
  const signatures = pack(made)
  parentPort?.postMessage({ batch, signatures, failures } satisfies WorkerReply, [signatures.buffer])
}
