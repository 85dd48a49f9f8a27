// A client of the Secret Discovery Service that says exactly what a test tells it to say.

import { fromBinary, create, toBinary } from '@bufbuild/protobuf'
import type { MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { Client, Metadata, credentials } from '@grpc/grpc-js'
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../../src/adapters/grpc/gen/envoy/service/discovery/v3/discovery_pb.ts'
import {
  SPIFFECertValidatorConfigSchema,
  SecretSchema,
} from '../../src/adapters/grpc/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'

export type SecretMessage = MessageShape<typeof SecretSchema>
export type SotwMessage = MessageShape<typeof DiscoveryResponseSchema>
export type DeltaMessage = MessageShape<typeof DeltaDiscoveryResponseSchema>

const service = '/envoy.service.secret.v3.SecretDiscoveryService'
const read = (bytes: Buffer): Buffer => bytes

/** Requests out, responses in, in order; each stream one object. */
export class RawStream<Response> {
  readonly call: ClientDuplexStream<Uint8Array, Buffer>
  readonly responses: Response[] = []
  ended: Partial<ServiceError> | undefined
  readonly #send: (request: never) => Uint8Array

  constructor(
    call: ClientDuplexStream<Uint8Array, Buffer>,
    send: (request: never) => Uint8Array,
    receive: (bytes: Buffer) => Response,
  ) {
    this.call = call
    this.#send = send
    call.on('data', (bytes: Buffer) => this.responses.push(receive(bytes)))
    call.on('error', (error: Partial<ServiceError>) => (this.ended = error))
    call.on('end', () => (this.ended ??= {}))
  }

  send(request: object): void {
    this.call.write(this.#send(request as never))
  }
}

export class SdsClient {
  readonly client: Client
  readonly metadata: Metadata = new Metadata()

  constructor(address: string, options: Record<string, unknown> = {}) {
    this.client = new Client(address.replace('tcp://', ''), credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
  }

  sotw(path = `${service}/StreamSecrets`): RawStream<SotwMessage> {
    return new RawStream(
      this.client.makeBidiStreamRequest(path, (bytes: Uint8Array) => Buffer.from(bytes), read, this.metadata),
      (request: MessageInitShape<typeof DiscoveryRequestSchema>) =>
        toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, request)),
      (bytes) => fromBinary(DiscoveryResponseSchema, bytes),
    )
  }

  delta(): RawStream<DeltaMessage> {
    return new RawStream(
      this.client.makeBidiStreamRequest(
        `${service}/DeltaSecrets`,
        (bytes: Uint8Array) => Buffer.from(bytes),
        read,
        this.metadata,
      ),
      (request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>) =>
        toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request)),
      (bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
    )
  }

  fetch(request: MessageInitShape<typeof DiscoveryRequestSchema>): Promise<SotwMessage> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        `${service}/FetchSecrets`,
        (bytes: Uint8Array) => Buffer.from(bytes),
        read,
        toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, request)),
        this.metadata,
        (error, bytes) =>
          error === null ? resolve(fromBinary(DiscoveryResponseSchema, bytes!)) : reject(error),
      )
    })
  }

  [Symbol.dispose](): void {
    this.client.close()
  }
}

export function secretsIn({ resources }: SotwMessage): SecretMessage[] {
  return resources.map(({ value }) => fromBinary(SecretSchema, value))
}

export function secretsInDelta({ resources }: DeltaMessage): SecretMessage[] {
  return resources.map(({ resource }) => fromBinary(SecretSchema, resource!.value))
}

/** The PEM of a data source. */
export function textOf(
  source: { specifier: { case?: string | undefined; value?: unknown } } | undefined,
): string {
  return source === undefined ? '' : Buffer.from(source.specifier.value as Uint8Array).toString()
}

/** The PEM of the certificate, or of the authorities. */
export function pemOf({ type }: SecretMessage): string {
  if (type.case === 'tlsCertificate') return textOf(type.value.certificateChain)
  return type.case === 'validationContext' ? textOf(type.value.trustedCa) : ''
}

/** PEM by trust domain, of Envoy's SPIFFE validator. */
export function trustDomainsOf({ type }: SecretMessage): Record<string, string> {
  if (type.case !== 'validationContext') return {}
  const config = type.value.customValidatorConfig
  const { trustDomains } = fromBinary(SPIFFECertValidatorConfigSchema, config!.typedConfig!.value)
  return Object.fromEntries(trustDomains.map(({ name, trustBundle }) => [name, textOf(trustBundle)]))
}
