// A thread, started by `CertificateWorkerPool`, that verifies requests and signs certificates.

import { parentPort, workerData } from 'node:worker_threads'
import { isPkiError } from '../../errors/index.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import { CertificateRequest } from '../../x509/index.ts'
import { proveRequest, signCertificate } from './certificate-job.ts'
import { pack, unpack } from './worker-messages.ts'
import type { WorkerFailure, WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.ts'

const { privateKey, pss } = workerData as WorkerSetup
const signer = new SoftwareSigner(privateKey, { pss, threadPool: false })

parentPort?.on('message', (request: WorkerRequest) => {
  void answer(request)
})

async function answer({ batch, jobs }: WorkerRequest): Promise<void> {
  const parts = unpack(jobs)
  const made: Uint8Array[] = []
  let failures: WorkerFailure[] | undefined
  for (let at = 0; at < parts.length / 2; at++) {
    try {
      made.push(await perform(parts[2 * at] as Uint8Array, parts[2 * at + 1] as Uint8Array))
    } catch (error) {
      const known = isPkiError(error)
      failures ??= []
      failures.push({
        at,
        code: known ? error.code : 'ERR_INTERNAL',
        message: known ? error.message : 'a certificate worker failed',
      })
      made.push(nothing)
    }
  }
  const signatures = pack(made)
  parentPort?.postMessage({ batch, signatures, failures } satisfies WorkerReply, [signatures.buffer])
}

async function perform(first: Uint8Array, tbs: Uint8Array): Promise<Uint8Array> {
  if (tbs.length > 0) return signCertificate(tbs, first, signer)
  await proveRequest(CertificateRequest.parse(first, { tolerances: ofProof }))
  return nothing
}

const nothing = new Uint8Array()
/**
 * The main thread has already checked the request with the tolerances of its caller; the worker uses only its
 * key and its signature.
 */
const ofProof = Object.freeze(['explicit-defaults', 'empty-extensions', 'invalid-string-octets'] as const)
