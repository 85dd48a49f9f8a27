// The renewal time of a certificate, drawn once per certificate and kept on two clocks.

import { randomInt } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'

/** When a certificate is renewed. @inline */
export interface RenewalPolicy {
  /** Share of the validity after which a certificate is renewed; more than 0, less than 1. Default 0.5. */
  readonly ratio: number
  /** The largest random deviation from `ratio`, in both directions. Default 0.01. */
  readonly jitter: number
}

/** Half of the validity ± 1 %. */
export const defaultRenewalPolicy: RenewalPolicy = Object.freeze({ ratio: 0.5, jitter: 0.01 })

/** @throws ERR_INVALID_ARGUMENT for a ratio or jitter with which renewal could be immediate or never */
export function checkRenewalPolicy({ ratio, jitter }: RenewalPolicy): void {
  if (ratio > 0 && ratio < 1 && jitter >= 0 && jitter < Math.min(ratio, 1 - ratio)) return
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `renewal: ratio ${ratio} and jitter ${jitter} must keep ratio ± jitter strictly between 0 and 1`,
  )
}

/**
 * The wall-clock time in milliseconds at which a certificate must be renewed. The share counts from the later
 * of notBefore and the receipt, so that a backdated certificate is not renewed early; the point is never
 * after notAfter.
 *
 * @param draw From 0 to 1; set by tests only.
 */
export function renewalPointMs(
  { notBeforeMs, notAfterMs, receivedMs }: CertificateTimes,
  { ratio, jitter }: RenewalPolicy = defaultRenewalPolicy,
  draw: number = randomInt(1 << 30) / (1 << 30),
): number {
  const startMs = Math.min(Math.max(notBeforeMs, receivedMs), notAfterMs)
  return startMs + (notAfterMs - startMs) * (ratio + jitter * (2 * draw - 1))
}

/** The times that a renewal point depends on, in milliseconds since the epoch. */
export interface CertificateTimes {
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly receivedMs: number
}
