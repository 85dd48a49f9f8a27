// The root and the issuing authority of a CA service: both rotate, the issuing one below the root.

import { encodeAuditRecord } from '../audit/index.ts'
import type { CertificateAuthority } from '../ca/index.ts'
import type { RotatingAuthority } from '../ca/internal.ts'
import { openRotatingAuthority } from '../ca/internal.ts'
import { isPkiError } from '../errors/index.ts'
import type { KeyManager } from '../keys/index.ts'
import type { Certificate } from '../x509/index.ts'
import type { ReadCaServiceOptions } from './ca-service-options.ts'

/** The dependencies of the authorities. */
export interface AuthoritiesContext extends Pick<
  ReadCaServiceOptions,
  | 'trustDomain'
  | 'profile'
  | 'crlTtlSeconds'
  | 'crlDistribution'
  | 'rootTtlSeconds'
  | 'issuingTtlSeconds'
  | 'rotation'
  | 'clock'
  | 'logger'
  | 'metrics'
> {
  readonly storage: CertificateAuthority['storage']
  readonly keys: KeyManager
  readonly audit: boolean
}

/** The authorities of a service, and the method that takes due steps. */
export class ServiceAuthorities implements AsyncDisposable {
  readonly root: RotatingAuthority
  readonly issuing: RotatingAuthority

  private constructor(root: RotatingAuthority, issuing: RotatingAuthority) {
    this.root = root
    this.issuing = issuing
  }

  /**
   * Finds the authorities of the store with their keys, or creates them. Lifetimes that do not allow a safe
   * rotation are refused if `rotation` is set, and otherwise logged.
   *
   * @throws as `createRotatingAuthority`
   */
  static async open(context: AuthoritiesContext): Promise<ServiceAuthorities> {
    const { rotation, rootTtlSeconds = 3650 * day, issuingTtlSeconds = 365 * day } = context
    const { crossSign, automatic: _automatic, ...times } = rotation ?? {}
    const { trustDomain, profile, storage, keys, clock, logger, metrics, crlTtlSeconds, crlDistribution } =
      context
    const shared = {
      ...{ trustDomain, profile, storage, keys, clock, logger, metrics, ...times, automatic: false },
      ...(context.audit ? { auditOf: (change: Change) => [recordOf(change, clock.now())] } : {}),
    }
    const strict = rotation !== undefined
    const root = await openRotatingAuthority(
      {
        ...{ ...shared, name: 'root', ttlSeconds: rootTtlSeconds, leafTtlSeconds: issuingTtlSeconds },
        ...(crossSign === undefined ? {} : { crossSign }),
      },
      strict,
    )
    try {
      const upstream = root.asUpstream()
      const lists = { crlTtlSeconds, crlDistribution }
      const issuing = { ...shared, ...lists, name: issuingName, ttlSeconds: issuingTtlSeconds, upstream }
      return new ServiceAuthorities(root, await openRotatingAuthority(issuing, strict))
    } catch (error) {
      await root[Symbol.asyncDispose]()
      throw error
    }
  }

  get authority(): CertificateAuthority {
    return this.issuing.authority
  }

  /** The current root, which signs issuing certificates. */
  get rootCertificate(): Certificate {
    return this.root.authority.certificate
  }

  /**
   * Takes the due steps, first of the root and then of the issuing authority. The second part also runs if
   * the first one fails, because another process may have taken the issuing authority out of use.
   */
  async renew(): Promise<void> {
    try {
      await this.root.run()
      await this.#leaveTaintedRoot()
    } finally {
      await this.issuing.run()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.issuing[Symbol.asyncDispose]()
    await this.root[Symbol.asyncDispose]()
  }

  /** Taints an issuing authority below a tainted root. */
  async #leaveTaintedRoot(): Promise<void> {
    const { authorities } = await this.issuing.status()
    const active = authorities.find(({ state }) => state === 'active')
    if (active === undefined || !this.root.isTainted(active.certificate)) return
    try {
      await this.issuing.taint(active.id)
    } catch (error) {
      // The taint continues when relying parties have the new root.
      if (!isPkiError(error, 'ERR_ROTATION_EARLY')) throw error
    }
  }
}

/** The name of the issuing authority, and the id of its key. */
export const issuingName = 'issuing'

type Change = Parameters<NonNullable<Parameters<typeof openRotatingAuthority>[0]['auditOf']>>[0]

/** One audit record for a step, with all its changes. */
function recordOf({ step, changes, addedRoots, removedRoots }: Change, nowMs: number): Uint8Array {
  const serialNumbers = (roots: readonly Certificate[]): string[] => roots.map((root) => root.serialNumber)
  return encodeAuditRecord({
    event: 'authority',
    time: new Date(nowMs),
    details: {
      step,
      changes: changes.map(({ id, from, to, share }) => ({ id, from, to, share })),
      addedRoots: serialNumbers(addedRoots),
      removedRoots: serialNumbers(removedRoots),
    },
  })
}

const day = 24 * 3600
