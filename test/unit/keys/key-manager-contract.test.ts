// The contract, run by the backends that need nothing installed; test/interop has the one in a token.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../../src/adapters/files/index.ts'
import { MemoryKeyManager } from '../../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../../src/keys/index.ts'
import { FakeClock, keyManagerContract } from '../../../src/testing/index.ts'

const algorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-PSS-2048']
const parent = await mkdtemp(join(tmpdir(), 'contract-'))
const directory = join(parent, 'keys')
afterAll(() => rm(parent, { recursive: true }))

describe('MemoryKeyManager', () => {
  for (const { name, run } of keyManagerContract({ open: async () => new MemoryKeyManager(), algorithms, extractable: true, durable: false })) it(name, run)
})

describe('FileKeyManager', () => {
  for (const { name, run } of keyManagerContract({ open: () => FileKeyManager.open({ directory, passphrase: () => 'contract' }), algorithms, extractable: true })) it(name, run)
})

describe('the contract itself', () => {
  it('fails a manager that breaks it', async () => {
    class Forgetful extends MemoryKeyManager {
      override async rotateKey(id: string): ReturnType<MemoryKeyManager['rotateKey']> {
        return (await this.getSigner(id))!
      }
    }
    const failed: string[] = []
    for (const { name, run } of keyManagerContract({ open: async () => new Forgetful(), algorithms: ['P-256'], extractable: true, durable: false })) await run().catch(() => failed.push(name))
    expect(failed).toEqual(['lists every version once', 'rotates: the new version signs, the old one still does', 'destroys one version, then all', 'gives no version number twice while a key stands'])
  })
})

describe('FakeClock', () => {
  it('runs what is due, in order, and nothing that was stopped', () => {
    const clock = new FakeClock()
    const seen: string[] = []
    clock.schedule(() => seen.push('late'), 200)
    clock.schedule(() => seen.push('early'), 100)
    const stop = clock.schedule(() => seen.push('stopped'), 150)
    stop()
    clock.advance(99)
    expect(seen).toEqual([])
    clock.advance(200)
    expect(seen).toEqual(['early', 'late'])
    expect(clock.now()).toBe(Date.parse('2026-01-01T00:00:00.299Z'))
    clock.setWallClock(new Date(0))
    expect([clock.now(), clock.monotonic(), clock.pending]).toEqual([0, 299, 0])
  })
})
