/**
 * For tests of what you build on this package: the contract of key managers, a clock that is told what time it is.
 *
 * @module spiffe-pki/testing
 */
export { FakeClock } from './fake-clock.ts'
export { keyManagerContract } from './key-manager-contract.ts'
export type { ContractCase, KeyManagerContractOptions } from './key-manager-contract.ts'
