// The memory storage of a CA passes the contract suite.

import { describe } from 'vitest'
import { createMemoryStorage } from '../../../src/ca/index.ts'
import { contracts } from '../../../src/testing/index.ts'
import { itKeeps } from '../../support/contract.ts'

describe('createMemoryStorage', () => {
  itKeeps(contracts.CaStorage({ open: async () => createMemoryStorage() }))
})
