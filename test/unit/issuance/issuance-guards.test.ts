// Guards of the issuance service: which certificate a serial number means, and which options are refused.

import { describe, expect, it } from 'vitest'
import { createMemoryStorage } from '../../../src/ca/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { Administrators } from '../../../src/issuance/records/administrators.ts'
import { RefusalBudget } from '../../../src/issuance/records/refusal/refusal-budget.ts'
import { anyIntent } from '../../../src/testing/contracts/storage/storage-fixtures.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { buildCertificate, generalName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, newRequest, testPki } from '../../support/pki.ts'
import { storedIn } from '../../support/storage.ts'

const { authority, issuance } = await testPki('P-256', { isAdministrator: () => true })
const { request: csr } = await newRequest()
const { certificates } = authority.storage

describe('a serial number alone', () => {
  it('is not enough if several earlier issuers have issued it', async () => {
    const one = anyIntent()
    const other = anyIntent({ serialNumber: one.serialNumber })
    await certificates.recordIntent(one)
    const { serialNumber } = one
    expect(await issuance.status(serialNumber)).toMatchObject({ issuer: one.issuer })
    await certificates.recordIntent(other)
    for (const call of [
      () => issuance.status(serialNumber),
      () => issuance.revoke(serialNumber, 'superseded', callerOf()),
      () => issuance.renew(serialNumber, { csr }, callerOf()),
    ])
      await expect(call()).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(await issuance.status({ issuer: other.issuer, serialNumber })).toMatchObject({
      issuer: other.issuer,
    })
  })

  it('means the certificate of the current issuer first', async () => {
    const { certificate } = await issuance.issue({ csr }, callerOf())
    const { serialNumber } = certificate
    const other = anyIntent({ serialNumber })
    await certificates.recordIntent(other)
    await issuance.revoke(serialNumber, 'superseded', callerOf())
    expect(await issuance.status(serialNumber)).toMatchObject({ state: 'revoked' })
    expect(await certificates.find(other)).toMatchObject({ revocation: undefined })
  })

  it('is not that of another certificate without a record', async () => {
    const [lost, another] = [
      await issuance.issue({ csr }, callerOf()),
      await issuance.issue({ csr }, callerOf()),
    ]
    const storage = createMemoryStorage()
    const restored = storedIn(authority, storage.certificates)
    const service = createIssuanceService({ authority: restored, isAdministrator: () => true })
    const { serialNumber } = lost.certificate
    await expect(
      service.revoke(serialNumber, 'keyCompromise', callerOf(), { certificate: another.certificate }),
    ).rejects.toThrow(code('ERR_CERTIFICATE_UNKNOWN'))
    expect((await storage.certificates.query({ limit: 1 })).items).toEqual([])
  })
})

it.each([
  [{ authority: {} }, /authority/],
  [{ policy: {} }, /policy/],
  [{ audit: true, receipts: {} }, /receipts/],
  [{ receipts: { receiptOf: async () => '' } }, /audit: true/],
  [{ usage: {} }, /usage/],
  [{ isAdministrator: true }, /isAdministrator must be a function/],
  [{ keyReuse: 'deny' }, /keyReuse/],
  [{ storage: createMemoryStorage() }, /two storages/],
])('a service is not made with %o', (options, message) => {
  const make = () => createIssuanceService({ authority, ...options } as never)
  expect(make).toThrow(code('ERR_INVALID_ARGUMENT'))
  expect(make).toThrow(message)
})

it('an error of isAdministrator that has a code keeps it', () => {
  const unavailable = new PkiError('ERR_AUTHENTICATOR_UNAVAILABLE', 'later')
  const administrators = new Administrators(() => {
    throw unavailable
  })
  expect(() => administrators.require(callerOf(), 'do this')).toThrow(unavailable)
})

it('a certificate without a record and with two SPIFFE IDs is not revoked', async () => {
  const { root, signer, issuance: service } = await testPki('P-256', { isAdministrator: () => true })
  const ids = ['spiffe://example.org/a', 'spiffe://example.org/b']
  const certificate = await buildCertificate(
    {
      issuer: root.subject,
      publicKey: csr.publicKey,
      notBefore: root.notBefore,
      notAfter: root.notAfter,
      extensions: { subjectAltName: ids.map((id) => generalName.uri(id)) },
    },
    signer,
  )
  await expect(
    service.revoke(certificate.serialNumber, 'keyCompromise', callerOf(...ids), { certificate }),
  ).rejects.toThrow(/more than one SPIFFE ID/)
})

describe('the refusals on record', () => {
  it('are ten a second of one caller, and a hundred of all', () => {
    const clock = new FakeClock()
    const budget = new RefusalBudget(clock)
    const taken = (caller: (at: number) => string, calls: number) =>
      Array.from({ length: calls }, (_, at) => budget.take(caller(at))).filter((one) => one !== undefined)
    for (let second = 0; second < 2; second++) {
      expect(taken(() => 'one', 15)).toHaveLength(10)
      expect(taken((at) => `other ${at}`, 120)).toHaveLength(90)
      clock.advance(999)
      expect(budget.take('late')).toBeUndefined()
      clock.advance(1)
    }
    // Thirty of the others and the late one; those of one caller are in the first record of the others.
    expect(budget.take('one')).toBe(31)
    expect(budget.takeSuppressed()).toBe(0)
  })
})
