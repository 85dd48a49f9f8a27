// A CA that is killed when it enters a write, fsync, link or unlink of issuance, revocation, CRL, backup or
// migration: what it answered is stored, and the next run completes the rest.

import { cpSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import '../support/cheap-scrypt.ts'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { Database } from '../../src/adapters/sqlite/thread/database.ts'
import { applicationId, migrations } from '../../src/adapters/sqlite/thread/schema.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { createCaService, verifyBackup } from '../../src/service/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import { bundled, cheapScryptOptions, sqliteWorker } from '../support/bundled.ts'
import { expectReached, isEveryCall, killAtCalls, run } from '../support/call-kills.ts'
import { leftByService, rootPemOf, violationsOf } from '../support/check-invariants.ts'
import {
  crashAudit,
  crashAuthority,
  crashPassphrase,
  prepareCrashDirectory,
  readAnswers,
} from '../support/crash-fixture.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('call-kills-')
const workerModule = sqliteWorker()
const writer = fileURLToPath(bundled('test/support/call-writer.ts'))
const owner = 'example.org'
const timeoutMs = isEveryCall ? 7_200_000 : 300_000

/** Kills the task at each point, in a copy of `base` each time, and checks what it left. */
async function killAtEach(
  task: string,
  base: string,
  sample: number,
  check: (directory: string) => Promise<void>,
): Promise<void> {
  const program = [process.execPath, ...cheapScryptOptions(), writer]
  const commandIn = (directory: string) => [...program, directory, workerModule.href, task]
  const copy = (): string => {
    const directory = newFolder()
    cpSync(base, directory, { recursive: true })
    return directory
  }
  const kills = await killAtCalls(copy, commandIn, sample, async (directory, point) => {
    await check(directory)
    expect(await run(commandIn(directory)), point).toContain('done')
    await check(directory)
  })
  expectReached(task, kills)
}

describe.skipIf(!requires('strace'))('a kill at a call that changes a file', () => {
  it(
    'of issuance, revocation and CRL on a new store loses nothing that was answered',
    async () => {
      const base = newFolder()
      await prepareCrashDirectory(base)
      await killAtEach('issue', base, 20, async (directory) => {
        await using storage = await createSqliteStorage({
          path: join(directory, 'ca.sqlite'),
          workerModule,
          owner,
        })
        const authority = crashAuthority(directory, storage)
        const issuance = createIssuanceService({ authority, audit: true })
        const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
        const audit = { log: await crashAudit(directory, storage), directory: join(directory, 'audit') }
        const answers = readAnswers(directory)
        const left = { storage, authority, issuance, csr, audit, answers, directory }
        expect(await violationsOf(left)).toEqual([])
      })
    },
    timeoutMs,
  )

  it(
    'of a migration leaves the old store or the new one',
    async () => {
      const base = newFolder()
      const file = new Database(join(base, 'ca.sqlite'), undefined)
      file.exec(`${migrations[0]!}
        INSERT INTO settings VALUES ('owner', '${owner}');
        INSERT INTO certificates (issuer, serial_number, identity, key_identifier, not_after_ms,
          intended_at_ms, caller, rule, shard, state, certificate)
        VALUES ('AB01', '7F', 'spiffe://example.org/a', 'CD02', 1900000000000, 1700000000000,
          '{"credential":"x509","identities":[]}', 'r', '', 'issued', x'3000');
        PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1`)
      file.close()
      await killAtEach('migrate', base, 10, async (directory) => {
        const path = join(directory, 'ca.sqlite')
        await using storage = await createSqliteStorage({ path, workerModule, owner })
        const { items } = await storage.certificates.query({})
        expect(items.map(({ serialNumber, state }) => [serialNumber, state])).toEqual([['7F', 'issued']])
        expect(await storage.blocks!.list()).toEqual([])
      })
    },
    timeoutMs,
  )

  it(
    'of a backup leaves no half archive under a name, and the next one is whole',
    async () => {
      const base = newFolder()
      mkdirSync(join(base, 'archives'))
      const ca = (directory: string) => ({
        directory: join(directory, 'ca'),
        trustDomain: 'example.org',
        passphrase: () => crashPassphrase,
        workerModule,
      })
      await (await createCaService(ca(base)))[Symbol.asyncDispose]()
      const verified = new Set<string>()
      const checked = new Set<string>()
      await killAtEach('backup', base, 8, async (directory) => {
        checked.add(directory)
        const archives = join(directory, 'archives')
        for (const name of readdirSync(archives).filter((one) => one.startsWith('archive-'))) {
          await verifyBackup({
            path: join(archives, name),
            passphrase: () => 'another passphrase for tests',
            keyPassphrase: () => crashPassphrase,
            workerModule,
          })
          verified.add(directory)
        }
        const rootPem = rootPemOf(join(directory, 'ca'))
        await using service = await createCaService(ca(directory))
        const left = leftByService(service, join(directory, 'ca'), { rootPem })
        expect(await violationsOf({ ...left, directory })).toEqual([])
      })
      // Of each directory, the backup after the kill.
      expect(verified).toEqual(checked)
    },
    timeoutMs,
  )
})
