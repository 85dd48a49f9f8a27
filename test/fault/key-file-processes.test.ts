// Key files under several processes at once: each key has a number of its own, and none is lost.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { bundled } from '../support/bundled.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('key-processes-')
const racer = fileURLToPath(bundled('test/support/key-racer.ts'))
const passphrase = 'a passphrase for tests'
const running = new Set<ReturnType<typeof spawn>>()
afterEach(() => running.forEach((child) => child.kill('SIGKILL')))

/** Starts one; `go` lets it begin and resolves with what it said. */
async function start(directory: string, versions: number): Promise<{ go: () => Promise<readonly string[]> }> {
  const child = spawn(process.execPath, [racer, directory, passphrase, String(versions)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  running.add(child)
  let said = ''
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  const ended = once(child, 'exit')
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => {
      throw new Error('a process ended before it was ready')
    }),
  ])
  return {
    async go() {
      child.stdin.write('go\n')
      const [status] = (await ended) as [number]
      running.delete(child)
      expect(status).toBe(0)
      return said.trim().split('\n').slice(1)
    },
  }
}

it('make one key where all make it at once, and every version of it under a number of its own', async () => {
  const directory = join(newFolder(), 'keys')
  const [processes, versions] = [3, 4]
  const racers = await Promise.all(Array.from({ length: processes }, () => start(directory, versions)))
  const said = (await Promise.all(racers.map(({ go }) => go()))).flat()
  expect(said.filter((line) => line.startsWith('generated'))).toHaveLength(1)
  const made = said.map((line) => line.split(' ')[1])
  expect(made).toHaveLength(1 + processes * versions)

  await using keys = await FileKeyManager.open({ directory, passphrase: () => passphrase })
  const listed = await keys.listKeys()
  expect(listed.map(({ version }) => version)).toEqual(Array.from(made, (_, at) => at + 1))
  const found = await Promise.all(listed.map(({ version }) => keys.getSigner('ca', version)))
  const kept = found.map((signer) => Buffer.from(signer!.publicKey.spki).toString('hex'))
  expect([...kept].sort()).toEqual([...made].sort())
  expect(readdirSync(join(directory, 'ca')).filter((name) => name.startsWith('.'))).toEqual([])
}, 120_000)
