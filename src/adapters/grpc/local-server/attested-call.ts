// Starts a call: takes its place, attests its caller, and observes its end.

import type { Logger } from '../../../runtime/index.ts'
import { admittedCallOf } from '../server/index.ts'
import { StatusAnswer, status } from '../status.ts'
import type { FailureAnswer } from '../status.ts'
import { attestationRequest } from './attestor.ts'
import type { Attestor, IncomingCall } from './attestor.ts'

/** A call with its cancellation event. */
export interface CancellableCall extends IncomingCall {
  readonly cancelled: boolean
  on(event: 'cancelled', listener: () => void): unknown
}

/** A call whose caller is served. */
export interface AttestedCall<Served> {
  readonly served: Served
  /** Aborted when the client has disconnected. */
  readonly signal: AbortSignal
  /** Releases the place. */
  end(): void
}

/**
 * Takes the place of a call and attests its caller.
 *
 * @throws `StatusAnswer`: PERMISSION_DENIED if the caller has no identity here, UNAVAILABLE if this cannot be
 * determined now (R23)
 */
export async function attestCall<Served>(
  call: CancellableCall,
  attestor: Attestor<Served>,
  logger: Logger,
): Promise<AttestedCall<Served>> {
  const admitted = admittedCallOf(call)
  admitted?.begin()
  const gone = new AbortController()
  const end = (): void => {
    gone.abort()
    admitted?.end()
  }
  call.on('cancelled', () => gone.abort())
  if (call.cancelled) gone.abort()
  try {
    const served = await attestor.attest(attestationRequest(call, gone.signal))
    if (served === undefined || served === null) throw new StatusAnswer(noIdentity)
    admitted?.connection.markAuthenticated()
    return { served, signal: gone.signal, end }
  } catch (error) {
    end()
    if (error instanceof StatusAnswer) {
      logger.warn({ attestor: attestor.name, peer: call.getPeer() }, 'the caller has no identity here')
      throw error
    }
    logger.error(
      { attestor: attestor.name, peer: call.getPeer(), reason: String(error) },
      'attestation failed',
    )
    throw new StatusAnswer({ code: status.UNAVAILABLE, details: 'the caller cannot be attested now' })
  }
}

/** The texts of SPIRE, which clients and operators recognise. */
export const noIdentity: FailureAnswer = {
  code: status.PERMISSION_DENIED,
  details: 'no identity issued',
}

/** The error for a client: a status is sent unchanged, any other error without its text. */
export function statusOf(error: unknown): StatusAnswer {
  return error instanceof StatusAnswer
    ? error
    : new StatusAnswer({ code: status.INTERNAL, details: 'internal error' })
}
