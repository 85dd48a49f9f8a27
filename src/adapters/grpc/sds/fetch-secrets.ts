// FetchSecrets: returns the requested secrets once.

import { isPkiError } from '../../../errors/index.ts'
import type { Logger } from '../../../runtime/index.ts'
import type { SecretSource } from '../../../secrets/index.ts'
import type { AttestedCall } from '../local-server/index.ts'
import { StatusAnswer, status } from '../status.ts'
import { encodeSecret } from './encode-secret.ts'
import type { EncodedSecret, SecretEncoding } from './encode-secret.ts'
import type { ResponseEncoder } from './encode-response.ts'
import { SotwState } from './sotw-state.ts'
import type { SotwRequest } from './sotw-state.ts'

/** The inputs of a response. */
export interface FetchOptions {
  readonly encoding: SecretEncoding
  readonly encoder: ResponseEncoder
  readonly maxNames: number
  readonly logger: Logger
}

/**
 * @throws `StatusAnswer`: NOT_FOUND if none of the names exists; a single missing name does not fail the
 * others
 */
export async function fetchSecrets(
  request: SotwRequest,
  { served, signal }: AttestedCall<SecretSource>,
  options: FetchOptions,
): Promise<Uint8Array> {
  const state = new SotwState<EncodedSecret>(options)
  const { added } = state.receive({ ...request, responseNonce: '' })
  const names = state.wildcard ? [...added, ...state.know(await allNames(served, signal)).added] : added
  const missing: string[] = []
  for (const name of names) {
    try {
      const secret = await served.get(name, AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)]))
      state.offer(name, { value: encodeSecret(name, secret, options.encoding) })
    } catch (error) {
      missing.push(name)
      options.logger.warn(
        { name, code: isPkiError(error) ? error.code : 'ERR_INTERNAL' },
        'a secret cannot be fetched',
      )
    }
  }
  const response = state.next()
  if (response !== undefined) return options.encoder.sotw(response)
  const text = missing.map((name) => JSON.stringify(name.slice(0, 256))).join(', ')
  throw new StatusAnswer({
    code: status.NOT_FOUND,
    details: names.length === 0 ? 'no secret is available' : `unknown secret ${text}`.slice(0, 1024),
  })
}

async function allNames(source: SecretSource, signal: AbortSignal): Promise<readonly string[]> {
  for await (const names of source.watchNames?.(signal) ?? []) return names
  return []
}

/** A secret that is not available yet does not fail the others either. */
const fetchTimeoutMs = 5_000
