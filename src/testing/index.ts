/**
 * For tests of your own implementations: contract suites for any test runner, and a clock that the test
 * controls.
 *
 * @module spiffe-pki/testing
 */
export { FakeClock } from './fake-clock.ts'
export { contracts } from './contracts.ts'
export type { ContractCase } from './contracts/contract-case.ts'
