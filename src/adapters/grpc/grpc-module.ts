// The optional peer @grpc/grpc-js, loaded on first use or given by the caller.

import { PkiError } from '../../errors/index.ts'

/** `@grpc/grpc-js`, version 1.14 or later. */
export type GrpcModule = typeof import('@grpc/grpc-js')

/** @throws ERR_PEER_NOT_INSTALLED */
export async function loadGrpc(given?: GrpcModule): Promise<GrpcModule> {
  if (given !== undefined) return given
  try {
    return await import('@grpc/grpc-js')
  } catch (cause) {
    throw new PkiError('ERR_PEER_NOT_INSTALLED', '@grpc/grpc-js is required: npm install @grpc/grpc-js', {
      cause,
    })
  }
}
