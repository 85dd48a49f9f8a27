// The schedule of a rotation: looks for due steps periodically, and takes them while it holds the lease.

import { randomUUID } from 'node:crypto'
import { isPkiError } from '../../errors/index.ts'
import type { Lease } from '../records/lease-store.ts'
import type { RotationChange } from './rotation-contract.ts'
import type { RotatingSettings } from './rotating-options.ts'
import type { DueStep, RotationState, RotationStep } from './rotation-state.ts'
import type { InternalStepOptions } from './steps/rotation-context.ts'
import type { RotationSteps } from './steps/rotation-steps.ts'

/** The functions that the schedule calls. */
interface DriverCalls {
  readonly run: () => Promise<unknown>
  readonly failed: (error: unknown) => void
}

/** Takes due steps while it holds the lease, so that only one of several processes rotates. */
export class RotationDriver {
  readonly #steps: RotationSteps
  readonly #settings: RotatingSettings
  readonly #calls: DriverCalls
  readonly #holder = randomUUID()
  #lease: Lease | undefined
  #cancel = (): void => undefined
  #running: Promise<unknown> = Promise.resolve()
  #isStopped = false
  #stopWatching = (): void => undefined

  constructor(steps: RotationSteps, settings: RotatingSettings, calls: DriverCalls) {
    this.#steps = steps
    this.#settings = settings
    this.#calls = calls
  }

  start(): void {
    if (!this.#settings.automatic) return
    // A step that became due while no process ran does not wait for another poll.
    this.#perform()
    // A new root of the parent CA must be in our trust bundle before leaves of its other CAs chain to it.
    this.#stopWatching =
      this.#settings.upstream?.watchRoots?.(() => {
        this.#perform()
      }) ?? this.#stopWatching
  }

  /** Stops taking steps, and releases the lease when `calls` in progress have ended. */
  async stop(calls: () => Promise<unknown>): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    this.#stopWatching()
    await this.#running
    await calls()
    if (this.#lease !== undefined)
      await this.#steps.context.storage.leases.release(this.#lease).catch(() => undefined)
  }

  /** Takes every due step, each with the epoch of the lease; none if another process holds the lease. */
  async takeSteps(done: (change: RotationChange) => Promise<void>): Promise<readonly RotationChange[]> {
    if (this.#isStopped) return []
    const { storage, name, clock } = this.#steps.context
    const ttlMs = 3 * this.#settings.pollIntervalSeconds * 1000
    this.#lease = await storage.leases.acquire(`rotation-${name}`, this.#holder, ttlMs)
    if (this.#lease === undefined) return []
    const changes: RotationChange[] = []
    for (let count = 0; count < maxSteps; count++) {
      const due = await dueStep(this.#steps, await this.#steps.state())
      if (due === undefined || due.at.getTime() > clock.now()) break
      const change = await this.#take(due, { fence: this.#lease })
      if (change === undefined) break
      changes.push(change)
      await done(change)
    }
    return changes
  }

  async #take({ step, id }: DueStep, options: InternalStepOptions): Promise<RotationChange | undefined> {
    if (step === 'prepare') return this.#steps.prepare(options)
    if (step === 'publish') return this.#steps.publish(options)
    if (step === 'activate') return this.#steps.activate(options)
    try {
      return await this.#steps.revoke(id as string, options)
    } catch (error) {
      // A leaf is valid longer than planned: the next run checks again.
      if (isPkiError(error, 'ERR_ROTATION_EARLY')) return undefined
      throw error
    }
  }

  #schedule(): void {
    if (this.#isStopped) return
    const { clock } = this.#steps.context
    this.#cancel = clock.schedule(() => this.#perform(), this.#settings.pollIntervalSeconds * 1000)
  }

  /** Runs do not overlap: the next is scheduled when this one has ended. */
  #perform(): void {
    this.#cancel()
    this.#running = this.#running
      .then(() => (this.#isStopped ? undefined : this.#calls.run()))
      .catch(this.#calls.failed)
      .then(() => {
        this.#cancel()
        this.#schedule()
      })
  }
}

/** The next step and its time; undefined if none is planned. */
export async function dueStep(steps: RotationSteps, state: RotationState): Promise<DueStep | undefined> {
  const { plan, caTtlSeconds, clock } = steps.context
  const nowMs = clock.now()
  const due = (step: RotationStep, id: string | undefined, ms: number): DueStep =>
    Object.freeze({ step, id, at: new Date(Math.max(ms, 0)) })
  const over = await overdue(steps, state)
  if (over !== undefined) return due('revoke', over, nowMs)
  const { active, next } = state
  if (active === undefined || state.usable === undefined)
    return due(stepOf(next?.record.state), next?.record.id, nowMs)
  const times = state.rotationTimes(active, plan, caTtlSeconds)
  const isOrphaned = steps.isOrphaned(state)
  if (next === undefined) return due('prepare', undefined, isOrphaned ? nowMs : times.prepareMs)
  if (next.record.state === 'prepared') return due('publish', next.record.id, nowMs)
  const readyMs = steps.readyMs(state, next)
  const activateMs = isOrphaned ? readyMs : Math.max(times.activateMs, readyMs)
  return due('activate', next.record.id, activateMs)
}

function stepOf(state: string | undefined): RotationStep {
  if (state === undefined) return 'prepare'
  return state === 'prepared' ? 'publish' : 'activate'
}

/** An earlier authority that is no longer needed, or one that expired before it signed. */
async function overdue(steps: RotationSteps, state: RotationState): Promise<string | undefined> {
  const { plan, clock } = steps.context
  for (const one of state.held) {
    const { id, state: name, since } = one.record
    const isEarlier = name === 'tainted' || name === 'retired'
    if ((isEarlier || name === 'prepared' || name === 'published') && state.hasExpired(one)) return id
    if (!isEarlier || clock.now() < since.getTime() + plan.revokeAfterSeconds * 1000) continue
    if (await steps.isUnused(one)) return id
  }
  return undefined
}

/** Maximum number of steps in one run. */
const maxSteps = 8
