// The dependencies of the steps of a rotation, and the options that only the schedule sets.

import type { KeyAlgorithm, KeyManager } from '../../../keys/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import type { CaStorage } from '../../records/ca-storage.ts'
import type { Fence } from '../../records/lease-store.ts'
import type { RotationChange, StepOptions } from '../rotation-contract.ts'
import type { RotationPlan } from '../rotation-plan.ts'
import type { AuthorityOrigin } from './authority-origin.ts'
import type { ProofSettings } from './prove-material.ts'

/** Everything that the steps of one name need. */
export interface RotationContext {
  /** The name of the authorities and of their key. */
  readonly name: string
  readonly subject: string
  readonly storage: CaStorage
  readonly keys: KeyManager
  readonly algorithm: KeyAlgorithm
  readonly origin: AuthorityOrigin
  readonly plan: RotationPlan
  readonly caTtlSeconds: number
  /** A CA that expires sooner is not activated. */
  readonly leafTtlSeconds: number
  readonly clock: Clock
  readonly random: () => number
  /** The settings of the trial certificate. */
  readonly proof: ProofSettings
  /** Audit entries for the transaction of a step. */
  readonly auditOf: ((change: RotationChange) => readonly Uint8Array[]) | undefined
}

/** Options that only the driver sets. */
export interface InternalStepOptions extends StepOptions {
  readonly fence?: Fence | undefined
}
