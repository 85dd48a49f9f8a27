// Selects the delta for a CRL, and collects the revocations of newer deltas that cannot complete the list
// (RFC 5280 §5.2.4, §6.3.3 (c) and (h)).

import { equalBytes } from '../../../internal/bytes.ts'
import { extensionOids } from '../../../x509/index.ts'
import type { Crl, PublicKey, RevokedEntry } from '../../../x509/index.ts'
import type { RevocationQuery } from '../../revocation-contract.ts'
import type { CrlIssuers } from './crl-issuers.ts'
import {
  clearingFault,
  findEntry,
  freshnessFault,
  isForGood,
  isFromFuture,
  unusableFault,
} from './crl-lists.ts'
import type { CrlTimes } from './crl-lists.ts'

/** The contribution of deltas to a list. */
interface FoundDelta {
  readonly delta?: Crl | undefined
  /** A revocation in a newer delta that cannot complete the list. */
  readonly accusation?: RevokedEntry | undefined
}

/** The inputs for judging deltas. */
interface DeltaSettings extends CrlTimes {
  readonly issuers: CrlIssuers
}

/**
 * Steps (c) and (h): selects the newest current delta with the same scope and key that is newer than the list
 * and whose base is not newer than the list. A newer delta that is outdated, has an unavailable base list, or
 * has an unreadable entry completes no list and shows no certificate as good. Its revocations still count. In
 * an outdated delta only permanent revocations count, as in a complete list.
 */
export function findDelta(
  list: Crl,
  scope: readonly Crl[],
  key: PublicKey,
  query: RevocationQuery,
  settings: DeltaSettings,
): FoundDelta {
  const number = list.crlNumber
  if (number === undefined) return {}
  for (const delta of scope) {
    if (!isNewerDelta(delta, number, list) || isFromFuture(delta, query.time, settings)) continue
    const completes = doesComplete(delta, number, query, settings)
    // The entry is looked up before the signature is checked: a caller may keep any number of old deltas.
    const entry = completes ? undefined : accusationIn(delta, query, settings)
    if (!completes && entry === undefined) continue
    const signed = settings.issuers.keyOf(delta, query)
    if (signed.fault === undefined && signed.key?.equals(key) === true)
      return entry === undefined ? { delta } : { accusation: entry }
  }
  return {}
}

function isNewerDelta(delta: Crl, number: bigint, list: Crl): boolean {
  if (delta.deltaCrlIndicator === undefined || (delta.crlNumber ?? -1n) < number) return false
  return (
    sameExtension(delta, list, extensionOids.authorityKeyIdentifier) && unusableFault(delta) === undefined
  )
}

function doesComplete(delta: Crl, number: bigint, { time }: RevocationQuery, times: CrlTimes): boolean {
  const from = delta.deltaCrlIndicator
  if (from === undefined || from > number || clearingFault(delta) !== undefined) return false
  return freshnessFault(delta, time, times) === undefined
}

function accusationIn(delta: Crl, query: RevocationQuery, times: CrlTimes): RevokedEntry | undefined {
  const entry = findEntry(delta, query)
  if (entry === undefined || isForGood(entry)) return entry
  const isCurrent = freshnessFault(delta, query.time, times) === undefined
  return isCurrent && entry.reason !== 'removeFromCRL' ? entry : undefined
}

function sameExtension(a: Crl, b: Crl, oid: string): boolean {
  const [left, right] = [a.extension(oid)?.value, b.extension(oid)?.value]
  return left === undefined || right === undefined ? left === right : equalBytes(left, right)
}
