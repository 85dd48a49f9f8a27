// The health of a CA names what is wrong: store, signer, CRLs, root, chain, audit log.

import { describe, expect, it, vi } from 'vitest'
import { createHttpHandler } from '../../../src/adapters/http/index.ts'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { MemoryKeyManager } from '../../../src/keys/index.ts'
import { CaHealthCheck } from '../../../src/service/ca-health.ts'
import type { HealthContext } from '../../../src/service/ca-health.ts'
import { FakeClock } from '../../../src/testing/index.ts'

const trustDomain = 'example.org'
const day = 86_400_000

async function setUp(changes: Partial<HealthContext> = {}) {
  const clock = new FakeClock()
  const storage = createMemoryStorage({ clock })
  const keys = new MemoryKeyManager()
  const signer = await keys.generateKey('ca', 'P-256')
  const certificate = await createRootCertificate(signer, {
    subject: 'CN=root',
    trustDomain,
    clock,
    ttlSeconds: 100 * 86_400,
  })
  const authority = createCertificateAuthority({ trustDomain, certificate, signer, storage, clock })
  const gauges = new Map<string, number>()
  const metrics = {
    count: () => undefined,
    observe: () => undefined,
    gauge: (name: string, value: number, labels?: object) =>
      void gauges.set(name + (labels === undefined ? '' : JSON.stringify(labels)), value),
  }
  const check = new CaHealthCheck({
    ...{ authority, keys, keyId: 'ca', clock, metrics, hasAudit: true, storeFailure: () => undefined },
    ...changes,
  })
  check.issued(await authority.issueCrls())
  return { clock, storage, keys, authority, check, gauges }
}

describe('health', () => {
  it('has no problems where nothing is wrong, and tells the metrics', async () => {
    const { check, gauges, authority } = await setUp()
    expect(await check.health()).toEqual({ ready: true, live: true, problems: [] })
    expect(gauges.get('ca_health_problems{"part":"store"}')).toBe(0)
    expect(gauges.get('root_ca_cert_expiry_timestamp')).toBe(authority.certificate.notAfterMs / 1000)
    expect(gauges.get('crl_remaining_seconds')).toBe(86_400)
  })

  it('names a store that has failed, which needs a restart', async () => {
    const { check, gauges } = await setUp({ storeFailure: () => new PkiError('ERR_STORE_FAILED', 'torn') })
    expect(await check.health()).toEqual({
      ready: false,
      live: false,
      problems: ['store: it does not write: PkiError: torn'],
    })
    expect(gauges.get('ca_health_problems{"part":"store"}')).toBe(1)
  })

  it('asks for no restart where a store cannot write now, and finds out when it can', async () => {
    let failure: PkiError | undefined = new PkiError('ERR_STORE_UNAVAILABLE', 'disk full')
    const { check, storage, clock } = await setUp({ storeFailure: () => failure })
    const write = vi.spyOn(storage.leases, 'acquire').mockRejectedValue(failure)
    expect(await check.health()).toEqual({
      ready: false,
      live: true,
      problems: ['store: it does not write: PkiError: disk full'],
    })
    // There is room again; no caller writes, as none is sent to a CA that is not ready.
    write.mockImplementation(() => {
      failure = undefined
      return Promise.resolve(undefined)
    })
    clock.advance(6000)
    expect(await check.health()).toEqual({ ready: true, live: true, problems: [] })
  })

  it('names a store that does not answer', async () => {
    const { check, storage, clock } = await setUp()
    vi.spyOn(storage.certificates, 'query').mockReturnValue(new Promise(() => undefined))
    const found = check.health()
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(6000)
    expect((await found).problems).toEqual(['store: no answer within 5 s'])
  })

  it('names a key that is lost', async () => {
    const { check, keys } = await setUp()
    await keys.destroyKey('ca')
    const { ready, problems } = await check.health()
    expect([ready, problems]).toEqual([false, ['signer: the key of CN=root is missing']])
  })

  it('names lists that are not renewed, first as a warning', async () => {
    const { check, clock } = await setUp()
    clock.advance((day * 5) / 6)
    const late = await check.health()
    expect(late).toMatchObject({ ready: true, problems: [expect.stringMatching(/^crl: CRL \d+ of CN=root/)] })
    clock.advance(day)
    expect(await check.health()).toMatchObject({ ready: false })
  })

  it('names what a list could not be issued for, and forgets it with the next', async () => {
    const { check, clock, authority } = await setUp()
    check.attempted('crl', new Error('no token'))
    expect((await check.health()).problems).toEqual(['crl: no list could be issued: Error: no token'])
    check.issued(await authority.issueCrls())
    clock.advance(5000)
    expect((await check.health()).problems).toEqual([])
  })

  it('names the root and the chain before they end', async () => {
    const { check, clock, authority } = await setUp()
    clock.advance(96 * day)
    check.issued(await authority.issueCrls())
    const near = await check.health()
    expect(near.ready).toBe(true)
    expect(near.problems.map((one) => one.split(':')[0])).toEqual(['root', 'chain'])
    clock.advance(5 * day)
    expect((await check.health()).ready).toBe(false)
  })

  it('names an audit log that is behind, and is ready all the same', async () => {
    const { check, storage } = await setUp()
    await storage.audit.append([Uint8Array.of(1)])
    check.attempted('audit', new Error('no space'))
    expect(await check.health()).toMatchObject({
      ready: true,
      problems: ['audit: no checkpoint, 1 records wait: Error: no space'],
    })
  })

  it('is looked at once for all who ask within five seconds', async () => {
    const { check, storage, clock } = await setUp()
    const query = vi.spyOn(storage.certificates, 'query')
    await Promise.all(Array.from({ length: 100 }, () => check.health()))
    expect(query).toHaveBeenCalledTimes(1)
    clock.advance(5000)
    await check.health()
    expect(query).toHaveBeenCalledTimes(2)
  })

  it('fits the readiness of the HTTP handler', async () => {
    const { check, authority } = await setUp()
    expect(createHttpHandler({ authority, readiness: () => check.health() })).toBeTypeOf('function')
  })
})
