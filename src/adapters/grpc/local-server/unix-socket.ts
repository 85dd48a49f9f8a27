// Creates a Unix socket at a path, with its permissions from the start; replaces a socket without a listener.

import { randomBytes } from 'node:crypto'
import { chmod, lstat, rename, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { PkiError } from '../../../errors/index.ts'
import { openPort } from '../server/index.ts'
import type { Admission, Port } from '../server/index.ts'

/**
 * Listens at `path`. The socket is created under an unpredictable name, gets its mode, and is then renamed.
 * So at no time can more processes connect than `mode` allows.
 *
 * @throws ERR_SERVER_START if a process listens there, or the file is not a socket
 */
export async function openUnixSocket(admission: Admission, path: string, mode: number): Promise<Port> {
  await requireFree(path)
  const hidden = join(dirname(path), `.${randomBytes(4).toString('hex')}`)
  const port = await openPort(admission, { at: { path: hidden }, tls: undefined })
  try {
    await chmod(hidden, mode)
    await rename(hidden, path)
  } catch (cause) {
    await port.close()
    throw new PkiError('ERR_SERVER_START', `cannot listen at ${path}: ${String(cause)}`, { cause })
  }
  const { ino } = await lstat(path)
  return {
    address: path,
    setContext: () => undefined,
    close: async () => {
      const closed = port.close()
      // Another process may have taken the path meanwhile.
      if ((await inodeOf(path)) === ino) await unlink(path).catch(() => undefined)
      await closed
    },
  }
}

async function requireFree(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket())
    throw new PkiError('ERR_SERVER_START', `cannot listen at ${path}: the file is not a socket`)
  if (await answers(path))
    throw new PkiError('ERR_SERVER_START', `cannot listen at ${path}: another process listens there`)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // ECONNREFUSED: the process that created the socket has ended. Other errors do not prove that.
      resolve(error.code !== 'ECONNREFUSED')
    })
  })
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await lstat(path).catch(() => undefined))?.ino
}
