// Envoy's Secret Discovery Service, version 3: its three methods, and the error for clients of version 2.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import type {
  MethodDefinition,
  ServerDuplexStream,
  ServerUnaryCall,
  ServiceDefinition,
  ServiceError,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js'
import { FairLine } from '../../../internal/turns/turn-lines.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { SecretSource } from '../../../secrets/index.ts'
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import { SecretDiscoveryService } from '../gen/envoy/service/secret/v3/sds_pb.ts'
import { PushTurn, attestCall, statusOf } from '../local-server/index.ts'
import type { AttestedCall, Attestor, CancellableCall } from '../local-server/index.ts'
import { asBuffer, countFields, decode } from '../protobuf.ts'
import { admittedCallOf } from '../server/index.ts'
import { StatusAnswer, status } from '../status.ts'
import { DeltaState } from './delta-state.ts'
import type { DeltaRequest, DeltaResponse } from './delta-state.ts'
import type { EncodedSecret, SecretEncoding } from './encode-secret.ts'
import { ResponseEncoder } from './encode-response.ts'
import { fetchSecrets } from './fetch-secrets.ts'
import { SecretHub } from './secret-hub.ts'
import { SecretStream } from './secret-stream.ts'
import type { SecretProtocol } from './secret-stream.ts'
import { SotwState } from './sotw-state.ts'
import type { SotwRequest, SotwResponse } from './sotw-state.ts'

/** The dependencies of the service. */
export interface SdsServiceOptions {
  readonly attestor: Attestor<SecretSource>
  readonly encoding: SecretEncoding
  readonly maxNames: number
  readonly minAnswerIntervalMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

type Octets = Uint8Array

/** The service of version 3. The handlers decode requests, and encode responses once for all streams. */
export const sdsDefinition: ServiceDefinition = {
  StreamSecrets: method('StreamSecrets', true),
  DeltaSecrets: method('DeltaSecrets', true),
  FetchSecrets: method('FetchSecrets', false),
}

function method(name: string, stream: boolean): MethodDefinition<Octets, Octets> {
  return {
    path: `/${SecretDiscoveryService.typeName}/${name}`,
    requestStream: stream,
    responseStream: stream,
    requestSerialize: () => Buffer.alloc(0), // this side sends no requests
    requestDeserialize: (bytes) => bytes,
    responseSerialize: asBuffer,
    responseDeserialize: (bytes) => bytes,
  }
}

/** Handlers for `sdsDefinition`. */
export function sdsHandlers(options: SdsServiceOptions): UntypedServiceImplementation {
  const service = new SdsService(options)
  return {
    StreamSecrets: (call: ServerDuplexStream<Octets, Octets>) => {
      service.stream(call, service.stateOfTheWorld())
    },
    DeltaSecrets: (call: ServerDuplexStream<Octets, Octets>) => {
      service.stream(call, service.delta())
    },
    FetchSecrets: (call: ServerUnaryCall<Octets, Octets>, reply: sendUnaryData<Octets>) => {
      service.fetch(call).then(
        (response) => reply(null, response),
        (error: unknown) => reply(asServiceError(statusOf(error))),
      )
    },
  }
}

/** A stream of one protocol: its state, and its messages in both directions. */
interface StreamKind<Request, Response> {
  readonly protocol: SecretProtocol<Request, Response>
  readonly read: (message: Octets) => Request
  readonly encode: (response: Response) => Octets
}

class SdsService {
  readonly #options: SdsServiceOptions
  readonly #turn = new PushTurn()
  /** Requests with many names, one per turn of the event loop; connections alternate. */
  readonly #large = new FairLine(1)
  readonly #encoder = new ResponseEncoder()
  /** One hub per source: an attestor may return the same source for many callers. */
  readonly #hubs = new WeakMap<SecretSource, SecretHub>()

  constructor(options: SdsServiceOptions) {
    this.#options = options
  }

  stateOfTheWorld(): StreamKind<SotwRequest, SotwResponse<EncodedSecret>> {
    return { protocol: new SotwState(this.#options), read: sotwRequest, encode: this.#encoder.sotw }
  }

  delta(): StreamKind<DeltaRequest, DeltaResponse<EncodedSecret>> {
    return { protocol: new DeltaState(this.#options), read: deltaRequest, encode: this.#encoder.delta }
  }

  /**
   * Serves a stream. Requests wait until the caller is attested; the transport buffers them meanwhile.
   */
  stream<Request, Response>(
    call: ServerDuplexStream<Octets, Octets>,
    { protocol, read, encode }: StreamKind<Request, Response>,
  ): void {
    let attested: AttestedCall<SecretSource> | undefined
    let stream: SecretStream<Request, Response> | undefined
    let over = false
    const end = (): void => {
      over = true
      stream?.end()
      attested?.end()
    }
    const fail = (error: unknown): void => {
      if (over) return
      end()
      if (!(error instanceof StatusAnswer))
        this.#options.logger.error({ reason: String(error) }, 'a stream of secrets failed')
      call.emit('error', statusOf(error))
    }
    call.on('cancelled', end)
    call.on('error', end)
    call.on('end', () => {
      end()
      call.end()
    })
    const begin = async (): Promise<SecretStream<Request, Response> | undefined> => {
      const found = await attestCall(call, this.#options.attestor, this.#options.logger)
      attested = found
      if (over) {
        found.end()
        return undefined
      }
      return new SecretStream({
        ...this.#options,
        sink: call,
        protocol,
        encode,
        turn: this.#turn,
        hub: this.#hubOf(found.served),
      })
    }
    const receive = async (message: Octets): Promise<void> => {
      stream ??= await begin()
      await this.#room(call, message)
      // The client may have disconnected meanwhile.
      if (!over) stream?.receive(read(message))
    }
    call.on('data', (message: Octets) => {
      // One segment may have thousands of requests: each turn of the event loop takes one of a stream.
      call.pause()
      receive(message).then(() => setImmediate(() => call.resume()), fail)
    })
  }

  /** @throws `StatusAnswer` */
  async fetch(call: ServerUnaryCall<Octets, Octets>): Promise<Octets> {
    const attested = await attestCall(call, this.#options.attestor, this.#options.logger)
    try {
      await this.#room(call, call.request)
      return await fetchSecrets(sotwRequest(call.request), attested, {
        ...this.#options,
        encoder: this.#encoder,
      })
    } finally {
      attested.end()
    }
  }

  /**
   * Waits before a request with many names is decoded: one name takes about 5 µs, and one per connection is
   * decoded in a turn of the event loop. @throws `StatusAnswer` for more names than any subscription has
   */
  async #room(call: CancellableCall, message: Octets): Promise<void> {
    const fields = countFields(message)
    const max = Math.max(maxFields, 3 * this.#options.maxNames)
    if (fields > max)
      throw new StatusAnswer({
        code: status.RESOURCE_EXHAUSTED,
        details: `a request has ${fields} names, versions and other fields; the maximum is ${max}`,
      })
    if (fields > manyFields) await this.#large.turn(admittedCallOf(call)?.connection ?? call.getPeer())
  }

  #hubOf(source: SecretSource): SecretHub {
    let hub = this.#hubs.get(source)
    if (hub === undefined) {
      hub = new SecretHub({ ...this.#options, source, turn: this.#turn })
      this.#hubs.set(source, hub)
    }
    return hub
  }
}

function sotwRequest(octets: Octets): SotwRequest {
  const message = read(DiscoveryRequestSchema, octets)
  const { node, resourceNames, typeUrl, responseNonce, errorDetail } = message
  return { nodeId: node?.id ?? '', resourceNames, typeUrl, responseNonce, error: errorDetail?.message }
}

function deltaRequest(octets: Octets): DeltaRequest {
  const message = read(DeltaDiscoveryRequestSchema, octets)
  return {
    nodeId: message.node?.id ?? '',
    typeUrl: message.typeUrl,
    subscribe: message.resourceNamesSubscribe,
    unsubscribe: message.resourceNamesUnsubscribe,
    initialResourceVersions: message.initialResourceVersions,
    responseNonce: message.responseNonce,
    error: message.errorDetail?.message,
  }
}

/** @throws `StatusAnswer` with the status and the text of grpc-js for a message that cannot be read */
function read<Desc extends DescMessage>(schema: Desc, octets: Octets): MessageShape<Desc> {
  try {
    return decode(schema, octets)
  } catch {
    throw new StatusAnswer({ code: status.INTERNAL, details: 'Error deserializing request' })
  }
}

/** More names in one request are decoded in turns. */
const manyFields = 256
/** A message of the default size has room for this many names with versions of real secrets. */
const maxFields = 4096

/** Version 2 of the API, which Envoy removed in 2020: its methods only return this error. */
export const sdsV2Definition: ServiceDefinition = Object.fromEntries(
  Object.entries(sdsDefinition).map(([name, definition]) => [
    name,
    { ...definition, path: `/envoy.service.discovery.v2.SecretDiscoveryService/${name}` },
  ]),
)

/** Handlers for `sdsV2Definition`. */
export const sdsV2Handlers: UntypedServiceImplementation = {
  StreamSecrets: (call: ServerDuplexStream<unknown, Octets>) => void call.emit('error', onlyVersion3()),
  DeltaSecrets: (call: ServerDuplexStream<unknown, Octets>) => void call.emit('error', onlyVersion3()),
  FetchSecrets: (_call: unknown, reply: sendUnaryData<Octets>) => reply(asServiceError(onlyVersion3())),
}

function onlyVersion3(): StatusAnswer {
  return new StatusAnswer({
    code: status.UNIMPLEMENTED,
    details:
      'version 2 of the Secret Discovery Service is not served; ' +
      'set resource_api_version and transport_api_version to V3',
  })
}

/** grpc-js declares the code of an error as a separate enumeration of the same numbers. */
function asServiceError(answer: unknown): Partial<ServiceError> {
  return answer as Partial<ServiceError>
}
