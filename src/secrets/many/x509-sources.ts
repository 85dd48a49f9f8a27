// Many identities in one process: a source for each SPIFFE ID, renewed by one queue, with a limit on requests
// at one time; unused identities are removed.

import { PkiError } from '../../errors/index.ts'
import { LruMap } from '../../internal/lru-map.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { abortable } from '../../internal/turns/waiting.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../runtime/internal.ts'
import type { Clock } from '../../runtime/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { CaClient } from '../ca-client.ts'
import { PriorityGate, priorities } from '../renewal/priority-gate.ts'
import type { Priority, Turn } from '../renewal/priority-gate.ts'
import { RenewalPace } from '../renewal/renewal-pace.ts'
import { RenewalQueue } from '../renewal/renewal-queue.ts'
import { checkRenewalPolicy } from '../renewal/renewal-schedule.ts'
import { RenewingX509Source } from '../renewal/renewing-source.ts'
import { UsedSource } from './used-source.ts'
import type { X509Identity, X509Source, X509SourceOptions } from '../x509-source.ts'

/** Options of `createX509Sources`. @inline */
export interface X509SourcesOptions extends Omit<X509SourceOptions, 'ca' | 'id' | 'dnsNames'> {
  /**
   * Returns the client of the CA for this identity, for example one that impersonates it, or one with its
   * token.
   */
  readonly caFor: (id: SpiffeId) => CaClient
  /**
   * Maximum number of identities; above it the least recently requested one that is not in use is removed.
   */
  readonly maxIdentities?: number | undefined
  /** Maximum number of concurrent requests to CAs. Default 8, as in ztunnel. */
  readonly maxConcurrentRequests?: number | undefined
  /** Time without use after which an identity is removed, in seconds. Default 3,600. */
  readonly idleSeconds?: number | undefined
}

/** How soon an identity is needed, and for how long the caller waits. @inline */
interface IdentityDemand {
  /** `realtime` (default) for a waiting connection, `warmup` for a future one. Renewals are `background`. */
  readonly priority?: Priority | undefined
  readonly signal?: AbortSignal | undefined
}

/** The identities of one process, by SPIFFE ID. @inline */
export interface X509Sources extends AsyncDisposable {
  /** The number of stored identities. */
  readonly size: number
  /** The current SVID if it is valid, without waiting; otherwise undefined. Counts as a use. */
  current(id: SpiffeId | string): X509Identity | undefined
  /**
   * The stored SVID of an identity, or a new one. After a failure the source makes the next attempt after a
   * pause; calls before that fail at once.
   *
   * @throws ERR_SVID_UNAVAILABLE with the failure as its cause; what the CA throws; ERR_LIMIT_EXCEEDED when
   * every stored identity is in use; ERR_ABORTED, ERR_CLOSED, ERR_SPIFFE_ID_INVALID
   */
  identity(id: SpiffeId | string, demand?: IdentityDemand): Promise<X509Identity>
  /**
   * The source of an identity. Until it is disposed of, the identity is in use: it is renewed and not
   * removed.
   *
   * @throws ERR_LIMIT_EXCEEDED, ERR_CLOSED, ERR_SPIFFE_ID_INVALID
   */
  use(id: SpiffeId | string, demand?: Pick<IdentityDemand, 'priority'>): X509Source
}

const optionKinds: OptionKinds<X509SourcesOptions> = {
  caFor: 'required',
  maxIdentities: 'optional',
  maxConcurrentRequests: 'optional',
  idleSeconds: 'optional',
  bundles: 'guard',
  algorithm: 'optional',
  ttlSeconds: 'optional',
  renewal: 'optional',
  taintSpreadSeconds: 'optional',
  maxClockSkewSeconds: 'optional',
  timeoutSeconds: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
}

/**
 * The identities of a process that acts for many workloads, such as a proxy of a node. By default they are
 * renewed between 30 % and 70 % of their validity: identities that were obtained at the same time are not
 * renewed at the same time.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * await using sources = createX509Sources({ caFor: (id) => localCaClient(issuance, callerFor(id)) })
 * const { svid } = await sources.identity('spiffe://example.org/ns/prod/sa/api')
 * await using source = sources.use(svid.id)
 * ```
 */
export function createX509Sources(options: X509SourcesOptions): X509Sources {
  return new SourcesById(readOptions('createX509Sources', options, optionKinds))
}

interface Entry {
  readonly source: RenewingX509Source
  users: number
  lastUseMs: number
  priority: Priority
  turn: Turn<X509Identity> | undefined
}

class SourcesById implements X509Sources {
  readonly #caFor: X509SourcesOptions['caFor']
  readonly #sourceOptions: Omit<X509SourceOptions, 'ca' | 'id' | 'dnsNames'>
  readonly #clock: Clock
  readonly #queue: RenewalQueue
  readonly #gate: PriorityGate
  readonly #pace = new RenewalPace()
  readonly #entries: LruMap<string, Entry>
  readonly #idleMs: number
  readonly #closing = new Set<Promise<void>>()
  #cancelSweep = (): void => undefined
  #closed = false

  constructor(options: Readonly<X509SourcesOptions>) {
    const {
      caFor,
      maxIdentities = 10_000,
      maxConcurrentRequests = 8,
      idleSeconds = 3_600,
      ...sourceOptions
    } = options
    if (typeof caFor !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createX509Sources: caFor must be a function, found ${nameOf(caFor)}`,
      )
    checkCounts({ maxIdentities, maxConcurrentRequests }, 1)
    checkMeasures({ idleSeconds }, 1)
    const renewal = { ...wideRenewal, ...options.renewal }
    checkRenewalPolicy(renewal)
    this.#caFor = caFor
    const logger = safeLogger('createX509Sources', options.logger)
    const metrics = safeMetrics('createX509Sources', options.metrics)
    this.#sourceOptions = { ...sourceOptions, renewal, logger, metrics }
    this.#clock = options.clock ?? systemClock
    this.#queue = new RenewalQueue(this.#clock)
    this.#gate = new PriorityGate(maxConcurrentRequests)
    this.#entries = new LruMap(maxIdentities, ({ users }) => users === 0)
    this.#idleMs = idleSeconds * 1000
    this.#scheduleSweep()
  }

  get size(): number {
    return this.#entries.size
  }

  current(id: SpiffeId | string): X509Identity | undefined {
    const key = typeof id === 'string' ? id : id.toString()
    const entry = this.#entries.peek(key)
    if (entry === undefined) return undefined
    const nowMs = this.#clock.monotonic()
    // At most once a second, because moving an entry costs several times the look-up.
    if (nowMs - entry.lastUseMs > 1_000) this.#entries.get(key)
    entry.lastUseMs = nowMs
    return entry.source.valid
  }

  async identity(id: SpiffeId | string, demand?: IdentityDemand): Promise<X509Identity> {
    const { priority, signal } = readDemand(demand)
    const { source } = this.#entryOf(SpiffeId.from(id), priority)
    const valid = source.valid
    if (valid !== undefined) return valid
    const { lastError } = source.status
    // The next attempt is scheduled; further calls do not cause additional attempts.
    if (lastError === undefined || source.isRenewing) return abortable(source.renew(), signal)
    throw new PkiError('ERR_SVID_UNAVAILABLE', `no SVID of ${String(id)}: ${lastError.message}`, {
      cause: lastError,
    })
  }

  use(id: SpiffeId | string, demand?: Pick<IdentityDemand, 'priority'>): X509Source {
    const entry = this.#entryOf(SpiffeId.from(id), readDemand(demand).priority)
    entry.users++
    return new UsedSource(entry.source, () => {
      entry.users--
      entry.lastUseMs = this.#clock.monotonic()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#cancelSweep()
    this.#queue.close()
    for (const [, { source }] of this.#entries.entries()) this.#close(source)
    this.#entries.clear()
    await Promise.all(this.#closing)
  }

  #entryOf(id: SpiffeId, priority: Priority): Entry {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the sources were closed')
    const key = id.toString()
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.lastUseMs = this.#clock.monotonic()
      if (known.source.valid === undefined) {
        known.priority = highest(known.priority, priority)
        known.turn?.raise(known.priority)
      }
      return known
    }
    return this.#add(id, key, priority)
  }

  #add(id: SpiffeId, key: string, priority: Priority): Entry {
    // The entry is added first, because a new source sends a request at once.
    const entry: { -readonly [Key in keyof Entry]: Entry[Key] } = {
      ...{ users: 0, lastUseMs: this.#clock.monotonic(), priority, turn: undefined },
      source: undefined as unknown as RenewingX509Source,
    }
    const evicted = this.#entries.set(key, entry)
    if (evicted === undefined)
      throw new PkiError(
        'ERR_LIMIT_EXCEEDED',
        `${this.#entries.size} identities are in use, which is maxIdentities: ${key} is not added`,
      )
    for (const { source } of evicted) this.#close(source)
    const inTurn = (attempt: () => Promise<X509Identity>): Promise<X509Identity> => {
      const turn = this.#gate.run(entry.priority, attempt)
      entry.turn = turn
      return turn.result.finally(() => {
        entry.turn = undefined
        // Later requests are renewals.
        entry.priority = 'background'
      })
    }
    try {
      const options = { ...this.#sourceOptions, ca: this.#caFor(id), id }
      entry.source = new RenewingX509Source(options, { queue: this.#queue, pace: this.#pace, inTurn })
    } catch (error) {
      this.#entries.delete(key)
      throw error
    }
    return entry
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#clock.schedule(() => {
      const before = this.#clock.monotonic() - this.#idleMs
      for (const [key, { source, users, lastUseMs }] of [...this.#entries.entries()]) {
        if (users > 0 || lastUseMs > before) continue
        this.#entries.delete(key)
        this.#close(source)
      }
      this.#scheduleSweep()
    }, this.#idleMs / 4)
  }

  #close(source: RenewingX509Source): void {
    const closing = source[Symbol.asyncDispose]().finally(() => {
      this.#closing.delete(closing)
    })
    this.#closing.add(closing)
  }
}

function readDemand(demand: IdentityDemand | undefined): {
  readonly priority: Priority
  readonly signal: AbortSignal | undefined
} {
  const { priority = 'realtime', signal } = readOptions<IdentityDemand>('identity', demand, {
    priority: 'optional',
    signal: 'optional',
  })
  if (!priorities.includes(priority))
    throw new PkiError('ERR_INVALID_ARGUMENT', `priority must be one of ${priorities.join(', ')}`)
  return { priority, signal }
}

function highest(left: Priority, right: Priority): Priority {
  return priorities.indexOf(left) > priorities.indexOf(right) ? left : right
}

/**
 * With ± 1 %, identities that were obtained at one start would be renewed within 2 % of their validity, at 25
 * times the mean rate.
 */
const wideRenewal = { ratio: 0.5, jitter: 0.2 }
