// Checks before a step: every relying party has the new root, none needs the old one, and the next CA is
// valid for long enough and its key can sign.

import { PkiError } from '../../../errors/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import { keyIdentifierOf } from '../../records/certificate-record.ts'
import { materialOf } from '../authority-material.ts'
import { readAuthority } from '../held-authority.ts'
import type { HeldAuthority } from '../held-authority.ts'
import type { RotationState } from '../rotation-state.ts'
import type { RotationContext } from './rotation-context.ts'
import { proveMaterial } from './prove-material.ts'

/** Checks before steps. */
export class StepGuard {
  readonly #context: RotationContext
  /** Roots of the parent CA, and the time since when this process has seen them. */
  #seen: readonly { readonly root: Certificate; readonly sinceMs: number }[] = []

  constructor(context: RotationContext) {
    this.#context = context
  }

  /** Roots in the trust bundle that no recorded authority is below. */
  served(roots: readonly Certificate[], nowMs: number): void {
    this.#seen = roots.map(
      (root) => this.#seen.find((one) => one.root.equals(root)) ?? { root, sinceMs: nowMs },
    )
  }

  /** When every relying party has the root of the authority, so that it may sign. */
  readyMs(state: RotationState, next: HeldAuthority): number {
    if (state.usable === undefined) return -Infinity
    const since = next.anchors.map((anchor) => this.#servedSinceMs(state, anchor))
    return Math.min(...since) + this.#context.plan.publishedForSeconds * 1000
  }

  /** @throws ERR_ROTATION_EARLY, ERR_CA_EXPIRED; as `proveMaterial` */
  async requireReady(
    state: RotationState,
    next: HeldAuthority,
    roots: readonly Certificate[],
    force: boolean,
  ): Promise<void> {
    const { clock, leafTtlSeconds, caTtlSeconds, proof } = this.#context
    const nowMs = clock.now()
    const readyMs = this.readyMs(state, next)
    if (!force && nowMs < readyMs)
      throw new PkiError(
        'ERR_ROTATION_EARLY',
        `activate: relying parties may lack the root of ${next.record.id} until ` +
          `${new Date(readyMs).toISOString()}; the time is ${new Date(nowMs).toISOString()}`,
      )
    // With a plan, a leaf is not longer than the last sixth; without a plan, only that sixth is required.
    const neededSeconds = Math.min(leafTtlSeconds, Math.floor(caTtlSeconds / 6))
    if (next.certificate.notAfterMs < nowMs + neededSeconds * 1000 - 1000)
      throw new PkiError(
        'ERR_CA_EXPIRED',
        `activate: ${next.record.id} expires at ${next.certificate.notAfter.toISOString()}; expected at ` +
          `least ${neededSeconds} s from now, the lifetime of a leaf; revoke it and prepare another one`,
      )
    await proveMaterial(await materialOf(this.#context, next, roots), proof)
  }

  /** @throws ERR_ROTATION_EARLY */
  async requireUnused(one: HeldAuthority): Promise<void> {
    if (await this.isUnused(one)) return
    const { proof, clock } = this.#context
    const { state, since } = one.record
    const hasEnded = state === 'retired' || state === 'tainted'
    const safeMs = Math.min(
      (hasEnded ? since.getTime() : clock.now()) + proof.profile.maxTtlSeconds * 1000,
      one.certificate.notAfterMs + 1000,
    )
    throw new PkiError(
      'ERR_ROTATION_EARLY',
      `revoke: certificates below ${one.record.id} are valid, and would no longer verify; ` +
        `the last of them expires by ${new Date(safeMs).toISOString()}`,
    )
  }

  /** Whether no recorded leaf and no authority below it is valid at this time. */
  async isUnused(one: HeldAuthority): Promise<boolean> {
    const { storage, clock } = this.#context
    const nowMs = clock.now()
    if (one.record.state === 'prepared' || nowMs >= one.certificate.notAfterMs + 1000) return true
    const keyIdentifier = one.certificate.subjectKeyIdentifier
    if (keyIdentifier !== undefined) {
      const issuer = keyIdentifierOf(keyIdentifier)
      const notAfterFrom = new Date(Math.floor(nowMs / 1000) * 1000)
      const { items } = await storage.certificates.query({ issuer, notAfterFrom, limit: 1 })
      if (items.length > 0) return false
    }
    const below = (await storage.authorities.list()).filter(
      ({ keyId, state }) => keyId !== one.record.keyId && state !== 'revoked',
    )
    return !below
      .map(readAuthority)
      .some(
        ({ anchors, certificate }) =>
          nowMs < certificate.notAfterMs + 1000 && anchors.some((root) => root.equals(one.certificate)),
      )
  }

  /**
   * The time since when a root is in the trust bundle, from the records or since this process has seen it.
   */
  #servedSinceMs(state: RotationState, anchor: Certificate): number {
    const recorded = state.published
      .filter(({ anchors }) => anchors.some((one) => one.equals(anchor)))
      .map(({ details, record }) => details.publishedMs ?? record.since.getTime())
    const seen = this.#seen.find(({ root }) => root.equals(anchor))?.sinceMs ?? Infinity
    return Math.min(seen, ...recorded)
  }
}
