// The status of one certificate from the CRLs at hand: RFC 5280 §6.3.3, steps (a) to (l).

import { equalBytes } from '../../internal/bytes.ts'
import { allReasons, extensionOids } from '../../x509/index.ts'
import type { Certificate, GeneralName, ReasonFlags, RevocationList, RevokedEntry } from '../../x509/index.ts'
import type { RevocationQuery } from '../revocation-contract.ts'
import type { CrlIssuers } from './crl-issuer.ts'
import { directoryNames, implicitPoint, scopeFault } from './crl-scope.ts'

/** What the lists say. */
export type CrlStatus =
  | { readonly status: 'revoked', readonly entry: RevokedEntry }
  | { readonly status: 'good' }
  | { readonly status: 'unknown', readonly reason: string }

/** How lists are used. */
export interface CrlSettings {
  readonly lists: readonly RevocationList[]
  readonly issuers: CrlIssuers
  /** Oldest `thisUpdate` that is taken, in milliseconds before the time of the verification. */
  readonly maximumAgeMs: number
}

/** @throws ERR_PATH_BUDGET; what reading a malformed extension throws */
export function crlStatus(query: RevocationQuery, settings: CrlSettings): CrlStatus {
  const { certificate } = query
  let covered: ReasonFlags = 0
  let reason = 'no list is about it'
  const explicit = certificate.crlDistributionPoints ?? []
  for (const point of [...explicit, implicitPoint(certificate)]) {
    for (const list of newestFirst(settings.lists)) {
      if (list.deltaCrlIndicator !== undefined || covered === allReasons) continue
      const interim = (point.reasons ?? allReasons) & (list.issuingDistributionPoint?.onlySomeReasons ?? allReasons) & allReasons
      // (d), (e): a list that adds no reason is not looked at.
      if ((interim & ~covered) === 0) continue
      const scope = scopeFault(list, certificate, point)
      if (scope !== undefined) {
        reason = `a list was found and ${scope}`
        continue
      }
      const answer = askList(list, query, settings)
      if (answer.status === 'revoked') return answer
      if (answer.status === 'unknown') reason = `a list was found and ${answer.reason}`
      else covered |= interim
    }
  }
  return covered === allReasons ? { status: 'good' } : { status: 'unknown', reason: covered === 0 ? reason : `the lists at hand do not cover every reason; ${reason}` }
}

/** Steps (a) and (c) to (k) for one complete list. */
function askList(list: RevocationList, query: RevocationQuery, settings: CrlSettings): CrlStatus {
  const critical = unknownCritical(list)
  if (critical !== undefined) return { status: 'unknown', reason: `it has the critical extension ${critical}, which is not known` }
  // RFC 5280 §5.2.3: "Conforming CRL issuers MUST include this extension in all CRLs"; without it the order of lists cannot be told.
  if (list.version === 2 && list.crlNumber === undefined) return { status: 'unknown', reason: 'it has no CRL number' }
  const signed = settings.issuers.keyOf(list, query)
  if ('fault' in signed) return { status: 'unknown', reason: signed.fault }
  const base = findEntry(list, query.certificate)
  const stale = freshnessFault(list, query.time, settings.maximumAgeMs)
  if (stale !== undefined) {
    // A list that is past its time cannot clear anybody; what it revoked for good stays revoked.
    return base !== undefined && base.reason !== 'certificateHold' ? { status: 'revoked', entry: base } : { status: 'unknown', reason: stale }
  }
  const delta = findDelta(list, query, settings)
  const entry = delta === undefined ? base : findEntry(delta, query.certificate) ?? base
  // (k): an entry "removeFromCRL" of a delta takes a certificate off hold.
  return entry === undefined || entry.reason === 'removeFromCRL' ? { status: 'good' } : { status: 'revoked', entry }
}

/** Step (c): a delta of the same issuer, scope and key, whose base is not newer than the list and which is newer itself. */
function findDelta(list: RevocationList, query: RevocationQuery, settings: CrlSettings): RevocationList | undefined {
  const number = list.crlNumber
  if (number === undefined) return undefined
  return newestFirst(settings.lists).find((delta) => {
    const from = delta.deltaCrlIndicator
    if (from === undefined || from > number || (delta.crlNumber ?? -1n) < number) return false
    if (!delta.issuer.equals(list.issuer) || !sameExtension(delta, list, extensionOids.issuingDistributionPoint) || !sameExtension(delta, list, extensionOids.authorityKeyIdentifier)) return false
    if (unknownCritical(delta) !== undefined || freshnessFault(delta, query.time, settings.maximumAgeMs) !== undefined) return false
    return 'key' in settings.issuers.keyOf(delta, query)
  })
}

function findEntry(list: RevocationList, certificate: Certificate): RevokedEntry | undefined {
  const own = list.issuer.equals(certificate.issuer)
  if (list.issuingDistributionPoint?.indirectCrl !== true) return own ? list.find(certificate.serialNumberBytes) : undefined
  return list.find(certificate.serialNumberBytes, (names: readonly GeneralName[] | undefined) => (names === undefined ? own : directoryNames(names).some((name) => name.equals(certificate.issuer))))
}

/** Step (a): current at the time of the verification; the last second belongs to it. */
function freshnessFault(list: RevocationList, time: Date, maximumAgeMs: number): string | undefined {
  const now = time.getTime()
  if (now < list.thisUpdate.getTime()) return 'it is from the future'
  // RFC 5280 §5.1.2.5: "Conforming CRL issuers MUST include the nextUpdate field in all CRLs."
  if (list.nextUpdate === undefined) return 'it does not say when the next one comes'
  if (now >= list.nextUpdate.getTime() + 1000) return 'it is past its next update'
  return now - list.thisUpdate.getTime() > maximumAgeMs ? 'it is older than this verification takes' : undefined
}

function unknownCritical(list: RevocationList): string | undefined {
  return list.extensions.find(({ oid, critical }) => critical && !known.has(oid))?.oid ?? list.unknownCriticalEntryExtension
}

function sameExtension(a: RevocationList, b: RevocationList, oid: string): boolean {
  const [left, right] = [a.extension(oid)?.value, b.extension(oid)?.value]
  return left === undefined || right === undefined ? left === right : equalBytes(left, right)
}

/** By CRL number where both have one, else by thisUpdate: an older list must not clear what a newer one revokes. */
function newestFirst(lists: readonly RevocationList[]): readonly RevocationList[] {
  return [...lists].sort((a, b) => {
    const [left, right] = [a.crlNumber, b.crlNumber]
    if (left !== undefined && right !== undefined && left !== right && a.issuer.equals(b.issuer)) return left > right ? -1 : 1
    return b.thisUpdate.getTime() - a.thisUpdate.getTime()
  })
}

const known: ReadonlySet<string> = new Set([
  extensionOids.authorityKeyIdentifier, extensionOids.crlNumber, extensionOids.deltaCrlIndicator, extensionOids.issuingDistributionPoint, extensionOids.freshestCrl, extensionOids.issuerAltName,
])
