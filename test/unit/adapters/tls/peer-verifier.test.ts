// What a verifier of TLS peers remembers of a chain, and what makes it verify the chain again.

import { describe, expect, test } from 'vitest'
import { SessionCache } from '../../../../src/adapters/tls/client/connect-tls.ts'
import { PeerVerifier, matcherOf } from '../../../../src/adapters/tls/peer-verifier.ts'
import type { PeerPurpose } from '../../../../src/adapters/tls/peer-verifier.ts'
import type { SpiffeId } from '../../../../src/spiffe/index.ts'
import { TrustBundle, TrustBundleSet } from '../../../../src/svid/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import type { RevocationChecker } from '../../../../src/validation/index.ts'
import { generalName, keyPurposeOids } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { at, makeAuthority, makeLeaf, time } from '../../validation/test-pki.ts'

const id = 'spiffe://example.org/peer'
const spiffeName = (uri: string) => ({
  basicConstraints: { ca: true },
  subjectAltName: [generalName.uri(uri)],
})
const root = await makeAuthority('root', undefined, { extensions: spiffeName('spiffe://example.org') })
const other = await makeAuthority('other', undefined, { extensions: spiffeName('spiffe://example.org') })
const intermediate = await makeAuthority('intermediate', root, {
  notAfter: at(2),
  extensions: spiffeName('spiffe://example.org'),
})
const leafFields = { notBefore: at(-1), extensions: { subjectAltName: [generalName.uri(id)] } }
const leaf = await makeLeaf(intermediate, leafFields)
const chain = [leaf, intermediate.certificate]
const domain = 'example.org'
const roots = new TrustBundle(domain, { x509Authorities: [root.certificate] })

interface Verifier {
  readonly clock: FakeClock
  readonly bundles: TrustBundleSet
  verify(
    of?: Parameters<PeerVerifier['verify']>[0],
    purpose?: PeerPurpose,
  ): ReturnType<PeerVerifier['verify']>
  readonly verifier: PeerVerifier
}

function open(revocation?: RevocationChecker): Verifier {
  const clock = new FakeClock(time)
  const bundles = new TrustBundleSet([roots])
  const verifier = new PeerVerifier({ bundles, revocation, clock })
  return {
    clock,
    bundles,
    verifier,
    verify: (of = chain, purpose = 'clientAuth') => verifier.verify(of, purpose, matcherOf(id)),
  }
}

describe('a peer that comes back with the chain it was accepted with', () => {
  test('is the same peer', () => {
    const { verify } = open()
    const peer = verify()
    expect(verify(peer.chain)).toBe(peer)
  })

  test('is refused when a certificate of its path has expired', () => {
    const { clock, verify } = open()
    const peer = verify()
    clock.advance(2 * 3_600_000)
    expect(verify(peer.chain)).toBe(peer)
    clock.advance(1_000)
    expect(() => verify(peer.chain)).toThrow(code('ERR_TLS_PEER'))
  })

  test('is refused when the clock goes back to before its certificate', () => {
    const { clock, verify } = open()
    const peer = verify()
    clock.setWallClock(at(-2))
    expect(() => verify(peer.chain)).toThrow(code('ERR_TLS_PEER'))
  })

  test('is refused when its root was removed, and searched again when the bundle changed', () => {
    const { bundles, verify } = open()
    const peer = verify()
    bundles.set(roots.with({ x509Authorities: [root.certificate, other.certificate] }))
    expect(verify(peer.chain).id.toString()).toBe(id)
    bundles.set(roots.with({ x509Authorities: [other.certificate] }))
    expect(() => verify(peer.chain)).toThrow(code('ERR_TLS_PEER'))
  })

  test('is refused when its trust domain has no bundle any more', () => {
    let current: TrustBundle | undefined = roots
    const bundles = { bundleFor: () => current }
    const verifier = new PeerVerifier({ bundles, revocation: undefined, clock: new FakeClock(time) })
    const peer = verifier.verify(chain, 'clientAuth', matcherOf(id))
    current = undefined
    expect(() => verifier.verify(peer.chain, 'clientAuth', matcherOf(id))).toThrow(code('ERR_TLS_PEER'))
  })

  test('is refused for a purpose that its certificate does not have', async () => {
    const client = await makeLeaf(intermediate, {
      ...leafFields,
      extensions: { ...leafFields.extensions, extendedKeyUsage: [keyPurposeOids.clientAuth] },
    })
    const { verify } = open()
    const peer = verify([client, intermediate.certificate])
    expect(() => verify(peer.chain, 'serverAuth')).toThrow(code('ERR_TLS_PEER'))
  })

  test('is authorized again', () => {
    const { verify, verifier } = open()
    const peer = verify()
    const nobody = (): boolean => false
    expect(() => verifier.verify(peer.chain, 'clientAuth', nobody)).toThrow(code('ERR_TLS_PEER'))
    const asked: string[] = []
    const matches = (found: SpiffeId): boolean => asked.push(found.toString()) > 0
    verifier.verify(peer.chain, 'clientAuth', matches)
    expect(asked).toEqual([id])
  })

  test('is checked for revocation again', () => {
    let isRevoked = false
    const { verify } = open({
      check: ({ certificate }) =>
        isRevoked ? { code: 'ERR_REVOKED', certificate, rule: 'test', message: 'revoked' } : undefined,
    })
    const peer = verify()
    expect(verify(peer.chain).id.toString()).toBe(id)
    isRevoked = true
    expect(() => verify(peer.chain)).toThrow(code('ERR_TLS_PEER'))
  })
})

test('a list of certificates that the verifier did not hand out is verified each time', () => {
  const { clock, verify } = open()
  const mine = [...chain]
  verify(mine)
  clock.advance(3 * 3_600_000)
  expect(() => verify(mine)).toThrow(code('ERR_TLS_PEER'))
})

type KeptSession = NonNullable<ReturnType<SessionCache['get']>>

test('a session is dropped unless another has replaced it', () => {
  const sessions = new SessionCache()
  const kept = (octet: number): KeptSession => ({ session: Buffer.of(octet), chain, change: 0 })
  const first = kept(1)
  const second = kept(2)
  sessions.keep('a', first)
  expect(sessions.get('a', 0)).toBe(first)
  expect(sessions.get('a', 0)).toBe(first)
  sessions.keep('a', second)
  sessions.drop('a', first)
  expect(sessions.get('a', 0)).toBe(second)
  sessions.drop('a', second)
  expect(sessions.get('a', 0)).toBeUndefined()
})
