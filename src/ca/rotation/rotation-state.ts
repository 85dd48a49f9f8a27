// What the authorities of one name are together: which one signs, which is next, which roots are served, and
// what is due.

import type { Certificate } from '../../x509/index.ts'
import type { AuthorityState } from '../records/authority-store.ts'
import type { HeldAuthority } from './held-authority.ts'
import type { RotationPlan } from './rotation-plan.ts'

/** A step of a rotation. @inline */
export type RotationStep = 'prepare' | 'publish' | 'activate' | 'taint' | 'retire' | 'revoke'

/** The step that comes next, and its time. @inline */
export interface DueStep {
  readonly step: RotationStep
  /** The authority that it is about; undefined for one that does not exist. */
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

  /** The one that signs; it may have expired. */
  get active(): HeldAuthority | undefined {
    return this.held.findLast(({ record }) => record.state === 'active')
  }

  /** The one that signs, if it has not expired. */
  get usable(): HeldAuthority | undefined {
    const { active } = this
    return active !== undefined && !this.hasExpired(active) ? active : undefined
  }

  /** The one that is to sign next. */
  get next(): HeldAuthority | undefined {
    return this.held.findLast(
      (one) => (one.record.state === 'prepared' || one.record.state === 'published') && !this.hasExpired(one),
    )
  }

  /** Those that have signed; relying parties still need their roots. */
  get earlier(): readonly HeldAuthority[] {
    return this.held.filter(({ record: { state } }) => state === 'tainted' || state === 'retired')
  }

  /** Those whose roots are in the trust bundle. */
  get published(): readonly HeldAuthority[] {
    return this.held.filter((one) => isPublished(one.record.state) && !this.hasExpired(one))
  }

  byId(id: string): HeldAuthority | undefined {
    return this.held.find(({ record }) => record.id === id)
  }

  /** The same, as they would be with other states. */
  with(changes: ReadonlyMap<string, AuthorityState>): RotationState {
    const held = this.held.map((one) => {
      const state = changes.get(one.record.id)
      return state === undefined ? one : { ...one, record: { ...one.record, state } }
    })
    return new RotationState(held, this.#nowMs)
  }

  /** The roots of the trust bundle: those above every published authority, and those given. Each once. */
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

  /** When the rotation away from an authority is due; proportionally earlier where its life was cut. */
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

/** The states that may follow each other; what is not here is refused. */
export const allowedEdges: Readonly<Record<AuthorityState, readonly AuthorityState[]>> = Object.freeze({
  prepared: ['published', 'revoked'],
  published: ['active', 'revoked'],
  active: ['tainted', 'retired'],
  tainted: ['retired', 'revoked'],
  retired: ['tainted', 'revoked'],
  revoked: [],
})
