// What a CA remembers: an intent before it signs, the outcome before it answers, revocations.

import type { SerialNumber } from '../x509/index.ts'

/** Why a certificate is revoked: the names of RFC 5280 §5.3.1. */
export type RevocationReason =
  | 'unspecified'
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'privilegeWithdrawn'
  | 'aACompromise'

/** Every `RevocationReason`. `removeFromCRL` is none: it belongs to delta lists alone. */
export const revocationReasons: ReadonlySet<string> = new Set<RevocationReason>([
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
])

/** What is known before the signature exists. */
export interface IssuanceIntent {
  /** The number that the certificate will have: the key of the record. */
  readonly serialNumber: SerialNumber
  /** The SPIFFE ID that the certificate will be for, as text. */
  readonly identity: string
  /** Of the certified key: RFC 7093 §2 method 1, 20 octets. */
  readonly keyIdentifier: Uint8Array
  /** When the certificate will expire. */
  readonly notAfter: Date
  /** When it was decided to sign. */
  readonly intendedAt: Date
}

/** One certificate, from intent to revocation. */
export interface CertificateRecord extends IssuanceIntent {
  /** `intended`: signing began and its outcome is unknown; treat it as issued. */
  readonly state: 'intended' | 'issued' | 'failed'
  /** DER, once issued. */
  readonly certificate?: Uint8Array | undefined
  /** Why and since when it is revoked; undefined where it is not. */
  readonly revocation?: { readonly reason: RevocationReason; readonly revokedAt: Date } | undefined
}

/** Where records are kept. Every call returns when its effect is durable. */
export interface CertificateStore extends AsyncDisposable {
  /** @throws ERR_SERIAL_EXISTS */
  recordIntent(intent: IssuanceIntent): Promise<void> | void
  /** @throws ERR_CERTIFICATE_UNKNOWN */
  recordOutcome(
    serialNumber: SerialNumber,
    outcome: { readonly certificate: Uint8Array } | { readonly failed: true },
  ): Promise<void> | void
  /** The record of a serial number; undefined where there is none. */
  find(serialNumber: SerialNumber): Promise<CertificateRecord | undefined>
  /** Every record of an identity, in the order of their intents. */
  findByIdentity(identity: string): Promise<readonly CertificateRecord[]>
  /** The first revocation stays. @throws ERR_CERTIFICATE_UNKNOWN */
  revoke(serialNumber: SerialNumber, reason: RevocationReason, at: Date): Promise<CertificateRecord>
  /** Every revoked certificate that had not expired at that time. */
  revoked(at: Date): Promise<readonly CertificateRecord[]>
}
