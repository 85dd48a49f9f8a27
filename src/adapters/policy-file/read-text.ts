// Reads the text of a file of unknown size: the size is checked before reading.

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { systemReason } from '../../internal/files/system-error.ts'

/** The maximum size of a file, in octets. */
export const maxPolicyBytes: number = 4 * 1024 * 1024

/**
 * @throws ERR_POLICY_FAILED if it cannot be read, is not a regular file, or is not UTF-8; ERR_LIMIT_EXCEEDED
 */
export async function readText(path: string): Promise<string> {
  let file: FileHandle | undefined
  try {
    // Opening a FIFO would block until it has a writer; with this flag it opens at once and is refused below.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readOctets(file, path))
  } catch (cause) {
    if (isPkiError(cause)) throw cause
    throw new PkiError('ERR_POLICY_FAILED', `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  } finally {
    await file?.close()
  }
}

function reasonOf(cause: unknown): string {
  const { code } = Object(cause) as NodeJS.ErrnoException
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : systemReason(cause)
}

async function readOctets(file: FileHandle, path: string): Promise<Uint8Array> {
  const stat = await file.stat()
  if (!stat.isFile())
    throw new PkiError('ERR_POLICY_FAILED', `${path} is not a regular file; expected a policy`)
  if (stat.size > maxPolicyBytes) throw tooLarge(path, stat.size)
  // One octet more than the size, to detect a file that has grown since.
  const octets = Buffer.alloc(stat.size + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(octets, length, octets.length - length)
    length += bytesRead
    if (bytesRead === 0 || length === octets.length) break
  }
  if (length > stat.size)
    throw new PkiError('ERR_POLICY_FAILED', `${path} grew while it was read; a writer has not finished`)
  return octets.subarray(0, length)
}

/** @throws ERR_LIMIT_EXCEEDED */
export function tooLarge(path: string, octets: number): PkiError<'ERR_LIMIT_EXCEEDED'> {
  return new PkiError('ERR_LIMIT_EXCEEDED', `${path} has ${octets} octets; the maximum is ${maxPolicyBytes}`)
}
