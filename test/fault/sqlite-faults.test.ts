// A SQLite store on a disk that is full, read-only, slow or broken: it says so, and what it answered is
// there.

import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import type { SqliteStorage } from '../../src/adapters/sqlite/index.ts'
import type { PkiError } from '../../src/errors/index.ts'
import { anyIntent, issued } from '../../src/testing/contracts/storage/storage-fixtures.ts'
import { bundled, sqliteWorker } from '../support/bundled.ts'
import { code } from '../support/codes.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('sqlite-faults-')
const workerModule = sqliteWorker()
const writer = fileURLToPath(bundled('test/support/faulty-store.ts'))
const open = (path: string, maxBytes?: number): Promise<SqliteStorage> =>
  createSqliteStorage({ path, workerModule, maxBytes })

interface Report {
  readonly answered: readonly string[]
  readonly failed?: string
  readonly failure?: string
  readonly later: string
  readonly found: string
  /** Of the delay of the event loop while it wrote. */
  readonly loopP99Ms: number
}

/** The writer under strace, which makes system calls fail or wait. */
function writeUnder(inject: string, path: string, calls: number): Report {
  const args = [
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    'trace=fdatasync,fsync,pwrite64',
    '-e',
    `inject=${inject}`,
  ]
  const command = [process.execPath, writer, path, workerModule.href, String(calls)]
  const { stdout, stderr } = spawnSync('strace', [...args, ...command], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout) as Report
}

/** Every certificate that was answered is on record. */
async function expectAll(path: string, answered: readonly string[]): Promise<void> {
  await using storage = await open(path)
  const found = new Set<string>()
  let after: string | undefined
  do {
    const page = await storage.certificates.query({ limit: 1000, after })
    for (const { serialNumber } of page.items) found.add(serialNumber)
    after = page.next
  } while (after !== undefined)
  expect(answered.filter((serial) => !found.has(serial))).toEqual([])
}

/** A small file system; undefined where nobody may mount one. */
function mounted(size: string): string | undefined {
  const folder = newFolder()
  const mount = ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', folder]
  if (spawnSync('mount', mount).status !== 0) return undefined
  onTestFinished(() => void spawnSync('umount', ['-l', folder]))
  return folder
}

/** Writes many at a time until one is refused, then one at a time until that is. */
async function fill(storage: SqliteStorage): Promise<unknown> {
  const write = (): Promise<void> => storage.certificates.recordIntent(anyIntent())
  for (let together = 50; ;) {
    const results = await Promise.allSettled(Array.from({ length: together }, write))
    const refused = results.find((result) => result.status === 'rejected')
    if (refused === undefined) continue
    if (together === 1) return refused.reason
    together = 1
  }
}

describe('a store that is full', () => {
  it('refuses writes and says so, reads on, and goes on when it may grow', async () => {
    const path = join(newFolder(), 'ca.sqlite')
    const storage = await open(path, 512 * 1024)
    const one = await issued(storage.certificates)
    expect(await fill(storage)).toEqual(code('ERR_STORE_UNAVAILABLE'))
    expect(storage.failure).toEqual(code('ERR_STORE_UNAVAILABLE'))
    expect((await storage.certificates.find(one))?.state).toBe('issued')
    expect(storage.failure).toEqual(code('ERR_STORE_UNAVAILABLE'))
    await storage[Symbol.asyncDispose]()
    await using again = await open(path, 1024 * 1024)
    await expect(issued(again.certificates)).resolves.toBeDefined()
    expect(again.failure).toBeUndefined()
  })

  it('on a full disk too, and goes on when there is room again', async ({ skip }) => {
    const folder = mounted('3m') ?? skip('this test mounts a small file system, which is not allowed here')
    const filler = join(folder, 'filler')
    writeFileSync(filler, Buffer.alloc(1024 * 1024))
    await using storage = await open(join(folder, 'ca.sqlite'))
    const one = await issued(storage.certificates)
    expect(await fill(storage)).toEqual(code('ERR_STORE_UNAVAILABLE'))
    expect(storage.failure).toEqual(code('ERR_STORE_UNAVAILABLE'))
    rmSync(filler)
    await expect(issued(storage.certificates)).resolves.toBeDefined()
    expect(storage.failure).toBeUndefined()
    expect((await storage.certificates.find(one))?.state).toBe('issued')
  })
})

it('a store on a read-only file system is refused at opening, by name', async ({ skip }) => {
  const folder = mounted('4m') ?? skip('this test mounts a small file system, which is not allowed here')
  const path = join(folder, 'ca.sqlite')
  await (await open(path))[Symbol.asyncDispose]()
  expect(spawnSync('mount', ['-o', 'remount,ro', folder]).status).toBe(0)
  await expect(open(path)).rejects.toEqual(code('ERR_STORE_UNAVAILABLE'))
})

describe.skipIf(!requires('strace'))('a disk that fails', () => {
  it.each([20, 25, 60])('at fsync number %i ends the store for good', async (at) => {
    const path = join(newFolder(), 'ca.sqlite')
    const report = writeUnder(`fdatasync,fsync:error=EIO:when=${at}+`, path, 100_000)
    expect(report).toMatchObject({
      failed: 'ERR_STORE_FAILED',
      failure: 'ERR_STORE_FAILED',
      later: 'ERR_STORE_FAILED',
      found: 'ERR_STORE_FAILED',
    })
    await expectAll(path, report.answered)
  })

  it.each([
    ['EROFS', 'ERR_STORE_FAILED', 'ERR_STORE_FAILED'],
    ['EIO', 'ERR_STORE_FAILED', 'ERR_STORE_FAILED'],
    ['EDQUOT', 'ERR_STORE_FAILED', 'ERR_STORE_FAILED'],
    // It may go on, and reads go on meanwhile.
    ['ENOSPC', 'ERR_STORE_UNAVAILABLE', 'found'],
  ])('at a write with %s says so, and loses nothing that was answered', async (error, code, found) => {
    const path = join(newFolder(), 'ca.sqlite')
    const report = writeUnder(`pwrite64:error=${error}:when=150+`, path, 100_000)
    expect(report).toMatchObject({ failed: code, failure: code, later: code, found })
    expect(report.answered).not.toEqual([])
    await expectAll(path, report.answered)
  })

  it('by 2 s at each fsync fails no call', async () => {
    const path = join(newFolder(), 'ca.sqlite')
    // The first ones are of the opening.
    const report = writeUnder('fdatasync,fsync:delay_exit=2000000:when=25+', path, 200)
    console.log(`event loop while an fsync takes 2 s: p99 ${report.loopP99Ms.toFixed(1)} ms`)
    expect(report).toMatchObject({ later: 'recorded', found: 'found' })
    expect([report.failed, report.failure]).toEqual([undefined, undefined])
    expect(report.answered.length).toBeGreaterThanOrEqual(200)
    await expectAll(path, report.answered)
  })
})

it('a disk that takes 2 s for an fsync holds no event loop, and the queue is bounded', async () => {
  const folder = newFolder()
  const [path, module] = [join(folder, 'ca.sqlite'), join(folder, 'slow.cjs')]
  // Every commit from the fifth on waits as if for the disk: in the thread of the store.
  writeFileSync(
    module,
    `const { createRequire } = require('node:module')
    const load = createRequire(${JSON.stringify(import.meta.url)})
    const sqlite = process.getBuiltinModule('node:sqlite') ?? load('@photostructure/sqlite')
    let commits = 0
    exports.DatabaseSync = class extends sqlite.DatabaseSync {
      exec(sql) {
        super.exec(sql)
        if (sql === 'COMMIT' && ++commits > 4)
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
      }
    }`,
  )
  await using storage = await createSqliteStorage({ path, workerModule, module, maxQueued: 20 })
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const write = (): Promise<string> =>
    storage.certificates.recordIntent(anyIntent()).then(
      () => 'recorded',
      (error: unknown) => (error as PkiError).code,
    )
  const results: string[] = []
  for (let turn = 0; turn < 4; turn++) {
    results.push(...(await Promise.all(Array.from({ length: 40 }, write))))
    expect(storage.pending).toBe(0)
  }
  delay.disable()
  console.log(`event loop while commits take 2 s: p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`)
  expect(results.filter((result) => result === 'recorded')).toHaveLength(80)
  expect(results.filter((result) => result === 'ERR_OVERLOADED')).toHaveLength(80)
  // A loop that waits for the disk waits for all of it; what is less is the load of the machine.
  expect(delay.max / 1e6).toBeLessThan(1900)
})

it('a thread that dies fails what it had, and every later call', async () => {
  const path = join(newFolder(), 'ca.sqlite')
  const dying = join(newFolder(), 'dying.mjs')
  writeFileSync(
    dying,
    `import { parentPort } from 'node:worker_threads'
    parentPort.once('message', () => process.exit(1))
    parentPort.postMessage({ kind: 'open' })`,
  )
  await using storage = await createSqliteStorage({ path, workerModule: new URL(`file://${dying}`) })
  await expect(storage.certificates.recordIntent(anyIntent())).rejects.toEqual(code('ERR_STORE_FAILED'))
  await expect(storage.certificates.query({})).rejects.toEqual(code('ERR_STORE_FAILED'))
  expect(storage.failure).toEqual(code('ERR_STORE_FAILED'))
})
