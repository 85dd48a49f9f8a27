// A clock of a caller that answers with something else than a time is refused, wherever it is an option.

import { describe, expect, it } from 'vitest'
import { ClientCertificateAuthenticator } from '../../src/auth/index.ts'
import { createCertificateAuthority, createMemoryStorage } from '../../src/ca/index.ts'
import { MemoryKeyManager } from '../../src/keys/index.ts'
import { createGuardedFetcher, systemClock } from '../../src/runtime/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { generalName } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'
import { newRequest, testPki } from '../support/pki.ts'

const { root, signer, authority } = await testPki()

const makers: Readonly<Record<string, (clock: never) => unknown>> = {
  MemoryKeyManager: (clock) => new MemoryKeyManager({ clock }),
  createGuardedFetcher: (clock) => createGuardedFetcher({ clock }),
  createMemoryStorage: (clock) => createMemoryStorage({ clock }),
  ClientCertificateAuthenticator: (clock) =>
    new ClientCertificateAuthenticator({ bundles: authority.trustBundle(), clock }),
  createCertificateAuthority: (clock) =>
    createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer, clock }),
}

const answers: readonly (readonly [unknown, string])[] = [
  [String(Date.now()), 'a string'],
  [new Date().toISOString(), 'a string'],
  [NaN, 'NaN'],
  [Infinity, 'Infinity'],
  [9e15, '9000000000000000'],
  [new Date(), 'a Date'],
  [new Date(NaN), 'an invalid Date'],
  [5n, 'a bigint'],
  [undefined, 'undefined'],
  [Promise.resolve(5), 'a promise: is an await missing?'],
]

describe.each(Object.entries(makers))('%s refuses', (name, make) => {
  it.each(answers)('a clock that answers %s', (answer, shown) => {
    const clock = { ...systemClock, now: () => answer }
    expect(() => make(clock as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(() => make(clock as never)).toThrow(`${name}: the option clock now() returned ${shown};`)
  })

  it('a clock without the method now', () => {
    for (const clock of [{}, 5, 'now', null, { ...systemClock, now: 5 }])
      expect(() => make(clock as never)).toThrow(`${name}: the option clock has no method now;`)
  })
})

it('a clock that is wrong later is refused when it is asked', async () => {
  let now: unknown = Date.now()
  const custom = { ...systemClock, now: () => now }
  const storage = createMemoryStorage()
  const ca = createCertificateAuthority({
    ...{ trustDomain: 'example.org', certificate: root, signer, storage },
    clock: custom as never,
  })
  now = String(now)
  const { request } = await newRequest()
  await expect(
    ca.prepare(request, { subjectAltName: [generalName.uri('spiffe://example.org/a')] }),
  ).rejects.toThrow('now() returned a string')
})

it('a clock keeps its own state, and is called with it', async () => {
  const clock = new FakeClock(new Date(Date.UTC(2026, 0, 1)))
  const manager = new MemoryKeyManager({ clock })
  await manager.generateKey('a', 'P-256')
  clock.advance(5000)
  await manager.generateKey('b', 'P-256')
  const created = (await manager.listKeys()).map((key) => key.created.getTime() - Date.UTC(2026, 0, 1))
  expect(created.sort((a, b) => a - b)).toEqual([0, 5000])
})
