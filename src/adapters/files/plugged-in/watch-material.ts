// CA material in mounted files that is replaced while the CA runs: read as one set, taken with overlap,
// refused
// with a reason.

import { createHash } from 'node:crypto'
import { readPluggedInMaterial } from '../../../ca/index.ts'
import type { CaMaterial, CertificateAuthority } from '../../../ca/index.ts'
import { PkiError } from '../../../errors/index.ts'
import { checkCounts } from '../../../internal/numbers.ts'
import { readOptions } from '../../../internal/options.ts'
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
    throw new PkiError('ERR_INVALID_ARGUMENT', 'watchPluggedInMaterial: directory must be a path')
  const { authority, clock = systemClock, pollIntervalSeconds = 60, publishedForSeconds = 1020 } = read
  checkCounts({ pollIntervalSeconds }, 1)
  checkCounts({ publishedForSeconds }, 0)
  const follower = new MaterialFollower(directory, authority, clock, publishedForSeconds)
  await follower.open()
  const files = new WatchedFiles<CaMaterial>({
    what: directory,
    directories: [directory],
    load: () => follower.load(),
    pollMs: pollIntervalSeconds * 1000,
    clock,
    logger: safeLogger('watchPluggedInMaterial', read.logger),
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

/** Applies the content of the files to the CA, step by step. Its calls do not overlap. */
class MaterialFollower {
  readonly #directory: string
  readonly #authority: CertificateAuthority
  readonly #clock: Clock
  readonly #publishedForSeconds: number
  readonly #history: MaterialHistory
  #taken: { readonly material: CaMaterial; readonly fingerprint: string } | undefined
  /** Material that waits until relying parties have its root. */
  #pending: { readonly fingerprint: string; readonly untilMs: number } | undefined
  /** The fingerprint of the material that was last applied to the CA. */
  #applied = ''

  constructor(directory: string, authority: CertificateAuthority, clock: Clock, publishedForSeconds: number) {
    this.#directory = directory
    this.#authority = authority
    this.#clock = clock
    this.#publishedForSeconds = publishedForSeconds
    this.#history = new MaterialHistory(authority.storage, clock)
  }

  get pendingUntil(): Date | undefined {
    return this.#pending && new Date(this.#pending.untilMs)
  }

  open(): Promise<void> {
    return this.#history.open()
  }

  /** @throws ERR_CA_MATERIAL and others, which `failure` then returns; the CA is unchanged */
  async load(): Promise<LoadedFiles<CaMaterial>> {
    const material = await readPluggedInMaterial(this.#directory)
    if (material === undefined)
      throw new PkiError('ERR_CA_MATERIAL', `${this.#directory} no longer has any of the files of a CA`)
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
    return { value: material, fingerprint }
  }

  /** Whether a root above the material is too new in the trust bundle. */
  #mustWait(material: CaMaterial, fingerprint: string): boolean {
    const nowMs = this.#clock.now()
    if (this.#pending?.fingerprint === fingerprint) return nowMs < this.#pending.untilMs
    const isServed = material.roots.some((root) =>
      this.#authority.roots.some((served) => served.equals(root) && isAbove(served, material)),
    )
    const hasExpired = nowMs >= this.#authority.certificate.notAfterMs
    if (isServed || hasExpired || this.#publishedForSeconds === 0) return false
    this.#pending = { fingerprint, untilMs: nowMs + this.#publishedForSeconds * 1000 }
    return true
  }

  async #apply(material: CaMaterial, fingerprint: string, wanted: readonly Certificate[]): Promise<void> {
    const roots = unique([...wanted, ...(await this.#history.roots())])
    const applied = [fingerprint, ...roots.map((root) => fingerprintOfRoot(root))].join(' ')
    if (applied === this.#applied) return
    const { certificate, signer, chain } = material
    await this.#authority.rotate({ certificate, signer, chain, roots })
    this.#applied = applied
  }
}

/** Whether the path of the material ends in this root. */
function isAbove(root: Certificate, { certificate, chain }: CaMaterial): boolean {
  const top = chain.at(-1) ?? certificate
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
