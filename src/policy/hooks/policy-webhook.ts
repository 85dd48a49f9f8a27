// The webhook of an issuance policy: one signed POST, a deadline, a bounded answer.

import { createHash, createHmac, randomUUID } from 'node:crypto'
import type { Caller } from '../../auth/index.ts'
import { PkiError } from '../../errors/index.ts'
import { parseJson } from '../../internal/json.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { Clock, GuardedFetcher } from '../../runtime/index.ts'
import { formatGeneralName } from '../../x509/internal.ts'
import type { Signer } from '../../x509/index.ts'
import type { IssuanceDecision, PolicyRequest } from '../issuance-policy.ts'

/** The service to call. @inline */
export interface PolicyWebhookOptions {
  /** An https URL. */
  readonly url: string
  /** Sends the request; it decides which networks can be reached. */
  readonly fetcher: Pick<GuardedFetcher, 'fetch'>
  /** The key for HMAC-SHA-256 signatures: a secret of at least 32 octets, shared with the service. */
  readonly hmacKey?: Uint8Array
  /** Signs with a private key instead. Exactly one of the two is required. */
  readonly signer?: Signer
  /** The time from the request to the end of the answer, in milliseconds. Default 3,000. */
  readonly timeoutMs?: number | undefined
}

/** @throws ERR_INVALID_ARGUMENT */
export function checkWebhook(given: PolicyWebhookOptions): PolicyWebhookOptions {
  const read = readOptions<PolicyWebhookOptions>('withPolicyHooks', given, {
    url: 'required',
    fetcher: 'required',
    hmacKey: 'guard',
    signer: 'guard',
    timeoutMs: 'optional',
  })
  const { url, fetcher, hmacKey, signer } = read
  if (typeof url !== 'string' || !/^https:\/\/[^/]/i.test(url)) throw bad('url is not an https URL')
  if (typeof (Object(fetcher) as Partial<GuardedFetcher>).fetch !== 'function')
    throw bad('fetcher has no method fetch')
  if ((hmacKey === undefined) === (signer === undefined))
    throw bad('exactly one of hmacKey and signer is required')
  if (hmacKey !== undefined && !(hmacKey instanceof Uint8Array && hmacKey.length >= 32))
    throw bad('hmacKey has fewer than 32 octets')
  if (signer !== undefined && typeof signer.sign !== 'function') throw bad('signer has no method sign')
  requireCount('timeoutMs', read.timeoutMs ?? 3000, 1, 60_000)
  return Object.freeze({ ...read, ...(hmacKey && { hmacKey: Uint8Array.from(hmacKey) }) })
}

/** Calls the service and returns its answer. @throws ERR_POLICY_FAILED for every failure */
export async function askWebhook(
  { url, fetcher, hmacKey, signer, timeoutMs = 3000 }: PolicyWebhookOptions,
  clock: Clock,
  request: PolicyRequest,
  caller: Caller,
  decision: Extract<IssuanceDecision, { allowed: true }>,
): Promise<unknown> {
  const body = Buffer.from(JSON.stringify(questionOf(clock, request, caller, decision)))
  const over = new AbortController()
  const late = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => reject(new Error(`no response within ${timeoutMs} ms`)), {
      once: true,
    })
  })
  const stop = clock.schedule(() => over.abort(), timeoutMs, { keepAlive: true })
  const ask = async (): Promise<unknown> => {
    const signature =
      hmacKey === undefined
        ? Buffer.from(await (signer as Signer).sign(body))
        : createHmac('sha256', hmacKey).update(body).digest()
    const method = hmacKey === undefined ? `key ${(signer as Signer).id}` : 'hmac-sha256'
    const { status, body: answer } = await fetcher.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-signature': signature.toString('base64url'),
        'x-signature-method': method,
      },
      body,
      contentTypes: ['application/json'],
      maxBytes: maxAnswerBytes,
      signal: over.signal,
    })
    if (status !== 200) throw new Error(`status ${status}`)
    return parseJson(answer, { maxBytes: maxAnswerBytes, maxDepth: 4, maxValues: 500 })
  }
  try {
    return await Promise.race([ask(), late])
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.slice(0, 512) : 'unknown'
    throw new PkiError('ERR_POLICY_FAILED', `the webhook of the policy did not answer: ${reason}`, { cause })
  } finally {
    stop()
  }
}

/** Without claims: they may be personal data, and the policy has already evaluated them. */
function questionOf(
  clock: Clock,
  { csr, ttlSeconds, source, dryRun = false }: PolicyRequest,
  { identities, credential, kubernetes }: Caller,
  { rule, content }: Extract<IssuanceDecision, { allowed: true }>,
): object {
  return {
    // Every request is different, so that an answer cannot be replayed for another one.
    id: randomUUID(),
    time: new Date(clock.now()).toISOString(),
    dryRun,
    rule,
    identities: identities.map(String),
    credential,
    kubernetes,
    source,
    ttlSeconds: content.ttlSeconds ?? ttlSeconds,
    maxTtlSeconds: content.maxTtlSeconds,
    names: content.subjectAltName.map(formatGeneralName),
    keyAlgorithm: csr.publicKey.algorithm,
    keySha256: createHash('sha256').update(csr.publicKey.spki).digest('hex'),
  }
}

function bad(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `withPolicyHooks: webhook: ${what}`)
}

const maxAnswerBytes = 16 * 1024
