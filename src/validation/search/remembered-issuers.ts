// A cache of intermediates of verified paths, by their octets, because peers
// send the same ones in every handshake.

import { equalBytes } from '../../internal/bytes.ts'
import { Certificate } from '../../x509/index.ts'
import type { PublicKey } from '../../x509/index.ts'
import type { FormRules } from '../profile.ts'
import { IssuerCandidate } from './issuer-candidate.ts'

/**
 * A bounded map that drops the least recently used entry. Only issuers of verified paths are added, so a peer
 * cannot evict others at will. Octets are copied: the caller may change them after the call.
 */
export class RememberedIssuers {
  readonly #entries = new Map<string, IssuerCandidate>()
  readonly #capacity: number
  readonly #rules: FormRules

  constructor(capacity: number, rules: FormRules) {
    this.#capacity = capacity
    this.#rules = rules
  }

  /** The candidate with exactly these octets. */
  get(der: Uint8Array): IssuerCandidate | undefined {
    if (this.#entries.size === 0) return undefined
    const found = this.#entries.get(keyOf(der))
    // The key is only the end of the signature; all octets are compared.
    return found?.certificate !== undefined && equalBytes(found.certificate.der, der) ? found : undefined
  }

  /** Adds an issuer whose signature was verified with `signedBy`. */
  add(issuer: IssuerCandidate, signedBy: PublicKey): void {
    if (this.#capacity === 0 || issuer.certificate === undefined) return
    const { der, tolerances } = issuer.certificate
    const key = keyOf(der)
    const known = this.#entries.get(key)
    if (known === issuer) {
      // Moves it to the end, as the most recently used.
      this.#entries.delete(key)
      this.#entries.set(key, issuer)
      return
    }
    const copy = new IssuerCandidate(
      { certificate: Certificate.parse(der.slice(), { tolerances }) },
      this.#rules,
    )
    copy.noteSignature(signedBy, true)
    this.#entries.delete(key)
    this.#entries.set(key, copy)
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value as string)
  }
}

function keyOf(der: Uint8Array): string {
  return Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1', Math.max(0, der.length - 32))
}
