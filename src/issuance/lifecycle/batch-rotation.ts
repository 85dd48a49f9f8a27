// Batch rotation: renews certificates that expire soon from standing requests, each once, with the store as
// its only state, because a renewed certificate has a successor on record.

import type { CertificateRecord } from '../../ca/index.ts'
import { PkiError } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { waitFor } from '../../internal/turns/waiting.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { BatchLease } from '../records/batch-lease.ts'
import { ask } from '../records/store-calls.ts'
import { renewFromStanding } from './standing-renewal.ts'
import type { BatchRotationContext, RotationResult, StandingRequests } from './standing-renewal.ts'

/** Options of `rotateExpiring`. @inline */
export interface BatchRotationOptions {
  /** Renews certificates that expire within this many seconds from the start. */
  readonly thresholdSeconds: number
  /**
   * Returns the standing request for a certificate: the CSR that its holder has stored, or one made with a
   * key that the service has. Undefined skips the certificate. At most `concurrency` calls run at once.
   */
  readonly requestFor: StandingRequests
  /** Number of certificates that are read at once: 1 to 1,000. Default 100. */
  readonly batchSize?: number | undefined
  /** Renewals in progress at once: 1 to 256. Default 16. */
  readonly concurrency?: number | undefined
  /** The pause between two batches, in milliseconds. Default 0. */
  readonly delayMs?: number | undefined
  /** Stops further renewals; those in progress end, and then the iteration throws ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** @throws ERR_INVALID_ARGUMENT at once; the rest as `IssuanceService.rotateExpiring` */
export function rotateExpiring(
  context: BatchRotationContext,
  options: BatchRotationOptions,
): AsyncIterableIterator<RotationResult> {
  const read = readOptions<BatchRotationOptions>('rotateExpiring', options, {
    thresholdSeconds: 'required',
    requestFor: 'required',
    batchSize: 'optional',
    concurrency: 'optional',
    delayMs: 'optional',
    signal: 'optional',
  })
  const { thresholdSeconds, requestFor, batchSize = 100, concurrency = 16, delayMs = 0, signal } = read
  checkMeasures({ thresholdSeconds, delayMs }, 0)
  checkCounts({ batchSize }, 1, 1000)
  checkCounts({ concurrency }, 1, 256)
  if (typeof requestFor !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `rotateExpiring: requestFor must be a function, found ${nameOf(requestFor)}`,
    )
  return run(context, { thresholdSeconds, requestFor, batchSize, concurrency, delayMs, signal })
}

/** The options with their defaults. */
type RunOptions = Readonly<
  Record<'thresholdSeconds' | 'batchSize' | 'concurrency' | 'delayMs', number> &
    Pick<BatchRotationOptions, 'requestFor' | 'signal'>
>

async function* run(context: BatchRotationContext, options: RunOptions): AsyncGenerator<RotationResult> {
  const { storage, clock } = context
  const { thresholdSeconds, batchSize, concurrency, delayMs, signal } = options
  const lease = await BatchLease.wait(storage.leases, clock, signal)
  const inProgress = new Set<Promise<Finished>>()
  const progress = { renewed: 0, skipped: 0, failed: 0 }
  const counted = ({ result, done }: Finished): RotationResult => {
    inProgress.delete(done())
    progress[result.outcome]++
    return Object.freeze({ ...result, progress: Object.freeze({ ...progress }) })
  }
  try {
    const startMs = clock.now()
    const query = {
      state: 'issued',
      revoked: false,
      notAfterFrom: new Date(startMs),
      notAfterBefore: new Date(startMs + thresholdSeconds * 1000),
      intendedBefore: new Date(startMs + 1),
      limit: batchSize,
    } as const
    let after: string | undefined
    do {
      const page = await ask(storage.certificates, (store) => store.query({ ...query, after }))
      for (const record of page.items) {
        // A successor of this run may expire within the threshold as well.
        if (record.renews !== undefined && record.intendedAt.getTime() >= startMs) continue
        if (signal?.aborted === true || lease.isLost) break
        inProgress.add(begin(context, options, record))
        if (inProgress.size >= concurrency) yield counted(await Promise.race(inProgress))
      }
      while (inProgress.size > 0) yield counted(await Promise.race(inProgress))
      if (signal?.aborted === true) throw new PkiError('ERR_ABORTED', 'the batch rotation was aborted')
      if (lease.isLost)
        throw new PkiError('ERR_LEASE_STALE', 'the batch rotation ended: another process has its lease')
      after = page.next
      if (after !== undefined && delayMs > 0) await waitFor(clock, delayMs, signal)
    } while (after !== undefined)
  } finally {
    await Promise.all(inProgress)
    await lease.release()
  }
}

interface Finished {
  readonly result: Omit<RotationResult, 'progress'>
  /** Removes this renewal from those in progress, and returns it. */
  readonly done: () => Promise<Finished>
}

function begin(
  context: BatchRotationContext,
  options: RunOptions,
  record: CertificateRecord,
): Promise<Finished> {
  const finished: Promise<Finished> = renewFromStanding(context, options, record).then((result) => ({
    result,
    done: () => finished,
  }))
  return finished
}
