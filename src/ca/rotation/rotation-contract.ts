// The contract of a CA that replaces its keys automatically: its steps, states and events.

import type { Certificate, CertificateInput } from '../../x509/index.ts'
import type { CertificateAuthority } from '../authority/certificate-authority.ts'
import type { AuthorityState } from '../records/authority-store.ts'
import type { UpstreamAuthority } from '../upstream/upstream-authority.ts'
import type { DueStep, RotationStep } from './rotation-state.ts'

/** Options of a step. @inline */
export interface StepOptions {
  /** Returns the changes without making them. Default false. */
  readonly dryRun?: boolean | undefined
  /**
   * Performs the step even if relying parties may lack the new root or still need the old one; certificates
   * are then refused. Default false.
   */
  readonly force?: boolean
  /** The id of the authority for the step; a step that was already done for it does nothing. */
  readonly id?: string
  readonly signal?: AbortSignal | undefined
}

/** The changes of a step. Frozen. @inline */
export interface RotationChange {
  readonly step: RotationStep
  readonly dryRun: boolean
  /** The authorities whose state or share changes; empty if the step was done before. */
  readonly changes: readonly {
    readonly id: string
    /** Undefined for a new one. */
    readonly from: AuthorityState | undefined
    readonly to: AuthorityState
    readonly share: number | undefined
  }[]
  /** Roots that are added to the trust bundle. */
  readonly addedRoots: readonly Certificate[]
  /** Roots that are removed from the trust bundle. */
  readonly removedRoots: readonly Certificate[]
}

/** One authority and its state. @inline */
interface AuthorityStatus {
  readonly id: string
  readonly state: AuthorityState
  /** The time of the change to this state. */
  readonly since: Date
  readonly certificate: Certificate
  /** Its share of issuance: 1 for the active authority if there is no canary. */
  readonly share: number
  /** The time from which it may sign; undefined if it signs or has signed. */
  readonly readyAt: Date | undefined
}

/** The state of a rotation. @inline */
export interface RotationStatus {
  /** All authorities, in the order in which they were made. */
  readonly authorities: readonly AuthorityStatus[]
  /** The next step of the schedule; undefined if none is planned. */
  readonly due: DueStep | undefined
}

/** An event of the rotation. @inline */
export type RotationEvent =
  | { readonly kind: 'changed'; readonly change: RotationChange }
  /** Holders of certificates of this authority must renew now. */
  | { readonly kind: 'tainted'; readonly id: string; readonly certificate: Certificate }
  | { readonly kind: 'failed'; readonly error: unknown }

/**
 * A CA whose keys are replaced in steps: prepared, published, active, retired, revoked; tainted if a key may
 * be compromised. Each step is one durable write. Called again after a crash it continues; called again after
 * success it changes nothing. Disposing of it ends the schedule.
 *
 * @inline
 */
export interface RotatingAuthority extends AsyncDisposable {
  /** Signs with the active authority; its trust bundle has the root of every published authority. */
  readonly authority: CertificateAuthority
  /**
   * Makes a new key and its certificate, and tests both with a trial certificate. @throws the errors of key
   * manager and upstream; ERR_CA_REPLY for a wrong answer of the upstream; ERR_STORE_*
   */
  prepareNext(options?: StepOptions): Promise<RotationChange>
  /** Adds the root of the next authority to the trust bundle. @throws ERR_ROTATION_STATE, ERR_STORE_* */
  publish(options?: StepOptions): Promise<RotationChange>
  /**
   * Signs with the next authority, for a `share` of the keys or, by default, for all; in that case the
   * previous authority is retired. A share of 0 ends a canary.
   *
   * @throws ERR_ROTATION_STATE; ERR_ROTATION_EARLY before every relying party has its root; ERR_CA_EXPIRED if
   *   it expires sooner than one leaf; ERR_STORE_*
   */
  activate(options?: StepOptions & { readonly share?: number }): Promise<RotationChange>
  /**
   * Marks an authority as possibly compromised, and notifies the listeners that holders must renew. If it is
   * the active one, it is replaced first: a successor is prepared and published if there is none, and
   * activated as soon as its root may be used. Until then the call throws ERR_ROTATION_EARLY; repeat it to
   * continue.
   *
   * @throws as `prepareNext`, `publish`, `activate`
   */
  taint(id: string, options?: StepOptions): Promise<RotationChange>
  /** Ends the taint of an authority whose holders have renewed. @throws ERR_ROTATION_STATE, ERR_STORE_* */
  retire(id: string, options?: StepOptions): Promise<RotationChange>
  /**
   * Removes the root of an authority from the trust bundle, or discards an authority that never signed.
   * @throws ERR_ROTATION_STATE for the active one; ERR_ROTATION_EARLY while leaves below it are valid;
   *   ERR_STORE_*
   */
  revoke(id: string, options?: StepOptions): Promise<RotationChange>
  /**
   * Every authority, and the next step. Before it resolves, this process applies the recorded states: it
   * signs with the active authority, reports taints, and removes roots of revoked authorities; a failure
   * causes a `failed` event.
   *
   * @throws ERR_STORE_*
   */
  status(): Promise<RotationStatus>
  /**
   * Takes the due steps, and applies the steps of other processes. The schedule calls it.
   * @throws as the steps
   */
  run(): Promise<readonly RotationChange[]>
  /**
   * This CA as the parent of another one: it certifies intermediates with the active authority, with a
   * smaller path length than its own, and returns its roots.
   */
  asUpstream(): UpstreamAuthority
  /** Whether the authority that issued a certificate is tainted or revoked: its holder must renew now. */
  isTainted(certificate: CertificateInput): boolean
  /** Calls `listener` after each change. Returns a function that stops the calls. */
  onEvent(listener: (event: RotationEvent) => void): () => void
}
