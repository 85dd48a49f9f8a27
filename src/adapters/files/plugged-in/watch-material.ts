// CA material in mounted files that is replaced while the CA runs: read as one set, taken with overlap, or
// refused with a reason.

import { createHash } from 'node:crypto'
import { readPluggedInMaterial } from '../../../ca/index.ts'
import type { CaMaterial, CertificateAuthority } from '../../../ca/index.ts'
import { PkiError } from '../../../errors/index.ts'
import { checkCounts } from '../../../internal/numbers.ts'
import { checkMethods } from '../../../internal/option-types.ts'
import { readOptions } from '../../../internal/options.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import { WatchedFiles } from '../workload/watched-files.ts'
import type { LoadedFiles } from '../workload/watched-files.ts'
import { MaterialHistory } from './material-history.ts'

/** Options of `watchPluggedInMaterial`. @inline */
export interface MaterialWatchOptions {
  /** The CA that signs with the material; it must have been created from the files of the directory. */
  readonly authority: CertificateAuthority
  /** How often the files are read in addition to events of the file system, in seconds. Default 60. */
  readonly pollIntervalSeconds?: number | undefined
  /**
   * How long a new root is in the trust bundle before a CA below it signs, in seconds: three times the
   * refresh hint of relying parties. Default 1,020. Use 0 if the files have the new root earlier than the new
   * CA.
   */
  readonly publishedForSeconds?: number
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** A watch of the files; disposing of it ends the watch. @inline */
export interface MaterialWatch extends AsyncDisposable {
  /** The reason why the last change was refused; undefined while the files are valid. */
  readonly failure: PkiError | undefined
  /** The time from which the CA will sign with the material in the files; undefined if it already does. */
  readonly pendingUntil: Date | undefined
  /** Reads the files now. Settles in either case: see `failure`. */
  reload(): Promise<void>
}

/**
 * Follows the files of plugged-in CA material, as `readPluggedInMaterial` names them. A change is read as one
 * set (a volume of Kubernetes by its link `..data`), so that key and certificate always belong to the same
 * version. A set that is incomplete or does not belong together is refused, and the CA continues to sign with
 * the previous one. A new root is in the trust bundle for some time before the CA signs below it, and the old
 * root stays until the last leaf below it has expired, even if the files have only the new one.
 *
 * @throws ERR_INVALID_ARGUMENT; what the storage of the CA throws
 * @example
 * ```ts
 * await using watch = await watchPluggedInMaterial('/etc/cacerts', { authority })
 * if (watch.failure !== undefined) console.warn(watch.failure.message)
 * ```
 */
export async function watchPluggedInMaterial(
  directory: string,
  options: MaterialWatchOptions,
): Promise<MaterialWatch> {
  const read = readOptions('watchPluggedInMaterial', options, {
    authority: 'required',
    pollIntervalSeconds: 'optional',
    publishedForSeconds: 'guard',
    clock: 'optional',
    logger: 'optional',
    metrics: 'optional',
  })
  if (typeof directory !== 'string' || directory === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `watchPluggedInMaterial: directory must be a path, found ${nameOf(directory)}`,
    )
  const { authority, clock = systemClock, pollIntervalSeconds = 60, publishedForSeconds = 1020 } = read
  checkCounts({ pollIntervalSeconds }, 1)
  checkCounts({ publishedForSeconds }, 0)
  checkMethods('watchPluggedInMaterial', { authority }, 'rotate')
  if (typeof authority.storage !== 'object')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'watchPluggedInMaterial: the authority has no storage')
  const logger = safeLogger('watchPluggedInMaterial', read.logger)
  const follower = new MaterialFollower({ directory, authority, clock, publishedForSeconds, logger })
  await follower.open()
  const files = new WatchedFiles<CaMaterial>({
    what: directory,
    directories: [directory],
    load: () => follower.load(),
    pollMs: pollIntervalSeconds * 1000,
    clock,
    logger,
    metrics: safeMetrics('watchPluggedInMaterial', read.metrics),
  })
  await files.reload()
  return Object.freeze({
    get failure() {
      return files.failure
    },
    get pendingUntil() {
      return follower.pendingUntil
    },
    reload: () => files.reload(),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  })
}

interface FollowerOptions {
  readonly directory: string
  readonly authority: CertificateAuthority
  readonly clock: Clock
  readonly publishedForSeconds: number
  readonly logger: Logger
}

/** Applies the content of the files to the CA, step by step. Its calls do not overlap. */
class MaterialFollower {
  readonly #options: FollowerOptions
  readonly #history: MaterialHistory
  #taken: { readonly material: CaMaterial; readonly fingerprint: string } | undefined
  /**
   * Material that waits until relying parties have its root, on the monotonic clock: a wall clock that is set
   * forward must not end the wait, and one that is set back must not prolong it.
   */
  #pending: { readonly fingerprint: string; readonly untilMs: number } | undefined
  /** The fingerprint of the material that was last applied to the CA. */
  #applied = ''

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#history = new MaterialHistory(options.authority.storage, options.clock)
  }

  get pendingUntil(): Date | undefined {
    const { clock } = this.#options
    return this.#pending && new Date(clock.now() + this.#pending.untilMs - clock.monotonic())
  }

  open(): Promise<void> {
    return this.#history.open()
  }

  /** @throws ERR_CA_MATERIAL and others, which `failure` then returns; the CA is unchanged */
  async load(): Promise<LoadedFiles<CaMaterial>> {
    const { directory } = this.#options
    const material = await readPluggedInMaterial(directory)
    if (material === undefined)
      throw new PkiError('ERR_CA_MATERIAL', `${directory} no longer has any of the files of a CA`)
    const fingerprint = fingerprintOf(material)
    const before = this.#taken
    if (before !== undefined && before.fingerprint !== fingerprint && this.#mustWait(material, fingerprint)) {
      const roots = unique([...before.material.roots, ...material.roots])
      await this.#apply(before.material, before.fingerprint, roots)
      return { value: before.material, fingerprint: before.fingerprint }
    }
    await this.#apply(material, fingerprint, material.roots)
    await this.#history.taken(material)
    this.#taken = { material, fingerprint }
    this.#pending = undefined
    if (before !== undefined && before.fingerprint !== fingerprint)
      this.#log(
        material,
        { notAfter: material.certificate.notAfter },
        'the CA signs with the material of the files',
      )
    return { value: material, fingerprint }
  }

  /**
   * Whether a root above the material is too new in the trust bundle. The CA waits only while it can sign
   * with the material that it has.
   */
  #mustWait(material: CaMaterial, fingerprint: string): boolean {
    const { authority, clock, publishedForSeconds } = this.#options
    const isServed = material.roots.some((root) =>
      authority.roots.some((served) => served.equals(root) && isAbove(served, material)),
    )
    if (publishedForSeconds === 0 || hasExpired(authority, clock.now())) return false
    if (this.#pending?.fingerprint === fingerprint) return clock.monotonic() < this.#pending.untilMs
    if (isServed) return false
    this.#pending = { fingerprint, untilMs: clock.monotonic() + publishedForSeconds * 1000 }
    this.#log(
      material,
      { until: this.pendingUntil },
      'the root of the new material is published; until then the CA signs with the previous material',
    )
    return true
  }

  #log({ certificate }: CaMaterial, fields: Readonly<Record<string, unknown>>, message: string): void {
    const { logger, directory } = this.#options
    const { subject, serialNumber } = certificate
    logger.info({ files: directory, subject: subject.toString(), serialNumber, ...fields }, message)
  }

  async #apply(material: CaMaterial, fingerprint: string, wanted: readonly Certificate[]): Promise<void> {
    const roots = unique([...wanted, ...(await this.#history.roots())])
    const applied = [fingerprint, ...roots.map((root) => fingerprintOfRoot(root))].join(' ')
    if (applied === this.#applied) return
    const { certificate, signer, chain } = material
    await this.#options.authority.rotate({ certificate, signer, chain, roots })
    this.#applied = applied
  }
}

/** Whether a certificate of the CA's own path, or each of its roots, is past its end. */
function hasExpired(authority: CertificateAuthority, nowMs: number): boolean {
  const isCurrent = ({ notAfterMs }: Certificate): boolean => nowMs < notAfterMs + 1000
  const roots = authority.roots.filter((root) => isAbove(root, authority))
  return ![authority.certificate, ...authority.chain].every(isCurrent) || !roots.some(isCurrent)
}

/** Whether the path of the material ends in this root. */
function isAbove(root: Certificate, path: Pick<CaMaterial, 'certificate' | 'chain'>): boolean {
  const top = path.chain.at(-1) ?? path.certificate
  return root.equals(top) || (top.issuer.equals(root.subject) && top.verifySignatureBy(root.publicKey))
}

function unique(certificates: readonly Certificate[]): readonly Certificate[] {
  return certificates.filter((one, at) => certificates.findIndex((other) => other.equals(one)) === at)
}

function fingerprintOf({ certificate, chain, roots }: CaMaterial): string {
  const hash = createHash('sha256')
  for (const one of [certificate, ...chain, ...roots]) hash.update(one.der)
  return hash.digest('hex')
}

function fingerprintOfRoot(root: Certificate): string {
  return createHash('sha256').update(root.der).digest('hex').slice(0, 16)
}
