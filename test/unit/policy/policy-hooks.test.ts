// Hooks after a policy: they narrow or refuse; a failure, a delay and an answer that cannot be read refuse.

import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PkiError } from '../../../src/errors/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { callerIdentityPolicy, withPolicyHooks } from '../../../src/policy/index.ts'
import type { IssuanceDecision } from '../../../src/policy/index.ts'
import type { GuardedFetcher } from '../../../src/runtime/index.ts'
import { buildCertificateRequest, generalName } from '../../../src/x509/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { callerOf } from '../../support/pki.ts'

const subjectAltName = [generalName.dns('a.example.org'), generalName.dns('b.example.org')]
const csr = await buildCertificateRequest(
  { extensions: { subjectAltName } },
  await SoftwareSigner.generate('P-256'),
)
const inner = callerIdentityPolicy({
  trustDomain: 'example.org',
  mayHaveName: () => true,
  maxTtlSeconds: 3600,
})
type Hooks = Parameters<typeof withPolicyHooks>[1]
const decide = async (hooks: Hooks, caller = callerOf()): Promise<IssuanceDecision> =>
  withPolicyHooks(inner, hooks).decide({ csr, ttlSeconds: undefined, source: '192.0.2.1' }, caller)

const hmacKey = Buffer.alloc(32, 7)
const url = 'https://policy.test/decide'
type Fetch = GuardedFetcher['fetch']
const answering =
  (body: unknown, status = 200): Fetch =>
  async (at) => ({
    status,
    headers: {},
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    url: at,
  })
const webhook = (fetch: Fetch, more: object = {}): Hooks => ({
  webhook: { url, fetcher: { fetch }, hmacKey, ...more },
})

describe.each([
  ['hook', (answer: unknown): Hooks => ({ hook: () => answer as never })],
  ['webhook', (answer: unknown): Hooks => webhook(answering(answer))],
])('%s', (rule, hooks) => {
  it('allows as it is', async () => {
    expect(await decide(hooks({ allowed: true }))).toMatchObject({ allowed: true, trimmed: [] })
  })
  it('refuses with its reason', async () => {
    expect(await decide(hooks({ allowed: false, reason: 'not today' }))).toEqual({
      allowed: false,
      rule,
      code: 'ERR_POLICY_DENIED',
      reason: 'not today',
    })
  })
  it('narrows the validity and the names, and says so', async () => {
    const decision = await decide(
      hooks({ allowed: true, maxTtlSeconds: 60, withoutNames: ['DNS:a.example.org'] }),
    )
    if (!decision.allowed) throw new Error(decision.reason)
    expect(decision.content.maxTtlSeconds).toBe(60)
    expect(decision.content.subjectAltName.map((name) => (name as { value: string }).value)).toEqual([
      'spiffe://example.org/ns/prod/sa/api',
      'b.example.org',
    ])
    expect(decision.trimmed).toEqual([
      `DNS:a.example.org omitted by ${rule}`,
      `validity: at most 60 s by ${rule}`,
    ])
  })
  it('does not lengthen', async () => {
    expect(await decide(hooks({ allowed: true, maxTtlSeconds: 7200 }))).toMatchObject({
      content: { maxTtlSeconds: 3600 },
      trimmed: [],
    })
  })
  it('is not asked where the policy refuses', async () => {
    expect(await decide(hooks({ allowed: true }), callerOf('spiffe://other.test/a'))).toMatchObject({
      allowed: false,
      rule: 'trust-domain',
    })
  })
  it.each([
    [null],
    [true],
    ['yes'],
    [[]],
    [{}],
    [{ allowed: 1 }],
    [{ allowed: 'true' }],
    [{ allowed: true, maxTtl: 5 }],
    [{ allowed: true, maxTtlSeconds: 0 }],
    [{ allowed: true, maxTtlSeconds: '60' }],
    [{ allowed: true, withoutNames: 'DNS:a.example.org' }],
    [{ allowed: true, withoutNames: ['DNS:c.example.org'] }],
    [{ allowed: true, withoutNames: ['URI:spiffe://example.org/ns/prod/sa/api'] }],
    [{ allowed: true, withoutNames: '' }],
    [{ allowed: true, withoutNames: null }],
    [{ allowed: true, maxTtlSeconds: null }],
    [{ allowed: false, reason: 7 }],
    [{ allowed: false, reason: null }],
  ])('%j is no answer', async (answer) => {
    await expect(decide(hooks(answer))).rejects.toMatchObject({ code: 'ERR_POLICY_FAILED' })
  })
})

it('what a hook throws refuses', async () => {
  const throwing = (error: unknown): Hooks => ({ hook: () => Promise.reject(error as Error) })
  await expect(decide(throwing(new Error('x')))).rejects.toMatchObject({ code: 'ERR_POLICY_FAILED' })
  const own = new PkiError('ERR_POLICY_DENIED', 'no')
  await expect(decide(throwing(own))).rejects.toBe(own)
})

describe('the webhook', () => {
  it.each([
    ['another status', answering({ allowed: true }, 500)],
    ['no JSON', answering('<html>')],
    ['a key twice', answering('{"allowed":false,"allowed":true}')],
    ['no connection', () => Promise.reject(new PkiError('ERR_FETCH_FAILED', 'down'))],
  ])('%s refuses', async (_, fetch) => {
    await expect(decide(webhook(fetch))).rejects.toMatchObject({ code: 'ERR_POLICY_FAILED' })
  })

  it('refuses after its deadline, whatever the fetcher does with the signal', async () => {
    const never: Fetch = () => new Promise(() => undefined)
    await expect(decide(webhook(never, { timeoutMs: 5 }))).rejects.toMatchObject({
      code: 'ERR_POLICY_FAILED',
    })
  })

  it('has the time and the deadline of its clock', async () => {
    const clock = new FakeClock(new Date('2026-11-30T10:00:00Z'))
    let body = ''
    const never: Fetch = (_, request) => {
      body = Buffer.from(request?.body ?? []).toString()
      clock.advance(5_000)
      return new Promise(() => undefined)
    }
    await expect(decide({ ...webhook(never, { timeoutMs: 5_000 }), clock })).rejects.toMatchObject({
      code: 'ERR_POLICY_FAILED',
    })
    expect(JSON.parse(body)).toMatchObject({ time: '2026-11-30T10:00:00.000Z' })
    await decide({ ...webhook(answering({ allowed: true })), clock })
    expect(clock.pending).toBe(0)
  })

  it('signs the body, and tells no claims', async () => {
    const sent: { body: string; headers: Readonly<Record<string, string>> }[] = []
    const fetch: Fetch = async (at, request) => {
      sent.push({ body: Buffer.from(request?.body ?? []).toString(), headers: request?.headers ?? {} })
      return answering({ allowed: true })(at)
    }
    await decide(webhook(fetch), { ...callerOf(), claims: { email: 'secret' } })
    const [{ body, headers } = { body: '', headers: {} }] = sent
    expect(headers['x-signature']).toBe(createHmac('sha256', hmacKey).update(body).digest('base64url'))
    expect(JSON.parse(body)).toMatchObject({
      identities: ['spiffe://example.org/ns/prod/sa/api'],
      source: '192.0.2.1',
      names: ['URI:spiffe://example.org/ns/prod/sa/api', 'DNS:a.example.org', 'DNS:b.example.org'],
      rule: 'caller-identity',
    })
    expect(body).not.toContain('secret')
    const signer = await SoftwareSigner.generate('P-256')
    await decide({ webhook: { url, fetcher: { fetch }, signer } })
    expect(sent[1]?.headers['x-signature-method']).toBe(`key ${signer.id}`)
  })
})

it('a reason is cut, and absent it is said', async () => {
  const refusing = (reason?: string): Hooks => ({ hook: () => ({ allowed: false, reason }) })
  expect(await decide(refusing('x'.repeat(5000)))).toMatchObject({ reason: 'x'.repeat(1024) })
  expect(await decide(refusing())).toMatchObject({ reason: 'refused without a reason' })
})

it('the fetcher gets the bounds of the answer, and the key is a copy', async () => {
  const sent: Parameters<Fetch>[1][] = []
  const fetch: Fetch = async (at, request) => {
    sent.push(request)
    return answering({ allowed: true })(at)
  }
  const own = Buffer.from(hmacKey)
  const policy = withPolicyHooks(inner, webhook(fetch, { hmacKey: own }))
  own.fill(0)
  await policy.decide({ csr, ttlSeconds: undefined }, callerOf())
  const [request] = sent
  expect(request).toMatchObject({ method: 'POST', contentTypes: ['application/json'], maxBytes: 16_384 })
  expect(request?.signal).toBeInstanceOf(AbortSignal)
  const signature = createHmac('sha256', hmacKey)
    .update(request?.body ?? '')
    .digest('base64url')
  expect(request?.headers).toMatchObject({ 'x-signature': signature, 'x-signature-method': 'hmac-sha256' })
})

it.each([{}, { decide: 'allow' }, null])('a policy that is %j is refused', (policy) => {
  expect(() => withPolicyHooks(policy as never, { hook: () => ({ allowed: true }) })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  )
})

it.each([
  [{}],
  [webhook(answering({}), { url: [url] })],
  [webhook(answering({}), { url: 'https:///decide' })],
  [webhook(answering({}), { hmacKey: 'x'.repeat(32) })],
  [{ webhook: { url, fetcher: { fetch: answering({}) } } }],
  [{ webhook: { url, fetcher: { fetch: answering({}) }, signer: {} } }],
  [{ webhook: { url, fetcher: {}, hmacKey } }],
  [webhook(answering({}), { timeoutMs: 60_001 })],
  [{ hook: 7 }],
  [{ hook: undefined }],
  [{ webhook: {} }],
  [webhook(answering({}), { url: 'http://policy.test' })],
  [webhook(answering({}), { hmacKey: Buffer.alloc(8) })],
  [webhook(answering({}), { signer: { sign: () => new Uint8Array() } })],
  [webhook(answering({}), { timeoutMs: 0 })],
  [webhook(answering({}), { x: 1 })],
])('options %# are refused', (hooks) => {
  expect(() => withPolicyHooks(inner, hooks as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  )
})

it('a hook gets the decision of any policy frozen: it narrows by its answer alone', async () => {
  const content = { subjectAltName: [generalName.uri('spiffe://example.org/a')], subject: undefined }
  const inner = { decide: () => ({ allowed: true as const, rule: 'x', content, trimmed: [] }) }
  const policy = withPolicyHooks(inner, {
    hook: (_request, _caller, decision) => {
      ;(decision.content.subjectAltName as unknown[]).push(generalName.dns('other.example'))
      return { allowed: true }
    },
  })
  await expect(policy.decide({ csr, ttlSeconds: undefined }, callerOf())).rejects.toMatchObject({
    code: 'ERR_POLICY_FAILED',
  })
  expect(content.subjectAltName).toHaveLength(1)
})
