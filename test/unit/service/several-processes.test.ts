// Several services over one storage are one CA: all issue, one numbers lists and sequences the audit log.

import { describe, expect, it } from 'vitest'
import { createMemoryStorage } from '../../../src/ca/index.ts'
import type { CaStorage } from '../../../src/ca/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { MemoryKeyManager, SoftwareSigner } from '../../../src/keys/index.ts'
import { createCaService } from '../../../src/service/index.ts'
import type { CaService } from '../../../src/service/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { buildCertificateRequest } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const newFolder = temporaryFolders('several-')
const caller = { identities: [SpiffeId.parse('spiffe://example.org/web')], credential: 'test', claims: {} }
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))

/** The numbers of all lists with the epochs that they were published with. */
interface Published {
  readonly number: bigint
  readonly epoch: number | undefined
}

function cluster() {
  const clock = new FakeClock()
  const memory = createMemoryStorage({ clock })
  const published: Published[] = []
  const storage: CaStorage = {
    ...memory,
    crls: {
      last: (...call) => memory.crls.last(...call),
      list: () => memory.crls.list(),
      async publish(crl, options) {
        await memory.crls.publish(crl, options)
        published.push({ number: crl.number, epoch: options.fence?.epoch })
      },
    },
  }
  const keys = new MemoryKeyManager()
  const open = (): Promise<CaService> =>
    createCaService({
      ...{ directory: newFolder(), trustDomain: 'example.org', storage, keys, clock },
      isAdministrator: () => true,
    })
  /** Lets time pass until the promise settles: followers wait for the leader. */
  const passing = async <Value>(promise: Promise<Value>): Promise<Value> => {
    let isSettled = false
    const settle = (): void => void (isSettled = true)
    promise.then(settle, settle)
    for (let ms = 0; !isSettled && ms < 120_000; ms += 100) {
      clock.advance(100)
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    return promise
  }
  return { clock, storage, published, open, passing }
}

const issue = async ({ issuance }: CaService): Promise<Certificate> =>
  (await issuance.issue({ csr, ttlSeconds: 3600 }, caller)).certificate

describe('a service whose first list fails', () => {
  it('leaves no timer and no lease behind', async () => {
    const { clock, storage, open } = cluster()
    const { publish } = storage.crls
    storage.crls.publish = () => Promise.reject(new PkiError('ERR_STORE_UNAVAILABLE', 'the disk is full'))
    await expect(open()).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
    expect(clock.pending).toBe(0)
    storage.crls.publish = publish
    await using again = await open()
    expect((await again.health()).problems).toEqual([])
  })
})

describe('several processes over one storage', () => {
  it('are one CA: one root, one issuing key, records of all', async () => {
    const { open, passing } = cluster()
    await using first = await open()
    await using second = await passing(open())
    expect(second.root.equals(first.root)).toBe(true)
    expect(second.authority.certificate.equals(first.authority.certificate)).toBe(true)
    const [one, two] = [await issue(first), await issue(second)]
    expect(await first.issuance.status(two.serialNumber)).toMatchObject({ state: 'valid' })
    expect(await second.issuance.status(one.serialNumber)).toMatchObject({ state: 'valid' })
  })

  it('have one that numbers lists: the others wait for the list with what they have revoked', async () => {
    const { open, passing, published } = cluster()
    await using first = await open()
    await using second = await passing(open())
    for (let round = 0; round < 3; round++) {
      const leaf = await issue(second)
      await second.issuance.revoke(leaf.serialNumber, 'superseded', caller)
      const list = await passing(second.authority.issueCrl())
      expect(list.find(leaf.serialNumber)).toBeDefined()
      expect((await first.authority.issueCrl()).crlNumber).toBe(list.crlNumber)
    }
    expect(published.length).toBeGreaterThan(2)
    expect(new Set(published.map(({ epoch }) => epoch))).toEqual(new Set([1]))
  })

  it('go on when the leader stops, with higher numbers of a later epoch, and one audit log', async () => {
    const { open, passing, published, storage } = cluster()
    const first = await open()
    await using second = await passing(open())
    const leaf = await issue(first)
    await first.issuance.revoke(leaf.serialNumber, 'superseded', caller)
    await passing(first.authority.issueCrl())
    await first[Symbol.asyncDispose]()
    const late = await issue(second)
    await second.issuance.revoke(late.serialNumber, 'superseded', caller)
    const list = await passing(second.authority.issueCrl())
    for (const { serialNumber } of [leaf, late]) expect(list.find(serialNumber)).toBeDefined()
    const numbers = published.map(({ number }) => number)
    expect(numbers).toEqual(numbers.toSorted((a, b) => (a < b ? -1 : 1)))
    expect(new Set(numbers).size).toBe(numbers.length)
    const epochs = published.map(({ epoch }) => epoch as number)
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b))
    expect(new Set(epochs).size).toBe(2)
    const entries = async (): Promise<number> => {
      const { sequenced, pending } = await storage.audit.size()
      return sequenced + pending
    }
    await passing(expect.poll(async () => (await entries()) - (second.audit?.size ?? 0)).toBe(0))
  })

  it('leave the storage to whoever opened it', async () => {
    const { open, storage } = cluster()
    const service = await open()
    const leaf = await issue(service)
    await service[Symbol.asyncDispose]()
    expect((await storage.certificates.query({ serialNumber: leaf.serialNumber })).items).toHaveLength(1)
  })
})
