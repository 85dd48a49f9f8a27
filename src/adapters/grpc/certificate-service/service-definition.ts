// The protobuf service as grpc-js expects it: paths and codecs.

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { MessageShape } from '@bufbuild/protobuf'
import type { MethodDefinition } from '@grpc/grpc-js'
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from '../gen/istio/v1/auth/ca_pb.ts'

/**
 * `/istio.v1.auth.IstioCertificateService/CreateCertificate`, for `Server.addService` and for clients.
 *
 * @inline
 */
export interface CertificateServiceDefinition {
  /** The only method: CSR → certificate chain. */
  readonly CreateCertificate: MethodDefinition<
    MessageShape<typeof IstioCertificateRequestSchema>,
    MessageShape<typeof IstioCertificateResponseSchema>
  >
  /** A `ServiceDefinition` of grpc-js. */
  readonly [method: string]: CertificateServiceDefinition['CreateCertificate']
}

/** Unknown fields are dropped, as proto3 allows; known fields nest only a few levels deep. */
const strict = { readUnknownFields: false, recursionLimit: 32 } as const

/** The certificate service of Istio's CA, wire-compatible. */
export const certificateServiceDefinition: CertificateServiceDefinition = {
  CreateCertificate: {
    path: `/${IstioCertificateService.typeName}/${IstioCertificateService.method.createCertificate.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => asBuffer(toBinary(IstioCertificateRequestSchema, message)),
    requestDeserialize: (bytes) => fromBinary(IstioCertificateRequestSchema, bytes, strict),
    responseSerialize: (message) => asBuffer(toBinary(IstioCertificateResponseSchema, message)),
    responseDeserialize: (bytes) => fromBinary(IstioCertificateResponseSchema, bytes, strict),
  },
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
