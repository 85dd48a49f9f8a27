// The current issuers: selects the issuer for a key, so that every returned chain verifies with the returned
// roots.

import { PkiError } from '../../../errors/index.ts'
import type { Certificate, PublicKey } from '../../../x509/index.ts'
import type { Issuer } from './issuer.ts'

/** The current issuer, and during a rotation by share the next one. */
export class CurrentIssuers {
  /** Replaced as a whole: one certificate uses one issuer throughout. */
  #issuer: Issuer
  /** Signs for a share of the keys, in addition to `#issuer`. */
  #canary: { readonly issuer: Issuer; readonly share: number } | undefined

  constructor(issuer: Issuer) {
    this.#issuer = issuer
  }

  /** Signs for all keys, or for those outside the share. */
  get main(): Issuer {
    return this.#issuer
  }

  /** Signs for the share. */
  get canary(): Issuer | undefined {
    return this.#canary?.issuer
  }

  get roots(): readonly Certificate[] {
    return (this.#canary?.issuer ?? this.#issuer).roots
  }

  /** Copies of `roots` to hand out. */
  get sharedRoots(): readonly Certificate[] {
    return (this.#canary?.issuer ?? this.#issuer).shared.roots
  }

  /** A key always gets the same issuer, so that its holder does not change the issuer at each renewal. */
  of(publicKey: PublicKey): Issuer {
    const canary = this.#canary
    if (canary === undefined) return this.#issuer
    const { buffer, byteOffset } = publicKey.keyIdentifier
    return new DataView(buffer, byteOffset).getUint32(0) / 2 ** 32 < canary.share
      ? canary.issuer
      : this.#issuer
  }

  /** From now on `next` signs for a share of the keys; with 1 for all of them. */
  replace(next: Issuer, share: number): void {
    this.#canary = share < 1 ? { issuer: next, share } : undefined
    if (share === 1) this.#issuer = next
  }

  /** @throws ERR_CA_MATERIAL if the roots of a canary do not verify certificates of the current issuer */
  requireBoth({ roots }: Issuer): void {
    if (this.#issuer.isBelow(roots)) return
    throw new PkiError(
      'ERR_CA_MATERIAL',
      `rotate: the roots of the canary material lack the root above ` +
        `${this.#issuer.certificate.subject.toString()}, which signs for the other keys`,
    )
  }

  /**
   * Invariant: no client receives a chain that does not verify with the roots returned at the same time, or
   * one of an authority that must no longer sign.
   *
   * @throws ERR_PREPARED_EXPIRED
   */
  requireTrusted(issuer: Issuer): void {
    if (issuer === this.#issuer || issuer.isBelow(this.roots)) return
    throw new PkiError(
      'ERR_PREPARED_EXPIRED',
      `the roots above ${issuer.certificate.subject.toString()}, which prepared the certificate, are no ` +
        'longer trusted',
    )
  }
}
