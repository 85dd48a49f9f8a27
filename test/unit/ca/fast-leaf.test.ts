// A copied leaf is octet for octet what the template makes and every lint accepts, and never stands in for
// one that must be linted as a whole.

import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  createCertificateAuthority,
  createRootCertificate,
  lintCertificate,
  workloadProfile,
} from '../../../src/ca/index.ts'
import type { CertificateAuthority } from '../../../src/ca/index.ts'
import { FastLeaves } from '../../../src/ca/profile/fast-leaf.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import {
  Certificate,
  DistinguishedName,
  buildCertificateRequest,
  generalName,
} from '../../../src/x509/index.ts'
import { newRequest } from '../../support/pki.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const nowMs = Date.UTC(2026, 7, 24, 12)
const idOf = (name: string): string => `spiffe://example.org/ns/prod/sa/${name}`
const uris = (name: string) => ({ subjectAltName: [generalName.uri(idOf(name))] })

afterEach(() => vi.restoreAllMocks())

async function newCa(
  now: () => number = () => nowMs,
): Promise<{ authority: CertificateAuthority; signer: SoftwareSigner }> {
  const signer = await SoftwareSigner.generate('P-256')
  const clock = { ...systemClock, now, monotonic: () => 0 }
  const options = { subject: 'CN=fast root', trustDomain: 'example.org', clock }
  const certificate = await createRootCertificate(signer, options)
  return {
    authority: createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, clock }),
    signer,
  }
}

async function fastPki() {
  const copies = vi.spyOn(FastLeaves.prototype, 'copy')
  const { authority } = await newCa()
  const caCertificate = authority.certificate
  const issue = async (name: string, ttlSeconds?: number) => {
    const { request } = await newRequest()
    const content = ttlSeconds === undefined ? uris(name) : { ...uris(name), ttlSeconds }
    const { certificate } = await authority.sign(await authority.prepare(request, content))
    return { certificate, request, wasCopied: copies.mock.results.at(-1)?.value !== undefined }
  }
  return { authority, caCertificate, issue, copies }
}

describe('a leaf that is copied', () => {
  it('is what the parser reads, and passes every lint', async () => {
    const { issue, caCertificate } = await fastPki()
    const made = []
    for (const name of ['api-1', 'api-2', 'api-3', 'web', 'api-4']) made.push(await issue(name))
    expect(made.map(({ wasCopied }) => wasCopied)).toEqual([false, true, true, false, true])
    for (const [at, { certificate, request }] of made.entries()) {
      const parsed = Certificate.parse(certificate.der)
      const name = ['api-1', 'api-2', 'api-3', 'web', 'api-4'][at] as string
      lintCertificate({
        certificate: parsed,
        issuer: caCertificate,
        issuerTrustDomain: SpiffeId.parse(idOf(name)).trustDomain,
        publicKey: request.publicKey,
        wantedNames: uris(name).subjectAltName,
        profile: workloadProfile,
        nowMs,
      })
      expect(parsed.verifySignatureBy(caCertificate.publicKey)).toBe(true)
    }
  })

  it('answers every question as the same octets do when they are parsed', async () => {
    const { issue } = await fastPki()
    await issue('api-1')
    const { certificate, wasCopied } = await issue('api-2')
    expect(wasCopied).toBe(true)
    const parsed = Certificate.parse(certificate.der)
    const face = (one: Certificate) => ({
      json: one.toJSON(),
      text: one.toString(),
      tbs: one.tbs,
      version: one.version,
      serial: one.serialNumberBytes,
      number: one.serialNumber,
      signature: one.signature,
      algorithm: one.signatureAlgorithm.der,
      issuer: one.issuer.der,
      subject: one.subject.der,
      times: [one.notBeforeMs, one.notAfterMs],
      spki: one.publicKey.spki,
      identifiers: [one.subjectKeyIdentifier, one.authorityKeyIdentifier],
      extensions: one.extensions,
      names: one.subjectAltName,
    })
    expect(face(certificate)).toEqual(face(parsed))
    expect(Object.isFrozen(certificate.extensions)).toBe(true)
    certificate.checkAll()
  })

  it('has a serial number and a key of its own, and shares no octets with another', async () => {
    const { issue } = await fastPki()
    const all = [await issue('api-1'), await issue('api-2'), await issue('api-3')]
    expect(new Set(all.map(({ certificate }) => certificate.serialNumber)).size).toBe(3)
    for (const { certificate, request } of all) {
      expect(certificate.publicKey.equals(request.publicKey)).toBe(true)
      certificate.der.fill(0)
    }
    const { certificate, request, wasCopied } = await issue('api-4')
    expect(wasCopied).toBe(true)
    expect(Certificate.parse(certificate.der).publicKey.equals(request.publicKey)).toBe(true)
  })
})

describe('no leaf is copied', () => {
  it('with another lifetime, in another second, or with more than one name', async () => {
    let now = nowMs
    const copies = vi.spyOn(FastLeaves.prototype, 'copy')
    const { authority } = await newCa(() => now)
    const { request } = await newRequest()
    const wasCopied = async (content: Parameters<typeof authority.prepare>[1]): Promise<boolean> => {
      await authority.prepare(request, content)
      return copies.mock.results.at(-1)?.value !== undefined
    }
    expect(await wasCopied(uris('api'))).toBe(false)
    expect(await wasCopied(uris('api'))).toBe(true)
    expect(await wasCopied({ ...uris('api'), ttlSeconds: 600 })).toBe(false)
    expect(await wasCopied({ ...uris('api'), ttlSeconds: 600 })).toBe(true)
    expect(await wasCopied({ ...uris('api'), subject: DistinguishedName.parse('CN=x') })).toBe(false)
    const two = [generalName.uri(idOf('api')), generalName.dns('api.example.org')]
    expect(await wasCopied({ subjectAltName: two })).toBe(false)
    expect(await wasCopied({ subjectAltName: two })).toBe(false)
    now += 1000
    expect(await wasCopied(uris('api'))).toBe(false)
    expect(await wasCopied(uris('api'))).toBe(true)
  })

  it.each([
    ['a name of no workload', 'spiffe://example.org'],
    ['a name of another trust domain', 'spiffe://example.net/a'],
    ['a name that is no SPIFFE ID', 'spiffe://example.org/ns/..'],
    ['a name of another scheme', 'https://example.org/ns/prod'],
  ])('for %s: the lint refuses it also where a leaf of the same length was linted', async (_, uri) => {
    const { authority } = await newCa()
    const { request } = await newRequest()
    const legal = `spiffe://example.org/`.padEnd(uri.length, 'a')
    if (SpiffeId.tryParse(legal)?.hasPath === true)
      await authority.prepare(request, { subjectAltName: [generalName.uri(legal)] })
    await expect(authority.prepare(request, { subjectAltName: [generalName.uri(uri)] })).rejects.toThrow(
      code('ERR_LINT'),
    )
  })

  it('for the key of the CA', async () => {
    const { authority, signer } = await newCa()
    const { request } = await newRequest()
    await authority.prepare(request, uris('api'))
    const own = await buildCertificateRequest({}, signer)
    await expect(authority.prepare(own, uris('api'))).rejects.toThrow(/L13/)
  })

  it('for an RSA key, where a P-256 leaf of the same name was linted', async () => {
    const { authority } = await newCa()
    const { request } = await newRequest()
    const { request: rsa } = await newRequest('RSA-2048')
    await authority.prepare(request, uris('api'))
    const { certificate } = await authority.sign(await authority.prepare(rsa, uris('api')))
    expect(certificate.keyUsage?.names).toEqual(['digitalSignature', 'keyEncipherment'])
  })
})
