// Who is calling: the contract between transports, which know a connection, and authenticators, which know credentials.

import type { PkiError } from '../errors/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { Certificate } from '../x509/index.ts'

/** What a transport knows about a caller; the gRPC and HTTP adapters make one. */
export interface AuthenticationRequest {
  /** What the call came over; for logs and for authenticators that serve one transport alone. */
  readonly transport: 'grpc' | 'http' | (string & {})
  /** Every value of a header, by its lower-case name; empty when it was not sent. */
  header(name: string): readonly string[]
  /** The other end of the connection; undefined where there is none, as on a Unix socket. */
  readonly peer: { readonly address: string; readonly port: number } | undefined
  /** Undefined on a connection without TLS. */
  readonly tls: TlsPeer | undefined
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal
}

/** The client's side of a TLS handshake. */
export interface TlsPeer {
  /** As the client sent it, leaf first; empty when it sent none. The handshake proved possession of the leaf's key, nothing else. */
  readonly presentedChain: readonly Certificate[]
  /** The chain that the TLS stack itself verified; empty when it did not or was not asked to. */
  readonly verifiedChain: readonly Certificate[]
}

/** A caller whose credential was verified. */
export interface Caller {
  /** At least one. */
  readonly identities: readonly SpiffeId[]
  /** The kind of credential: `x509`, `kubernetes-jwt`, `oidc`, `xfcc`, `api-key`, … */
  readonly credential: string
  /** Present when the credential is bound to a pod. */
  readonly kubernetes?: KubernetesCaller | undefined
  /** Verified facts, for policy and audit. Never the credential itself. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** Where in Kubernetes a caller runs. */
export interface KubernetesCaller {
  /** The namespace of the pod. */
  readonly namespace: string
  /** The service account that the pod runs as. */
  readonly serviceAccount: string
  /** The name of the pod, where the credential says it. */
  readonly podName?: string | undefined
  /** The UID of the pod, where the credential says it: a new pod of the same name has another. */
  readonly podUid?: string | undefined
  /** The cluster that vouches for the credential, where there are several. */
  readonly cluster?: string | undefined
}

/**
 * Recognises one kind of credential.
 *
 * `undefined` says "no credential of my kind here, ask the next"; a thrown `AuthenticationError` says "it is here and it is bad".
 * Any other failure (a lookup that does not answer) is thrown too, and denies as well.
 */
export interface Authenticator {
  /** A short name for logs, metrics and the messages of its failures, such as `api-key`. */
  readonly name: string
  /** The caller of a request, at once or later. @throws `AuthenticationError` for a credential of this kind that is bad; anything else denies too */
  authenticate(request: AuthenticationRequest): Promise<Caller | undefined>
}

/** What an authenticator throws for a credential that is present and bad; made by `authenticationError`. */
export type AuthenticationError = PkiError<'ERR_CREDENTIAL_INVALID' | 'ERR_CLIENT_CERTIFICATE_UNTRUSTED'>
