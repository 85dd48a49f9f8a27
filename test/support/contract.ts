// Contract suites, as tests of this runner.

import { expect, it } from 'vitest'
import { contracts } from '../../src/testing/index.ts'
import type { ContractCase } from '../../src/testing/index.ts'

/** A test for each case of the contract of key managers. */
export function itKeepsTheContract(options: Parameters<typeof contracts.KeyManager>[0]): void {
  itKeeps(contracts.KeyManager(options))
}

/** A test for each case. */
export function itKeeps(cases: readonly ContractCase[]): void {
  for (const { name, run } of cases)
    it(`keeps the contract: ${name}`, async () => expect(run()).resolves.toBeUndefined())
}
