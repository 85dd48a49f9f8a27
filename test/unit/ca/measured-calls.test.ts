// The time of each call of the store and of each signature, as metrics.

import { expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import type { Metrics } from '../../../src/runtime/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { buildCertificateRequest } from '../../../src/x509/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'

const trustDomain = 'example.org'
const caller = { identities: [SpiffeId.parse('spiffe://example.org/web')], credential: 'test', claims: {} }
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))

/** A CA whose key takes a quarter of a second by its clock, and what is observed. */
async function measured() {
  const clock = new FakeClock()
  const observed: (readonly [name: string, seconds: number, labels: object | undefined])[] = []
  const metrics: Metrics = {
    count: () => undefined,
    gauge: () => undefined,
    observe: (name, seconds, labels) => observed.push([name, seconds, labels]),
  }
  const key = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(key, { subject: 'CN=root', trustDomain, clock })
  const state = { fails: false }
  const signer: Signer = {
    id: key.id,
    publicKey: key.publicKey,
    signatureAlgorithm: key.signatureAlgorithm,
    sign: async (data) => {
      clock.advance(250)
      if (state.fails) throw new Error('the token is gone')
      return key.sign(data)
    },
  }
  const storage = createMemoryStorage({ clock })
  const authority = createCertificateAuthority({ trustDomain, certificate, signer, storage, clock, metrics })
  const issuance = createIssuanceService({ authority, storage, clock, metrics, audit: true })
  const of = (name: string) => observed.filter(([one]) => one === name)
  return { authority, issuance, storage, state, of, observed }
}

it('each call of an issuance is observed once, with what became of it', async () => {
  const { issuance, of } = await measured()
  await issuance.issue({ csr }, caller)
  expect(of('signer_call_duration_seconds')).toEqual([
    ['signer_call_duration_seconds', 0.25, { result: 'ok' }],
  ])
  expect(of('store_call_duration_seconds').map(([, , labels]) => labels)).toEqual([
    { call: 'certificates.recordIntent', result: 'ok' },
    { call: 'certificates.recordOutcome', result: 'ok' },
  ])
})

it('a failure of the key and of the store is one too', async () => {
  const { issuance, state, of } = await measured()
  const first = await issuance.issue({ csr, idempotencyKey: 'a' }, caller)
  await issuance.revoke(first.certificate.serialNumber, 'keyCompromise', caller)
  state.fails = true
  await expect(issuance.issue({ csr }, caller)).rejects.toThrow()
  expect(of('signer_call_duration_seconds').at(-1)).toEqual([
    'signer_call_duration_seconds',
    0.25,
    { result: 'failed' },
  ])
  await expect(issuance.release(first.certificate.serialNumber, { ...caller })).rejects.toThrow(
    code('ERR_POLICY_DENIED'),
  )
})

it('lists and OCSP look-ups of the CA are observed, and its storage stays what was given', async () => {
  const { authority, storage, of } = await measured()
  await authority.issueCrl({ fresh: true })
  const calls = of('store_call_duration_seconds').map(([, , labels]) => labels)
  expect(calls).toContainEqual({ call: 'crls.publish', result: 'ok' })
  expect(calls).toContainEqual({ call: 'certificates.revocations', result: 'ok' })
  expect(of('signer_call_duration_seconds')).toHaveLength(1)
  expect(authority.storage).toBe(storage)
})
