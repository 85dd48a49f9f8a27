// Every contract that users implement, with the cases that an implementation must pass.

import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'
import type { ContractCase } from './contracts/contract-case.ts'
import { auditWitnessContract } from './contracts/audit-witness-contract.ts'
import { attestorContract } from './contracts/callers/attestor-contract.ts'
import { impersonationAuthorizerContract } from './contracts/callers/impersonation-authorizer-contract.ts'
import { podIndexContract } from './contracts/callers/pod-index-contract.ts'
import { auditStoreContract } from './contracts/storage/audit-store-contract.ts'
import { authorityStoreContract } from './contracts/storage/authority-store-contract.ts'
import { caStorageContract } from './contracts/storage/ca-storage-contract.ts'
import { crlStoreContract } from './contracts/storage/crl-store-contract.ts'
import { leaseStoreContract } from './contracts/storage/lease-store-contract.ts'
import { authenticatorContract, issuancePolicyContract } from './contracts/caller-contracts.ts'
import { certificateStoreContract } from './contracts/storage/certificate-store-contract.ts'
import { guardedFetcherContract } from './contracts/guarded-fetcher-contract.ts'
import { identityProviderContract } from './contracts/identity-provider-contract.ts'
import { keyManagerContract } from './contracts/keys/key-manager-contract.ts'
import { clockContract, loggerContract, metricsContract } from './contracts/runtime-contracts.ts'
import { caClientContract, secretSourceContract, tileStoreContract } from './contracts/secret-contracts.ts'
import { oneTimeStoreContract } from './contracts/storage/one-time-store-contract.ts'
import { signerContract } from './contracts/signer-contract.ts'
import { remoteSignerContract } from './contracts/remote-signer-contract.ts'
import { upstreamAuthorityContract } from './contracts/upstream-contract.ts'
import { workloadSourceContract } from './contracts/workload-source-contract.ts'
import { bundleSourceContract, revocationCheckerContract } from './contracts/trust-contracts.ts'

/** The suite with its options read: a misspelt option would omit cases. */
function suite<Options extends object>(
  name: string,
  cases: (options: Options) => readonly ContractCase[],
  kinds: OptionKinds<Options>,
): (options: Options) => readonly ContractCase[] {
  return (options) => cases(readOptions(`contracts.${name}`, options, kinds))
}

const open = { open: 'required' } as const
const ofStorage = { ...open, durable: 'guard' } as const

/**
 * The suite of each contract, by the contract's name. A suite is a list of cases for any test runner. A case
 * has a name and a function `run`, which resolves if the implementation keeps the contract.
 *
 * @example
 * ```ts
 * const open = async () => new MemoryKeyManager()
 * const facts = { extractable: true, durable: false }
 * for (const { name, run } of contracts.KeyManager({ open, algorithms: ['P-256'], ...facts }))
 *   it(name, run)
 * ```
 */
export const contracts: {
  /** Identifies the callers of a local endpoint. */
  readonly Attestor: typeof attestorContract
  /** Stores audit entries in sequence. */
  readonly AuditStore: typeof auditStoreContract
  /** Cosigns the checkpoints of a log that only grows. */
  readonly AuditWitness: typeof auditWitnessContract
  /** Recognises one kind of credential. */
  readonly Authenticator: typeof authenticatorContract
  /** Stores the authorities of one CA. */
  readonly AuthorityStore: typeof authorityStoreContract
  /** Returns trust bundles by trust domain. */
  readonly BundleSource: typeof bundleSourceContract
  /** Obtains certificates from a CA. */
  readonly CaClient: typeof caClientContract
  /** Every store of a CA: includes the suites of its stores. */
  readonly CaStorage: typeof caStorageContract
  /** Stores certificates and revocations. */
  readonly CertificateStore: typeof certificateStoreContract
  /** Provides the time and timers. Without `advance` the suite waits for about half a second. */
  readonly Clock: typeof clockContract
  /** Stores the last list of each issuer. */
  readonly CrlStore: typeof crlStoreContract
  /** Fetches remote documents within limits. */
  readonly GuardedFetcher: typeof guardedFetcherContract
  /** Validates tokens, and determines what their holders may do. */
  readonly IdentityProvider: typeof identityProviderContract
  /** Decides who may request the certificate of another identity. */
  readonly ImpersonationAuthorizer: typeof impersonationAuthorizerContract
  /** Decides which certificates a caller may have. */
  readonly IssuancePolicy: typeof issuancePolicyContract
  /** Creates, stores and uses private keys. */
  readonly KeyManager: typeof keyManagerContract
  /** Grants leases by the clock of the store. */
  readonly LeaseStore: typeof leaseStoreContract
  /** Writes structured lines. */
  readonly Logger: typeof loggerContract
  /** Counts, sets and observes. */
  readonly Metrics: typeof metricsContract
  /** Stores values for one use. */
  readonly OneTimeStore: typeof oneTimeStoreContract
  /** Finds pods by cluster, name and node. */
  readonly PodIndex: typeof podIndexContract
  /** Has a remote CA sign leaves. */
  readonly RemoteSigner: typeof remoteSignerContract
  /** Determines whether a certificate of a path is revoked. */
  readonly RevocationChecker: typeof revocationCheckerContract
  /** Supplies secrets by name. */
  readonly SecretSource: typeof secretSourceContract
  /** Signs with one private key. */
  readonly Signer: typeof signerContract
  /** Stores the tiles of the audit log. */
  readonly TileStore: typeof tileStoreContract
  /** Certifies our intermediates. */
  readonly UpstreamAuthority: typeof upstreamAuthorityContract
  /** Supplies the state of one workload. */
  readonly WorkloadSource: typeof workloadSourceContract
} = Object.freeze({
  Attestor: suite('Attestor', attestorContract, { ...open, known: 'required', unknown: 'required' }),
  AuditStore: suite('AuditStore', auditStoreContract, ofStorage),
  AuditWitness: suite('AuditWitness', auditWitnessContract, open),
  Authenticator: suite('Authenticator', authenticatorContract, {
    ...open,
    valid: 'required',
    invalid: 'required',
    identities: 'required',
  }),
  AuthorityStore: suite('AuthorityStore', authorityStoreContract, ofStorage),
  BundleSource: suite('BundleSource', bundleSourceContract, {
    ...open,
    trustDomain: 'required',
    change: 'optional',
  }),
  CaClient: suite('CaClient', caClientContract, { ...open, request: 'optional', taint: 'optional' }),
  CaStorage: suite('CaStorage', caStorageContract, ofStorage),
  CertificateStore: suite('CertificateStore', certificateStoreContract, ofStorage),
  Clock: suite('Clock', clockContract, { ...open, advance: 'optional' }),
  CrlStore: suite('CrlStore', crlStoreContract, ofStorage),
  GuardedFetcher: suite('GuardedFetcher', guardedFetcherContract, {
    ...open,
    url: 'required',
    refused: 'optional',
  }),
  IdentityProvider: suite('IdentityProvider', identityProviderContract, {
    ...open,
    token: 'required',
    spiffeId: 'required',
    invalid: 'required',
    allowed: 'required',
    refused: 'required',
  }),
  ImpersonationAuthorizer: suite('ImpersonationAuthorizer', impersonationAuthorizerContract, {
    ...open,
    allowed: 'required',
    refused: 'required',
  }),
  IssuancePolicy: suite('IssuancePolicy', issuancePolicyContract, {
    ...open,
    allowed: 'required',
    refused: 'required',
  }),
  KeyManager: suite('KeyManager', keyManagerContract, {
    ...open,
    algorithms: 'required',
    extractable: 'required',
    durable: 'guard',
  }),
  LeaseStore: suite('LeaseStore', leaseStoreContract, ofStorage),
  Logger: suite('Logger', loggerContract, open),
  Metrics: suite('Metrics', metricsContract, open),
  OneTimeStore: suite('OneTimeStore', oneTimeStoreContract, open),
  PodIndex: suite('PodIndex', podIndexContract, open),
  RemoteSigner: suite('RemoteSigner', remoteSignerContract, { ...open, trustDomain: 'required' }),
  RevocationChecker: suite('RevocationChecker', revocationCheckerContract, {
    ...open,
    good: 'required',
    revoked: 'required',
  }),
  SecretSource: suite('SecretSource', secretSourceContract, {
    ...open,
    name: 'required',
    change: 'required',
  }),
  Signer: suite('Signer', signerContract, open),
  TileStore: suite('TileStore', tileStoreContract, open),
  UpstreamAuthority: suite('UpstreamAuthority', upstreamAuthorityContract, {
    ...open,
    trustDomain: 'required',
    changeRoots: 'optional',
  }),
  WorkloadSource: suite('WorkloadSource', workloadSourceContract, { ...open, change: 'required' }),
})
