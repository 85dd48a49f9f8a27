// JWT-SVIDs from a Workload API, each checked before use: of the identity and for the audience that were
// requested, not expired, and signed by a known authority.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import type { SpiffeId } from '../../../spiffe/index.ts'
import { JwtSvid, verifyJwtSvid } from '../../../svid/index.ts'
import type { BundleSource } from '../../../svid/index.ts'
import type { EndpointChannel } from './endpoint-channel.ts'
import { workloadMethods } from './service-definition.ts'

/** Which tokens are requested. */
interface JwtSvidRequest {
  readonly id?: SpiffeId | undefined
  readonly audience: readonly string[]
  readonly hint?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Fetches the tokens of one workload. */
export class FetchedJwtSvids {
  readonly #channel: EndpointChannel
  readonly #bundles: BundleSource
  readonly #clock: Clock

  /** `bundles` verify the signatures; a trust domain without JWT authorities has none to verify with yet. */
  constructor(channel: EndpointChannel, bundles: BundleSource, clock: Clock) {
    this.#channel = channel
    this.#bundles = bundles
    this.#clock = clock
  }

  /** @throws ERR_WORKLOAD_API, ERR_WORKLOAD_API_DENIED, ERR_ABORTED, ERR_CLOSED, ERR_INVALID_ARGUMENT */
  async fetch({ id, audience, hint, signal }: JwtSvidRequest): Promise<readonly JwtSvid[]> {
    if (audience.length === 0 || audience.includes(''))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'audience must have at least one value, none of them empty')
    const { svids } = await this.#channel.call(
      workloadMethods.FetchJWTSVID,
      { audience: [...audience], spiffeId: id?.toString() ?? '' },
      signal,
    )
    if (svids.length > maxJwtSvids)
      throw new PkiError(
        'ERR_WORKLOAD_API',
        `the Workload API returned ${svids.length} JWT-SVIDs; the maximum is ${maxJwtSvids}`,
      )
    const meant = svids.filter((answer) => hint === undefined || answer.hint === hint)
    // If two have the same hint, the first is used (W-12).
    const chosen = hint === undefined ? meant : meant.slice(0, 1)
    return Promise.all(chosen.map((answer) => this.#check(answer, id, audience)))
  }

  /**
   * Like `fetch`, with the error codes of `WorkloadSource`, so that a server of this source answers
   * PERMISSION_DENIED. After UNAVAILABLE its client would try again. @throws ERR_POLICY_DENIED, and the
   * errors of `fetch`
   */
  async fetchAsSource(request: JwtSvidRequest): Promise<readonly JwtSvid[]> {
    try {
      return await this.fetch(request)
    } catch (cause) {
      if (!isPkiError(cause, 'ERR_WORKLOAD_API_DENIED')) throw cause
      throw new PkiError('ERR_POLICY_DENIED', cause.message, { cause })
    }
  }

  async #check(
    { spiffeId, svid: token }: { readonly spiffeId: string; readonly svid: string },
    id: SpiffeId | undefined,
    audience: readonly string[],
  ): Promise<JwtSvid> {
    try {
      const svid = JwtSvid.parseUnverified(token)
      if (svid.id.toString() !== spiffeId || (id !== undefined && !svid.id.equals(id)))
        throw new PkiError('ERR_WORKLOAD_API', `the token is for ${svid.id.toString()}`)
      if (!audience.every((name) => svid.audience.includes(name)))
        throw new PkiError('ERR_WORKLOAD_API', 'the token does not have the requested audience')
      if (svid.expiresAt.getTime() <= this.#clock.now())
        throw new PkiError('ERR_WORKLOAD_API', `the token expired at ${svid.expiresAt.toISOString()}`)
      const known = this.#bundles.bundleFor(svid.id.trustDomain)?.jwtAuthorities.length ?? 0
      return known === 0
        ? svid
        : await verifyJwtSvid(token, { bundles: this.#bundles, audience, clock: this.#clock })
    } catch (cause) {
      throw new PkiError('ERR_WORKLOAD_API', `a JWT-SVID of the Workload API is refused: ${String(cause)}`, {
        cause,
      })
    }
  }
}

const maxJwtSvids = 1_000
