// The directories that names of files may lead to.

import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { PkiError } from '../../../errors/index.ts'

/** A link in an allowed directory may lead to a file in no allowed directory. @throws ERR_SECRET_FILES */
export async function requireInside(path: string, allowed: readonly string[]): Promise<void> {
  const places = await Promise.all(allowed.map((one) => realpath(one).catch(() => one)))
  const place = await realpath(path)
  if (isInside(place, places)) return
  throw new PkiError(
    'ERR_SECRET_FILES',
    `${path} is a link to ${place}; files are served only from ${allowed.join(', ')}: see ` +
      'allowedDirectories',
  )
}

/** Whether a path is below one of these directories, as it is written. */
export function isInside(path: string, directories: readonly string[]): boolean {
  return directories.some((one) => path.startsWith(one.endsWith(sep) ? one : one + sep))
}
