// Verifies a peer at every handshake, full or resumed: its chain with the
// bundle of its trust domain, revocation, and authorization.

import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { PkiError, isPkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../spiffe/index.ts'
import { X509SvidValidator } from '../../svid/index.ts'
import type { BundleSource } from '../../svid/index.ts'
import type { RevocationChecker } from '../../validation/index.ts'
import { peerCertificates } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import type { TlsPeerIdentity } from './connection-registry.ts'

/** The accepted peers: one SPIFFE ID, or a matcher. Only the literal `true` accepts. @inline */
export type PeerAuthorization = SpiffeId | string | SpiffeIdMatcher

/** The purpose that the peer's certificate must have. */
export type PeerPurpose = 'clientAuth' | 'serverAuth'

interface VerifierOptions {
  readonly bundles: BundleSource
  readonly revocation: RevocationChecker | undefined
  readonly clock: Clock
}

/** Verifies peers of TLS connections. */
export class PeerVerifier {
  readonly #validator: X509SvidValidator
  readonly #options: VerifierOptions
  /**
   * The chains of accepted peers, by the digest of the leaf: a resumed session contains only the leaf.
   */
  readonly #chains = new Map<string, readonly Certificate[]>()

  constructor(options: VerifierOptions) {
    this.#options = options
    this.#validator = new X509SvidValidator({ bundles: options.bundles })
  }

  /**
   * The chain of the peer, from this handshake or from the full handshake of the resumed session.
   *
   * @param remembered The chain that the client stored with the session; a server finds the chain by the
   * leaf, which a resumed session contains.
   * @throws ERR_TLS_PEER
   */
  presentedChain(socket: TLSSocket, remembered?: readonly Certificate[]): readonly Certificate[] {
    if (remembered !== undefined && socket.isSessionReused()) return remembered
    let chain: readonly Certificate[]
    try {
      chain = peerCertificates(socket)
    } catch (cause) {
      throw new PkiError('ERR_TLS_PEER', `the certificate of the peer cannot be read: ${String(cause)}`, {
        cause,
      })
    }
    const [leaf] = chain
    if (leaf === undefined) throw new PkiError('ERR_TLS_PEER', 'the peer presented no certificate')
    return socket.isSessionReused() ? (this.#chains.get(digestOf(leaf)) ?? chain) : chain
  }

  /** @throws ERR_TLS_PEER with the reason of the validator or of the authorization */
  verify(chain: readonly Certificate[], purpose: PeerPurpose, authorize: SpiffeIdMatcher): TlsPeerIdentity {
    const { revocation, clock } = this.#options
    const verdict = this.#validator.verify(chain, {
      time: new Date(clock.now()),
      extendedKeyUsage: purpose,
      ...(revocation === undefined ? {} : { revocation }),
    })
    if (!verdict.ok) {
      const [first] = verdict.rejected
      throw new PkiError(
        'ERR_TLS_PEER',
        `the peer is refused: ${first?.message ?? ''} (${first?.code ?? ''})`,
      )
    }
    if (!isAuthorized(authorize, verdict.id))
      throw new PkiError(
        'ERR_TLS_PEER',
        `the peer ${verdict.id.toString()} is not authorized; expected ` +
          (authorize.description ?? 'another SPIFFE ID'),
      )
    this.#remember(chain)
    return Object.freeze({ id: verdict.id, chain: Object.freeze([...chain]) })
  }

  #remember(chain: readonly Certificate[]): void {
    const [leaf] = chain
    if (leaf === undefined || chain.length === 1) return
    const digest = digestOf(leaf)
    this.#chains.delete(digest)
    this.#chains.set(digest, chain)
    if (this.#chains.size <= maxChains) return
    for (const [oldest] of this.#chains) {
      this.#chains.delete(oldest)
      return
    }
  }
}

/** The matcher of an authorization. @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID */
export function matcherOf(authorize: PeerAuthorization): SpiffeIdMatcher {
  if (typeof authorize === 'function') return authorize
  const id = SpiffeId.from(authorize)
  return Object.assign((found: SpiffeId) => found.equals(id), { description: id.toString() })
}

function isAuthorized(authorize: SpiffeIdMatcher, id: SpiffeId): boolean {
  try {
    // Only `true` accepts: an async check returns a Promise, which is truthy.
    return (authorize(id) as unknown) === true
  } catch (cause) {
    if (isPkiError(cause)) throw cause
    throw new PkiError('ERR_TLS_PEER', `the authorization of ${id.toString()} threw: ${String(cause)}`, {
      cause,
    })
  }
}

function digestOf(leaf: Certificate): string {
  return createHash('sha256').update(leaf.der).digest('base64')
}

const maxChains = 10_000
