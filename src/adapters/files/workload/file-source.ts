// The certificate, key and roots of a workload that another program writes to files, as a source for TLS and
// for proxies.

import { resolve } from 'node:path'
import { PkiError } from '../../../errors/index.ts'
import { checkMeasures } from '../../../internal/numbers.ts'
import { checkTextLists } from '../../../internal/option-types.ts'
import { readOptions, requireSignal } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { readMountedFiles } from '../../../internal/files/mounted-files.ts'
import { abortable, keptAlive, eitherSignal } from '../../../internal/turns/waiting.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { SecretSource, X509Identity, X509Source } from '../../../secrets/index.ts'
import type { X509SourceStatus } from '../../../secrets/internal.ts'
import { LatestValue, renewalPointMs } from '../../../secrets/internal.ts'
import { match } from '../../../spiffe/index.ts'
import type { SpiffeId, SpiffeIdMatcher, TrustDomain } from '../../../spiffe/index.ts'
import type { TrustBundle } from '../../../svid/index.ts'
import { FileSecrets } from './file-secrets.ts'
import { fingerprintOf, knownFileNames, parseFileSet } from './file-set.ts'
import type { FileNames, FileSet } from './file-set.ts'
import { WatchedFiles } from './watched-files.ts'
import type { LoadedFiles } from './watched-files.ts'

/** Options of `createFileSource`. @inline */
export interface FileSourceOptions {
  /** Where the files of the set are: a directory, a link to one, or a volume of Kubernetes. */
  readonly directory: string
  /**
   * Names of the files. Default: the first of these sets that exists: `cert-chain.pem`, `key.pem`,
   * `root-cert.pem` (and `ca-crl.pem`); `tls.crt`, `tls.key`, `ca.crt`; `svid.pem`, `svid_key.pem`,
   * `bundle.pem`; `certificates.pem`, `private_key.pem`, `ca_certificates.pem`.
   */
  readonly files?: FileNames | undefined
  /** The identity that the certificate must have: a SPIFFE ID or a matcher. Default: any. */
  readonly id?: SpiffeId | SpiffeIdMatcher | string
  /**
   * Directories that `file-cert:` and `file-root:` may use in addition to `directory`. Default: none. A link
   * to a file outside of these directories is refused.
   */
  readonly allowedDirectories?: readonly string[]
  /** How often the files are read without an event of the file system, in seconds. Default 10. */
  readonly pollSeconds?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** An `X509Source` over files. @inline */
export interface FileSource extends X509Source {
  /**
   * The secrets by name, for `createSdsServer`: `default`, `ROOTCA`, `ALL`, the SPIFFE ID and its trust
   * domain; `file-cert:CHAIN~KEY`, `file-root:FILE` for files in the allowed directories, `file-root:system`.
   * A certificate without a SPIFFE ID is `default` too.
   */
  readonly secrets: SecretSource
  /** Reads the files now. @throws ERR_SECRET_FILES for a set that is refused; ERR_CLOSED, ERR_ABORTED */
  renew(signal?: AbortSignal): Promise<X509Identity>
}

const optionKinds: OptionKinds<FileSourceOptions> = {
  directory: 'required',
  files: 'optional',
  id: 'guard',
  allowedDirectories: 'guard',
  pollSeconds: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
}

/**
 * Follows the certificate, key and roots in a directory. They are read as one set and checked: the key
 * belongs to the certificate, and the chain has a path to a root. After a refused change the previous set
 * remains in use, and `status.lastError` has the reason. If the new certificate has no SPIFFE ID, SVID and
 * bundle are withdrawn (`onWithdrawn`).
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * await using source = createFileSource({ directory: '/etc/certs' })
 * await source.ready()
 * const identity = createTlsIdentity({ source })
 * ```
 */
export function createFileSource(options: FileSourceOptions): FileSource {
  return new WatchingFileSource(readOptions('createFileSource', options, optionKinds))
}

class WatchingFileSource implements FileSource {
  readonly secrets: SecretSource
  readonly #directory: string
  readonly #layouts: readonly FileNames[]
  readonly #matchesId: SpiffeIdMatcher | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #closed = new AbortController()
  readonly #files: WatchedFiles<FileSet>
  readonly #secrets: FileSecrets
  readonly #identities = new LatestValue<X509Identity>()
  readonly #withdrawals = new LatestValue<undefined>()

  constructor(options: Readonly<FileSourceOptions>) {
    const { directory, id, files, allowedDirectories = [], pollSeconds = 10 } = options
    checkTextLists('createFileSource', { allowedDirectories })
    for (const path of [directory, ...allowedDirectories])
      if (typeof path !== 'string' || path === '')
        throw new PkiError(
          'ERR_INVALID_ARGUMENT',
          `createFileSource: directories must be paths, found ${nameOf(path)}`,
        )
    checkMeasures({ pollSeconds }, 0.1)
    this.#directory = resolve(directory)
    this.#layouts = files === undefined ? knownFileNames : [readFileNames(files)]
    this.#matchesId = id === undefined || typeof id === 'function' ? id : match.id(id)
    this.#clock = options.clock ?? systemClock
    this.#logger = safeLogger('createFileSource', options.logger)
    const watching = {
      pollMs: pollSeconds * 1000,
      clock: this.#clock,
      logger: this.#logger,
      metrics: safeMetrics('createFileSource', options.metrics),
    }
    this.#files = new WatchedFiles({
      ...watching,
      what: this.#directory,
      directories: [this.#directory],
      load: () => this.#load(),
    })
    this.#files.latest.listen((set) => this.#become(set))
    this.#secrets = new FileSecrets({
      ...{ watching, set: this.#files, directory: this.#directory, closed: this.#closed.signal },
      allowed: [this.#directory, ...allowedDirectories.map((path) => resolve(path))],
    })
    this.secrets = this.#secrets
  }

  get current(): X509Identity {
    const identity = this.#valid()
    if (identity !== undefined) return identity
    const cause = this.#files.failure
    throw new PkiError('ERR_SVID_UNAVAILABLE', `no valid SVID in ${this.#directory}: ${this.#whyNone()}`, {
      cause,
    })
  }

  get status(): X509SourceStatus {
    const identity = this.#identities.value
    const valid = this.#valid()
    const lastError = this.#files.failure
    if (valid === undefined)
      return { state: identity === undefined ? 'waiting' : 'expired', secondsLeft: 0, lastError }
    const secondsLeft = Math.floor((valid.svid.leaf.notAfterMs - this.#clock.now()) / 1000)
    return { state: lastError === undefined ? 'current' : 'failing', secondsLeft, lastError }
  }

  async ready(signal?: AbortSignal): Promise<X509Identity> {
    requireSignal('ready', signal)
    this.#requireOpen()
    const valid = this.#valid()
    if (valid !== undefined) return valid
    const ended = eitherSignal(signal, this.#closed.signal)
    return keptAlive(this.#clock, async () => {
      for await (const identity of this.#identities.follow(ended))
        if (identity === this.#valid()) return identity
      this.#requireOpen()
      throw new PkiError('ERR_ABORTED', `aborted while waiting for an SVID: ${this.#whyNone()}`)
    })
  }

  async renew(signal?: AbortSignal): Promise<X509Identity> {
    this.#requireOpen()
    await abortable(this.#files.reload(), signal)
    this.#requireOpen()
    if (this.#files.failure !== undefined) throw this.#files.failure
    return this.current
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#ofNow()?.bundle.bundleFor(trustDomain)
  }

  onChange(listener: (identity: X509Identity) => void): () => void {
    return this.#identities.listen(listener)
  }

  onWithdrawn(listener: () => void): () => void {
    return this.#withdrawals.listen(listener)
  }

  [Symbol.asyncIterator](): AsyncIterator<X509Identity> {
    return this.#identities.follow(this.#closed.signal)[Symbol.asyncIterator]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    await this.#files[Symbol.asyncDispose]()
    await this.#secrets[Symbol.asyncDispose]()
  }

  async #load(): Promise<LoadedFiles<FileSet>> {
    const names = this.#layouts.flatMap(({ certificates, key, roots, crls }) =>
      [certificates, key, roots, crls].filter((name) => name !== undefined),
    )
    const texts = await readMountedFiles(this.#directory, names, 'ERR_SECRET_FILES')
    const value = parseFileSet(texts, this.#layouts, this.#clock.now())
    if (this.#matchesId !== undefined) {
      if (value.svid === undefined)
        throw new PkiError('ERR_SECRET_FILES', 'the certificate has no SPIFFE ID, and one is expected')
      match.require(value.svid.id, this.#matchesId)
    }
    return { value, fingerprint: fingerprintOf(texts) }
  }

  #become({ svid, privateKey, bundle }: FileSet): void {
    if (svid === undefined || bundle === undefined) {
      // Connections that were verified with the previous SVID and roots must not outlive these.
      if (this.#identities.value !== undefined) this.#withdrawals.set(undefined)
      return
    }
    const { notBeforeMs, notAfterMs } = svid.leaf
    const renewAt = new Date(renewalPointMs({ notBeforeMs, notAfterMs, receivedMs: this.#clock.now() }))
    this.#identities.set(Object.freeze({ svid, privateKey, bundle, renewAt }))
  }

  #valid(): X509Identity | undefined {
    const identity = this.#ofNow()
    return identity !== undefined && identity.svid.leaf.notAfterMs >= this.#clock.now() ? identity : undefined
  }

  /** Undefined if the certificate of the current set has no SPIFFE ID. */
  #ofNow(): X509Identity | undefined {
    const identity = this.#identities.value
    return this.#files.latest.value?.svid === identity?.svid ? identity : undefined
  }

  #whyNone(): string {
    const { failure, latest } = this.#files
    if (failure !== undefined) return failure.message
    if (latest.value === undefined) return 'the files were not read yet; await source.ready()'
    const { svid, certificates } = latest.value
    if (svid === undefined)
      return 'the certificate is not an X.509-SVID; it is in source.secrets as "default"'
    return `the certificate expired at ${certificates[0]?.notAfter.toISOString() ?? ''}`
  }

  #requireOpen(): void {
    if (this.#closed.signal.aborted) throw new PkiError('ERR_CLOSED', 'the source of files was closed')
  }
}

function readFileNames(files: FileNames): FileNames {
  const read = readOptions<FileNames>('createFileSource: files', files, {
    certificates: 'required',
    key: 'required',
    roots: 'required',
    crls: 'optional',
  })
  // The value is not shown: it may be the text of a key by mistake.
  for (const [option, name] of Object.entries(read) as [string, unknown][])
    if (typeof name !== 'string' || name === '' || /[\\/]/.test(name) || name.startsWith('..'))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createFileSource: files.${option} must be a name without a path, found ${nameOf(name)}`,
      )
  return read
}
