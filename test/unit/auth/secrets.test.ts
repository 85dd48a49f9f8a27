// API keys and join tokens: ids, expiry, reload, lock-out, one use.

import { writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import {
  ApiKeyAuthenticator,
  JoinTokenAuthenticator,
  createMemoryOneTimeStore,
  requireCaller,
} from '../../../src/auth/index.ts'
import type { Authenticator } from '../../../src/auth/index.ts'
import type { ApiKeyAuthenticatorOptions } from '../../../src/auth/secrets/api-key-authenticator.ts'
import type { ApiKeyEntry } from '../../../src/auth/secrets/api-key-list.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { contracts } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { itKeeps } from '../../support/contract.ts'
import { temporaryFolders } from '../../support/temporary.ts'
import { requestWith, testNow } from '../../support/tokens.ts'

const folder = temporaryFolders('api-keys-')
const key = ApiKeyAuthenticator.generateKey('ci')
const entry: ApiKeyEntry = {
  id: 'ci',
  digest: ApiKeyAuthenticator.digestOf(key),
  identities: ['spiffe://example.org/ns/prod/sa/ci'],
}
const keysOf = (options: Partial<ApiKeyAuthenticatorOptions> = {}) => {
  const clock = new FakeClock()
  return { clock, keys: new ApiKeyAuthenticator({ keys: [entry], clock, ...options }) }
}
const send = (authenticator: Authenticator, value: string | string[], address = '192.0.2.1') =>
  requireCaller(
    authenticator,
    requestWith({ 'x-api-key': value, 'x-join-token': value }, { peer: { address, port: 1 } }),
  )

describe('an API key', () => {
  it('is an id and a secret; scopes and namespace are claims', async () => {
    const { keys } = keysOf({ keys: [{ ...entry, scopes: ['issue'], namespace: 'prod' }] })
    const caller = await send(keys, key)
    expect(caller.claims).toEqual({ keyId: 'ci', scopes: ['issue'], namespace: 'prod' })
  })

  it.each([
    ['of another id', `cd.${key.slice(3)}`],
    ['without its secret', 'ci.'],
    ['without its id', key.slice(3)],
    ['of an unknown id', ApiKeyAuthenticator.generateKey('nobody')],
    ['that is empty', ''],
    ['with a prototype name', '__proto__.x'],
    ['with more behind', `${key}.x`],
    ['that is its digest', entry.digest],
    ['with a control character', `${key}\n`],
    ['that is too long', `ci.${'x'.repeat(600)}`],
  ])('%s is refused', async (_, value) => {
    await expect(send(keysOf().keys, value)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('expires', async () => {
    const { keys, clock } = keysOf({ keys: [{ ...entry, expiresAt: '2026-01-01T00:01:00Z' }] })
    await send(keys, key)
    clock.advance(60_000)
    await expect(send(keys, key)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it.each([
    { expiresAt: 'soon' },
    { expiresAt: '2026' },
    { expiresAt: new Date(Number.NaN) },
    { expiresAt: undefined },
    { expiresAt: 1 },
    { scopes: 'issue' },
    { scopes: [''] },
    { namespace: 'staging' },
    { namespace: '' },
    { identities: ['spiffe://example.org/ci'], namespace: 'prod' },
    { identities: [] },
    { digest: 'x' },
    { id: '' },
    { Digest: 'x' },
  ])('with %j is refused at the start', (change) => {
    expect(() => keysOf({ keys: [{ ...entry, ...change } as ApiKeyEntry] })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('of the same id or digest twice is refused at the start', () => {
    const other = { ...entry, digest: ApiKeyAuthenticator.digestOf(ApiKeyAuthenticator.generateKey('ci')) }
    expect(() => keysOf({ keys: [entry, other] })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => keysOf({ keys: [entry, { ...entry, id: 'x' }] })).toThrow(code('ERR_INVALID_ARGUMENT'))
    for (const id of ['a.b', '', 'a b', null])
      expect(() => ApiKeyAuthenticator.generateKey(id as string)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('the list of keys', () => {
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

  it('is read again from a function, whole or not at all', async () => {
    let list: unknown = [entry]
    const failures: unknown[] = []
    const ignore = (): void => undefined
    const { keys, clock } = keysOf({
      keys: () => list as ApiKeyEntry[],
      logger: { debug: ignore, info: ignore, error: ignore, warn: (fields) => failures.push(fields) },
    })
    await send(keys, key)
    list = [entry, { ...entry, id: 'broken', digest: 'x' }]
    clock.advance(30_000)
    await send(keys, key)
    expect(failures).toEqual([code('ERR_INVALID_ARGUMENT')])
    list = []
    clock.advance(5_000)
    await send(keys, key).catch(() => undefined)
    await settled()
    await expect(send(keys, key)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('that cannot be read for an hour lets nobody in', async () => {
    let broken = false
    const { keys, clock } = keysOf({ keys: () => (broken ? Promise.reject(new Error('gone')) : [entry]) })
    await send(keys, key)
    broken = true
    clock.advance(30_000 + 3_599_999)
    await send(keys, key)
    await settled()
    clock.advance(10_000)
    await expect(send(keys, key)).rejects.toThrow(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
  })

  it('that a request does not wait for any more is no fault of the list', async () => {
    const { keys } = keysOf({ keys: () => new Promise<never>(() => undefined) })
    const gone = new AbortController()
    const answer = requireCaller(keys, requestWith({ 'x-api-key': key }, { signal: gone.signal }))
    gone.abort()
    await expect(answer).rejects.toThrow(code('ERR_ABORTED'))
  })

  it('is read again from a file', async () => {
    const file = `${folder()}/keys.json`
    await writeFile(file, JSON.stringify({ keys: [entry] }))
    const { keys, clock } = keysOf({ keys: file })
    await send(keys, key)
    await writeFile(file, JSON.stringify({ keys: [] }))
    clock.advance(30_000)
    await expect(send(keys, key)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    for (const text of ['', '[]', '{"keys":null}', '{"keys":[null]}']) {
      await writeFile(file, text)
      await expect(send(keysOf({ keys: file }).keys, key)).rejects.toThrow(
        code('ERR_AUTHENTICATOR_UNAVAILABLE'),
      )
    }
  })
})

describe('a source that guesses', () => {
  it('is locked out for a while, with a good key too; others are not', async () => {
    const { keys, clock } = keysOf()
    for (let at = 0; at < 10; at++) await expect(send(keys, 'guess')).rejects.toThrow()
    await expect(send(keys, key)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    await send(keys, key, '192.0.2.2')
    clock.advance(60_000)
    await send(keys, key)
  })

  it('is a /64 in IPv6, and one address in IPv4 in both spellings', async () => {
    const { keys } = keysOf({ lockOut: { maxFailures: 2, seconds: 10 } })
    for (const address of ['2001:db8::1', '2001:db8::2', '10.0.0.1', '::ffff:10.0.0.1'])
      await expect(send(keys, 'guess', address)).rejects.toThrow()
    for (const address of ['2001:db8::3', '10.0.0.1', '::ffff:10.0.0.1'])
      await expect(send(keys, key, address)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    await send(keys, key, '2001:db8:0:1::1')
  })

  it('is never locked out where that is turned off; a misspelt option is refused', async () => {
    const { keys } = keysOf({ lockOut: false })
    for (let at = 0; at < 50; at++) await expect(send(keys, 'guess')).rejects.toThrow()
    await send(keys, key)
    for (const lockOut of [{ maxFailures: 0 }, { seconds: Number.NaN }, { max: 1 }])
      expect(() => keysOf({ lockOut: lockOut as object })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a join token', () => {
  const setUp = () => {
    const clock = new FakeClock()
    return {
      clock,
      joining: new JoinTokenAuthenticator({ store: createMemoryOneTimeStore({ clock }), clock }),
    }
  }
  const grant = { identities: ['spiffe://example.org/machine/7'], ttlSeconds: 600 }

  it('of a hundred at once succeeds once', async () => {
    const { joining } = setUp()
    const token = await joining.createToken(grant)
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, (_, at) => send(joining, token, `10.0.0.${at}`)),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('expires, is one value, and is not guessed', async () => {
    const { joining, clock } = setUp()
    const token = await joining.createToken(grant)
    await expect(send(joining, [token, token])).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    for (const value of ['', 'x', 'x'.repeat(600), `${token}\n`, token.slice(1)])
      await expect(send(joining, value)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    clock.advance(600_000)
    await expect(send(joining, token, '10.0.0.1')).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    expect(await joining.authenticate(requestWith({}))).toBeUndefined()
  })

  it.each([
    { ...grant, ttlSeconds: 0 },
    { ...grant, ttlSeconds: 604_801 },
    { ...grant, identities: [] },
  ])('for %j is not made', async (request) => {
    await expect(setUp().joining.createToken(request)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('the store in memory', () => {
  itKeeps(contracts.OneTimeStore({ open: async () => createMemoryOneTimeStore() }))

  it('is full at its limit, and has room again when values expire', async () => {
    const clock = new FakeClock()
    const store = createMemoryOneTimeStore({ maxEntries: 2, clock })
    const soon = new Date((testNow + 10) * 1000)
    await store.add('a', '', soon)
    await store.add('b', '', soon)
    await expect(store.add('c', '', soon)).rejects.toThrow(code('ERR_STORE_FULL'))
    clock.advance(10_000)
    expect(await store.add('c', '', new Date((testNow + 20) * 1000))).toBe(true)
  })
})
