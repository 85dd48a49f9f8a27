// Istio's certificate service on TLS ports; certificate and client roots can be replaced at run time.

import type { AddressInfo } from 'node:net'
import type { Server } from '@grpc/grpc-js'
import { checkCounts } from '../../../internal/numbers.ts'
import { checkTexts } from '../../../internal/option-types.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../../runtime/internal.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
import {
  Admission,
  admissionLimitKinds,
  openPort,
  resolveLimits,
  secureContextOptions,
} from '../server/index.ts'
import type { AdmissionLimits, Port, ServerTlsMaterial } from '../server/index.ts'
import { certificateServiceHandlers } from './certificate-service.ts'
import { certificateServiceDefinition } from './service-definition.ts'
import { certificateServiceKinds } from './service-options.ts'
import type { CertificateServiceOptions } from './service-options.ts'

/** Options of `createCertificateServer`. @inline */
export interface CertificateServerOptions
  extends Omit<CertificateServiceOptions, 'tlsPeerOf'>, AdmissionLimits {
  /** Replaced later by `updateTls`. */
  readonly tls: ServerTlsMaterial
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Default 0: any free port. */
  readonly port?: number | undefined
  /**
   * A second port that does not request a client certificate, for callers with tokens. On this port OpenSSL
   * verifies no chain before authentication. 0 is any free port. Default: none.
   */
  readonly tokenPort?: number | undefined
  /** Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

const { tlsPeerOf: _served, ...serviceKinds } = certificateServiceKinds

const serverKinds: OptionKinds<CertificateServerOptions> = {
  ...serviceKinds,
  ...admissionLimitKinds,
  tls: 'required',
  host: 'optional',
  port: 'optional',
  tokenPort: 'optional',
  grpc: 'optional',
}

/** A running server. @inline */
export interface CertificateServer extends AsyncDisposable {
  /** The host that it listens on. */
  readonly host: string
  /** The port that it listens on; the assigned port if 0 was given. */
  readonly port: number
  /** The port for callers with tokens; undefined without `tokenPort`. */
  readonly tokenPort: number | undefined
  /** The grpc-js server, for additional services; admission limits apply to their calls. */
  readonly grpcServer: Server
  /** Open connections. */
  readonly connections: number
  /**
   * New handshakes use the new material. Open connections continue; their
   * clients are authenticated on every call.
   *
   * @throws ERR_INVALID_ARGUMENT for material that cannot be parsed, is inconsistent, or is outside its
   * validity; the old material stays in use
   */
  updateTls(material: ServerTlsMaterial): void
  /**
   * Stops accepting, waits up to `graceMs` (default 5,000) for calls in progress, then closes the rest.
   * @throws ERR_INVALID_ARGUMENT
   */
  close(graceMs?: number): Promise<void>
}

/**
 * Starts Istio's certificate service on a TLS port.
 *
 * A client certificate is requested but not required: a token is enough if an
 * authenticator accepts it. Sessions are not resumed, so every connection
 * presents its certificate and is verified with the current roots.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT; ERR_SERVER_START
 *   also for TLS material that cannot be used
 * @example
 * ```ts
 * const tls = { certificateChain: pem, privateKey: pem, clientRoots: root.toPem() }
 * await using running = await createCertificateServer({ issuance, authenticator, tls, port: 15012 })
 * running.updateTls(tls) // when the files were rotated
 * ```
 */
export async function createCertificateServer(given: CertificateServerOptions): Promise<CertificateServer> {
  const options = readOptions('createCertificateServer', given, serverKinds)
  const { host = '127.0.0.1', port = 0, tokenPort, clock = systemClock, tls } = options
  checkTexts('createCertificateServer', { host })
  checkCounts({ port, tokenPort }, 0, 65_535)
  const limits = resolveLimits(options)
  const grpc = await loadGrpc(options.grpc)
  const context = secureContextOptions('ERR_SERVER_START', tls, systemClock.now())
  const logger = safeLogger('createCertificateServer', options.logger)
  const metrics = safeMetrics('createCertificateServer', options.metrics)
  const admission = new Admission({ grpc, limits, clock, logger, metrics })
  admission.grpcServer.addService(certificateServiceDefinition, certificateServiceHandlers(pick(options)))
  const open = (at: number, requestCertificate: boolean): Promise<Port> =>
    openPort(admission, { at: { host, port: at }, tls: { context, requestCertificate } })
  const ports = [await open(port, true)]
  try {
    if (tokenPort !== undefined) ports.push(await open(tokenPort, false))
  } catch (error) {
    await admission.close(ports, 0)
    throw error
  }
  const [main, second] = ports.map(({ address }) => address as AddressInfo)
  const server: CertificateServer = {
    host: (main as AddressInfo).address,
    port: (main as AddressInfo).port,
    tokenPort: second?.port,
    grpcServer: admission.grpcServer,
    get connections() {
      return admission.connections.size
    },
    updateTls(material) {
      const next = secureContextOptions('ERR_INVALID_ARGUMENT', material, systemClock.now())
      for (const one of ports) one.setContext(next)
    },
    close: (graceMs = 5_000) => admission.close(ports, graceMs),
    [Symbol.asyncDispose]: () => server.close(),
  }
  return server
}

/** The options of the service, extracted from those of the server. */
function pick(options: CertificateServerOptions): CertificateServiceOptions {
  const names = Object.keys(serviceKinds) as (keyof CertificateServiceOptions &
    keyof CertificateServerOptions)[]
  const given = names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]])
  return Object.fromEntries(given) as CertificateServiceOptions
}
