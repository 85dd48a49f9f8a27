// The steps of a rotation: each is one write of the store, compared and set; called again it does nothing
// more.

import { isDeepStrictEqual } from 'node:util'
import { PkiError } from '../../../errors/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import type { AuthorityRecord } from '../../records/authority-store.ts'
import type { InternalStepOptions, RotationContext } from './rotation-context.ts'
import { signerOf, unusedKey } from './rotation-keys.ts'
import { formatDetails, readAuthority } from '../held-authority.ts'
import type { HeldAuthority } from '../held-authority.ts'
import type { RotationChange } from '../rotation-contract.ts'
import { StepWriter, wrongState } from './step-writer.ts'
import { StepGuard } from './step-guard.ts'
import { RotationState } from '../rotation-state.ts'

/** The steps of the authorities of one name. Calls must not overlap. */
export class RotationSteps {
  readonly context: RotationContext
  readonly #guard: StepGuard
  readonly #writer: StepWriter
  /** The authorities of the last state, by id. */
  #held: ReadonlyMap<string, HeldAuthority> = new Map()
  /** The roots that the parent CA returned last. */
  #otherRoots: readonly Certificate[] = []

  constructor(context: RotationContext) {
    this.context = context
    this.#guard = new StepGuard(context)
    this.#writer = new StepWriter(context, (state) => this.roots(state))
  }

  /** The current state in the store. */
  async state(): Promise<RotationState> {
    const { storage, name, clock } = this.context
    const records = await storage.authorities.list()
    const held = records.filter(({ keyId }) => keyId === name).map((record) => this.#read(record))
    this.#held = new Map(held.map((one) => [one.record.id, one]))
    return new RotationState(held, clock.now())
  }

  /**
   * Revoked authorities stay on record, so records that have not changed since the last poll are not parsed
   * again.
   */
  #read(record: AuthorityRecord): HeldAuthority {
    const before = this.#held.get(record.id)
    return before !== undefined && isDeepStrictEqual(before.record, record) ? before : readAuthority(record)
  }

  /** Gets the roots of the parent CA. @throws its errors */
  async refreshRoots(signal?: AbortSignal): Promise<void> {
    const roots = await this.context.origin.roots(signal)
    this.#guard.served(roots, this.context.clock.now())
    this.#otherRoots = roots
  }

  /** The roots of the trust bundle. */
  roots(state: RotationState): readonly Certificate[] {
    return state.roots(this.#otherRoots)
  }

  /** When the next authority may sign, in milliseconds. */
  readyMs(state: RotationState, next: HeldAuthority): number {
    return this.#guard.readyMs(state, next)
  }

  /** Whether the parent CA no longer has the root of the active authority. */
  isOrphaned({ active }: RotationState): boolean {
    const roots = this.#otherRoots
    return (
      active !== undefined &&
      roots.length > 0 &&
      !active.anchors.some((anchor) => roots.some((root) => root.equals(anchor)))
    )
  }

  async prepare(options: InternalStepOptions): Promise<RotationChange> {
    const { keys, name, subject, algorithm, origin, clock, random } = this.context
    const state = await this.state()
    if (state.next !== undefined) return this.#writer.nothing('prepare', state, options)
    if (options.dryRun === true) return this.#writer.dryPreparation(state)
    const key = await unusedKey(keys, name, algorithm, state.held)
    try {
      const made = await origin.make(key.signer, `${subject} ${key.version}`, options.signal)
      const cross = await origin.cross(made, await this.#before(state))
      const nowMs = clock.now()
      const record: AuthorityRecord = {
        id: `${name}-${key.version}`,
        state: 'prepared',
        certificate: made.certificate.der,
        chain: made.chain.map(({ der }) => der),
        roots: made.anchors.map(({ der }) => der),
        keyId: name,
        keyVersion: key.version,
        since: new Date(nowMs),
        version: 1,
        details: formatDetails({ createdMs: nowMs, jitter: random(), cross: cross?.der }),
      }
      return await this.#writer.write('prepare', state, [record], options)
    } catch (error) {
      // Keys without a certificate must not accumulate (R5). If the key cannot be destroyed, the next attempt
      // uses it.
      if (key.isNew && !(await this.#isRecorded(key.version)))
        await keys.destroyKey(name, key.version).catch(() => undefined)
      throw error
    }
  }

  async publish(options: InternalStepOptions): Promise<RotationChange> {
    const state = await this.state()
    const { next } = state
    if (next?.record.state === 'published') return this.#writer.nothing('publish', state, options)
    if (next === undefined) {
      if (state.usable !== undefined && state.usable.record.id === options.id)
        return this.#writer.nothing('publish', state, options)
      throw wrongState('publish: no authority is prepared; call prepareNext first')
    }
    const details = { ...next.details, publishedMs: this.context.clock.now() }
    return this.#writer.write('publish', state, [this.#writer.moved(next, 'published', details)], options)
  }

  async activate(
    options: InternalStepOptions & { readonly share?: number; readonly taint?: boolean },
  ): Promise<RotationChange> {
    const { share = 1 } = options
    const state = await this.state()
    const next = this.#activatable(state, options)
    if (next === undefined) return this.#writer.nothing('activate', state, options)
    if ((next.details.share ?? 0) === share) return this.#writer.nothing('activate', state, options)
    if (share > 0) await this.#guard.requireReady(state, next, this.roots(state), options.force === true)
    if (share < 1) {
      if (state.usable === undefined)
        throw wrongState(
          'activate: no other authority can sign the remaining share; activate this one without a share',
        )
      const details = { ...next.details, share: share === 0 ? undefined : share }
      return this.#writer.write('activate', state, [this.#writer.moved(next, 'published', details)], options)
    }
    const { active } = state
    const left =
      active && this.#writer.moved(active, options.taint === true ? 'tainted' : 'retired', active.details)
    const details = { ...next.details, share: undefined }
    const records = [...(left === undefined ? [] : [left]), this.#writer.moved(next, 'active', details)]
    return this.#writer.write('activate', state, records, options)
  }

  /** The authority to activate; undefined if it is already active. @throws ERR_ROTATION_STATE */
  #activatable(state: RotationState, { id }: InternalStepOptions): HeldAuthority | undefined {
    const next = id === undefined ? state.next : state.byId(id)
    if (next === undefined)
      throw wrongState('activate: no authority is published; call prepareNext and publish first')
    if (next.record.state === 'active') return undefined
    if (next.record.state === 'published') return next
    throw wrongState(`activate: ${next.record.id} is ${next.record.state}, and must be published`)
  }

  async taint(id: string, options: InternalStepOptions): Promise<RotationChange> {
    const state = await this.state()
    const one = this.#known(state, id)
    if (one.record.state === 'tainted' || one.record.state === 'revoked')
      return this.#writer.nothing('taint', state, options)
    if (one.record.state === 'active') {
      if (options.dryRun !== true) {
        await this.prepare(options)
        await this.publish(options)
      } else if (state.next === undefined) return this.#writer.dryPreparation(state)
      const change = await this.activate({
        ...(options.force === undefined ? {} : { force: options.force }),
        ...{ dryRun: options.dryRun, fence: options.fence, taint: true },
      })
      return Object.freeze({ ...change, step: 'taint' as const })
    }
    return this.#writer.write('taint', state, [this.#writer.moved(one, 'tainted', one.details)], options)
  }

  async retire(id: string, options: InternalStepOptions): Promise<RotationChange> {
    const state = await this.state()
    const one = this.#known(state, id)
    if (one.record.state === 'retired' || one.record.state === 'revoked')
      return this.#writer.nothing('retire', state, options)
    if (one.record.state === 'active')
      throw wrongState(`retire: ${id} is active; activate the next authority, which retires this one`)
    return this.#writer.write('retire', state, [this.#writer.moved(one, 'retired', one.details)], options)
  }

  async revoke(id: string, options: InternalStepOptions): Promise<RotationChange> {
    const state = await this.state()
    const one = this.#known(state, id)
    if (one.record.state === 'revoked') return this.#writer.nothing('revoke', state, options)
    if (one.record.state === 'active')
      throw wrongState(`revoke: ${id} is active; activate another authority first, or taint this one`)
    if (options.force !== true) await this.#guard.requireUnused(one)
    const details = { ...one.details, share: undefined }
    return this.#writer.write('revoke', state, [this.#writer.moved(one, 'revoked', details)], options)
  }

  /** Whether no certificate below an authority is still valid. */
  isUnused(one: HeldAuthority): Promise<boolean> {
    return this.#guard.isUnused(one)
  }

  #known(state: RotationState, id: string): HeldAuthority {
    const one = state.byId(id)
    if (one !== undefined) return one
    throw new PkiError('ERR_INVALID_ARGUMENT', `there is no authority ${quoted(id)}; status() lists them`)
  }

  async #before({ usable }: RotationState) {
    return usable && { certificate: usable.certificate, signer: await signerOf(this.context.keys, usable) }
  }

  async #isRecorded(version: number): Promise<boolean> {
    try {
      return (await this.state()).held.some(({ record }) => record.keyVersion === version)
    } catch {
      // If this is unknown, the key is kept.
      return true
    }
  }
}

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 64))
}
