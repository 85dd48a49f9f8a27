// A protobuf service as grpc-js wants it: paths and codecs.

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { MessageShape } from '@bufbuild/protobuf'
import type { MethodDefinition } from '@grpc/grpc-js'
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from './gen/istio/v1/auth/ca_pb.ts'

/** `/istio.v1.auth.IstioCertificateService/CreateCertificate`, for `Server.addService` and for clients. */
export interface CertificateServiceDefinition {
  /** The one method: a CSR in, a chain out. */
  readonly CreateCertificate: MethodDefinition<
    MessageShape<typeof IstioCertificateRequestSchema>,
    MessageShape<typeof IstioCertificateResponseSchema>
  >
  /** As grpc-js's `ServiceDefinition` has it. */
  readonly [method: string]: CertificateServiceDefinition['CreateCertificate']
}

/** What is not known is dropped, as proto3 allows, and not kept; nothing that is known nests deeper than a few levels. */
const strict = { readUnknownFields: false, recursionLimit: 32 } as const

/** The one service of Istio's CA, wire-compatible. */
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
