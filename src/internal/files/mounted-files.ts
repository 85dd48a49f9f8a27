// Files of a mounted directory, all of one generation.

import { constants } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { nameOf } from '../options.ts'

/**
 * The texts of those named files that exist. Kubernetes writes each generation of a volume into a separate
 * directory and then moves the link `..data` to it. All files are read from the directory to which the link
 * pointed at the start. Without the link, the files are read again if one of them, or the directory of a
 * linked file, changed meanwhile.
 *
 * @throws an error of `code` if an existing file cannot be read or is too large, or if the files change
 * during every attempt
 */
export async function readMountedFiles(
  directory: string,
  names: readonly string[],
  code: PkiErrorCode,
): Promise<Readonly<Record<string, string>>> {
  // An empty text would be the working directory.
  if (typeof directory !== 'string' || directory === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `the directory must be a text that is not empty, found ${nameOf(directory)}`,
    )
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const generation = await generationOf(directory)
    if (generation !== undefined) {
      // A generation is never changed: all files read from it belong together, wherever the link points now.
      const files = await readOnce(generation, names, { mayVanish: true, code })
      if (files !== undefined) return files
      continue
    }
    const place = await realpathOf(directory)
    const before = await stampOf(place, names)
    const files = await readOnce(place, names, { mayVanish: place !== directory, code })
    const isSame = (await stampOf(await realpathOf(directory), names)) === before
    if (files !== undefined && isSame && (await generationOf(directory)) === undefined) return files
  }
  throw new PkiError(
    code,
    `the files of ${directory} changed during each of ${maxAttempts} attempts to read them`,
  )
}

/** The directory that `..data` points to; undefined if there is no such link. */
export async function generationOf(directory: string): Promise<string | undefined> {
  try {
    return await realpath(join(directory, '..data'))
  } catch {
    return undefined
  }
}

async function realpathOf(directory: string): Promise<string> {
  try {
    return await realpath(directory)
  } catch {
    return directory
  }
}

/** The values that change with the files: the directory; inode, size and time of each. */
async function stampOf(directory: string, names: readonly string[]): Promise<string> {
  const stamps = names.map(async (name) => {
    try {
      const { ino, size, mtimeNs } = await stat(join(directory, name), { bigint: true })
      return `${name} ${ino} ${size} ${mtimeNs}`
    } catch {
      return name
    }
  })
  return [directory, ...(await Promise.all(stamps))].join('\n')
}

/** Undefined if a generation of a volume was removed while it was read. */
async function readOnce(
  directory: string,
  names: readonly string[],
  { mayVanish, code }: { readonly mayVanish: boolean; readonly code: PkiErrorCode },
): Promise<Readonly<Record<string, string>> | undefined> {
  // Names can come from a client: `constructor` must not find what every object inherits.
  const files = Object.create(null) as Record<string, string>
  let at = directory
  try {
    const present = new Set(await readdir(directory))
    for (const name of names) {
      if (!present.has(name)) continue
      at = join(directory, name)
      files[name] = await readText(at, code)
    }
    return files
  } catch (cause) {
    const { code: reason } = cause as { readonly code?: unknown }
    if (reason === code) throw cause
    if (reason === 'ENOENT' && mayVanish) return undefined
    if (reason === 'ENOENT' && at === directory) return files
    // An existing file that cannot be read must not cause another secret to be used than the configured one.
    throw new PkiError(
      code,
      `${at} cannot be read: ${typeof reason === 'string' ? reason : 'unknown reason'}`,
      { cause },
    )
  }
}

async function readText(path: string, code: PkiErrorCode): Promise<string> {
  // Non-blocking: opening a pipe would otherwise wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = await file.stat()
    if (!found.isFile()) throw new PkiError(code, `${path} is not a regular file`)
    if (found.size > maxFileBytes)
      throw new PkiError(code, `${path} has ${found.size} octets; the maximum is ${maxFileBytes}`)
    return await file.readFile('latin1')
  } finally {
    await file.close()
  }
}

const maxAttempts = 10
/** A list of every public root has about 250,000 octets. */
const maxFileBytes = 4 * 1024 * 1024
