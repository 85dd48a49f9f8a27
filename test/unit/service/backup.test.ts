// Backups of a CA: made while it issues, restored after everything is lost, refused where anything is wrong.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTileDirectory } from '../../../src/adapters/files/index.ts'
import { Database } from '../../../src/adapters/sqlite/thread/database.ts'
import type { SqliteStorage } from '../../../src/adapters/sqlite/index.ts'
import { decodeAuditRecord, verifyAuditLog } from '../../../src/audit/index.ts'
import { createMemoryStorage } from '../../../src/ca/index.ts'
import { createCaService, restoreBackup, verifyBackup } from '../../../src/service/index.ts'
import type { CaService } from '../../../src/service/index.ts'
import type { CaServiceOptions } from '../../../src/service/ca-service-options.ts'
import { ArchiveWriter } from '../../../src/service/backup/archive-cipher.ts'
import { writeEnd, writeEntry } from '../../../src/service/backup/archive-entries.ts'
import { createBackup } from '../../../src/service/backup/create-backup.ts'
import { MemoryKeyManager, SoftwareSigner } from '../../../src/keys/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { verifyPath } from '../../../src/validation/index.ts'
import { buildCertificateRequest } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { sqliteWorker } from '../../support/bundled.ts'
import { code } from '../../support/codes.ts'
import '../../support/cheap-scrypt.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const workerModule = sqliteWorker()
const newFolder = temporaryFolders('backup-')
const trustDomain = 'example.org'
const passphrase = (): string => 'a passphrase for tests'
const archivePassphrase = (): string => 'another passphrase for tests'
const caller = { identities: [SpiffeId.parse('spiffe://example.org/web')], credential: 'test', claims: {} }
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))

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
const restore = (path: string, directory: string, options: object = {}) =>
  restoreBackup({ path, directory, passphrase: archivePassphrase, workerModule, ...options })
const verify = (path: string, options: object = {}) =>
  verifyBackup({ path, passphrase: archivePassphrase, keyPassphrase: passphrase, workerModule, ...options })

/** A CA with one certificate, and a backup of it. */
async function backedUp() {
  const folder = newFolder()
  const [directory, path] = [join(folder, 'ca'), join(folder, 'archive')]
  await using service = await open(directory)
  const leaf = await issue(service)
  const result = await service.backup({ path, passphrase: archivePassphrase })
  return { folder, directory, path, leaf, result }
}
const shared = await backedUp()

describe('a CA that lost everything', () => {
  it('goes on from its backup: root, keys, records, lists and audit log', async () => {
    const folder = newFolder()
    const [directory, path] = [join(folder, 'ca'), join(folder, 'archive')]
    const first = await open(directory)
    const [kept, revoked] = [await issue(first), await issue(first)]
    await first.issuance.revoke(revoked.serialNumber, 'keyCompromise', caller)
    await first.issuance.block({ identity: SpiffeId.parse('spiffe://example.org/left') }, 'left', caller)
    const backup = await first.backup({ path, passphrase: archivePassphrase })
    const late = await issue(first)
    const lists = [
      await first.authority.issueCrl({ fresh: true }),
      await first.authority.issueCrl({ fresh: true }),
    ]
    const issuing = first.authority.certificate
    await first[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })

    const restored = await restore(path, directory, { trustDomain, minAuditSize: backup.auditSize })
    expect(restored).toMatchObject({
      created: backup.created,
      auditSize: backup.auditSize,
      hasKeyFiles: true,
    })
    await using again = await open(directory)
    expect(again.root.equals(first.root)).toBe(true)
    expect(again.authority.certificate.equals(issuing)).toBe(true)
    expect(await again.issuance.status(kept.serialNumber)).toMatchObject({ state: 'valid' })
    expect(await again.issuance.status(revoked.serialNumber)).toMatchObject({ state: 'revoked' })
    expect(await again.issuance.blocks()).toHaveLength(1)
    const renewed = await again.issuance.renew(kept.serialNumber, { csr }, caller)
    const intermediates = [...renewed.chain]
    expect(verifyPath(renewed.certificate, { anchors: [first.root], intermediates }).ok).toBe(true)

    // What was issued after the backup has no record, and can be revoked by its certificate.
    expect(await again.issuance.status(late.serialNumber)).toBeUndefined()
    await again.issuance.revoke(late.serialNumber, 'keyCompromise', caller, { certificate: late })
    const list = await again.authority.issueCrl({ fresh: true })
    for (const before of lists) expect(list.crlNumber! > before.crlNumber!).toBe(true)
    for (const one of [revoked, late]) expect(list.find(one.serialNumber)).toBeDefined()

    await again.audit!.integrate()
    const report = await verifyAuditLog({
      tiles: createTileDirectory(join(directory, 'audit')),
      key: first.audit!.key,
      seen: backup.checkpoint!,
      entries: again.storage.audit,
    })
    expect(report.findings).toEqual([])
    const entries = (await again.storage.audit.read(0, 1000)).map(({ entry }) => decodeAuditRecord(entry))
    const actions = entries.flatMap(({ event, details }) => details?.['action'] ?? event)
    expect(actions).toEqual(expect.arrayContaining(['issued', 'revoked', 'backup', 'restored', 'renewed']))
  })

  it('has every certificate that was answered before the backup, made while it issues', async () => {
    const folder = newFolder()
    const [directory, path] = [join(folder, 'ca'), join(folder, 'archive')]
    await using service = await open(directory)
    const answered: string[] = []
    let isMade = false
    const issuing = Array.from({ length: 8 }, async () => {
      while (!isMade) answered.push((await issue(service)).serialNumber)
    })
    const before = [...answered, (await issue(service)).serialNumber]
    await service.backup({ path, passphrase: archivePassphrase })
    isMade = true
    await Promise.all(issuing)
    await restore(path, join(folder, 'restored'))
    await using restored = await open(join(folder, 'restored'))
    for (const serial of before)
      expect(await restored.issuance.status(serial as never)).toMatchObject({ state: 'valid' })
    expect(answered.length).toBeGreaterThan(8)
  })
})

describe('backups that are asked for together', () => {
  it('are all made: none takes the copy of another for a leftover', async () => {
    const folder = newFolder()
    const keys = new MemoryKeyManager()
    const path = (name: string): string => join(folder, name)
    const wanted = { passphrase: archivePassphrase }
    const asked: string[] = []
    let second: Promise<unknown> = Promise.resolve()
    // The keys are listed when the copy of the store is made, and before it is read.
    const listKeys = async (): ReturnType<typeof keys.listKeys> => {
      if (asked.push('listKeys') === 1) {
        second = service.backup({ ...wanted, path: path('second') })
        for (let turn = 0; turn < 200 && asked.length < 2; turn++) await nextTurn()
      }
      return keys.listKeys()
    }
    const observed = new Proxy(keys, {
      get: (target, name) => {
        if (name === 'listKeys' && isObserved) return listKeys
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value
      },
    })
    let isObserved = false
    await using service = await open(path('ca'), { keys: observed })
    isObserved = true
    await service.backup({ ...wanted, path: path('first') })
    await expect(second).resolves.toBeDefined()
    for (const name of ['first', 'second']) expect(statSync(path(name)).size).toBeGreaterThan(0)
  })
})

describe('an archive', () => {
  it('is one file that only its owner may read; nothing else is left behind', async () => {
    const { folder, directory, path, result } = shared
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(path).size).toBe(result.octets)
    expect(readdirSync(folder).sort()).toEqual(['archive', 'ca'])
    expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([])
    const octets = readFileSync(path)
    for (const secret of ['example.org', 'PRIVATE KEY', 'SQLite format'])
      expect(octets.includes(secret)).toBe(false)
  })

  it('is verified in a scratch place, with a signature by every key', async () => {
    const scratchDirectory = newFolder()
    const report = await verify(shared.path, { scratchDirectory })
    expect(report).toMatchObject({
      certificates: 1,
      keys: ['root 1', 'issuing 1'],
      auditSize: shared.result.auditSize,
    })
    expect(readdirSync(scratchDirectory)).toEqual([])
  })

  it('does not open with another passphrase', async () => {
    const passphraseOf = () => 'a wrong passphrase'
    const target = join(newFolder(), 'ca')
    await expect(restore(shared.path, target, { passphrase: passphraseOf })).rejects.toThrow(
      code('ERR_KEY_PASSPHRASE'),
    )
    await expect(verify(shared.path, { keyPassphrase: passphraseOf })).rejects.toThrow(
      code('ERR_KEY_PASSPHRASE'),
    )
    expect(existsSync(target)).toBe(false)
  })

  const octets = readFileSync(shared.path)
  const header = 20 + 4 + octets.readUInt32BE(20) + 32
  const chunk = 64 * 1024 + 16
  const cut = (...parts: readonly [number, number][]): Buffer =>
    Buffer.concat(parts.map(([from, to]) => octets.subarray(from, to)))
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(octets)
    copy[at]! ^= 1
    return copy
  }
  const bad: Readonly<Record<string, Buffer>> = {
    'is empty': Buffer.alloc(0),
    'is another file': Buffer.from('SQLite format 3\0'.repeat(100)),
    'ends in its header': cut([0, 40]),
    'ends behind its header': cut([0, header]),
    'ends inside its first chunk': cut([0, header + 100]),
    'ends behind its first chunk': cut([0, header + chunk]),
    'lacks its last octet': cut([0, octets.length - 1]),
    'has a further octet': Buffer.concat([octets, Buffer.of(0)]),
    'has a further chunk': Buffer.concat([octets, octets.subarray(header, header + chunk)]),
    'has two chunks exchanged': cut(
      [0, header],
      [header + chunk, header + 2 * chunk],
      [header, header + chunk],
      [header + 2 * chunk, octets.length],
    ),
    'lacks a chunk': cut([0, header + chunk], [header + 2 * chunk, octets.length]),
    'has a chunk twice': cut([0, header + chunk], [header, octets.length]),
    'has a long header': Buffer.concat([
      octets.subarray(0, 20),
      Buffer.of(0xff, 0xff, 0xff, 0xff),
      octets.subarray(24),
    ]),
    ...Object.fromEntries(
      Array.from({ length: 24 }, (_, i) => {
        const at = Math.floor((i * (octets.length - 1)) / 23)
        return [`has a changed bit at ${at}`, flipped(at)]
      }),
    ),
    ...Object.fromEntries(
      [0, 19, 20, 23, 24, 60, header - 1, header].map((at) => [
        `has a changed bit at octet ${at}`,
        flipped(at),
      ]),
    ),
  }

  it.each(Object.keys(bad))('that %s is refused, and leaves nothing', async (name) => {
    const folder = newFolder()
    const path = join(folder, 'archive')
    writeFileSync(path, bad[name]!)
    await expect(restore(path, join(folder, 'ca'))).rejects.toThrow(code('ERR_BACKUP_DAMAGED'))
    expect(readdirSync(folder)).toEqual(['archive'])
  })

  it('that is too old, too short or of another CA is refused', async () => {
    const { path, result } = shared
    const target = join(newFolder(), 'ca')
    const later = new Date(result.created.getTime() + 1)
    const cases: [object, string][] = [
      [{ notBefore: later }, 'ERR_BACKUP_TOO_OLD'],
      [{ minAuditSize: result.auditSize! + 1 }, 'ERR_BACKUP_TOO_OLD'],
      [{ trustDomain: 'other.example' }, 'ERR_STORE_OWNER'],
    ]
    for (const [options, expected] of cases)
      await expect(restore(path, target, options)).rejects.toThrow(code(expected))
    expect(existsSync(target)).toBe(false)
    await restore(path, target, { notBefore: result.created, minAuditSize: result.auditSize, trustDomain })
  })

  it('with a store of a newer schema is refused', async () => {
    const folder = newFolder()
    const copy = join(folder, 'newer.sqlite')
    {
      await using service = await open(join(folder, 'ca'))
      await (service.storage as SqliteStorage).copyTo(copy)
    }
    const file = new Database(copy, undefined)
    file.exec('PRAGMA user_version = 99')
    file.close()
    const storage = { copyTo: async (to: string) => copyFileSync(copy, to) } as unknown as SqliteStorage
    const path = join(folder, 'archive')
    await using keys = new MemoryKeyManager()
    await createBackup(
      {
        directory: folder,
        trustDomain,
        storage,
        keys,
        hasKeyFiles: false,
        log: undefined,
        clock: systemClock,
      },
      { path, passphrase: archivePassphrase },
    )
    await expect(restore(path, join(folder, 'restored'))).rejects.toThrow(code('ERR_STORE_SCHEMA'))
    expect(existsSync(join(folder, 'restored'))).toBe(false)
  })

  it.each([
    '../evil',
    '/etc/passwd',
    'keys/../../evil.pem',
    'keys/a/1.pem/x',
    'keys/a/0.pem',
    'keys/a\\b/1.pem',
    'root.pem',
    'manifest.json',
    'ca.sqlite-wal',
  ])('with the entry %j is refused, whoever has sealed it', async (name) => {
    const folder = newFolder()
    const path = join(folder, 'archive')
    const file = await openFile(path, 'wx')
    const writer = await ArchiveWriter.begin(file, archivePassphrase())
    const manifest = { version: 1, trustDomain, created: new Date().toISOString(), schema: 1, audit: null }
    const json = Buffer.from(JSON.stringify({ ...manifest, keyStorage: 'reference', keys: [] }))
    await writeEntry(writer, 'manifest.json', json.length, [json])
    await writeEntry(writer, name, 1, [Buffer.from('x')])
    await writeEnd(writer)
    await file.close()
    await expect(restore(path, join(folder, 'ca'))).rejects.toThrow(code('ERR_BACKUP_DAMAGED'))
    expect(readdirSync(folder)).toEqual(['archive'])
  })
})

describe('what is there already', () => {
  it('is not overwritten by a backup, and not by a restoration', async () => {
    const { path } = shared
    const folder = newFolder()
    const taken = join(folder, 'taken')
    writeFileSync(taken, 'precious')
    await using service = await open(join(folder, 'ca'))
    await expect(service.backup({ path: taken, passphrase })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(readFileSync(taken, 'utf8')).toBe('precious')
    mkdirSync(join(folder, 'empty'))
    for (const name of ['taken', 'empty', 'ca'])
      await expect(restore(path, join(folder, name))).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(readdirSync(folder).sort()).toEqual(['ca', 'empty', 'taken'])
  })

  it.each([
    [{ path: 'relative/not/there/archive' }, 'ERR_STORE_UNAVAILABLE'],
    [{ passphrase: () => 'short' }, 'ERR_INVALID_ARGUMENT'],
    [{ passphrase: () => '' }, 'ERR_INVALID_ARGUMENT'],
    [{ passphrase: 'text' }, 'ERR_INVALID_ARGUMENT'],
    [{ path: '' }, 'ERR_INVALID_ARGUMENT'],
    [{ pass: 1 }, 'ERR_INVALID_ARGUMENT'],
  ])('backup: the options %j are refused', async (wrong, expected) => {
    const folder = newFolder()
    await using service = await open(join(folder, 'ca'))
    const options = { path: join(folder, 'archive'), passphrase: archivePassphrase, ...(wrong as object) }
    await expect(service.backup(options)).rejects.toThrow(code(expected))
    expect(readdirSync(folder)).toEqual(['ca'])
  })

  it('a file that is not there is said by name', async () => {
    await expect(restore(join(newFolder(), 'none'), join(newFolder(), 'ca'))).rejects.toThrow(
      code('ERR_STORE_UNAVAILABLE'),
    )
  })
})

it('a storage that was given is not in a backup, which is refused', async () => {
  const folder = newFolder()
  const storage = createMemoryStorage()
  await using service = await open(join(folder, 'ca'), { storage, audit: false })
  await expect(service.backup({ path: join(folder, 'archive'), passphrase })).rejects.toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
})

it('keys that are in no files are references, and are asked for', async () => {
  const folder = newFolder()
  const [directory, path] = [join(folder, 'ca'), join(folder, 'archive')]
  await using keys = new MemoryKeyManager()
  {
    await using service = await open(directory, { keys })
    await issue(service)
    await service.backup({ path, passphrase: archivePassphrase })
  }
  rmSync(directory, { recursive: true })
  const options = { path, passphrase: archivePassphrase, workerModule }
  await expect(verifyBackup(options)).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  await using others = new MemoryKeyManager()
  for (const id of ['root', 'issuing']) await others.generateKey(id, 'P-256')
  await others.generateKey('audit', 'Ed25519')
  await expect(verifyBackup({ ...options, keys: others })).rejects.toThrow(code('ERR_STORE_OWNER'))
  expect(await verifyBackup({ ...options, keys })).toMatchObject({ hasKeyFiles: false, certificates: 1 })
  expect((await restore(path, directory)).hasKeyFiles).toBe(false)
  await using again = await open(directory, { keys })
  await expect(issue(again)).resolves.toBeDefined()
})
