// Refused paths, ordered by progress.

import type { Certificate } from '../../x509/index.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { RejectedPath } from '../verdict/verdict.ts'

/**
 * How a path ended: budget exhausted; complete but refused; an issuer that is not allowed; a signature that
 * does not verify (often another key with the same name); no issuer found; an unreadable candidate.
 */
export type PathEnd = 'budget' | 'complete' | 'link' | 'signature' | 'dead-end' | 'unread'

/** Collects refused paths; bounded, because input determines how many there are. */
export class RejectionList {
  readonly #found: { readonly rejected: RejectedPath; readonly rank: number }[] = []
  #omitted = 0

  /** The number of omitted paths. */
  get omitted(): number {
    return this.#omitted
  }

  add(rejection: Rejection, path: readonly Certificate[], end: PathEnd): void {
    const rank = ranks[end] + path.length
    if (this.#found.length >= maxRejections) {
      this.#omitted++
      const weakest = this.#found.reduce(
        (least, each, at) => (each.rank < (this.#found[least]?.rank ?? 0) ? at : least),
        0,
      )
      if ((this.#found[weakest]?.rank ?? 0) >= rank) return
      this.#found.splice(weakest, 1)
    }
    this.#found.push({ rejected: Object.freeze({ ...rejection, path: Object.freeze([...path]) }), rank })
  }

  /** Ordered by progress, furthest first. */
  sorted(): readonly RejectedPath[] {
    return Object.freeze(this.#found.sort((a, b) => b.rank - a.rank).map(({ rejected }) => rejected))
  }
}

const ranks: Readonly<Record<PathEnd, number>> = {
  budget: 5000,
  complete: 4000,
  link: 3000,
  signature: 2000,
  'dead-end': 1000,
  unread: 0,
}

const maxRejections = 64
