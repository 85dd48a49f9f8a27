// A token in long and shared use: nothing grows, and another process at the same token disturbs nobody.

import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSoftHsmToken } from '../../examples/main/softhsm.ts'
import type { SoftHsmToken } from '../../examples/main/softhsm.ts'
import { Pkcs11KeyManager } from '../../src/adapters/pkcs11/index.ts'
import { verifySignature } from '../../src/x509/index.ts'
import type { Signer } from '../../src/x509/index.ts'
import { requires } from '../support/requires.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** 100,000 for the figures of docs/hsm.md; a tenth shows a leak as well. */
const signatures = Number(process.env['SPIFFE_PKI_TOKEN_SIGNATURES'] ?? 10_000)

describe.skipIf(!requires('softhsm'))('a SoftHSM token in long use', () => {
  let token: SoftHsmToken
  beforeAll(async () => {
    token = await createSoftHsmToken('endurance')
  })
  afterAll(() => token.dispose())
  const open = () =>
    Pkcs11KeyManager.open({
      module: token.modulePath,
      token: { label: token.label },
      pin: () => token.pin,
      maxSessions: 8,
    })

  it(
    `keeps its sessions, handles and memory over ${signatures} signatures`,
    { timeout: 600_000 },
    async () => {
      await using keys = await open()
      const signer = await keys.generateKey('long', 'P-256')
      await sign(signer, 2000)
      const before = held()
      await sign(signer, signatures)
      const after = held()
      console.log(
        `${signatures} signatures: ` +
          `${before.files} -> ${after.files} open files, heap and external ` +
          `${kib(before.heap)} -> ${kib(after.heap)} KiB, resident ` +
          `${kib(before.resident)} -> ${kib(after.resident)} KiB, ${keys.sessions.open} sessions`,
      )
      expect(keys.sessions).toEqual({ open: 8, busy: 0, waiting: 0 })
      expect(after.files).toBe(before.files)
      // 16 octets a signature would show at 100,000.
      expect(after.heap - before.heap).toBeLessThan(Math.max(16 * signatures, 1024 * 1024))
      expect(after.resident - before.resident).toBeLessThan(48 * 1024 * 1024)
    },
  )

  it('is shared by two processes that sign and rotate at the same time', { timeout: 120_000 }, async () => {
    await using keys = await open()
    const signer = await keys.generateKey('shared', 'P-256')
    await keys.generateKey('of-the-child', 'P-256')
    const worker = fileURLToPath(new URL('../support/token-worker.ts', import.meta.url))
    const child = promisify(execFile)(process.execPath, [
      '--import',
      'tsx',
      worker,
      token.modulePath,
      token.label,
      token.pin,
      '500',
    ])
    let running = true
    const ended = child.finally(() => {
      running = false
    })
    let rotations = 0
    await Promise.all([
      ended,
      (async () => {
        while (running) {
          await sign(signer, 50)
          if (rotations++ < 5) await keys.rotateKey('shared')
        }
      })(),
    ])
    expect((await ended).stdout.trim()).toBe('500')
    // Each sees what the other made.
    expect(
      (await keys.listKeys()).filter(({ id }) => id === 'of-the-child').map(({ version }) => version),
    ).toEqual([1, 2, 3])
    await sign((await keys.getSigner('of-the-child'))!, 8)
    await sign(signer, 8)
  })
})

/** Eight at a time, each checked by this test too. */
async function sign(signer: Signer, count: number): Promise<void> {
  let left = count
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) {
        const data = Buffer.from(`message ${left}`)
        if (!verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data)))
          throw new Error('a wrong signature')
      }
    }),
  )
}

function held(): { files: number; heap: number; resident: number } {
  collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return {
    files: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    heap: heapUsed + external,
    resident: rss,
  }
}

function kib(octets: number): number {
  return Math.round(octets / 1024)
}
