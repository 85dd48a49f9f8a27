// The possible use of a CRL: for a good status, for revocations only, or for nothing (RFC 5280 §5.2, §5.3,
// §6.3.3 (a)).

import { toHex } from '../../../internal/bytes.ts'
import { extensionOids } from '../../../x509/index.ts'
import type { Crl, GeneralName, RevokedEntry } from '../../../x509/index.ts'
import type { RevocationQuery } from '../../revocation-contract.ts'
import { directoryNames } from './crl-scope.ts'

/** Limits for the age of a list. */
export interface CrlTimes {
  /** Oldest accepted `thisUpdate`, in milliseconds before the time of the verification. */
  readonly maxAgeMs: number
  /** How far the clock of an issuer may be ahead, in milliseconds. */
  readonly skewMs: number
}

/** Step (a): the list must be current at the time of the verification; the last second is inclusive. */
export function freshnessFault(list: Crl, time: Date, times: CrlTimes): string | undefined {
  const { maxAgeMs } = times
  if (isFromFuture(list, time, times))
    return (
      `its thisUpdate ${list.thisUpdate.toISOString()} is more than ${times.skewMs / 1000} s ` +
      `(clockSkewSeconds) later than the time, ${time.toISOString()}`
    )
  const now = time.getTime()
  // RFC 5280 §5.1.2.5: "Conforming CRL issuers MUST include the nextUpdate field in all CRLs."
  if (list.nextUpdate === undefined && maxAgeMs === Infinity)
    return 'it has no nextUpdate, and maxAgeSeconds is not set'
  if (list.nextUpdate !== undefined && now >= list.nextUpdate.getTime() + 1000)
    return `its nextUpdate has passed (${list.nextUpdate.toISOString()}; the time is ${time.toISOString()})`
  return now - list.thisUpdate.getTime() > maxAgeMs
    ? `its thisUpdate ${list.thisUpdate.toISOString()} is more than ${maxAgeMs / 1000} s (maxAgeSeconds) ago`
    : undefined
}

/** Whether `thisUpdate` of a list is in the future. */
export function isFromFuture(list: Crl, time: Date, { skewMs }: CrlTimes): boolean {
  return time.getTime() + skewMs < list.thisUpdate.getTime()
}

/**
 * Why a list must not be used at all, not even for revocations: an unsupported critical extension may change
 * the meaning of the entries. RFC 5280 §5.2: "the application MUST NOT use that CRL to determine the status
 * of certificates"; §5.3 has the same rule for entries.
 */
export function unusableFault(list: Crl): string | undefined {
  const oid =
    list.extensions.find(({ oid: found, critical }) => critical && !isSupported.has(found))?.oid ??
    list.unknownCriticalEntryExtension
  return oid === undefined ? undefined : `it has the critical extension ${oid}, which is not supported`
}

/**
 * Why a list can revoke, but cannot show a good status: it violates a rule for its issuer, but has a valid
 * signature.
 */
export function clearingFault(list: Crl): string | undefined {
  const critical = list.extensions.find((each) => each.critical && !mayBeCritical.has(each.oid))?.oid
  if (critical !== undefined) return `its extension ${critical} must not be critical`
  // RFC 5280 §5.2.3: "Conforming CRL issuers MUST include this extension in all CRLs"; without it, the order
  // of lists is unknown.
  if (list.version === 2 && list.crlNumber === undefined) return 'it has no CRL number'
  // A malformed entry may be that of the certificate in question.
  return list.entryFaults[0] && `one of its entries is malformed: ${list.entryFaults[0].reason}`
}

/**
 * Whether an entry counts: in a current list, every entry except removeFromCRL; in an outdated list, only
 * permanent revocations.
 */
export function accuses(list: Crl, entry: RevokedEntry, time: Date, times: CrlTimes): boolean {
  if (isForGood(entry)) return !isFromFuture(list, time, times)
  return entry.reason !== 'removeFromCRL' && freshnessFault(list, time, times) === undefined
}

/** Whether an entry is permanent: neither certificateHold nor removeFromCRL (RFC 5280 §5.3.1). */
export function isForGood({ reason }: RevokedEntry): boolean {
  return reason !== 'certificateHold' && reason !== 'removeFromCRL'
}

/**
 * The entry of a certificate in a list that covers it (`scopeFault`, `mayBeAbout`). Entries with one serial
 * number are compared one by one, and may name any number of issuers; reading a name costs about twenty
 * comparisons.
 */
export function findEntry(list: Crl, { certificate, budget }: RevocationQuery): RevokedEntry | undefined {
  const own = list.issuer.equals(certificate.issuer)
  // The issuer named by an entry is read in every list. A list that is not indirect must not name one; if it
  // does, that shows no certificate as good.
  return list.find(certificate.serialNumberBytes, (names: readonly GeneralName[] | undefined) => {
    budget.spend('nameComparisons', names === undefined ? 1 : 20 * (1 + names.length))
    return names === undefined ? own : directoryNames(names).some((name) => name.equals(certificate.issuer))
  })
}

/**
 * Lists grouped by issuer and scope, each group sorted by CRL number, newest first (RFC 5280 §5.2.3). If a
 * newer list has answered, an older list must not be used, for either status. Lists of version 1 have no
 * numbers and form separate groups.
 *
 * @throws the errors of reading a malformed issuer or extension
 */
export function byScope(lists: readonly Crl[]): readonly (readonly Crl[])[] {
  const scopes = new Map<string, Crl[]>()
  for (const list of lists) {
    const scope = list.extension(extensionOids.issuingDistributionPoint)?.value
    const key = `${list.version} ${scope === undefined ? '' : toHex(scope)} ${list.issuer.comparisonKey}`
    const there = scopes.get(key)
    if (there === undefined) scopes.set(key, [list])
    else there.push(list)
  }
  return [...scopes.values()].map((scope) => scope.sort(byNumber))
}

function byNumber(a: Crl, b: Crl): number {
  const [left, right] = [a.crlNumber ?? -1n, b.crlNumber ?? -1n]
  return left === right ? b.thisUpdate.getTime() - a.thisUpdate.getTime() : left > right ? -1 : 1
}

/** RFC 5280 §5.2.4 and §5.2.5 require these to be critical; §5.2.2 permits it. */
const mayBeCritical: ReadonlySet<string> = new Set([
  extensionOids.deltaCrlIndicator,
  extensionOids.issuingDistributionPoint,
  extensionOids.issuerAltName,
])

/**
 * Also extensions that are processed, or that have no effect on the status, and must not be critical: RFC
 * 5280 §4.2.1.1, §5.2.3, §5.2.6, §5.2.7.
 */
const isSupported: ReadonlySet<string> = new Set([
  ...mayBeCritical,
  extensionOids.authorityKeyIdentifier,
  extensionOids.crlNumber,
  extensionOids.freshestCrl,
  extensionOids.authorityInfoAccess,
])
