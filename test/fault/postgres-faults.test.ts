// A store on PostgreSQL whose connection ends at the worst moment: it answers that the outcome is not known,
// and a retry finds what was recorded.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import type { PostgresStorageOptions } from '../../src/adapters/postgres/postgres-storage.ts'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { anyIntent, issued } from '../../src/testing/contracts/storage/storage-fixtures.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'
import { crashCaller } from '../support/crash-fixture.ts'
import { startCutProxy } from '../support/cut-proxy.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres.ts'
import { requires } from '../support/requires.ts'

describe.skipIf(!requires('postgres'))('a connection that ends during a commit', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  const through = (port: number, options: Partial<PostgresStorageOptions> = {}) =>
    createPostgresStorage({
      connection: { ...server.connection, host: '127.0.0.1', port },
      schema: server.newSchema(),
      ...options,
    })
  /** Commits wait for a standby that is not there. */
  const setStandby = async (name: string): Promise<void> => {
    await server.sql(`ALTER SYSTEM SET synchronous_standby_names = '${name}'`)
    await server.sql('SELECT pg_reload_conf()')
  }

  it('leaves the outcome unknown, and repeating the call changes nothing', async () => {
    await using proxy = await startCutProxy(server.host)
    await using storage = await through(proxy.port)
    const { certificates } = storage
    const intent = anyIntent()
    const certificate = new Uint8Array(480)
    await certificates.recordIntent(intent)
    const isCut = proxy.cutAtCommit()
    await expect(certificates.recordOutcome(intent, { certificate })).rejects.toEqual(
      code('ERR_STORE_UNAVAILABLE'),
    )
    await isCut
    expect(storage.failure?.message).toContain('not known')
    expect((await certificates.find(intent))?.state).toBe('issued')
    await expect(certificates.recordOutcome(intent, { certificate })).resolves.toBeUndefined()
    const cutAgain = proxy.cutAtCommit()
    const revocation = { reason: 'superseded', revokedAt: new Date(0) } as const
    await expect(certificates.revoke(intent, revocation)).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
    await cutAgain
    await expect(certificates.revoke(intent, revocation)).resolves.toMatchObject({ revocation })
    expect(storage.failure).toBeUndefined()
  })

  it('gives no second certificate to a retry with the same idempotency key', async () => {
    await using proxy = await startCutProxy(server.host)
    await using storage = await through(proxy.port)
    const signer = await SoftwareSigner.generate('P-256')
    const trustDomain = 'example.org'
    const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
    const authority = createCertificateAuthority({ trustDomain, certificate: root, signer, storage })
    const issuance = createIssuanceService({ authority })
    const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
    // At the intent: the certificate may be recorded as intended, and no second one is made.
    const asking = issuance.issue({ csr, idempotencyKey: 'intent' }, crashCaller)
    await Promise.all([proxy.cutAtCommit(), expect(asking).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))])
    const retry = () => issuance.issue({ csr, idempotencyKey: 'intent' }, crashCaller).catch(codeOf)
    expect([await retry(), await retry()]).toEqual(['ERR_IDEMPOTENCY_KEY', 'ERR_IDEMPOTENCY_KEY'])
    // At the outcome: the retry is answered with what was recorded.
    const { certificates } = storage
    const recordIntent = certificates.recordIntent.bind(certificates)
    let isCut: Promise<void> | undefined
    certificates.recordIntent = async (...call) => {
      await recordIntent(...call)
      isCut ??= proxy.cutAtCommit()
    }
    const ask = () => issuance.issue({ csr, idempotencyKey: 'outcome' }, crashCaller)
    await expect(ask()).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
    await isCut
    const [first, second] = [await ask(), await ask()]
    expect(first.certificate.equals(second.certificate)).toBe(true)
  })

  it('by pg_terminate_backend while it waits for a standby is no answer', async () => {
    await using proxy = await startCutProxy(server.host)
    await using storage = await through(proxy.port)
    const one = await issued(storage.certificates)
    await setStandby('nobody')
    const revocation = { reason: 'superseded', revokedAt: new Date(0) } as const
    const revoking = storage.certificates.revoke(one, revocation)
    revoking.catch(() => undefined)
    await expect
      .poll(() => server.sql(`SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'`), {
        timeout: 20_000,
      })
      .toHaveLength(1)
    await server.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
    await expect(revoking).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
    await setStandby('')
    expect((await storage.certificates.find(one))?.revocation).toEqual(revocation)
    await expect(storage.certificates.revoke(one, revocation)).resolves.toMatchObject({ revocation })
  })

  it('by a time limit while it waits for a standby is no answer either', async () => {
    await using proxy = await startCutProxy(server.host)
    await using storage = await through(proxy.port, { statementTimeoutMs: 1000 })
    const intent = anyIntent()
    await setStandby('nobody')
    await expect(storage.certificates.recordIntent(intent)).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
    await setStandby('')
    expect((await storage.certificates.find(intent))?.state).toBe('intended')
  })
})

const codeOf = (error: unknown): string => (error as { readonly code: string }).code
