// What crosses the door of a CA: copied when it comes in, frozen when it goes out, refused where it is
// misspelt; chains, times, rotations.

import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
  readPluggedInMaterial,
  workloadProfile,
} from '../../../src/ca/index.ts'
import { crlEntryLints, crlFieldLints } from '../../../src/ca/lints/crl-lints.ts'
import { leafLints } from '../../../src/ca/lints/leaf-lints.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { CertificateRequest, generalName } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { newRequest, workloadId } from '../../support/pki.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const newFolder = temporaryFolders('ca-doors-')
const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
const { request: csr } = await newRequest()
const trustDomain = 'example.org'

async function root(subject = 'CN=root', clock?: FakeClock, ttlSeconds?: number) {
  const signer = await SoftwareSigner.generate('P-256')
  return {
    signer,
    certificate: await createRootCertificate(signer, { subject, trustDomain, clock, ttlSeconds }),
  }
}

describe('octets and objects', () => {
  it('of a request are copied: a buffer that is used again changes nothing', async () => {
    const authority = createCertificateAuthority({ trustDomain, ...(await root()) })
    const memory = Buffer.from(csr.der)
    const prepared = authority.prepare(CertificateRequest.parse(memory), content)
    memory.fill(0xff)
    const { certificate } = await authority.sign(await prepared)
    expect(certificate.publicKey.equals(csr.publicKey)).toBe(true)
  })

  it('of material and content are copied', async () => {
    const { signer, certificate } = await root()
    const der = Buffer.from(certificate.der)
    const authority = createCertificateAuthority({ trustDomain, certificate: der, signer, roots: [der] })
    der.fill(0)
    const names = [...content.subjectAltName]
    const prepared = authority.prepare(csr, { subjectAltName: names })
    names.push(generalName.dns('added.example.org'))
    const issued = await authority.sign(await prepared)
    expect(issued.certificate.subjectAltName).toEqual(content.subjectAltName)
    expect(issued.certificate.verifySignatureBy(certificate.publicKey)).toBe(true)
  })

  it('that are handed out are frozen', async () => {
    const authority = createCertificateAuthority({ trustDomain, ...(await root()) })
    const issued = await authority.sign(await authority.prepare(csr, content))
    const { chain, roots } = authority
    for (const one of [
      issued,
      issued.chain,
      issued.roots,
      chain,
      roots,
      workloadProfile,
      leafLints,
      crlEntryLints,
      crlFieldLints,
    ])
      expect(Object.isFrozen(one)).toBe(true)
  })

  it('that are misspelt are refused', async () => {
    const material = await root()
    const authority = createCertificateAuthority({ trustDomain, ...material })
    for (const wrong of [
      { ...content, ttl: 60 },
      { ...content, maxTtl: 60 },
    ])
      await expect(authority.prepare(csr, wrong as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(authority.rotate({ ...material, root: [] } as never)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    const create = () => createCertificateAuthority({ trustDomain, ...material, polcy: 1 } as never)
    expect(create).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a chain', () => {
  it('is found in any order, and has neither root nor repetition', async () => {
    const [top, other] = [await root(), await root('CN=other')]
    const [policy, issuing] = [await SoftwareSigner.generate('P-256'), await SoftwareSigner.generate('P-256')]
    const options = { subject: 'CN=policy', pathLength: 1 }
    const good = await createIntermediateCertificate(top, policy.publicKey, options)
    const short = await createCrossCertificate(top, good, { pathLength: 0 })
    const foreign = await createCrossCertificate(other, good)
    const below = { certificate: good, signer: policy }
    const certificate = await createIntermediateCertificate(below, issuing.publicKey, {
      subject: 'CN=issuing',
    })
    const all = [short, foreign, top.certificate, certificate, good, good]
    for (const chain of [all, all.toReversed()]) {
      const material = { certificate, signer: issuing, chain, roots: [top.certificate, top.certificate] }
      const { chain: found, roots } = createCertificateAuthority({ trustDomain, ...material })
      expect(found).toEqual([certificate, good])
      expect(roots).toEqual([top.certificate])
    }
  })

  it('of files in a volume is of one generation', async () => {
    const directory = newFolder()
    for (const n of [0, 1]) {
      const { certificate, signer } = await root(`CN=${n}`)
      mkdirSync(join(directory, `..${n}`))
      const files = {
        'tls.crt': certificate.toPem(),
        'tls.key': exportPrivateKey(signer.privateKey()),
        'ca.crt': certificate.toPem(),
      }
      for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `..${n}`, name), text)
    }
    symlinkSync('..0', join(directory, '..data'))
    for (const name of ['tls.crt', 'tls.key', 'ca.crt']) symlinkSync(`..data/${name}`, join(directory, name))
    let stop = false
    let at = 0
    const swap = (): void => {
      symlinkSync(`..${(at ^= 1)}`, join(directory, '..next'))
      renameSync(join(directory, '..next'), join(directory, '..data'))
      if (!stop) setImmediate(swap)
    }
    swap()
    for (let i = 0; i < 50; i++) expect(await readPluggedInMaterial(directory)).toBeDefined()
    stop = true
  })
})

describe('a validity', () => {
  it('that is cut says so, and one that is too short is refused', async () => {
    const clock = new FakeClock()
    const material = await root('CN=root', clock, 7200)
    const authority = createCertificateAuthority({ trustDomain, ...material, clock, minTtlSeconds: 600 })
    const { shortened, notAfter } = await authority.prepare(csr, content)
    expect(shortened).toMatchObject({ by: 'issuer', to: notAfter })
    expect(shortened!.from.getTime()).toBeGreaterThan(notAfter.getTime())
    const limited = await authority.prepare(csr, { ...content, ttlSeconds: 3600, maxTtlSeconds: 60 })
    expect(limited.shortened).toMatchObject({ by: 'policy' })
    expect((await authority.prepare(csr, { ...content, ttlSeconds: 60 })).shortened).toBeUndefined()
    clock.advance(6700 * 1000)
    await expect(authority.prepare(csr, content)).rejects.toThrow(code('ERR_CA_EXPIRED'))
    expect((await authority.prepare(csr, { ...content, ttlSeconds: 60 })).shortened).toBeUndefined()
  })
})

describe('rotations', () => {
  it('that overlap take effect in their order, each as it was given', async () => {
    const [first, second, third] = [await root(), await root('CN=2'), await root('CN=3')]
    const authority = createCertificateAuthority({ trustDomain, ...first })
    const roots: Certificate[] = [second.certificate, first.certificate]
    const told: string[] = []
    authority.onTrustBundleChange((bundle) =>
      told.push(bundle.x509Authorities.map(({ subject }) => subject.toString()).join()),
    )
    const slow = {
      id: 'slow',
      publicKey: second.signer.publicKey,
      signatureAlgorithm: second.signer.signatureAlgorithm,
      sign: async (data: Uint8Array) => {
        await new Promise((resolve) => setImmediate(resolve))
        return second.signer.sign(data)
      },
    }
    const one = authority.rotate({ certificate: second.certificate, signer: slow, roots })
    roots.length = 0
    const two = authority.rotate(third)
    await Promise.all([one, two])
    expect(told).toEqual(['CN=2,CN=root', 'CN=3'])
    expect(authority.certificate).toEqual(third.certificate)
  })
})
