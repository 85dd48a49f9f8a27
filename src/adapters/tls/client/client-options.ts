// Options for clients that accept only options; the peer is verified in Node's documented hook
// `checkServerIdentity`.

import { randomBytes } from 'node:crypto'
import type { ConnectionOptions, DetailedPeerCertificate, PeerCertificate } from 'node:tls'
import { readOptions } from '../../../internal/options.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import { requireBundle } from '../../../svid/internal.ts'
import { peerCertificates } from '../../../x509/index.ts'
import { matcherOf } from '../peer-verifier.ts'
import type { PeerAuthorization } from '../peer-verifier.ts'
import { requireTlsIdentity } from '../tls-identity.ts'
import type { TlsIdentity } from '../tls-identity.ts'

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
 * current SVID. OpenSSL builds the chain to the authorities of the server's trust domain; then this package
 * validates and authorizes it before anything is sent. Sessions are not resumed. Prefer `httpsAgent` or
 * `connectTls`, which use rotated SVIDs.
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
  const checkServerIdentity = (_host: string, certificate: PeerCertificate): Error | undefined => {
    // Node does not catch what this function throws: it would end the process.
    try {
      const chain = peerCertificates({
        getPeerCertificate: () => certificate as DetailedPeerCertificate,
      })
      own.verifier.verify(chain, 'serverAuth', authorize)
      return undefined
    } catch (error) {
      return error as Error
    }
  }
  return {
    ...own.credentials(),
    ca: [bundle.toPem()],
    rejectUnauthorized: true,
    checkServerIdentity,
    // An agent shares connections and sessions between requests with equal options, and ignores
    // `checkServerIdentity` in that comparison. A connection for one SPIFFE ID must not serve another, so
    // this text is included, which the agent does compare.
    sessionIdContext: randomBytes(16).toString('hex'),
    // Undefined on purpose: it overrides the session that Node's agent would
    // resume, for which Node skips the check.
    ...({ session: undefined } as object),
  }
}
