// A cache of the signatures of verified leaves, by their `Certificate` objects.

import { equalBytes } from '../../internal/bytes.ts'
import { PublicKey } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'

interface RememberedLeaf {
  /** A copy of the verified octets. */
  readonly der: Uint8Array
  readonly signedBy: PublicKey
}

/** A client on a long-lived connection is verified on every call with the same `Certificate` object. */
export class RememberedLeaves {
  readonly #leaves = new WeakMap<Certificate, RememberedLeaf>()

  /** Adds a verified leaf. Copies of both: the octets of the objects may belong to the caller. */
  add(leaf: Certificate, key: PublicKey): void {
    this.#leaves.set(leaf, { der: leaf.der.slice(), signedBy: PublicKey.fromSpki(key.spki) })
  }

  /** The key that has signed the leaf. */
  signedBy(leaf: Certificate): PublicKey | undefined {
    const known = this.#leaves.get(leaf)
    // The octets of the object may belong to the caller and may have changed since.
    return known !== undefined && equalBytes(known.der, leaf.der) ? known.signedBy : undefined
  }
}
