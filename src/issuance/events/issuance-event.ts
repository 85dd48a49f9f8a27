// The events of issuance, from which the log and the metrics are derived.

import type { Caller } from '../../auth/index.ts'
import type { CertificateRecord, RevocationReason } from '../../ca/index.ts'
import type { CertificateId, PruneResult } from '../../ca/internal.ts'
import type { SpiffeId } from '../../spiffe/index.ts'

/** The methods of the service that a caller can use. */
export type IssuanceAction = 'issue' | 'renew' | 'revoke' | 'release' | 'block' | 'unblock'

/** What happened. */
export type IssuanceEvent =
  | {
      readonly kind: 'issued'
      readonly id: CertificateId
      readonly identity: SpiffeId
      readonly notAfter: Date
      readonly rule: string
      readonly trimmed: readonly string[]
      readonly caller: Caller
      readonly renews: CertificateId | undefined
    }
  | {
      readonly kind: 'revoked'
      readonly id: CertificateId
      readonly identity: SpiffeId
      readonly reason: RevocationReason
      readonly caller: Caller
    }
  | {
      readonly kind: 'released'
      readonly id: CertificateId
      readonly identity: SpiffeId
      readonly caller: Caller
    }
  | {
      readonly kind: 'refused'
      readonly action: IssuanceAction
      readonly error: unknown
      /** The caller as given: it may be invalid, which may be the reason for the refusal. */
      readonly caller: unknown
      readonly serialNumber?: string | undefined
    }
  | {
      readonly kind: 'key reused'
      readonly id: CertificateId
      readonly identity: SpiffeId
      readonly other: CertificateRecord
    }
  | {
      readonly kind: 'blocked'
      readonly subject: string
      readonly reason: string
      readonly caller: Caller
    }
  | { readonly kind: 'unblocked'; readonly subject: string; readonly caller: Caller }
  | { readonly kind: 'unrecorded'; readonly id: CertificateId; readonly error: unknown }
  | { readonly kind: 'not published'; readonly id: CertificateId; readonly error: unknown }
  | { readonly kind: 'refusal unrecorded'; readonly action: IssuanceAction; readonly error: unknown }
  | { readonly kind: 'no receipt'; readonly error: unknown }
  | { readonly kind: 'pruned'; readonly result: PruneResult }
  | { readonly kind: 'not pruned'; readonly error: unknown }
  /** `jumpMs`: how far the wall clock moved ahead of the monotonic clock since the last prune. */
  | { readonly kind: 'prune deferred'; readonly jumpMs: number }

/** The event of one kind. */
export type EventOf<Kind extends IssuanceEvent['kind']> = Extract<IssuanceEvent, { kind: Kind }>
