// Secrets by name out of files: the set of a workload, and single files as Istio's proxies name them.

import { basename, dirname, resolve } from 'node:path'
import { PkiError } from '../../../errors/index.ts'
import { readMountedFiles } from '../../../internal/files/mounted-files.ts'
import { requireSignal } from '../../../internal/options.ts'
import { eitherSignal } from '../../../internal/turns/waiting.ts'
import type { Secret, SecretSource } from '../../../secrets/index.ts'
import type { TrustDomain } from '../../../spiffe/index.ts'
import { isInside, requireInside } from './allowed-directories.ts'
import { fingerprintOf, parseFileCertificate, parseRoots } from './file-set.ts'
import type { FileSet } from './file-set.ts'
import { WatchedFiles } from './watched-files.ts'
import type { LoadedFiles, WatchedFilesOptions } from './watched-files.ts'

/** The directories in which the names are looked up. */
export interface FileSecretsOptions {
  readonly set: WatchedFiles<FileSet>
  /** The directory of relative paths in names. */
  readonly directory: string
  /** The directories that files may be in; other paths are refused. */
  readonly allowed: readonly string[]
  readonly watching: Pick<WatchedFilesOptions<unknown>, 'pollMs' | 'clock' | 'logger' | 'metrics'>
  readonly closed: AbortSignal
}

/** A file in use; it is watched until its last user releases it. */
interface Shared {
  readonly files: WatchedFiles<Secret>
  users: number
}

/** The `SecretSource` of a file source. */
export class FileSecrets implements SecretSource, AsyncDisposable {
  readonly #options: FileSecretsOptions
  readonly #shared = new Map<string, Shared>()

  constructor(options: FileSecretsOptions) {
    this.#options = options
  }

  async get(name: string, signal?: AbortSignal): Promise<Secret> {
    requireSignal('get', signal)
    const { set, closed } = this.#options
    if (closed.aborted || signal?.aborted === true) throw this.#aborted(name)
    if (isFileName(name)) return this.#getFile(name, this.#end(signal))
    const now = set.latest.value
    if (now !== undefined) return named(now, name)
    for await (const next of set.latest.follow(this.#end(signal))) return named(next, name)
    throw this.#aborted(name)
  }

  async *watch(name: string, signal: AbortSignal): AsyncGenerator<Secret | undefined, void, undefined> {
    const end = this.#end(signal)
    if (!isFileName(name) || !this.#isServed(name)) {
      for await (const set of this.#options.set.latest.follow(end)) yield secretOf(set, name)
      return
    }
    const shared = this.#acquire(name)
    try {
      await shared.files.reload()
      // Missing or invalid: no secret of this name is available for now.
      if (shared.files.latest.value === undefined && !end.aborted) yield undefined
      yield* shared.files.latest.follow(end)
    } finally {
      await this.#release(name, shared)
    }
  }

  async *watchNames(signal: AbortSignal): AsyncGenerator<readonly string[], void, undefined> {
    for await (const { svid } of this.#options.set.latest.follow(this.#end(signal)))
      yield svid === undefined ? ['default', 'ROOTCA'] : [svid.id.toString(), svid.id.trustDomain.idString]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#shared.values()].map(({ files }) => files[Symbol.asyncDispose]()))
    this.#shared.clear()
  }

  async #getFile(name: string, end: AbortSignal): Promise<Secret> {
    const shared = this.#acquire(name)
    try {
      await shared.files.reload()
      if (end.aborted) throw this.#aborted(name)
      const { failure, latest } = shared.files
      if (latest.value !== undefined) return latest.value
      throw failure ?? unknown(name, 'it was not read')
    } finally {
      await this.#release(name, shared)
    }
  }

  #acquire(name: string): Shared {
    const known = this.#shared.get(name)
    if (known !== undefined) {
      known.users++
      return known
    }
    if (this.#shared.size >= maxNames)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxNames} files are in use by name`)
    const paths = this.#pathsOf(name)
    const files = new WatchedFiles({
      ...this.#options.watching,
      what: name,
      directories: [...new Set(paths.map(dirname))],
      load: () => load(name, paths, this.#options.allowed),
    })
    const shared = { files, users: 1 }
    this.#shared.set(name, shared)
    return shared
  }

  async #release(name: string, shared: Shared): Promise<void> {
    if (--shared.users > 0) return
    if (this.#shared.get(name) === shared) this.#shared.delete(name)
    await shared.files[Symbol.asyncDispose]()
  }

  /**
   * A watch of a malformed name, or of one outside of the allowed directories, has no secret and is not
   * retried.
   */
  #isServed(name: string): boolean {
    try {
      this.#pathsOf(name)
      return true
    } catch {
      return false
    }
  }

  /** @throws ERR_SECRET_UNKNOWN for a malformed name, or one outside of the allowed directories */
  #pathsOf(name: string): readonly string[] {
    if (name === 'file-root:system') return systemRoots
    const isRoot = name.startsWith(rootPrefix)
    const given = isRoot ? [name.slice(rootPrefix.length)] : name.slice(certificatePrefix.length).split('~')
    if (given.some((path) => path === '' || path.includes('\0')) || given.length !== (isRoot ? 1 : 2))
      throw unknown(name, 'the form is file-cert:CHAIN~KEY or file-root:FILE')
    const { directory, allowed } = this.#options
    const paths = given.map((path) => resolve(directory, path))
    // Otherwise a client of this source could read every key file that this process can read.
    if (!paths.every((path) => isInside(path, allowed)))
      throw unknown(name, `files are served only from ${allowed.join(', ')}: see allowedDirectories`)
    return paths
  }

  #end(signal: AbortSignal | undefined): AbortSignal {
    const { closed } = this.#options
    return eitherSignal(signal, closed)
  }

  #aborted(name: string): PkiError {
    if (this.#options.closed.aborted) return new PkiError('ERR_CLOSED', 'the source of files was closed')
    return new PkiError('ERR_ABORTED', `aborted while waiting for the secret ${quoted(name)}`)
  }
}

/** The files of one name; if they are in one directory, they are read as one set. @throws ERR_SECRET_FILES */
async function load(
  name: string,
  paths: readonly string[],
  allowed: readonly string[],
): Promise<LoadedFiles<Secret>> {
  if (name === 'file-root:system') return loadSystemRoots(name)
  const [first = '', second] = paths
  const names = paths.map((path) => basename(path))
  const isOne = second === undefined || dirname(first) === dirname(second)
  const texts: Record<string, string | undefined> = {}
  if (isOne) Object.assign(texts, await readNamed(dirname(first), paths, names))
  else
    for (const path of paths) Object.assign(texts, await readNamed(dirname(path), [path], [basename(path)]))
  for (const path of paths) if (texts[path] !== undefined) await requireInside(path, allowed)
  const value: Secret =
    second === undefined
      ? rootSecret(name, parseRoots(texts, first))
      : certificateSecret(name, parseFileCertificate(texts, first, second))
  return { value, fingerprint: fingerprintOf(texts) }
}

/** Identified by path, because files in two directories may have the same name. */
async function readNamed(
  directory: string,
  paths: readonly string[],
  names: readonly string[],
): Promise<Record<string, string | undefined>> {
  const found = await readMountedFiles(directory, names, 'ERR_SECRET_FILES')
  return Object.fromEntries(paths.map((path, at) => [path, found[names[at] as string]]))
}

/** The first list of public roots that this system has. */
async function loadSystemRoots(name: string): Promise<LoadedFiles<Secret>> {
  for (const path of systemRoots) {
    const texts = await readNamed(dirname(path), [path], [basename(path)])
    if (texts[path] !== undefined)
      return { value: rootSecret(name, parseRoots(texts, path)), fingerprint: fingerprintOf(texts) }
  }
  throw new PkiError('ERR_SECRET_FILES', `this system has no list of public roots: ${systemRoots.join(', ')}`)
}

/** @throws ERR_SECRET_UNKNOWN */
function named(set: FileSet, name: string): Secret {
  const secret = secretOf(set, name)
  if (secret !== undefined) return secret
  throw unknown(
    name,
    'the names are default, ROOTCA, ALL, the SPIFFE ID, its trust domain, file-cert:…, file-root:…',
  )
}

function secretOf(set: FileSet, name: string): Secret | undefined {
  if (name === 'default' || (set.svid !== undefined && name === set.svid.id.toString()))
    return certificateSecret(name, set)
  const trustDomain = set.svid?.id.trustDomain
  if (name !== 'ROOTCA' && name !== 'ALL' && name !== trustDomain?.idString) return undefined
  return rootSecret(name, set.roots, trustDomain, set.crls)
}

function certificateSecret(
  name: string,
  { svid, certificates, privateKey }: Pick<FileSet, 'svid' | 'certificates' | 'privateKey'>,
): Secret {
  return Object.freeze({ type: 'certificate', name, id: svid?.id, certificates, privateKey } as const)
}

function rootSecret(
  name: string,
  certificates: FileSet['roots'],
  trustDomain?: TrustDomain,
  crls: FileSet['crls'] = [],
): Secret {
  const authorities = Object.freeze([Object.freeze({ trustDomain, certificates })])
  return Object.freeze({ type: 'validation', name, authorities, crls } as const)
}

function isFileName(name: string): boolean {
  return name.startsWith(certificatePrefix) || name.startsWith(rootPrefix)
}

function unknown(name: string, reason: string): PkiError {
  return new PkiError('ERR_SECRET_UNKNOWN', `there is no secret ${quoted(name)}: ${reason}`)
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 256))
}

const certificatePrefix = 'file-cert:'
const rootPrefix = 'file-root:'
const maxNames = 256
/** Debian, Fedora, SUSE, Alpine and macOS. */
const systemRoots = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
