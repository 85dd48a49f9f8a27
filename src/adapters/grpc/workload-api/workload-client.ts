// Connects to a SPIFFE Workload API, such as that of a SPIRE agent.

import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger } from '../../../runtime/internal.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import { match } from '../../../spiffe/index.ts'
import type { SpiffeId, SpiffeIdMatcher } from '../../../spiffe/index.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { parseEndpoint } from '../local-server/index.ts'
import { ApiSource } from './api-source.ts'
import type { WorkloadApiSource } from './api-source.ts'
import { EndpointChannel } from './endpoint-channel.ts'

/**
 * Options of `createWorkloadApiSource`.
 *
 * @inline
 */
export interface WorkloadApiSourceOptions {
  /** Default: the environment variable `SPIFFE_ENDPOINT_SOCKET`. */
  readonly address?: string | undefined
  /**
   * Selects the identity of this process among several: a SPIFFE ID or a matcher. Default: the first (W-12).
   */
  readonly id?: SpiffeId | SpiffeIdMatcher | string
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  /** Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

const optionKinds: OptionKinds<WorkloadApiSourceOptions> = {
  address: 'optional',
  id: 'guard',
  clock: 'optional',
  logger: 'optional',
  grpc: 'optional',
}

/**
 * Connects to a Workload API and follows its state: `source.ready()` settles with the first SVID, and
 * `createTlsIdentity({ source })` uses it. Every response is verified. An invalid one is discarded, and the
 * previous state stays in use while it is valid. After PERMISSION_DENIED there is no SVID (W-6).
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT the address is absent or invalid (W-3)
 * @example
 * ```ts
 * await using agent = await createWorkloadApiSource({ address: 'unix:///run/spire/agent.sock' })
 * console.log((await agent.ready()).svid.id.toString())
 * ```
 */
export async function createWorkloadApiSource(
  given: WorkloadApiSourceOptions = {},
): Promise<WorkloadApiSource> {
  const options = readOptions('createWorkloadApiSource', given, optionKinds)
  const address = options.address ?? process.env['SPIFFE_ENDPOINT_SOCKET']
  if (address === undefined || address === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createWorkloadApiSource: address or SPIFFE_ENDPOINT_SOCKET is required (W-3)',
    )
  const what = options.address === undefined ? 'SPIFFE_ENDPOINT_SOCKET' : 'createWorkloadApiSource: address'
  const endpoint = parseEndpoint(address, what)
  const clock = options.clock ?? systemClock
  const logger = safeLogger('createWorkloadApiSource', options.logger)
  const { id } = options
  const matches = id === undefined || typeof id === 'function' ? id : match.id(id)
  const channel = new EndpointChannel({ grpc: await loadGrpc(options.grpc), endpoint, clock, logger })
  return new ApiSource(channel, matches, clock, logger)
}
