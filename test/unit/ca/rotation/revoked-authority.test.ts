// A process that polls the store learns that another one has revoked an authority: it no longer trusts it.

import { expect, it } from 'vitest'
import { createMemoryStorage } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { MemoryKeyManager } from '../../../../src/keys/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { code } from '../../../support/codes.ts'
import { newRequest, workloadId } from '../../../support/pki.ts'
import { issueLeaf, refusalOf, testRotation } from '../../../support/rotation.ts'

const { request } = await newRequest()
const caller = { identities: [workloadId], credential: 'test', claims: {} }

/** Two processes over one storage; the first has replaced `ca-1`, and the second has seen that. */
async function twoProcesses() {
  const clock = new FakeClock()
  const [storage, keys] = [createMemoryStorage({ clock }), new MemoryKeyManager({ clock })]
  const first = await testRotation({ clock, storage, keys })
  const old = await issueLeaf(first)
  await first.rotating.prepareNext()
  await first.rotating.publish()
  clock.advance(1_020_000)
  await first.rotating.activate()
  const second = await testRotation({ clock, storage, keys })
  expect(second.rotating.authority.roots).toHaveLength(2)
  return { first, second, old, clock }
}

it.each([
  ['its poll', (second: Awaited<ReturnType<typeof testRotation>>) => second.rotating.run()],
  ['its status', (second: Awaited<ReturnType<typeof testRotation>>) => second.rotating.status()],
])('with %s the root leaves the trust bundle, and holders below it are to renew', async (_what, look) => {
  const { first, second, old, clock } = await twoProcesses()
  const told: string[] = []
  second.rotating.authority.onTrustBundleChange((bundle) =>
    told.push(bundle.x509Authorities.map(({ subject }) => subject.toString()).join()),
  )
  expect(second.rotating.isTainted(old.certificate)).toBe(false)
  await first.rotating.revoke('ca-1', { force: true })
  expect(second.rotating.authority.roots).toHaveLength(2)

  await look(second)
  expect(second.rotating.authority.roots).toHaveLength(1)
  expect(told).toHaveLength(1)
  expect(second.rotating.isTainted(old.certificate)).toBe(true)
  expect(refusalOf(old, second.rotating.authority.trustBundle(), clock.now())).toBeDefined()
  const fresh = await issueLeaf(second)
  expect(refusalOf(fresh, first.rotating.authority.trustBundle(), clock.now())).toBeUndefined()
})

it('a process a poll behind issues nothing with a revoked authority, and goes on after it', async () => {
  const { first, second } = await twoProcesses()
  // The second process is a poll behind: it still signs with the one that is revoked next.
  await first.rotating.prepareNext()
  await first.rotating.publish()
  first.clock.advance(1_020_000)
  await first.rotating.activate()
  const stale = await issueLeaf(second)
  await first.rotating.revoke('ca-2', { force: true })
  await first.rotating.revoke('ca-1', { force: true })
  await expect(issueLeaf(second)).rejects.toEqual(code('ERR_PREPARED_EXPIRED'))
  const { authority } = second.rotating
  const issuance = createIssuanceService({ authority })
  await expect(issuance.issue({ csr: request }, caller)).rejects.toEqual(code('ERR_PREPARED_EXPIRED'))
  await second.rotating.run()
  const fresh = await issueLeaf(second)
  expect(fresh.certificate.issuer.toString()).not.toBe(stale.certificate.issuer.toString())
  expect(second.rotating.isTainted(stale.certificate)).toBe(true)
  expect(second.rotating.authority.roots).toHaveLength(1)
})

it('a certificate that is being signed when its authority is revoked does not leave the CA', async () => {
  const { first, second } = await twoProcesses()
  await first.rotating.prepareNext()
  await first.rotating.publish()
  first.clock.advance(1_020_000)
  await first.rotating.activate()
  const { authority } = second.rotating
  const sign = authority.sign.bind(authority)
  authority.sign = async (...call) => {
    const issued = await sign(...call)
    await first.rotating.revoke('ca-2', { force: true })
    return issued
  }
  const issuance = createIssuanceService({ authority })
  await expect(issuance.issue({ csr: request }, caller)).rejects.toEqual(code('ERR_PREPARED_EXPIRED'))
  const { items } = await authority.storage.certificates.query({ identity: workloadId })
  expect(items.at(-1)?.state).toBe('failed')
})
