// The options of a certificate client and of its requests.

import { PkiError } from '../../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../../internal/numbers.ts'
import { checkFunctions, checkMethods, checkTexts } from '../../../internal/option-types.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import type { CaClient } from '../../../secrets/index.ts'
import type { CertificateRequestInput } from '../../../x509/internal.ts'
import type { GrpcModule } from '../grpc-module.ts'
import type { CertificateReply, ReplyVerifier } from './certificate-reply.ts'
import { defaultRetryPolicy } from './retry.ts'
import type { RetryPolicy } from './retry.ts'

/** The credentials of the client, and the roots it trusts. All PEM. @inline */
export interface ClientTlsMaterial {
  /** Roots of the server's certificate. */
  readonly roots: string
  /** The client's own certificate with its issuers, and its key; both or neither. */
  readonly certificateChain?: string | undefined
  /** The key of the leaf, PEM; required with `certificateChain`, otherwise not allowed. */
  readonly privateKey?: string | undefined
}

/** Options of `createCertificateClient`. @inline */
export interface CertificateClientOptions {
  /** `host:port`. */
  readonly address: string
  /** Called before every connection, so that rotated files and roots take effect. */
  readonly tls: () => ClientTlsMaterial | Promise<ClientTlsMaterial>
  /** The expected name in the server's certificate, if it is not the host of `address`. */
  readonly serverName?: string
  /**
   * Returns the bearer token before every call; white space around it is removed. For undefined or an empty
   * token (for example while its file is written) no header is sent.
   */
  readonly token?: (() => string | undefined | Promise<string | undefined>) | undefined
  /** Additional headers, such as `clusterid`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * Verifies the chain of the response before it is returned, such as `X509SvidValidator.verify` with the
   * bundles of this workload.
   */
  readonly verify?: ReplyVerifier
  /**
   * Time limit of one attempt in milliseconds; `tls` and `token` have the same limit before the attempt.
   * Default 10,000.
   */
  readonly timeoutMs?: number | undefined
  /** Default: as in Istio's agents, five attempts, 100 ms doubling, 10 % jitter. */
  readonly retry?: Partial<RetryPolicy> | undefined
  /**
   * The clock for retries and for the validity of the response; call deadlines use grpc-js's own clock.
   * Default `systemClock`.
   */
  readonly clock?: Clock | undefined
  /** Logs each failed attempt that is retried. Default: none. */
  readonly logger?: Logger | undefined
  /**
   * Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the
   * installed one, loaded when first needed.
   */
  readonly grpc?: GrpcModule | undefined
}

/** Options of one request. @inline */
export interface CreateCertificateOptions {
  /** Whole seconds of validity; 0 or absent: the CA's default. */
  readonly ttlSeconds?: number | undefined
  /** `CertSigner` of the request's metadata. */
  readonly certSigner?: string
  /** Requests the certificate of another identity; for node agents. */
  readonly impersonatedIdentity?: string
  /** Ends the call, its attempts and its delays with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** A client. It keeps its connection, and reconnects after a failure. @inline */
export interface CertificateClient extends CaClient, AsyncDisposable {
  /**
   * Sends a request and checks the response: it must be for the key of the request, valid now, and pass
   * `verify`.
   *
   * @throws ERR_CA_UNAUTHENTICATED, ERR_CA_REFUSED, ERR_CA_UNAVAILABLE (after the last attempt), ERR_CA_REPLY
   *   for a response that does not match the request, ERR_MESSAGE_TOO_LARGE, ERR_ABORTED, ERR_CLOSED,
   *   ERR_TIMEOUT if `tls` or `token` does not settle, ERR_INVALID_ARGUMENT for a TTL, token or header that
   *   cannot be sent; as `CertificateRequest.from`
   */
  createCertificate(
    request: CertificateRequestInput,
    options?: CreateCertificateOptions,
  ): Promise<CertificateReply>
}

const clientKinds: OptionKinds<CertificateClientOptions> = {
  address: 'required',
  tls: 'required',
  serverName: 'guard',
  token: 'optional',
  headers: 'optional',
  verify: 'guard',
  timeoutMs: 'optional',
  retry: 'optional',
  clock: 'optional',
  logger: 'optional',
  grpc: 'optional',
}

const retryKinds: OptionKinds<Partial<RetryPolicy>> = {
  attempts: 'optional',
  initialDelayMs: 'optional',
  jitter: 'optional',
}

const requestKinds: OptionKinds<CreateCertificateOptions> = {
  ttlSeconds: 'optional',
  certSigner: 'guard',
  impersonatedIdentity: 'guard',
  signal: 'optional',
}

/** The options with defaults applied. */
export interface ReadClientOptions extends CertificateClientOptions {
  readonly retry: RetryPolicy
  readonly timeoutMs: number
}

/** @throws ERR_INVALID_ARGUMENT */
export function readClientOptions(given: CertificateClientOptions): ReadClientOptions {
  const options = readOptions('createCertificateClient', given, clientKinds)
  const { address, tls, timeoutMs = 10_000, headers = {} } = options
  if (typeof address !== 'string' || typeof tls !== 'function') {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'address must be host:port, and tls a function that returns the roots of the server',
    )
  }
  // Otherwise grpc-js would resolve it as a host name at every attempt.
  if (/^(?:https?|grpcs?):/i.test(address)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `address is ${JSON.stringify(address)}; expected host:port without a scheme: the connection is ` +
        'always TLS',
    )
  }
  const caller = 'createCertificateClient'
  checkFunctions(caller, { verify: options.verify, token: options.token })
  checkTexts(caller, { address, serverName: options.serverName })
  checkMethods(caller, { headers })
  if (!Object.values(headers).every((value) => typeof value === 'string'))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: headers must be an object of texts`)
  checkMeasures({ timeoutMs }, 1)
  return Object.freeze({
    ...options,
    timeoutMs,
    headers: Object.freeze({ ...headers }),
    retry: readRetryPolicy(options.retry),
  })
}

/** @throws ERR_INVALID_ARGUMENT */
export function readCreateOptions(given: CreateCertificateOptions | undefined): CreateCertificateOptions {
  const options = readOptions('createCertificate', given, requestKinds)
  const { certSigner, impersonatedIdentity } = options
  checkTexts('createCertificate', { certSigner, impersonatedIdentity })
  checkCounts({ ttlSeconds: options.ttlSeconds }, 0)
  return options
}

function readRetryPolicy(given: Partial<RetryPolicy> | undefined): RetryPolicy {
  const { attempts, initialDelayMs, jitter } = readOptions(
    'createCertificateClient: retry',
    given,
    retryKinds,
  )
  checkCounts({ attempts }, 1)
  checkMeasures({ initialDelayMs }, 0)
  checkMeasures({ jitter }, 0, 1)
  return {
    attempts: attempts ?? defaultRetryPolicy.attempts,
    initialDelayMs: initialDelayMs ?? defaultRetryPolicy.initialDelayMs,
    jitter: jitter ?? defaultRetryPolicy.jitter,
  }
}
