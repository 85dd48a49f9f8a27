// A registration authority: decided here, signed elsewhere; every answer is held against the decision, and on
// record.

import { describe, expect, it } from 'vitest'
import {
  createMemoryStorage,
  createRegistrationAuthority,
  createRootCertificate,
} from '../../../../src/ca/index.ts'
import type { RemoteSigner } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../../../src/policy/index.ts'
import { anyIntent } from '../../../../src/testing/contracts/storage/storage-fixtures.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { DistinguishedName, buildCertificate, generalName } from '../../../../src/x509/index.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../../support/pki.ts'

const [pki, elsewhere] = [await testPki(), await testPki()]
const other = await SoftwareSigner.generate('P-256')
type Request = Parameters<RemoteSigner['sign']>[0]
type Fields = Parameters<typeof buildCertificate>[0]

/** The CA elsewhere: signs what it is asked for, changed by `change`. */
function remote(change: (fields: Fields) => Fields = (fields) => fields, answer: object = {}): RemoteSigner {
  return {
    name: 'elsewhere',
    roots: async () => [pki.root],
    async sign({ csr, subjectAltName, subject, ttlSeconds, signal }) {
      signal?.throwIfAborted()
      const nowMs = Math.floor(Date.now() / 1000) * 1000
      const fields: Fields = {
        issuer: pki.root.subject,
        ...(subject === undefined ? {} : { subject }),
        publicKey: csr.publicKey,
        notBefore: new Date(nowMs - 60_000),
        notAfter: new Date(nowMs + ttlSeconds * 1000),
        extensions: {
          basicConstraints: { ca: false },
          keyUsage: ['digitalSignature'],
          extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
          subjectKeyIdentifier: csr.publicKey,
          authorityKeyIdentifier: pki.root.subjectKeyIdentifier,
          subjectAltName,
        },
      }
      const certificate = await buildCertificate(change(fields), pki.signer)
      return { certificate, chain: [], roots: [pki.root], ...answer }
    },
  }
}

async function serviceOf(signer: RemoteSigner) {
  const authority = await createRegistrationAuthority({ trustDomain: 'example.org', signer })
  const policy = callerIdentityPolicy({ trustDomain: 'example.org' })
  return { authority, issuance: createIssuanceService({ authority, policy, isAdministrator: () => true }) }
}

const { request: csr } = await newRequest()

describe('a registration authority', () => {
  it('hands out what the CA signed, on record under its own serial number', async () => {
    const { authority, issuance } = await serviceOf(remote())
    const { certificate, roots } = await issuance.issue({ csr, ttlSeconds: 600 }, callerOf())
    expect(certificate.subjectAltName).toEqual([generalName.uri(workloadId.toString())])
    expect(roots.map((root) => root.equals(pki.root))).toEqual([true])
    expect(await issuance.status(certificate.serialNumber)).toMatchObject({ state: 'valid' })
    const { items } = await authority.storage.certificates.query({ identity: workloadId })
    expect(items.map(({ state }) => state).sort()).toEqual(['failed', 'issued'])
    const renewed = await issuance.renew(certificate.serialNumber, { csr, ttlSeconds: 600 }, callerOf())
    expect(renewed.certificate.serialNumber).not.toBe(certificate.serialNumber)
  })

  it('never has a certificate on record under a request number, nor one of before a restart', async () => {
    const storage = createMemoryStorage()
    const authority = await createRegistrationAuthority({
      trustDomain: 'example.org',
      signer: remote(),
      storage,
    })
    const { issuer } = await authority.prepare(csr, { subjectAltName: [] })
    const intent = { ...anyIntent(), issuer }
    await storage.certificates.recordIntent(intent)
    const outcome = { certificate: pki.root.der }
    await expect(authority.storage.certificates.recordOutcome(intent, outcome)).rejects.toThrow(
      code('ERR_CERTIFICATE_UNKNOWN'),
    )
    expect(await storage.certificates.find(intent)).toMatchObject({ state: 'intended' })
  })

  it('records nothing of an outcome with an unknown option', async () => {
    const { authority } = await serviceOf(remote())
    const { certificates } = authority.storage
    const { issuer } = await authority.prepare(csr, { subjectAltName: [] })
    const intent = { ...anyIntent(), issuer }
    await certificates.recordIntent(intent)
    const outcome = { certificate: (await pki.issuance.issue({ csr }, callerOf())).certificate.der }
    const odd = { noSuchOption: 1 } as object
    await expect(certificates.recordOutcome(intent, outcome, odd)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    expect((await certificates.query({})).items.map(({ state }) => state)).toEqual(['intended'])
    await certificates.recordOutcome(intent, outcome)
    const { items } = await certificates.query({})
    expect(items.map(({ state }) => state)).toEqual(['failed', 'issued'])
  })

  it('gives a retry the same certificate', async () => {
    const { issuance } = await serviceOf(remote())
    const request = { csr, ttlSeconds: 600, idempotencyKey: 'again' }
    const first = await issuance.issue(request, callerOf())
    const second = await issuance.issue(request, callerOf())
    expect(second.certificate.equals(first.certificate)).toBe(true)
  })

  it('forwards nothing for a plan, nor what the policy refuses', async () => {
    const asked: Request[] = []
    const signer = remote()
    const { issuance } = await serviceOf({
      ...signer,
      sign: (request) => {
        asked.push(request)
        return signer.sign(request)
      },
    })
    await issuance.plan({ csr, ttlSeconds: 600 }, callerOf())
    await expect(issuance.issue({ csr }, callerOf('spiffe://other.example/x'))).rejects.toThrow(
      code('ERR_POLICY_TRUST_DOMAIN'),
    )
    expect(asked).toEqual([])
  })

  it('keeps a root that the CA no longer names until the leaves below it have expired', async () => {
    const clock = new FakeClock(new Date())
    const next = await createRootCertificate(pki.signer, {
      subject: 'CN=test root',
      trustDomain: 'example.org',
    })
    const signer = remote((fields) => fields, { roots: [next] })
    const authority = await createRegistrationAuthority({ trustDomain: 'example.org', signer, clock })
    const content = { subjectAltName: [generalName.uri(workloadId.toString())], ttlSeconds: 600 }
    const roots = async (): Promise<boolean[]> => {
      await authority.sign(await authority.prepare(csr, content))
      return authority.trustBundle().x509Authorities.map((root) => root.equals(next))
    }
    expect(authority.roots.map((root) => root.equals(pki.root))).toEqual([true])
    expect(await roots()).toEqual([true, false])
  })

  it('signs no list itself', async () => {
    const { authority } = await serviceOf(remote())
    expect(await authority.issueCrls()).toEqual([])
    await expect(authority.issueCrl()).rejects.toThrow(code('ERR_CA_REFUSED'))
    await expect(authority.answerOcsp(new Uint8Array(1))).rejects.toThrow(code('ERR_CA_REFUSED'))
  })

  it('forwards what was prepared once, and within a minute', async () => {
    const clock = new FakeClock(new Date())
    const authority = await createRegistrationAuthority({
      trustDomain: 'example.org',
      signer: remote(),
      clock,
    })
    const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
    const one = await authority.prepare(csr, content)
    await authority.sign(one)
    await expect(authority.sign(one)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(authority.sign({ ...one })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    const late = await authority.prepare(csr, content)
    clock.advance(60_001)
    await expect(authority.sign(late)).rejects.toThrow(code('ERR_PREPARED_EXPIRED'))
  })

  it('is not made without roots', async () => {
    await expect(serviceOf({ ...remote(), roots: async () => [] })).rejects.toThrow(code('ERR_CA_REPLY'))
    const down = { ...remote(), roots: () => Promise.reject(new Error('down')) }
    await expect(serviceOf(down)).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
  })

  it.each<[string, unknown]>([
    ['a thousand', Array<Certificate>(1000).fill(pki.root)],
    ['no certificate', [Uint8Array.of(1)]],
    ['no list', pki.root],
  ])('is not made with roots that are %s', async (_what, roots) => {
    const opening = serviceOf({ ...remote(), roots: async () => roots as Certificate[] })
    await expect(opening).rejects.toThrow(code('ERR_CA_REPLY'))
  })
})

describe('an answer is refused, and recorded as no certificate', () => {
  const extended = (change: object) => (fields: Fields) => ({
    ...fields,
    extensions: { ...fields.extensions, ...change },
  })
  it.each<[string, RemoteSigner]>([
    ['another key', remote((fields) => ({ ...fields, publicKey: other.publicKey }))],
    [
      'another identity',
      remote(extended({ subjectAltName: [generalName.uri('spiffe://example.org/admin')] })),
    ],
    [
      'one more name',
      remote(
        extended({
          subjectAltName: [generalName.uri(workloadId.toString()), generalName.dns('bank.example')],
        }),
      ),
    ],
    ['no name', remote(extended({ subjectAltName: undefined }))],
    ['a subject', remote((fields) => ({ ...fields, subject: DistinguishedName.from('CN=admin') }))],
    ['a longer validity', remote((fields) => ({ ...fields, notAfter: new Date(Date.now() + 86_400_000) }))],
    ['an expired one', remote((fields) => ({ ...fields, notAfter: new Date(Date.now() - 5000) }))],
    [
      'a CA',
      remote(extended({ basicConstraints: { ca: true }, keyUsage: ['keyCertSign', 'digitalSignature'] })),
    ],
    ['another purpose', remote(extended({ extendedKeyUsage: ['1.3.6.1.5.5.7.3.4'] }))],
    ['half of the purposes', remote(extended({ extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] }))],
    ['a chain to another root', remote((fields) => fields, { roots: [elsewhere.root] })],
    ['no root', remote((fields) => fields, { roots: [] })],
    ['a thousand issuers', remote((fields) => fields, { chain: Array<Certificate>(1000).fill(pki.root) })],
    ['no certificate', remote((fields) => fields, { certificate: Uint8Array.of(1) })],
    ['nothing', { ...remote(), sign: async () => undefined as never }],
  ])('%s', async (_what, signer) => {
    const { authority, issuance } = await serviceOf(signer)
    await expect(issuance.issue({ csr, ttlSeconds: 600 }, callerOf())).rejects.toThrow(code('ERR_CA_REPLY'))
    const { items } = await authority.storage.certificates.query({ limit: 10 })
    expect(items.map(({ state }) => state)).toEqual(['failed'])
  })

  it('an error that is none of ours', async () => {
    const { issuance } = await serviceOf({ ...remote(), sign: () => Promise.reject(new Error('down')) })
    await expect(issuance.issue({ csr }, callerOf())).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
  })
})
