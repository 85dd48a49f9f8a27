// A gRPC server for processes on the same machine: one Unix socket or loopback port, with the admission
// limits of every listener.

import type { AddressInfo } from 'node:net'
import type { Server } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { requireCount } from '../../../internal/numbers.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { Admission, admissionLimitKinds, openPort, resolveLimits } from '../server/index.ts'
import type { AdmissionLimits, Port } from '../server/index.ts'
import { formatEndpoint, isLoopback, parseEndpoint } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { openUnixSocket } from './unix-socket.ts'

/**
 * Options of every local server.
 *
 * @inline
 */
export interface LocalServerOptions extends AdmissionLimits {
  /**
   * `unix:///absolute/path` or `tcp://127.0.0.1:port`; port 0 is any free port. TCP addresses must be
   * loopback addresses.
   */
  readonly address: string
  /**
   * Permissions of the Unix socket: every process that may connect has the identity. Default `0o600`, which
   * admits only the user of this process.
   */
  readonly socketMode?: number | undefined
  readonly clock?: Clock | undefined
  /** Receives a line for each call that is refused. */
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
  /** Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

/** The keys of `LocalServerOptions` for `readOptions`. */
export const localServerKinds: OptionKinds<LocalServerOptions> = {
  ...admissionLimitKinds,
  address: 'required',
  socketMode: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
  grpc: 'optional',
}

/** A running local server. */
export interface LocalServer extends AsyncDisposable {
  /** The address that it listens on, with the assigned port if 0 was given. */
  readonly address: string
  /** Open connections. */
  readonly connections: number
  /**
   * Stops accepting, waits up to `graceMs` (default 1,000) for calls in progress, then closes the rest:
   * streams do not end by themselves. @throws ERR_INVALID_ARGUMENT
   */
  close(graceMs?: number): Promise<void>
}

/** The objects that the services of a local server share. */
export interface LocalServices {
  readonly grpcServer: Server
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** The endpoint of the options. @throws ERR_INVALID_ARGUMENT */
export function endpointOf(caller: string, { address, socketMode }: LocalServerOptions): Endpoint {
  const endpoint = parseEndpoint(address, `${caller}: address`)
  if (endpoint.kind === 'tcp' && !isLoopback(endpoint))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${caller}: address is ${address}; expected a loopback address: private keys are sent without TLS`,
    )
  if (socketMode !== undefined) requireCount('socketMode', socketMode, 0, 0o777)
  return endpoint
}

/**
 * Starts the server with the services that `addServices` adds. @throws ERR_PEER_NOT_INSTALLED,
 * ERR_INVALID_ARGUMENT, ERR_SERVER_START
 */
export async function openLocalServer(
  caller: string,
  options: LocalServerOptions,
  addServices: (services: LocalServices) => void,
): Promise<LocalServer> {
  const endpoint = endpointOf(caller, options)
  const limits = resolveLimits({ ...localLimits, ...definedLimits(options) })
  const grpc = await loadGrpc(options.grpc)
  const clock = options.clock ?? systemClock
  const logger = safeLogger(caller, options.logger)
  const metrics = safeMetrics(caller, options.metrics)
  const admission = new Admission({ grpc, limits, clock, logger, metrics })
  addServices({ grpcServer: admission.grpcServer, clock, logger, metrics })
  const port =
    endpoint.kind === 'unix'
      ? await openUnixSocket(admission, endpoint.path, options.socketMode ?? 0o600)
      : await openPort(admission, { at: endpoint, tls: undefined })
  const server: LocalServer = {
    address: formatEndpoint(listening(endpoint, port)),
    get connections() {
      return admission.connections.size
    },
    close: (graceMs = 1_000) => admission.close([port], graceMs),
    [Symbol.asyncDispose]: () => server.close(),
  }
  return server
}

function listening(endpoint: Endpoint, { address }: Port): Endpoint {
  return endpoint.kind === 'unix' ? endpoint : { ...endpoint, port: (address as AddressInfo).port }
}

function definedLimits(options: LocalServerOptions): AdmissionLimits {
  const names = Object.keys(admissionLimitKinds) as (keyof AdmissionLimits)[]
  return Object.fromEntries(
    names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  )
}

/** A stream lasts as long as its client: replacing a local connection has no benefit. */
const localLimits: AdmissionLimits = { maxMessageBytes: 256 * 1024, maxConnectionAgeSeconds: 1_000_000 }
