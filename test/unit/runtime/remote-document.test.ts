// A remote document over time: one fetch at a time, one per cool-down, the
// last good value for a while and no longer.

import { describe, expect, it } from 'vitest'
import { PkiError } from '../../../src/errors/index.ts'
import { createRemoteDocument, withoutQuery } from '../../../src/runtime/internal.ts'
import type { GuardedFetcher } from '../../../src/runtime/index.ts'
import type { GuardedRequest, GuardedResponse } from '../../../src/runtime/internal.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'

type Answer = Partial<Omit<GuardedResponse, 'body'>> & { readonly text?: string }

class FakeFetcher implements GuardedFetcher {
  answer: (request: GuardedRequest) => Answer | Promise<Answer> = () => ({ text: 'one' })
  readonly requests: GuardedRequest[] = []
  open = 0
  most = 0

  async fetch(url: string, request: GuardedRequest = {}): Promise<GuardedResponse> {
    this.requests.push(request)
    this.most = Math.max(this.most, ++this.open)
    try {
      const { text = '', ...rest } = await this.answer(request)
      return { url, status: 200, headers: {}, body: new TextEncoder().encode(text), ...rest }
    } finally {
      this.open--
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function setUp(options: object = {}) {
  const clock = new FakeClock()
  const fetcher = new FakeFetcher()
  const document = createRemoteDocument<{ text: string }>({
    url: 'https://keys.example/',
    fetcher,
    clock,
    parse: (body) => {
      const text = new TextDecoder().decode(body)
      if (text === 'bad') throw new PkiError('ERR_JSON', 'bad')
      if (text === 'private') throw new PkiError('ERR_JWK_INVALID', 'private')
      return { text }
    },
    forgetOn: (error) => error.code === 'ERR_JWK_INVALID',
    ...options,
  })
  return { clock, fetcher, document }
}

const down = (): never => {
  throw new PkiError('ERR_FETCH_FAILED', 'down')
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a remote document', () => {
  it('is fetched once for many who ask at once, and again when it is old', async () => {
    const { clock, fetcher, document } = setUp()
    await Promise.all(Array.from({ length: 100 }, () => document.get()))
    expect([fetcher.requests.length, fetcher.most]).toEqual([1, 1])
    clock.advance(224_999)
    await document.get()
    expect(fetcher.requests).toHaveLength(1)
    clock.advance(1)
    await Promise.all(Array.from({ length: 100 }, () => document.get()))
    expect([fetcher.requests.length, fetcher.most]).toEqual([2, 1])
    await settled()
    clock.advance(300_000)
    fetcher.answer = () => ({ text: 'two' })
    expect(await document.get()).toEqual({ text: 'two' })
  })

  it('one who gives up does not end the fetch of the others', async () => {
    const { fetcher, document } = setUp()
    let answer: (value: Answer) => void = () => undefined
    fetcher.answer = () => new Promise((resolve) => (answer = resolve))
    const gone = new AbortController()
    const [first, second] = [document.get(gone.signal), document.get()]
    gone.abort()
    await expect(first).rejects.toThrow(code('ERR_ABORTED'))
    answer({ text: 'one' })
    expect(await second).toEqual({ text: 'one' })
  })

  it.each([
    ['', 300],
    ['max-age=600', 600],
    ['public, MAX-AGE=600', 600],
    ['max-age=1', 60],
    ['max-age=31536000', 3_600],
    ['no-store, max-age=600', 60],
    ['no-cache', 60],
    ['max-age=-5', 300],
    ['max-age=1e9', 300],
    ['max-age=99999999999999999999', 300],
  ])('cache-control %j: fresh for %i s', async (value, seconds) => {
    const { clock, fetcher, document } = setUp()
    fetcher.answer = () => ({ headers: { 'cache-control': value } })
    await document.get()
    clock.advance(seconds * 750 - 1)
    await document.get()
    expect(fetcher.requests).toHaveLength(1)
    clock.advance(1)
    await document.get()
    expect(fetcher.requests).toHaveLength(2)
  })

  it('names its URL without query, password and fragment', async () => {
    const url = 'https://user:secret@keys.example/jwks?token=secret/@x#secret'
    const { clock, fetcher, document } = setUp({ url, forgetOn: () => true })
    const messageOf = (): Promise<string> =>
      document.get().then(String, (error: unknown) => (error as Error).message)
    fetcher.answer = () => ({ status: 500 })
    expect(await messageOf()).toBe('https://keys.example/jwks answered with status 500; expected 200')
    clock.advance(30_000)
    fetcher.answer = () => Promise.reject(new Error('down'))
    expect(await messageOf()).toBe('https://keys.example/jwks cannot be loaded')
    await document[Symbol.asyncDispose]()
    expect(await messageOf()).toBe('https://keys.example/jwks: the owner was closed')
    expect(withoutQuery('https://a.example?x=/@b')).toBe('https://a.example')
    expect(withoutQuery('https://a.example/b@c')).toBe('https://a.example/b@c')
  })

  it('asks by ETag, and keeps the same value after 304', async () => {
    const { clock, fetcher, document } = setUp()
    fetcher.answer = () => ({ text: 'one', headers: { etag: '"v1"' } })
    const value = await document.get()
    clock.advance(400_000)
    fetcher.answer = () => ({ status: 304 })
    expect(await document.get()).toBe(value)
    expect(fetcher.requests[1]?.headers).toEqual({ 'if-none-match': '"v1"' })
  })

  it('304 to a request without ETag is a failure', async () => {
    const { fetcher, document } = setUp()
    fetcher.answer = () => ({ status: 304 })
    await expect(document.get()).rejects.toThrow(code('ERR_FETCH_FAILED'))
  })

  it('keeps the last good value while the server fails, until the declared end', async () => {
    const { clock, fetcher, document } = setUp()
    await document.get()
    fetcher.answer = down
    clock.advance(300_000)
    for (let second = 0; second < 3_600; second += 10) {
      expect(await document.get()).toEqual({ text: 'one' })
      await settled()
      clock.advance(10_000)
    }
    expect(fetcher.requests.length).toBeLessThanOrEqual(1 + 3_600 / 30)
    clock.advance(30_000)
    await expect(document.get()).rejects.toThrow(code('ERR_FETCH_FAILED'))
    const before = fetcher.requests.length
    await expect(document.get()).rejects.toThrow(code('ERR_FETCH_FAILED'))
    expect(fetcher.requests.length).toBe(before)
    clock.advance(30_000)
    fetcher.answer = () => ({ text: 'back' })
    expect(await document.get()).toEqual({ text: 'back' })
  })

  it('a value that ends while the fetch hangs is not used', async () => {
    const { clock, fetcher, document } = setUp({ maxStaleSeconds: 0 })
    await document.get()
    clock.advance(300_000)
    fetcher.answer = down
    await expect(document.get()).rejects.toThrow(code('ERR_FETCH_FAILED'))
  })

  it('fails at once during the cool-down when there is nothing', async () => {
    const { clock, fetcher, document } = setUp()
    fetcher.answer = down
    for (let at = 0; at < 60; at++) {
      await expect(document.get()).rejects.toThrow(code('ERR_FETCH_FAILED'))
      await expect(document.reload()).rejects.toThrow(code('ERR_FETCH_FAILED'))
      clock.advance(1_000)
    }
    expect(fetcher.requests).toHaveLength(2)
  })

  it.each([
    ['bad', { text: 'one' }],
    ['private', undefined],
  ])('a document that reads as %s: the last good one is %j', async (text, expected) => {
    const { clock, fetcher, document } = setUp()
    await document.get()
    fetcher.answer = () => ({ text })
    clock.advance(300_000)
    if (expected === undefined) await expect(document.get()).rejects.toThrow(code('ERR_JWK_INVALID'))
    else expect(await document.get()).toEqual(expected)
  })

  it('a server that flaps is asked once per cool-down, whoever asks', async () => {
    const { clock, fetcher, document } = setUp()
    let version = 0
    fetcher.answer = () => ({ text: String(version++) })
    for (let second = 0; second < 300; second++) {
      await Promise.all([document.reload(), document.reload(), document.get()])
      clock.advance(1_000)
    }
    expect([fetcher.requests.length, fetcher.most]).toEqual([10, 1])
  })

  it.each([500, 404, 206, 204, 201])('status %i is a failure', async (status) => {
    const { fetcher, document } = setUp()
    fetcher.answer = () => ({ status })
    await expect(document.get()).rejects.toThrow(code('ERR_FETCH_FAILED'))
  })

  it('is closed by its owner', async () => {
    const { document } = setUp()
    await document.get()
    await document[Symbol.asyncDispose]()
    await expect(document.get()).rejects.toThrow(code('ERR_CLOSED'))
  })

  it.each([
    { cooldownSeconds: 0 },
    { minFreshSeconds: Number.NaN },
    { minFreshSeconds: 600, maxFreshSeconds: 60 },
    { maxStaleSeconds: -1 },
  ])('the lifetimes %j are refused', (options) => {
    expect(() => setUp(options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
