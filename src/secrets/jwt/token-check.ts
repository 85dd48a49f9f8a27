// The checks of a JWT-SVID before it is used for an outgoing call.

import { PkiError, isPkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { match } from '../../spiffe/index.ts'
import type { SpiffeId, SpiffeIdMatcher } from '../../spiffe/index.ts'
import { JwtSvid, verifyJwtSvid } from '../../svid/index.ts'
import type { BundleSource } from '../../svid/index.ts'

/** The expectations for tokens. */
interface TokenExpectations {
  /** The expected identity if a request does not name one. */
  readonly matchesId: SpiffeIdMatcher | undefined
  readonly bundles: BundleSource | undefined
  readonly maxTtlSeconds: number
  readonly clock: Clock
}

/** Checks the tokens that one source obtains. */
export class TokenCheck {
  readonly #expected: TokenExpectations

  constructor(expected: TokenExpectations) {
    this.#expected = expected
  }

  /** Checks a token, and verifies it if there are bundles. @throws ERR_CA_REPLY */
  async accept(
    answer: JwtSvid | string,
    { audience, id }: { readonly audience: string; readonly id?: SpiffeId },
  ): Promise<JwtSvid> {
    const { matchesId, bundles, maxTtlSeconds, clock } = this.#expected
    try {
      const token = typeof answer === 'string' ? answer : answer.token
      const svid = JwtSvid.parseUnverified(token)
      const nowMs = clock.now()
      const endMs = svid.expiresAt.getTime()
      if (!svid.audience.includes(audience))
        throw refused(
          `its audience is ${JSON.stringify(svid.audience).slice(0, 256)}, expected ` +
            `${JSON.stringify(audience)} (J-7)`,
        )
      if (endMs <= nowMs) throw refused(`it expired at ${svid.expiresAt.toISOString()} (J-8)`)
      if (endMs > nowMs + maxTtlSeconds * 1000)
        throw refused(`exp is more than ${maxTtlSeconds} s from now (J-8)`)
      const expected = id === undefined ? matchesId : match.id(id)
      if (expected !== undefined) match.require(svid.id, expected)
      if (bundles === undefined) return svid
      return await verifyJwtSvid(token, { bundles, audience, maxTtlSeconds, clock })
    } catch (cause) {
      if (isPkiError(cause, 'ERR_CA_REPLY')) throw cause
      throw refused(cause instanceof Error ? cause.message : 'it cannot be read', cause)
    }
  }
}

function refused(reason: string, cause?: unknown): PkiError {
  return new PkiError('ERR_CA_REPLY', `the JWT-SVID that was fetched is refused: ${reason}`, { cause })
}
