// Compares a list with its predecessor: which entries may be removed, and which have changed (RFC 5280 §3.3,
// §5.2.4).

import { PkiError } from '../../../errors/index.ts'
import type { Turns } from '../../../internal/turns/turns.ts'
import type { Crl, SerialNumber } from '../../../x509/index.ts'
import { crlReasons } from '../../../x509/internal.ts'
import type { RevokedEntryCursor } from '../../../x509/internal.ts'
import { crlSerialText } from '../../lints/crl-lints.ts'
import type { KeyIdentifier } from '../../records/certificate-record.ts'
import type { CertificateStore } from '../../records/certificate-store.ts'
import type { EntryRuns, ListedEntry } from '../entry-runs.ts'
import { isOf } from '../revocation-table.ts'
import type { RevocationTable } from '../revocation-table.ts'

/** The data that a published list is compared with. */
export interface Comparison {
  readonly list: Crl
  readonly shard: string
  readonly runs: EntryRuns
  readonly table: RevocationTable
  readonly store: CertificateStore
  readonly issuer: KeyIdentifier
  readonly nowMs: number
}

/**
 * Compares the entries of the last published list, also of another process, with the revocations in the
 * store. Differences are recorded in the runs. Returns whether there are none.
 *
 * @throws ERR_LINT (L49) for an entry whose revocation the store lacks, although its certificate was still
 *   valid at the time of the list
 */
export async function compareWithPublished(comparison: Comparison, turns: Turns): Promise<boolean> {
  const { list, shard, runs, table } = comparison
  const stamp = ++lastStamp
  let same = 0
  const cursor = list.cursor()
  for (let at = 0; cursor.next(); at++) {
    if (at % entriesATurn === 0) await turns.give()
    const serialNumber = crlSerialText(cursor) as SerialNumber
    const entry = table.find(serialNumber)
    if (entry === undefined || !isOf(entry, shard)) {
      await checkRemoved(serialNumber, cursor, comparison)
    } else {
      entry.seen = stamp
      if (isSame(entry, cursor)) same++
      else runs.addChanged(entry)
    }
  }
  let count = 0
  for (const entry of runs.entries()) {
    if (++count % entriesATurn === 0) await turns.give()
    if (entry.seen !== stamp) runs.addChanged(entry)
  }
  return same === list.entryCount && same === runs.count
}

/**
 * "An entry MUST NOT be removed from the CRL until it appears on one regularly scheduled CRL issued beyond
 * the revoked certificate's validity period" (RFC 5280 §3.3). A released hold may be removed. If a
 * certificate has no record, it was pruned if the list has expired; otherwise the store has lost it.
 */
async function checkRemoved(
  serialNumber: SerialNumber,
  cursor: RevokedEntryCursor,
  { list, shard, runs, store, issuer, nowMs }: Comparison,
): Promise<void> {
  const { revocationMs } = cursor
  const record = await store.find({ issuer, serialNumber })
  const isPruned = record === undefined && nowMs > (list.nextUpdate?.getTime() ?? Infinity)
  if (isPruned) return
  if (record !== undefined && record.notAfter.getTime() < list.thisUpdate.getTime()) return
  if (record !== undefined && record.revocation === undefined) {
    runs.addChanged({
      serialNumber,
      revocationSeconds: revocationMs / 1000,
      reason: 'removeFromCRL',
      notAfterSeconds: Math.floor(record.notAfter.getTime() / 1000),
      intendedSeconds: 0,
      shard,
      ...{ sequence: 0, uses: 0, seen: 0 },
    })
    return
  }
  throw new PkiError(
    'ERR_LINT',
    `L49 (RFC 5280 §3.3): ${serialNumber} is no longer listed, but was still valid at the previous CRL ` +
      `(number ${list.crlNumber?.toString() ?? 'unknown'})`,
  )
}

function isSame({ revocationSeconds, reason }: ListedEntry, cursor: RevokedEntryCursor): boolean {
  const found = cursor.reasonCode < 0 ? 'unspecified' : crlReasons[cursor.reasonCode]
  return cursor.revocationMs === revocationSeconds * 1000 && found === reason
}

let lastStamp = 0
const entriesATurn = 1024
