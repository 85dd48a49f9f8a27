// Checks that a file is inside one of the allowed directories.

import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { PkiError } from '../../../errors/index.ts'

/**
 * Refuses a path whose target is outside of the allowed directories: a link inside one of them may point
 * elsewhere. @throws ERR_SECRET_FILES
 */
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

/** Whether a path is below one of these directories, compared as text, without resolving links. */
export function isInside(path: string, directories: readonly string[]): boolean {
  return directories.some((one) => path.startsWith(one.endsWith(sep) ? one : one + sep))
}
