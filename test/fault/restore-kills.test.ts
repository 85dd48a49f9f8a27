// A restoration that is killed: what it leaves beside its directory is gone with the next one, and the folder
// of one that lives stays.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { createCaService, restoreBackup } from '../../src/service/index.ts'
import { bundled, sqliteWorker } from '../support/bundled.ts'
import '../support/cheap-scrypt.ts'
import { leftByService, violationsOf } from '../support/check-invariants.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('restore-kills-')
const workerModule = sqliteWorker()
const writer = fileURLToPath(bundled('test/support/restore-writer.ts'))
const passphrase = (): string => 'a passphrase for tests'
const running = new Set<ReturnType<typeof spawn>>()
afterEach(() => running.forEach((child) => child.kill('SIGKILL')))

async function archiveIn(folder: string): Promise<string> {
  const [directory, path] = [join(folder, 'first'), join(folder, 'archive')]
  await using service = await createCaService({
    directory,
    trustDomain: 'example.org',
    passphrase,
    workerModule,
  })
  await service.backup({ path, passphrase })
  return path
}

/** A process that restores, as soon as its folder is there. What it returns kills it. */
async function restoring(path: string, directory: string): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [writer, path, directory, workerModule.href], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running.add(child)
  const ended = once(child, 'exit')
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => {
      throw new Error('the restoration ended by itself')
    }),
  ])
  return async () => {
    child.kill('SIGKILL')
    await ended
    running.delete(child)
  }
}

const besides = (folder: string): readonly string[] =>
  readdirSync(folder).filter((name) => name.includes('.restoring-'))

it('removes what killed restorations into the same directory left, and nothing else', async () => {
  const folder = newFolder()
  const path = await archiveIn(folder)
  const directory = join(folder, 'ca')
  for (let kill = 0; kill < 2; kill++) await (await restoring(path, directory))()
  // Those of another directory, of another making, and of an earlier version, which had no lock.
  await (
    await restoring(path, join(folder, 'other'))
  )()
  mkdirSync(join(folder, 'ca.restoring-by-hand'))
  mkdirSync(join(folder, 'elsewhere'))
  writeFileSync(join(folder, 'elsewhere', 'kept'), '')
  symlinkSync(join(folder, 'elsewhere'), join(folder, `ca.restoring-${'a'.repeat(16)}`))
  mkdirSync(join(folder, `ca.restoring-${'b'.repeat(16)}`))
  expect(besides(folder).filter((name) => /^ca\.restoring-[0-9a-f]{16}$/.test(name)).length).toBeGreaterThan(
    2,
  )

  await restoreBackup({ path, directory, passphrase, workerModule })
  expect(existsSync(join(directory, 'ca.sqlite'))).toBe(true)
  expect(besides(folder).filter((name) => name.startsWith('ca.'))).toEqual([
    `ca.restoring-${'a'.repeat(16)}`,
    'ca.restoring-by-hand',
  ])
  expect(besides(folder).some((name) => /^other\.restoring-[0-9a-f]{16}$/.test(name))).toBe(true)
  expect(readdirSync(join(folder, 'elsewhere'))).toEqual(['kept'])
}, 120_000)

it('leaves the folder of a restoration that is in progress', async () => {
  const folder = newFolder()
  const path = await archiveIn(folder)
  const directory = join(folder, 'ca')
  const kill = await restoring(path, directory)
  const before = besides(folder)
  expect(before.filter((name) => /^ca\.restoring-[0-9a-f]{16}$/.test(name))).toHaveLength(1)
  await restoreBackup({ path, directory, passphrase, workerModule })
  expect(besides(folder)).toEqual(before)
  await kill()
  await using service = await createCaService({
    ...{ directory, trustDomain: 'example.org', passphrase, workerModule },
  })
  expect(await violationsOf({ ...leftByService(service, directory), directory: folder })).toEqual([])
}, 120_000)
