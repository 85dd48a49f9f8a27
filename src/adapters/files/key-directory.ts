// The directory of a FileKeyManager: the ids of the keys, their versions, and the files of both.

import { join } from 'node:path'
import { requireKeyId, keyIdPattern } from '../../keys/internal.ts'
import type { KeyInfo } from '../../keys/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { FileAccess } from './file-access.ts'
import { maxKeyFileOctets, readKeyFileHeader } from './key-file.ts'
import type { KeyFileHeader } from './key-file.ts'
import {
  listSecureDirectories,
  listSecureFiles,
  requireSameDirectory,
  secureDirectory,
} from './secure-directory.ts'
import type { SecureDirectory } from './secure-directory.ts'
import { createSecureFile, readSecureFile, removeSecureFile, replaceSecureFile } from './secure-file.ts'

/** A key, or the marker of a version number that is not used again. */
type FileKind = 'pem' | 'destroyed'

/** Reads and writes the files of keys: `<id>/<version>.pem`. Nothing is decrypted. */
export class KeyDirectory {
  /** The directory as the caller named it, and its resolved path. */
  readonly #named: string
  readonly #directory: SecureDirectory
  readonly #access: FileAccess
  readonly #clock: Clock

  private constructor(named: string, directory: SecureDirectory, access: FileAccess, clock: Clock) {
    this.#named = named
    this.#directory = directory
    this.#access = access
    this.#clock = clock
  }

  /** Creates it if missing. @throws ERR_KEY_STORAGE */
  static async open(named: string, access: FileAccess, clock: Clock): Promise<KeyDirectory> {
    return new KeyDirectory(named, await secureDirectory(named, access), access, clock)
  }

  /** The ids of the keys, sorted. */
  async ids(): Promise<readonly string[]> {
    await requireSameDirectory(this.#named, this.#directory, this.#access)
    const names = await listSecureDirectories(this.#directory.path)
    return names.filter((name) => keyIdPattern.test(name)).sort()
  }

  /** The versions of a key, ascending. */
  async versions(id: string): Promise<readonly number[]> {
    return (await this.numbers(id)).versions
  }

  /** The versions, ascending, and the highest number ever used, including destroyed versions. */
  async numbers(id: string): Promise<{ readonly versions: readonly number[]; readonly newest: number }> {
    requireKeyId(id)
    await requireSameDirectory(this.#named, this.#directory, this.#access)
    const names = await this.#names(id)
    const versions = numbersOf(names, 'pem')
    return { versions, newest: Math.max(0, ...versions, ...numbersOf(names, 'destroyed')) }
  }

  /** The key is destroyed with all its versions: the next key with this id starts at version 1. */
  async forgetNumbers(id: string): Promise<void> {
    const names = await this.#names(id)
    if (numbersOf(names, 'pem').length > 0) return
    for (const one of numbersOf(names, 'destroyed')) await removeSecureFile(this.#path(id, one, 'destroyed'))
  }

  /** The text of a version and its description of the key; undefined if there is none. */
  async header(id: string, version: number): Promise<KeyFileHeader | undefined> {
    const path = this.#path(id, version)
    const text = await readSecureFile(path, maxKeyFileOctets, this.#access)
    return text === undefined ? undefined : readKeyFileHeader(path, text)
  }

  /** The versions of a key, as their files describe them. */
  async describe(id: string): Promise<KeyInfo[]> {
    const versions = await this.versions(id)
    const found: KeyInfo[] = []
    for (const version of versions) {
      const about = await this.header(id, version)
      if (about === undefined) continue
      const { algorithm, created } = about
      found.push({ id, version, algorithm, created, current: version === versions.at(-1) })
    }
    return found
  }

  /** False if the version exists, or existed and was destroyed meanwhile. */
  async create(id: string, version: number, text: string): Promise<boolean> {
    await secureDirectory(join(this.#directory.path, id), this.#access)
    if (!(await createSecureFile(this.#path(id, version), text))) return false
    // Another process that created and destroyed this version since the numbers were read has written its
    // marker first.
    if ((await readSecureFile(this.#path(id, version, 'destroyed'), 0, this.#access)) === undefined)
      return true
    await removeSecureFile(this.#path(id, version))
    return false
  }

  async replace(id: string, version: number, text: string): Promise<void> {
    await replaceSecureFile(this.#path(id, version), text)
  }

  /** False if there was none. */
  async remove(id: string, version: number): Promise<boolean> {
    return removeSecureFile(this.#path(id, version))
  }

  /** Reserves the number of a version that is about to be removed, so that it is not used again. */
  async reserve(id: string, version: number): Promise<void> {
    await createSecureFile(this.#path(id, version, 'destroyed'), '')
  }

  #names(id: string): Promise<readonly string[]> {
    return listSecureFiles(join(this.#directory.path, id), this.#access, this.#clock.now())
  }

  #path(id: string, version: number, kind: FileKind = 'pem'): string {
    return join(this.#directory.path, id, `${version}.${kind}`)
  }
}

/** Ascending. */
function numbersOf(names: readonly string[], kind: FileKind): number[] {
  return names
    .flatMap((name) =>
      /^[1-9]\d{0,8}\.[a-z]+$/.test(name) && name.endsWith(`.${kind}`) ? [Number.parseInt(name, 10)] : [],
    )
    .sort((a, b) => a - b)
}
