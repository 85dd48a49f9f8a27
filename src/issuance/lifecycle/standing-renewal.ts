// One certificate of a batch rotation: renewed once, from the standing request of its holder.

import { createHash } from 'node:crypto'
import type { CaStorage, CertificateRecord } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import type { Clock } from '../../runtime/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import type { CertificateRequestInput } from '../../x509/internal.ts'
import type { IssuanceAnswer } from '../issuance-answer.ts'
import { ask } from '../records/store-calls.ts'

/** The outcome for one certificate. Frozen. @inline */
export interface RotationResult extends CertificateId {
  readonly identity: SpiffeId
  /** `skipped`: it was renewed before, or there is no standing request. */
  readonly outcome: 'renewed' | 'skipped' | 'failed'
  readonly startedAt: Date
  readonly endedAt: Date
  /** The new certificate, if it was renewed. */
  readonly answer: IssuanceAnswer | undefined
  /** The error of a failed renewal. */
  readonly error: unknown
  /** The counts of this run, including this result. */
  readonly progress: { readonly renewed: number; readonly skipped: number; readonly failed: number }
}

/** The functions of the service that a run uses. */
export interface BatchRotationContext {
  readonly storage: CaStorage
  readonly clock: Clock
  /** Renews one certificate; the store accepts the idempotency key once. */
  readonly renew: (
    record: CertificateRecord,
    csr: CertificateRequestInput,
    idempotencyKey: string,
  ) => Promise<IssuanceAnswer>
}

/** Finds the standing request for a certificate; undefined if there is none. @inline */
export type StandingRequests = (
  certificate: CertificateRecord,
) => CertificateRequestInput | undefined | Promise<CertificateRequestInput | undefined>

/** Never rejects: a failure is an outcome. */
export async function renewFromStanding(
  { storage, clock, renew }: BatchRotationContext,
  { requestFor }: { readonly requestFor: StandingRequests },
  record: CertificateRecord,
): Promise<Omit<RotationResult, 'progress'>> {
  const { issuer, serialNumber, identity } = record
  const startedAt = new Date(clock.now())
  const ended = (
    outcome: RotationResult['outcome'],
    { answer, error }: { answer?: IssuanceAnswer; error?: unknown } = {},
  ): Omit<RotationResult, 'progress'> => {
    const endedAt = new Date(clock.now())
    return { issuer, serialNumber, identity, outcome, startedAt, endedAt, answer, error }
  }
  try {
    const key = await nextKey(storage, { issuer, serialNumber })
    if (key === undefined) return ended('skipped')
    const csr = await requestFor(record)
    if (csr === undefined) return ended('skipped')
    return ended('renewed', { answer: await renew(record, csr, key) })
  } catch (error) {
    return ended('failed', { error })
  }
}

/**
 * The idempotency key of the next attempt; undefined if the certificate has a successor. A successor of
 * unknown outcome was never returned, because its run has ended: it does not count, and its key is not used
 * again.
 */
async function nextKey(
  { certificates }: CaStorage,
  { issuer, serialNumber }: CertificateId,
): Promise<string | undefined> {
  const query = { renews: { issuer, serialNumber }, limit: 1000 } as const
  const { items } = await ask(certificates, (store) => store.query(query))
  if (items.some(({ state }) => state === 'issued')) return undefined
  const attempt = items.filter(({ state }) => state !== 'failed').length
  const text = JSON.stringify(['batch rotation', issuer, serialNumber, attempt])
  return createHash('sha256').update(text).digest('hex')
}
