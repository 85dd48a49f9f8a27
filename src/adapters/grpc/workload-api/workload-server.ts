// The SPIFFE Workload API on a Unix socket or a loopback port.

import { PkiError } from '../../../errors/index.ts'
import { checkMeasures } from '../../../internal/numbers.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import type { WorkloadSource } from '../../../secrets/index.ts'
import { attestorOf, endpointOf, localServerKinds, openLocalServer } from '../local-server/index.ts'
import type { Attestor, LocalServer, LocalServerOptions } from '../local-server/index.ts'
import { workloadServiceDefinition, workloadServiceHandlers } from './workload-service.ts'

/**
 * Options of `createWorkloadApiServer`.
 *
 * @inline
 */
export interface WorkloadApiServerOptions extends LocalServerOptions {
  /** The workload of every process that may open the socket. Either this or `attestor` is required. */
  readonly workload?: WorkloadSource
  /** Selects the workload for each call; required on TCP. */
  readonly attestor?: Attestor<WorkloadSource>
  /** How long a call waits for identities that are not ready, in milliseconds. Default 5,000. */
  readonly readyTimeoutMs?: number | undefined
}

const optionKinds: OptionKinds<WorkloadApiServerOptions> = {
  ...localServerKinds,
  workload: 'guard',
  attestor: 'guard',
  readyTimeoutMs: 'optional',
}

/**
 * Serves the SPIFFE Workload API: every method of the stable specification. A rotation reaches every stream.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT, ERR_SERVER_START
 * @example
 * ```ts
 * const workload = createWorkloadSecrets({ sources: [source] })
 * await using api = await createWorkloadApiServer({ address: 'unix:///run/spire/api.sock', workload })
 * ```
 */
export async function createWorkloadApiServer(given: WorkloadApiServerOptions): Promise<LocalServer> {
  const caller = 'createWorkloadApiServer'
  const options = readOptions(caller, given, optionKinds)
  const { workload, attestor, readyTimeoutMs = 5_000 } = options
  const tcp = endpointOf(caller, options).kind === 'tcp'
  const who = attestorOf(caller, 'workload', { served: workload, attestor, tcp })
  if (workload !== undefined && typeof (Object(workload) as Partial<WorkloadSource>).onChange !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: workload must be a WorkloadSource`)
  checkMeasures({ readyTimeoutMs }, 1, 600_000)
  return openLocalServer(caller, options, ({ grpcServer, clock, logger }) => {
    const service = { attestor: who, readyTimeoutMs, clock, logger }
    grpcServer.addService(workloadServiceDefinition, workloadServiceHandlers(service))
  })
}
