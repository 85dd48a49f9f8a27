// Failover between key managers with the same keys.

import { generateKeyPairSync } from 'node:crypto'
import '../../support/cheap-scrypt.ts'
import { describe, expect, it } from 'vitest'
import { PkiError } from '../../../src/errors/index.ts'
import type { PkiErrorCode } from '../../../src/errors/index.ts'
import { FailoverKeyManager, MemoryKeyManager } from '../../../src/keys/index.ts'
import { failoverCodes } from '../../../src/keys/failover/failover-backends.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { verifySignature } from '../../../src/x509/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { itKeepsTheContract } from '../../support/contract.ts'

const data = Buffer.from('to be signed')
/** A key pair, for a passphrase takes half a second each way. */
const protection = { recipient: generateKeyPairSync('x25519').privateKey }

/** Memory that fails while it is told to, and counts what it is asked. */
class Fragile extends MemoryKeyManager {
  failure: PkiErrorCode | undefined
  asked = 0

  #check(): void {
    this.asked++
    if (this.failure !== undefined) throw new PkiError(this.failure, 'as told')
  }

  override async getSigner(id: string, version?: number): ReturnType<MemoryKeyManager['getSigner']> {
    this.#check()
    const signer = await super.getSigner(id, version)
    if (signer === undefined) return undefined
    const fail = (): void => this.#check()
    return new Proxy(signer, {
      get: (target, name) =>
        name === 'sign'
          ? async (input: Uint8Array) => {
              fail()
              return target.sign(input)
            }
          : (Reflect.get(target, name, target) as unknown),
    })
  }
}

async function pair(): Promise<{
  first: Fragile
  second: Fragile
  clock: FakeClock
  keys: FailoverKeyManager
}> {
  const [first, second, clock] = [new Fragile(), new Fragile(), new FakeClock()]
  const keys = new FailoverKeyManager({ managers: [first, second], clock })
  await keys.generateKey('root', 'P-256')
  await keys.replicateKey('root', protection)
  return { first, second, clock, keys }
}

async function signs(signer: Signer | undefined): Promise<void> {
  expect(verifySignature(signer!.publicKey, signer!.signatureAlgorithm, data, await signer!.sign(data))).toBe(
    true,
  )
}

describe('FailoverKeyManager', () => {
  itKeepsTheContract({
    open: async () => new FailoverKeyManager({ managers: [new MemoryKeyManager(), new MemoryKeyManager()] }),
    algorithms: ['P-256', 'RSA-2048'],
    extractable: true,
    durable: false,
  })

  it.each([...failoverCodes])('asks the next manager after %s', async (failure) => {
    const { first, second, keys } = await pair()
    const signer = await keys.getSigner('root')
    await signs(signer)
    second.asked = 0
    first.failure = failure
    await signs(signer)
    expect(second.asked).toBeGreaterThan(0)
    await signs(await keys.getSigner('root'))
  })

  it.each([
    'ERR_HSM_SIGNATURE',
    'ERR_HSM_REFUSED',
    'ERR_KEY_NOT_FOUND',
    'ERR_HSM_KEY_PROTECTION',
    'ERR_HSM_KEY_AMBIGUOUS',
    'ERR_CLOSED',
    'ERR_INTERNAL',
    'ERR_ABORTED',
  ] as const)('does not paper over %s', async (failure) => {
    const { first, second, keys } = await pair()
    const signer = await keys.getSigner('root')
    await signs(signer)
    second.asked = 0
    first.failure = failure
    await expect(signer!.sign(data)).rejects.toThrow(code(failure))
    expect(second.asked).toBe(0)
  })

  it('names the failure of every manager when all have failed', async () => {
    const { first, second, keys } = await pair()
    first.failure = 'ERR_HSM_PIN'
    second.failure = 'ERR_HSM_TIMEOUT'
    await expect(keys.getSigner('root')).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_HSM_TIMEOUT',
        message: '2 key managers failed: manager 0: as told; manager 1: as told',
      }),
    )
  })

  it('passes a manager over until its time is up, then one call tries it', async () => {
    const { first, clock, keys } = await pair()
    const signer = await keys.getSigner('root')
    await signs(signer)
    first.failure = 'ERR_HSM_UNAVAILABLE'
    await signs(signer)
    const after = first.asked
    await Promise.all(Array.from({ length: 20 }, () => signs(signer)))
    expect(first.asked).toBe(after)
    clock.advance(5000)
    await Promise.all(Array.from({ length: 20 }, () => signs(signer)))
    expect(first.asked).toBe(after + 1)
    first.failure = undefined
    clock.advance(5000)
    await signs(signer)
    await signs(signer)
    expect(first.asked).toBe(after + 3)
  })

  it.each([
    { who: 'whose queue is full', before: [] },
    { who: 'who answers again, be it that there is no room', before: ['ERR_HSM_UNAVAILABLE'] },
  ] as const)('passes over nobody $who', async ({ before }) => {
    const { first, clock, keys } = await pair()
    const signer = await keys.getSigner('root')
    for (const failure of [...before, 'ERR_HSM_QUEUE_FULL'] as const) {
      first.failure = failure
      await signs(signer)
      if (failure !== 'ERR_HSM_QUEUE_FULL') clock.advance(5000)
    }
    first.failure = undefined
    const asked = first.asked
    await signs(signer)
    expect(first.asked).toBeGreaterThan(asked)
  })

  it('says of what is no backup that it is none', async () => {
    const { keys } = await pair()
    for (const none of [undefined, null, 7, {}])
      await expect(keys.restoreKey(none as never, protection)).rejects.toThrow(code('ERR_KEY_BACKUP'))
  })

  it('signs with no other key, and with the same one under another version', async () => {
    const { first, second, keys } = await pair()
    const old = await keys.getSigner('root')
    await second.rotateKey('root')
    first.failure = 'ERR_HSM_UNAVAILABLE'
    await signs(old)
    first.failure = undefined
    const fresh = await new FailoverKeyManager({ managers: [first, second] }).rotateKey('root')
    first.failure = 'ERR_HSM_UNAVAILABLE'
    // The second manager does not hold what was made since: the failure of the first is what the caller sees.
    const there = await new FailoverKeyManager({
      managers: [first, second],
      clock: new FakeClock(),
    }).getSigner('root')
    expect(there!.publicKey.equals(fresh.publicKey)).toBe(false)
    first.failure = undefined
    const kept = await new FailoverKeyManager({ managers: [first, second] }).getSigner('root')
    await signs(kept)
    first.failure = 'ERR_HSM_TIMEOUT'
    await expect(kept!.sign(data)).rejects.toThrow(code('ERR_HSM_TIMEOUT'))
  })

  it('fails with the last failure where none works, and asks again all the same', async () => {
    const { first, second, keys } = await pair()
    const signer = await keys.getSigner('root')
    first.failure = 'ERR_HSM_UNAVAILABLE'
    second.failure = 'ERR_HSM_TIMEOUT'
    await expect(signer!.sign(data)).rejects.toThrow(code('ERR_HSM_TIMEOUT'))
    await expect(signer!.sign(data)).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    first.failure = undefined
    await signs(signer)
  })

  it('destroys a key, or one version, in every manager', async () => {
    const { first, second, keys } = await pair()
    await first.rotateKey('root')
    await keys.destroyKey('root', 1)
    expect(await second.listKeys()).toEqual([])
    expect((await first.listKeys()).map(({ version }) => version)).toEqual([2])
    await keys.replicateKey('root', protection)
    await keys.replicateKey('root', protection)
    expect(await second.listKeys()).toHaveLength(1)
    await keys.destroyKey('root')
    expect([...(await first.listKeys()), ...(await second.listKeys())]).toEqual([])
    await expect(keys.destroyKey('root', 3)).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  })

  it('gives out no stale replica once the first manager said which key it is', async () => {
    const { first, second, clock, keys } = await pair()
    const rotated = await keys.rotateKey('root')
    first.failure = 'ERR_HSM_UNAVAILABLE'
    // The second still holds version 1 alone.
    await expect(keys.getSigner('root')).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    await expect(keys.getSigner('root')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    first.failure = undefined
    clock.advance(5000)
    await second.rotateKey('root')
    await keys.replicateKey('root', protection)
    first.failure = 'ERR_HSM_UNAVAILABLE'
    const found = await keys.getSigner('root')
    expect(found?.publicKey.equals(rotated.publicKey)).toBe(true)
    await signs(found)
  })

  it('closes every manager, though one fails', async () => {
    const { first, second, keys } = await pair()
    first[Symbol.asyncDispose] = () => Promise.reject(new PkiError('ERR_HSM_UNAVAILABLE', 'as told'))
    await expect(keys[Symbol.asyncDispose]()).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    await expect(second.getSigner('root')).rejects.toThrow(code('ERR_CLOSED'))
  })

  it('wants a manager', () => {
    expect(() => new FailoverKeyManager({ managers: [] })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
