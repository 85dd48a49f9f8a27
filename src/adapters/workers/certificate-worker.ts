// A thread that makes certificates: proof of possession, prepare, lint, sign, check. Started by `CertificateWorkerPool`.

import { parentPort, workerData } from 'node:worker_threads'
import { isPkiError } from '../../errors/index.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import { Certificate, CertificateRequest } from '../../x509/index.ts'
import { createCertificateAuthority } from '../../ca/index.ts'
import { contentOf } from './worker-messages.ts'
import type { WorkerJob, WorkerReply, WorkerRequest, WorkerResult, WorkerSetup } from './worker-messages.ts'

const setup = workerData as WorkerSetup
const authority = createCertificateAuthority({
  trustDomain: setup.trustDomain,
  certificate: Certificate.parse(setup.certificate),
  chain: setup.chain.map((der) => Certificate.parse(der)),
  roots: setup.roots.map((der) => Certificate.parse(der)),
  signer: new SoftwareSigner(setup.privateKey, { pss: setup.pss }),
  profile: setup.profile,
})

parentPort?.on('message', (request: WorkerRequest) => {
  void answer(request)
})

async function answer({ jobs, bytes }: WorkerRequest): Promise<void> {
  const made: Uint8Array[] = []
  const results: WorkerResult[] = []
  let at = 0
  for (const job of jobs) {
    try {
      const certificate = await make(job, bytes)
      results.push({ id: job.id, at, length: certificate.length })
      made.push(certificate)
      at += certificate.length
    } catch (error) {
      const known = isPkiError(error)
      results.push({ id: job.id, code: known ? error.code : 'ERR_INTERNAL', message: known ? error.message : 'a certificate worker failed' })
    }
  }
  const out = new Uint8Array(at)
  let offset = 0
  for (const certificate of made) {
    out.set(certificate, offset)
    offset += certificate.length
  }
  parentPort?.postMessage({ results, bytes: out } satisfies WorkerReply, [out.buffer])
}

async function make(job: WorkerJob, bytes: Uint8Array): Promise<Uint8Array> {
  const request = CertificateRequest.parse(bytes.subarray(job.at, job.at + job.length))
  await request.publicKey.prepare()
  const proven = request.verify()
  const { certificate } = await authority.sign(authority.prepare(proven, contentOf(job.content), job.serialNumber))
  return certificate.der
}
