// The connection to a Workload API: its streams, which are reopened when they end, and its single calls.

import { randomInt } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { CallOptions, Client, ServiceError } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { waitFor, eitherSignal } from '../../../internal/turns/waiting.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import type { GrpcModule } from '../grpc-module.ts'
import type { Endpoint } from '../local-server/index.ts'
import { decode, encode } from '../protobuf.ts'
import { status } from '../status.ts'
import type { WorkloadMethod } from './service-definition.ts'

/** The dependencies of a channel. */
export interface EndpointChannelOptions {
  readonly grpc: GrpcModule
  readonly endpoint: Endpoint
  readonly clock: Clock
  readonly logger: Logger
}

/** The error with which a stream ended. */
export type EndListener = (error: PkiError) => void

/** Calls of one endpoint. */
export class EndpointChannel {
  readonly #options: EndpointChannelOptions
  readonly #closed = new AbortController()
  /** Aborted to reopen every stream. */
  #round = new AbortController()

  constructor(options: EndpointChannelOptions) {
    this.#options = options
  }

  /**
   * Receives the messages of a stream continuously: a stream that ends is reopened, with increasing pauses
   * while it fails. After a permanent status it stays ended (W-4).
   */
  async follow<Response extends DescMessage>(
    method: WorkloadMethod<DescMessage, Response>,
    receive: (message: MessageShape<Response>) => void,
    ended: EndListener,
  ): Promise<void> {
    const { clock } = this.#options
    for (let failures = 0; !this.#closed.signal.aborted;) {
      const round = AbortSignal.any([this.#closed.signal, this.#round.signal])
      let received = false as boolean
      const error = await this.#stream(method, round, (message) => {
        received = true
        receive(message)
      })
      if (this.#isClosed()) return
      failures = received || this.#round.signal.aborted ? 0 : failures + 1
      if (this.#round.signal.aborted) this.#round = new AbortController()
      ended(endOf(error))
      if (error !== undefined && isFinal(error)) return
      const pause = failures === 0 ? firstDelayMs / 4 : delayMs(failures)
      await waitFor(unreferenced(clock), pause, this.#closed.signal).catch(() => undefined)
    }
  }

  /** Also checked after a wait, during which it may have been closed. */
  #isClosed(): boolean {
    return this.#closed.signal.aborted
  }

  /** Ends every stream, so that all are reopened at once. */
  again(): void {
    this.#round.abort()
  }

  /** Makes one call. @throws ERR_WORKLOAD_API, ERR_WORKLOAD_API_DENIED, ERR_ABORTED, ERR_CLOSED */
  call<Request extends DescMessage, Response extends DescMessage>(
    method: WorkloadMethod<Request, Response>,
    request: MessageInitShape<Request>,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<Response>> {
    if (this.#closed.signal.aborted)
      return Promise.reject(new PkiError('ERR_CLOSED', 'the source was closed'))
    const client = this.#connect()
    // grpc-js compares the deadline with the clock of the platform.
    // eslint-disable-next-line no-restricted-properties
    const options: CallOptions = { deadline: new Date(Date.now() + callTimeoutMs) }
    const ended = eitherSignal(signal, this.#closed.signal)
    let abort = (): void => undefined
    return new Promise<MessageShape<Response>>((resolve, reject) => {
      const running = client.makeUnaryRequest(
        method.path,
        (message: MessageShape<Request>) => encode(method.request, message),
        (bytes) => decode(method.response, bytes),
        create(method.request, request),
        this.#metadata(),
        options,
        (error, response) => {
          if (signal?.aborted === true)
            reject(new PkiError('ERR_ABORTED', 'the call was aborted by its signal'))
          else if (error !== null || response === undefined) reject(endOf(error ?? undefined))
          else resolve(response)
        },
      )
      abort = () => running.cancel()
      if (ended.aborted) abort()
      else ended.addEventListener('abort', abort)
    }).finally(() => {
      // Node keeps a combined signal, and with it the call, for as long as it has a listener.
      ended.removeEventListener('abort', abort)
      client.close()
    })
  }

  close(): void {
    this.#closed.abort()
  }

  /** A separate connection for each stream: one that only resets its streams is not reused (R40). */
  #stream<Response extends DescMessage>(
    method: WorkloadMethod<DescMessage, Response>,
    signal: AbortSignal,
    receive: (message: MessageShape<Response>) => void,
  ): Promise<ServiceError | undefined> {
    const client = this.#connect()
    return new Promise<ServiceError | undefined>((resolve) => {
      const stream = client.makeServerStreamRequest(
        method.path,
        (message: MessageShape<DescMessage>) => encode(method.request, message),
        (bytes) => decode(method.response, bytes),
        create<DescMessage>(method.request),
        this.#metadata(),
      )
      const abort = (): void => stream.cancel()
      signal.addEventListener('abort', abort, { once: true })
      const end = (error?: ServiceError): void => {
        signal.removeEventListener('abort', abort)
        resolve(error)
      }
      stream.on('data', receive)
      stream.on('error', end)
      stream.on('end', () => end())
      if (signal.aborted) abort()
    }).finally(() => client.close())
  }

  #connect(): Client {
    const { grpc, endpoint } = this.#options
    const target = endpoint.kind === 'unix' ? `unix:${endpoint.path}` : hostPort(endpoint)
    return new grpc.Client(target, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0, // a local endpoint needs no proxy (R36)
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
    })
  }

  #metadata(): InstanceType<GrpcModule['Metadata']> {
    const metadata = new this.#options.grpc.Metadata()
    metadata.set('workload.spiffe.io', 'true') // W-2
    return metadata
  }
}

function hostPort({ host, port }: Extract<Endpoint, { kind: 'tcp' }>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** W-4: an invalid request or a missing method fails again in the same way. */
function isFinal({ code }: ServiceError): boolean {
  const found: number = code
  return found === status.INVALID_ARGUMENT || found === status.UNIMPLEMENTED
}

function endOf(error: ServiceError | undefined): PkiError {
  if (error === undefined) return new PkiError('ERR_WORKLOAD_API', 'the Workload API ended the stream')
  const found: number = error.code
  return found === status.PERMISSION_DENIED
    ? new PkiError(
        'ERR_WORKLOAD_API_DENIED',
        `the Workload API has no identity for this process: ${error.details}`,
      )
    : new PkiError('ERR_WORKLOAD_API', `the Workload API responded with status ${found}: ${error.details}`, {
        cause: error,
      })
}

function unreferenced(clock: Clock): Pick<Clock, 'schedule'> {
  return { schedule: (callback, ms) => clock.schedule(callback, ms) }
}

function delayMs(failures: number): number {
  return Math.min(firstDelayMs * 2 ** Math.min(failures - 1, 16), maxDelayMs) * (0.8 + randomInt(400) / 1000)
}

const firstDelayMs = 200
const maxDelayMs = 30_000
const callTimeoutMs = 10_000
const maxMessageBytes = 4 * 1024 * 1024
