// Verifies a peer at every handshake, full or resumed: its chain with the
// bundle of its trust domain, revocation, and authorization.

import type { TLSSocket } from 'node:tls'
import { PkiError, isPkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../spiffe/index.ts'
import { X509SvidValidator } from '../../svid/index.ts'
import type { BundleSource, TrustBundle } from '../../svid/index.ts'
import type { RevocationChecker, VerifiedPath } from '../../validation/index.ts'
import { peerCertificates } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { ClientChains } from './client-chains.ts'
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

/** A verified chain, and the inputs of its verdict. */
interface AcceptedChain {
  readonly peer: TlsPeerIdentity
  readonly purpose: PeerPurpose
  /**
   * Bundles are immutable, so changed roots are another object. The reference is weak, so that a replaced
   * bundle and its imported keys can be collected.
   */
  readonly bundle: WeakRef<TrustBundle> | undefined
  /** The time in which every certificate of the path is valid. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** Verifies peers of TLS connections. */
export class PeerVerifier {
  /** The chains of the accepted clients. */
  readonly chains: ClientChains = new ClientChains()
  readonly #validator: X509SvidValidator
  readonly #options: VerifierOptions
  /** Keyed by the array that `verify` has returned; a resumed peer has the same array. */
  readonly #accepted = new WeakMap<readonly Certificate[], AcceptedChain>()

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
    if (socket.isSessionReused()) {
      const known = remembered ?? this.#chainOf(socket)
      if (known !== undefined) return known
    }
    let chain: readonly Certificate[]
    try {
      chain = peerCertificates(socket)
    } catch (cause) {
      throw new PkiError('ERR_TLS_PEER', `the certificate of the peer cannot be read: ${String(cause)}`, {
        cause,
      })
    }
    if (chain.length > 0) return chain
    const found = socket.isSessionReused()
      ? 'resumed a TLS session whose certificate chain is no longer stored'
      : 'presented no certificate'
    throw new PkiError('ERR_TLS_PEER', `the peer ${found}`)
  }

  /**
   * The chain of the full handshake, found by the leaf, because a client's resumed session contains only the
   * leaf.
   */
  #chainOf(socket: TLSSocket): readonly Certificate[] | undefined {
    const leaf = socket.getPeerX509Certificate()
    return leaf === undefined ? undefined : this.chains.get(leaf)
  }

  /**
   * The path of a chain is not searched again while the bundle and the purpose are the same and its path is
   * valid; with a revocation checker it is searched every time. The authorization is checked every time.
   *
   * @throws ERR_TLS_PEER with the reason of the validator or of the authorization
   */
  verify(chain: readonly Certificate[], purpose: PeerPurpose, authorize: SpiffeIdMatcher): TlsPeerIdentity {
    const known = this.#accepted.get(chain)
    if (known !== undefined && this.#stillHolds(known, purpose)) {
      requireAuthorized(authorize, known.peer.id)
      return known.peer
    }
    const { id, path } = this.#validate(chain, purpose)
    requireAuthorized(authorize, id)
    const peer = Object.freeze({ id, chain: Object.freeze([...chain]) })
    this.#remember(peer, purpose, path)
    return peer
  }

  #stillHolds(known: AcceptedChain, purpose: PeerPurpose): boolean {
    const { revocation, clock, bundles } = this.#options
    if (revocation !== undefined || known.purpose !== purpose) return false
    const nowMs = clock.now()
    if (nowMs < known.notBeforeMs || nowMs > known.notAfterMs) return false
    const current = bundles.bundleFor(known.peer.id.trustDomain)
    return current !== undefined && known.bundle?.deref() === current
  }

  #validate(chain: readonly Certificate[], purpose: PeerPurpose): { id: SpiffeId; path: VerifiedPath } {
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
    return verdict
  }

  #remember(peer: TlsPeerIdentity, purpose: PeerPurpose, { certificates }: VerifiedPath): void {
    const [leaf] = peer.chain
    if (leaf === undefined) return
    const bundle = this.#options.bundles.bundleFor(peer.id.trustDomain)
    this.#accepted.set(peer.chain, {
      peer,
      purpose,
      bundle: bundle && new WeakRef(bundle),
      notBeforeMs: Math.max(...certificates.map(({ notBeforeMs }) => notBeforeMs)),
      notAfterMs: Math.min(...certificates.map(({ notAfterMs }) => notAfterMs)),
    })
    // A client keeps the chain of its server with the session.
    if (purpose === 'clientAuth') this.chains.set(leaf, peer.chain)
  }
}

/** The matcher of an authorization. @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID */
export function matcherOf(authorize: PeerAuthorization): SpiffeIdMatcher {
  if (typeof authorize === 'function') return authorize
  const id = SpiffeId.from(authorize)
  return Object.assign((found: SpiffeId) => found.equals(id), { description: id.toString() })
}

/** @throws ERR_TLS_PEER */
function requireAuthorized(authorize: SpiffeIdMatcher, id: SpiffeId): void {
  if (isAuthorized(authorize, id)) return
  throw new PkiError(
    'ERR_TLS_PEER',
    `the peer ${id.toString()} is not authorized; expected ${authorize.description ?? 'another SPIFFE ID'}`,
  )
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
