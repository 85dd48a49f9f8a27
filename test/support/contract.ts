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

/** The names of the cases that an implementation does not pass. */
export async function failingCases(cases: readonly ContractCase[]): Promise<string[]> {
  const failed: string[] = []
  for (const { name, run } of cases)
    await run().catch(() => {
      failed.push(name)
    })
  return failed
}
