// The bundle and the lists that a CA hands out: copies, made again after a caller has written into one.

import { equalBytes } from '../../../internal/bytes.ts'
import { TrustBundle } from '../../../svid/index.ts'
import { Crl } from '../../../x509/index.ts'
import { areIntact, copiesOf } from '../signing-material.ts'

/** Octets cannot be frozen: the CA keeps its own, and compares what it hands out with them at each call. */
export class HandedOut {
  readonly #bundles = new WeakMap<TrustBundle, TrustBundle>()
  readonly #lists = new WeakMap<Crl, Crl>()

  bundle(own: TrustBundle): TrustBundle {
    let copy = this.#bundles.get(own)
    if (copy === undefined || !areIntact(copy.x509Authorities, own.x509Authorities)) {
      copy = new TrustBundle(own.trustDomain, { x509Authorities: copiesOf(own.x509Authorities) })
      this.#bundles.set(own, copy)
    }
    return copy
  }

  /** A longer list is shared with the CA: copying and comparing it would take milliseconds of each call. */
  list(own: Crl): Crl {
    if (own.der.length > maxCopiedOctets) return own
    let copy = this.#lists.get(own)
    if (copy === undefined || !equalBytes(copy.der, own.der))
      this.#lists.set(own, (copy = Crl.parse(own.der)))
    return copy
  }
}

/** About 25,000 entries: parsed in 4 ms once, compared in 0.05 ms. */
const maxCopiedOctets = 1024 * 1024
