// The records that the service writes: one for each decision, in the transaction that it describes.

import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { decodeAuditRecord } from '../../../src/audit/index.ts'
import type { AuditRecord } from '../../../src/audit/index.ts'
import type { Caller } from '../../../src/auth/index.ts'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { CaStorage } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { buildCertificateRequest, parseSerialNumber } from '../../../src/x509/index.ts'

const trustDomain = 'example.org'
const identity = SpiffeId.parse('spiffe://example.org/payments')
const caller: Caller = { identities: [identity], credential: 'x509', claims: {} }
const administrator: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/admin')],
  credential: 'x509',
  claims: {},
}
const rootKey = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(rootKey, { subject: 'CN=root', trustDomain })
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
let storage: CaStorage
let service: ReturnType<typeof createIssuanceService>

function serviceOn(
  given: CaStorage,
  audit: boolean | undefined,
  clock?: FakeClock,
): ReturnType<typeof createIssuanceService> {
  const authority = createCertificateAuthority({
    trustDomain,
    certificate: root,
    signer: rootKey,
    storage: given,
  })
  const isAdministrator = ({ identities }: Caller): boolean => identities[0]?.path === '/admin'
  return createIssuanceService({ authority, isAdministrator, audit, clock, pruneIntervalSeconds: Infinity })
}

async function records(): Promise<AuditRecord[]> {
  await storage.audit.sequence(1000)
  return (await storage.audit.read(0, 1000)).map(({ entry }) => decodeAuditRecord(entry))
}

beforeEach(() => {
  storage = createMemoryStorage()
  service = serviceOn(storage, true)
})

describe('audit: true', () => {
  it('issue, renew, hold, release and revoke leave a record each, with who, what and why', async () => {
    const first = await service.issue({ csr }, caller)
    const second = await service.renew(first.certificate.serialNumber, { csr }, caller)
    const { serialNumber } = second.certificate
    await service.revoke(serialNumber, 'certificateHold', caller)
    await service.release(serialNumber, administrator)
    await service.revoke(serialNumber, 'keyCompromise', caller)
    const found = await records()
    expect(found.map(({ event, reason }) => [event, reason])).toEqual([
      ['issued', undefined],
      ['renewed', undefined],
      ['revoked', 'certificateHold'],
      ['released', undefined],
      ['revoked', 'keyCompromise'],
    ])
    expect(found[0]).toMatchObject({
      serialNumber: first.certificate.serialNumber,
      identity: identity.toString(),
      rule: first.rule,
      caller: { credential: 'x509', identities: [identity.toString()] },
      certificateSha256: createHash('sha256').update(first.certificate.der).digest('hex'),
    })
    expect(found[1]).toMatchObject({ details: { renews: first.certificate.serialNumber } })
    expect(found[3]).toMatchObject({ caller: { identities: ['spiffe://example.org/admin'] } })
  })

  it('a refusal leaves a record with its code, whatever shape the caller has', async () => {
    await expect(service.issue({ csr: 'x' }, caller)).rejects.toThrow()
    await expect(service.issue({ csr }, { identities: 'x' } as never)).rejects.toThrow()
    await expect(service.revoke(parseSerialNumber('0123'), 'keyCompromise', caller)).rejects.toThrow()
    await expect(
      service.revoke({ serialNumber: 'y'.repeat(1e6) } as never, 'keyCompromise', caller),
    ).rejects.toThrow()
    const found = await records()
    expect(found.map(({ event }) => event)).toEqual(['refused', 'refused', 'refused', 'refused'])
    expect(found.map(({ details }) => details?.['action'])).toEqual(['issue', 'issue', 'revoke', 'revoke'])
    expect(found[2]).toMatchObject({
      serialNumber: parseSerialNumber('0123'),
      reason: 'ERR_CERTIFICATE_UNKNOWN',
    })
    expect(found[3]?.serialNumber).toHaveLength(64)
  })

  it('a caller that is refused again and again fills no log: the others are counted', async () => {
    const clock = new FakeClock()
    service = serviceOn(storage, true, clock)
    const refuse = async (by: Caller, times: number): Promise<void> => {
      for (let i = 0; i < times; i++) await expect(service.issue({ csr: 'x' }, by)).rejects.toThrow()
    }
    await refuse(caller, 50)
    await refuse(administrator, 1)
    expect(await records()).toHaveLength(11)
    clock.advance(1000)
    await refuse(caller, 1)
    for (let i = 0; i < 200; i++) {
      const name = SpiffeId.parse(`spiffe://example.org/w/${i}`)
      await refuse({ ...caller, identities: [name] }, 1)
    }
    await service[Symbol.asyncDispose]()
    const found = await records()
    expect(found).toHaveLength(11 + 100 + 1)
    const suppressed = found.map(({ details }) => Number(details?.['suppressed'] ?? 0))
    expect(suppressed.reduce((sum, one) => sum + one, 0) + found.length - 1).toBe(50 + 1 + 1 + 200)
    expect(suppressed[10]).toBe(40)
  })

  it('where the record cannot be kept, the certificate is not given out', async () => {
    storage = createMemoryStorage({ maxAuditEntries: 1 })
    service = serviceOn(storage, true)
    await service.issue({ csr }, caller)
    await expect(service.issue({ csr }, caller)).rejects.toMatchObject({ code: 'ERR_STORE_FULL' })
    const { items } = await storage.certificates.query({ limit: 10 })
    expect(items.filter(({ state }) => state === 'issued')).toHaveLength(1)
  })

  it('where the record of a refusal cannot be kept, the caller gets the reason of the refusal', async () => {
    storage = createMemoryStorage({ maxAuditEntries: 1 })
    service = serviceOn(storage, true)
    await service.issue({ csr }, caller)
    await expect(service.revoke(parseSerialNumber('0123'), 'keyCompromise', caller)).rejects.toMatchObject({
      code: 'ERR_CERTIFICATE_UNKNOWN',
    })
  })
})

it('without the option nothing is written', async () => {
  service = serviceOn(storage, undefined)
  await service.issue({ csr }, caller)
  expect(await records()).toEqual([])
})
