// The contract between transports, which describe a connection, and authenticators, which verify credentials.

import type { PkiError } from '../errors/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { Certificate } from '../x509/index.ts'

/** A call as its transport describes it; built by the gRPC and HTTP adapters. */
export interface AuthenticationRequest {
  /** The protocol of the call; for logs, and for authenticators that serve one transport only. */
  readonly transport: 'grpc' | 'http' | (string & {})
  /** Every value of a header, by its lower-case name; an empty array when it was not sent. */
  header(name: string): readonly string[]
  /** The address of the peer; undefined if it has none, as on a Unix socket. */
  readonly peer: { readonly address: string; readonly port: number } | undefined
  /** Undefined on a connection without TLS. */
  readonly tls: TlsPeer | undefined
  /** Aborted when the caller has disconnected. */
  readonly signal: AbortSignal
}

/** The client's side of a TLS handshake. @inline */
export interface TlsPeer {
  /**
   * The chain as the client sent it, leaf first; empty if it sent none. The handshake proves possession of
   * the leaf's key only.
   */
  readonly presentedChain: readonly Certificate[]
  /** The chain that the TLS stack itself verified; empty if it verified none. */
  readonly verifiedChain: readonly Certificate[]
}

/** A caller whose credential was verified. */
export interface Caller {
  /** At least one, at most 64. */
  readonly identities: readonly SpiffeId[]
  /** The kind of credential: `x509`, `kubernetes-jwt`, `oidc`, `xfcc`, `api-key`, … */
  readonly credential: string
  /** Present when the credential is bound to a Kubernetes service account. */
  readonly kubernetes?: KubernetesCaller | undefined
  /**
   * Verified facts for policy and audit, as JSON data: null, boolean, number,
   * bigint, string, arrays and objects. Never the credential.
   */
  readonly claims: Readonly<Record<string, unknown>>
}

/** Where in Kubernetes a caller runs. @inline */
export interface KubernetesCaller {
  /** The namespace of the service account and the pod. */
  readonly namespace: string
  /** The name of the service account. */
  readonly serviceAccount: string
  /** The name of the pod, if the credential contains it. */
  readonly podName?: string | undefined
  /** The UID of the pod, if the credential contains it: a new pod with the same name has another. */
  readonly podUid?: string | undefined
  /** The name of the node, if the credential contains it. */
  readonly nodeName?: string | undefined
  /** The cluster that issued the credential, if there are several. */
  readonly cluster?: string | undefined
}

/**
 * Recognises one kind of credential.
 *
 * `undefined` means "no credential of this kind was sent, try the next authenticator". A thrown
 * `AuthenticationError` means "a credential of this kind was sent and is not valid". Any other error (a
 * lookup that does not answer) denies the call as well.
 */
export interface Authenticator {
  /** A short name for logs, metrics and error messages, such as `api-key`. */
  readonly name: string
  /**
   * Resolves to the caller of a request. @throws `AuthenticationError` for an invalid credential of this kind
   */
  authenticate(request: AuthenticationRequest): Promise<Caller | undefined>
}

/**
 * The error of an authenticator for a credential that was sent and is not valid; created by
 * `authenticationError`.
 *
 * @inline
 */
export type AuthenticationError = PkiError<'ERR_CREDENTIAL_INVALID' | 'ERR_CLIENT_CERTIFICATE_UNTRUSTED'>
