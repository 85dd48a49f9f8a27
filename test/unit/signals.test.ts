// What is given as an AbortSignal and is none is refused by name, and a signal that lives long keeps nothing
// of the calls that it was given to.

import { getEventListeners } from 'node:events'
import { afterAll, describe, expect, it } from 'vitest'
import { createFileSource } from '../../src/adapters/files/index.ts'
import { createCertificateClient } from '../../src/adapters/grpc/index.ts'
import { CertificateWorkerPool } from '../../src/adapters/workers/index.ts'
import { isPkiError } from '../../src/errors/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { createGuardedFetcher } from '../../src/runtime/index.ts'
import { localCaClient } from '../../src/secrets/index.ts'
import { meshId, openMesh } from '../support/mesh.ts'
import { callerOf, newRequest } from '../support/pki.ts'
import { temporaryFolders } from '../support/temporary.ts'

const mesh = await openMesh()
const source = mesh.sources[0]!
const { request: csr } = await newRequest()
const signer = await SoftwareSigner.generate('P-256')
const pool = new CertificateWorkerPool({
  signer,
  workers: 1,
  workerModule: new URL('../support/certificate-worker.mjs', import.meta.url),
})
const fetcher = createGuardedFetcher()
const client = await createCertificateClient({
  address: '127.0.0.1:1',
  tls: () => ({ roots: mesh.authority.roots[0]!.toPem() }),
  retry: { attempts: 1 },
})
const files = createFileSource({ directory: temporaryFolders('signals-')() })
const local = localCaClient(mesh.issuance, callerOf(meshId))

afterAll(async () => {
  for (const opened of [files, client, fetcher, pool, mesh]) await opened[Symbol.asyncDispose]()
})

async function firstOf(values: AsyncIterable<unknown>): Promise<unknown> {
  for await (const value of values) return value
  return undefined
}

type Call = (signal: AbortSignal) => Promise<unknown>
const calls: readonly (readonly [string, Call])[] = [
  ['ready of a source', (signal) => source.ready(signal)],
  ['renew of a source', (signal) => source.renew(signal)],
  ['ready of a file source', (signal) => files.ready(signal)],
  ['renew of a file source', (signal) => files.renew(signal)],
  ['get of secrets', (signal) => mesh.secrets.get('default', signal)],
  ['watch of secrets', (signal) => firstOf(mesh.secrets.watch('default', signal))],
  ['get of secrets of files', (signal) => files.secrets.get('default', signal)],
  ['issue', (signal) => mesh.issuance.issue({ csr, signal }, callerOf(meshId))],
  ['a local client', (signal) => local.issue({ csr, signal })],
  ['a client', (signal) => client.createCertificate(csr, { signal })],
  ['prove of the workers', (signal) => pool.prove(csr, { signal })],
  ['fetch', (signal) => fetcher.fetch('https://127.0.0.1/', { signal })],
]

const outcomeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'settled',
    (error: unknown) => (isPkiError(error) ? error.code : error),
  )

describe.each(calls)('%s', (_name, call) => {
  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 5],
    ['an object', {}],
    ['the controller of a signal', new AbortController()],
    ['an EventTarget', new EventTarget()],
  ])('refuses %s', async (_what, signal) => {
    expect(await outcomeOf(Promise.resolve().then(() => call(signal as AbortSignal)))).toBe(
      'ERR_INVALID_ARGUMENT',
    )
  })

  it('ends with an error of this package when the signal has aborted, or gives what is there', async () => {
    expect(await outcomeOf(call(AbortSignal.abort(new Error('of the caller'))))).toMatch(
      /^(?:ERR_ABORTED|settled)$/,
    )
  })

  it('removes its listener, also when it fails', async () => {
    const { signal } = new AbortController()
    for (let count = 0; count < 3; count++) {
      const running = new AbortController()
      const both = AbortSignal.any([signal, running.signal])
      const outcome = outcomeOf(call(both))
      running.abort()
      await outcome
      expect(getEventListeners(both, 'abort')).toEqual([])
    }
  })
})

it('a job of the workers that is none is refused, and does not end the process later', async () => {
  const { publicKey } = csr
  const wrong: readonly (() => Promise<unknown>)[] = [
    () => pool.prove({} as never),
    () => pool.sign('text' as never, publicKey),
    () => pool.sign(new Uint8Array(3), undefined as never),
    () => pool.sign(new Uint8Array(3), {} as never),
  ]
  for (const call of wrong) expect(await outcomeOf(Promise.resolve().then(call))).toBe('ERR_INVALID_ARGUMENT')
  await pool.prove(csr)
})
