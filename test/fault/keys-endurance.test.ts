// 100,000 signatures, and memory as before.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { MemoryKeyManager } from '../../src/keys/index.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

it('100,000 software signatures leave nothing behind', async () => {
  await using keys = new MemoryKeyManager()
  const signers = [await keys.generateKey('ec', 'P-256'), await keys.generateKey('ed', 'Ed25519')]
  const data = Buffer.alloc(400, 1)
  const sign = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await signers[i % 2]!.sign(data)
      if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const held = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  await sign(10_000)
  const before = held()
  await sign(100_000)
  // A leak of 16 octets a signature would show.
  expect(held() - before).toBeLessThan(1_600_000)
})
