// The contract of key managers, as tests of this runner.

import { expect, it } from 'vitest'
import { keyManagerContract } from '../../src/testing/index.ts'
import type { KeyManagerContractOptions } from '../../src/testing/index.ts'

/** A test for each case. */
export function itKeepsTheContract(options: KeyManagerContractOptions): void {
  for (const { name, run } of keyManagerContract(options))
    it(`keeps the contract: ${name}`, async () => expect(run()).resolves.toBeUndefined())
}
