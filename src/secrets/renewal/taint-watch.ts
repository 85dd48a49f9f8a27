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
      // No certificate of the oldest authority is still valid: a CA does not taint 64 authorities within the
      // lifetime of one certificate.
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
 * A random time within the spread from now on, but not after the scheduled renewal: all holders are notified
 * of a taint at the same time, and must not all send requests at the same time.
 */
export function spreadPointMs(nowMs: number, renewAtMs: number, spreadMs: number): number {
  return Math.min(renewAtMs, nowMs + spreadMs * (randomInt(1 << 30) / (1 << 30)))
}

function nameOf(keyIdentifier: Uint8Array): string {
  return Buffer.from(keyIdentifier).toString('hex')
}

const maxKeys = 64
