// Intermediates of verified paths, by their bytes: a peer sends the same ones again with every handshake.

import { equalBytes } from '../internal/bytes.ts'
import type { IssuerCandidate } from './issuer-candidate.ts'

/** A bounded map, the least recently used out first. Only what was verified gets in, so no peer can push others out at will. */
export class RememberedIssuers {
  readonly #entries = new Map<string, IssuerCandidate>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** The candidate with exactly these bytes. */
  get(der: Uint8Array): IssuerCandidate | undefined {
    if (this.#entries.size === 0) return undefined
    const key = keyOf(der)
    const found = this.#entries.get(key)
    // The key is the end of the signature; the bytes decide.
    return found?.certificate !== undefined && equalBytes(found.certificate.der, der) ? found : undefined
  }

  add(issuer: IssuerCandidate): void {
    if (this.#capacity === 0 || issuer.certificate === undefined) return
    const key = keyOf(issuer.certificate.der)
    if (this.#entries.get(key) === issuer) {
      if (this.#entries.size < this.#capacity) return
      this.#entries.delete(key)
    }
    this.#entries.set(key, issuer)
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value as string)
  }
}

function keyOf(der: Uint8Array): string {
  return Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1', Math.max(0, der.length - 32))
}
