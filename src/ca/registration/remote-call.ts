// One request to a CA over HTTP and its JSON: bounded in size and time, every failure with a code.

import { PkiError, isPkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import type { JsonObject } from '../../internal/json.ts'
import type { GuardedFetcher } from '../../runtime/index.ts'

/** The request to send. */
export interface RemoteCall {
  /** The name of the CA, for messages. */
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: JsonObject | undefined
  readonly signal?: AbortSignal | undefined
  /** Texts that must not be in a message, even if the answer contains them. */
  readonly secrets: readonly unknown[]
  /** The reason in the JSON of a refusal. */
  readonly reasonOf: (json: JsonObject) => string
}

/**
 * The JSON object of an answer with status 200.
 *
 * @throws ERR_CA_UNAUTHENTICATED for 401 and 403; ERR_CA_REFUSED for other 4xx; ERR_CA_UNAVAILABLE for 429,
 *   5xx and if there is no answer in time; ERR_CA_REPLY for an answer that is too large or not a JSON object;
 *   ERR_ABORTED
 */
export async function callRemoteCa(fetcher: GuardedFetcher, call: RemoteCall): Promise<JsonObject> {
  const { name, method, url, body, signal } = call
  const headers = {
    accept: 'application/json',
    ...call.headers,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  let answer
  try {
    answer = await fetcher.fetch(url.href, {
      ...{ method, headers, signal },
      ...(body === undefined ? {} : { body: new TextEncoder().encode(JSON.stringify(body)) }),
    })
  } catch (cause) {
    throw failure(name, cause)
  }
  const { status } = answer
  const json = readJson(answer.body, answer.headers['content-type'])
  if (status === 200 && json !== undefined) return json
  const told = json === undefined ? '' : shown(call.reasonOf(json), call.secrets).slice(0, maxReason)
  const what = `${name} answered ${url.pathname} with status ${status}${told === '' ? '' : `: ${told}`}`
  throw new PkiError(codeOf(status), status === 200 ? `${what}; expected a JSON object` : what)
}

/** Removes secrets, and control characters, which could add lines to a log. */
function shown(reason: string, secrets: readonly unknown[]): string {
  let left = reason
  for (const secret of secrets)
    if (typeof secret === 'string' && secret !== '') left = left.replaceAll(secret, '…')
  return left.replace(/\p{C}+/gu, ' ')
}

function failure(name: string, cause: unknown): PkiError {
  if (!isPkiError(cause))
    return new PkiError('ERR_CA_UNAVAILABLE', `the request to ${name} failed: ${String(cause)}`, { cause })
  if (cause.code === 'ERR_ABORTED' || cause.code === 'ERR_CLOSED') return cause
  const code = cause.code === 'ERR_LIMIT_EXCEEDED' ? 'ERR_CA_REPLY' : 'ERR_CA_UNAVAILABLE'
  return new PkiError(code, `${name}: ${cause.message}`, { cause })
}

function readJson(octets: Uint8Array, type = ''): JsonObject | undefined {
  if (!/^application\/json(;|$)/i.test(type.trim())) return undefined
  try {
    const value = parseJson(octets, { maxDepth: 16, maxValues: 10_000 })
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function codeOf(status: number): PkiErrorCode {
  if (status === 200) return 'ERR_CA_REPLY'
  if (status === 401 || status === 403) return 'ERR_CA_UNAUTHENTICATED'
  // 412, 472, 473: a node of Vault that is not the active one.
  if (status >= 500 || [408, 412, 429, 472, 473].includes(status)) return 'ERR_CA_UNAVAILABLE'
  return status >= 400 ? 'ERR_CA_REFUSED' : 'ERR_CA_REPLY'
}

/** Characters. */
const maxReason = 300
