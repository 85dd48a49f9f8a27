// The SPIFFE Workload API as grpc-js expects it: paths, which have no package (rule W-9), and codecs.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import type { MethodDefinition } from '@grpc/grpc-js'
import {
  JWTBundlesRequestSchema,
  JWTBundlesResponseSchema,
  JWTSVIDRequestSchema,
  JWTSVIDResponseSchema,
  SpiffeWorkloadAPI,
  ValidateJWTSVIDRequestSchema,
  ValidateJWTSVIDResponseSchema,
  X509BundlesRequestSchema,
  X509BundlesResponseSchema,
  X509SVIDRequestSchema,
  X509SVIDResponseSchema,
} from '../gen/spiffe/workload_pb.ts'
import { asBuffer, decode, encode } from '../protobuf.ts'

/** One method. The server encodes a response once for all streams, so it writes octets. */
export interface WorkloadMethod<Request extends DescMessage, Response extends DescMessage> {
  readonly path: string
  readonly request: Request
  readonly response: Response
  readonly stream: boolean
}

/** Every method of the stable specification. */
export const workloadMethods: {
  readonly FetchX509SVID: WorkloadMethod<typeof X509SVIDRequestSchema, typeof X509SVIDResponseSchema>
  readonly FetchX509Bundles: WorkloadMethod<typeof X509BundlesRequestSchema, typeof X509BundlesResponseSchema>
  readonly FetchJWTSVID: WorkloadMethod<typeof JWTSVIDRequestSchema, typeof JWTSVIDResponseSchema>
  readonly FetchJWTBundles: WorkloadMethod<typeof JWTBundlesRequestSchema, typeof JWTBundlesResponseSchema>
  readonly ValidateJWTSVID: WorkloadMethod<
    typeof ValidateJWTSVIDRequestSchema,
    typeof ValidateJWTSVIDResponseSchema
  >
} = {
  FetchX509SVID: method('FetchX509SVID', X509SVIDRequestSchema, X509SVIDResponseSchema, true),
  FetchX509Bundles: method('FetchX509Bundles', X509BundlesRequestSchema, X509BundlesResponseSchema, true),
  FetchJWTSVID: method('FetchJWTSVID', JWTSVIDRequestSchema, JWTSVIDResponseSchema, false),
  FetchJWTBundles: method('FetchJWTBundles', JWTBundlesRequestSchema, JWTBundlesResponseSchema, true),
  ValidateJWTSVID: method(
    'ValidateJWTSVID',
    ValidateJWTSVIDRequestSchema,
    ValidateJWTSVIDResponseSchema,
    false,
  ),
}

function method<Request extends DescMessage, Response extends DescMessage>(
  name: string,
  request: Request,
  response: Response,
  stream: boolean,
): WorkloadMethod<Request, Response> {
  return { path: `/${SpiffeWorkloadAPI.typeName}/${name}`, request, response, stream }
}

/** The definition for a grpc-js server: requests are messages, responses are octets. */
export function serverMethod<Request extends DescMessage>({
  path,
  request,
  stream,
}: WorkloadMethod<Request, DescMessage>): MethodDefinition<MessageShape<Request>, Uint8Array> {
  return {
    path,
    requestStream: false,
    responseStream: stream,
    requestSerialize: (message) => encode(request, message),
    requestDeserialize: (bytes) => decode(request, bytes),
    responseSerialize: asBuffer,
    responseDeserialize: (bytes) => bytes,
  }
}
