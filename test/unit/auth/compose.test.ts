// anyOf, allOf, withAudience, withNonce.

import { describe, expect, it } from 'vitest'
import {
  allOf,
  anyOf,
  authenticationError,
  createMemoryOneTimeStore,
  requireCaller,
  withAudience,
  withNonce,
} from '../../../src/auth/index.ts'
import type { Authenticator, Caller } from '../../../src/auth/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { requestWith, testNow } from '../../support/tokens.ts'

const ids = (...names: string[]) => names.map((name) => SpiffeId.parse(`spiffe://example.org/${name}`))
const answering = (name: string, caller: Partial<Caller> | undefined): Authenticator => ({
  name,
  authenticate: async () =>
    caller === undefined ? undefined : { identities: ids('a'), credential: name, claims: {}, ...caller },
})
const rejecting: Authenticator = {
  name: 'bad',
  authenticate: () => Promise.reject(authenticationError('stale')),
}
const absent = answering('absent', undefined)
const request = requestWith({})

describe('anyOf', () => {
  it('asks the next after absent, and ends at rejected', async () => {
    expect((await requireCaller(anyOf(absent, answering('x', {})), request)).credential).toBe('x')
    await expect(requireCaller(anyOf(absent, rejecting, answering('x', {})), request)).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
    await expect(requireCaller(anyOf(absent), request)).rejects.toThrow(code('ERR_CREDENTIAL_MISSING'))
    expect(() => anyOf()).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('allOf', () => {
  const token = answering('token', { identities: ids('a', 'b'), claims: { jti: '1' } })
  const tls = answering('tls', { identities: ids('b', 'c'), claims: { serial: '2' } })

  it('has the shared identities, and the claims of each', async () => {
    const caller = await requireCaller(allOf([token, tls]), request)
    expect(caller.identities.map(String)).toEqual(['spiffe://example.org/b'])
    expect(caller).toMatchObject({
      credential: 'token+tls',
      claims: { token: { jti: '1' }, tls: { serial: '2' } },
    })
  })

  it.each([
    [[token, answering('tls', { identities: ids('z') })], 'ERR_CREDENTIAL_INVALID'],
    [[token, absent], 'ERR_CREDENTIAL_INVALID'],
    [[absent, tls], 'ERR_CREDENTIAL_INVALID'],
    [[token, rejecting], 'ERR_CREDENTIAL_INVALID'],
    [[absent, answering('absent2', undefined)], 'ERR_CREDENTIAL_MISSING'],
    [[token, answering('tls', { identities: [] })], 'ERR_AUTHENTICATOR_FAILED'],
  ])('case %#: %s', async (all, expected) => {
    await expect(requireCaller(allOf(all as Authenticator[]), request)).rejects.toThrow(
      code(expected as string),
    )
  })

  it('with a binding of its own has the identities of the first; only true is a yes', async () => {
    const other = answering('tls', { identities: ids('z') })
    const bound = allOf([token, other], {
      binding: async ([one, two]) => one!.claims['jti'] === '1' && two !== undefined,
    })
    expect((await requireCaller(bound, request)).identities.map(String)).toEqual(ids('a', 'b').map(String))
    for (const answer of [false, undefined, 1, 'yes', {}])
      await expect(
        requireCaller(allOf([token, other], { binding: () => answer as boolean }), request),
      ).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('of one, or of two of one name, or with an undefined binding, is refused', () => {
    expect(() => allOf([token])).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => allOf([token, token])).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => allOf([token, tls], { binding: undefined })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => allOf([token, {} as Authenticator])).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('withAudience', () => {
  it.each([
    ['ca', true],
    [['x', 'ca'], true],
    ['other', false],
    [[], false],
    [undefined, false],
    [null, false],
    [['ca', null], false],
    [{ 0: 'ca' }, false],
    ['ca,other', false],
  ])('aud %j: %s', async (aud, accepted) => {
    const answer = requireCaller(withAudience(answering('t', { claims: { aud } }), 'ca'), request)
    if (accepted) expect((await answer).credential).toBe('t')
    else await expect(answer).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('asks for an audience, and lets absent be absent', async () => {
    for (const audience of ['', [], undefined, [''], ' '])
      expect(() => withAudience(absent, audience as string)).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(await withAudience(absent, 'ca').authenticate(request)).toBeUndefined()
  })
})

describe('withNonce', () => {
  const claims = { iss: 'i', jti: 'n1', exp: testNow + 60 }
  const store = () => createMemoryOneTimeStore({ clock: new FakeClock() })

  it('takes a credential once, of a hundred at once one', async () => {
    const once = withNonce(answering('t', { claims }), { store: store() })
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => requireCaller(once, request)))
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it("one issuer's nonces are not another's", async () => {
    const shared = store()
    for (const iss of ['i', 'j', 'i'])
      await requireCaller(
        withNonce(answering('t', { claims: { ...claims, iss } }), { store: shared }),
        request,
      ).then(
        () => undefined,
        (error: unknown) => expect([iss, error]).toEqual(['i', code('ERR_CREDENTIAL_INVALID')]),
      )
  })

  it.each([
    { jti: undefined },
    { jti: '' },
    { jti: null },
    { jti: 1 },
    { jti: 'x'.repeat(2000) },
    { exp: undefined },
    { exp: '1' },
  ])('a credential with %j is refused', async (change) => {
    const once = withNonce(answering('t', { claims: { ...claims, ...change } }), { store: store() })
    await expect(requireCaller(once, request)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('a store that fails lets nobody in', async () => {
    for (const [error, expected] of [
      [new PkiError('ERR_STORE_UNAVAILABLE', 'x'), 'ERR_STORE_UNAVAILABLE'],
      [new TypeError('x'), 'ERR_AUTHENTICATOR_UNAVAILABLE'],
    ] as const) {
      const failing = { add: () => Promise.reject(error), take: async () => undefined }
      const once = withNonce(answering('t', { claims }), { store: failing })
      await expect(requireCaller(once, request)).rejects.toThrow(code(expected))
    }
    expect(() => withNonce(absent, { store: {} as never })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => withNonce(absent, { store: store(), claim: '' })).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(await withNonce(absent, { store: store() }).authenticate(request)).toBeUndefined()
  })
})
