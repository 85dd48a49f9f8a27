// Which certificates must be renewed because an authority above them is tainted, and when.

import { randomInt } from 'node:crypto'
import type { Certificate } from '../../x509/index.ts'
import type { CaClient } from '../ca-client.ts'

/** Follows the taints that a CA reports. */
export class TaintWatch {
  readonly #keys = new Set<string>()
  readonly #stop: (() => void) | undefined

  /** `told` is called when an authority is tainted. */
  constructor(ca: CaClient, told: () => void) {
    this.#stop = ca.onTaint?.(({ subjectKeyIdentifier }) => {
      if (subjectKeyIdentifier === undefined) return
      this.#keys.add(nameOf(subjectKeyIdentifier))
      // The oldest has no certificates left, whichever it is: a CA does not taint sixty-four within one life.
      const [oldest] = this.#keys
      if (this.#keys.size > maxKeys && oldest !== undefined) this.#keys.delete(oldest)
      told()
    })
  }

  /** Whether a tainted authority has issued one of the certificates: a leaf, or an intermediate above it. */
  concerns(certificates: readonly Certificate[]): boolean {
    if (this.#keys.size === 0) return false
    return certificates.some(({ authorityKeyIdentifier }) => {
      const issuer = authorityKeyIdentifier?.keyIdentifier
      return issuer !== undefined && this.#keys.has(nameOf(issuer))
    })
  }

  stop(): void {
    this.#stop?.()
  }
}

/**
 * A time within the spread from now on, and not after the certificate is renewed anyway: all holders learn of
 * a taint at once, and must not all ask at once.
 */
export function spreadPointMs(nowMs: number, renewAtMs: number, spreadMs: number): number {
  return Math.min(renewAtMs, nowMs + spreadMs * (randomInt(1 << 30) / (1 << 30)))
}

function nameOf(keyIdentifier: Uint8Array): string {
  return Buffer.from(keyIdentifier).toString('hex')
}

const maxKeys = 64
