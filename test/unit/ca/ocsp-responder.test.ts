// OCSP from the records of the CA: read by our own checker, current at every
// moment, safe to ask for strangers.

import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '../../../src/auth/index.ts'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { CaStorage, CertificateAuthority } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import type { IssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { createOcspChecker, verifyPath } from '../../../src/validation/index.ts'
import {
  Certificate,
  OcspCertificateId,
  OcspRequest,
  OcspResponse,
  buildCertificateRequest,
} from '../../../src/x509/index.ts'

const trustDomain = 'example.org'
const caller: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/a')],
  credential: 'x509',
  claims: {},
}
const rootKey = await SoftwareSigner.generate('P-256')
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
let clock: FakeClock
let storage: CaStorage
let root: Certificate
let authority: CertificateAuthority
let service: IssuanceService

beforeEach(async () => {
  clock = new FakeClock(new Date('2026-11-21T12:00:00Z'))
  storage = createMemoryStorage({ clock })
  root = await createRootCertificate(rootKey, { subject: 'CN=root', trustDomain, clock })
  authority = createCertificateAuthority({ trustDomain, certificate: root, signer: rootKey, storage, clock })
  service = createIssuanceService({ authority, clock })
})

async function ask(
  certificate: Certificate,
  options: { nonce?: boolean; issuer?: Certificate; hash?: 'sha1' | 'sha256' } = {},
) {
  const id = OcspCertificateId.of(certificate, options.issuer ?? root, options.hash)
  const request = OcspRequest.of([id], options.nonce === undefined ? {} : { nonce: options.nonce })
  const { response, ...answer } = await authority.answerOcsp(request.der)
  return { request, response: OcspResponse.parse(response), ...answer }
}

function statusOf({ response }: { response: OcspResponse }): unknown {
  return response.answer?.responses[0]?.certificateStatus ?? response.status
}

describe('answers', () => {
  it.each(['sha1', 'sha256'] as const)(
    'good, then revoked, in the eyes of our checker (%s)',
    async (hash) => {
      const { certificate } = await service.issue({ csr }, caller)
      const verdictOf = async (): Promise<string> => {
        const { request, response } = await ask(certificate, { nonce: true, hash })
        const revocation = createOcspChecker({
          responses: [response.der],
          mode: 'hard-fail',
          nonce: request.nonce!,
        })
        const verdict = verifyPath(certificate, { anchors: [root], time: new Date(clock.now()), revocation })
        return verdict.ok ? 'ok' : (verdict.rejected[0]?.code ?? 'none')
      }
      expect(await verdictOf()).toBe('ok')
      await service.revoke(certificate.serialNumber, 'keyCompromise', caller)
      expect(await verdictOf()).toBe('ERR_REVOKED')
    },
  )

  it('unknown for what the CA has not issued', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const other = createCertificateAuthority({ trustDomain, certificate: root, signer: rootKey, clock })
    authority = other
    expect(statusOf(await ask(certificate))).toEqual({ status: 'unknown' })
  })

  it('unauthorized for certificates of others, and for a list that nobody needs', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const otherKey = await SoftwareSigner.generate('P-256')
    const other = await createRootCertificate(otherKey, { subject: 'CN=root', trustDomain, clock })
    expect(statusOf(await ask(certificate, { issuer: other }))).toBe('unauthorized')
    const many = OcspRequest.of(Array.from({ length: 17 }, () => OcspCertificateId.of(certificate, root)))
    expect(OcspResponse.parse((await authority.answerOcsp(many.der)).response).status).toBe('unauthorized')
    const mixed = OcspRequest.of([
      OcspCertificateId.of(certificate, root),
      OcspCertificateId.of(certificate, other),
    ])
    expect(OcspResponse.parse((await authority.answerOcsp(mixed.der)).response).status).toBe('unauthorized')
  })

  it('malformedRequest for what is no request', async () => {
    for (const octets of [new Uint8Array(), Buffer.from('hello'), root.der, new Uint8Array(100_000)])
      expect(await authority.answerOcsp(octets)).toEqual({
        response: OcspResponse.refusal('malformedRequest').der,
        maxAgeSeconds: 0,
      })
    await expect(authority.answerOcsp('x' as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('tryLater where the store is away', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const away = { ...storage, certificates: { find: () => Promise.reject(new Error('away')) } }
    authority = createCertificateAuthority({
      trustDomain,
      certificate: root,
      signer: rootKey,
      storage: away as never,
      clock,
    })
    const answer = await ask(certificate)
    expect(statusOf(answer)).toBe('tryLater')
    // For the log of whoever sends the response.
    expect(answer.failure).toBeInstanceOf(Error)
  })
})

describe('signed answers', () => {
  it('are kept while they are current, and replaced at once when the store says otherwise', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const first = await ask(certificate)
    expect(first.maxAgeSeconds).toBe(1800)
    clock.advance(600_000)
    const second = await ask(certificate)
    expect(second.response.der).toEqual(first.response.der)
    expect(second.maxAgeSeconds).toBe(1200)
    await service.revoke(certificate.serialNumber, 'superseded', caller)
    expect(statusOf(await ask(certificate))).toMatchObject({ status: 'revoked', reason: 'superseded' })
  })

  it('are made anew in the second half of their life', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const first = await ask(certificate)
    clock.advance(1_800_000)
    const later = await ask(certificate)
    expect(later.response.der).not.toEqual(first.response.der)
    expect(later.response.answer?.producedAt).toEqual(new Date(clock.now()))
  })

  it('that are still asked for are signed anew before they end', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const first = await ask(certificate)
    clock.advance(1_500_000)
    expect((await ask(certificate)).response.der).toEqual(first.response.der)
    // What was signed meanwhile is there without a signature of its own.
    await expect.poll(async () => (await ask(certificate)).maxAgeSeconds).toBe(1800)
    const ahead = await ask(certificate)
    expect(ahead.response.answer?.producedAt).toEqual(new Date(clock.now()))
    await service.revoke(certificate.serialNumber, 'superseded', caller)
    expect(statusOf(await ask(certificate))).toMatchObject({ status: 'revoked' })
  })

  it('with a nonce are for one request', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const { request, response, maxAgeSeconds } = await ask(certificate, { nonce: true })
    expect(response.answer?.nonce).toEqual(request.nonce)
    expect(maxAgeSeconds).toBe(0)
  })
})

describe('the delegated key', () => {
  const responderOf = async (certificate: Certificate): Promise<Certificate> => {
    const { response } = await ask(certificate, { nonce: true })
    return Certificate.parse(response.answer!.certificates[0]!)
  }

  it('has a short-lived certificate for OCSP alone, and is replaced at half of it', async () => {
    const { certificate } = await service.issue({ csr, ttlSeconds: 30 * 24 * 3600 }, caller)
    const first = await responderOf(certificate)
    expect(first.notAfterMs - first.notBeforeMs).toBe(24 * 3600_000 + 120_000)
    expect(first.extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.9'])
    expect(first.extensions.map(({ oid }) => oid)).toContain('1.3.6.1.5.5.7.48.1.5')
    expect((await responderOf(certificate)).equals(first)).toBe(true)
    clock.advance(12 * 3600_000)
    const second = await responderOf(certificate)
    expect(second.publicKey.spki).not.toEqual(first.publicKey.spki)
  })

  it('of a clock that was ahead is replaced when the clock is right again', async () => {
    const { certificate } = await service.issue({ csr, ttlSeconds: 30 * 24 * 3600 }, caller)
    const rightTime = new Date(clock.now())
    clock.setWallClock(new Date(clock.now() + 20 * 24 * 3600_000))
    await responderOf(certificate)
    clock.setWallClock(rightTime)
    const responder = await responderOf(certificate)
    expect(responder.notBeforeMs).toBeLessThanOrEqual(clock.now())
  })

  it('goes on to its end while the key of the CA is away', async () => {
    let isAway = false
    const { id, publicKey, signatureAlgorithm } = rootKey
    const sign = (octets: Uint8Array): Uint8Array => {
      if (isAway) throw new Error('the token is away')
      return rootKey.sign(octets) as Uint8Array
    }
    const signer = { id, publicKey, signatureAlgorithm, sign }
    authority = createCertificateAuthority({ trustDomain, certificate: root, signer, storage, clock })
    const { certificate } = await service.issue({ csr, ttlSeconds: 30 * 24 * 3600 }, caller)
    const first = await responderOf(certificate)
    isAway = true
    clock.advance(23 * 3600_000)
    expect((await responderOf(certificate)).equals(first)).toBe(true)
    clock.advance(2 * 3600_000)
    const late = await ask(certificate, { nonce: true })
    expect(statusOf(late)).toBe('tryLater')
    isAway = false
    expect((await responderOf(certificate)).equals(first)).toBe(false)
  })

  it('of an earlier CA key answers for the certificates of that key', async () => {
    const { certificate } = await service.issue({ csr }, caller)
    const nextKey = await SoftwareSigner.generate('P-256')
    const next = await createRootCertificate(nextKey, { subject: 'CN=next root', trustDomain, clock })
    await authority.rotate({ certificate: next, signer: nextKey, roots: [root, next] })
    expect(statusOf(await ask(certificate))).toEqual({ status: 'good' })
    expect((await responderOf(certificate)).issuer.equals(root.subject)).toBe(true)
    const { certificate: newer } = await service.issue({ csr }, caller)
    expect(statusOf(await ask(newer, { issuer: next }))).toEqual({ status: 'good' })
  })
})
