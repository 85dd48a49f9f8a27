// A CA that changes its keys by itself: what it can be told, and what it says.

import type { Certificate, CertificateInput } from '../../x509/index.ts'
import type { CertificateAuthority } from '../authority/certificate-authority.ts'
import type { AuthorityState } from '../records/authority-store.ts'
import type { UpstreamAuthority } from '../upstream/upstream-authority.ts'
import type { DueStep, RotationStep } from './rotation-state.ts'

/** Options of a step. @inline */
export interface StepOptions {
  /** Says what would change, and changes nothing. Default false. */
  readonly dryRun?: boolean | undefined
  /**
   * Does it although relying parties may not have the new root, or still need the old one: those are refused
   * then. Default false.
   */
  readonly force?: boolean
  /** The authority that is meant, by its id: a step that is done for it already does nothing. */
  readonly id?: string
  readonly signal?: AbortSignal | undefined
}

/** What a step has changed, or would change. Frozen. @inline */
export interface RotationChange {
  readonly step: RotationStep
  readonly dryRun: boolean
  /** The authorities that have another state or share; empty where the step was done before. */
  readonly changes: readonly {
    readonly id: string
    /** Undefined for a new one. */
    readonly from: AuthorityState | undefined
    readonly to: AuthorityState
    readonly share: number | undefined
  }[]
  /** What the trust bundle gets. */
  readonly addedRoots: readonly Certificate[]
  /** What the trust bundle loses. */
  readonly removedRoots: readonly Certificate[]
}

/** One authority and its state. @inline */
interface AuthorityStatus {
  readonly id: string
  readonly state: AuthorityState
  /** The time of the change to this state. */
  readonly since: Date
  readonly certificate: Certificate
  /** The share of issuance that it has: 1 for the active one without a canary. */
  readonly share: number
  /** From when on it may sign; undefined where it signs or has signed. */
  readonly readyAt: Date | undefined
}

/** The state of a rotation. @inline */
export interface RotationStatus {
  /** In the order in which they were made. */
  readonly authorities: readonly AuthorityStatus[]
  /** What the schedule does next; undefined while nothing is planned. */
  readonly due: DueStep | undefined
}

/** What happened. @inline */
export type RotationEvent =
  | { readonly kind: 'changed'; readonly change: RotationChange }
  /** Holders of certificates of this authority are to renew now. */
  | { readonly kind: 'tainted'; readonly id: string; readonly certificate: Certificate }
  | { readonly kind: 'failed'; readonly error: unknown }

/**
 * A CA whose keys are replaced in steps: prepared, published, active, retired, revoked; tainted where a key
 * is
 * doubted. Each step is one durable write. Called again after a crash it continues; called again after
 * success it changes nothing. Disposing of it ends the schedule.
 *
 * @inline
 */
export interface RotatingAuthority extends AsyncDisposable {
  /** Signs with the active authority; its trust bundle has every published one. */
  readonly authority: CertificateAuthority
  /**
   * Makes a new key and its certificate, and proves both by a certificate that is thrown away.
   * @throws what key manager and upstream throw; ERR_CA_REPLY for an upstream's wrong answer; ERR_STORE_*
   */
  prepareNext(options?: StepOptions): Promise<RotationChange>
  /** Puts the root of the next authority into the trust bundle. @throws ERR_ROTATION_STATE, ERR_STORE_* */
  publish(options?: StepOptions): Promise<RotationChange>
  /**
   * Signs with the next authority, for a `share` of the keys or, by default, for all: then the one before is
   * retired. A share of 0 takes everything back.
   *
   * @throws ERR_ROTATION_STATE; ERR_ROTATION_EARLY before every relying party has its root; ERR_CA_EXPIRED
   * where
   *   it ends sooner than one leaf; ERR_STORE_*
   */
  activate(options?: StepOptions & { readonly share?: number }): Promise<RotationChange>
  /**
   * Marks an authority as doubted, and tells the listeners that holders are to renew. The active one is
   * replaced first: a next one is prepared and published where there is none, and activated as soon as its
   * root may be used; until then the call throws ERR_ROTATION_EARLY, and continues when it is repeated.
   *
   * @throws as `prepareNext`, `publish`, `activate`
   */
  taint(id: string, options?: StepOptions): Promise<RotationChange>
  /** Ends the taint of an authority whose holders have renewed. @throws ERR_ROTATION_STATE, ERR_STORE_* */
  retire(id: string, options?: StepOptions): Promise<RotationChange>
  /**
   * Takes an authority out of the trust bundle, or discards one that never signed.
   * @throws ERR_ROTATION_STATE for the active one; ERR_ROTATION_EARLY while leaves below it are valid;
   * ERR_STORE_*
   */
  revoke(id: string, options?: StepOptions): Promise<RotationChange>
  /**
   * Every authority, and what is due next. By then this process signs with the active one, calls the
   * tainted ones tainted, and serves no root of a revoked one; where that fails there is a `failed` event.
   *
   * @throws ERR_STORE_*
   */
  status(): Promise<RotationStatus>
  /**
   * Does what is due by the schedule, and takes over what other processes have done. The schedule calls it.
   * @throws as the steps
   */
  run(): Promise<readonly RotationChange[]>
  /**
   * This CA as the CA above another one: it certifies intermediates with the active authority, by a path
   * length
   * below its own, and says its roots.
   */
  asUpstream(): UpstreamAuthority
  /** Whether the authority that issued a certificate is tainted or revoked: its holder must renew now. */
  isTainted(certificate: CertificateInput): boolean
  /** Calls `listener` after each change. Returns a function that stops the calls. */
  onEvent(listener: (event: RotationEvent) => void): () => void
}
