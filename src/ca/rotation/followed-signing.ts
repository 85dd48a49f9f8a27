// The CA of a rotation: it signs with the recorded active authority, and its bundle has the roots of all
// published ones.

import { PkiError } from '../../errors/index.ts'
import { Certificate } from '../../x509/index.ts'
import { createGuardedAuthority } from '../authority/local-authority.ts'
import type { CertificateAuthority } from '../authority/certificate-authority.ts'
import type { SigningMaterial } from '../authority/signing-material.ts'
import { materialOf } from './authority-material.ts'
import type { HeldAuthority } from './held-authority.ts'
import type { RotatingSettings } from './rotating-options.ts'
import type { RotationState } from './rotation-state.ts'
import type { RotationSteps } from './steps/rotation-steps.ts'

/** One CA, and the state that was last applied to it. */
export class FollowedSigning {
  readonly authority: CertificateAuthority
  readonly #steps: RotationSteps
  readonly #gate: SigningGate
  #applied = ''

  private constructor(authority: CertificateAuthority, steps: RotationSteps, gate: SigningGate) {
    this.authority = authority
    this.#steps = steps
    this.#gate = gate
  }

  /**
   * Earlier authorities are added first, so that their CRLs and OCSP responses continue. @throws as `apply`
   */
  static async open(
    state: RotationState,
    steps: RotationSteps,
    settings: RotatingSettings,
  ): Promise<FollowedSigning> {
    const { trustDomain, profile, authority: options, storage, logger } = settings
    const { clock } = steps.context
    const active = await followedMaterial(steps, state, state.active as HeldAuthority)
    const gate: SigningGate = { closedBy: undefined }
    const authority = createGuardedAuthority(
      { ...active, ...options, ...{ trustDomain, profile, storage, clock } },
      () => {
        if (gate.closedBy !== undefined) throw gate.closedBy
      },
    )
    for (const one of state.earlier) {
      if (state.hasExpired(one)) continue
      try {
        await authority.rotate(await followedMaterial(steps, state, one))
      } catch (error) {
        logger.error({ id: one.record.id, error }, 'no more CRLs can be signed for an earlier authority')
      }
    }
    return new FollowedSigning(authority, steps, gate)
  }

  /**
   * Makes the CA sign and trust as the state requires. If that fails, the CA continues to sign as before,
   * unless its authority is tainted or revoked: then it signs nothing.
   *
   * @throws ERR_KEY_NOT_FOUND, ERR_STORE_OWNER; as `CertificateAuthority.rotate`
   */
  async apply(state: RotationState): Promise<void> {
    try {
      await this.#follow(state)
      this.#gate.closedBy = undefined
    } catch (error) {
      this.#gate.closedBy = this.#refusalFor(state, error)
      throw error
    }
  }

  async #follow(state: RotationState): Promise<void> {
    const { active, next } = state
    if (active === undefined) return
    const canary = next?.details.share === undefined ? undefined : next
    const materials = [await followedMaterial(this.#steps, state, active)]
    if (canary !== undefined) materials.push(await followedMaterial(this.#steps, state, canary))
    const print = fingerprint(materials, canary?.details.share)
    if (print === this.#applied) return
    const [main, other] = materials
    await this.authority.rotate(main as SigningMaterial)
    if (other !== undefined) await this.authority.rotate(other, { share: canary?.details.share as number })
    this.#applied = print
  }

  #refusalFor({ held }: RotationState, cause: unknown): PkiError | undefined {
    const signing = held.find(({ certificate }) => certificate.equals(this.authority.certificate))?.record
    if (signing?.state !== 'tainted' && signing?.state !== 'revoked') return undefined
    return new PkiError(
      'ERR_CA_MATERIAL',
      `nothing is signed: ${signing.id} is ${signing.state}, and its successor cannot sign here: ` +
        (cause instanceof Error ? cause.message : 'unknown'),
      { cause },
    )
  }
}

/** Closed while nothing may be signed. */
interface SigningGate {
  closedBy: PkiError | undefined
}

/**
 * The signing material of one authority, with the roots of the state. @throws ERR_KEY_NOT_FOUND,
 * ERR_STORE_OWNER
 */
export function followedMaterial(
  steps: RotationSteps,
  state: RotationState,
  one: HeldAuthority,
): Promise<SigningMaterial> {
  return materialOf(steps.context, one, steps.roots(state))
}

function fingerprint(materials: readonly SigningMaterial[], share: number | undefined): string {
  const parts = materials.map(({ certificate, roots = [] }) =>
    [certificate, ...roots].map((one) => Certificate.from(one).toPem()).join(''),
  )
  return JSON.stringify([parts, share])
}
