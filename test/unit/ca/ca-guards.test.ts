// Guards of a CA that no other test of this folder held: each case fails if its guard is left out.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import { maxRenewalBlocks } from '../../../src/ca/blocks/renewal-blocks.ts'
import { MemoryBlocks } from '../../../src/ca/blocks/memory-blocks.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { PublicKey, generalName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, newRequest, testPki } from '../../support/pki.ts'
import { makeAuthority, time } from '../validation/test-pki.ts'

const trustDomain = 'example.org'
const clock = new FakeClock()
const rootSigner = await SoftwareSigner.generate('P-256')
const rootOf = (change: object = {}) =>
  createRootCertificate(rootSigner, { subject: 'CN=root', trustDomain, clock, ttlSeconds: 86_400, ...change })
const root = await rootOf()
const key = (await SoftwareSigner.generate('P-256')).publicKey

describe('an intermediate certificate is not signed', () => {
  const sign = (parent: object, publicKey: PublicKey = key, change: object = {}) =>
    createIntermediateCertificate({ certificate: root, signer: rootSigner, ...parent } as never, publicKey, {
      ...{ subject: 'CN=ca', clock, ...change },
    })

  it('by a CA that has expired: the last second is inclusive', async () => {
    const later = new FakeClock(new Date(root.notAfterMs + 999))
    await expect(sign({}, key, { clock: later })).resolves.toBeDefined()
    later.advance(1)
    await expect(sign({}, key, { clock: later })).rejects.toThrow(code('ERR_CA_EXPIRED'))
  })

  it('by a workload, or by a CA without room for another', async () => {
    const { issuance, signer } = await testPki()
    const { request, signer: workload } = await newRequest()
    const { certificate } = await issuance.issue({ csr: request }, callerOf())
    await expect(sign({ certificate, signer: workload })).rejects.toThrow(/whose path length is absent/)
    const last = await createRootCertificate(signer, {
      subject: 'CN=last',
      trustDomain,
      clock,
      pathLength: 0,
    })
    await expect(sign({ certificate: last, signer })).rejects.toThrow(/whose path length is 0/)
  })

  it('for a weak key, for nobody, or by what does not sign', async () => {
    const weak = PublicKey.from(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
    await expect(sign({}, weak)).rejects.toThrow(code('ERR_KEY_WEAK'))
    await expect(sign({}, key, { subject: '' })).rejects.toThrow(/must not be empty/)
    for (const signer of [undefined, {}, { publicKey: rootSigner.publicKey }])
      await expect(sign({ signer })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('the workers of a CA', () => {
  const workers = {
    publicKey: rootSigner.publicKey,
    signatureAlgorithm: rootSigner.signatureAlgorithm,
    prove: async () => undefined,
    sign: async () => new Uint8Array(),
  }
  const open = (change: object) => () =>
    createCertificateAuthority({
      ...{ trustDomain, certificate: root, signer: rootSigner, clock },
      workers: { ...workers, ...change },
    })

  it('sign with its key and algorithm', () => {
    expect(open({})).not.toThrow()
    for (const change of [{ publicKey: key }, { signatureAlgorithm: 'ecdsa-with-SHA384' }])
      expect(open(change)).toThrow(code('ERR_CA_MATERIAL'))
  })

  it.each(['publicKey', 'prove', 'sign'])('have %s', (name) => {
    expect(open({ [name]: undefined })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

it.each([0, -1, 1.01, Number.NaN, Infinity, '1'])('rotate takes no share of %s', async (share) => {
  const { authority } = await testPki()
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=next', trustDomain })
  const rotated = authority.rotate({ certificate, signer }, { share: share as number })
  await expect(rotated).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
})

it('a canary has the roots above the signer of the other keys', async () => {
  const { authority, root: current } = await testPki()
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=next', trustDomain })
  const rotate = (roots: object) => authority.rotate({ certificate, signer, ...roots }, { share: 0.5 })
  await expect(rotate({})).rejects.toThrow(
    /the roots of the canary material lack the root above CN=test root/,
  )
  await expect(rotate({ roots: [certificate, current] })).resolves.toBeUndefined()
})

it.each([
  ['spiffe://example.org/ca', 'X-4'],
  ['spiffe://example.org', undefined],
])('a CA whose certificate has the name %s is refused, or not: %s', async (uri, rule) => {
  const made = await makeAuthority('ca', undefined, {
    extensions: { subjectAltName: [generalName.uri(uri)] },
  })
  const open = (): unknown =>
    createCertificateAuthority({
      ...{ trustDomain, certificate: made.certificate, signer: made.signer },
      clock: new FakeClock(time),
    })
  if (rule === undefined) expect(open).not.toThrow()
  else expect(open).toThrow(/X-4/)
})

it.each([-1, 1.5, 256, Number.NaN])('no CA has a path length of %s', async (pathLength) => {
  await expect(rootOf({ pathLength })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
})

it.each([undefined, 'spiffe://example.org/a', {}])('prepare takes no names %j', async (subjectAltName) => {
  const { authority } = await testPki()
  const { request } = await newRequest()
  const prepared = authority.prepare(request, { subjectAltName: subjectAltName as never })
  await expect(prepared).rejects.toThrow(
    subjectAltName === undefined ? /subjectAltName/ : /subjectAltName must be an array of names/,
  )
})

it('a delta is not issued where none are made', async () => {
  const { authority } = await testPki()
  await expect(authority.issueCrl({ delta: true })).rejects.toThrow(/delta CRLs are not made/)
})

it('a full block-list takes no other subject, but another reason for one that it has', async () => {
  const blocks = new MemoryBlocks(() => undefined)
  const block = (number: number, reason = 'test') => ({
    ...{ subject: { identity: `spiffe://example.org/${number}` }, reason, since: new Date(0) },
  })
  for (let number = 0; number < maxRenewalBlocks; number++) blocks.put(block(number) as never)
  await expect(blocks.add(block(maxRenewalBlocks) as never)).rejects.toThrow(code('ERR_STORE_FULL'))
  await expect(blocks.add(block(0, 'another') as never)).resolves.toBeUndefined()
  expect(await blocks.list()).toHaveLength(maxRenewalBlocks)
})
