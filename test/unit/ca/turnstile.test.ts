// The limit on concurrent work: order, limits, cancellation, and many requests at once.

import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { MemoryCertificateStore } from '../../../src/ca/records/memory/memory-certificate-store.ts'
import type { CertificateStore } from '../../../src/ca/index.ts'
import { Turnstile } from '../../../src/ca/authority/turnstile.ts'
import { CertificateRequest } from '../../../src/x509/index.ts'
import type { ProvenRequest } from '../../../src/x509/index.ts'
import { callerOf, newRequest, testPki } from '../../support/pki.ts'

const code = (value: string) => expect.objectContaining({ code: value })

afterEach(() => vi.restoreAllMocks())

describe('a turnstile', () => {
  it('lets so many in, and the others in the order of their coming', async () => {
    const turnstile = new Turnstile(2)
    const entered: string[] = []
    const enter = async (name: string): Promise<void> => {
      await turnstile.enter()
      entered.push(name)
    }
    expect([turnstile.enter(), turnstile.enter()]).toEqual([undefined, undefined])
    void enter('first')
    void enter('second')
    await turnOfTheLoop()
    expect(entered).toEqual([])
    turnstile.leave()
    await turnOfTheLoop()
    expect(entered).toEqual(['first'])
    turnstile.leave()
    await turnOfTheLoop()
    expect(entered).toEqual(['first', 'second'])
    turnstile.leave()
    turnstile.leave()
    expect([turnstile.enter(), turnstile.enter()]).toEqual([undefined, undefined])
    expect(turnstile.enter()).toBeInstanceOf(Promise)
  })

  it('lets those in line in together when half of the places are free, and nobody past them', async () => {
    const turnstile = new Turnstile(4)
    for (let i = 0; i < 4; i++) expect(turnstile.enter()).toBeUndefined()
    const entered: number[] = []
    for (let i = 0; i < 6; i++) void turnstile.enter()?.then(() => entered.push(i))
    turnstile.leave()
    await turnOfTheLoop()
    expect(entered).toEqual([])
    void turnstile.enter()?.then(() => entered.push(6))
    turnstile.leave()
    await turnOfTheLoop()
    expect(entered).toEqual([0, 1])
    for (let i = 0; i < 4; i++) turnstile.leave()
    await turnOfTheLoop()
    expect(entered).toEqual([0, 1, 2, 3, 4, 5])
    for (let i = 0; i < 4; i++) turnstile.leave()
    await turnOfTheLoop()
    expect(entered).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  it('lets the event loop have a turn before one that had to wait', async () => {
    const turnstile = new Turnstile(1)
    void turnstile.enter()
    let isIn = false
    void turnstile.enter()?.then(() => (isIn = true))
    turnstile.leave()
    for (let i = 0; i < 100; i++) await Promise.resolve()
    expect(isIn).toBe(false)
    await turnOfTheLoop()
    expect(isIn).toBe(true)
  })
})

describe('many requests that come together', () => {
  /** Counts the proofs that are verified, and how many of them between two turns of the event loop. */
  function watchProofs(): { most: number; calls: number } {
    const seen = { most: 0, calls: 0 }
    let inTurn = 0
    const verify = Reflect.get(CertificateRequest.prototype, 'verify') as (
      this: CertificateRequest,
    ) => ProvenRequest
    vi.spyOn(CertificateRequest.prototype, 'verify').mockImplementation(function (this: CertificateRequest) {
      seen.calls++
      if (++inTurn === 1) setImmediate(() => (inTurn = 0))
      seen.most = Math.max(seen.most, inTurn)
      return verify.call(this)
    })
    return seen
  }

  it('are proved a few at a time, and all answered', async () => {
    const { issuance } = await testPki()
    const csr = (await newRequest()).request.toPem()
    const seen = watchProofs()
    const issued = await Promise.all(
      Array.from({ length: 200 }, async () => issuance.issue({ csr }, callerOf())),
    )
    expect(new Set(issued.map(({ certificate }) => certificate.serialNumber)).size).toBe(200)
    expect(seen).toEqual({ most: 32, calls: 200 })
  })

  it('do not wait for those that a store holds up', async () => {
    const store: CertificateStore = new MemoryCertificateStore()
    const record = store.recordIntent.bind(store)
    let stuck = 64
    store.recordIntent = (intent) => (stuck-- > 0 ? new Promise(() => undefined) : record(intent))
    const { issuance } = await testPki('P-256', { store })
    const csr = (await newRequest()).request.toPem()
    for (let i = 0; i < 64; i++) void issuance.issue({ csr }, callerOf())
    await expect(issuance.issue({ csr }, callerOf())).resolves.toHaveProperty('certificate')
  })

  it('do not wait for those that were refused', async () => {
    const { issuance } = await testPki()
    const { request } = await newRequest()
    const forged = request.der.slice()
    forged[forged.length - 1]! ^= 1
    const refused = Promise.allSettled(
      Array.from({ length: 64 }, () => issuance.issue({ csr: forged }, callerOf())),
    )
    await expect(issuance.issue({ csr: request }, callerOf())).resolves.toHaveProperty('certificate')
    expect(
      (await refused).map((one) => one.status === 'rejected' && (one.reason as { code: string }).code),
    ).toEqual(Array.from({ length: 64 }, () => 'ERR_CSR_SIGNATURE'))
  })

  it('cost nothing more where the caller went while they waited', async () => {
    const { issuance } = await testPki()
    const csr = (await newRequest()).request.toPem()
    const seen = watchProofs()
    const first = Array.from({ length: 32 }, () => issuance.issue({ csr }, callerOf()))
    const caller = new AbortController()
    const gone = issuance.issue({ csr, signal: caller.signal }, callerOf())
    const last = issuance.issue({ csr }, callerOf())
    caller.abort()
    await expect(gone).rejects.toThrow(code('ERR_ABORTED'))
    await Promise.all([...first, last])
    expect(seen.calls).toBe(33)
  })
})
