// The chains of the clients that were accepted last, by their leaf: all that a resumed session shows.

import { createHash } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import type { Certificate } from '../../x509/index.ts'

/**
 * At most so many chains, with at most so many octets of certificates; the oldest make room. A client whose
 * chain made room and that resumes is refused where its leaf alone leads to no root.
 */
export class ClientChains {
  readonly #chains = new Map<string, readonly Certificate[]>()
  readonly #maxChains: number
  readonly #maxOctets: number
  #octets = 0

  constructor(maxChains: number = 10_000, maxOctets: number = 16 * 1024 * 1024) {
    this.#maxChains = maxChains
    this.#maxOctets = maxOctets
  }

  get size(): number {
    return this.#chains.size
  }

  /** The chain that begins with this leaf. */
  get({ fingerprint256 }: Pick<X509Certificate, 'fingerprint256'>): readonly Certificate[] | undefined {
    return this.#chains.get(fingerprint256)
  }

  set(leaf: Certificate, chain: readonly Certificate[]): void {
    const digest = fingerprintOf(leaf.der)
    this.#forget(digest)
    this.#chains.set(digest, chain)
    this.#octets += octetsOf(chain)
    for (const [oldest] of this.#chains) {
      if (this.#chains.size <= this.#maxChains && this.#octets <= this.#maxOctets) return
      this.#forget(oldest)
    }
  }

  #forget(digest: string): void {
    const chain = this.#chains.get(digest)
    if (chain === undefined) return
    this.#chains.delete(digest)
    this.#octets -= octetsOf(chain)
  }
}

function octetsOf(chain: readonly Certificate[]): number {
  return chain.reduce((sum, { der }) => sum + der.length, 0)
}

/** In the form of `fingerprint256`: encoding a resumed leaf to hash it here takes twice as long. */
function fingerprintOf(der: Uint8Array): string {
  const hex = createHash('sha256').update(der).digest('hex').toUpperCase()
  return hex.replace(/..(?=.)/g, '$&:')
}
