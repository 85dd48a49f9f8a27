// The block-list, key reuse, the states of a certificate, and search through the service.

import { describe, expect, it } from 'vitest'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import type { IssuanceServiceOptions } from '../../../src/issuance/issuance-service-options.ts'
import { decodeAuditRecord } from '../../../src/audit/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { createCertificateAuthority, createMemoryStorage } from '../../../src/ca/index.ts'
import { callerOf, newRequest, testPki, workloadId } from '../../support/pki.ts'
import { recordsOf, storedIn } from '../../support/storage.ts'
import { code } from '../../support/codes.ts'

const admin = callerOf('spiffe://example.org/admin')
const isAdministrator: IssuanceServiceOptions['isAdministrator'] = ({ identities }) =>
  identities[0]?.path === '/admin'
const { request: csr } = await newRequest()
const { request: otherCsr } = await newRequest()

async function issuedPki(options: Partial<IssuanceServiceOptions> = {}) {
  const pki = await testPki('P-256', { isAdministrator, ...options })
  const { certificate } = await pki.issuance.issue({ csr }, callerOf())
  const [record] = await recordsOf(pki.authority.storage.certificates)
  return { ...pki, certificate, record: record! }
}

describe('the block-list', () => {
  it('refuses issue and renewal to a blocked identity, until the block ends', async () => {
    const { issuance, certificate } = await issuedPki()
    await issuance.block({ identity: workloadId }, 'left', admin)
    await expect(issuance.issue({ csr: otherCsr }, callerOf())).rejects.toThrow(code('ERR_RENEWAL_BLOCKED'))
    await expect(issuance.renew(certificate.serialNumber, { csr }, callerOf())).rejects.toThrow(
      code('ERR_RENEWAL_BLOCKED'),
    )
    await issuance.issue({ csr: otherCsr }, callerOf('spiffe://example.org/other'))
    expect(await issuance.blocks()).toMatchObject([{ subject: { identity: workloadId }, reason: 'left' }])
    expect(await issuance.unblock({ identity: workloadId }, admin)).toBe(true)
    expect(await issuance.unblock({ identity: workloadId }, admin)).toBe(false)
    await issuance.renew(certificate.serialNumber, { csr }, callerOf())
  })

  it('refuses a blocked key to everybody, and takes another key', async () => {
    const { issuance, record } = await issuedPki()
    await issuance.block({ keyIdentifier: record.keyIdentifier }, 'found in a repository', admin)
    for (const caller of [callerOf(), callerOf('spiffe://example.org/other')])
      await expect(issuance.issue({ csr }, caller)).rejects.toThrow(code('ERR_RENEWAL_BLOCKED'))
    await issuance.issue({ csr: otherCsr }, callerOf())
  })

  it('refuses the renewal of a blocked certificate, also of one blocked while it is signed', async () => {
    const { authority, issuance, certificate, record } = await issuedPki()
    const { issuer, serialNumber } = record
    const store = authority.storage.certificates
    const racing = new Proxy(store, {
      get: (target, name) =>
        name === 'recordOutcome'
          ? async (...args: Parameters<typeof store.recordOutcome>) => {
              if ('certificate' in args[1])
                await issuance.block({ certificate: { issuer, serialNumber } }, 'late', admin)
              return target.recordOutcome(...args)
            }
          : (Reflect.get(target, name) as () => void).bind(target),
    })
    const renewing = createIssuanceService({ authority: storedIn(authority, racing) })
    for (const service of [renewing, issuance])
      await expect(service.renew(certificate.serialNumber, { csr }, callerOf())).rejects.toThrow(
        code('ERR_RENEWAL_BLOCKED'),
      )
    expect((await recordsOf(store)).map(({ state }) => state)).toEqual(['issued', 'failed'])
    await issuance.issue({ csr }, callerOf())
  })

  it('is changed by administrators only, with a record in the audit log', async () => {
    const { issuance, authority } = await issuedPki({ audit: true })
    await expect(issuance.block({ identity: workloadId }, 'x', callerOf())).rejects.toThrow(
      code('ERR_POLICY_DENIED'),
    )
    await expect(issuance.unblock({ identity: workloadId }, callerOf())).rejects.toThrow(
      code('ERR_POLICY_DENIED'),
    )
    await issuance.block({ identity: workloadId }, 'left', admin)
    await issuance.unblock({ identity: workloadId }, admin)
    const { audit } = authority.storage
    await audit.sequence(100)
    const records = (await audit.read(0, 100)).map(({ entry }) => decodeAuditRecord(entry))
    expect(records.map(({ event, details }) => [event, details?.['action']])).toEqual([
      ['issued', undefined],
      ['refused', 'block'],
      ['refused', 'unblock'],
      ['configuration', 'block'],
      ['configuration', 'unblock'],
    ])
    expect(records[3]?.details).toMatchObject({ subject: `identity ${workloadId.toString()}`, why: 'left' })
  })

  it.each([
    [{}, 'x'],
    [{ identity: workloadId, keyIdentifier: 'AB' }, 'x'],
    [{ identity: 'not an id' }, 'x'],
    [{ keyIdentifier: 'ab' }, 'x'],
    [{ certificate: { issuer: 'AB' } }, 'x'],
    [{ serial: 'AB' }, 'x'],
    [{ identity: workloadId }, ''],
    [{ identity: workloadId }, 'x'.repeat(1025)],
  ])('refuses the subject %j with the reason %j', async (subject, reason) => {
    const { issuance } = await issuedPki()
    await expect(issuance.block(subject as never, reason, admin)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(INVALID_ARGUMENT|SPIFFE_ID_INVALID)$/) as string,
    })
    expect(await issuance.blocks()).toEqual([])
  })

  it('of a storage that has none is empty, and cannot be added to', async () => {
    const { authority } = await issuedPki()
    const { blocks: _none, ...storage } = createMemoryStorage()
    const bare = new Proxy(authority, {
      get: (target, name) => (name === 'storage' ? storage : (Reflect.get(target, name, target) as unknown)),
    })
    const service = createIssuanceService({ authority: bare, isAdministrator })
    expect(await service.blocks()).toEqual([])
    await expect(service.block({ identity: workloadId }, 'x', admin)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})

describe('one key for two identities', () => {
  const other = callerOf('spiffe://example.org/other')

  it('is allowed by default, and renewals with one key always', async () => {
    const { issuance } = await issuedPki()
    await expect(issuance.issue({ csr }, other)).resolves.toBeDefined()
    const { issuance: strict, certificate } = await issuedPki({ keyReuse: 'refuse' })
    await expect(strict.renew(certificate.serialNumber, { csr }, callerOf())).resolves.toBeDefined()
  })

  it('is reported in the log and in the audit record', async () => {
    const lines: [object, string][] = []
    const note = (fields: object, text: string) => void lines.push([fields, text])
    const logger = { debug: note, info: note, warn: note, error: note }
    const { issuance, authority } = await issuedPki({ keyReuse: 'report', audit: true, logger })
    await issuance.issue({ csr }, other)
    expect(lines.map(([, text]) => text)).toContain(
      'the key of the issued certificate is also in a certificate of another identity',
    )
    await authority.storage.audit.sequence(10)
    const entries = await authority.storage.audit.read(0, 10)
    expect(decodeAuditRecord(entries[1]!.entry).details).toEqual({ keyAlsoOf: workloadId.toString() })
  })

  it('is refused, also to two requests at once, and nothing is signed for the second', async () => {
    const { issuance, authority } = await issuedPki({ keyReuse: 'refuse' })
    await expect(issuance.issue({ csr }, other)).rejects.toThrow(code('ERR_KEY_REUSED'))
    expect((await recordsOf(authority.storage.certificates, other.identities[0])).at(0)?.state).toBe('failed')
    const results = await Promise.allSettled([
      issuance.issue({ csr: otherCsr }, other),
      issuance.issue({ csr: otherCsr }, callerOf()),
    ])
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1)
  })
})

describe('status and search', () => {
  it('tell when a renewal is due, and which certificate was the last renewal', async () => {
    const clock = new FakeClock()
    const { authority, root, signer } = await testPki()
    clock.setWallClock(root.notBefore)
    clock.advance(3_600_000)
    const timed = createCertificateAuthority({
      ...{ trustDomain: 'example.org', certificate: root, signer, clock },
      storage: createMemoryStorage({ clock }),
    })
    expect(authority.trustDomain.name).toBe('example.org')
    const issuance = createIssuanceService({ authority: timed, clock, pruneIntervalSeconds: Infinity })
    const { certificate } = await issuance.issue({ csr, ttlSeconds: 3600 }, callerOf())
    const statusOf = () => issuance.status(certificate.serialNumber)
    expect(await statusOf()).toMatchObject({ state: 'valid', phase: 'active', renewedBy: undefined })
    clock.advance(1_900_000)
    const due = await statusOf()
    expect(due?.phase).toBe('pendingRenewal')
    expect(due!.renewAt.getTime()).toBeLessThan(clock.now())
    const first = await issuance.renew(certificate.serialNumber, { csr, ttlSeconds: 3600 }, callerOf())
    const second = await issuance.renew(certificate.serialNumber, { csr, ttlSeconds: 3600 }, callerOf())
    expect(first.certificate.serialNumber).not.toBe(second.certificate.serialNumber)
    expect(await statusOf()).toMatchObject({
      phase: 'active',
      renewedBy: { serialNumber: second.certificate.serialNumber, intendedAt: new Date(clock.now()) },
    })
    const page = await issuance.search({ identity: workloadId, limit: 2 })
    expect(page.items.map(({ state }) => state)).toEqual(['valid', 'valid'])
    const rest = await issuance.search({ identity: workloadId, limit: 2, after: page.next })
    expect(rest.items.map(({ serialNumber }) => serialNumber)).toEqual([second.certificate.serialNumber])
    await expect(issuance.search({ identiy: workloadId } as never)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})
