// The connection, headers and one call of a certificate client.

import type { Client } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import type { IstioCertificateRequest, IstioCertificateResponse } from '../gen/istio/v1/auth/ca_pb.ts'
import type { GrpcModule } from '../grpc-module.ts'
import type { CertificateClientOptions, ClientTlsMaterial } from './client-options.ts'
import { certificateServiceDefinition } from '../certificate-service/service-definition.ts'
import { clientCredentials } from './client-credentials.ts'

/** Headers of a request. */
export type RequestMetadata = InstanceType<GrpcModule['Metadata']>

/** A connection, established by the first call. */
export function openChannel(
  grpc: GrpcModule,
  options: Pick<CertificateClientOptions, 'address' | 'serverName'>,
  material: ClientTlsMaterial,
): Client {
  const credentials = clientCredentials(grpc, options, material)
  return new grpc.Client(options.address, credentials, channelOptions(options.serverName))
}

function channelOptions(serverName: string | undefined): Record<string, string | number> {
  return {
    'grpc.max_receive_message_length': maxReplyBytes,
    'grpc.enable_retries': 0, // the client's own retry policy applies
    'grpc.use_local_subchannel_pool': 1, // a dropped connection is not shared with another client
    ...(serverName === undefined ? {} : { 'grpc.default_authority': serverName }),
  }
}

/** The headers of one call. @throws ERR_INVALID_ARGUMENT for a token or header that cannot be sent */
export async function requestMetadata(
  grpc: GrpcModule,
  options: Pick<CertificateClientOptions, 'headers' | 'token'>,
): Promise<RequestMetadata> {
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(options.headers ?? {})) setHeader(metadata, name, value)
  const token = (await options.token?.())?.trim()
  if (token !== undefined && token !== '') setHeader(metadata, 'authorization', `Bearer ${token}`)
  return metadata
}

/** The message of grpc-js for an invalid header contains its value, which may be a token. */
function setHeader(metadata: RequestMetadata, name: string, value: string): void {
  if (!/^[0-9a-z_.-]+$/i.test(name) || !/^[ -~]*$/.test(value)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `header ${JSON.stringify(name)} cannot be sent: its name or its value contains a character that is ` +
        'not allowed in headers',
    )
  }
  metadata.set(name, value)
}

/** Performs one call. */
export function callCreateCertificate(
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
        else if (reply === undefined)
          reject(new PkiError('ERR_CA_REPLY', 'the CA responded without a message'))
        else resolve(reply)
      },
    )
    const cancel = (): void => running.cancel()
    if (signal?.aborted === true) cancel()
    else signal?.addEventListener('abort', cancel, { once: true })
  })
}

/** The size of a chain and a bundle of many roots. */
const maxReplyBytes = 1024 * 1024
