// A client of Istio's certificate service that verifies every response, unlike Istio's own client.

import { create } from '@bufbuild/protobuf'
import type { Client } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { waitFor } from '../../../internal/turns/waiting.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger } from '../../../runtime/internal.ts'
import type { CaAnswer, CaRequest } from '../../../secrets/internal.ts'
import { CertificateRequest } from '../../../x509/index.ts'
import type { CertificateRequestInput } from '../../../x509/internal.ts'
import { IstioCertificateRequestSchema } from '../gen/istio/v1/auth/ca_pb.ts'
import type { IstioCertificateRequest, IstioCertificateResponse } from '../gen/istio/v1/auth/ca_pb.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { checkCertificateReply } from './certificate-reply.ts'
import type { CertificateReply } from './certificate-reply.ts'
import { callCreateCertificate, openChannel, requestMetadata } from './client-channel.ts'
import { clientError, isServiceError } from './client-errors.ts'
import { readClientOptions, readCreateOptions } from './client-options.ts'
import type {
  CertificateClient,
  CertificateClientOptions,
  CreateCertificateOptions,
  ReadClientOptions,
} from './client-options.ts'
import { isRetryable, pushbackMs, retryDelayMs, within } from './retry.ts'

/**
 * Creates a client for a CA that implements Istio's certificate service. It connects with the first call.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * await using client = await createCertificateClient({
 *   address: 'istiod.istio-system.svc:15012',
 *   tls: () => ({ roots: root.toPem() }),
 *   token: () => readPassphrase(),
 * })
 * const { certificate, chain: issuers } = await client.createCertificate(csr, { ttlSeconds: 3600 })
 * ```
 */
export async function createCertificateClient(given: CertificateClientOptions): Promise<CertificateClient> {
  const read = readClientOptions(given)
  const options = { ...read, logger: safeLogger('createCertificateClient', read.logger) }
  return new GrpcCertificateClient(options, await loadGrpc(options.grpc))
}

class GrpcCertificateClient implements CertificateClient {
  readonly #options: ReadClientOptions
  readonly #grpc: GrpcModule
  #connection: Client | undefined
  #closed = false

  constructor(options: ReadClientOptions, grpc: GrpcModule) {
    this.#options = options
    this.#grpc = grpc
  }

  async createCertificate(
    input: CertificateRequestInput,
    given?: CreateCertificateOptions,
  ): Promise<CertificateReply> {
    const request = CertificateRequest.from(input)
    const options = readCreateOptions(given)
    const message = messageOf(request, options)
    const { clock = systemClock, verify } = this.#options
    for (let count = 1; ; count++) {
      try {
        const { certChain } = await this.#attempt(message, options.signal)
        return checkCertificateReply(certChain, request, clock.now(), verify)
      } catch (error) {
        await this.#pause(error, count, options.signal)
      }
    }
  }

  issue({ csr, ttlSeconds, signal }: CaRequest): Promise<CaAnswer> {
    return this.createCertificate(csr, { ttlSeconds, signal })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#connection?.close()
    this.#connection = undefined
    return Promise.resolve()
  }

  async #attempt(
    message: IstioCertificateRequest,
    signal: AbortSignal | undefined,
  ): Promise<IstioCertificateResponse> {
    this.#throwIfClosed()
    const { clock = systemClock, timeoutMs } = this.#options
    // Both are functions of the user, which may never settle.
    const asked = Promise.all([
      this.#connection ?? this.#connect(),
      requestMetadata(this.#grpc, this.#options),
    ])
    const [client, metadata] = await within(clock, timeoutMs, signal, asked, 'the result of tls and token')
    try {
      // grpc-js compares the deadline with the platform's clock, not with ours.
      const deadline = systemClock.now() + timeoutMs
      return await callCreateCertificate(client, message, metadata, { deadline }, signal)
    } catch (error) {
      // The next attempt connects again, and calls `tls` again.
      if (this.#connection === client) this.#connection = undefined
      client.close()
      throw error
    }
  }

  async #connect(): Promise<Client> {
    const material = await this.#options.tls()
    this.#throwIfClosed()
    this.#connection ??= openChannel(this.#grpc, this.#options, material)
    return this.#connection
  }

  /** Waits before the next attempt. @throws the error of this attempt if a retry cannot help */
  async #pause(error: unknown, count: number, signal: AbortSignal | undefined): Promise<void> {
    const {
      clock = systemClock,
      logger = safeLogger('createCertificateClient', undefined),
      retry,
    } = this.#options
    const failure = clientError(error)
    const mayPass =
      isServiceError(error) && isRetryable(error.code) && failure.code !== 'ERR_MESSAGE_TOO_LARGE'
    if (!mayPass || signal?.aborted === true || count >= retry.attempts) throw failure
    const delayMs = Math.max(retryDelayMs(retry, count), pushbackMs(error))
    logger.info(
      { code: failure.code, reason: failure.message, attempt: count, delayMs },
      'certificate request failed; trying again',
    )
    await waitFor(clock, delayMs, signal)
  }

  #throwIfClosed(): void {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the client was closed')
  }
}

function messageOf(
  request: CertificateRequest,
  { ttlSeconds = 0, certSigner = '', impersonatedIdentity = '' }: CreateCertificateOptions,
): IstioCertificateRequest {
  return create(IstioCertificateRequestSchema, {
    csr: request.toPem(),
    validityDuration: BigInt(ttlSeconds),
    metadata: {
      CertSigner: certSigner,
      ...(impersonatedIdentity === '' ? {} : { ImpersonatedIdentity: impersonatedIdentity }),
    },
  })
}
