// A rotation that is killed at a write, fsync, link or unlink: the CA opens, signs what verifies, and the
// same
// calls finish, with no key and no authority too many. SPIFFE_PKI_ROTATION_KILLS=all kills at each of them.

import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { createRotatingAuthority } from '../../src/ca/index.ts'
import { systemClock } from '../../src/runtime/index.ts'
import { bundled, sqliteWorker } from '../support/bundled.ts'
import { requires } from '../support/requires.ts'
import { issueLeaf, refusalOf, statesOf } from '../support/rotation.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('rotation-kills-')
const workerModule = sqliteWorker()
const writer = fileURLToPath(bundled('test/support/rotation-writer.ts'))
const isWhole = process.env['SPIFFE_PKI_ROTATION_KILLS'] === 'all'
/** Between two points of the sample. */
const stride = isWhole ? 1 : 23
const calls = 'pwrite64,write,fdatasync,fsync,link,linkat,rename,renameat2,unlink,unlinkat'

/** What the writer has said; killed when a thread of it enters its n-th such call. */
function run(directory: string, killAt: number | undefined, first = ''): string {
  const command = [process.execPath, writer, directory, workerModule.href, first]
  const inject = ['-e', `inject=${calls}:signal=KILL:when=${killAt ?? 0}`]
  const traced = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`, ...inject, ...command]
  const [program = '', ...args] = killAt === undefined ? command : traced
  // One thread writes all files, so that the n-th call is one of the process.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  return spawnSync(program, args, { encoding: 'utf8', env }).stdout
}

it.skipIf(!requires('strace'))(
  `goes on after a kill at every ${isWhole ? '' : `${stride}th `}call`,
  async () => {
    const base = join(newFolder(), 'ca')
    cpSync(newFolder(), base, { recursive: true })
    expect(run(base, undefined, 'first')).toBe('done')
    let kills = 0
    for (let at = 1; ; at += stride) {
      const directory = join(newFolder(), 'ca')
      cpSync(base, directory, { recursive: true })
      const said = run(directory, at)
      await expectSound(directory)
      if (said === 'done') break
      kills++
      expect(run(directory, undefined), `kill ${at}`).toBe('done')
      const { states, versions } = await expectSound(directory)
      expect(states, `kill ${at}`).toEqual(['ca-1 revoked', 'ca-2 active'])
      expect(versions, `kill ${at}`).toEqual([1, 2])
    }
    console.log(`rotation: ${kills} kills`)
    expect(kills).toBeGreaterThan(2)
  },
  1_800_000,
)

/**
 * One authority signs, with its own key, what the bundle verifies; no key is without an authority but
 * the next one.
 */
async function expectSound(directory: string): Promise<{ states: string[]; versions: number[] }> {
  await using keys = await FileKeyManager.open({
    directory: join(directory, 'keys'),
    passphrase: () => 'a passphrase for tests',
  })
  await using storage = await createSqliteStorage({ path: join(directory, 'ca.sqlite'), workerModule })
  const states = await statesOf({ storage })
  expect(states.filter((one) => one.endsWith(' active'))).toHaveLength(1)
  const versions = (await keys.listKeys()).map(({ version }) => version)
  expect(versions.length - states.length).toBeLessThanOrEqual(1)
  const rotating = await createRotatingAuthority({
    trustDomain: 'example.org',
    storage,
    keys,
    automatic: false,
  })
  const leaf = await issueLeaf({ rotating, storage, keys, clock: systemClock as never })
  expect(refusalOf(leaf, rotating.authority.trustBundle(), systemClock.now())).toBeUndefined()
  return { states, versions }
}
