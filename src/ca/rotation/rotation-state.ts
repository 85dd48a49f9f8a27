// The state of the authorities of one name: the signing one, the next one, the published roots, and the due
// step.

import type { Certificate } from '../../x509/index.ts'
import type { AuthorityState } from '../records/authority-store.ts'
import type { HeldAuthority } from './held-authority.ts'
import type { RotationPlan } from './rotation-plan.ts'

/** A step of a rotation. @inline */
export type RotationStep = 'prepare' | 'publish' | 'activate' | 'taint' | 'retire' | 'revoke'

/** The step that comes next, and its time. @inline */
export interface DueStep {
  readonly step: RotationStep
  /** The authority of the step; undefined if it does not exist yet. */
  readonly id: string | undefined
  readonly at: Date
}

/** The authorities of one name at one time, in the order in which they were made. */
export class RotationState {
  readonly held: readonly HeldAuthority[]
  readonly #nowMs: number

  constructor(held: readonly HeldAuthority[], nowMs: number) {
    this.held = held
    this.#nowMs = nowMs
  }

  /** The signing authority; it may have expired. */
  get active(): HeldAuthority | undefined {
    return this.held.findLast(({ record }) => record.state === 'active')
  }

  /** The signing authority, if it has not expired. */
  get usable(): HeldAuthority | undefined {
    const { active } = this
    return active !== undefined && !this.hasExpired(active) ? active : undefined
  }

  /** The authority that will sign next. */
  get next(): HeldAuthority | undefined {
    return this.held.findLast(
      (one) => (one.record.state === 'prepared' || one.record.state === 'published') && !this.hasExpired(one),
    )
  }

  /** Earlier authorities, whose roots relying parties still need. */
  get earlier(): readonly HeldAuthority[] {
    return this.held.filter(({ record: { state } }) => state === 'tainted' || state === 'retired')
  }

  /** The authorities whose roots are in the trust bundle. */
  get published(): readonly HeldAuthority[] {
    return this.held.filter((one) => isPublished(one.record.state) && !this.hasExpired(one))
  }

  byId(id: string): HeldAuthority | undefined {
    return this.held.find(({ record }) => record.id === id)
  }

  /** The same authorities with other states. */
  with(changes: ReadonlyMap<string, AuthorityState>): RotationState {
    const held = this.held.map((one) => {
      const state = changes.get(one.record.id)
      return state === undefined ? one : { ...one, record: { ...one.record, state } }
    })
    return new RotationState(held, this.#nowMs)
  }

  /** The roots of the trust bundle: those above every published authority, and the given ones; each once. */
  roots(others: readonly Certificate[]): readonly Certificate[] {
    const all = [...this.published.flatMap(({ anchors }) => anchors), ...others]
    return Object.freeze(
      all.filter(
        (one, at) =>
          one.notAfterMs + 1000 > this.#nowMs && all.findIndex((other) => other.equals(one)) === at,
      ),
    )
  }

  /** A validity counts its last second (RFC 5280 §4.1.2.5). */
  hasExpired({ certificate }: HeldAuthority): boolean {
    return this.#nowMs >= certificate.notAfterMs + 1000
  }

  /** When the replacement of an authority is due; proportionally earlier if its validity was shortened. */
  rotationTimes(one: HeldAuthority, plan: RotationPlan, caTtlSeconds: number): RotationTimes {
    const { jitter = 0, createdMs = one.certificate.notBeforeMs } = one.details
    const scale = Math.min(1, (one.certificate.notAfterMs - createdMs) / 1000 / caTtlSeconds)
    const after = (seconds: number): number =>
      createdMs + Math.floor((seconds - jitter * plan.jitterSeconds) * scale) * 1000
    return {
      prepareMs: after(plan.prepareAfterSeconds),
      activateMs: after(plan.activateAfterSeconds),
    }
  }
}

interface RotationTimes {
  readonly prepareMs: number
  readonly activateMs: number
}

function isPublished(state: AuthorityState): boolean {
  return state !== 'prepared' && state !== 'revoked'
}

/** The allowed changes of state; all others are refused. */
export const allowedEdges: Readonly<Record<AuthorityState, readonly AuthorityState[]>> = Object.freeze({
  prepared: ['published', 'revoked'],
  published: ['active', 'revoked'],
  active: ['tainted', 'retired'],
  tainted: ['retired', 'revoked'],
  retired: ['tainted', 'revoked'],
  revoked: [],
})
