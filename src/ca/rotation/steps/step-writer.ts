// The write of a step: one compare-and-set, with its audit entries and the epoch of the lease, or its changes
// in a dry run.

import { PkiError } from '../../../errors/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import type { AuthorityRecord, AuthorityState } from '../../records/authority-store.ts'
import { formatDetails, readAuthority } from '../held-authority.ts'
import type { HeldAuthority, RotationDetails } from '../held-authority.ts'
import type { RotationChange, StepOptions } from '../rotation-contract.ts'
import { allowedEdges } from '../rotation-state.ts'
import type { RotationState, RotationStep } from '../rotation-state.ts'
import type { InternalStepOptions, RotationContext } from './rotation-context.ts'

/** Writes steps. */
export class StepWriter {
  readonly #context: RotationContext
  readonly #rootsOf: (state: RotationState) => readonly Certificate[]

  constructor(context: RotationContext, rootsOf: (state: RotationState) => readonly Certificate[]) {
    this.#context = context
    this.#rootsOf = rootsOf
  }

  /** @throws ERR_ROTATION_STATE for a change of state that is not allowed (I14) */
  moved({ record }: HeldAuthority, to: AuthorityState, details: RotationDetails): AuthorityRecord {
    if (record.state !== to && !allowedEdges[record.state].includes(to))
      throw wrongState(
        `${record.id} is ${record.state} and cannot become ${to}; possible: ` +
          (allowedEdges[record.state].join(', ') || 'nothing'),
      )
    const since = record.state === to ? record.since : new Date(this.#context.clock.now())
    return { ...record, state: to, since, version: record.version + 1, details: formatDetails(details) }
  }

  /** Writes the records of a step, unless it is a dry run. @throws ERR_STORE_CONFLICT, ERR_LEASE_STALE */
  async write(
    step: RotationStep,
    state: RotationState,
    records: readonly AuthorityRecord[],
    { dryRun = false, fence }: InternalStepOptions,
  ): Promise<RotationChange> {
    const change = this.#changeOf(step, state, records, dryRun)
    if (dryRun) return change
    const audit = this.#context.auditOf?.(change)
    await this.#context.storage.authorities.update(records, {
      ...(fence === undefined ? {} : { fence }),
      ...(audit === undefined ? {} : { audit }),
    })
    return change
  }

  /** The result of a step that was done before. */
  nothing(step: RotationStep, state: RotationState, { dryRun = false }: StepOptions): RotationChange {
    return this.#changeOf(step, state, [], dryRun)
  }

  #changeOf(
    step: RotationStep,
    state: RotationState,
    records: readonly AuthorityRecord[],
    dryRun: boolean,
  ): RotationChange {
    const after = state.with(new Map(records.map((record) => [record.id, record.state])))
    const [before, then] = [this.#rootsOf(state), this.#rootsOf(after)]
    const changes = records.map((record) => {
      const { share } = readAuthority(record).details
      const from = state.byId(record.id)?.record.state
      return Object.freeze({ id: record.id, from, to: record.state, share })
    })
    return Object.freeze({
      ...{ step, dryRun, changes: Object.freeze(changes) },
      addedRoots: Object.freeze(then.filter((root) => !before.some((one) => one.equals(root)))),
      removedRoots: Object.freeze(before.filter((root) => !then.some((one) => one.equals(root)))),
    })
  }

  /** The changes that `prepareNext` would make. */
  async dryPreparation({ held }: RotationState): Promise<RotationChange> {
    const { keys, name } = this.#context
    const versions = (await keys.listKeys(name)).filter(({ id }) => id === name).map(({ version }) => version)
    const newest = Math.max(0, ...held.map(({ record }) => record.keyVersion))
    const version = versions.findLast((one) => one > newest) ?? Math.max(newest, ...versions) + 1
    const made = { id: `${name}-${version}`, from: undefined, to: 'prepared' as const, share: undefined }
    return Object.freeze({
      ...{ step: 'prepare' as const, dryRun: true, changes: Object.freeze([Object.freeze(made)]) },
      ...{ addedRoots: Object.freeze([]), removedRoots: Object.freeze([]) },
    })
  }
}

/** The error for a step that the states do not allow. */
export function wrongState(message: string): PkiError<'ERR_ROTATION_STATE'> {
  return new PkiError('ERR_ROTATION_STATE', message)
}
