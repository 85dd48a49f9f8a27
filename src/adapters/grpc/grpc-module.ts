// The optional peer @grpc/grpc-js, loaded on first use or given by the caller.

import { PkiError } from '../../errors/index.ts'
import { nameOf } from '../../internal/values/name-of.ts'

/** `@grpc/grpc-js`, version 1.14 or later. */
export type GrpcModule = typeof import('@grpc/grpc-js')

/** @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT */
export async function loadGrpc(given?: GrpcModule): Promise<GrpcModule> {
  if (given !== undefined) {
    if (typeof (Object(given) as Partial<GrpcModule>).Server !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `the option grpc must be the module @grpc/grpc-js, found ${nameOf(given)}`,
      )
    return given
  }
  try {
    return await import('@grpc/grpc-js')
  } catch (cause) {
    throw new PkiError('ERR_PEER_NOT_INSTALLED', '@grpc/grpc-js is required: npm install @grpc/grpc-js', {
      cause,
    })
  }
}
