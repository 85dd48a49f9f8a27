// A named secret for TLS servers and proxies, and the contract of sources of secrets.

import type { KeyObject } from 'node:crypto'
import type { SpiffeId, TrustDomain } from '../spiffe/index.ts'
import type { Certificate, Crl } from '../x509/index.ts'

/** A certificate chain with its private key. */
export interface CertificateSecret {
  readonly type: 'certificate'
  readonly name: string
  /** The SPIFFE ID of the leaf; undefined for a certificate from files without one. */
  readonly id: SpiffeId | undefined
  /** Leaf first, without the root. */
  readonly certificates: readonly Certificate[]
  readonly privateKey: KeyObject
}

/** The authorities of one trust domain, or of no particular one. @inline */
interface SecretAuthorities {
  /** undefined for authorities from a file, which belong to no trust domain. */
  readonly trustDomain: TrustDomain | undefined
  readonly certificates: readonly Certificate[]
}

/** Trusted authorities for the validation of peers. */
export interface ValidationSecret {
  readonly type: 'validation'
  readonly name: string
  /**
   * One entry per trust domain: authorities of different trust domains are
   * never merged (SPIFFE_Federation.md §4.2).
   */
  readonly authorities: readonly SecretAuthorities[]
  readonly crls: readonly Crl[]
}

/** A named secret. */
export type Secret = CertificateSecret | ValidationSecret

/**
 * Supplies secrets by name and reports changes.
 *
 * Names: `default` (the certificate of the workload), `ROOTCA` (the authorities of its trust domain), `ALL`
 * (those of every trust domain), a SPIFFE ID (the certificate of that identity), `spiffe://trust-domain` (the
 * authorities of that trust domain), `file-cert:CHAIN~KEY`, `file-root:FILE`, `file-root:system`.
 */
export interface SecretSource {
  /**
   * The current secret. Waits while the source has no secrets at all.
   *
   * @throws ERR_SECRET_UNKNOWN, ERR_ABORTED, ERR_CLOSED, and what obtaining it throws
   */
  get(name: string, signal?: AbortSignal): Promise<Secret>
  /**
   * The secret, then each later version of it; undefined while there is none with this name. Ends when the
   * signal aborts. A slow consumer gets only the latest version.
   */
  watch(name: string, signal: AbortSignal): AsyncIterable<Secret | undefined>
  /**
   * All names, and all names again after each change of them. Without it, clients cannot subscribe to
   * everything.
   */
  watchNames?(signal: AbortSignal): AsyncIterable<readonly string[]>
}
