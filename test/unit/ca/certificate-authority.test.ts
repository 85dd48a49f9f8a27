// What a CA must not do, found by people who tried: outlive its root, ignore path lengths and name
// constraints, be its own root.

import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
  parsePluggedInMaterial,
} from '../../../src/ca/index.ts'
import { MemoryCertificateStore } from '../../../src/ca/records/memory/memory-certificate-store.ts'
import { keyIdentifierOf } from '../../../src/ca/internal.ts'
import type { RevocationsQuery } from '../../../src/ca/internal.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../../src/policy/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { createCrlChecker, verifyPath } from '../../../src/validation/index.ts'
import { DistinguishedName, buildCertificate, generalName } from '../../../src/x509/index.ts'
import type { CaCertificateOptions } from '../../../src/ca/authority/ca-certificate.ts'
import type { SerialNumber } from '../../../src/x509/index.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../support/pki.ts'
import { storageOf } from '../../support/storage.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
const rootSigner = await SoftwareSigner.generate('P-256')
const caSigner = await SoftwareSigner.generate('P-256')
const rootOf = (options: Partial<CaCertificateOptions> = {}) =>
  createRootCertificate(rootSigner, { subject: 'CN=root', ...options })
const { request: csr } = await newRequest()

describe('a CA below a root', () => {
  it('gives no leaf that outlives the root', async () => {
    const root = await rootOf({ ttlSeconds: 3600 })
    const ca = await createIntermediateCertificate(
      { certificate: root, signer: rootSigner },
      caSigner.publicKey,
      { subject: 'CN=ca' },
    )
    const { notAfter } = await createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: ca,
      signer: caSigner,
      roots: [root],
    }).prepare(csr, content)
    expect(notAfter.getTime()).toBeLessThanOrEqual(root.notAfterMs)
  })

  it.each([
    { what: 'the shorter root, where that is the only one', twins: [3600], given: 3600 },
    { what: 'the longest of several', twins: [3600, 7200], given: 7200 },
    { what: 'itself, where every root lasts longer', twins: [3600, 20 * 365 * 86_400], given: 10_000 },
  ])('gives no leaf that outlives $what', async ({ twins, given }) => {
    const ca = await createIntermediateCertificate(
      { certificate: await rootOf(), signer: rootSigner },
      caSigner.publicKey,
      { subject: 'CN=ca', ttlSeconds: 10_000 },
    )
    const roots = await Promise.all(twins.map((ttlSeconds) => rootOf({ ttlSeconds })))
    const { notAfter } = await createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: ca,
      signer: caSigner,
      roots,
    }).prepare(csr, content)
    expect(Math.abs(notAfter.getTime() - Date.now() - given * 1000)).toBeLessThan(60_000)
  })

  it('is not its own root', async () => {
    const ca = await createIntermediateCertificate(
      { certificate: await rootOf(), signer: rootSigner },
      caSigner.publicKey,
      { subject: 'CN=ca' },
    )
    expect(() =>
      createCertificateAuthority({ trustDomain: 'example.org', certificate: ca, signer: caSigner }),
    ).toThrow(code('ERR_CA_MATERIAL'))
  })

  it('is refused where a path length does not allow it', async () => {
    const root = await rootOf({ pathLength: 0 })
    await expect(
      createIntermediateCertificate({ certificate: root, signer: rootSigner }, caSigner.publicKey, {
        subject: 'CN=ca',
      }),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    const free = await rootOf()
    const ca = await createIntermediateCertificate(
      { certificate: free, signer: rootSigner },
      caSigner.publicKey,
      { subject: 'CN=ca' },
    )
    expect(() =>
      createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: ca,
        signer: caSigner,
        roots: [root],
      }),
    ).toThrow(code('ERR_CA_MATERIAL'))
  })

  it('may be of another trust domain than what is above it, and of no other than its own (X-4)', async () => {
    const root = await rootOf({ trustDomain: 'other.example' })
    const ca = await createIntermediateCertificate(
      { certificate: root, signer: rootSigner },
      caSigner.publicKey,
      { subject: 'CN=ca', trustDomain: 'example.org' },
    )
    expect(
      createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: ca,
        signer: caSigner,
        roots: [root],
      }).chain,
    ).toHaveLength(1)
    expect(() =>
      createCertificateAuthority({
        trustDomain: 'other.example',
        certificate: ca,
        signer: caSigner,
        roots: [root],
      }),
    ).toThrow(code('ERR_CA_MATERIAL'))
  })

  it.each([
    { ttlSeconds: 0 },
    { ttlSeconds: -1 },
    { ttlSeconds: 1.5 },
    { ttlSeconds: Number.NaN },
    { ttlSeconds: Infinity },
    { pathLength: -1 },
    { pathLength: 1.5 },
    { pathLength: 2 ** 40 },
  ])('is not made with %j', async (options) => {
    await expect(rootOf(options)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(
      createIntermediateCertificate({ certificate: await rootOf(), signer: rootSigner }, caSigner.publicKey, {
        subject: 'CN=ca',
        ...options,
      }),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('keeps the name constraints above it, before it signs', async () => {
    const root = await rootOf({ nameConstraints: { permitted: [generalName.uri('other.example')] } })
    const ca = await createIntermediateCertificate(
      { certificate: root, signer: rootSigner },
      caSigner.publicKey,
      { subject: 'CN=ca' },
    )
    expect(() =>
      createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: ca,
        signer: caSigner,
        roots: [root],
      }),
    ).toThrow(code('ERR_CA_MATERIAL'))
    const fitting = createCertificateAuthority({
      trustDomain: 'other.example',
      certificate: ca,
      signer: caSigner,
      roots: [root],
    })
    expect(
      (await fitting.prepare(csr, { subjectAltName: [generalName.uri('spiffe://other.example/x')] })).tbs
        .length,
    ).toBeGreaterThan(100)
  })

  it('signs in the last second of its validity', async () => {
    const root = await rootOf()
    const at = (ms: number) =>
      createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: root,
        signer: rootSigner,
        minTtlSeconds: 1,
        clock: { ...systemClock, now: () => root.notAfterMs + ms },
      })
    expect(() => at(1000)).toThrow(code('ERR_CA_EXPIRED'))
    expect((await at(-5000).prepare(csr, content)).notAfter.getTime()).toBe(root.notAfterMs)
  })
})

describe('a cross-certificate', () => {
  it('gives what is below one root a path to the other', async () => {
    const newSigner = await SoftwareSigner.generate('P-384')
    const newRoot = await createRootCertificate(newSigner, {
      subject: 'CN=new root',
      trustDomain: 'example.org',
      nameConstraints: { permitted: [generalName.uri('example.org')] },
    })
    const ca = await createIntermediateCertificate(
      { certificate: newRoot, signer: newSigner },
      caSigner.publicKey,
      { subject: 'CN=ca' },
    )
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: ca,
      signer: caSigner,
      roots: [newRoot],
    })
    const { certificate } = await authority.sign(await authority.prepare(csr, content))
    const oldRoot = await rootOf()
    const cross = await createCrossCertificate({ certificate: oldRoot, signer: rootSigner }, newRoot, {
      pathLength: 1,
    })
    expect(
      verifyPath(certificate, { anchors: [oldRoot], intermediates: [ca, cross], profile: 'spiffe' }).ok,
    ).toBe(true)
    expect(
      verifyPath(certificate, { anchors: [newRoot], intermediates: [ca, cross], profile: 'spiffe' }).ok,
    ).toBe(true)
    expect(cross.nameConstraints).toEqual(newRoot.nameConstraints)
    expect(cross.subjectAltName).toEqual(newRoot.subjectAltName)
  })

  it('keeps a key identifier that is not ours', async () => {
    const foreign = await buildCertificate(
      {
        issuer: DistinguishedName.parse('CN=foreign'),
        subject: DistinguishedName.parse('CN=foreign'),
        publicKey: caSigner.publicKey,
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 60_000),
        extensions: {
          basicConstraints: { ca: true, pathLength: 0 },
          keyUsage: ['keyCertSign', 'cRLSign'],
          subjectKeyIdentifier: Uint8Array.of(1, 2, 3),
        },
      },
      caSigner,
    )
    const cross = await createCrossCertificate({ certificate: await rootOf(), signer: rootSigner }, foreign)
    expect(cross.subjectKeyIdentifier).toEqual(Uint8Array.of(1, 2, 3))
    expect(cross.basicConstraints).toEqual({ ca: true, pathLength: 0 })
  })

  it('is not made for a leaf, nor of a path length that nobody named', async () => {
    const certificate = await rootOf()
    const pki = await testPki()
    const { certificate: leaf } = await pki.issuance.issue({ csr: (await newRequest()).request }, callerOf())
    const parent = { certificate, signer: rootSigner }
    await expect(createCrossCertificate(parent, leaf, { pathLength: 0 })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    await expect(createCrossCertificate(parent, pki.root)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('plugged-in material', () => {
  it('is judged when it is read', async () => {
    const root = await rootOf()
    const files = {
      'tls.crt': root.toPem(),
      'tls.key': exportPrivateKey(caSigner.privateKey()),
      'ca.crt': root.toPem(),
    }
    expect(() => parsePluggedInMaterial(files)).toThrow(code('ERR_CA_MATERIAL'))
    const pki = await testPki()
    const { signer, request } = await newRequest()
    const { certificate } = await pki.issuance.issue({ csr: request }, callerOf())
    expect(() =>
      parsePluggedInMaterial({
        'tls.crt': certificate.toPem(),
        'tls.key': exportPrivateKey(signer.privateKey()),
        'ca.crt': pki.root.toPem(),
      }),
    ).toThrow(code('ERR_CA_MATERIAL'))
  })
})

describe('names and times of leaves', () => {
  it.each([['1.2.3.4'], ['a.1'], ['A.example'], ['*']])('a DNS name %s is none', async (name) => {
    const { authority } = await testPki()
    await expect(
      authority.prepare(csr, { subjectAltName: [...content.subjectAltName, generalName.dns(name)] }),
    ).rejects.toThrow(code('ERR_LINT'))
  })

  it('no DNS name twice', async () => {
    const { authority } = await testPki()
    await expect(
      authority.prepare(csr, {
        subjectAltName: [
          ...content.subjectAltName,
          generalName.dns('a.example'),
          generalName.dns('a.example'),
        ],
      }),
    ).rejects.toThrow(code('ERR_LINT'))
  })

  it.each([
    [undefined, 3600],
    [1800, 1800],
    [7200, 3600],
  ])('a policy of an hour: asked for %s s, given %i s', async (ttlSeconds, given) => {
    const { authority } = await testPki()
    const issuance = createIssuanceService({
      authority,
      policy: callerIdentityPolicy({ trustDomain: TrustDomain.from('example.org'), maxTtlSeconds: 3600 }),
    })
    const { certificate } = await issuance.issue(
      { csr: (await newRequest()).request, ttlSeconds },
      callerOf(),
    )
    expect((certificate.notAfterMs - certificate.notBeforeMs) / 1000).toBe(given + 120)
  })
})

describe('revocation lists', () => {
  it('list what was revoked, with a number above the last', async () => {
    const store = new MemoryCertificateStore()
    const root = await rootOf({ trustDomain: 'example.org' })
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: root,
      signer: rootSigner,
      storage: storageOf(store),
    })
    const issuance = createIssuanceService({ authority })
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    const before = await authority.issueCrl()
    await issuance.revoke(certificate.serialNumber, 'keyCompromise', callerOf())
    const after = await authority.issueCrl()
    expect([before.entryCount, after.entryCount]).toEqual([0, 1])
    expect(after.crlNumber! > before.crlNumber!).toBe(true)
    const verdict = (list: typeof after) =>
      verifyPath(certificate, {
        anchors: [root],
        profile: 'spiffe',
        revocation: createCrlChecker({ lists: [list], mode: 'hard-fail' }),
      })
    expect(verdict(before).ok).toBe(true)
    expect(verdict(after)).toMatchObject({ ok: false, rejected: [{ code: 'ERR_REVOKED' }] })
  })

  it('list who has expired once more after that, however long there was none', async () => {
    const clock = new FakeClock(new Date())
    const store = new MemoryCertificateStore()
    const root = await rootOf({ trustDomain: 'example.org', clock })
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: root,
      signer: rootSigner,
      storage: storageOf(store),
      clock,
      crlTtlSeconds: 600,
    })
    const issuance = createIssuanceService({ authority, clock })
    const { certificate } = await issuance.issue(
      { csr: (await newRequest()).request, ttlSeconds: 300 },
      callerOf(),
    )
    await issuance.revoke(certificate.serialNumber, 'superseded', callerOf())
    const listedAfter = async (seconds: number): Promise<boolean> => {
      clock.advance(seconds * 1000)
      return (await authority.issueCrl()).has(certificate.serialNumber)
    }
    expect([
      await listedAfter(0),
      await listedAfter(299),
      await listedAfter(10_000),
      await listedAfter(600),
      await listedAfter(1),
    ]).toEqual([true, true, true, false, false])
  })

  it('have the later contents under the greater number, however slow the store is', async () => {
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    class SlowOnce extends MemoryCertificateStore {
      #asked = 0
      override async revocations(query: RevocationsQuery): ReturnType<MemoryCertificateStore['revocations']> {
        const answer = await super.revocations(query)
        if (this.#asked++ === 0) await gate
        return answer
      }
    }
    const store = new SlowOnce()
    const root = await rootOf({ trustDomain: 'example.org' })
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: root,
      signer: rootSigner,
      storage: storageOf(store),
    })
    const issuance = createIssuanceService({ authority })
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    const first = authority.issueCrl()
    await issuance.revoke(certificate.serialNumber, 'keyCompromise', callerOf())
    const second = authority.issueCrl()
    setImmediate(release)
    const [newest] = (await Promise.all([first, second])).sort((a, b) => Number(b.crlNumber! - a.crlNumber!))
    expect(newest!.has(certificate.serialNumber)).toBe(true)
  })

  it('are dated between the certificate and themselves, whatever the clock of who revoked says', async () => {
    const clock = new FakeClock(new Date('2026-03-01T00:00:00.500Z'))
    const store = new MemoryCertificateStore({ clock })
    const root = await rootOf({ trustDomain: 'example.org', clock })
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: root,
      signer: rootSigner,
      storage: storageOf(store),
      clock,
    })
    const issuance = createIssuanceService({ authority, clock })
    const serials: SerialNumber[] = []
    for (const revokedAt of ['2026-04-01T00:00:00Z', '2026-03-01T00:00:00.700Z', '2020-01-01T00:00:00Z']) {
      const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
      await store.revoke(
        { issuer: keyIdentifierOf(root.subjectKeyIdentifier!), serialNumber: certificate.serialNumber },
        { reason: 'superseded', revokedAt: new Date(revokedAt) },
      )
      serials.push(certificate.serialNumber)
    }
    const dates = async (): Promise<unknown[]> => {
      const list = await authority.issueCrl()
      return serials.map((serial) => list.find(serial)?.revocationDate?.toISOString())
    }
    expect(await dates()).toEqual([
      '2026-03-01T00:00:00.000Z',
      '2026-03-01T00:00:00.000Z',
      '2026-03-01T00:00:00.000Z',
    ])
    clock.advance(60_000)
    expect((await dates())[0]).toBe('2026-03-01T00:01:00.000Z')
    clock.setWallClock(new Date('2026-02-28T00:00:00Z'))
    expect((await authority.issueCrl()).thisUpdate.toISOString()).toBe('2026-03-01T00:01:00.000Z')
  })

  it('are not given out where the store forgets', async () => {
    const store = new MemoryCertificateStore()
    const root = await rootOf({ trustDomain: 'example.org' })
    const storage = storageOf(store)
    const ca = { trustDomain: 'example.org', certificate: root, signer: rootSigner }
    const authority = createCertificateAuthority({ ...ca, storage })
    const issuance = createIssuanceService({ authority })
    const { certificate } = await issuance.issue({ csr: (await newRequest()).request }, callerOf())
    await issuance.revoke(certificate.serialNumber, 'keyCompromise', callerOf())
    await authority.issueCrl()
    const forgetful = { ...storage, certificates: new MemoryCertificateStore() }
    const restarted = createCertificateAuthority({ ...ca, storage: forgetful })
    await expect(restarted.issueCrl({ fresh: true })).rejects.toThrow(code('ERR_LINT'))
  })

  it('are not signed by a CA that has expired', async () => {
    const clock = new FakeClock(new Date())
    const root = await rootOf({ ttlSeconds: 60, clock })
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: root,
      signer: rootSigner,
      clock,
    })
    clock.advance(61_000)
    await expect(authority.issueCrl()).rejects.toThrow(code('ERR_CA_EXPIRED'))
  })
})
