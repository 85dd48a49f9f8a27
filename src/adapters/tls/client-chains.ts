// The chains of the accepted clients, by their leaf, because a resumed session contains only the leaf.

import { createHash } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import type { Certificate } from '../../x509/index.ts'

/**
 * Stores the chains of clients, up to a maximum number of chains and of octets. Above a maximum all chains
 * are removed and servers change their ticket keys: a session without its stored chain must not be resumed,
 * so its client must make a full handshake. Single chains cannot be removed, because ticket keys apply to all
 * sessions.
 */
export class ClientChains {
  readonly #chains = new Map<string, readonly Certificate[]>()
  readonly #maxChains: number
  readonly #maxOctets: number
  readonly #listeners = new Set<() => void>()
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
    const known = this.#chains.get(digest)
    const octets = this.#octets - octetsOf(known ?? []) + octetsOf(chain)
    const isFull = known === undefined && this.#chains.size >= this.#maxChains
    if (isFull || octets > this.#maxOctets) {
      this.#forgetAll()
      if (octetsOf(chain) <= this.#maxOctets) this.set(leaf, chain)
      return
    }
    this.#chains.set(digest, chain)
    this.#octets = octets
  }

  /** Calls `listener` whenever all chains were removed. Returns a function that stops the calls. */
  onForgotten(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  #forgetAll(): void {
    this.#chains.clear()
    this.#octets = 0
    for (const listener of [...this.#listeners]) listener()
  }
}

function octetsOf(chain: readonly Certificate[]): number {
  return chain.reduce((sum, { der }) => sum + der.length, 0)
}

/**
 * The key has the form of `fingerprint256`, because encoding a resumed leaf to hash it here takes twice as
 * long.
 */
function fingerprintOf(der: Uint8Array): string {
  const hex = createHash('sha256').update(der).digest('hex').toUpperCase()
  return hex.replace(/..(?=.)/g, '$&:')
}
