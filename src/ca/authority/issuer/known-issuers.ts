// The issuers that a process has signed with, for the holders of their certificates.

import type { Certificate } from '../../../x509/index.ts'
import type { KeyIdentifier } from '../../records/certificate-record.ts'
import type { Issuer } from './issuer.ts'

/** Earlier issuers by key, until their certificates expire. */
export class KnownIssuers {
  readonly #issuers = new Map<KeyIdentifier, Issuer>()

  /** Adds an issuer; removes those that have expired. */
  add(issuer: Issuer, nowMs: number): void {
    this.#issuers.set(issuer.keyIdentifier, issuer)
    for (const [key, { certificate }] of this.#issuers)
      if (nowMs > certificate.notAfterMs) this.#issuers.delete(key)
  }

  /**
   * The certificate of the key and those above it, without the root, if their path ends at one of these
   * roots.
   */
  chainOf(key: KeyIdentifier, roots: readonly Certificate[]): readonly Certificate[] | undefined {
    const issuer = this.#issuers.get(key)
    return issuer?.isBelow(roots) === true ? issuer.shared.chain : undefined
  }
}
