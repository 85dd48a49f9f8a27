// Several processes over one storage: one of them is the leader, which numbers CRLs and sequences the audit
// log.

import type { CaStorage, LeaseStore } from '../ca/index.ts'
import { holdLease } from '../ca/index.ts'
import { otherList } from '../ca/internal.ts'
import { PkiError } from '../errors/index.ts'
import { waitFor } from '../internal/turns/waiting.ts'
import type { Clock, Logger } from '../runtime/index.ts'

/** The lease of the leader. */
export type Leadership = Awaited<ReturnType<typeof holdLease>>

/** Tries to become the leader until it is disposed of. */
export function seekLeadership(leases: LeaseStore, clock: Clock, logger: Logger): Promise<Leadership> {
  return holdLease({ leases, name: 'ca', clock, logger })
}

/**
 * The storage of a CA that publishes lists only while it is the leader, each with the epoch of its lease.
 * Otherwise `publish` waits for the next list of the leader, and then fails with a conflict, so that the
 * caller reads that list.
 */
export function numberedByLeader(storage: CaStorage, leadership: Leadership, clock: Clock): CaStorage {
  const { certificates, authorities, crls, leases, audit, blocks } = storage
  const fenced: CaStorage['crls'] = {
    last: (issuer, shard) => crls.last(issuer, shard),
    list: () => crls.list(),
    ...(crls.latestTime && { latestTime: () => crls.latestTime?.() as Promise<Date> }),
    async publish(crl, options) {
      const { number, issuer, shard } = crl
      const { expectedNumber } = options
      for (let waitedMs = 0; ; waitedMs += lookMs) {
        const isPublished = await leadership.lead(async (fence) => {
          await crls.publish(crl, { ...options, fence })
          return true
        })
        if (isPublished === true) return
        const last = await crls.last(issuer, shard)
        if (last?.number !== expectedNumber) throw otherList(number, expectedNumber, last?.number)
        if (waitedMs >= maxWaitMs)
          throw new PkiError(
            'ERR_LEASE_STALE',
            `another process holds the lease that numbers CRLs; it published no CRL after number ` +
              `${String(expectedNumber ?? 'none')} for ${maxWaitMs / 1000} s`,
          )
        await waitFor(clock, lookMs, undefined)
      }
    },
  }
  return Object.freeze({
    ...{ certificates, authorities, crls: Object.freeze(fenced), leases, audit },
    ...(blocks === undefined ? {} : { blocks }),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  })
}

const lookMs = 100
/** Longer than a lease: within this time this process or another one becomes the leader. */
const maxWaitMs = 30_000
