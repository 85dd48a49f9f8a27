// Named secrets from the state of a workload: each name is watched until its signal aborts.

import { PkiError } from '../errors/index.ts'
import { requireSignal } from '../internal/options.ts'
import { eitherSignal } from '../internal/turns/waiting.ts'
import type { LatestValue } from './latest-value.ts'
import type { Secret, SecretSource } from './secret.ts'
import { secretNames, secretOf } from './workload-state.ts'
import type { WorkloadState } from './workload-state.ts'

/** The `SecretSource` of a state that changes. */
export class StateSecrets implements SecretSource {
  readonly #states: LatestValue<WorkloadState>
  readonly #closed: AbortSignal

  constructor(states: LatestValue<WorkloadState>, closed: AbortSignal) {
    this.#states = states
    this.#closed = closed
  }

  async get(name: string, signal?: AbortSignal): Promise<Secret> {
    requireSignal('get', signal)
    const now = signal?.aborted === true || this.#closed.aborted ? undefined : this.#states.value
    if (now !== undefined) return named(now, name)
    for await (const state of this.#states.follow(this.#end(signal))) return named(state, name)
    if (this.#closed.aborted) throw new PkiError('ERR_CLOSED', 'the source of secrets was closed')
    throw new PkiError('ERR_ABORTED', `aborted while waiting for the secret ${JSON.stringify(name)}`)
  }

  async *watch(name: string, signal: AbortSignal): AsyncGenerator<Secret | undefined, void, undefined> {
    for await (const state of this.#states.follow(this.#end(signal))) yield secretOf(state, name)
  }

  async *watchNames(signal: AbortSignal): AsyncGenerator<readonly string[], void, undefined> {
    for await (const state of this.#states.follow(this.#end(signal))) yield secretNames(state)
  }

  #end(signal: AbortSignal | undefined): AbortSignal {
    return eitherSignal(signal, this.#closed)
  }
}

/** @throws ERR_SECRET_UNKNOWN */
function named(state: WorkloadState, name: string): Secret {
  const secret = secretOf(state, name)
  if (secret !== undefined) return secret
  throw new PkiError(
    'ERR_SECRET_UNKNOWN',
    `there is no secret ${JSON.stringify(name.slice(0, 256))}; the names are default, ROOTCA, ALL, ` +
      secretNames(state).slice(0, 16).join(', '),
  )
}
