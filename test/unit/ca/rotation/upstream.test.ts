// Intermediates below a CA above: its answers are verified, its roots are followed, and it may be away.

import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createIntermediateCertificate,
  createLocalUpstream,
  createRootCertificate,
} from '../../../../src/ca/index.ts'
import type { UpstreamAuthority } from '../../../../src/ca/index.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../../src/keys/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import {
  PublicKey,
  buildCertificate,
  buildCertificateRequest,
  generalName,
} from '../../../../src/x509/index.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { issueLeaf, refusalOf, statesOf, testRotation } from '../../../support/rotation.ts'

const clock = new FakeClock()
const trustDomain = 'example.org'

interface Ca {
  readonly certificate: Certificate
  readonly signer: SoftwareSigner
}

async function newCa(name: string, given: FakeClock = clock, ttlSeconds = 86_400): Promise<Ca> {
  const signer = await SoftwareSigner.generate('P-256')
  const subject = `CN=${name}`
  return { signer, certificate: await createRootCertificate(signer, { subject, clock: given, ttlSeconds }) }
}

/** An upstream of one CA, which may be replaced. */
async function upstreamOf(ca: { current: Ca; roots?: readonly Certificate[] }, given = clock) {
  return createLocalUpstream({
    ...{ trustDomain, clock: given },
    ca: () => ({ ...ca.current, roots: ca.roots ?? [ca.current.certificate] }),
  })
}

describe('an intermediate', () => {
  it('is issued by the CA above, and its leaves verify with the roots of it alone', async () => {
    const own = new FakeClock()
    const root = await newCa('above', own)
    const test = await testRotation({ clock: own, upstream: await upstreamOf({ current: root }, own) })
    const leaf = await issueLeaf(test)
    expect(leaf.chain).toHaveLength(1)
    expect(test.rotating.authority.roots.map((one) => one.equals(root.certificate))).toEqual([true])
    expect(refusalOf(leaf, test.rotating.authority.trustBundle(), own.now())).toBeUndefined()
  })

  it('may be activated at once below a root that everybody has', async () => {
    const own = new FakeClock()
    const test = await testRotation({
      clock: own,
      upstream: await upstreamOf({ current: await newCa('a', own) }, own),
    })
    own.advance(2000_000)
    await test.rotating.prepareNext()
    await test.rotating.publish()
    await test.rotating.activate()
    expect(await statesOf(test)).toEqual(['ca-1 retired', 'ca-2 active'])
  })

  it('follows a new root of the CA above: a new intermediate, and the end of the old root', async () => {
    const own = new FakeClock()
    const [old, fresh] = [await newCa('old', own), await newCa('new', own)]
    const ca: { current: Ca; roots: readonly Certificate[] } = { current: old, roots: [old.certificate] }
    const test = await testRotation({ clock: own, upstream: await upstreamOf(ca, own) })
    ca.roots = [old.certificate, fresh.certificate]
    await test.rotating.run()
    expect(test.rotating.authority.roots).toHaveLength(2)
    own.advance(1100_000)
    // It signs with the new one, and does not trust the old one any longer.
    ca.current = fresh
    ca.roots = [fresh.certificate]
    const steps = (await test.rotating.run()).map(({ step }) => step)
    expect(steps).toEqual(['prepare', 'publish', 'activate'])
    expect(test.rotating.authority.roots).toHaveLength(2)
    own.advance(1000_000)
    await test.rotating.run()
    expect(test.rotating.authority.roots.map((one) => one.equals(fresh.certificate))).toEqual([true])
  })

  it('signs on while the CA above is away, also after a restart', async () => {
    const own = new FakeClock()
    const upstream = await upstreamOf({ current: await newCa('a', own) }, own)
    const { rotating, ...kept } = await testRotation({ clock: own, upstream })
    const away: UpstreamAuthority = {
      name: 'away',
      issueIntermediate: () => Promise.reject(new PkiError('ERR_CA_UNAVAILABLE', 'away')),
      roots: () => Promise.reject(new PkiError('ERR_CA_UNAVAILABLE', 'away')),
    }
    const again = await testRotation({ ...kept, upstream: away })
    expect(again.rotating.authority.certificate.equals(rotating.authority.certificate)).toBe(true)
    const failures: unknown[] = []
    again.rotating.onEvent((event) => void (event.kind === 'failed' && failures.push(event.error)))
    await again.rotating.run()
    expect(failures).toEqual([code('ERR_CA_UNAVAILABLE')])
    await issueLeaf(again)
  })

  it('comes from files', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'upstream-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const upstream = createLocalUpstream({ trustDomain, directory })
    await expect(upstream.roots()).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
    const now = new FakeClock(new Date())
    const root = await newCa('files', now)
    writeFileSync(join(directory, 'tls.crt'), root.certificate.toPem())
    writeFileSync(join(directory, 'ca.crt'), root.certificate.toPem())
    writeFileSync(join(directory, 'tls.key'), exportPrivateKey(root.signer.privateKey()))
    const test = await testRotation({ clock: now, upstream })
    expect(refusalOf(await issueLeaf(test), test.rotating.authority.trustBundle(), now.now())).toBeUndefined()
  })

  it('may have name constraints, which hold for its leaves', async () => {
    const own = new FakeClock()
    const constrained = createLocalUpstream({
      ...{ trustDomain, clock: own },
      ca: await newCa('a', own),
      nameConstraints: { permitted: [generalName.uri('other.example')] },
    })
    await expect(testRotation({ clock: own, upstream: constrained })).rejects.toThrow(code('ERR_CA_REPLY'))
    const fitting = createLocalUpstream({
      ...{ trustDomain, clock: own },
      ca: await newCa('a', own),
      nameConstraints: { permitted: [generalName.uri('example.org')] },
    })
    await issueLeaf(await testRotation({ clock: own, upstream: fitting }))
  })
})

describe('an answer of the CA above is refused', () => {
  type Answer = Awaited<ReturnType<UpstreamAuthority['issueIntermediate']>>
  type Request = Parameters<UpstreamAuthority['issueIntermediate']>[0]
  type Lie = (request: Request, honest: UpstreamAuthority, root: Ca) => Promise<unknown>

  it.each<[string, RegExp, Lie]>([
    [
      'another key',
      /its public key differs; expected the key of the request/,
      async ({ ttlSeconds, csr }, _honest, root) => {
        const { publicKey } = await SoftwareSigner.generate('P-256')
        const certificate = await createIntermediateCertificate(root, publicKey, {
          ...{ subject: csr.subject, trustDomain, clock, ttlSeconds },
        })
        return { certificate, chain: [], roots: [root.certificate] }
      },
    ],
    [
      'another subject',
      /its subject is CN=another; expected/,
      async ({ csr, ttlSeconds }, _honest, root) => ({
        certificate: await createIntermediateCertificate(root, csr.publicKey, {
          ...{ subject: 'CN=another', trustDomain, clock, ttlSeconds },
        }),
        chain: [],
        roots: [root.certificate],
      }),
    ],
    [
      'another trust domain',
      /its subject alternative name differs; expected spiffe:\/\/example.org/,
      async ({ csr, ttlSeconds }, _honest, root) => ({
        certificate: await createIntermediateCertificate(root, csr.publicKey, {
          ...{ subject: csr.subject, trustDomain: 'other.example', clock, ttlSeconds },
        }),
        chain: [],
        roots: [root.certificate],
      }),
    ],
    [
      'a longer validity',
      /it is valid until .*; expected at most/,
      async ({ csr, ttlSeconds }, _honest, root) => ({
        certificate: await createIntermediateCertificate(root, csr.publicKey, {
          ...{ subject: csr.subject, trustDomain, clock, ttlSeconds: ttlSeconds * 3 },
        }),
        chain: [],
        roots: [root.certificate],
      }),
    ],
    [
      'a validity shorter than one leaf',
      /it is valid until .*; expected at least one leaf/,
      async (request, honest) => honest.issueIntermediate({ ...request, ttlSeconds: 300 }),
    ],
    [
      'no CA',
      /it is not a CA certificate; expected cA TRUE/,
      async ({ csr }, _honest, root) => ({
        certificate: await buildCertificate(
          {
            issuer: root.certificate.subject,
            subject: csr.subject,
            publicKey: csr.publicKey,
            notBefore: new Date(clock.now()),
            notAfter: new Date(clock.now() + 7_200_000),
          },
          root.signer,
        ),
        chain: [],
        roots: [root.certificate],
      }),
    ],
    [
      'another purpose',
      /./,
      async ({ csr }, _honest, root) => ({
        certificate: await buildCertificate(
          {
            issuer: root.certificate.subject,
            subject: csr.subject,
            publicKey: csr.publicKey,
            notBefore: new Date(clock.now()),
            notAfter: new Date(clock.now() + 7_200_000),
            extensions: {
              basicConstraints: { ca: true, pathLength: 0 },
              keyUsage: ['keyCertSign', 'cRLSign'],
              extendedKeyUsage: ['1.3.6.1.5.5.7.3.4'],
              subjectKeyIdentifier: csr.publicKey,
              authorityKeyIdentifier: root.certificate.subjectKeyIdentifier,
            },
          },
          root.signer,
        ),
        chain: [],
        roots: [root.certificate],
      }),
    ],
    [
      'a chain that leads nowhere',
      /./,
      async (request, honest) => ({
        ...(await honest.issueIntermediate(request)),
        roots: [(await newCa('elsewhere')).certificate],
      }),
    ],
    [
      'no root',
      /it has no root/,
      async (request, honest) => ({ ...(await honest.issueIntermediate(request)), roots: [] }),
    ],
    [
      'a thousand roots',
      /roots/,
      async (request, honest) => {
        const answer = await honest.issueIntermediate(request)
        return { ...answer, roots: Array.from({ length: 1000 }, () => answer.roots[0]) }
      },
    ],
    [
      'octets that are no certificate',
      /./,
      async () => ({ certificate: Uint8Array.of(1), chain: [], roots: [] }),
    ],
    ['nothing', /./, async () => undefined],
    ['null', /./, async () => ({ certificate: null, chain: null, roots: null })],
    ...(['keyCertSign', 'cRLSign'] as const).map<[string, RegExp, Lie]>((usage) => [
      `no ${usage}`,
      new RegExp(`its key usage lacks ${usage}; expected ${usage}`),
      async ({ csr }, _honest, root) => ({
        certificate: await buildCertificate(
          {
            issuer: root.certificate.subject,
            subject: csr.subject,
            publicKey: csr.publicKey,
            notBefore: new Date(clock.now()),
            notAfter: new Date(clock.now() + 7_200_000),
            extensions: {
              basicConstraints: { ca: true, pathLength: 0 },
              keyUsage: usage === 'cRLSign' ? ['keyCertSign'] : ['cRLSign'],
              subjectKeyIdentifier: csr.publicKey,
              authorityKeyIdentifier: root.certificate.subjectKeyIdentifier,
            },
          },
          root.signer,
        ),
        chain: [],
        roots: [root.certificate],
      }),
    ]),
  ])('%s', async (_what, reason, answer) => {
    const root = await newCa('above')
    const honest = await upstreamOf({ current: root })
    const liar: UpstreamAuthority = {
      name: 'liar',
      issueIntermediate: (request) => answer(request, honest, root) as Promise<Answer>,
      roots: () => honest.roots(),
    }
    const refused = await testRotation({ clock, upstream: liar }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'ERR_CA_REPLY', message: expect.stringMatching(reason) })
  })

  it.each<[string, (root: Certificate) => unknown]>([
    ['a thousand', (root) => Array<Certificate>(1000).fill(root)],
    ['no certificate', () => [Uint8Array.of(1)]],
    ['no list', (root) => root],
  ])('with roots that are %s', async (_what, rootsOf) => {
    const root = await newCa('above')
    const honest = await upstreamOf({ current: root })
    const liar: UpstreamAuthority = {
      name: 'liar',
      issueIntermediate: (request) => honest.issueIntermediate(request),
      roots: async () => rootsOf(root.certificate) as Certificate[],
    }
    await expect(testRotation({ clock, upstream: liar })).rejects.toThrow(code('ERR_CA_REPLY'))
  })
})

describe('a request for an intermediate is refused', () => {
  const request = async (fields: Parameters<typeof buildCertificateRequest>[0], algorithm = 'P-256') => {
    const key =
      algorithm === 'P-256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
        : generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    return buildCertificateRequest(fields, {
      ...{ id: 'requested', publicKey: PublicKey.from(key) },
      signatureAlgorithm: algorithm === 'P-256' ? 'ecdsa-with-SHA256' : 'sha256WithRSAEncryption',
      sign: (data) => sign('sha256', data, key),
    })
  }
  const names = (...subjectAltName: ReturnType<typeof generalName.uri>[]) => ({
    ...{ subject: 'CN=ca', extensions: { subjectAltName } },
  })

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['without a subject', () => request({}), /its subject is empty/],
    [
      'of another trust domain',
      () => request(names(generalName.uri('spiffe://other.example'))),
      /its subject alternative name is not spiffe:\/\/example.org/,
    ],
    [
      'of a workload',
      () => request(names(generalName.uri('spiffe://example.org/ns/prod'))),
      /its subject alternative name is not/,
    ],
    ['with a weak key', () => request({ subject: 'CN=ca' }, 'RSA-1024'), /the RSA key has 1024 bits/],
    ['that is none', async () => ({}), /: it is not a certification request$/],
  ])('%s', async (_what, make, reason) => {
    const upstream = await upstreamOf({ current: await newCa('above') })
    const csr = (await make()) as Awaited<ReturnType<typeof request>>
    const refused = await upstream
      .issueIntermediate({ csr, ttlSeconds: 3600 })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'ERR_CA_REFUSED', message: expect.stringMatching(reason) })
  })

  it('when it was aborted, before the CA above is asked', async () => {
    let asked = 0
    const ca = await newCa('above')
    const counting = createLocalUpstream({
      ...{ trustDomain, clock },
      ca: () => {
        asked++
        return { ...ca, roots: [ca.certificate] }
      },
    })
    const csr = await request({ subject: 'CN=ca' })
    const signal = AbortSignal.abort()
    for (const call of [
      () => counting.issueIntermediate({ csr, ttlSeconds: 3600, signal }),
      () => counting.roots(signal),
    ])
      await expect(call()).rejects.toThrow(code('ERR_ABORTED'))
    expect(asked).toBe(0)
  })
})
