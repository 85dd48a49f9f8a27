// The status of a certificate at a time, from its record.

import type { CertificateRecord, CertificateStore } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import type { CertificateState } from '../../ca/internal.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { ask } from './store-calls.ts'

/** The recorded status of a certificate. Frozen. @inline */
export interface CertificateStatus extends CertificateId {
  readonly identity: SpiffeId
  /**
   * - `valid`: signed, neither expired nor revoked; the last second belongs to the validity.
   * - `expired`, `revoked`
   * - `failed`: not signed, or the signature was discarded.
   * - `unknown outcome`: signing began, and how it ended is not on record; it counts as issued.
   */
  readonly state: 'unknown outcome' | 'failed' | 'valid' | 'expired' | 'revoked'
  /**
   * The stage of its lifecycle; undefined if it was not signed. `pendingRenewal`: valid, `renewAt` has
   * passed, and no certificate has replaced it. A certificate of unknown outcome counts as issued.
   */
  readonly phase: 'active' | 'pendingRenewal' | 'expired' | 'revoked' | undefined
  readonly notAfter: Date
  /** The time of the decision to sign. */
  readonly intendedAt: Date
  /** The time from which its renewal is due: half of the time from `intendedAt` to `notAfter`. */
  readonly renewAt: Date
  /** The certificate that this one replaced. */
  readonly renews: CertificateId | undefined
  /** The last renewal: the certificate that replaced this one, and the time of that decision. */
  readonly renewedBy: (CertificateId & { readonly intendedAt: Date }) | undefined
  readonly revocation: CertificateRecord['revocation']
}

/** The status of a record at the time `nowMs`. */
export async function statusOf(
  store: CertificateStore,
  record: CertificateRecord,
  nowMs: number,
): Promise<CertificateStatus> {
  const { issuer, serialNumber, identity, notAfter, intendedAt, renews, revocation } = record
  const renewedBy = await lastRenewalOf(store, record)
  const renewAt = new Date((intendedAt.getTime() + notAfter.getTime()) / 2)
  const isDue = renewedBy === undefined && nowMs >= renewAt.getTime()
  const state = stateOf(record, nowMs)
  const phase = phaseOf(state, isDue)
  const times = { notAfter, intendedAt, renewAt }
  return Object.freeze({
    issuer,
    serialNumber,
    identity,
    state,
    phase,
    ...times,
    renews,
    renewedBy,
    revocation,
  })
}

/** The last recorded certificate that replaces this one. */
async function lastRenewalOf(
  store: CertificateStore,
  { issuer, serialNumber }: CertificateId,
): Promise<CertificateStatus['renewedBy']> {
  let last: CertificateStatus['renewedBy']
  let after: string | undefined
  do {
    const query = { renews: { issuer, serialNumber }, state: 'issued', after, limit: 1000 } as const
    const page = await ask(store, (asked) => asked.query(query))
    const record = page.items.at(-1)
    if (record !== undefined)
      last = Object.freeze({
        issuer: record.issuer,
        serialNumber: record.serialNumber,
        intendedAt: record.intendedAt,
      })
    after = page.next
  } while (after !== undefined)
  return last
}

function phaseOf(state: CertificateStatus['state'], isDue: boolean): CertificateStatus['phase'] {
  if (state === 'failed') return undefined
  if (state === 'expired' || state === 'revoked') return state
  return isDue ? 'pendingRenewal' : 'active'
}

/** The state of a record, without its renewals. */
export function stateOf(
  record: Pick<CertificateRecord, 'revocation' | 'state' | 'notAfter'>,
  nowMs: number,
): CertificateStatus['state'] {
  if (record.revocation !== undefined) return 'revoked'
  if (record.state !== 'issued') return unissued[record.state]
  // The last second belongs to the validity.
  return nowMs < record.notAfter.getTime() + 1000 ? 'valid' : 'expired'
}

const unissued = {
  intended: 'unknown outcome',
  lapsed: 'expired',
  failed: 'failed',
} as const satisfies Readonly<Record<Exclude<CertificateState, 'issued'>, CertificateStatus['state']>>
