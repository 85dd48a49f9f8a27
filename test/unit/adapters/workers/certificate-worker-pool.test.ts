import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CertificateWorkerPool } from '../../../../src/adapters/workers/index.ts'
import type { CertificateWorkerPoolOptions } from '../../../../src/adapters/workers/index.ts'
import { MemoryCertificateStore } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { CertificateRequest, generalName, verifySignature } from '../../../../src/x509/index.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../../support/pki.ts'
import type { TestPki } from '../../../support/pki.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const workerModule = new URL('../../../support/certificate-worker.mjs', import.meta.url)
const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
/** What is signed in tests that are about nothing but the signature. */
const tbs = Uint8Array.of(1, 2, 3)
const pools: CertificateWorkerPool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool[Symbol.asyncDispose]()
})

function poolOf(pki: TestPki, options: Partial<CertificateWorkerPoolOptions> = {}): CertificateWorkerPool {
  const pool = new CertificateWorkerPool({ signer: pki.signer, workers: 2, workerModule, ...options })
  pools.push(pool)
  return pool
}

describe('CertificateWorkerPool', () => {
  it.each(['P-256', 'RSA-2048', 'RSA-PSS-2048', 'Ed25519'] as const)(
    'issues with a CA key of %s, each certificate for its own request',
    async (algorithm) => {
      const pki = await testPki(algorithm)
      const issuance = createIssuanceService({ authority: pki.authority, workers: poolOf(pki) })
      const requests = await Promise.all(Array.from({ length: 60 }, async () => (await newRequest()).request))
      const issued = await Promise.all(requests.map((csr) => issuance.issue({ csr }, callerOf())))
      issued.forEach(({ certificate }, i) => {
        expect(certificate.publicKey.equals(requests[i]!.publicKey)).toBe(true)
        expect(certificate.verifySignatureBy(pki.root.publicKey)).toBe(true)
      })
      expect(new Set(issued.map(({ certificate }) => certificate.serialNumber)).size).toBe(60)
      expect(await issuance.status(issued[0]!.certificate.serialNumber)).toMatchObject({ state: 'valid' })
    },
  )

  it('shares the work with this thread where it may', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, mainThreadHelps: true })
    const issuance = createIssuanceService({ authority: pki.authority, workers: pool })
    const here = vi.spyOn(pki.signer, 'sign')
    const requests = await Promise.all(Array.from({ length: 60 }, async () => (await newRequest()).request))
    await issuance.issue({ csr: requests[0]! }, callerOf())
    // One is not worth this thread's time.
    expect(here).not.toHaveBeenCalled()
    const issued = await Promise.all(requests.map((csr) => issuance.issue({ csr }, callerOf())))
    issued.forEach(({ certificate }, i) => {
      expect(certificate.publicKey.equals(requests[i]!.publicKey)).toBe(true)
      expect(certificate.verifySignatureBy(pki.root.publicKey)).toBe(true)
    })
    expect(here.mock.calls.length).toBeGreaterThan(0)
    expect(here.mock.calls.length).toBeLessThanOrEqual(30)
    expect(pool.pending).toBe(0)
  })

  it.each([false, true])(
    'answers each bad request with its own code, and records the failure; this thread helps: %s',
    async (mainThreadHelps) => {
      const pki = await testPki()
      const store = new MemoryCertificateStore()
      const issuance = createIssuanceService({
        authority: pki.authority,
        store,
        workers: poolOf(pki, { workers: 1, mainThreadHelps }),
      })
      const good = (await newRequest()).request
      const broken = good.der.slice()
      broken[broken.length - 1]! ^= 1
      const [first, second, third, fourth] = await Promise.allSettled([
        issuance.issue({ csr: good }, callerOf()),
        issuance.issue({ csr: broken }, callerOf()),
        issuance.issue({ csr: good, ttlSeconds: 1e9 }, callerOf()),
        issuance.issue({ csr: broken }, callerOf()),
      ])
      expect(first.status).toBe('fulfilled')
      for (const outcome of [second, fourth])
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { name: 'PkiError', code: 'ERR_CSR_SIGNATURE' },
        })
      expect(third).toMatchObject({ status: 'rejected', reason: { code: 'ERR_TTL' } })
      expect((await store.findByIdentity(workloadId.toString())).map(({ state }) => state).sort()).toEqual([
        'failed',
        'failed',
        'issued',
      ])
    },
  )

  it('fails what a lost thread was working on, leaves its outcome open, and goes on with another', async () => {
    const pki = await testPki()
    const store = new MemoryCertificateStore()
    // The thread ends when it has answered its first batch and sees a second.
    const pool = poolOf(pki, {
      workers: 1,
      workerModule: new URL('../../../support/dying-certificate-worker.mjs', import.meta.url),
    })
    const issuance = createIssuanceService({ authority: pki.authority, store, workers: pool })
    const { request } = await newRequest()
    await issuance.issue({ csr: request }, callerOf())
    await expect(issuance.issue({ csr: request }, callerOf())).rejects.toThrow(code('ERR_WORKER_LOST'))
    await issuance.issue({ csr: request }, callerOf())
    expect((await store.findByIdentity(workloadId.toString())).map(({ state }) => state)).toEqual([
      'issued',
      'intended',
      'issued',
    ])
  })

  it('does not start threads for ever that cannot start, and says why they did not', async () => {
    const pki = await testPki()
    const absent = new URL('../../../support/there-is-no-such-worker.mjs', import.meta.url)
    const { request } = await newRequest()
    const pool = poolOf(pki, { workers: 1, workerModule: absent })
    for (let i = 0; i < 3; i++) {
      const error = await pool.proveAndSign(request, tbs).catch((cause: unknown) => cause)
      expect(error).toMatchObject({ code: 'ERR_WORKER_LOST', cause: expect.any(Error) })
    }
    await pool[Symbol.asyncDispose]()
  })

  it('ends though a thread is lost while it waits for the end', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, {
      workers: 1,
      batchSize: 2,
      workerModule: new URL('../../../support/dying-certificate-worker.mjs', import.meta.url),
    })
    const { request } = await newRequest()
    const made = Promise.allSettled(Array.from({ length: 8 }, () => pool.proveAndSign(request, tbs)))
    await pool[Symbol.asyncDispose]()
    const outcomes = await made
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_WORKER_LOST' })
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
  })

  it.each([false, true])('ends after what is pending; this thread helps: %s', async (mainThreadHelps) => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, mainThreadHelps })
    const { request } = await newRequest()
    const made = Promise.all(Array.from({ length: 40 }, () => pool.proveAndSign(request, tbs)))
    const terminate = vi.spyOn(Worker.prototype, 'terminate')
    const closing = pool[Symbol.asyncDispose]()
    expect(await made).toHaveLength(40)
    await closing
    expect(terminate).toHaveBeenCalledTimes(1)
    terminate.mockRestore()
    await expect(pool.proveAndSign(request, tbs)).rejects.toThrow(code('ERR_CLOSED'))
  })

  it('does not start a thread again and again that cannot start, and says why it was lost', async () => {
    const pki = await testPki()
    const started: Worker[] = []
    const note = (worker: Worker): void => void started.push(worker)
    process.on('worker', note)
    const pool = poolOf(pki, { workers: 2, workerModule: new URL('./no-such-worker.mjs', import.meta.url) })
    const { request } = await newRequest()
    const lost = (await pool.proveAndSign(request, tbs).catch((error: unknown) => error)) as Error
    expect(lost).toMatchObject({ code: 'ERR_WORKER_LOST' })
    expect((lost.cause as Error).message).toContain('no-such-worker')
    await Promise.all(
      started.map(
        (worker) =>
          new Promise<void>((resolve) => {
            if (worker.threadId === -1) resolve()
            else worker.once('exit', () => resolve())
          }),
      ),
    )
    const count = started.length
    // Long enough for others to have been started: as long as a few threads live.
    const others = 3
    for (let i = 0; i < others; i++) await once(new Worker('', { eval: true }), 'exit')
    expect(started.length).toBe(count + others)
    process.off('worker', note)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, () => pool.proveAndSign(request, tbs)),
    )
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: code('ERR_WORKER_LOST') })
    expect(pool.pending).toBe(0)
  })

  it('is closed though every thread is lost with work before it', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, {
      workers: 1,
      batchSize: 1,
      workerModule: new URL('../../../support/dying-certificate-worker.mjs', import.meta.url),
    })
    const { request } = await newRequest()
    const outcomes = Promise.allSettled(Array.from({ length: 6 }, () => pool.proveAndSign(request, tbs)))
    await pool[Symbol.asyncDispose]()
    for (const outcome of await outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_WORKER_LOST' })
    expect(pool.pending).toBe(0)
  })

  it('signs for the CA that has its key, and for no other', async () => {
    const [mine, other] = [await testPki(), await testPki()]
    const pool = poolOf(mine)
    const { request } = await newRequest()
    const { certificate } = await mine.authority.proveAndSign(
      mine.authority.prepareUnproven(request, content),
      pool,
    )
    expect(certificate.verifySignatureBy(mine.root.publicKey)).toBe(true)
    const store = new MemoryCertificateStore()
    await expect(
      createIssuanceService({ authority: other.authority, workers: pool, store }).issue(
        { csr: request },
        callerOf(),
      ),
    ).rejects.toThrow(code('ERR_CA_MATERIAL'))
    expect(await store.findByIdentity(workloadId.toString())).toMatchObject([{ state: 'failed' }])
    expect(pool.pending).toBe(0)
  })

  it.each([false, true])(
    'signs nothing for a request that proves nothing; this thread helps: %s',
    async (mainThreadHelps) => {
      const pki = await testPki()
      const pool = poolOf(pki, { workers: 1, batchSize: 1, mainThreadHelps })
      const { request } = await newRequest()
      const forged = request.der.slice()
      forged[forged.length - 1]! ^= 1
      const outcomes = await Promise.allSettled(
        [CertificateRequest.parse(forged), request, CertificateRequest.parse(forged), request].map((each) =>
          pool.proveAndSign(each, tbs),
        ),
      )
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected')
          expect(outcome.reason).toMatchObject({ name: 'PkiError', code: 'ERR_CSR_SIGNATURE' })
        else expect(verifySignature(pool.publicKey, pool.signatureAlgorithm, tbs, outcome.value)).toBe(true)
      }
    },
  )

  it('has what waits for room prepare nothing yet', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, batchSize: 4 })
    const prepare = vi.spyOn(pki.authority, 'prepareUnproven')
    const issuance = createIssuanceService({ authority: pki.authority, workers: pool })
    const { request } = await newRequest()
    const issued = Promise.all(Array.from({ length: 50 }, () => issuance.issue({ csr: request }, callerOf())))
    const atOnce = prepare.mock.calls.length
    expect(atOnce).toBeLessThanOrEqual(12)
    // A request that its policy refuses takes no room from those behind it.
    const refused = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        issuance.issue({ csr: request }, callerOf('spiffe://other.example/x')),
      ),
    )
    for (const outcome of refused) expect(outcome).toMatchObject({ status: 'rejected' })
    expect(await issued).toHaveLength(50)
    expect(pool.pending).toBe(0)
  })

  it('turns away who waits for room when it is closed, and nothing is on record of it', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, batchSize: 1 })
    const store = new MemoryCertificateStore()
    const issuance = createIssuanceService({ authority: pki.authority, workers: pool, store })
    const { request } = await newRequest()
    const outcomes = Promise.allSettled(
      Array.from({ length: 10 }, () => issuance.issue({ csr: request }, callerOf())),
    )
    await pool[Symbol.asyncDispose]()
    const made = (await outcomes).filter(({ status }) => status === 'fulfilled').length
    for (const outcome of await outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_CLOSED' })
    expect(made).toBeLessThan(10)
    expect(await store.findByIdentity(workloadId.toString())).toHaveLength(made)
  })

  it('keeps its program alive while somebody waits for it, and no longer', () => {
    const root = new URL('../../../../src/', import.meta.url)
    const program = `
      import { CertificateWorkerPool } from '${root.href}adapters/workers/index.ts'
      import { SoftwareSigner } from '${root.href}keys/index.ts'
      import { buildCertificateRequest } from '${root.href}x509/index.ts'
      const signer = await SoftwareSigner.generate('Ed25519')
      const request = await buildCertificateRequest({}, signer)
      const pool = new CertificateWorkerPool({ signer, workers: 2, workerModule: new URL('${workerModule.href}') })
      for (let i = 0; i < 2; i++) console.log((await pool.proveAndSign(request, Uint8Array.of(1))).length)`
    // Without a reference it would end with exit code 13, before the answer; with one that stays, never.
    const directory = mkdtempSync(join(tmpdir(), 'pool-'))
    try {
      writeFileSync(join(directory, 'program.mts'), program)
      expect(
        execFileSync(process.execPath, ['--import', 'tsx', join(directory, 'program.mts')], {
          encoding: 'utf8',
          timeout: 60_000,
        }).trim(),
      ).toBe('64\n64')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it.each([0, -1, 1.5, Number.NaN, 1025, '2'])(
    'refuses %s threads, and as many certificates a message',
    async (count) => {
      const pki = await testPki()
      expect(() => new CertificateWorkerPool({ signer: pki.signer, workers: count as number })).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
      expect(
        () => new CertificateWorkerPool({ signer: pki.signer, workers: 1, batchSize: count as number }),
      ).toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})
