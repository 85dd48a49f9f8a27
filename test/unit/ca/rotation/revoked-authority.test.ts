// A process that polls the store learns that another one has revoked an authority: it no longer trusts it.

import { expect, it } from 'vitest'
import { createMemoryStorage } from '../../../../src/ca/index.ts'
import { MemoryKeyManager } from '../../../../src/keys/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { issueLeaf, refusalOf, testRotation } from '../../../support/rotation.ts'

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

it('a process that signs with a revoked authority signs with the active one from its poll on', async () => {
  const { first, second } = await twoProcesses()
  // The second process is a poll behind: it still signs with the one that is revoked next.
  await first.rotating.prepareNext()
  await first.rotating.publish()
  first.clock.advance(1_020_000)
  await first.rotating.activate()
  await first.rotating.revoke('ca-2', { force: true })
  await first.rotating.revoke('ca-1', { force: true })
  const stale = await issueLeaf(second)
  await second.rotating.run()
  const fresh = await issueLeaf(second)
  expect(fresh.certificate.issuer.toString()).not.toBe(stale.certificate.issuer.toString())
  expect(second.rotating.isTainted(stale.certificate)).toBe(true)
  expect(second.rotating.authority.roots).toHaveLength(1)
})
