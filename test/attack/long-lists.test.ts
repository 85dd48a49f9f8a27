// Many revocations: a list of them is read, built, signed and published without holding the event loop.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createCertificateAuthority, createMemoryStorage, createRootCertificate } from '../../src/ca/index.ts'
import { keyIdentifierOf } from '../../src/ca/internal.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { serialNumberFromBytes } from '../../src/x509/internal.ts'

const trustDomain = 'example.org'

/** A CA, and a function that records and revokes certificates of it. */
async function setUp() {
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  const storage = createMemoryStorage({ maxRecords: 2_000_000, maxRecordsPerIdentity: 2_000_000 })
  const authority = createCertificateAuthority({ trustDomain, certificate, signer, storage })
  const issuer = keyIdentifierOf(certificate.subjectKeyIdentifier!)
  const identity = SpiffeId.parse('spiffe://example.org/w')
  const startMs = Math.floor(Date.now() / 1000) * 1000
  const revoke = async (count: number, aheadMs = 0): Promise<void> => {
    for (let at = 0; at < count; at++) {
      const id = { issuer, serialNumber: serialNumberFromBytes(Uint8Array.of(1, ...randomBytes(16))) }
      await storage.certificates.recordIntent({
        ...{ ...id, identity, tbs: new Uint8Array(8), keyIdentifier: issuer },
        ...{ notAfter: new Date(startMs + 86_400_000), intendedAt: new Date(startMs - 3_600_000) },
        ...{ caller: { credential: 'test', identities: [] }, rule: 'test' },
      })
      const revokedAt = new Date(startMs + aheadMs - Math.floor(Math.random() * 3_000_000))
      await storage.certificates.revoke(id, { reason: 'superseded', revokedAt })
    }
  }
  return {
    authority,
    storage,
    revoke,
    create: () => createCertificateAuthority({ trustDomain, certificate, signer, storage }),
  }
}

/**
 * The longest time that the event loop stood still, in milliseconds. The time of the thread on the processors
 * is the upper limit, so that other processes of the machine do not count.
 */
async function stallOf(work: () => Promise<unknown>): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 50))
  let longest = 0
  let isOver = false
  const ticks = new Promise<void>((resolve) => {
    const tick = (wallMs: number, cpu: number): void => {
      const [nowMs, used] = [performance.now(), cpuMs()]
      longest = Math.max(longest, Math.min(nowMs - wallMs, used - cpu))
      if (isOver) resolve()
      else setImmediate(tick, nowMs, used)
    }
    setImmediate(tick, performance.now(), cpuMs())
  })
  await work()
  isOver = true
  await ticks
  return longest
}

/** Of this thread where Linux says so: others collect garbage and hash. Else of the process. */
function cpuMs(): number {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')
    return Number(nanoseconds) / 1e6
  } catch {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
}

/**
 * Measures in a new CA up to three times: a full collection of the garbage of 100,000 records, which belongs
 * to no step, can fall into one. What blocks the event loop by itself does so each time.
 */
async function expectNoStall(measure: () => Promise<Record<string, number>>): Promise<void> {
  let stalls: [string, number][] = []
  for (let attempt = 0; attempt < 3; attempt++) {
    stalls = Object.entries(await measure())
    if (stalls.every(([, stall]) => stall < maxStallMs)) break
  }
  for (const [name, stall] of stalls) expect(stall, name).toBeLessThan(maxStallMs)
}

const maxStallMs = 50

it('makes lists of ten and a hundred thousand entries in turns', { timeout: 120_000 }, () =>
  expectNoStall(async () => {
    const { authority, revoke, create } = await setUp()
    const stalls: Record<string, number> = {}
    for (const [name, count] of [
      ['10,000 new', 10_000],
      ['90,000 more', 90_000],
      ['one more', 1],
    ] as const) {
      await revoke(count)
      stalls[name] = await stallOf(async () => authority.issueCrl())
    }
    stalls['read again'] = await stallOf(async () => create().issueCrl())
    expect((await authority.issueCrl()).entryCount).toBe(100_001)
    return stalls
  }),
)

it('takes in turns what a machine has revoked whose clock is ahead', { timeout: 120_000 }, () =>
  expectNoStall(async () => {
    const { authority, revoke } = await setUp()
    await revoke(100_000, 6_000_000)
    const many = await stallOf(async () => authority.issueCrl())
    await revoke(1)
    return { many, 'one more': await stallOf(async () => authority.issueCrl()) }
  }),
)
