// Reports each step of a write, by replacing functions of `node:fs/promises` in this process.

import { readlinkSync } from 'node:fs'
import fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { basename } from 'node:path'

/** The steps of a write, in order. */
export const writeSteps = [
  'begin',
  'created',
  'written',
  'synced',
  'linked',
  'unlinked',
  'directory-synced',
] as const

/** One of them. */
export type WriteStep = (typeof writeSteps)[number]

const isTemporary = (path: unknown): boolean =>
  typeof path === 'string' && basename(path).startsWith('.writing-')

/**
 * Calls `onStep` at each step of each write, until the returned function is called; what it throws fails the
 * write.
 */
export async function watchWriteSteps(onStep: (step: WriteStep) => void): Promise<() => void> {
  const { link, open, rm } = fs
  const handle = await open(tmpdir(), 'r')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const { sync, writeFile } = prototype
  const nameOf = ({ fd }: FileHandle): string => readlinkSync(`/proc/self/fd/${fd}`)
  prototype.writeFile = async function (this: FileHandle, ...args: Parameters<typeof writeFile>) {
    await writeFile.apply(this, args)
    if (isTemporary(nameOf(this))) onStep('written')
  }
  let finishing = false
  prototype.sync = async function (this: FileHandle) {
    await sync.call(this)
    if (isTemporary(nameOf(this))) onStep('synced')
    else if (finishing) {
      finishing = false
      onStep('directory-synced')
    }
  }
  fs.open = async (...args: Parameters<typeof open>) => {
    if (!isTemporary(args[0])) return open(...args)
    onStep('begin')
    const opened = await open(...args)
    try {
      onStep('created')
    } catch (error) {
      await opened.close()
      throw error
    }
    return opened
  }
  fs.link = async (from, to) => {
    await link(from, to)
    if (isTemporary(from)) onStep('linked')
  }
  fs.rm = async (...args: Parameters<typeof rm>) => {
    await rm(...args)
    if (!isTemporary(args[0]) || args[1]?.force === true) return
    finishing = true
    onStep('unlinked')
  }
  syncBuiltinESMExports()
  return () => {
    Object.assign(fs, { link, open, rm })
    Object.assign(prototype, { sync, writeFile })
    syncBuiltinESMExports()
  }
}
