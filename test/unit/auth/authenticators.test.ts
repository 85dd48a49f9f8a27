import { describe, expect, it } from 'vitest'
import {
  ApiKeyAuthenticator, ClientCertificateAuthenticator, CompositeAuthenticator, authenticationError, generateApiKey, hashApiKey, requireCaller,
} from '../../../src/auth/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../../../src/auth/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'

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

const code = (value: string) => expect.objectContaining({ code: value })
const caller: Caller = { identities: [id], credential: 'test', claims: {} }
const silent: Authenticator = { name: 'silent', authenticate: async () => undefined }
const good: Authenticator = { name: 'good', authenticate: async () => caller }
const bad: Authenticator = { name: 'bad', authenticate: () => Promise.reject(authenticationError('stale')) }
const broken: Authenticator = { name: 'broken', authenticate: () => Promise.reject(new TypeError('secret-detail')) }
const answers = (value: unknown): Authenticator => ({ name: 'odd', authenticate: async () => value as Caller })

describe('CompositeAuthenticator', () => {
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
    { authenticators: [answers({ identities: ['spiffe://example.org/x'] })], onFailure: 'deny', result: 'ERR_AUTHENTICATOR_FAILED' },
    { authenticators: [answers({ identities: Array.from({ length: 65 }, () => id) })], onFailure: 'deny', result: 'ERR_AUTHENTICATOR_FAILED' },
  ] as const)('case %#: $onFailure → $result', async ({ authenticators, onFailure, result }) => {
    const composite = new CompositeAuthenticator({ authenticators, onFailure })
    const answer = requireCaller(composite, request())
    if (result === 'caller') expect(await answer).toBe(caller)
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
    expect(lines).toEqual([{ authenticator: 'bad', code: 'ERR_CREDENTIAL_INVALID', reason: 'stale', peer: '127.0.0.1' }])
    expect(counts).toEqual([['authentication_failures', { authenticator: 'bad', code: 'ERR_CREDENTIAL_INVALID' }]])
  })

  it('refuses an empty list, which would deny everybody without a word', () => {
    expect(() => new CompositeAuthenticator({ authenticators: [] })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('stops when the caller is gone', async () => {
    const gone = new AbortController()
    gone.abort()
    let asked = 0
    const counting: Authenticator = { name: 'counting', authenticate: async () => { asked++; return undefined } }
    const composite = new CompositeAuthenticator({ authenticators: [counting, counting] })
    await expect(composite.authenticate({ ...request(), signal: gone.signal })).rejects.toThrow(code('ERR_ABORTED'))
    expect(asked).toBe(1)
  })
})

describe('ApiKeyAuthenticator', () => {
  const key = generateApiKey()
  const authenticator = new ApiKeyAuthenticator({ keys: [{ id: 'ci', digest: hashApiKey(key), identities: [id] }] })

  it('knows its keys', async () => {
    expect(await authenticator.authenticate(request({ 'x-api-key': [key] }))).toEqual({ identities: [id], credential: 'api-key', claims: { keyId: 'ci' } })
    expect(await authenticator.authenticate(request())).toBeUndefined()
  })

  it.each([[['']], [['wrong']], [[generateApiKey()]], [['x'.repeat(10_000)]], [[key, key]]])('refuses %#', async (values) => {
    await expect(authenticator.authenticate(request({ 'x-api-key': values }))).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it.each([
    { digest: 'ABC', identities: [id], code: 'ERR_INVALID_ARGUMENT' },
    { digest: hashApiKey(key), identities: [], code: 'ERR_INVALID_ARGUMENT' },
    { digest: hashApiKey(key), identities: ['https://example.org'], code: 'ERR_SPIFFE_ID_INVALID' },
  ])('refuses an entry that could not work: $code', ({ digest, identities, code: wanted }) => {
    expect(() => new ApiKeyAuthenticator({ keys: [{ id: 'x', digest, identities }] })).toThrow(code(wanted))
  })

  it('never tells the key', async () => {
    const secret = 'a-guess-that-failed'
    const error: unknown = await authenticator.authenticate(request({ 'x-api-key': [secret] })).catch((cause: unknown) => cause)
    expect(JSON.stringify([error, String(error)])).not.toContain(secret)
  })
})

describe('ClientCertificateAuthenticator', () => {
  const leaf = { serialNumber: '01', notAfter: new Date(0) } as unknown as Certificate
  const trusted = new ClientCertificateAuthenticator({ verify: () => ({ ok: true, id }) })
  const untrusted = new ClientCertificateAuthenticator({ verify: () => ({ ok: false, rejected: [{ code: 'ERR_X', rule: 'X-1', message: 'no path' }] }) })

  it('has nothing to say without a certificate', async () => {
    expect(await trusted.authenticate(request())).toBeUndefined()
    expect(await trusted.authenticate(request({}, []))).toBeUndefined()
  })

  it('takes the identity of a verified chain', async () => {
    expect(await trusted.authenticate(request({}, [leaf]))).toMatchObject({ identities: [id], credential: 'x509' })
  })

  it('refuses an untrusted one with a code of its own', async () => {
    await expect(untrusted.authenticate(request({}, [leaf]))).rejects.toThrow(code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'))
  })

  it('refuses an endless chain before looking at it', async () => {
    const chain = Array.from({ length: 11 }, () => leaf)
    await expect(trusted.authenticate(request({}, chain))).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })
})
