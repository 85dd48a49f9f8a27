// Certificates with DNS names alone: granted by a rule and by the profile of the CA, recorded for the
// identity of their caller.

import { expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
  workloadProfile,
} from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import type { IssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createRulePolicy, replayPolicy, withPolicyHooks } from '../../../src/policy/index.ts'
import type { IssuancePolicy } from '../../../src/policy/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import type { CertificateRequest } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, newRequest } from '../../support/pki.ts'

const trustDomain = 'example.org'
const ordersId = 'spiffe://example.org/db/orders'
const orders = callerOf(ordersId)
const host = generalName.dns('orders.db.internal')
const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
const rule = { name: 'databases', identity: '/db/{name}', dnsNames: ['{name}.db.internal'] } as const
const absent = createRulePolicy({ trustDomain, rules: [{ ...rule, spiffeId: 'absent' }] })
const isAdministrator = ({ credential }: { readonly credential: string }): boolean => credential === 'admin'
const admin = { ...callerOf('spiffe://example.org/admin'), credential: 'admin' }

function serviceOf(
  policy: IssuancePolicy,
  profile: object = { name: 'database', spiffeId: 'absent' },
  storage = createMemoryStorage(),
): IssuanceService {
  const authority = createCertificateAuthority({
    ...{ trustDomain, certificate, signer, storage },
    profile: { ...workloadProfile, ...profile },
  })
  return createIssuanceService({ authority, policy, isAdministrator, audit: true, keyReuse: 'refuse' })
}

async function askFor(name = host): Promise<CertificateRequest> {
  return (await newRequest('P-256', { extensions: { subjectAltName: [name] } })).request
}

it('is issued, found, renewed and revoked by the identity that it does not have', async () => {
  const storage = createMemoryStorage()
  const service = serviceOf(absent, undefined, storage)
  const first = await service.issue({ csr: await askFor(), idempotencyKey: 'one' }, orders)
  expect(first.certificate.subjectAltName).toEqual([host])
  expect(first.certificate.subject.isEmpty).toBe(true)
  const { serialNumber } = first.certificate
  const { items } = await service.search({ identity: SpiffeId.parse(ordersId), limit: 10 })
  expect(items).toMatchObject([{ serialNumber, state: 'valid', identity: SpiffeId.parse(ordersId) }])

  const csr = await askFor()
  await expect(service.renew(serialNumber, { csr }, callerOf('spiffe://example.org/db/web'))).rejects.toThrow(
    code('ERR_RENEWAL_REFUSED'),
  )
  const renewed = await service.renew(serialNumber, { csr }, orders)
  expect(renewed.certificate.subjectAltName).toEqual([host])
  const web = callerOf('spiffe://example.org/db/web')
  await expect(service.revoke(serialNumber, 'superseded', web)).rejects.toThrow(code('ERR_POLICY_DENIED'))
  await service.revoke(serialNumber, 'superseded', orders)
  expect(await service.status(serialNumber)).toMatchObject({ state: 'revoked' })

  await service.block({ identity: SpiffeId.parse(ordersId) }, 'moved', admin)
  await expect(service.issue({ csr: await askFor() }, orders)).rejects.toThrow(code('ERR_RENEWAL_BLOCKED'))
  const replayed = []
  for await (const { outcome, identity } of replayPolicy(storage.certificates, absent))
    replayed.push([outcome, identity])
  expect(replayed).toEqual([
    ['same', ordersId],
    ['same', ordersId],
  ])
})

it('needs both: the rule of the policy and the profile of the CA', async () => {
  const csr = await askFor()
  await expect(serviceOf(absent, {}).issue({ csr }, orders)).rejects.toThrow(code('ERR_LINT'))
  const required = createRulePolicy({ trustDomain, rules: [rule] })
  await expect(serviceOf(required).issue({ csr }, orders)).rejects.toThrow(code('ERR_LINT'))
  expect((await serviceOf(required, {}).plan({ csr }, orders)).content.subjectAltName).toContainEqual(host)
})

it('has the names of the rule alone, and at least one', async () => {
  const service = serviceOf(absent)
  const foreign = await askFor(generalName.dns('web.db.internal'))
  await expect(service.issue({ csr: foreign }, orders)).rejects.toThrow(code('ERR_CSR_SAN_FOREIGN'))
  const { request: csr } = await newRequest()
  await expect(service.issue({ csr }, orders)).rejects.toThrow(code('ERR_POLICY_DENIED'))
  const hooked = withPolicyHooks(absent, {
    hook: () => ({ allowed: true, withoutNames: ['DNS:orders.db.internal'] }),
  })
  await expect(serviceOf(hooked).issue({ csr: await askFor() }, orders)).rejects.toThrow(code('ERR_LINT'))
})

it.each([
  ['no identity', [host], undefined],
  ['an identity that is text', [host], ordersId],
  ['an identity of a trust domain', [host], SpiffeId.parse('spiffe://example.org')],
  ['an identity beside a SPIFFE ID', [host, generalName.uri(ordersId)], SpiffeId.parse(ordersId)],
])('a policy that answers with %s is refused', async (_what, subjectAltName, identity) => {
  const policy: IssuancePolicy = {
    decide: () =>
      ({ allowed: true, rule: 'own', content: { subjectAltName }, identity, trimmed: [] }) as never,
  }
  await expect(serviceOf(policy).issue({ csr: await askFor() }, orders)).rejects.toThrow(
    code('ERR_POLICY_FAILED'),
  )
})

it('is revoked without a record by an administrator alone', async () => {
  const { certificate: lost } = await serviceOf(absent).issue({ csr: await askFor() }, orders)
  const restored = serviceOf(absent)
  const revoke = (caller: typeof orders): Promise<void> =>
    restored.revoke(lost.serialNumber, 'keyCompromise', caller, { certificate: lost })
  await expect(revoke(orders)).rejects.toThrow(code('ERR_POLICY_DENIED'))
  await revoke(admin)
  expect(await restored.status(lost.serialNumber)).toMatchObject({ state: 'revoked' })
})
