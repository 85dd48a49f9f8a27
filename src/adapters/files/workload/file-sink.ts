// Writes the certificate, key and roots of a source into a directory, for programs that read files: always
// one whole set, rewritten at each renewal and at each change of the roots.

import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readFile, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PkiError } from '../../../errors/index.ts'
import { isCount } from '../../../internal/numbers.ts'
import { checkFunctions, checkMethods, checkTexts } from '../../../internal/option-types.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { systemReason } from '../../../internal/files/system-error.ts'
import { settlesWithin } from '../../../internal/turns/waiting.ts'
import { exportPrivateKey } from '../../../keys/index.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger } from '../../../runtime/internal.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import type { X509Identity, X509Source } from '../../../secrets/index.ts'
import { syncDirectory } from '../file-access.ts'

/** Options of `createFileSink`. @inline */
export interface FileSinkOptions {
  readonly source: X509Source
  /** Where the files are written; created if it does not exist. No other program writes to it. */
  readonly directory: string
  /** Permissions of the files. Default 0o600: only their owner can read the key. */
  readonly mode?: number
  /** Called after each set, to make a program read it: `nginx -s reload`. Has 30 s; failures are logged. */
  readonly onWritten?: ((directory: string) => void | Promise<void>) | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
}

/** A directory that follows a source. @inline */
export interface FileSink extends AsyncDisposable {
  /**
   * The reason why the files are not current; undefined after a successful write. A failed write is retried
   * every 10 s.
   */
  readonly lastError: Error | undefined
}

const optionKinds: OptionKinds<FileSinkOptions> = {
  source: 'required',
  directory: 'required',
  mode: 'guard',
  onWritten: 'optional',
  clock: 'optional',
  logger: 'optional',
}

/**
 * Writes `cert-chain.pem`, `key.pem` and `root-cert.pem` now and after each change of the source, until it is
 * disposed of. The three are links into a directory for each generation, and the link `..data` to it is
 * replaced in one step: after a kill at any moment either the previous set or the new one is complete. A
 * program that opens the files one by one may open files of two generations: make it read again in
 * `onWritten`. When the source loses its SVID (`onWithdrawn`), the files stay, and `lastError` is
 * ERR_SVID_UNAVAILABLE.
 *
 * @throws ERR_SVID_UNAVAILABLE before the source is ready; ERR_SECRET_FILES where the first set cannot be
 *   written; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { execFile } from 'node:child_process'
 * await source.ready()
 * const onWritten = () => void execFile('nginx', ['-s', 'reload'])
 * await using sink = await createFileSink({ source, directory: '/run/certs', onWritten })
 * ```
 */
export async function createFileSink(options: FileSinkOptions): Promise<FileSink> {
  const read = readOptions('createFileSink', options, optionKinds)
  const { source, directory, mode = 0o600, onWritten } = read
  checkMethods('createFileSink', { source }, 'onChange')
  checkTexts('createFileSink', { directory })
  checkFunctions('createFileSink', { onWritten })
  if (!isCount(mode, 0o400, 0o777))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createFileSink: mode must be permissions such as 0o600')
  const sink = new FollowingSink({ ...read, directory: resolve(directory), mode })
  await sink.open()
  return sink
}

class FollowingSink implements FileSink {
  readonly #options: Readonly<FileSinkOptions & { readonly mode: number }>
  readonly #clock: Clock
  readonly #logger: Logger
  #stops: readonly ((() => void) | undefined)[] = []
  #cancelRetry = (): void => undefined
  /** Why the last set was not written. */
  #lastError: Error | undefined
  /** Why the source has no SVID. */
  #gone: Error | undefined
  #wanted: X509Identity | undefined
  #writing: Promise<void> | undefined
  #closed = false

  constructor(options: Readonly<FileSinkOptions & { readonly mode: number }>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#logger = safeLogger('createFileSink', options.logger)
  }

  get lastError(): Error | undefined {
    return this.#gone ?? this.#lastError
  }

  async open(): Promise<void> {
    const { source } = this.#options
    await this.#write(source.current)
    this.#stops = [
      source.onChange((identity) => {
        this.#gone = undefined
        this.#follow(identity)
      }),
      source.onWithdrawn?.(() => this.#followCurrent()),
    ]
    // A change during the first writing.
    this.#followCurrent()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const stop of this.#stops) stop?.()
    await this.#writing
    // Also wait for a write that the last one has started.
    this.#cancelRetry()
  }

  /** Writes the newest set; sets that were replaced while a slow disk was busy are skipped. */
  #follow(identity: X509Identity): void {
    this.#wanted = identity
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined
    })
  }

  /** If only some bundles were withdrawn, the set with the remaining bundles is written. */
  #followCurrent(): void {
    try {
      const { current } = this.#options.source
      this.#gone = undefined
      this.#follow(current)
    } catch (error) {
      this.#gone = error as Error
      this.#logger.error({ reason: String(error) }, 'the source has no SVID; its files are kept unchanged')
    }
  }

  async #drain(): Promise<void> {
    while (this.#wanted !== undefined && !this.#closed) {
      const identity = this.#wanted
      this.#wanted = undefined
      // A set that waits for a retry is older.
      this.#cancelRetry()
      try {
        await this.#write(identity)
      } catch (error) {
        this.#lastError = error as Error
        this.#logger.error({ reason: String(error) }, 'certificate files not written; the old ones remain')
        this.#cancelRetry = this.#clock.schedule(() => this.#follow(identity), retryMs)
      }
    }
  }

  async #write({ svid, privateKey, bundle }: X509Identity): Promise<void> {
    const { directory, mode, onWritten, source } = this.#options
    // The configured bundle of a trust domain is the one that peers are verified with.
    const { x509Authorities } = source.bundleFor(bundle.trustDomain) ?? bundle
    const isNew = await writeFileSet(directory, mode, {
      'cert-chain.pem': svid.toPem(),
      'key.pem': exportPrivateKey(privateKey),
      'root-cert.pem': x509Authorities.map((root) => root.toPem()).join(''),
    })
    this.#lastError = undefined
    if (!isNew) return
    this.#logger.info({ directory, serialNumber: svid.leaf.serialNumber }, 'certificate files written')
    try {
      // A program that never answers must not keep the next set from being written.
      const told = (async () => onWritten?.(directory))()
      if (!(await settlesWithin(this.#clock, onWrittenMs, told, undefined)))
        throw new PkiError('ERR_TIMEOUT', `onWritten did not end within ${onWrittenMs / 1000} s`)
      await told
    } catch (error) {
      this.#logger.error({ reason: String(error) }, 'onWritten of the file sink failed')
    }
  }
}

/**
 * Writes files as one set. Returns false if the existing set is equal.
 *
 * @throws ERR_SECRET_FILES
 */
async function writeFileSet(
  directory: string,
  mode: number,
  files: Readonly<Record<string, string>>,
): Promise<boolean> {
  try {
    await mkdir(directory, { recursive: true, mode: directoryMode(mode) })
    const names = Object.keys(files)
    const before = await readlink(join(directory, dataLink)).catch(() => undefined)
    if (before !== undefined && (await isSame(join(directory, before), files))) return false
    if (before === undefined) await takeOver(directory, names, mode)
    for (const name of names) await replaceLink(directory, name, join(dataLink, name))
    await replaceLink(directory, dataLink, await writeGeneration(directory, mode, files))
    await syncDirectory(directory)
    await prune(directory)
    return true
  } catch (cause) {
    throw new PkiError(
      'ERR_SECRET_FILES',
      `the certificate files in ${directory} cannot be written: ${systemReason(cause)}`,
      { cause },
    )
  }
}

/**
 * Existing files that are not links are moved into their own generation, so that this change is also one
 * step.
 */
async function takeOver(directory: string, names: readonly string[], mode: number): Promise<void> {
  const found: Record<string, string> = {}
  for (const name of names) {
    const text = await readFile(join(directory, name), 'latin1').catch(() => undefined)
    if (text !== undefined) found[name] = text
  }
  if (Object.keys(found).length === 0) return
  await replaceLink(directory, dataLink, await writeGeneration(directory, mode, found))
}

/** Creates a durable directory with these files, and returns its name. */
async function writeGeneration(
  directory: string,
  mode: number,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const name = `${generationPrefix}${randomBytes(12).toString('hex')}`
  const place = join(directory, name)
  await mkdir(place, { mode: 0o700 })
  for (const [file, text] of Object.entries(files)) {
    const handle = await open(join(place, file), 'wx', 0o600)
    try {
      await handle.writeFile(text, 'latin1')
      // The umask of this process does not apply to chmod.
      await handle.chmod(mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
  const handle = await open(place, 'r')
  try {
    await handle.chmod(directoryMode(mode))
    await handle.sync()
  } finally {
    await handle.close()
  }
  return name
}

/** Replaces a link in one step: a reader of the name finds either the old target or the new one. */
async function replaceLink(directory: string, name: string, target: string): Promise<void> {
  const path = join(directory, name)
  if ((await readlink(path).catch(() => undefined)) === target) return
  const temporary = join(directory, `${temporaryLinkPrefix}${randomBytes(12).toString('hex')}`)
  await symlink(target, temporary)
  await rename(temporary, path)
}

async function isSame(place: string, files: Readonly<Record<string, string>>): Promise<boolean> {
  for (const [name, text] of Object.entries(files))
    if ((await readFile(join(place, name), 'latin1').catch(() => undefined)) !== text) return false
  return true
}

/** Removes what no link refers to: previous sets, and the leftovers of a killed process. */
async function prune(directory: string): Promise<void> {
  const current = await readlink(join(directory, dataLink))
  for (const name of await readdir(directory)) {
    if (name === current) continue
    const path = join(directory, name)
    if (name.startsWith(generationPrefix) && (await lstat(path)).isDirectory())
      await rm(path, { recursive: true, force: true })
    if (name.startsWith(temporaryLinkPrefix)) await rm(path, { force: true })
  }
}

/** Users that may read the files may also open the directory. */
function directoryMode(mode: number): number {
  return 0o700 | (mode & 0o040 ? 0o050 : 0) | (mode & 0o004 ? 0o005 : 0)
}

/** The names that Kubernetes uses in volumes, which programs that watch such volumes expect. */
const dataLink = '..data'
const generationPrefix = '..set-'
const temporaryLinkPrefix = '..link-'
const onWrittenMs = 30_000
const retryMs = 10_000
