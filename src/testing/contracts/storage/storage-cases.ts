// The cases of one store of a CA storage, each with a storage of its own.

import type { CaStorage } from '../../../ca/index.ts'
import type { ContractCase } from '../contract-case.ts'

/** The tested implementation. */
export interface CaStorageContractOptions {
  /** Opens the backend; each case opens it and disposes of it. */
  readonly open: () => Promise<CaStorage>
  /** Whether the backend keeps its data when it is closed and opened again. Default false. */
  readonly durable?: boolean
}

type Test = (storage: CaStorage) => Promise<void>

/** One case for each test, by its name. */
export const casesOf = (
  { open }: CaStorageContractOptions,
  tests: Readonly<Record<string, Test>>,
): ContractCase[] =>
  Object.entries(tests).map(([name, test]) => ({
    name,
    run: async () => {
      await using storage = await open()
      await test(storage)
    },
  }))
