// A protobuf service as grpc-js wants it: paths and codecs.

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { MessageShape } from '@bufbuild/protobuf'
import type { MethodDefinition } from '@grpc/grpc-js'
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema, IstioCertificateService } from './gen/istio/v1/auth/ca_pb.ts'

/** `/istio.v1.auth.IstioCertificateService/CreateCertificate`, for `Server.addService` and for clients. */
export interface CertificateServiceDefinition {
  readonly CreateCertificate: MethodDefinition<MessageShape<typeof IstioCertificateRequestSchema>, MessageShape<typeof IstioCertificateResponseSchema>>
  /** As grpc-js's `ServiceDefinition` has it. */
  readonly [method: string]: CertificateServiceDefinition['CreateCertificate']
}

/** The one service of Istio's CA, wire-compatible. */
export const certificateServiceDefinition: CertificateServiceDefinition = {
  CreateCertificate: {
    path: `/${IstioCertificateService.typeName}/${IstioCertificateService.method.createCertificate.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => asBuffer(toBinary(IstioCertificateRequestSchema, message)),
    requestDeserialize: (bytes) => fromBinary(IstioCertificateRequestSchema, bytes),
    responseSerialize: (message) => asBuffer(toBinary(IstioCertificateResponseSchema, message)),
    responseDeserialize: (bytes) => fromBinary(IstioCertificateResponseSchema, bytes),
  },
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
