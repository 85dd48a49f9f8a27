// Refused paths, the most telling first: how far a path came says more than how many failed.

import type { Certificate } from '../x509/index.ts'
import type { Rejection } from './rejection.ts'
import type { RejectedPath } from './verdict.ts'

/**
 * How a path ended: its budget spent, complete but refused, an issuer that may not be one, a signature that does not verify
 * (often just another key of the same name), no issuer at all, a candidate that does not parse.
 */
export type PathEnd = 'budget' | 'complete' | 'link' | 'signature' | 'dead-end' | 'unread'

/** Collects refused paths; bounded, as inputs decide how many there are. */
export class RejectionList {
  readonly #found: { readonly rejected: RejectedPath; readonly rank: number }[] = []

  add(rejection: Rejection, path: readonly Certificate[], end: PathEnd): void {
    const rank = ranks[end] + path.length
    if (this.#found.length >= maxRejections) {
      const weakest = this.#found.reduce((least, each, at) => (each.rank < (this.#found[least]?.rank ?? 0) ? at : least), 0)
      if ((this.#found[weakest]?.rank ?? 0) >= rank) return
      this.#found.splice(weakest, 1)
    }
    this.#found.push({ rejected: { ...rejection, path: [...path] }, rank })
  }

  /** The most telling first. */
  sorted(): readonly RejectedPath[] {
    return this.#found.sort((a, b) => b.rank - a.rank).map(({ rejected }) => rejected)
  }
}

const ranks: Readonly<Record<PathEnd, number>> = { budget: 5000, complete: 4000, link: 3000, signature: 2000, 'dead-end': 1000, unread: 0 }

const maxRejections = 64
