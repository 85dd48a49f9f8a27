// A refused client chain is refused again without a verification, for a second.

import { describe, expect, it } from 'vitest'
import { ClientCertificateAuthenticator } from '../../../src/auth/index.ts'
import type { AuthenticationRequest } from '../../../src/auth/index.ts'
import { RefusedChains } from '../../../src/auth/refused-chains.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { testPki, tlsCredential } from '../../support/pki.ts'

const pki = await testPki()
const { certificate: leaf } = await tlsCredential(pki)
const { certificate: other } = await tlsCredential(pki)

const request = (presentedChain: readonly Certificate[]): AuthenticationRequest => ({
  transport: 'grpc',
  header: () => [],
  peer: undefined,
  tls: { presentedChain, verifiedChain: [] },
  signal: new AbortController().signal,
})

describe('ClientCertificateAuthenticator', () => {
  /** A checker that refuses, and how often it was asked. */
  function refusing(): {
    readonly clock: FakeClock
    readonly asked: () => number
    readonly refuse: (chain: readonly Certificate[]) => Promise<void>
  } {
    const clock = new FakeClock(new Date())
    let asked = 0
    const authenticator = new ClientCertificateAuthenticator({
      bundles: pki.authority.trustBundle(),
      clock,
      revocation: {
        check: () => {
          asked++
          return { code: 'ERR_REVOKED', certificate: undefined, rule: 'test', message: 'revoked' }
        },
      },
    })
    const refuse = (chain: readonly Certificate[]): Promise<void> =>
      expect(authenticator.authenticate(request(chain))).rejects.toThrow(
        code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'),
      )
    return { clock, asked: () => asked, refuse }
  }

  it('verifies a refused chain again only after a second', async () => {
    const { clock, asked, refuse } = refusing()
    await refuse([leaf])
    const once = asked()
    await refuse([leaf])
    await refuse([Certificate.parse(Uint8Array.from(leaf.der))]) // of another connection
    clock.advance(999)
    await refuse([leaf])
    expect(asked()).toBe(once)
    clock.advance(1)
    await refuse([leaf])
    expect(asked()).toBe(2 * once)
  })

  it('takes another chain for another one, also with the same leaf', async () => {
    const { asked, refuse } = refusing()
    await refuse([leaf])
    const once = asked()
    await refuse([other])
    expect(asked()).toBe(2 * once)
    await refuse([leaf, other])
    expect(asked()).toBe(3 * once)
  })
})

describe('RefusedChains', () => {
  const refusal = new PkiError('ERR_CLIENT_CERTIFICATE_UNTRUSTED', 'x')
  const chain = (serial: number): readonly Certificate[] =>
    [{ der: Uint8Array.of(serial >> 8, serial & 255) }] as unknown as readonly Certificate[]

  it('keeps 1,024 refusals, the newest', () => {
    const chains = new RefusedChains(new FakeClock())
    for (let serial = 0; serial < 1_025; serial++) chains.remember(chain(serial), refusal)
    expect(chains.find(chain(0))).toBeUndefined()
    expect(chains.find(chain(1))).toBe(refusal)
    expect(chains.find(chain(1_024))).toBe(refusal)
  })
})
