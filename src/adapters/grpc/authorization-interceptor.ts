// A server interceptor for grpc-js: a call continues when the policies allow it.

import type { Metadata, ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js'
import type { AuthenticationRequest } from '../../auth/index.ts'
import { checkFunctions } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import { RequestGuard } from '../../policy/internal.ts'
import type { RequestGuardOptions } from '../../policy/internal.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { Certificate } from '../../x509/index.ts'
import { loadGrpc } from './grpc-module.ts'
import type { GrpcModule } from './grpc-module.ts'
import { parsePeer } from './certificate-service/authentication-request.ts'

/** Options of `authorizationInterceptor`. @inline */
export interface AuthorizationInterceptorOptions extends RequestGuardOptions {
  /** The SPIFFE ID that the client of a call has proven: `peerOf` of what `listenGrpc` returned. */
  readonly peerIdOf?: (call: { getPeer(): string }) => SpiffeId | undefined
  /** The copy of `@grpc/grpc-js` that created the server. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

/**
 * An interceptor that authenticates and authorizes every call of a server before its messages are read. The
 * status is UNAUTHENTICATED if there is no valid credential, PERMISSION_DENIED if the policies deny the call,
 * and UNAVAILABLE if a credential cannot be verified at the moment. The method is `POST` and the path
 * `/package.Service/Method`.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_PEER_NOT_INSTALLED
 * @example
 * ```ts
 * import { Server } from '@grpc/grpc-js'
 * const interceptor = await authorizationInterceptor({ authorizer, authenticator })
 * const server = new Server({ interceptors: [interceptor] })
 * ```
 */
export async function authorizationInterceptor(
  options: AuthorizationInterceptorOptions,
): Promise<ServerInterceptor> {
  const { peerIdOf, grpc, ...read } = readOptions('authorizationInterceptor', options, {
    authorizer: 'required',
    authenticator: 'guard',
    peerIdOf: 'guard',
    tokensAsPrincipals: 'optional',
    grpc: 'optional',
    destination: 'optional',
    logger: 'optional',
    metrics: 'optional',
  })
  checkFunctions('authorizationInterceptor', { peerIdOf })
  const guard = new RequestGuard('authorizationInterceptor', read)
  const { ServerInterceptingCall, status } = await loadGrpc(grpc)
  const answers = answersOf(status)
  const judge = async (
    path: string,
    call: ServerInterceptingCallInterface,
    metadata: Metadata,
    signal: AbortSignal,
  ): Promise<PartialStatus | undefined> => {
    const { localAddress, localPort } = call.getConnectionInfo()
    const request = requestOf(call, metadata, signal)
    const facts = {
      method: 'POST',
      path,
      host: call.getHost(),
      headers: headersOf(metadata),
      sourceIp: request.peer?.address,
      destinationIp: localAddress,
      destinationPort: localPort,
    }
    const { outcome } = await guard.judge(request, peerIdOf?.(call), facts)
    return outcome === 'allowed' ? undefined : answers[outcome]
  }
  return ({ path }, call) => {
    const gone = new AbortController()
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, go) => {
            judge(path, call, metadata, gone.signal)
              .catch(() => answers.unavailable)
              .then((answer) => {
                if (answer === undefined) go(metadata)
                else call.sendStatus(answer)
              })
              // The call has ended meanwhile.
              .catch(() => undefined)
          },
          onCancel: () => {
            gone.abort()
          },
        })
      },
    })
  }
}

type PartialStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

function answersOf(
  status: GrpcModule['status'],
): Readonly<Record<'unauthenticated' | 'denied' | 'unavailable', PartialStatus>> {
  return {
    unauthenticated: { code: status.UNAUTHENTICATED, details: 'unauthenticated' },
    denied: { code: status.PERMISSION_DENIED, details: 'permission denied' },
    unavailable: { code: status.UNAVAILABLE, details: 'try again' },
  }
}

function requestOf(
  call: ServerInterceptingCallInterface,
  metadata: Metadata,
  signal: AbortSignal,
): AuthenticationRequest {
  return {
    transport: 'grpc',
    header: (name) =>
      metadata.get(name).map((value) => (typeof value === 'string' ? value : value.toString('latin1'))),
    peer: parsePeer(call.getPeer()),
    get tls() {
      const raw = call.getAuthContext().sslPeerCertificate?.raw
      if (raw === undefined) return undefined
      const verifiedChain = [Certificate.parse(new Uint8Array(raw))]
      return { presentedChain: verifiedChain, verifiedChain }
    },
    signal,
  }
}

function headersOf(metadata: Metadata): Readonly<Record<string, readonly string[]>> {
  const headers = Object.create(null) as Record<string, readonly string[]>
  for (const name of Object.keys(metadata.getMap()))
    headers[name] = metadata.get(name).map((value) => (typeof value === 'string' ? value : ''))
  return headers
}
