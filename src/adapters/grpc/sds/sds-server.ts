// The Secret Discovery Service on a Unix socket or a loopback port.

import { PkiError } from '../../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../../internal/numbers.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import type { CertificateSecret, SecretSource } from '../../../secrets/index.ts'
import { attestorOf, endpointOf, localServerKinds, openLocalServer } from '../local-server/index.ts'
import type { Attestor, LocalServer, LocalServerOptions } from '../local-server/index.ts'
import type { PrivateKeyProvider } from './encode-secret.ts'
import { createNoAuthority } from './no-authority.ts'
import { sdsDefinition, sdsHandlers, sdsV2Definition, sdsV2Handlers } from './sds-service.ts'

/**
 * Options of `createSdsServer`.
 *
 * @inline
 */
export interface SdsServerOptions extends LocalServerOptions {
  /** The source for every process that may open the socket. Either this or `attestor` is required. */
  readonly secrets?: SecretSource
  /** Selects the source for each call; required on TCP. */
  readonly attestor?: Attestor<SecretSource>
  /**
   * The certificates of a path for which Envoy requires a revocation list. `chain` needs a list of every CA,
   * or Envoy refuses every peer. Default `leaf`.
   */
  readonly crlScope?: 'leaf' | 'chain'
  /** Returns a provider that replaces the private key; undefined: the key is sent. */
  readonly privateKeyProvider?: (secret: CertificateSecret) => PrivateKeyProvider | undefined
  /**
   * Maximum number of names on one stream; more end the stream. A subscription to everything is not limited.
   * Default 64. One request may have three times as many names and versions, and always 4,096.
   */
  readonly maxNames?: number | undefined
  /**
   * Minimum time between two responses on one stream, in milliseconds, after the first eight. Default 100.
   */
  readonly minAnswerIntervalMs?: number | undefined
}

const optionKinds: OptionKinds<SdsServerOptions> = {
  ...localServerKinds,
  secrets: 'guard',
  attestor: 'guard',
  crlScope: 'guard',
  privateKeyProvider: 'guard',
  maxNames: 'optional',
  minAnswerIntervalMs: 'optional',
}

/**
 * Serves secrets to Envoy: StreamSecrets, DeltaSecrets and FetchSecrets of version 3. A change is sent to
 * every subscribed stream. A version that Envoy rejected is not sent again, but the next version is.
 *
 * Authorities of one trust domain are sent as `trusted_ca`, with the revocation lists. `ALL` is a
 * configuration of Envoy's SPIFFE validator, which ignores revocation lists. A removed trust domain is
 * replaced by an authority without certificates.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT, ERR_SERVER_START
 * @example
 * ```ts
 * await using sds = await createSdsServer({ address: 'unix:///run/mesh/sds.sock', secrets:
 * createWorkloadSecrets({ sources: [source] }) })
 * ```
 */
export async function createSdsServer(given: SdsServerOptions): Promise<LocalServer> {
  const options = readOptions('createSdsServer', given, optionKinds)
  const { secrets, attestor, crlScope = 'leaf', maxNames = 64, minAnswerIntervalMs = 100 } = options
  const tcp = endpointOf('createSdsServer', options).kind === 'tcp'
  const who = attestorOf('createSdsServer', 'secrets', { served: secrets, attestor, tcp })
  if (secrets !== undefined && typeof (Object(secrets) as Partial<SecretSource>).watch !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createSdsServer: secrets must be a SecretSource, found ${nameOf(secrets)}`,
    )
  // A misspelt scope must not select a weaker check.
  if (!['leaf', 'chain'].includes(crlScope))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createSdsServer: crlScope is ${JSON.stringify(crlScope)}; expected leaf or chain`,
    )
  checkCounts({ maxNames }, 1, 100_000)
  checkMeasures({ minAnswerIntervalMs }, 1, 60_000)
  const noAuthority = await createNoAuthority()
  const { privateKeyProvider } = options
  return openLocalServer('createSdsServer', options, ({ grpcServer, clock, logger, metrics }) => {
    const encoding = { crlScope, privateKeyProvider, noAuthority }
    const service = { attestor: who, encoding, maxNames, minAnswerIntervalMs, clock, logger, metrics }
    grpcServer.addService(sdsDefinition, sdsHandlers(service))
    grpcServer.addService(sdsV2Definition, sdsV2Handlers)
  })
}
