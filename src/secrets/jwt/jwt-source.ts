// A source of JWT-SVIDs for outgoing calls: one token per audience and identity, fetched again at half of its
// life.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { LruMap } from '../../internal/lru-map.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { abortable, settlesWithin, withDeadline } from '../../internal/turns/waiting.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { SpiffeId, match } from '../../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../spiffe/index.ts'
import type { JwtSvid } from '../../svid/index.ts'
import type { BundleSource } from '../../svid/index.ts'
import { backoffMs } from '../renewal/backoff.ts'
import { HeldToken } from './held-token.ts'
import { TokenCheck } from './token-check.ts'

/** A request for one token; optional members are absent if not requested. @inline */
interface TokenRequest {
  readonly audience: string
  readonly id?: SpiffeId
  readonly hint?: string
  /** Aborted when the source is closed, and when `timeoutSeconds` are over. */
  readonly signal: AbortSignal
}

/** Options of `createJwtSource`. @inline */
export interface JwtSourceOptions {
  /**
   * Obtains one token: `(request) => agent.fetchJwtSvid(request)` from a Workload API,
   * `({ audience }) => issueJwtSvid({ id, audience, keyId }, signer)` from a key of this process.
   */
  readonly fetchToken: (request: TokenRequest) => Promise<JwtSvid | string>
  /** The expected identity of a token if a call does not name one: a SPIFFE ID or a matcher. */
  readonly id?: SpiffeId | SpiffeIdMatcher | string
  /** If set, each token is verified before use, and dropped when its key is removed from the bundle. */
  readonly bundles?: BundleSource
  /** How far in the future `exp` may be, in seconds. Default 86,400. */
  readonly maxTtlSeconds?: number
  /** Maximum number of stored tokens; above it the least recently used one is removed. Default 1,000. */
  readonly maxTokens?: number | undefined
  /** How long one fetch may take, in seconds, at least 1; then ERR_TIMEOUT. Default 30. */
  readonly timeoutSeconds?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
}

/** Which of several identities the token is for. @inline */
interface TokenChoice {
  /** The SPIFFE ID in `sub`. */
  readonly id?: SpiffeId | string
  /** The hint of the identity, if the Workload API gives hints (rule W-12). */
  readonly hint?: string
  readonly signal?: AbortSignal | undefined
}

/** Current JWT-SVIDs, by audience. @inline */
export interface JwtSource extends AsyncDisposable {
  /**
   * A token for this audience, valid now. Until half of its validity has passed the stored token is returned;
   * then a new one is fetched, once for all concurrent calls. If that fails, or takes more than a second, the
   * stored token is returned while it is valid.
   *
   * @throws the errors of `fetchToken`; ERR_CA_REPLY for a token that is refused; ERR_TIMEOUT;
   *   ERR_LIMIT_EXCEEDED when `maxTokens` are being fetched; ERR_ABORTED, ERR_CLOSED, ERR_INVALID_ARGUMENT,
   *   ERR_SPIFFE_ID_INVALID
   */
  token(audience: string, choice?: TokenChoice): Promise<string>
  /** Like `token`, with the claims. @throws as `token` */
  svid(audience: string, choice?: TokenChoice): Promise<JwtSvid>
}

const optionKinds: OptionKinds<JwtSourceOptions> = {
  fetchToken: 'required',
  id: 'guard',
  bundles: 'guard',
  maxTtlSeconds: 'guard',
  maxTokens: 'optional',
  timeoutSeconds: 'optional',
  clock: 'optional',
  logger: 'optional',
}

/**
 * A source of JWT-SVIDs.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * await using jwt = createJwtSource({ fetchToken: (request) => agent.fetchJwtSvid(request) })
 * const authorization = `Bearer ${await jwt.token('orders-api')}`
 * ```
 */
export function createJwtSource(options: JwtSourceOptions): JwtSource {
  return new CachingJwtSource(readOptions('createJwtSource', options, optionKinds))
}

interface Entry {
  held: HeldToken | undefined
  flight: Promise<JwtSvid> | undefined
  /** From this monotonic time on, callers with a valid token do not wait for the fetch in progress. */
  slowMs: number
  failures: number
  /** Until this monotonic time, calls without a valid token throw the last failure. */
  retryMs: number
  failure: unknown
}

class CachingJwtSource implements JwtSource {
  readonly #options: Readonly<JwtSourceOptions>
  readonly #check: TokenCheck
  readonly #timeoutSeconds: number
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #entries: LruMap<string, Entry>
  readonly #closed = new AbortController()

  constructor(options: Readonly<JwtSourceOptions>) {
    const {
      fetchToken,
      id,
      bundles,
      maxTtlSeconds = 86_400,
      maxTokens = 1_000,
      timeoutSeconds = 30,
    } = options
    if (typeof fetchToken !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createJwtSource: fetchToken must be a function, found ${nameOf(fetchToken)}`,
      )
    if (bundles !== undefined && typeof (bundles as Partial<BundleSource>).bundleFor !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createJwtSource: bundles must be a BundleSource, found ${nameOf(bundles)}`,
      )
    checkMeasures({ maxTtlSeconds, timeoutSeconds }, 1)
    checkCounts({ maxTokens }, 1)
    this.#options = options
    this.#timeoutSeconds = timeoutSeconds
    this.#clock = options.clock ?? systemClock
    const matchesId = id === undefined || typeof id === 'function' ? id : match.id(id)
    this.#check = new TokenCheck({ matchesId, bundles, maxTtlSeconds, clock: this.#clock })
    this.#logger = safeLogger('createJwtSource', options.logger)
    this.#entries = new LruMap(maxTokens, ({ flight }) => flight === undefined)
  }

  async token(audience: string, choice?: TokenChoice): Promise<string> {
    return (await this.svid(audience, choice)).token
  }

  async svid(audience: string, choice?: TokenChoice): Promise<JwtSvid> {
    const { id, hint, signal } = readOptions('token', choice, {
      id: 'guard',
      hint: 'guard',
      signal: 'optional',
    })
    this.#requireOpen()
    const wanted = wantedToken(audience, id, hint)
    const entry = this.#entryOf(JSON.stringify([audience, wanted.id?.toString(), hint]))
    const fromMemory = this.#fromMemory(entry)
    if (fromMemory !== undefined) return fromMemory
    const { held } = entry
    const flight = (entry.flight ??= this.#fetch(entry, wanted))
    try {
      if (held !== undefined && this.#isUsable(held)) {
        const isInTime = await settlesWithin(this.#clock, patienceMs, flight, signal)
        if (!isInTime && this.#isUsable(held)) return held.svid
      }
      return await abortable(flight, signal)
    } catch (error) {
      this.#requireOpen()
      if (signal?.aborted === true || held === undefined || !this.#isUsable(held)) throw error
      return held.svid
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    const flights = [...this.#entries.entries()].flatMap(([, { flight }]) =>
      flight === undefined ? [] : [flight.catch(() => undefined)],
    )
    this.#entries.clear()
    await Promise.all(flights)
  }

  #entryOf(key: string): Entry {
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    const entry: Entry = {
      held: undefined,
      flight: undefined,
      slowMs: Infinity,
      failures: 0,
      retryMs: -Infinity,
      failure: undefined,
    }
    if (this.#entries.set(key, entry) !== undefined) return entry
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      'createJwtSource: the number of tokens being fetched has reached maxTokens',
    )
  }

  /**
   * The token that is returned without waiting: in the first half of its validity, during a slow fetch, or
   * after a recent failure.
   *
   * @throws that failure
   */
  #fromMemory({ held, flight, slowMs, retryMs, failure }: Entry): JwtSvid | undefined {
    const usable = held !== undefined && this.#isUsable(held) ? held : undefined
    if (usable !== undefined && usable.isYoung) return usable.svid
    const nowMs = this.#clock.monotonic()
    if (flight !== undefined) return nowMs >= slowMs ? usable?.svid : undefined
    if (nowMs >= retryMs) return undefined
    if (usable !== undefined) return usable.svid
    throw failure
  }

  async #fetch(entry: Entry, wanted: Omit<TokenRequest, 'signal'>): Promise<JwtSvid> {
    entry.slowMs = this.#clock.monotonic() + patienceMs
    const deadline = {
      clock: this.#clock,
      deadlineMs: this.#timeoutSeconds * 1000,
      signal: this.#closed.signal,
      late: (cause: unknown) => timedOut(this.#timeoutSeconds, cause),
    }
    try {
      // In a later turn: `entry.flight` is set before anything can fail.
      await Promise.resolve()
      const answer = await withDeadline(deadline, (signal) => this.#options.fetchToken({ ...wanted, signal }))
      const svid = await this.#check.accept(answer, wanted)
      entry.held = new HeldToken(svid, this.#clock)
      entry.failures = 0
      entry.retryMs = -Infinity
      entry.failure = undefined
      return svid
    } catch (error) {
      this.#requireOpen()
      entry.failure = error
      entry.retryMs = this.#clock.monotonic() + backoffMs(entry.failures++)
      const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
      this.#logger.warn({ code, audience: wanted.audience, reason: String(error) }, 'JWT-SVID not renewed')
      throw error
    } finally {
      entry.flight = undefined
    }
  }

  #isUsable({ svid, isOver }: HeldToken): boolean {
    const { bundles } = this.#options
    if (isOver) return false
    return (
      bundles === undefined || bundles.bundleFor(svid.id.trustDomain)?.jwtAuthority(svid.keyId) !== undefined
    )
  }

  #requireOpen(): void {
    if (this.#closed.signal.aborted) throw new PkiError('ERR_CLOSED', 'the source of JWT-SVIDs was closed')
  }
}

/** @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID */
function wantedToken(
  audience: string,
  id: SpiffeId | string | undefined,
  hint: string | undefined,
): Omit<TokenRequest, 'signal'> {
  if (typeof audience !== 'string' || audience === '' || (hint !== undefined && typeof hint !== 'string'))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'token: audience must be a non-empty string, and hint a string',
    )
  return {
    audience,
    ...(id === undefined ? {} : { id: SpiffeId.from(id) }),
    ...(hint === undefined ? {} : { hint }),
  }
}

function timedOut(seconds: number, cause: unknown): PkiError {
  return new PkiError('ERR_TIMEOUT', `no JWT-SVID was obtained within ${seconds} s`, { cause })
}

/** How long a caller with a valid token waits for a new one. */
const patienceMs = 1_000
