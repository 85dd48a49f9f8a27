// Failed calls of the file system, with their file and their reason in words.

import { basename } from 'node:path'
import { PkiError } from '../errors/index.ts'
import { systemReason } from '../internal/files/system-error.ts'

/**
 * ERR_STORE_UNAVAILABLE for an error of the file system; another error is returned unchanged. The message
 * names `file` if the system names no file, or only a temporary one.
 */
export function systemError(what: string, error: unknown, file?: string): unknown {
  const { code, path } = Object(error) as NodeJS.ErrnoException
  if (error instanceof PkiError || typeof code !== 'string') return error
  const isKnown = path !== undefined && !/^\.writing-|\.new$/.test(basename(path))
  const named = isKnown ? path : (file ?? path ?? 'a file')
  return new PkiError('ERR_STORE_UNAVAILABLE', `${what}: ${named}: ${systemReason(error)}`, { cause: error })
}
