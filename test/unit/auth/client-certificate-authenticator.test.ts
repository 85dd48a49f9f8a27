// Authentication by client certificate: chain, trust domain, revocation.

import { beforeAll, describe, expect, it } from 'vitest'
import { ClientCertificateAuthenticator } from '../../../src/auth/index.ts'
import type { AuthenticationRequest } from '../../../src/auth/index.ts'
import type { ClientCertificateAuthenticatorOptions } from '../../../src/auth/client-certificate-authenticator.ts'
import { TrustBundleSet } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import type { Rejection, RevocationChecker } from '../../../src/validation/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { testPki, tlsCredential, workloadId } from '../../support/pki.ts'
import type { TestPki } from '../../support/pki.ts'

let pki: TestPki
let leaf: Certificate
beforeAll(async () => {
  pki = await testPki()
  leaf = (await tlsCredential(pki)).certificate
})

function request(presentedChain?: readonly Certificate[]): AuthenticationRequest {
  return {
    transport: 'grpc',
    header: () => [],
    peer: undefined,
    tls: presentedChain && { presentedChain, verifiedChain: [] },
    signal: new AbortController().signal,
  }
}

const made = (options: Partial<ClientCertificateAuthenticatorOptions>): ClientCertificateAuthenticator =>
  new ClientCertificateAuthenticator({ bundles: pki.authority.trustBundle(), ...options })
const revoked: Rejection = { code: 'ERR_REVOKED', certificate: undefined, rule: 'test', message: 'revoked' }

describe('ClientCertificateAuthenticator', () => {
  it('reads nothing without a certificate', async () => {
    const trusting = made({ dangerouslyWithoutRevocation: true })
    expect(await trusting.authenticate(request())).toBeUndefined()
    expect(await trusting.authenticate(request([]))).toBeUndefined()
  })

  it('takes the identity of a verified chain', async () => {
    expect(await made({ dangerouslyWithoutRevocation: true }).authenticate(request([leaf]))).toEqual({
      identities: [workloadId],
      credential: 'x509',
      claims: {
        serialNumber: leaf.serialNumber,
        notAfter: leaf.notAfter.toISOString(),
        revocation: 'unchecked',
      },
    })
  })

  it('says in the claims that the chain was checked for revocation', async () => {
    const checkers = [{ check: () => undefined }, () => Promise.resolve(undefined)]
    for (const revocation of checkers)
      expect(await made({ revocation }).authenticate(request([leaf]))).toMatchObject({
        claims: { revocation: 'checked' },
      })
  })

  it('refuses a certificate of another CA, of another trust domain, and an expired one', async () => {
    const other = (await tlsCredential(await testPki())).certificate
    const late = new FakeClock(new Date(leaf.notAfter.getTime() + 1000))
    const trusting = { dangerouslyWithoutRevocation: true }
    await expect(made(trusting).authenticate(request([other]))).rejects.toThrow(
      code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'),
    )
    await expect(
      made({ ...trusting, bundles: new TrustBundleSet() }).authenticate(request([leaf])),
    ).rejects.toThrow(code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'))
    await expect(made({ ...trusting, clock: late }).authenticate(request([leaf]))).rejects.toThrow(
      code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'),
    )
  })

  it.each<{
    readonly what: string
    readonly revocation: NonNullable<ClientCertificateAuthenticatorOptions['revocation']>
  }>([
    { what: 'a checker', revocation: { check: () => revoked } },
    { what: 'a lookup', revocation: () => Promise.resolve(revoked) },
    {
      what: 'a lookup that answers no rejection',
      revocation: () => Promise.resolve(true as unknown as Rejection),
    },
  ])('refuses a revoked certificate by $what', async ({ revocation }) => {
    await expect(made({ revocation }).authenticate(request([leaf]))).rejects.toThrow(
      code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'),
    )
  })

  it('denies when the lookup fails', async () => {
    const down = made({ revocation: () => Promise.reject(new Error('database is down')) })
    await expect(down.authenticate(request([leaf]))).rejects.toThrow('database is down')
  })

  it('takes the checker of the CA whose bundles it reads', async () => {
    const found: Rejection[] = []
    const revocation: RevocationChecker = { check: () => found[0] }
    const bundle = pki.authority.trustBundle()
    const own = new ClientCertificateAuthenticator({
      bundles: { bundleFor: (domain) => bundle.bundleFor(domain), revocation },
    })
    expect(await own.authenticate(request([leaf]))).toMatchObject({ credential: 'x509' })
    found.push(revoked)
    await expect(own.authenticate(request([leaf]))).rejects.toThrow(code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'))
  })

  it.each<readonly [string, () => object]>([
    ['nothing about revocation', () => ({})],
    ['revocation: undefined', () => ({ revocation: undefined })],
    ['dangerouslyWithoutRevocation: undefined', () => ({ dangerouslyWithoutRevocation: undefined })],
    ['dangerouslyWithoutRevocation: "yes"', () => ({ dangerouslyWithoutRevocation: 'yes' })],
    ['a revocation that checks nothing', () => ({ revocation: {} })],
    ['both', () => ({ revocation: { check: () => undefined }, dangerouslyWithoutRevocation: true })],
    ['an id that is undefined', () => ({ dangerouslyWithoutRevocation: true, id: undefined })],
    ['an unknown option', () => ({ dangerouslyWithoutRevocation: true, spiffeId: workloadId })],
    ['no bundles', () => ({ dangerouslyWithoutRevocation: true, bundles: undefined })],
  ])('is not built with %s', (_, options) => {
    expect(() => made(options())).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('refuses a chain of more than ten certificates before it reads one', async () => {
    const trusting = made({ dangerouslyWithoutRevocation: true })
    const chain = (length: number): Certificate[] => Array.from({ length }, () => leaf)
    expect(await trusting.authenticate(request(chain(10)))).toMatchObject({ credential: 'x509' })
    await expect(trusting.authenticate(request(chain(11)))).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })
})
