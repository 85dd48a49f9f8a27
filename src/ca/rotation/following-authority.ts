// The CA that applies the recorded states: they determine its signing material and its trusted roots.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { shownValue } from '../../internal/values/name-of.ts'
import type { CertificateInput } from '../../x509/index.ts'
import type { CertificateAuthority } from '../authority/certificate-authority.ts'
import { createLocalUpstream } from '../upstream/local-upstream.ts'
import type { UpstreamAuthority } from '../upstream/upstream-authority.ts'
import { FollowedSigning, followedMaterial } from './followed-signing.ts'
import type { HeldAuthority } from './held-authority.ts'
import type {
  RotatingAuthority,
  RotationChange,
  RotationEvent,
  RotationStatus,
  StepOptions,
} from './rotation-contract.ts'
import type { RotatingSettings } from './rotating-options.ts'
import { RotationEvents, rolesOf } from './rotation-events.ts'
import { RotationDriver, dueStep } from './rotation-driver.ts'
import type { RotationState } from './rotation-state.ts'
import type { InternalStepOptions } from './steps/rotation-context.ts'
import type { RotationSteps } from './steps/rotation-steps.ts'

/** A `CertificateAuthority` with the states of its authorities. */
export class FollowingAuthority implements RotatingAuthority {
  readonly #steps: RotationSteps
  readonly #settings: RotatingSettings
  readonly #events: RotationEvents
  readonly #driver: RotationDriver
  #signing: FollowedSigning | undefined
  /** The last applied state: the signing, tainted and revoked authorities. */
  #followed = ''
  /** The last call; calls take effect one after the other. */
  #calls: Promise<unknown> = Promise.resolve()

  private constructor(steps: RotationSteps, settings: RotatingSettings) {
    this.#steps = steps
    this.#settings = settings
    this.#events = new RotationEvents(settings.logger)
    this.#driver = new RotationDriver(steps, settings, {
      run: () => this.run(),
      failed: (error) => this.#events.tell({ kind: 'failed', error }),
    })
  }

  /** @throws as `createRotatingAuthority` */
  static async open(steps: RotationSteps, settings: RotatingSettings): Promise<FollowingAuthority> {
    const opened = new FollowingAuthority(steps, settings)
    await opened.#refreshRoots((await steps.state()).usable === undefined)
    await opened.#bootstrap()
    const state = await steps.state()
    opened.#signing = await FollowedSigning.open(state, steps, settings)
    await opened.#apply(state)
    opened.#driver.start()
    return opened
  }

  get authority(): CertificateAuthority {
    return (this.#signing as FollowedSigning).authority
  }

  prepareNext(options?: StepOptions): Promise<RotationChange> {
    return this.#step('prepareNext', options, (read) => this.#steps.prepare(read))
  }

  publish(options?: StepOptions): Promise<RotationChange> {
    return this.#step('publish', options, (read) => this.#steps.publish(read))
  }

  async activate(options: StepOptions & { readonly share?: number } = {}): Promise<RotationChange> {
    const { share, ...others } = readOptions('activate', options, { ...stepKinds, share: 'guard' })
    if (share !== undefined && !(typeof share === 'number' && share >= 0 && share <= 1))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `activate: share must be a number from 0 to 1, found ${shownValue(share)}`,
      )
    return this.#step('activate', others, (read) =>
      this.#steps.activate({ ...read, ...(share === undefined ? {} : { share }) }),
    )
  }

  taint(id: string, options?: StepOptions): Promise<RotationChange> {
    return this.#step('taint', options, (read) => this.#steps.taint(id, read))
  }

  retire(id: string, options?: StepOptions): Promise<RotationChange> {
    return this.#step('retire', options, (read) => this.#steps.retire(id, read))
  }

  revoke(id: string, options?: StepOptions): Promise<RotationChange> {
    return this.#step('revoke', options, (read) => this.#steps.revoke(id, read))
  }

  async status(): Promise<RotationStatus> {
    const state = await this.#steps.state()
    await this.#catchUp(state)
    const canaryShare = state.next?.details.share ?? 0
    const authorities = state.held.map((one) => {
      const { id, state: name, since } = one.record
      const isNext = name === 'prepared' || name === 'published'
      const readyMs = isNext ? this.#steps.readyMs(state, one) : -Infinity
      return Object.freeze({
        ...{ id, state: name, since, certificate: one.certificate },
        share: name === 'active' ? 1 - canaryShare : (one.details.share ?? 0),
        readyAt: Number.isFinite(readyMs) ? new Date(readyMs) : undefined,
      })
    })
    const due = await dueStep(this.#steps, state)
    return Object.freeze({ authorities: Object.freeze(authorities), due })
  }

  run(): Promise<readonly RotationChange[]> {
    return this.#serialised(async () => {
      await this.#refreshRoots(false)
      try {
        return await this.#driver.takeSteps((change) => this.#follow(change))
      } finally {
        // Also after a failed step, because another process may have taken the current signing key out of
        // use.
        await this.#follow(undefined)
      }
    })
  }

  asUpstream(): UpstreamAuthority {
    const { trustDomain } = this.#settings
    const { clock, name } = this.#steps.context
    const upstream = createLocalUpstream({
      ...{ trustDomain, clock },
      ca: async () => {
        const state = await this.#steps.state()
        return followedMaterial(this.#steps, state, state.active as HeldAuthority)
      },
      maxTtlSeconds: this.#steps.context.caTtlSeconds,
    })
    return Object.freeze<UpstreamAuthority>({
      name,
      issueIntermediate: (request) => upstream.issueIntermediate(request),
      roots: (signal) => upstream.roots(signal),
      watchRoots: (listener) =>
        this.onEvent((event) => {
          if (event.kind === 'changed') listener()
        }),
    })
  }

  isTainted(certificate: CertificateInput): boolean {
    return this.#events.isLeft(certificate)
  }

  onEvent(listener: (event: RotationEvent) => void): () => void {
    return this.#events.listen(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver.stop(() => this.#calls)
    this.#events.close()
  }

  async #step(
    caller: string,
    options: StepOptions | undefined,
    perform: (read: InternalStepOptions) => Promise<RotationChange>,
  ): Promise<RotationChange> {
    const read = readOptions(caller, options, stepKinds)
    return this.#serialised(async () => {
      const change = await perform(read).catch(async (error: unknown) => {
        // A step of several writes may have done the first of them.
        await this.#follow(undefined).catch(() => undefined)
        throw error
      })
      if (read.dryRun !== true) await this.#follow(change)
      return change
    })
  }

  #serialised<Result>(perform: () => Promise<Result>): Promise<Result> {
    const result = this.#calls.then(perform)
    this.#calls = result.catch(() => undefined)
    return result
  }

  /** If the upstream is unreachable, the recorded roots are used. @throws if no roots are recorded */
  async #refreshRoots(required: boolean): Promise<void> {
    try {
      await this.#steps.refreshRoots()
    } catch (error) {
      if (required) throw error
      this.#events.tell({ kind: 'failed', error })
    }
  }

  /**
   * If no authority signs, or the signing one has expired, the next one may sign at once (R7). If the next
   * one was made before a long stop and expires too soon, it is replaced by another.
   */
  async #bootstrap(): Promise<void> {
    let ending: string | undefined
    for (let attempt = 1; ; attempt++) {
      const { usable, next } = await this.#steps.state()
      if (usable !== undefined) return
      try {
        if (ending !== undefined) await this.#steps.revoke(ending, {})
        ending = undefined
        await this.#steps.prepare({})
        await this.#steps.publish({})
        await this.#steps.activate({})
      } catch (error) {
        if (isPkiError(error, 'ERR_CA_EXPIRED')) ending = next?.record.id
        const isAgain = ending !== undefined || isOvertaken(error)
        if (!isAgain || attempt >= maxAttempts) throw error
      }
    }
  }

  /**
   * Applies the recorded state to this process: the signing authority, taints and revocations. A step is
   * recorded before it is applied here, possibly by another process. A state that changes none of these does
   * not wait for a step in progress.
   */
  async #catchUp(state: RotationState): Promise<void> {
    if (rolesOf(state) === this.#followed) return
    await this.#serialised(() => this.#follow(undefined)).catch((error: unknown) =>
      this.#events.tell({ kind: 'failed', error }),
    )
  }

  /** Applies the recorded state, and calls the listeners. */
  async #follow(change: RotationChange | undefined): Promise<void> {
    await this.#apply(await this.#steps.state())
    if (change === undefined || change.changes.length === 0) return
    const { step, changes } = change
    this.#settings.logger.info(
      { step, changes: changes.map(({ id, to }) => `${id} ${to}`) },
      'authority rotation',
    )
    this.#events.tell({ kind: 'changed', change })
  }

  async #apply(state: RotationState): Promise<void> {
    try {
      await (this.#signing as FollowedSigning).apply(state)
    } finally {
      // After the change, so that a holder that renews at once does not get a leaf of the tainted authority
      // again.
      this.#events.tellTainted(state)
    }
    this.#followed = rolesOf(state)
  }
}

/**
 * Another process was first, so its authority is used. An authority prepared after its activation is a
 * successor that is not due yet.
 */
function isOvertaken(error: unknown): boolean {
  return overtaken.some((code) => isPkiError(error, code))
}

const overtaken = ['ERR_STORE_CONFLICT', 'ERR_ROTATION_STATE', 'ERR_ROTATION_EARLY'] as const

const stepKinds = {
  dryRun: 'optional',
  force: 'guard',
  id: 'guard',
  signal: 'optional',
} as const

/** Maximum number of attempts to create the first authority while several processes start at once. */
const maxAttempts = 5
