// Certificates signed by worker threads: results, failures and lost workers.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CertificateWorkerPool } from '../../../../src/adapters/workers/index.ts'
import type { CertificateWorkerPoolOptions } from '../../../../src/adapters/workers/certificate-worker-pool.ts'
import { createCertificateAuthority } from '../../../../src/ca/index.ts'
import { boolean, explicit, octetString, oid, sequence, setOf } from '../../../../src/der/index.ts'
import { MemoryCertificateStore } from '../../../../src/ca/records/memory/memory-certificate-store.ts'
import type { CertificateAuthority, CertificateStore } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import type { IssuanceService } from '../../../../src/issuance/index.ts'
import type { IssuanceServiceOptions } from '../../../../src/issuance/issuance-service-options.ts'
import { CertificateRequest, generalName, verifySignature } from '../../../../src/x509/index.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../../support/pki.ts'
import { recordsOf, storageOf } from '../../../support/storage.ts'
import type { TestPki } from '../../../support/pki.ts'
import { resign } from '../../validation/test-pki.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const workerModule = new URL('../../../support/certificate-worker.mjs', import.meta.url)
const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
const pools: CertificateWorkerPool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool[Symbol.asyncDispose]()
})

function poolOf(pki: TestPki, options: Partial<CertificateWorkerPoolOptions> = {}): CertificateWorkerPool {
  const pool = new CertificateWorkerPool({ signer: pki.signer, workers: 2, workerModule, ...options })
  pools.push(pool)
  return pool
}

/** An authority and issuance whose certificates the pool makes. */
function behind(
  { root, signer }: TestPki,
  workers: CertificateWorkerPool,
  {
    store = new MemoryCertificateStore(),
    ...options
  }: Partial<IssuanceServiceOptions> & { readonly store?: CertificateStore } = {},
): { readonly authority: CertificateAuthority; readonly issuance: IssuanceService } {
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate: root,
    signer,
    workers,
    storage: storageOf(store),
  })
  return { authority, issuance: createIssuanceService({ authority, ...options }) }
}

describe('CertificateWorkerPool', () => {
  it.each(['P-256', 'RSA-2048', 'RSA-PSS-2048', 'Ed25519'] as const)(
    'issues with a CA key of %s, each certificate for its own request',
    async (algorithm) => {
      const pki = await testPki(algorithm)
      const { issuance } = behind(pki, poolOf(pki))
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
    const { issuance } = behind(pki, pool)
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
    // Of requests this thread may have taken proofs alone; of signatures that
    // arrive in one turn it takes some.
    here.mockClear()
    await Promise.all(issued.map(({ certificate }) => pool.sign(certificate.tbs, certificate.publicKey)))
    expect(here.mock.calls.length).toBeGreaterThan(0)
    expect(here.mock.calls.length).toBeLessThan(60)
    expect(pool.pending).toBe(0)
  })

  it.each([false, true])(
    'answers each bad request with its own code, and records nothing of it; this thread helps: %s',
    async (mainThreadHelps) => {
      const pki = await testPki()
      const store = new MemoryCertificateStore()
      const { issuance } = behind(pki, poolOf(pki, { workers: 1, mainThreadHelps }), { store })
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
      expect((await recordsOf(store)).map(({ state }) => state).sort()).toEqual(['issued'])
    },
  )

  it('fails the work of a lost thread, leaves its outcome open, and goes on with another', async () => {
    const pki = await testPki()
    const store = new MemoryCertificateStore()
    process.env.DYING_BATCH = '4'
    // A proof and a signature for the first certificate, a proof for the second: the thread ends when it is
    // to sign.
    const pool = poolOf(pki, {
      workers: 1,
      workerModule: new URL('../../../support/dying-certificate-worker.mjs', import.meta.url),
    })
    const { issuance } = behind(pki, pool, { store })
    const { request } = await newRequest()
    await issuance.issue({ csr: request }, callerOf())
    await expect(issuance.issue({ csr: request }, callerOf())).rejects.toThrow(code('ERR_WORKER_LOST'))
    await issuance.issue({ csr: request }, callerOf())
    delete process.env.DYING_BATCH
    expect((await recordsOf(store)).map(({ state }) => state)).toEqual(['issued', 'intended', 'issued'])
  })

  it('does not start threads for ever that cannot start, and says why they did not', async () => {
    const pki = await testPki()
    const absent = new URL('../../../support/there-is-no-such-worker.mjs', import.meta.url)
    const { request } = await newRequest()
    const pool = poolOf(pki, { workers: 1, workerModule: absent })
    for (let i = 0; i < 3; i++) {
      const error = await pool.prove(request).catch((cause: unknown) => cause)
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
    const made = Promise.allSettled(Array.from({ length: 8 }, () => pool.prove(request)))
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
    const made = Promise.all(Array.from({ length: 40 }, () => pool.prove(request)))
    const terminate = vi.spyOn(Worker.prototype, 'terminate')
    const closing = pool[Symbol.asyncDispose]()
    expect(await made).toHaveLength(40)
    await closing
    expect(terminate).toHaveBeenCalledTimes(1)
    terminate.mockRestore()
    await expect(pool.prove(request)).rejects.toThrow(code('ERR_CLOSED'))
  })

  it('does not start a thread again and again that cannot start, and says why it was lost', async () => {
    const pki = await testPki()
    const started: Worker[] = []
    const note = (worker: Worker): void => void started.push(worker)
    process.on('worker', note)
    const pool = poolOf(pki, { workers: 2, workerModule: new URL('./no-such-worker.mjs', import.meta.url) })
    const { request } = await newRequest()
    const lost = (await pool.prove(request).catch((error: unknown) => error)) as Error
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
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => pool.prove(request)))
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
    const outcomes = Promise.allSettled(Array.from({ length: 6 }, () => pool.prove(request)))
    await pool[Symbol.asyncDispose]()
    for (const outcome of await outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_WORKER_LOST' })
    expect(pool.pending).toBe(0)
  })

  it('signs for the CA that has its key, and for no other', async () => {
    const [mine, other] = [await testPki(), await testPki()]
    const pool = poolOf(mine)
    const { request } = await newRequest()
    const { authority } = behind(mine, pool)
    const { certificate } = await authority.sign(await authority.prepare(request, content))
    expect(certificate.verifySignatureBy(mine.root.publicKey)).toBe(true)
    expect(() => behind(other, pool)).toThrow(code('ERR_CA_MATERIAL'))
    const material = { certificate: other.root, signer: other.signer, workers: pool }
    await expect(authority.rotate(material)).rejects.toThrow(code('ERR_CA_MATERIAL'))
    expect(pool.pending).toBe(0)
  })

  it.each([false, true])(
    'signs only for the key of the request; this thread helps: %s',
    async (mainThreadHelps) => {
      const pki = await testPki()
      const pool = poolOf(pki, { workers: 1, batchSize: 1, mainThreadHelps })
      const [mine, other] = [(await newRequest()).request, (await newRequest()).request]
      const { tbs } = await pki.authority.prepare(mine, content)
      const made = Array.from({ length: 6 }, (_, i) => pool.sign(tbs, (i % 2 === 0 ? mine : other).publicKey))
      const outcomes = await Promise.allSettled([...made, pool.sign(Uint8Array.of(1, 2, 3), mine.publicKey)])
      outcomes.forEach((outcome, i) => {
        if (outcome.status === 'fulfilled') {
          expect(i % 2).toBe(0)
          expect(verifySignature(pool.publicKey, pool.signatureAlgorithm, tbs, outcome.value)).toBe(true)
        } else {
          expect(outcome.reason).toMatchObject({ code: i === 6 ? 'ERR_DER' : 'ERR_CA_MATERIAL' })
        }
      })
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    },
  )

  it.each([false, true])('proves each request by itself; this thread helps: %s', async (mainThreadHelps) => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, batchSize: 1, mainThreadHelps })
    const { request } = await newRequest()
    const forged = request.der.slice()
    forged[forged.length - 1]! ^= 1
    const outcomes = await Promise.allSettled(
      [CertificateRequest.parse(forged), request, CertificateRequest.parse(forged), request].map((each) =>
        pool.prove(each),
      ),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ name: 'PkiError', code: 'ERR_CSR_SIGNATURE' })
  })

  it('refuses requests beyond its queue, and no signature', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, batchSize: 1, maxQueued: 5 })
    const { request } = await newRequest()
    const { tbs } = await pki.authority.prepare(request, content)
    const proofs = Promise.allSettled(Array.from({ length: 50 }, () => pool.prove(request)))
    const signatures = Promise.all(Array.from({ length: 50 }, () => pool.sign(tbs, request.publicKey)))
    const refused = (await proofs).filter((outcome) => outcome.status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThan(50)
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'ERR_OVERLOADED' })
    expect(await signatures).toHaveLength(50)
  })

  it('proves a request that its caller has read with a tolerance', async () => {
    const pki = await testPki()
    const { issuance } = behind(pki, poolOf(pki))
    const { request, signer } = await newRequest()
    const keyUsage = sequence(oid('2.5.29.15'), boolean(false), octetString(Uint8Array.of(3, 2, 7, 0x80)))
    const asked = sequence(oid('1.2.840.113549.1.9.14'), setOf(sequence(keyUsage)))
    const octets = await resign(request.info, signer, (parts) => [...parts.slice(0, 3), explicit(0, asked)])
    const tolerances = ['explicit-defaults'] as const
    const csr = CertificateRequest.parse(octets, { tolerances })
    const { certificate } = await issuance.issue({ csr }, callerOf())
    expect([certificate.publicKey.equals(csr.publicKey), certificate.tolerances]).toEqual([true, []])
    await expect(issuance.issue({ csr: octets }, callerOf())).rejects.toEqual(code('ERR_DER'))
  })

  it('finishes what was begun before it begins something else', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, batchSize: 1 })
    const { request } = await newRequest()
    const { tbs } = await pki.authority.prepare(request, content)
    const order: string[] = []
    const proofs = Array.from({ length: 10 }, () => pool.prove(request).then(() => order.push('proof')))
    await pool.sign(tbs, request.publicKey).then(() => order.push('signature'))
    await Promise.all(proofs)
    expect(order.indexOf('signature')).toBeLessThan(4)
  })

  it('does no job whose caller left while it waited', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, batchSize: 1 })
    const gone = new AbortController()
    const { request } = await newRequest()
    const jobs = Array.from({ length: 10 }, () => pool.prove(request, { signal: gone.signal }))
    const outcomes = Promise.allSettled(jobs)
    gone.abort()
    const codes = (await outcomes).map((one) => (one.status === 'rejected' ? one.reason : undefined))
    expect(codes.at(-1)).toMatchObject({ code: 'ERR_ABORTED' })
    expect(pool.pending).toBe(0)
  })

  it('refuses when it is closed, and no certificate is on record that was not made', async () => {
    const pki = await testPki()
    const pool = poolOf(pki, { workers: 1, batchSize: 1 })
    const store = new MemoryCertificateStore()
    const { issuance } = behind(pki, pool, { store })
    const { request } = await newRequest()
    const outcomes = Promise.allSettled(
      Array.from({ length: 10 }, () => issuance.issue({ csr: request }, callerOf())),
    )
    await pool[Symbol.asyncDispose]()
    const made = (await outcomes).filter(({ status }) => status === 'fulfilled').length
    for (const outcome of await outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_CLOSED' })
    expect(made).toBeLessThan(10)
    const states = (await recordsOf(store)).map(({ state }) => state)
    expect(states.filter((state) => state === 'issued')).toHaveLength(made)
    expect(states).not.toContain('intended')
  })

  it('keeps its program alive while somebody waits for it, and no longer', () => {
    const root = new URL('../../../../src/', import.meta.url)
    const program = `
      import { CertificateWorkerPool } from '${root.href}adapters/workers/index.ts'
      import { SoftwareSigner } from '${root.href}keys/index.ts'
      import { buildCertificateRequest } from '${root.href}x509/index.ts'
      const signer = await SoftwareSigner.generate('Ed25519')
      const request = await buildCertificateRequest({}, signer)
      const workerModule = new URL('${workerModule.href}')
      const pool = new CertificateWorkerPool({ signer, workers: 2, workerModule })
      for (let i = 0; i < 2; i++) {
        await pool.prove(request)
        console.log('proven')
      }`
    // Without a reference it would end with exit code 13, before the answer; with one that stays, never.
    const directory = mkdtempSync(join(tmpdir(), 'pool-'))
    try {
      writeFileSync(join(directory, 'program.mts'), program)
      expect(
        execFileSync(process.execPath, ['--import', 'tsx', join(directory, 'program.mts')], {
          encoding: 'utf8',
          timeout: 60_000,
        }).trim(),
      ).toBe('proven\nproven')
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
