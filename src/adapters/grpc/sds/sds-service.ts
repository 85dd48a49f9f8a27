// Envoy's Secret Discovery Service, version 3: its three methods, and the error for clients of version 2.

import type {
  MethodDefinition,
  ServerDuplexStream,
  ServerUnaryCall,
  ServiceDefinition,
  ServiceError,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { SecretSource } from '../../../secrets/index.ts'
import type {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import { SecretDiscoveryService } from '../gen/envoy/service/secret/v3/sds_pb.ts'
import { PushTurn, attestCall, statusOf } from '../local-server/index.ts'
import type { AttestedCall, Attestor } from '../local-server/index.ts'
import { asBuffer, decode } from '../protobuf.ts'
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

/** The service of version 3. Responses are encoded by the handlers, once for all streams. */
export const sdsDefinition: ServiceDefinition = {
  StreamSecrets: method('StreamSecrets', true, (bytes) => decode(DiscoveryRequestSchema, bytes)),
  DeltaSecrets: method('DeltaSecrets', true, (bytes) => decode(DeltaDiscoveryRequestSchema, bytes)),
  FetchSecrets: method('FetchSecrets', false, (bytes) => decode(DiscoveryRequestSchema, bytes)),
}

function method<Request extends object>(
  name: string,
  stream: boolean,
  read: (bytes: Buffer) => Request,
): MethodDefinition<Request, Octets> {
  return {
    path: `/${SecretDiscoveryService.typeName}/${name}`,
    requestStream: stream,
    responseStream: stream,
    requestSerialize: () => Buffer.alloc(0), // this side sends no requests
    requestDeserialize: read,
    responseSerialize: asBuffer,
    responseDeserialize: (bytes) => bytes,
  }
}

/** Handlers for `sdsDefinition`. */
export function sdsHandlers(options: SdsServiceOptions): UntypedServiceImplementation {
  const service = new SdsService(options)
  return {
    StreamSecrets: (call: ServerDuplexStream<DiscoveryRequest, Octets>) => {
      service.stream(call, service.stateOfTheWorld())
    },
    DeltaSecrets: (call: ServerDuplexStream<DeltaDiscoveryRequest, Octets>) => {
      service.stream(call, service.delta())
    },
    FetchSecrets: (call: ServerUnaryCall<DiscoveryRequest, Octets>, reply: sendUnaryData<Octets>) => {
      service.fetch(call).then(
        (response) => reply(null, response),
        (error: unknown) => reply(asServiceError(statusOf(error))),
      )
    },
  }
}

/** A stream of one protocol: its state, and its messages in both directions. */
interface StreamKind<Message, Request, Response> {
  readonly protocol: SecretProtocol<Request, Response>
  readonly read: (message: Message) => Request
  readonly encode: (response: Response) => Octets
}

class SdsService {
  readonly #options: SdsServiceOptions
  readonly #turn = new PushTurn()
  readonly #encoder = new ResponseEncoder()
  /** One hub per source: an attestor may return the same source for many callers. */
  readonly #hubs = new WeakMap<SecretSource, SecretHub>()

  constructor(options: SdsServiceOptions) {
    this.#options = options
  }

  stateOfTheWorld(): StreamKind<DiscoveryRequest, SotwRequest, SotwResponse<EncodedSecret>> {
    return { protocol: new SotwState(this.#options), read: sotwRequest, encode: this.#encoder.sotw }
  }

  delta(): StreamKind<DeltaDiscoveryRequest, DeltaRequest, DeltaResponse<EncodedSecret>> {
    return { protocol: new DeltaState(this.#options), read: deltaRequest, encode: this.#encoder.delta }
  }

  /**
   * Serves a stream. Requests wait until the caller is attested; the transport buffers them meanwhile.
   */
  stream<Message, Request, Response>(
    call: ServerDuplexStream<Message, Octets>,
    { protocol, read, encode }: StreamKind<Message, Request, Response>,
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
    call.on('data', (message: Message) => {
      try {
        if (stream !== undefined) {
          stream.receive(read(message))
          // One segment may have thousands of requests: each turn of the event loop takes one of a stream.
          call.pause()
          setImmediate(() => call.resume())
          return
        }
        call.pause()
        const begin = (found: AttestedCall<SecretSource>): void => {
          attested = found
          if (over) {
            found.end()
            return
          }
          stream = new SecretStream({
            ...this.#options,
            sink: call,
            protocol,
            encode,
            turn: this.#turn,
            hub: this.#hubOf(found.served),
          })
          stream.receive(read(message))
          call.resume()
        }
        attestCall(call, this.#options.attestor, this.#options.logger).then(begin).catch(fail)
      } catch (error) {
        fail(error)
      }
    })
  }

  /** @throws `StatusAnswer` */
  async fetch(call: ServerUnaryCall<DiscoveryRequest, Octets>): Promise<Octets> {
    const attested = await attestCall(call, this.#options.attestor, this.#options.logger)
    try {
      return await fetchSecrets(sotwRequest(call.request), attested, {
        ...this.#options,
        encoder: this.#encoder,
      })
    } finally {
      attested.end()
    }
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

function sotwRequest(message: DiscoveryRequest): SotwRequest {
  const { node, resourceNames, typeUrl, responseNonce, errorDetail } = message
  return { nodeId: node?.id ?? '', resourceNames, typeUrl, responseNonce, error: errorDetail?.message }
}

function deltaRequest(message: DeltaDiscoveryRequest): DeltaRequest {
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
