// A CA over time: prepared bytes grow old, roots and keys change while certificates are made, lists outlive
// what they list.

import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
  spireProfile,
  workloadProfile,
} from '../../../src/ca/index.ts'
import { MemoryCertificateStore } from '../../../src/ca/records/memory/memory-certificate-store.ts'
import type { CertificateAuthorityOptions } from '../../../src/ca/authority/certificate-authority.ts'
import type { CertificateWorkers } from '../../../src/ca/internal.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import { X509SvidValidator } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { PublicKey, buildCertificateRequest, generalName } from '../../../src/x509/index.ts'
import type { Certificate, Signer } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { deferred } from '../../support/deferred.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../support/pki.ts'
import { storageOf } from '../../support/storage.ts'

const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
const { request: csr } = await newRequest()

async function newRoot(
  clock?: FakeClock,
  ttlSeconds?: number,
): Promise<{ certificate: Certificate; signer: SoftwareSigner }> {
  const signer = await SoftwareSigner.generate('P-256')
  return {
    signer,
    certificate: await createRootCertificate(signer, {
      subject: 'CN=root',
      trustDomain: 'example.org',
      clock,
      ttlSeconds,
    }),
  }
}

async function timed(options: Partial<CertificateAuthorityOptions> = {}, ttlSeconds?: number) {
  const clock = new FakeClock()
  const root = await newRoot(clock, ttlSeconds)
  return {
    clock,
    root,
    authority: createCertificateAuthority({ trustDomain: 'example.org', ...root, clock, ...options }),
  }
}

describe('prepared bytes', () => {
  it('are signed for 60 s', async () => {
    const { authority, clock } = await timed()
    const prepared = await authority.prepare(csr, content)
    clock.advance(60_000)
    expect((await authority.sign(prepared)).certificate.tbs).toEqual(prepared.tbs)
  })

  it.each([
    { what: 'after that', age: (clock: FakeClock) => clock.advance(60_001) },
    {
      what: 'after the machine slept',
      age: (clock: FakeClock) => clock.setWallClock(new Date(clock.now() + 60_001)),
    },
    {
      what: 'after the clock was set back',
      age: (clock: FakeClock) => clock.setWallClock(new Date(clock.now() - 60_001)),
    },
  ])('are not signed $what, nor later', async ({ age }) => {
    const { authority, clock, root } = await timed()
    const prepared = await authority.prepare(csr, content)
    const at = clock.now()
    age(clock)
    await expect(authority.sign(prepared)).rejects.toThrow(code('ERR_PREPARED_EXPIRED'))
    clock.setWallClock(new Date(at))
    await expect(authority.sign(prepared)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(root.certificate.isSelfIssued).toBe(true)
  })

  it.each([undefined, null, 'prepared', 1, {}])('are not %s', async (prepared) => {
    await expect((await timed()).authority.sign(prepared as never)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('are out of reach of who holds them, and of the signer', async () => {
    const { root, clock } = await timed()
    const changing: Signer = {
      id: 'changing',
      publicKey: root.signer.publicKey,
      signatureAlgorithm: root.signer.signatureAlgorithm,
      sign: (data) => {
        data[20]! ^= 1 // of the serial number
        return root.signer.sign(data)
      },
    }
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: root.certificate,
      signer: changing,
      clock,
    })
    const prepared = await authority.prepare(csr, content)
    prepared.tbs[20]! ^= 1
    await expect(authority.sign(prepared)).rejects.toThrow(code('ERR_CA_SIGNATURE'))
  })

  it.each([undefined, null, 'signature', 7, new Uint8Array(0), [1, 2]])(
    'get no signature that is %s',
    async (signature) => {
      const { root, clock } = await timed()
      const signer: Signer = {
        id: 'odd',
        publicKey: root.signer.publicKey,
        signatureAlgorithm: root.signer.signatureAlgorithm,
        sign: () => signature as never,
      }
      const authority = createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: root.certificate,
        signer,
        clock,
      })
      await expect(authority.sign(await authority.prepare(csr, content))).rejects.toThrow(
        code('ERR_CA_SIGNATURE'),
      )
    },
  )
})

describe('a key that is too weak', () => {
  it('is said to be, before anything is made for it', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const weak: Signer = {
      id: 'weak',
      publicKey: PublicKey.from(privateKey),
      signatureAlgorithm: 'sha256WithRSAEncryption',
      sign: (data) => sign('sha256', data, privateKey),
    }
    const request = await buildCertificateRequest({}, weak)
    const { authority } = await timed()
    await expect(authority.prepare(request, content)).rejects.toThrow(code('ERR_KEY_WEAK'))
    for (const other of [undefined, request.der, request.verify()])
      await expect(authority.prepare(other as never, content)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('validity', () => {
  const seconds = ({ notBeforeMs, notAfterMs }: Certificate): number => (notAfterMs - notBeforeMs) / 1000

  it.each([
    { what: 'the hour of SPIRE', caTtl: 24 * 3600, asked: undefined, given: 3600 },
    {
      what: 'a sixth of the CA',
      caTtl: 24 * 3600,
      asked: (24 * 3600 + 120) / 6,
      given: (24 * 3600 + 120) / 6,
    },
    {
      what: 'a sixth of a CA of three hours, by default',
      caTtl: 3 * 3600,
      asked: undefined,
      given: (3 * 3600 + 120) / 6,
    },
    { what: 'ninety days of a CA of ten years', caTtl: undefined, asked: 90 * 86_400, given: 90 * 86_400 },
  ])('the SPIRE profile gives $what', async ({ caTtl, asked, given }) => {
    const { authority } = await timed({ profile: spireProfile }, caTtl)
    const { certificate } = await authority.sign(
      await authority.prepare(csr, { ...content, ttlSeconds: asked }),
    )
    expect(seconds(certificate)).toBe(given + spireProfile.backdateSeconds)
  })

  it.each([
    { what: 'more than a sixth of the CA', caTtl: 24 * 3600, asked: (24 * 3600 + 120) / 6 + 1 },
    { what: 'more than ninety days', caTtl: undefined, asked: 90 * 86_400 + 1 },
  ])('the SPIRE profile does not give $what', async ({ caTtl, asked }) => {
    const { authority } = await timed({ profile: spireProfile }, caTtl)
    await expect(authority.prepare(csr, { ...content, ttlSeconds: asked })).rejects.toThrow(code('ERR_TTL'))
  })

  it.each([0, -5, 0.5, Number.NaN])('a policy cannot limit it to %s s', async (maxTtlSeconds) => {
    const { authority } = await timed()
    await expect(authority.prepare(csr, { ...content, maxTtlSeconds })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it.each([
    { defaultTtlSeconds: Number.NaN },
    { defaultTtlSeconds: 0 },
    { maxTtlSeconds: -1 },
    { maxTtlSeconds: 3600 },
    { backdateSeconds: -1 },
    { backdateSeconds: 0.5 },
    { issuerDivisor: 0 },
  ])('a profile cannot have %j', async (change) => {
    await expect(timed({ profile: { ...workloadProfile, ...change } })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})

describe('rotation', () => {
  it('asks no key of a CA whose root is no longer trusted, neither here nor behind threads', async () => {
    const [first, second] = [await newRoot(), await newRoot()]
    let asked = 0
    const count = <Answer>(work: () => Answer): Answer => {
      asked++
      return work()
    }
    const { publicKey, signatureAlgorithm } = first.signer
    const signer: Signer = {
      id: 'counting',
      publicKey,
      signatureAlgorithm,
      sign: (data) => count(() => first.signer.sign(data)),
    }
    const workers: CertificateWorkers = {
      publicKey,
      signatureAlgorithm,
      prove: async () => undefined,
      sign: async (tbs) => count(() => first.signer.sign(tbs)),
    }
    for (const signing of [{ signer }, { signer, workers }]) {
      const authority = createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: first.certificate,
        ...signing,
      })
      const prepared = await authority.prepare(csr, content)
      await authority.rotate(second)
      await expect(authority.sign(prepared)).rejects.toThrow(code('ERR_PREPARED_EXPIRED'))
    }
    expect(asked).toBe(0)
  })

  it('publishes a root, signs with it, drops the old one, and tells of each change', async () => {
    const [first, second] = [await newRoot(), await newRoot()]
    const authority = createCertificateAuthority({ trustDomain: 'example.org', ...first })
    const told: number[] = []
    const stop = authority.onTrustBundleChange((bundle) => {
      expect(bundle).toBe(authority.trustBundle())
      told.push(bundle.x509Authorities.length)
    })
    const validator = new X509SvidValidator({ bundles: authority })
    const issue = async () => (await authority.sign(await authority.prepare(csr, content))).certificate
    const old = await issue()
    const both = [first.certificate, second.certificate]
    await authority.rotate({ ...first, roots: both })
    expect([validator.verify([old]).ok, told]).toEqual([true, [2]])
    expect([authority.chain, authority.roots]).toEqual([[], both])
    await authority.rotate({ ...second, roots: both })
    const fresh = await issue()
    expect(fresh.verifySignatureBy(second.certificate.publicKey)).toBe(true)
    expect([validator.verify([old]).ok, validator.verify([fresh]).ok, told]).toEqual([true, true, [2]])
    await authority.rotate(second)
    expect([validator.verify([old]).ok, validator.verify([fresh]).ok, told]).toEqual([false, true, [2, 1]])
    stop()
    await authority.rotate({ ...second, roots: both })
    expect(told).toEqual([2, 1])
    expect(authority.bundleFor(TrustDomain.parse('other.example'))).toBeUndefined()
  })

  it('swaps an intermediate with its chain', async () => {
    const root = await newRoot()
    const next = await SoftwareSigner.generate('P-384')
    const intermediate = await createIntermediateCertificate(root, next.publicKey, {
      subject: 'CN=ca',
      trustDomain: 'example.org',
    })
    const authority = createCertificateAuthority({ trustDomain: 'example.org', ...root })
    expect(authority.chain).toEqual([])
    await authority.rotate({ certificate: intermediate, signer: next, roots: [root.certificate] })
    const { certificate, chain, roots } = await authority.sign(await authority.prepare(csr, content))
    expect([authority.certificate, chain, roots]).toEqual([intermediate, [intermediate], [root.certificate]])
    expect(certificate.signatureAlgorithm.signatureAlgorithm).toBe('ecdsa-with-SHA384')
  })

  it('tells every listener, although one throws', async () => {
    const [first, second] = [await newRoot(), await newRoot()]
    const authority = createCertificateAuthority({ trustDomain: 'example.org', ...first })
    const told: string[] = []
    authority.onTrustBundleChange(() => {
      told.push('first')
      throw new TypeError('a listener')
    })
    authority.onTrustBundleChange(() => void told.push('second'))
    await expect(
      authority.rotate({ ...second, roots: [first.certificate, second.certificate] }),
    ).rejects.toThrow(TypeError)
    expect(told).toEqual(['first', 'second'])
    expect(authority.certificate).toEqual(second.certificate)
  })

  it.each([
    {
      what: "another CA's key",
      wanted: 'ERR_CA_MATERIAL',
      material: async () => ({ ...(await newRoot()), signer: await SoftwareSigner.generate('P-256') }),
    },
    {
      what: 'a CA of another trust domain',
      wanted: 'ERR_CA_MATERIAL',
      material: async () => {
        const signer = await SoftwareSigner.generate('P-256')
        return {
          signer,
          certificate: await createRootCertificate(signer, {
            subject: 'CN=root',
            trustDomain: 'other.example',
          }),
        }
      },
    },
    {
      what: 'a CA that expired',
      wanted: 'ERR_CA_EXPIRED',
      material: async () => newRoot(new FakeClock(new Date('2000-01-01T00:00:00Z'))),
    },
    {
      what: 'a CA that is not valid yet',
      wanted: 'ERR_CA_NOT_YET_VALID',
      material: async () => newRoot(new FakeClock(new Date('2100-01-01T00:00:00Z'))),
    },
    {
      what: 'a key that signs wrongly',
      wanted: 'ERR_CA_SIGNATURE',
      material: async () => {
        const { certificate, signer } = await newRoot()
        const wrong = await SoftwareSigner.generate('P-256')
        return {
          certificate,
          signer: {
            id: 'wrong',
            publicKey: signer.publicKey,
            signatureAlgorithm: signer.signatureAlgorithm,
            sign: (data: Uint8Array) => wrong.sign(data),
          },
        }
      },
    },
  ])('refuses $what, and goes on with what it has', async ({ wanted, material }) => {
    const { authority, root } = await testPki()
    let told = 0
    authority.onTrustBundleChange(() => told++)
    await expect(authority.rotate(await material())).rejects.toThrow(code(wanted))
    expect(
      (await authority.sign(await authority.prepare(csr, content))).certificate.verifySignatureBy(
        root.publicKey,
      ),
    ).toBe(true)
    expect(told).toBe(0)
  })

  it('signs what was prepared with the CA that prepared it, as long as that is trusted', async () => {
    const [first, second] = [await newRoot(), await newRoot()]
    const authority = createCertificateAuthority({ trustDomain: 'example.org', ...first })
    const [early, late] = [await authority.prepare(csr, content), await authority.prepare(csr, content)]
    await authority.rotate({ ...second, roots: [first.certificate, second.certificate] })
    const { certificate, roots } = await authority.sign(early)
    expect(certificate.verifySignatureBy(first.certificate.publicKey)).toBe(true)
    expect(roots).toEqual([first.certificate, second.certificate])
    await authority.rotate(second)
    await expect(authority.sign(late)).rejects.toThrow(code('ERR_PREPARED_EXPIRED'))
  })

  it('trusts what was prepared as long as one of several roots of its key stays', async () => {
    const root = await newRoot()
    const twin = await createRootCertificate(root.signer, {
      subject: 'CN=root',
      trustDomain: 'example.org',
      ttlSeconds: 7200,
    })
    const signer = await SoftwareSigner.generate('P-256')
    const certificate = await createIntermediateCertificate(root, signer.publicKey, {
      subject: 'CN=ca',
      trustDomain: 'example.org',
    })
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate,
      signer,
      roots: [root.certificate, twin],
    })
    const prepared = await authority.prepare(csr, content)
    const next = await newRoot()
    await authority.rotate({ ...next, roots: [twin, next.certificate] })
    expect((await authority.sign(prepared)).certificate.verifySignatureBy(certificate.publicKey)).toBe(true)
  })

  it('lets nothing out that was being signed when its root went', async () => {
    const [first, second] = [await newRoot(), await newRoot()]
    const asked = deferred()
    const slow: Signer = {
      id: 'slow',
      publicKey: first.signer.publicKey,
      signatureAlgorithm: first.signer.signatureAlgorithm,
      sign: async (data) => {
        await asked.promise
        return first.signer.sign(data)
      },
    }
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: first.certificate,
      signer: slow,
    })
    const signing = authority.sign(await authority.prepare(csr, content))
    await authority.rotate(second)
    asked.resolve()
    await expect(signing).rejects.toThrow(code('ERR_PREPARED_EXPIRED'))
  })
})

describe('revocation lists over time', () => {
  it.each([0, -1, 0.5, Number.NaN, Infinity])('are not for %s s', async (crlTtlSeconds) => {
    await expect(timed({ crlTtlSeconds })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  async function revoked() {
    const store = new MemoryCertificateStore()
    const { clock, authority } = await timed({ storage: storageOf(store) })
    const issuance = createIssuanceService({ authority, clock })
    const { certificate } = await issuance.issue(
      { csr: (await newRequest()).request, ttlSeconds: 3600 },
      callerOf(),
    )
    await issuance.revoke(certificate.serialNumber, 'superseded', callerOf())
    return { clock, authority }
  }

  it('list a certificate once more after it expired (RFC 5280 §5)', async () => {
    const { clock, authority } = await revoked()
    expect((await authority.issueCrl()).entryCount).toBe(1)
    clock.advance(23 * 3_600_000)
    expect((await authority.issueCrl()).entryCount).toBe(1)
    clock.advance(3 * 3_600_000)
    expect((await authority.issueCrl()).entryCount).toBe(0)
  })

  it('say of no certificate that it was revoked later than the list', async () => {
    const { clock, authority } = await revoked()
    clock.setWallClock(new Date(clock.now() - 60_000))
    const list = await authority.issueCrl()
    const [entry] = [...list.entries()]
    expect(entry!.revocationDate!.getTime()).toBeLessThanOrEqual(list.thisUpdate.getTime())
  })

  it('are of the new key, by its own numbers, when the CA changes its key', async () => {
    const { authority } = await revoked()
    const before = await authority.issueCrl()
    const clock = new FakeClock()
    const next = await newRoot(clock)
    await authority.rotate(next)
    const after = await authority.issueCrl()
    expect([before.crlNumber, after.crlNumber].every((number) => number! > 0n)).toBe(true)
    expect(after.verifySignatureBy(next.certificate.publicKey)).toBe(true)
  })
})
