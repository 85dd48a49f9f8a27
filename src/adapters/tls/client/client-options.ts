// Options for clients that accept only options; the peer is verified at the end of each handshake.

import { randomBytes } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import type { ConnectionOptions, DetailedPeerCertificate, PeerCertificate } from 'node:tls'
import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import { requireBundle } from '../../../svid/internal.ts'
import type { SpiffeIdMatcher } from '../../../spiffe/index.ts'
import { peerCertificates } from '../../../x509/index.ts'
import { pemForPlatform } from '../../../x509/internal.ts'
import { acceptPeer } from '../accept-peer.ts'
import { gateClient } from './client-gate.ts'
import { matcherOf } from '../peer-verifier.ts'
import type { PeerAuthorization } from '../peer-verifier.ts'
import { requireTlsIdentity } from '../tls-identity.ts'
import type { SourceTlsIdentity, TlsIdentity } from '../tls-identity.ts'

/** The server to connect to. @inline */
export interface TlsClientCheck {
  /**
   * For an exact SPIFFE ID, the server may be in any trust domain with a
   * bundle; for a matcher, it must be in the own trust domain.
   */
  readonly id: PeerAuthorization
}

/**
 * Options for `tls.connect`, `https.request`, `http2.connect` and libraries that pass them on, with the
 * current SVID. OpenSSL builds the chain to the authorities of the server's trust domain, and this package
 * validates and authorizes it before anything is sent. Sessions are not resumed: a connection that does so
 * anyway is refused. The connection is in `identity.connections`, unless the client offers only TLS 1.2 or
 * the library drops `pskCallback`: then the log has a line. Prefer `httpsAgent` or `connectTls`, which use
 * rotated SVIDs.
 *
 * @throws ERR_SVID_UNAVAILABLE, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID, ERR_BUNDLE_NOT_FOUND
 */
export function tlsClientOptions(identity: TlsIdentity, options: TlsClientCheck): ConnectionOptions {
  const { id } = readOptions('tlsClientOptions', options, { id: 'required' })
  const own = requireTlsIdentity(identity)
  const authorize = matcherOf(id)
  const trustDomain =
    typeof id === 'function' ? own.current.svid.id.trustDomain : SpiffeId.from(id).trustDomain
  const bundle = requireBundle(trustDomain, own.source)
  return {
    ...own.credentials(),
    ca: [pemForPlatform(bundle.x509Authorities)],
    rejectUnauthorized: true,
    ...hooksOf(own, authorize),
    // An agent shares connections and sessions between requests with equal options, and ignores
    // `checkServerIdentity` in that comparison. A connection for one SPIFFE ID must not serve another, so
    // this text is included, which the agent does compare.
    sessionIdContext: randomBytes(16).toString('hex'),
    // Explicitly undefined: it overrides the session that Node's agent would resume, for which Node skips the
    // check. `maxCachedSessions` makes the agents of Node and undici keep no sessions.
    ...({ session: undefined, maxCachedSessions: 0 } as object),
  }
}

/**
 * The functions that Node calls for a connection. OpenSSL asks for a pre-shared key when it offers TLS 1.3
 * (RFC 8446 §4.2.11), and Node then calls `pskCallback` as a method of the socket; no other option of a
 * client receives the socket. The function returns no key, and installs the gate of `connectTls` on the
 * socket.
 */
function hooksOf(
  identity: SourceTlsIdentity,
  authorize: SpiffeIdMatcher,
): Required<Pick<ConnectionOptions, 'checkServerIdentity' | 'pskCallback'>> {
  const gated = new WeakSet<TLSSocket>()
  /** Whether the gate has accepted the server of the connection that Node is about to report. */
  let accepted = false
  const accept = (socket: TLSSocket): object => {
    const outcome = acceptPeer(identity, socket, { authorize, purpose: 'serverAuth' })
    accepted = !(outcome instanceof PkiError)
    return outcome
  }
  const announced = (): void => {
    accepted = false
  }
  const guard = (socket: unknown): void => {
    // A server that asks for another key share (HelloRetryRequest) causes a second call.
    if (!(socket instanceof TLSSocket) || gated.has(socket)) return
    gated.add(socket)
    // Over a given socket the handshake begins before Node has added its own listener. It cannot end before
    // this microtask, because nothing was sent yet.
    queueMicrotask(() => {
      gateClient(socket, () => accept(socket), announced)
    })
  }
  return {
    pskCallback(this: unknown): null {
      guard(this)
      return null
    },
    checkServerIdentity: (host: string, certificate: PeerCertificate): Error | undefined => {
      if (accepted) return undefined
      // Node does not catch what this function throws: it would end the process.
      try {
        identity.requireOpen()
        const chain = peerCertificates({
          getPeerCertificate: () => certificate as DetailedPeerCertificate,
        })
        const { id } = identity.verifier.verify(chain, 'serverAuth', authorize)
        identity.logger.warn(
          { host, peer: id.toString() },
          'the TLS connection is not registered: it offers no TLS 1.3, or pskCallback was not passed on',
        )
        return undefined
      } catch (error) {
        return error as Error
      }
    },
  }
}
