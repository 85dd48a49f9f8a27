// API keys, composite authenticators and the checks of the callers that they return.

import { describe, expect, it } from 'vitest'
import {
  ApiKeyAuthenticator,
  CompositeAuthenticator,
  authenticationError,
  requireCaller,
} from '../../../src/auth/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../../../src/auth/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'

const id = SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')

function request(headers: Record<string, string[]> = {}, chain?: Certificate[]): AuthenticationRequest {
  return {
    transport: 'grpc',
    header: (name) => headers[name] ?? [],
    peer: { address: '127.0.0.1', port: 1 },
    tls: chain === undefined ? undefined : { presentedChain: chain, verifiedChain: [] },
    signal: new AbortController().signal,
  }
}

const caller: Caller = { identities: [id], credential: 'test', claims: {} }
const silent: Authenticator = { name: 'silent', authenticate: async () => undefined }
const good: Authenticator = { name: 'good', authenticate: async () => caller }
const bad: Authenticator = { name: 'bad', authenticate: () => Promise.reject(authenticationError('stale')) }
const broken: Authenticator = {
  name: 'broken',
  authenticate: () => Promise.reject(new TypeError('secret-detail')),
}
const answers = (value: unknown): Authenticator => ({
  name: 'odd',
  authenticate: async () => value as Caller,
})

describe('an API key', () => {
  it('is never the empty text', async () => {
    expect(() => ApiKeyAuthenticator.digestOf('')).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => ApiKeyAuthenticator.digestOf(undefined as unknown as string)).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    const digest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    expect(() => new ApiKeyAuthenticator({ keys: [{ id: 'unset', digest, identities: [id] }] })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})

describe('CompositeAuthenticator', () => {
  it('refuses an onFailure that is misspelt', () => {
    expect(
      () => new CompositeAuthenticator({ authenticators: [good], onFailure: 'tryNext' as 'try-next' }),
    ).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([
    { authenticators: [good], onFailure: 'deny', result: 'caller' },
    { authenticators: [silent, good], onFailure: 'deny', result: 'caller' },
    { authenticators: [silent], onFailure: 'deny', result: 'ERR_CREDENTIAL_MISSING' },
    { authenticators: [bad, good], onFailure: 'deny', result: 'ERR_CREDENTIAL_INVALID' },
    { authenticators: [bad, good], onFailure: 'try-next', result: 'caller' },
    { authenticators: [bad, silent], onFailure: 'try-next', result: 'ERR_CREDENTIAL_INVALID' },
    { authenticators: [broken, good], onFailure: 'deny', result: 'ERR_AUTHENTICATOR_FAILED' },
    { authenticators: [broken, good], onFailure: 'try-next', result: 'caller' },
    { authenticators: [broken, bad], onFailure: 'try-next', result: 'ERR_AUTHENTICATOR_FAILED' },
    { authenticators: [answers({ identities: [] })], onFailure: 'deny', result: 'ERR_AUTHENTICATOR_FAILED' },
    { authenticators: [answers(null)], onFailure: 'deny', result: 'ERR_AUTHENTICATOR_FAILED' },
    {
      authenticators: [answers({ identities: ['spiffe://example.org/x'] })],
      onFailure: 'deny',
      result: 'ERR_AUTHENTICATOR_FAILED',
    },
  ] as const)('case %#: $onFailure → $result', async ({ authenticators, onFailure, result }) => {
    const composite = new CompositeAuthenticator({ authenticators, onFailure })
    const answer = requireCaller(composite, request())
    if (result === 'caller') expect(await answer).toEqual(caller)
    else await expect(answer).rejects.toThrow(code(result))
  })

  it('logs the reason and counts it', async () => {
    const lines: unknown[] = []
    const counts: unknown[] = []
    const ignore = (): void => undefined
    const composite = new CompositeAuthenticator({
      authenticators: [bad],
      logger: { debug: ignore, info: ignore, error: ignore, warn: (fields) => lines.push(fields) },
      metrics: { count: (...args) => counts.push(args), gauge: ignore, observe: ignore },
    })
    await expect(composite.authenticate(request())).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
    expect(lines).toEqual([
      { authenticator: 'bad', code: 'ERR_CREDENTIAL_INVALID', reason: 'stale', peer: '127.0.0.1' },
    ])
    expect(counts).toEqual([
      ['authentication_failures', { authenticator: 'bad', code: 'ERR_CREDENTIAL_INVALID' }],
    ])
  })

  it('logs what broke an authenticator by its name, not by its words', async () => {
    const lines: unknown[] = []
    const ignore = (): void => undefined
    const system = Object.assign(new Error('connect secret-detail'), { code: 'ECONNREFUSED' })
    for (const cause of [new TypeError('secret-detail'), system, 'secret-detail']) {
      const composite = new CompositeAuthenticator({
        authenticators: [{ name: 'broken', authenticate: () => Promise.reject(cause as Error) }],
        logger: { debug: ignore, info: ignore, error: ignore, warn: (fields) => lines.push(fields) },
      })
      await expect(composite.authenticate(request())).rejects.toThrow(code('ERR_AUTHENTICATOR_FAILED'))
    }
    expect(lines).toMatchObject([{ cause: 'TypeError' }, { cause: 'ECONNREFUSED' }, { cause: 'string' }])
    expect(JSON.stringify(lines)).not.toContain('secret-detail')
  })

  it('refuses an empty list, which would deny everybody without a word', () => {
    expect(() => new CompositeAuthenticator({ authenticators: [] })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('stops when the caller is gone', async () => {
    const gone = new AbortController()
    gone.abort()
    let asked = 0
    const counting: Authenticator = {
      name: 'counting',
      authenticate: async () => {
        asked++
        return undefined
      },
    }
    const composite = new CompositeAuthenticator({ authenticators: [counting, counting] })
    await expect(composite.authenticate({ ...request(), signal: gone.signal })).rejects.toThrow(
      code('ERR_ABORTED'),
    )
    expect(asked).toBe(1)
  })
})

describe('requireCaller', () => {
  it.each<{ readonly what: string; readonly authenticator: Authenticator; readonly wanted: string }>([
    {
      what: 'throws',
      authenticator: {
        name: 'x',
        authenticate: () => {
          throw new TypeError('bug')
        },
      },
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    { what: 'rejects', authenticator: broken, wanted: 'ERR_AUTHENTICATOR_FAILED' },
    {
      what: 'rejects with nothing',
      authenticator: { name: 'x', authenticate: () => Promise.reject(undefined as unknown as Error) },
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    { what: 'has a code', authenticator: bad, wanted: 'ERR_CREDENTIAL_INVALID' },
    { what: 'answers with true', authenticator: answers(true), wanted: 'ERR_AUTHENTICATOR_FAILED' },
    {
      what: 'answers with a text',
      authenticator: answers('spiffe://example.org/x'),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    { what: 'answers with a list', authenticator: answers([caller]), wanted: 'ERR_AUTHENTICATOR_FAILED' },
    {
      what: 'has an identity that is text, among others',
      authenticator: answers({ ...caller, identities: [id, id.toString()] }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'has more identities than anybody',
      authenticator: answers({ ...caller, identities: Array.from({ length: 65 }, () => id) }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'forgets the credential',
      authenticator: answers({ identities: [id], claims: {} }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'forgets the claims',
      authenticator: answers({ identities: [id], credential: 'x' }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'has claims that are a list',
      authenticator: answers({ identities: [id], credential: 'x', claims: [] }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'is nobody',
      authenticator: answers({ ...caller, identities: [] }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'has identities that are no list',
      authenticator: answers({ ...caller, identities: { length: 1, 0: id } }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'has an empty credential',
      authenticator: answers({ ...caller, credential: '' }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'has a pod that is null',
      authenticator: answers({ ...caller, kubernetes: null }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'has the other half of a pod',
      authenticator: answers({ ...caller, kubernetes: { serviceAccount: 'api' } }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'has half a pod',
      authenticator: answers({ ...caller, kubernetes: { namespace: 'prod' } }),
      wanted: 'ERR_AUTHENTICATOR_FAILED',
    },
  ])('denies what $what', async ({ authenticator, wanted }) => {
    await expect(requireCaller(authenticator, request())).rejects.toThrow(code(wanted))
  })

  it('answers with a frozen copy: what the authenticator keeps cannot change who is calling', async () => {
    const identities = [id]
    const claims = { groups: ['reader'], nested: { a: 1 } }
    const kubernetes = { namespace: 'prod', serviceAccount: 'api' }
    const answer = await requireCaller(
      answers({ identities, credential: 'x', claims, kubernetes }),
      request(),
    )
    identities.push(SpiffeId.parse('spiffe://example.org/admin'))
    claims.groups.push('admin')
    claims.nested.a = 2
    kubernetes.namespace = 'kube-system'
    expect(answer).toEqual({
      identities: [id],
      credential: 'x',
      claims: { groups: ['reader'], nested: { a: 1 } },
      kubernetes: { namespace: 'prod', serviceAccount: 'api' },
    })
    const parts = [answer, answer.identities, answer.claims, answer.kubernetes, answer.claims['groups']]
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true)
    expect(answer.claims['constructor']).toBeUndefined()
  })

  it.each<readonly [string, unknown]>([
    ['a function', () => 'admin'],
    ['a class instance', new Date(0)],
    ['a Map', new Map([['a', 1]])],
    ['more depth than JSON from outside has', Array.from({ length: 20 }).reduce((inner) => [inner], 'x')],
    ['more values than anybody reads', Array.from({ length: 10_001 }, () => 1)],
  ])('refuses claims with %s', async (_, claim) => {
    const odd = answers({ identities: [id], credential: 'x', claims: { claim } })
    await expect(requireCaller(odd, request())).rejects.toThrow(code('ERR_AUTHENTICATOR_FAILED'))
  })

  it('takes a caller of many identities', async () => {
    const many = { ...caller, identities: Array.from({ length: 64 }, () => id) }
    expect(await requireCaller(answers(many), request())).toEqual(many)
  })

  it('takes a caller of a pod', async () => {
    const pod = { ...caller, kubernetes: { namespace: 'prod', serviceAccount: 'api' } }
    expect(await requireCaller(answers(pod), request())).toEqual(pod)
  })
})

describe('ApiKeyAuthenticator', () => {
  const key = ApiKeyAuthenticator.generateKey()
  const authenticator = new ApiKeyAuthenticator({
    keys: [{ id: 'ci', digest: ApiKeyAuthenticator.digestOf(key), identities: [id] }],
  })

  it('knows its keys', async () => {
    expect(await authenticator.authenticate(request({ 'x-api-key': [key] }))).toEqual({
      identities: [id],
      credential: 'api-key',
      claims: { keyId: 'ci' },
    })
    expect(await authenticator.authenticate(request())).toBeUndefined()
  })

  it.each([[['']], [['wrong']], [[ApiKeyAuthenticator.generateKey()]], [['x'.repeat(10_000)]], [[key, key]]])(
    'refuses %#',
    async (values) => {
      await expect(authenticator.authenticate(request({ 'x-api-key': values }))).rejects.toThrow(
        code('ERR_CREDENTIAL_INVALID'),
      )
    },
  )

  it.each([
    { digest: 'ABC', identities: [id], code: 'ERR_INVALID_ARGUMENT' },
    { digest: ApiKeyAuthenticator.digestOf(key), identities: [], code: 'ERR_INVALID_ARGUMENT' },
    {
      digest: ApiKeyAuthenticator.digestOf(key),
      identities: ['https://example.org'],
      code: 'ERR_SPIFFE_ID_INVALID',
    },
  ])('refuses an entry that could not work: $code', ({ digest, identities, code: wanted }) => {
    expect(() => new ApiKeyAuthenticator({ keys: [{ id: 'x', digest, identities }] })).toThrow(code(wanted))
  })

  it('takes keys of up to 512 characters', async () => {
    const [longest, tooLong] = ['x'.repeat(512), 'x'.repeat(513)]
    const own = new ApiKeyAuthenticator({
      keys: [longest, tooLong].map((one, i) => ({
        id: String(i),
        digest: ApiKeyAuthenticator.digestOf(one),
        identities: [id],
      })),
    })
    expect(await own.authenticate(request({ 'x-api-key': [longest] }))).toMatchObject({
      claims: { keyId: '0' },
    })
    await expect(own.authenticate(request({ 'x-api-key': [tooLong] }))).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
  })

  it('refuses one key for two entries: which one holds would depend on their order', () => {
    const digest = ApiKeyAuthenticator.digestOf(key)
    expect(
      () =>
        new ApiKeyAuthenticator({
          keys: [
            { id: 'a', digest, identities: [id] },
            { id: 'b', digest, identities: [id] },
          ],
        }),
    ).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('asks for its header in lower case, as transports have it', async () => {
    const own = new ApiKeyAuthenticator({
      header: 'X-Own-Key',
      keys: [{ id: 'ci', digest: ApiKeyAuthenticator.digestOf(key), identities: [id] }],
    })
    expect(await own.authenticate(request({ 'x-own-key': [key] }))).toMatchObject({ credential: 'api-key' })
  })

  it('never tells the key', async () => {
    const secret = 'a-guess-that-failed'
    const error: unknown = await authenticator
      .authenticate(request({ 'x-api-key': [secret] }))
      .catch((cause: unknown) => cause)
    expect(JSON.stringify([error, String(error)])).not.toContain(secret)
  })
})
