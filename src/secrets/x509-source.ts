// The contract of sources of X.509-SVIDs: identity, status, options and methods.

import type { KeyObject } from 'node:crypto'
import type { KeyAlgorithm } from '../keys/index.ts'
import type { Clock, Logger, Metrics } from '../runtime/index.ts'
import type { SpiffeId, SpiffeIdMatcher } from '../spiffe/index.ts'
import type { BundleSource, TrustBundle, X509Svid } from '../svid/index.ts'
import type { CaClient } from './ca-client.ts'
import type { RenewalPolicy } from './renewal/renewal-schedule.ts'

/** The current identity of a workload, with everything that TLS needs. */
export interface X509Identity {
  readonly svid: X509Svid
  readonly privateKey: KeyObject
  /** The authorities of the SVID's own trust domain, as of the SVID or of their last change. */
  readonly bundle: TrustBundle
  /** When the source renews the SVID. */
  readonly renewAt: Date
}

/** The state of a source. @inline */
export interface X509SourceStatus {
  /**
   * `waiting` for the first SVID, `current`, `failing` (renewal fails, the SVID is still valid) or `expired`.
   */
  readonly state: 'waiting' | 'current' | 'failing' | 'expired'
  /** How long the current SVID remains valid, in seconds; 0 without one. */
  readonly secondsLeft: number
  /** Why the last attempt failed; undefined after a success. */
  readonly lastError: Error | undefined
}

/** Options of `createX509Source`. @inline */
export interface X509SourceOptions {
  /** The CA that issues the certificates. */
  readonly ca: CaClient
  /** The expected identity: one SPIFFE ID, or a matcher such as `matchMemberOf('example.org')`. */
  readonly id: SpiffeId | SpiffeIdMatcher | string
  /**
   * Configured authorities: responses of the CA are verified with those of the own trust domain; federated
   * ones are included in the bundle set. A change takes effect at once, if the source of bundles reports it
   * (`onChange`). The bundle of the own trust domain, once configured, is not replaced by a response, even
   * after its removal. Default: the roots of each response.
   */
  readonly bundles?: BundleSource
  /** The algorithm of each new key. Default `P-256`. */
  readonly algorithm?: KeyAlgorithm | undefined
  /**
   * DNS names to request in addition to the identity, for clients that verify host names; the policy of the
   * CA must allow them. Default: none.
   */
  readonly dnsNames?: readonly string[] | undefined
  /** The validity to request; default: decided by the CA. */
  readonly ttlSeconds?: number | undefined
  /** When to renew; default half of the validity ± 1 %. */
  readonly renewal?: Partial<RenewalPolicy> | undefined
  /**
   * The time over which renewals are spread after the CA reports a taint of the issuing authority, in
   * seconds: each source chooses a random time. Default 300.
   */
  readonly taintSpreadSeconds?: number | undefined
  /** How far in the future notBefore may be, for clock differences, in seconds. Default 60. */
  readonly maxClockSkewSeconds?: number | undefined
  /**
   * How long one call of the CA may take, in seconds, at least 1; then its signal aborts and it counts as
   * failed with ERR_CA_UNAVAILABLE. Default 30.
   */
  readonly timeoutSeconds?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** The current SVID of a workload, and the bundles to verify its peers with. */
export interface X509Source extends BundleSource, AsyncDisposable, AsyncIterable<X509Identity> {
  /** @throws ERR_SVID_UNAVAILABLE before the first response of the CA, and after the SVID has expired */
  readonly current: X509Identity
  readonly status: X509SourceStatus
  /** Resolves when there is a valid SVID. @throws ERR_ABORTED, ERR_CLOSED */
  ready(signal?: AbortSignal): Promise<X509Identity>
  /**
   * Obtains a new SVID now; concurrent calls share one request. @throws the errors of the CA client,
   * ERR_CA_UNAVAILABLE, ERR_CA_REPLY, ERR_CLOSED
   */
  renew(signal?: AbortSignal): Promise<X509Identity>
  /** Calls `listener` after each new SVID or bundle. Returns a function that stops the calls. */
  onChange(listener: (identity: X509Identity) => void): () => void
  /**
   * Calls `listener` when SVID or bundles are withdrawn without a replacement: connections that depend on
   * them must end. Returns a function that stops the calls. Absent if the source never withdraws anything.
   */
  onWithdrawn?(listener: () => void): () => void
}
