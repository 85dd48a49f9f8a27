// Attestation of the callers of a local endpoint: the contract, and its view of a call.

import type { Metadata } from '@grpc/grpc-js'
import type { AuthenticationRequest } from '../../../auth/index.ts'
import { PkiError } from '../../../errors/index.ts'
import { admittedCallOf } from '../server/index.ts'

/**
 * Identifies the caller and selects what is served to it: a `SecretSource` for the Secret Discovery Service,
 * a `WorkloadSource` for the Workload API. Called once per call.
 *
 * @example
 * ```ts
 * const byToken = {
 *   name: 'by token',
 *   async attest(call: { header(name: string): readonly string[] }) {
 *     return call.header('authorization')[0] === `Bearer ${token}` ? served : undefined
 *   },
 * }
 * ```
 */
export interface Attestor<Served> {
  /** A name for logs. */
  readonly name: string
  /** The source for this caller; undefined if it has no identity here (PERMISSION_DENIED). */
  attest(call: AuthenticationRequest): Promise<Served | undefined>
}

/** A gRPC call of any kind, with the members that attestation needs. */
export interface IncomingCall {
  readonly metadata: Metadata
  getPeer(): string
}

/** The view of a call for attestors. `signal` is aborted when the client disconnects. */
export function attestationRequest(call: IncomingCall, signal: AbortSignal): AuthenticationRequest {
  const socket = admittedCallOf(call)?.connection.socket
  const { remoteAddress, remotePort } = socket ?? {}
  return {
    transport: 'grpc',
    header: (name) =>
      call.metadata.get(name).map((value) => (typeof value === 'string' ? value : value.toString('latin1'))),
    peer:
      remoteAddress === undefined || remotePort === undefined
        ? undefined
        : { address: remoteAddress, port: remotePort },
    tls: undefined,
    signal,
  }
}

/** Serves the same source to every process that may open the socket. */
function everybodyOf<Served>(served: Served): Attestor<Served> {
  return { name: 'socket', attest: () => Promise.resolve(served) }
}

/**
 * Reads the attestor from a server's options.
 *
 * @param option The name of the option for a source common to all callers.
 * @throws ERR_INVALID_ARGUMENT if neither or both are given; on TCP, where any process of the machine can
 * connect, an attestor is required (W-1)
 */
export function attestorOf<Served>(
  caller: string,
  option: string,
  given: {
    readonly served: Served | undefined
    readonly attestor: Attestor<Served> | undefined
    readonly tcp: boolean
  },
): Attestor<Served> {
  const { served, attestor, tcp } = given
  if ((served === undefined) === (attestor === undefined))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: expected either ${option} or attestor`)
  if (attestor === undefined) {
    if (!tcp) return everybodyOf(served as Served)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${caller}: on TCP every process of this machine can connect; attestor is required (W-1)`,
    )
  }
  if (typeof (attestor as Partial<Attestor<Served>>).attest !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: attestor must have a method attest`)
  return attestor
}
