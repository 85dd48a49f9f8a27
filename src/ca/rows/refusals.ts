// Error messages that all stores share.

import { PkiError } from '../../errors/index.ts'
import { toleratedRegressMs } from '../crl/crl-times.ts'
import type { CertificateId } from '../records/certificate-record.ts'
import type { Fence } from '../records/lease-store.ts'

/** @throws ERR_STORE_CLOCK if the clock is more than five minutes before the latest recorded time */
export function requireClock(nowMs: number, latestMs: number): void {
  if (nowMs >= latestMs - toleratedRegressMs) return
  throw new PkiError(
    'ERR_STORE_CLOCK',
    `the clock is at ${new Date(nowMs).toISOString()}; the latest recorded time is ` +
      `${new Date(latestMs).toISOString()}; at most five minutes less are accepted. Set the clock; if ` +
      'the record is wrong, open the store once with acceptEarlierClock',
  )
}

/** A certificate as shown in messages. */
function certificateIdText({ issuer, serialNumber }: CertificateId): string {
  return `${serialNumber} of issuer ${issuer}`
}

/** The error for an existing serial number. */
export function serialExists(id: CertificateId): PkiError {
  return new PkiError('ERR_SERIAL_EXISTS', `certificate ${certificateIdText(id)} has a record already`)
}

/** The error for an existing idempotency key. */
export function idempotencyKeyUsed(): PkiError {
  return new PkiError('ERR_IDEMPOTENCY_KEY', 'the idempotency key was used for an earlier certificate')
}

/** The error for a missing record. */
export function certificateUnknown(id: CertificateId): PkiError {
  return new PkiError('ERR_CERTIFICATE_UNKNOWN', `certificate ${certificateIdText(id)} has no record`)
}

/** The error for a certificate to renew that has no record or was revoked. */
export function notRenewable(renews: CertificateId, state: 'not recorded' | 'revoked'): PkiError {
  return new PkiError(
    'ERR_RENEWAL_REFUSED',
    `the certificate to renew, ${certificateIdText(renews)}, is ${state}`,
  )
}

/** The error if another outcome is recorded. */
export function otherOutcome(id: CertificateId, recorded: string, given: string): PkiError {
  return new PkiError(
    'ERR_STORE_CONFLICT',
    `certificate ${certificateIdText(id)} is recorded as ${recorded}; it cannot become ${given}`,
  )
}

/** The error for a certificate that is not on hold. */
export function notOnHold(id: CertificateId): PkiError {
  return new PkiError('ERR_STORE_CONFLICT', `certificate ${certificateIdText(id)} is not on hold`)
}

/** The error if a later epoch of the lease was acquired. */
export function staleFence({ name, epoch }: Fence, current: number | undefined): PkiError {
  return new PkiError(
    'ERR_LEASE_STALE',
    `lease ${name}: the write has epoch ${epoch}; the current one is ${current ?? 'none'}`,
  )
}

/** The error if another CRL was stored first, or the number is not higher. */
export function otherList(number: bigint, expected: bigint | undefined, last: bigint | undefined): PkiError {
  return new PkiError(
    'ERR_STORE_CONFLICT',
    `CRL ${number} was made as the successor of CRL ${expected ?? 'none'}; the last stored CRL is ` +
      `${last ?? 'none'}`,
  )
}

/** The error if another change of the authority was stored first. */
export function otherVersion(id: string, given: number, stored: number): PkiError {
  return new PkiError(
    'ERR_STORE_CONFLICT',
    `authority ${id}: version ${given} was given; the stored one is ${stored}`,
  )
}
