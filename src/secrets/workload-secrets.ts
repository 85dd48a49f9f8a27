// The identities of a workload, with bundles, revocation lists and JWT-SVIDs, as one source for proxies and
// for the Workload API.

import { PkiError } from '../errors/index.ts'
import { checkMeasures } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'
import { safeLogger } from '../runtime/internal.ts'
import type { Logger } from '../runtime/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { JwtSvid, TrustBundle, TrustBundleSet } from '../svid/index.ts'
import type { Crl } from '../x509/index.ts'
import { LatestValue } from './latest-value.ts'
import type { Secret, SecretSource } from './secret.ts'
import { StateSecrets } from './state-secrets.ts'
import type { JwtSvidRequest, WorkloadIdentity, WorkloadSource, WorkloadState } from './workload-state.ts'
import type { X509Identity, X509Source } from './x509-source.ts'

/**
 * Options of `createWorkloadSecrets`.
 *
 * @inline
 */
export interface WorkloadSecretsOptions {
  /**
   * One source per identity; the first is the default. Each has a different SPIFFE ID. The caller disposes of
   * them.
   */
  readonly sources: readonly X509Source[]
  /** Bundles of the own and of federated trust domains; a bundle given here replaces that of a source. */
  readonly bundles?: TrustBundleSet
  /** Returns the revocation lists; called at each change and at `update`. */
  readonly crls?: (() => readonly Crl[]) | undefined
  /** Issues one JWT-SVID for an identity of this workload. Default: none are issued. */
  readonly issueJwtSvid?:
    | ((id: SpiffeId, audience: readonly string[], signal: AbortSignal | undefined) => Promise<JwtSvid>)
    | undefined
  readonly logger?: Logger | undefined
}

/** The secrets of one workload, by name and as a whole. */
export interface WorkloadSecrets extends SecretSource, WorkloadSource, AsyncDisposable {
  watchNames(signal: AbortSignal): AsyncIterable<readonly string[]>
  /** Reads sources, bundles and revocation lists again; call it after a new revocation list was issued. */
  update(): void
}

/**
 * Combines the X.509 sources of a workload, for `createSdsServer` and `createWorkloadApiServer`. The state is
 * available when every source has an SVID. The identity of a source that has lost its SVID (`onWithdrawn`) is
 * not in it, nor are the bundles of that source.
 *
 * @throws ERR_INVALID_ARGUMENT a missing source, or a value that is not a source
 * @example
 * ```ts
 * await using secrets = createWorkloadSecrets({ sources: [source] })
 * const { name } = await secrets.get('ROOTCA')
 * ```
 */
export function createWorkloadSecrets(given: WorkloadSecretsOptions): WorkloadSecrets {
  const options = readOptions('createWorkloadSecrets', given, optionKinds)
  const { sources, bundles } = options
  if (!Array.isArray(sources) || sources.length === 0 || !sources.every(isSource))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createWorkloadSecrets: sources must be a list of at least one X509Source',
    )
  checkMeasures({ sources: sources.length }, 1, maxIdentities)
  if (bundles !== undefined && typeof bundles.onChange !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createWorkloadSecrets: bundles must be a TrustBundleSet')
  return new SourcedSecrets(options)
}

const optionKinds: OptionKinds<WorkloadSecretsOptions> = {
  sources: 'required',
  bundles: 'guard',
  crls: 'optional',
  issueJwtSvid: 'optional',
  logger: 'optional',
}

class SourcedSecrets implements WorkloadSecrets {
  readonly #options: Readonly<WorkloadSecretsOptions>
  readonly #logger: Logger
  readonly #states = new LatestValue<WorkloadState>()
  readonly #closed = new AbortController()
  readonly #secrets = new StateSecrets(this.#states, this.#closed.signal)
  readonly #stops: readonly ((() => void) | undefined)[]
  /** The identity of each source: undefined before its first SVID, null after a withdrawal. */
  readonly #known: (X509Identity | null | undefined)[]
  readonly fetchJwtSvids?: ((request: JwtSvidRequest) => Promise<readonly JwtSvid[]>) | undefined

  constructor(options: Readonly<WorkloadSecretsOptions>) {
    this.#options = { ...options, sources: [...options.sources] }
    this.#logger = safeLogger('createWorkloadSecrets', options.logger)
    this.#known = options.sources.map(currentOf)
    const { sources, bundles, issueJwtSvid } = this.#options
    this.#stops = [
      ...sources.map((source, at) =>
        source.onChange((identity) => {
          this.#known[at] = identity
          this.update()
        }),
      ),
      ...sources.map((source, at) =>
        source.onWithdrawn?.(() => {
          this.#known[at] &&= currentOf(source) ?? null
          this.update()
        }),
      ),
      ...(bundles === undefined ? [] : [bundles.onChange(() => this.update())]),
    ]
    if (issueJwtSvid !== undefined) this.fetchJwtSvids = (request) => this.#issue(issueJwtSvid, request)
    this.update()
  }

  get state(): WorkloadState | undefined {
    return this.#states.value
  }

  onChange(listener: (state: WorkloadState) => void): () => void {
    return this.#states.listen(listener)
  }

  get(name: string, signal?: AbortSignal): Promise<Secret> {
    return this.#secrets.get(name, signal)
  }

  watch(name: string, signal: AbortSignal): AsyncIterable<Secret | undefined> {
    return this.#secrets.watch(name, signal)
  }

  watchNames(signal: AbortSignal): AsyncIterable<readonly string[]> {
    return this.#secrets.watchNames(signal)
  }

  update(): void {
    if (this.#closed.signal.aborted) return
    // A state with only some of the identities would mean that the others are withdrawn (W-6).
    if (this.#known.includes(undefined)) return
    const next = Object.freeze({
      identities: Object.freeze(this.#known.flatMap((identity) => (identity ? [identityOf(identity)] : []))),
      bundles: Object.freeze(this.#bundles()),
      crls: Object.freeze(this.#crls()),
    })
    // A changed bundle may be reported by `bundles` and by each source.
    if (!isSameState(this.#states.value, next)) this.#states.set(next)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    for (const stop of this.#stops) stop?.()
  }

  #bundles(): TrustBundle[] {
    const { bundles, sources } = this.#options
    const found = new Map<string, TrustBundle>()
    for (const [at, source] of sources.entries()) {
      const bundle = this.#known[at]?.bundle
      if (bundle !== undefined)
        found.set(bundle.trustDomain.name, source.bundleFor(bundle.trustDomain) ?? bundle)
    }
    for (const bundle of bundles?.bundles ?? []) found.set(bundle.trustDomain.name, bundle)
    return [...found.values()].sort((left, right) =>
      left.trustDomain.name < right.trustDomain.name ? -1 : 1,
    )
  }

  #crls(): readonly Crl[] {
    try {
      return [...(this.#options.crls?.() ?? [])]
    } catch (error) {
      // The previous lists remain in use.
      this.#logger.error(
        { reason: String(error) },
        'revocation lists cannot be read; the previous ones remain in use',
      )
      return this.#states.value?.crls ?? []
    }
  }

  async #issue(
    issue: NonNullable<WorkloadSecretsOptions['issueJwtSvid']>,
    { id, audience, hint, signal }: JwtSvidRequest,
  ): Promise<readonly JwtSvid[]> {
    const ids = (this.#states.value?.identities ?? [])
      .filter((one) => hint === undefined || one.hint === hint)
      .map(({ svid }) => svid.id)
    const wanted = id === undefined ? ids : ids.filter((one) => one.equals(id))
    if (wanted.length === 0)
      throw new PkiError(
        'ERR_POLICY_DENIED',
        `the workload has no identity${id === undefined ? '' : ` ${id.toString()}`}`,
      )
    return Promise.all(wanted.map((one) => issue(one, audience, signal)))
  }
}

function isSource(value: unknown): value is X509Source {
  const { onChange, bundleFor } = Object(value) as Partial<X509Source>
  return typeof onChange === 'function' && typeof bundleFor === 'function'
}

/** undefined without an SVID; the source reports the next one. */
function currentOf(source: X509Source): X509Identity | undefined {
  try {
    return source.current
  } catch {
    return undefined
  }
}

function isSameState(before: WorkloadState | undefined, next: WorkloadState): boolean {
  return (
    before !== undefined &&
    isSameList(before.bundles, next.bundles, (left, right) => left === right) &&
    isSameList(before.crls, next.crls, (left, right) => left === right) &&
    isSameList(before.identities, next.identities, (left, right) => left.svid === right.svid)
  )
}

function isSameList<T>(
  left: readonly T[],
  right: readonly T[],
  same: (left: T, right: T) => boolean,
): boolean {
  return left.length === right.length && left.every((one, at) => same(one, right[at] as T))
}

function identityOf({ svid, privateKey }: X509Identity): WorkloadIdentity {
  return Object.freeze({ svid, privateKey })
}

const maxIdentities = 10_000
