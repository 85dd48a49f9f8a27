// The identity provider: what is refused before the authenticator and the authorizer are asked, and that only
// `true` allows.

import { describe, expect, it } from 'vitest'
import { createIdentityProvider } from '../../../src/policy/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { alice, bearerTokens } from '../../support/bearer.ts'
import { code } from '../../support/codes.ts'
import { callerOf } from '../../support/pki.ts'

type Options = Parameters<typeof createIdentityProvider>[0]

function providing(decide: () => unknown, options: Partial<Options> = {}) {
  const lines: object[] = []
  const asked: unknown[] = []
  const ignore = (): void => undefined
  const provider = createIdentityProvider({
    authenticator: bearerTokens,
    authorizer: {
      decide: (request) => {
        asked.push(request)
        return decide() as never
      },
    },
    logger: { debug: ignore, info: ignore, error: ignore, warn: (fields) => lines.push(fields) },
    ...options,
  })
  return { provider, lines, asked }
}
const allowing = { allowed: true, rule: 'r', reason: '', audited: [] }

describe('a token', () => {
  const tokens: string[] = []
  const { provider } = providing(() => allowing, {
    authenticator: {
      name: 'any',
      authenticate: (request) => {
        tokens.push(...request.header('authorization'))
        return Promise.resolve(callerOf())
      },
    },
  })

  it('of 1 to 16,384 visible characters is asked about', async () => {
    for (const token of ['x', '!~', 'x'.repeat(16_384)]) await provider.validateIdentity(token)
    expect(tokens.splice(0)).toEqual(['Bearer x', 'Bearer !~', `Bearer ${'x'.repeat(16_384)}`])
  })

  it.each([
    ['that is empty', ''],
    ['that is too long', 'x'.repeat(16_385)],
    ['with a blank', 'alice bob'],
    ['with a line', 'alice\n'],
    ['with a letter beyond ASCII', 'é'],
    ['that is a list', ['alice']],
    ['that is an object with a text', { toString: () => 'alice' }],
    ['that is a number', 7],
    ['that is absent', undefined],
  ])('%s is not asked about', async (_, token) => {
    await expect(async () => provider.validateIdentity(token as string)).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
    expect(tokens).toEqual([])
  })
})

describe('what an identity may do', () => {
  it('is what the authorizer allows with true', async () => {
    const { provider, asked } = providing(() => allowing)
    const identity = await provider.validateIdentity('alice')
    expect(await provider.isAuthorized(identity, '/orders', 'GET')).toBe(true)
    expect(await provider.isAuthorized(identity, { path: '/x', host: 'a.test' }, 'PUT')).toBe(true)
    expect(asked).toEqual([
      { path: '/orders', method: 'GET', principal: undefined, claims: identity.claims },
      { path: '/x', host: 'a.test', method: 'PUT', principal: undefined, claims: identity.claims },
    ])
  })

  it.each([[1], ['true'], [{}], [undefined]])('is nothing where it answers with %j', async (allowed) => {
    const { provider, lines } = providing(() => ({ ...allowing, allowed }))
    expect(await provider.isAuthorized(callerOf(), '/orders', 'GET')).toBe(false)
    expect(lines).toEqual([expect.objectContaining({ rule: 'r' })])
  })

  it.each([[''], [undefined], [['GET']], [7]])('is nothing without an action: %j', async (action) => {
    const { provider, lines, asked } = providing(() => allowing)
    expect(await provider.isAuthorized(callerOf(), '/orders', action as string)).toBe(false)
    expect(asked).toEqual([])
    expect(lines).toEqual([expect.objectContaining({ rule: 'no-action' })])
  })

  it('is nothing where the authorizer throws, or the identity is several', async () => {
    const throwing = (error: unknown): unknown => {
      throw error
    }
    const identities = [alice, SpiffeId.parse('spiffe://example.org/b')]
    const several = { ...callerOf(), credential: 'x509', identities }
    const cases = [
      [callerOf(), new Error('broken'), { rule: 'ERR_INTERNAL', reason: 'broken' }],
      [callerOf(), 'broken', { rule: 'ERR_INTERNAL', reason: 'unknown' }],
      [callerOf(), new PkiError('ERR_STORE_UNAVAILABLE', 'down'), { rule: 'ERR_STORE_UNAVAILABLE' }],
      [several, undefined, { rule: 'ERR_POLICY_IDENTITY' }],
    ] as const
    for (const [identity, error, line] of cases) {
      const { provider, lines } = providing(() => throwing(error))
      expect(await provider.isAuthorized(identity, '/orders', 'GET')).toBe(false)
      expect(lines).toEqual([expect.objectContaining(line)])
    }
  })
})
