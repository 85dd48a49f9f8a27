// Lists that are made while the CA is rotated: the key that comes into use keeps its lists.

import { expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { CaStorage } from '../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { newRequest, workloadId } from '../../support/pki.ts'

const trustDomain = 'example.org'

async function materialOf(name: string, clock: FakeClock) {
  const signer = await SoftwareSigner.generate('P-256')
  return {
    signer,
    certificate: await createRootCertificate(signer, { subject: `CN=${name}`, trustDomain, clock }),
  }
}

/** An authority, and what is to happen while the store answers a query. */
async function setUp() {
  const clock = new FakeClock()
  const memory = createMemoryStorage({ clock })
  let during: (() => Promise<void>) | undefined
  const certificates = new Proxy(memory.certificates, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as (...input: unknown[]) => unknown
      if (name !== 'query') return value.bind(target)
      return async (...input: unknown[]) => {
        const answer = await value.apply(target, input)
        const act = during
        during = undefined
        await act?.()
        return answer
      }
    },
  })
  const storage: CaStorage = { ...memory, certificates }
  const first = await materialOf('first', clock)
  const authority = createCertificateAuthority({ trustDomain, ...first, storage, clock })
  return { authority, clock, first, meanwhile: (act: () => Promise<void>) => (during = act) }
}

it('while another rotation ends', async () => {
  const { authority, clock, first, meanwhile } = await setUp()
  const [second, third] = [await materialOf('second', clock), await materialOf('third', clock)]
  const both = { roots: [second.certificate, first.certificate] }
  await authority.rotate({ ...second, ...both })
  clock.advance(3_600_000)
  // While it asks for certificates of the first key.
  meanwhile(() => authority.rotate({ ...third, roots: [third.certificate, second.certificate] }))
  await authority.issueCrls()
  expect((await authority.issueCrl()).issuer.toString()).toBe('CN=third')
})

it('while the key that was rotated away comes back', async () => {
  const { authority, clock, first, meanwhile } = await setUp()
  const second = await materialOf('second', clock)
  const roots = [second.certificate, first.certificate]
  await authority.rotate({ ...second, roots })
  clock.advance(3_600_000)
  meanwhile(() => authority.rotate({ ...first, roots }))
  await authority.issueCrls()
  expect((await authority.issueCrl()).issuer.toString()).toBe('CN=first')
})

it('for a minute after a rotation, in which what was prepared before is signed', async () => {
  const { authority, clock, first } = await setUp()
  const second = await materialOf('second', clock)
  const content = { subjectAltName: [generalName.uri(workloadId.toString())] }
  const prepared = await authority.prepare((await newRequest()).request, content)
  await authority.rotate({ ...second, roots: [second.certificate, first.certificate] })
  clock.advance(50_000)
  await authority.issueCrls()
  await authority.sign(prepared)
  expect((await authority.issueCrl({ issuer: first.certificate })).issuer.toString()).toBe('CN=first')
  // Without a certificate on record it has no lists any more when nothing can come.
  clock.advance(120_000)
  await authority.issueCrls()
  await expect(authority.issueCrl({ issuer: first.certificate })).rejects.toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
})
