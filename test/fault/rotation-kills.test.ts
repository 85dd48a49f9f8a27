// A rotation that is killed when it enters a write, fsync, link or unlink: the CA opens and signs, and the
// same calls complete it, without a surplus key or authority.

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import '../support/cheap-scrypt.ts'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { createRotatingAuthority } from '../../src/ca/index.ts'
import { systemClock } from '../../src/runtime/index.ts'
import { bundled, cheapScryptOptions, sqliteWorker } from '../support/bundled.ts'
import { expectReached, killAtCalls, run } from '../support/call-kills.ts'
import { CheckMemory, violationsOf } from '../support/check-invariants.ts'
import { requires } from '../support/requires.ts'
import { issueLeaf, refusalOf, statesOf } from '../support/rotation.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('rotation-kills-')
const workerModule = sqliteWorker()
const writer = fileURLToPath(bundled('test/support/rotation-writer.ts'))

const commandIn = (directory: string, first = '') => [
  process.execPath,
  ...cheapScryptOptions(),
  writer,
  directory,
  workerModule.href,
  first,
]

it.skipIf(!requires('strace'))(
  'goes on after a kill at a call that changes a file',
  async () => {
    const base = join(newFolder(), 'ca')
    cpSync(newFolder(), base, { recursive: true })
    expect(await run(commandIn(base, 'first'))).toBe('done')
    const copy = (): string => {
      const directory = join(newFolder(), 'ca')
      cpSync(base, directory, { recursive: true })
      return directory
    }
    const kills = await killAtCalls(copy, commandIn, 12, async (directory, point) => {
      const memory = new CheckMemory()
      await expectSound(directory, memory)
      expect(await run(commandIn(directory)), point).toBe('done')
      const { states, versions } = await expectSound(directory, memory)
      expect(states, point).toEqual(['ca-1 revoked', 'ca-2 active'])
      expect(versions, point).toEqual([1, 2])
    })
    expectReached('rotation', kills)
  },
  7_200_000,
)

/**
 * One authority signs, with its own key, what the bundle verifies; no key is without an authority but
 * the next one.
 */
async function expectSound(
  directory: string,
  memory: CheckMemory,
): Promise<{ states: string[]; versions: number[] }> {
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
  const { authority } = rotating
  expect(refusalOf(leaf, authority.trustBundle(), systemClock.now())).toBeUndefined()
  const left = { storage, authority, keys, answers: [], directory }
  expect(await violationsOf(left, memory)).toEqual([])
  return { states, versions }
}
