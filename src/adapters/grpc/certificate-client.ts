// A client of Istio's certificate service. Istio's own takes any answer; this one checks what it was given.

import { create } from '@bufbuild/protobuf'
import type { Client, ServiceError } from '@grpc/grpc-js'
import { PkiError, isPkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { silentLogger, systemClock } from '../../runtime/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { CertificateRequest } from '../../x509/index.ts'
import type { CertificateRequestInput } from '../../x509/index.ts'
import { checkCertificateReply } from './certificate-reply.ts'
import type { CertificateReply, ReplyVerifier } from './certificate-reply.ts'
import { IstioCertificateRequestSchema } from './gen/istio/v1/auth/ca_pb.ts'
import type { IstioCertificateRequest, IstioCertificateResponse } from './gen/istio/v1/auth/ca_pb.ts'
import { loadGrpc } from './grpc-module.ts'
import type { GrpcModule } from './grpc-module.ts'
import { defaultRetryPolicy, isRetryable, pushbackMs, retryDelayMs, wait, within } from './retry.ts'
import type { RetryPolicy } from './retry.ts'
import { certificateServiceDefinition } from './service-definition.ts'
import { status } from './status.ts'

/** What the client shows and whom it trusts. All PEM. */
export interface ClientTlsMaterial {
  /** Roots of the server's certificate. */
  readonly roots: string
  /** The client's own certificate with its issuers, and its key; both or neither. */
  readonly certificateChain?: string | undefined
  /** The key of the leaf, PEM; with `certificateChain` or not at all. */
  readonly privateKey?: string | undefined
}

/** Options of `createCertificateClient`. */
export interface CertificateClientOptions {
  /** `host:port`. */
  readonly address: string
  /** Asked before every connection, so that rotated files and roots are seen. */
  readonly tls: () => ClientTlsMaterial | Promise<ClientTlsMaterial>
  /** The name that the server's certificate must carry, where it is not the host of `address`. */
  readonly serverName?: string | undefined
  /** A bearer token, asked for on every call; white space around it is no part of it; undefined or an empty one, such as that of a file that is being written, sends none. */
  readonly token?: (() => string | undefined | Promise<string | undefined>) | undefined
  /** Further headers, such as `clusterid`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Judges the chain that came back, before it is handed on: `verifyX509Svid` with the bundles that this workload trusts. */
  readonly verify?: ReplyVerifier | undefined
  /** For one attempt, in milliseconds, and before it for `tls` and `token` to answer. Default 10,000. */
  readonly timeoutMs?: number | undefined
  /** What is not named is as Istio has it: five attempts, 100 ms doubling, 10 % jitter. */
  readonly retry?: Partial<RetryPolicy> | undefined
  /** Times retries, and judges the validity of what comes back. Default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Told of each attempt that failed and is repeated. Default: none. */
  readonly logger?: Logger | undefined
  /** Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the installed one, loaded when first needed. */
  readonly grpc?: GrpcModule | undefined
}

/** What is asked for. */
export interface CreateCertificateOptions {
  /** Whole seconds of validity; 0 or absent leaves it to the CA. */
  readonly ttlSeconds?: number | undefined
  /** `CertSigner` of the request's metadata. */
  readonly certSigner?: string | undefined
  /** The identity to ask for in place of one's own; for node agents. */
  readonly impersonatedIdentity?: string | undefined
  /** Ends the call, its attempts and the waiting between them: ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** A client. Connections are kept and made anew after a failure. */
export interface CertificateClient extends AsyncDisposable {
  /**
   * Sends a request and checks the answer: it is for the key of the request, valid now, and passes `verify`.
   *
   * @throws ERR_CA_UNAUTHENTICATED, ERR_CA_REFUSED, ERR_CA_UNAVAILABLE (after the last attempt), ERR_CA_REPLY for an answer that is not
   * what was asked for, ERR_MESSAGE_TOO_LARGE, ERR_ABORTED, ERR_CLOSED, ERR_TIMEOUT where `tls` or `token` does not answer,
   * ERR_INVALID_ARGUMENT for a TTL, token or header that cannot be sent; as `CertificateRequest.from`
   */
  createCertificate(
    request: CertificateRequestInput,
    options?: CreateCertificateOptions,
  ): Promise<CertificateReply>
}

/**
 * A client of a CA that speaks Istio's certificate service. It connects at the first call.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * await using client = await createCertificateClient({
 *   address: 'istiod.istio-system.svc:15012', tls: () => ({ roots: root.toPem() }), token: () => readPassphrase(),
 * })
 * const { certificate, chain: issuers } = await client.createCertificate(csr, { ttlSeconds: 3600 })
 * ```
 */
export async function createCertificateClient(options: CertificateClientOptions): Promise<CertificateClient> {
  const {
    address,
    tls,
    grpc: given,
    timeoutMs = 10_000,
  } = (options as Partial<CertificateClientOptions> | undefined) ?? {}
  if (typeof address !== 'string' || typeof tls !== 'function') {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'a client wants address, host:port, and tls, a function that gives the roots of the server',
    )
  }
  // grpc-js would look for a host of that name, at every attempt.
  if (/^(?:https?|grpcs?):/i.test(address)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `address ${JSON.stringify(address)}; host:port is wanted, without a scheme: the connection is always TLS`,
    )
  }
  const policy = retryPolicy(options.retry)
  checkMeasures({ timeoutMs }, 1)
  const grpc = await loadGrpc(given)
  const clock = options.clock ?? systemClock
  const logger = options.logger ?? silentLogger
  let connection: Client | undefined
  let closed = false

  const throwIfClosed = (): void => {
    if (closed) throw new PkiError('ERR_CLOSED', 'the client was closed')
  }
  const connect = async (): Promise<Client> => {
    const { roots, certificateChain, privateKey } = await options.tls()
    throwIfClosed()
    if (connection !== undefined) return connection
    const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text))
    const credentials = grpc.credentials.createSsl(Buffer.from(roots), pem(privateKey), pem(certificateChain))
    connection = new grpc.Client(options.address, credentials, channelOptions(options.serverName))
    return connection
  }
  const drop = (failed: Client): void => {
    if (connection === failed) connection = undefined
    failed.close()
  }
  const attempt = async (
    message: IstioCertificateRequest,
    signal: AbortSignal | undefined,
  ): Promise<IstioCertificateResponse> => {
    throwIfClosed()
    // Whoever is asked for them may wait for a vault or a file for ever.
    const asked = Promise.all([connection ?? connect(), requestMetadata(grpc, options)])
    const [client, metadata] = await within(clock, timeoutMs, signal, asked, 'what tls and token give')
    try {
      return await call(client, message, metadata, { deadline: clock.now() + timeoutMs }, signal)
    } catch (error) {
      drop(client) // the next attempt connects anew and reads roots and certificate again
      throw error
    }
  }

  return {
    async createCertificate(
      input,
      { ttlSeconds = 0, certSigner = '', impersonatedIdentity = '', signal } = {},
    ) {
      const request = CertificateRequest.from(input)
      checkCounts({ ttlSeconds }, 0)
      const message = create(IstioCertificateRequestSchema, {
        csr: request.toPem(),
        validityDuration: BigInt(ttlSeconds),
        metadata: {
          CertSigner: certSigner,
          ...(impersonatedIdentity === '' ? {} : { ImpersonatedIdentity: impersonatedIdentity }),
        },
      })
      for (let count = 1; ; count++) {
        try {
          const { certChain } = await attempt(message, signal)
          return checkCertificateReply(certChain, request, clock.now(), options.verify)
        } catch (error) {
          const failure = clientError(error)
          const mayPass =
            isServiceError(error) && isRetryable(error.code) && failure.code !== 'ERR_MESSAGE_TOO_LARGE'
          if (!mayPass || signal?.aborted === true || count >= policy.attempts) throw failure
          const delayMs = Math.max(retryDelayMs(policy, count), pushbackMs(error))
          logger.info(
            { code: failure.code, reason: failure.message, attempt: count, delayMs },
            'certificate request failed; trying again',
          )
          await wait(clock, delayMs, signal)
        }
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true
      connection?.close()
      connection = undefined
    },
  }
}

/** @throws ERR_INVALID_ARGUMENT */
function retryPolicy({ attempts, initialDelayMs, jitter }: Partial<RetryPolicy> = {}): RetryPolicy {
  checkCounts({ attempts }, 1)
  checkMeasures({ initialDelayMs }, 0)
  checkMeasures({ jitter }, 0, 1)
  return {
    attempts: attempts ?? defaultRetryPolicy.attempts,
    initialDelayMs: initialDelayMs ?? defaultRetryPolicy.initialDelayMs,
    jitter: jitter ?? defaultRetryPolicy.jitter,
  }
}

function channelOptions(serverName: string | undefined): Record<string, string | number> {
  return {
    'grpc.max_receive_message_length': maxReplyBytes,
    'grpc.enable_retries': 0, // the policy above is the one that retries
    'grpc.use_local_subchannel_pool': 1, // a dropped connection is really dropped
    ...(serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  }
}

async function requestMetadata(
  grpc: GrpcModule,
  options: CertificateClientOptions,
): Promise<RequestMetadata> {
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(options.headers ?? {})) setHeader(metadata, name, value)
  const token = (await options.token?.())?.trim()
  if (token !== undefined && token !== '') setHeader(metadata, 'authorization', `Bearer ${token}`)
  return metadata
}

/** What grpc-js would say of a header that it cannot send has the whole of it in it: a token must not get into an error. */
function setHeader(metadata: RequestMetadata, name: string, value: string): void {
  if (!/^[0-9a-z_.-]+$/i.test(name) || !/^[ -~]*$/.test(value)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `header ${JSON.stringify(name)} cannot be sent: its name or its value has characters that no header has`,
    )
  }
  metadata.set(name, value)
}

type RequestMetadata = InstanceType<GrpcModule['Metadata']>

function call(
  client: Client,
  message: IstioCertificateRequest,
  metadata: RequestMetadata,
  options: { deadline: number },
  signal: AbortSignal | undefined,
): Promise<IstioCertificateResponse> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = certificateServiceDefinition.CreateCertificate
    const running = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      metadata,
      options,
      (error, reply) => {
        signal?.removeEventListener('abort', cancel)
        if (error !== null) reject(error)
        else if (reply === undefined) reject(new PkiError('ERR_CA_REPLY', 'the CA answered with no message'))
        else resolve(reply)
      },
    )
    const cancel = (): void => running.cancel()
    if (signal?.aborted === true) cancel()
    else signal?.addEventListener('abort', cancel, { once: true })
  })
}

function clientError(error: unknown): PkiError {
  if (isPkiError(error)) return error
  if (!isServiceError(error))
    return new PkiError('ERR_CA_UNAVAILABLE', 'the request to the CA failed', { cause: error })
  // What grpc-js gives this status to, most of the time, is no answer of the CA.
  const answered: number = error.code
  const text = `${answered === status.UNAVAILABLE ? 'the CA cannot be reached, or takes no requests now' : 'the CA answered'}: ${error.details}`
  return new PkiError(codeOf(error), text, { cause: error })
}

function codeOf({ code, details }: ServiceError): PkiErrorCode {
  const found: number = code
  if (found === status.CANCELLED) return 'ERR_ABORTED'
  if (found === status.UNAUTHENTICATED) return 'ERR_CA_UNAUTHENTICATED'
  if (found === status.INVALID_ARGUMENT || found === status.PERMISSION_DENIED) return 'ERR_CA_REFUSED'
  // What grpc-js answers to a message over its limit; there is no code that says which resource it was.
  return found === status.RESOURCE_EXHAUSTED && /message larger than max/i.test(details)
    ? 'ERR_MESSAGE_TOO_LARGE'
    : 'ERR_CA_UNAVAILABLE'
}

function isServiceError(error: unknown): error is ServiceError {
  return (
    error instanceof Error &&
    typeof (error as Partial<ServiceError>).code === 'number' &&
    typeof (error as Partial<ServiceError>).details === 'string'
  )
}

/** A chain and a bundle of many roots. */
const maxReplyBytes = 1024 * 1024
