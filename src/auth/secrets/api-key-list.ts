// A list of API keys, checked once when it is created: one invalid entry rejects the whole list.

import { createHash, timingSafeEqual } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import { readOptions } from '../../internal/options.ts'
import { SpiffeId, istio } from '../../spiffe/index.ts'
import type { Caller } from '../authenticator.ts'
import { checkCaller } from '../require-caller.ts'

/** The server's record of one key: its digest, never the key. @inline */
export interface ApiKeyEntry {
  /** The public part of the key, for lookup, logs and audit, such as `billing-2026`. */
  readonly id: string
  /** `ApiKeyAuthenticator.digestOf` of the key. */
  readonly digest: string
  /** The identities of the holder of the key. */
  readonly identities: readonly (SpiffeId | string)[]
  /** When the key expires. Default: never. */
  readonly expiresAt?: Date | string
  /** The purposes of the key, as `claims.scopes`, for use by policies. Default: none. */
  readonly scopes?: readonly string[]
  /** Every identity must be `/ns/NAMESPACE/…` of this namespace; returned as `claims.namespace`. */
  readonly namespace?: string
}

/** The result of a lookup. */
interface KnownKey {
  readonly id: string
  readonly digest: Buffer
  /** Milliseconds since the epoch; Infinity for never. */
  readonly expiresAt: number
  readonly caller: Caller
}

/** A checked list. */
export interface ApiKeyList {
  /** The entry with this digest, among the entries with the id if one is given. */
  find(id: string | undefined, digest: Buffer): KnownKey | undefined
}

/** @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID */
export function compileKeys(entries: readonly ApiKeyEntry[]): ApiKeyList {
  if (!Array.isArray(entries)) throw bad('the keys must be a list')
  const all: KnownKey[] = []
  const byId = new Map<string, KnownKey>()
  const digests = new Set<string>()
  for (const entry of entries as readonly ApiKeyEntry[]) {
    const known = compileKey(entry)
    if (digests.has(entry.digest)) throw bad(`API key ${known.id} is also the key of another entry`)
    if (byId.has(known.id)) throw bad(`two API keys have the id ${known.id}`)
    digests.add(entry.digest)
    byId.set(known.id, known)
    all.push(known)
  }
  return {
    find(id, digest) {
      if (id !== undefined) {
        const known = byId.get(id)
        // An unknown id costs the same comparison.
        return timingSafeEqual(known?.digest ?? noDigest, digest) ? known : undefined
      }
      // Every entry is compared, so that the time does not depend on which entry matched.
      let found: KnownKey | undefined
      for (const known of all) if (timingSafeEqual(known.digest, digest)) found = known
      return found
    },
  }
}

function compileKey(entry: ApiKeyEntry): KnownKey {
  const read = readOptions<ApiKeyEntry>('an API key', entry, {
    id: 'required',
    digest: 'required',
    identities: 'required',
    expiresAt: 'guard',
    scopes: 'guard',
    namespace: 'guard',
  })
  const { id, digest, identities, expiresAt, scopes, namespace } = read
  if (typeof id !== 'string' || id === '' || id.length > 128)
    throw bad('the id of an API key must be a string of 1 to 128 characters')
  if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest))
    throw bad(`the digest of API key ${id} is not 64 lower-case hexadecimal digits`)
  if (digest === emptyDigest) throw bad(`the digest of API key ${id} is the digest of an empty key`)
  if (!Array.isArray(identities) || identities.length === 0) throw bad(`API key ${id} has no identity`)
  const ids = (identities as readonly (SpiffeId | string)[]).map((identity) => SpiffeId.from(identity))
  const stranger = namespace === undefined ? undefined : ids.find((one) => !isIn(one, namespace))
  if (stranger !== undefined)
    throw bad(`API key ${id} is for the namespace ${String(namespace)}, but has ${stranger.toString()}`)
  if (scopes !== undefined) checkScopes(id, scopes)
  const caller = {
    identities: ids,
    credential: 'api-key',
    claims: {
      keyId: id,
      ...(scopes === undefined ? {} : { scopes: [...scopes] }),
      ...(namespace === undefined ? {} : { namespace }),
    },
  }
  return {
    id,
    digest: Buffer.from(digest, 'hex'),
    expiresAt: timeOf(id, expiresAt),
    // Every request with this key gets the same object.
    caller: checkCaller(caller, 'api-key'),
  }
}

/**
 * The entries of a file. @throws ERR_INVALID_ARGUMENT, ERR_JSON, ERR_LIMIT_EXCEEDED, and the errors of
 * reading a file
 */
export async function readKeyFile(path: string): Promise<readonly ApiKeyEntry[]> {
  const { readFile } = await import('node:fs/promises')
  const value = parseJson(await readFile(path), { maxBytes: 16 * 1024 * 1024, maxValues: 1_000_000 })
  const keys: unknown = isJsonObject(value) ? value['keys'] : undefined
  if (Array.isArray(keys)) return keys as readonly ApiKeyEntry[]
  throw bad('the file of API keys is not an object with the list "keys"')
}

/** The part before the dot; undefined for a key without an id. */
export function keyIdOf(key: string): string | undefined {
  const dot = key.indexOf('.')
  return dot < 0 ? undefined : key.slice(0, dot)
}

/** SHA-256 of a key. */
export function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function checkScopes(id: string, scopes: unknown): void {
  const list: readonly unknown[] = Array.isArray(scopes) ? scopes : [undefined]
  if (!list.every((one) => typeof one === 'string' && one !== ''))
    throw bad(`the scopes of API key ${id} must be a list of strings`)
}

function isIn(id: SpiffeId, namespace: unknown): boolean {
  return istio.tryParse(id)?.namespace === namespace
}

function timeOf(id: string, expiresAt: ApiKeyEntry['expiresAt']): number {
  if (expiresAt === undefined) return Infinity
  const text = typeof expiresAt === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(expiresAt)
  const time = expiresAt instanceof Date || text ? new Date(expiresAt).getTime() : Number.NaN
  if (Number.isNaN(time))
    throw bad(`expiresAt of API key ${id} is neither a Date nor a time such as 2027-01-01T00:00:00Z`)
  return time
}

function bad(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `ApiKeyAuthenticator: ${what}`)
}

const noDigest = Buffer.alloc(32)
const emptyDigest = createHash('sha256').digest('hex')
