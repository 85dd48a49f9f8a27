// The configured bundles of a source, which are read at each use and whose changes are followed if the source
// reports them.

import type { TrustDomain } from '../../spiffe/index.ts'
import type { BundleSource, TrustBundle } from '../../svid/index.ts'

/** The configured bundles of a source; remembers the trust domains that had a configured bundle. */
export class ConfiguredBundles implements BundleSource {
  readonly #given: BundleSource | undefined
  readonly #stop: () => void
  readonly #seen = new Set<string>()
  #isDue = false

  /** `changed` is called once for all changes of one turn. */
  constructor(given: BundleSource | undefined, changed: () => void) {
    this.#given = given
    this.#stop = onChangeOf(given, () => {
      if (this.#isDue) return
      this.#isDue = true
      queueMicrotask(() => {
        this.#isDue = false
        changed()
      })
    })
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#given?.bundleFor(trustDomain)
  }

  /**
   * Whether the bundle of the own trust domain is or was configured. The roots in the answer of a CA are then
   * never trusted instead, even after an operator has removed the bundle (rule F-14).
   */
  decidesOn(own: TrustDomain): boolean {
    if (this.#seen.has(own.name)) return true
    if (this.bundleFor(own) === undefined) return false
    this.#seen.add(own.name)
    return true
  }

  stop(): void {
    this.#stop()
  }
}

function onChangeOf(source: BundleSource | undefined, listener: () => void): () => void {
  return source?.onChange?.(listener) ?? ((): void => undefined)
}
