// A CA in one call: made at the first start, found at the next, with nothing forgotten between.

import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTileDirectory } from '../../../src/adapters/files/index.ts'
import { decodeAuditRecord, verifyAuditLog } from '../../../src/audit/index.ts'
import { readCheckpoint } from '../../../src/audit/checkpoint.ts'
import { createCaService } from '../../../src/service/index.ts'
import type { CaService } from '../../../src/service/index.ts'
import type { CaServiceOptions } from '../../../src/service/ca-service-options.ts'
import { MemoryKeyManager, SoftwareSigner } from '../../../src/keys/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { verifyPath } from '../../../src/validation/index.ts'
import { Crl, buildCertificateRequest } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { sqliteWorker } from '../../support/bundled.ts'
import { code } from '../../support/codes.ts'
import '../../support/cheap-scrypt.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const workerModule = sqliteWorker()
const newFolder = temporaryFolders('ca-service-')
const trustDomain = 'example.org'
const passphrase = (): string => 'a passphrase for tests'
const caller = { identities: [SpiffeId.parse('spiffe://example.org/web')], credential: 'test', claims: {} }
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const day = 86_400_000

const open = (directory: string, options: Partial<CaServiceOptions> = {}): Promise<CaService> =>
  createCaService({
    directory,
    trustDomain,
    workerModule,
    isAdministrator: () => true,
    ...('keys' in options ? {} : { passphrase }),
    ...options,
  })
const issue = async ({ issuance }: CaService): Promise<Certificate> =>
  (await issuance.issue({ csr, ttlSeconds: 3600 }, caller)).certificate

describe('a CA that starts again', () => {
  it('is the same CA, and a certificate of before is valid and known', async () => {
    const directory = newFolder()
    const [root, issuing, leaf] = await (async () => {
      await using service = await open(directory)
      return [service.root, service.authority.certificate, await issue(service)] as const
    })()
    await using again = await open(directory)
    expect(again.root.equals(root)).toBe(true)
    expect(again.authority.certificate.equals(issuing)).toBe(true)
    expect(await again.issuance.status(leaf.serialNumber)).toMatchObject({ state: 'valid' })
    const renewed = await again.issuance.renew(leaf.serialNumber, { csr }, caller)
    const verdict = verifyPath(renewed.certificate, { anchors: [root], intermediates: [...renewed.chain] })
    expect(verdict.ok).toBe(true)
    expect((await again.keys.listKeys()).map(({ id, version }) => `${id} ${version}`)).toEqual([
      'audit 1',
      'issuing 1',
      'root 1',
    ])
  })

  it('starts, rotates and is healthy beside a damaged key that it does not use', async () => {
    const directory = newFolder()
    {
      await using service = await open(directory)
      await service.keys.generateKey('spare', 'P-256')
    }
    writeFileSync(join(directory, 'keys', 'spare', '1.pem'), '')
    await using service = await open(directory)
    expect((await service.health()).problems).toEqual([])
    await service.authorities.issuing.prepareNext()
    await expect(service.keys.listKeys()).rejects.toThrow(/spare\/1\.pem/)
  })

  it('signs lists of the right time after a clock that was far ahead, once that is accepted', async () => {
    const directory = newFolder()
    const clock = new FakeClock(new Date('2026-01-01T00:00:00Z'))
    await (await open(directory, { clock }))[Symbol.asyncDispose]()
    clock.advance(100 * day)
    const ahead = await (async () => {
      await using service = await open(directory, { clock })
      return await service.authority.issueCrl()
    })()
    clock.setWallClock(new Date('2026-01-02T00:00:00Z'))
    await expect(open(directory, { clock })).rejects.toEqual(code('ERR_STORE_CLOCK'))
    await using again = await open(directory, { clock, acceptEarlierClock: true })
    const list = await again.authority.issueCrl()
    expect(list.thisUpdate).toEqual(new Date(clock.now()))
    expect(list.crlNumber! > ahead.crlNumber!).toBe(true)
  })

  it('lists what was revoked before, under a greater number', async () => {
    const directory = newFolder()
    const [leaf, before] = await (async () => {
      await using service = await open(directory)
      const one = await issue(service)
      await service.issuance.revoke(one.serialNumber, 'keyCompromise', caller)
      return [one, await service.authority.issueCrl()] as const
    })()
    await using again = await open(directory)
    const kept = await again.authority.issueCrl()
    expect(kept.crlNumber).toBe(before.crlNumber)
    const next = await again.authority.issueCrl({ fresh: true })
    expect(next.crlNumber! > before.crlNumber!).toBe(true)
    for (const list of [kept, next]) expect(list.find(leaf.serialNumber)).toBeDefined()
  })

  it('goes on with its audit log, which proves every decision of before', async () => {
    const directory = newFolder()
    const [size, key] = await (async () => {
      await using service = await open(directory)
      await issue(service)
      await service.audit!.integrate()
      return [service.audit!.size, service.audit!.key] as const
    })()
    expect(size).toBeGreaterThanOrEqual(1)
    await using again = await open(directory)
    await issue(again)
    await again.audit!.integrate()
    expect(again.audit!.size).toBeGreaterThan(size)
    expect(again.audit!.key.name).toBe(key.name)
    await expect(again.audit!.receipt(0)).resolves.toMatchObject({ index: 0 })
    await expect(again.audit!.consistency(size)).resolves.toBeDefined()
  })

  it('has a record of its configuration, its keys, its authorities and its lists', async () => {
    const sunk: number[] = []
    const auditSinks = [
      (entries: readonly { index: number }[]) => void sunk.push(...entries.map((one) => one.index)),
    ]
    await using service = await open(newFolder(), { auditSinks })
    await service.keys.rotateKey('issuing')
    await service.keys.destroyKey('issuing', 2)
    await service.audit!.integrate()
    const entries = await service.storage.audit.read(0, 1000)
    const told = entries.map(({ entry }) => {
      const { event, details } = decodeAuditRecord(entry)
      return [event, details?.['action'] ?? details?.['state'], details?.['id']].filter(Boolean).join(' ')
    })
    expect(told).toEqual(
      expect.arrayContaining([
        'configuration opened',
        'key generated root',
        'key generated issuing',
        'key generated audit',
        'authority',
        'crl',
        'key rotated issuing',
        'key destroyed issuing 2',
      ]),
    )
    expect(sunk).toEqual(entries.map(({ index }) => index))
  })

  it('is healthy, and has what was revoked on a list before the answer where that is asked for', async () => {
    const crlDistribution = { url: 'http://crl.example.org/crl', shards: 2 }
    await using service = await open(newFolder(), { publishRevocations: true, crlDistribution })
    const leaf = await issue(service)
    expect(leaf.crlDistributionPoints).toHaveLength(1)
    await service.issuance.revoke(leaf.serialNumber, 'superseded', caller)
    const lists = (await service.storage.crls.list()).map(({ crl }) => Crl.parse(crl))
    expect(lists.filter((list) => list.has(leaf.serialNumber))).toHaveLength(2)
    expect(await service.health()).toEqual({ ready: true, live: true, problems: [] })
  })

  it('leaves files that others cannot read', async () => {
    const directory = join(newFolder(), 'new')
    await (await open(directory))[Symbol.asyncDispose]()
    expect(statSync(directory).mode & 0o077).toBe(0)
    expect(readdirSync(directory).sort()).toEqual(['audit', 'ca.sqlite', 'keys', 'root.pem'])
  })

  it('takes the keys of another place', async () => {
    const directory = newFolder()
    await using keys = new MemoryKeyManager()
    const first = await open(directory, { keys })
    await first[Symbol.asyncDispose]()
    await using again = await open(directory, { keys })
    expect(again.root.equals(first.root)).toBe(true)
    expect(existsSync(join(directory, 'keys'))).toBe(false)
  })

  it('goes on after a first start that was cut short, with no further key', async () => {
    const directory = newFolder()
    await using keys = new MemoryKeyManager()
    await keys.generateKey('root', 'P-256')
    await keys.generateKey('issuing', 'P-256')
    await using service = await open(directory, { keys, audit: false })
    await expect(issue(service)).resolves.toBeDefined()
    expect(await keys.listKeys()).toHaveLength(2)
  })
})

describe('a CA does not start', () => {
  it('twice in one directory', async () => {
    const directory = newFolder()
    await using service = await open(directory)
    await expect(open(directory)).rejects.toEqual(code('ERR_STORE_LOCKED'))
    await expect(issue(service)).resolves.toBeDefined()
  })

  it.each<[string, Partial<CaServiceOptions>, string]>([
    ['for another trust domain', { trustDomain: 'other.example' }, 'ERR_STORE_OWNER'],
    ['with another passphrase', { passphrase: () => 'another passphrase' }, 'ERR_KEY_PASSPHRASE'],
    ['without its keys', { keys: new MemoryKeyManager() }, 'ERR_KEY_NOT_FOUND'],
  ])('%s', async (_what, options, expected) => {
    const directory = newFolder()
    await (await open(directory))[Symbol.asyncDispose]()
    await expect(open(directory, options)).rejects.toEqual(code(expected))
    await (await open(directory))[Symbol.asyncDispose]()
  })

  it('with the keys of another CA', async () => {
    const [one, two] = [new MemoryKeyManager(), new MemoryKeyManager()]
    const [directory, other] = [newFolder(), newFolder()]
    await (await open(directory, { keys: one }))[Symbol.asyncDispose]()
    await (await open(other, { keys: two }))[Symbol.asyncDispose]()
    await expect(open(directory, { keys: two })).rejects.toEqual(code('ERR_STORE_OWNER'))
    rmSync(join(directory, 'ca.sqlite'))
    copyFileSync(join(other, 'ca.sqlite'), join(directory, 'ca.sqlite'))
    await expect(open(directory, { keys: one })).rejects.toEqual(code('ERR_STORE_OWNER'))
  })

  it('with a changed octet in its audit log; set aside, it is made again from the store', async () => {
    const directory = newFolder()
    const [seen, key] = await (async () => {
      await using service = await open(directory)
      await issue(service)
      await service.audit!.integrate()
      return [service.audit!.checkpoint, service.audit!.key] as const
    })()
    const audit = join(directory, 'audit')
    const { size } = readCheckpoint(readFileSync(join(audit, 'checkpoint'), 'utf8'), key)
    const tile = join(audit, 'tile', '0', `000.p`, String(size))
    const octets = readFileSync(tile)
    octets[40]! ^= 1
    writeFileSync(tile, octets)
    await expect(open(directory)).rejects.toEqual(code('ERR_AUDIT_LOG'))
    renameSync(audit, join(directory, 'audit.changed'))
    await using service = await open(directory)
    const tiles = createTileDirectory(audit)
    const entries = service.storage.audit
    expect(await verifyAuditLog({ tiles, key, seen, entries })).toMatchObject({ ok: true, findings: [] })
  })

  it('where its store was lost: nobody who was revoked is cleared', async () => {
    const directory = newFolder()
    await (await open(directory))[Symbol.asyncDispose]()
    rmSync(join(directory, 'ca.sqlite'))
    await expect(open(directory)).rejects.toEqual(code('ERR_STORE_OWNER'))
    rmSync(join(directory, 'root.pem'))
    // Its records would get the places of those of the CA before, and never come into the log.
    await expect(open(directory)).rejects.toEqual(code('ERR_AUDIT_LOG'))
    rmSync(join(directory, 'audit'), { recursive: true })
    await (await open(directory))[Symbol.asyncDispose]()
  })

  it.each<Partial<CaServiceOptions>>([
    { directory: '' },
    { keys: new MemoryKeyManager(), passphrase },
    { crlTtlSeconds: 0 },
    { issuingTtlSeconds: Number.NaN },
    { crlTtlSeconds: 3600, lookBackSeconds: 3600 },
    { policy: undefined as never },
  ])('with the options %j', async (options) => {
    await expect(open(newFolder(), options)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a CA by itself', () => {
  const clockOf = (): FakeClock => new FakeClock(new Date('2026-01-01T00:00:00Z'))

  it('renews its issuing certificate with a new key, and goes on listing for the old one', async () => {
    const [directory, clock] = [newFolder(), clockOf()]
    await using service = await open(directory, { clock, issuingTtlSeconds: 100 * 86_400 })
    const first = service.authority.certificate
    clock.advance(49 * day)
    const leaf = (await service.issuance.issue({ csr, ttlSeconds: 50 * 86_400 }, caller)).certificate
    await expect
      .poll(async () => {
        clock.advance(3_600_000)
        return (await service.authorities.issuing.status()).authorities.map(({ state }) => state)
      })
      .toEqual(['active', 'published'])
    clock.advance(35 * day)
    await expect
      .poll(() => {
        clock.advance(3_600_000)
        return service.authority.certificate.equals(first)
      })
      .toBe(false)
    const second = service.authority.certificate
    expect(second.publicKey.equals(first.publicKey)).toBe(false)
    await service.issuance.revoke(leaf.serialNumber, 'superseded', caller)
    await service[Symbol.asyncDispose]()
    await using again = await open(directory, { clock, issuingTtlSeconds: 100 * 86_400 })
    expect(again.authority.certificate.equals(second)).toBe(true)
    const list = await again.authority.issueCrl({ issuer: first })
    expect(list.find(leaf.serialNumber)).toBeDefined()
    expect((await again.storage.authorities.list()).map(({ id, state }) => `${id} ${state}`)).toEqual([
      'root-1 active',
      'issuing-1 retired',
      'issuing-2 active',
    ])
  })

  it('replaces its root: published first, then signing, with intermediates below it', async () => {
    const [directory, clock] = [newFolder(), clockOf()]
    await using service = await open(directory, { clock, audit: false })
    const { root, issuing } = service.authorities
    const first = service.root
    const before = await issue(service)
    await root.prepareNext()
    await root.publish()
    await issuing.run()
    expect(service.authority.roots).toHaveLength(2)
    const both = service.authority.trustBundle().x509Authorities
    clock.advance(3_600_000)
    await root.taint('root-1')
    expect(service.root.equals(first)).toBe(false)
    await expect
      .poll(async () => {
        clock.advance(60_000)
        return (await issuing.status()).authorities.map(({ state }) => state)
      })
      .toEqual(['tainted', 'active'])
    expect(issuing.isTainted(before)).toBe(true)
    const { certificate, chain } = await service.issuance.issue({ csr, ttlSeconds: 600 }, caller)
    const time = new Date(clock.now())
    for (const anchors of [both, [service.root]])
      expect(verifyPath(certificate, { anchors, intermediates: [...chain], time }).ok).toBe(true)
    await expect(root.revoke('root-1')).rejects.toEqual(code('ERR_ROTATION_EARLY'))
    await service[Symbol.asyncDispose]()
    const pem = readFileSync(join(directory, 'root.pem'), 'utf8')
    expect(pem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    await using again = await open(directory, { clock, audit: false })
    expect(again.root.equals(service.root)).toBe(true)
  })

  it('has each step of a rotation in its audit log', async () => {
    await using service = await open(newFolder(), { clock: clockOf() })
    await service.authorities.root.prepareNext()
    await service.audit!.integrate()
    const entries = await service.storage.audit.read(0, 100)
    const records = entries.map(({ entry }) => decodeAuditRecord(entry))
    const steps = records.filter(({ event }) => event === 'authority').map(({ details }) => details!['step'])
    const first = ['prepare', 'publish', 'activate']
    expect(steps).toEqual([...first, ...first, 'prepare'])
    expect(records.at(-1)!.details!['changes']).toEqual([{ id: 'root-2', to: 'prepared' }])
  })

  it('refuses numbers of a rotation that cannot hold', async () => {
    const rotation = { refreshHintSeconds: 300 }
    const options = { clock: clockOf(), issuingTtlSeconds: 86_400, rotation }
    await expect(open(newFolder(), options)).rejects.toEqual(code('ERR_ROTATION_PLAN'))
  })

  it('takes no step by itself where the rotation is not automatic', async () => {
    const clock = clockOf()
    const rotation = { automatic: false }
    await using service = await open(newFolder(), { clock, audit: false, rotation })
    clock.advance(300 * day)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect((await service.authorities.issuing.status()).authorities).toHaveLength(1)
  })

  it('starts again after its issuing certificate has expired', async () => {
    const [directory, clock] = [newFolder(), clockOf()]
    await (await open(directory, { clock, issuingTtlSeconds: 86_400 }))[Symbol.asyncDispose]()
    clock.advance(10 * day)
    await using again = await open(directory, { clock, issuingTtlSeconds: 86_400 })
    await expect(issue(again)).resolves.toBeDefined()
  })

  it('takes up a renewal that was cut short, with the key that is there', async () => {
    const [directory, clock] = [newFolder(), clockOf()]
    await using keys = new MemoryKeyManager()
    const options = { clock, keys, issuingTtlSeconds: 100 * 86_400 }
    await (await open(directory, options))[Symbol.asyncDispose]()
    await keys.rotateKey('issuing')
    clock.advance(60 * day)
    await using again = await open(directory, options)
    expect((await keys.listKeys()).filter(({ id }) => id === 'issuing')).toHaveLength(2)
    await expect(issue(again)).resolves.toBeDefined()
  })

  it('keeps its lists current, and removes records after the look-back', async () => {
    const clock = clockOf()
    await using service = await open(newFolder(), { clock })
    const leaf = await issue(service)
    const first = await service.authority.issueCrl()
    for (let hour = 0; hour < 17; hour++) {
      clock.advance(3_600_000)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await expect.poll(async () => (await service.storage.crls.list())[0]?.number).not.toBe(first.crlNumber)
    clock.advance(31 * day)
    await expect
      .poll(async () => {
        clock.advance(3_600_000)
        return service.issuance.status(leaf.serialNumber)
      })
      .toBeUndefined()
  })
})
