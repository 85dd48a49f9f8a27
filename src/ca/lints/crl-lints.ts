// Lints for CRLs before publication, numbered as in docs/guides/ca.md.

import { encodeTime } from '../../der/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { extensionOids } from '../../x509/index.ts'
import type { Certificate, Crl, SerialNumber } from '../../x509/index.ts'
import type { RevokedEntryCursor } from '../../x509/internal.ts'
import { scannedEntries } from '../../x509/internal.ts'
import { toleratedRegressMs, wholeSecond } from '../crl/crl-times.ts'
import { runLints } from './run-lints.ts'
import type { Lint } from './run-lints.ts'

/** The input of a lint of a CRL; absent members are not checked. */
export interface CrlLintInput {
  /** The CRL that was just signed. */
  readonly list: Crl
  /** The CA certificate of the issuer. */
  readonly issuer: Certificate
  /** The number of the previous CRL. */
  readonly lastNumber: bigint
  /** The previous list of its scope and kind; undefined for the first. */
  readonly previous?: Crl | undefined
  /** The time of an earlier clock that the operator accepted: lists of a later time may be replaced. */
  readonly acceptedMs?: number | undefined
  /** The revocations in the store, in the order of the entries. */
  readonly records?: readonly { readonly serialNumber: SerialNumber; readonly intendedAt: Date }[] | undefined
  /** The maximum time from thisUpdate to nextUpdate. */
  readonly maxTtlSeconds?: number | undefined
  /** The maximum length of the DER in octets. */
  readonly maxOctets?: number | undefined
}

/** The input of the lints of entries: a list, or some of its entries before they are part of a list. */
type LintedEntries = Pick<CrlLintInput, 'records'> & {
  readonly list: Pick<
    Crl,
    'entryFaults' | 'entryCount' | 'cursor' | 'offsetOf' | 'thisUpdate' | 'deltaCrlIndicator'
  >
}

/** Lints for a list without its entries. */
export const crlFieldLints: readonly Lint<CrlLintInput>[] = Object.freeze([
  {
    id: 'L43',
    clause: 'RFC 5280 §5.2.1, §5.2.3',
    check: ({ list, issuer, lastNumber }) => {
      if (
        list.version !== 2 ||
        list.crlNumber === undefined ||
        list.crlNumber <= lastNumber ||
        list.crlNumber >= 1n << 159n
      )
        return 'the CRL is not version 2, or its number is not above the previous one'
      if (list.extension(extensionOids.crlNumber)?.critical === true) return 'the CRL number is critical'
      const identifier = list.authorityKeyIdentifier?.keyIdentifier
      return identifier !== undefined &&
        issuer.subjectKeyIdentifier !== undefined &&
        equalBytes(identifier, issuer.subjectKeyIdentifier)
        ? undefined
        : "the authority key identifier is not the CA's"
    },
  },
  { id: 'L44', clause: 'RFC 5280 §5.1.2.4, §5.1.2.5', check: lintUpdates },
  {
    id: 'L47',
    clause: 'RFC 5280 §5.2.5',
    check: ({ list, previous }) => {
      const point = list.extension(extensionOids.issuingDistributionPoint)
      if (point?.critical === false) return 'the issuing distribution point is not critical'
      if (list.issuingDistributionPoint?.indirectCrl === true)
        return 'the CRL is indirect; a CA lists only certificates that it issued'
      return previous === undefined || isSameScope(list, previous)
        ? undefined
        : 'the scope differs from that of the previous CRL'
    },
  },
  {
    id: 'L48',
    clause: 'RFC 5280 §5.1.2.3, §6.3.3 (f)',
    check: ({ list, issuer }) => {
      if (issuer.keyUsage?.has('cRLSign') === false) return 'the CA certificate does not allow cRLSign'
      return equalBytes(list.issuer.der, issuer.subject.der)
        ? undefined
        : "the issuer is not the CA certificate's subject"
    },
  },
  {
    id: 'L50',
    clause: 'RFC 5280 §5.2.4',
    check: ({ list, lastNumber, maxOctets = Infinity }) => {
      const base = list.deltaCrlIndicator
      if (base !== undefined && base > lastNumber) return 'the base of the delta CRL was never published'
      if (list.extension(extensionOids.deltaCrlIndicator)?.critical === false)
        return 'the delta CRL indicator is not critical'
      return list.der.length > maxOctets
        ? `the CRL has ${list.der.length} octets; the maximum is ${maxOctets}`
        : undefined
    },
  },
])

/**
 * Lints for the entries, read in place. The publisher checks which entries may leave a list (L49, RFC 5280
 * §3.3).
 */
export const crlEntryLints: readonly Lint<LintedEntries>[] = Object.freeze([
  {
    id: 'L45',
    clause: 'RFC 5280 §5.1.2.6',
    check: ({ list }) => {
      const [fault] = list.entryFaults
      if (fault !== undefined) return fault.reason
      const cursor = list.cursor()
      for (let before = -Infinity; cursor.next(); before = cursor.revocationMs) {
        if (!isPositive(cursor)) return 'a serial number is not positive'
        if (cursor.revocationMs < before) return 'the entries are not in the order of their revocation'
        if (list.offsetOf(cursor) !== cursor.start) return 'a serial number is listed twice'
      }
      return undefined
    },
  },
  { id: 'L46', clause: 'RFC 5280 §5.3.1, §5.1.2.6', check: lintReasonsAndDates },
  { id: 'L49', clause: 'RFC 5280 §3.3', check: lintAgainstRecords },
])

/** Some encoded entries of a list, and the corresponding revocations in the same order. @inline */
interface EntriesToLint {
  readonly octets: Uint8Array
  readonly entries: readonly { readonly serialNumber: SerialNumber; readonly intendedSeconds: number }[]
  readonly thisUpdateMs: number
  readonly isDelta: boolean
}

/**
 * Runs every lint of entries over a part of a list: a list of a million entries is linted in parts. @throws
 * ERR_LINT
 */
export function lintCrlEntries({ octets, entries, thisUpdateMs, isDelta }: EntriesToLint): void {
  const listed = scannedEntries(octets)
  runLints(crlEntryLints, {
    list: {
      entryFaults: listed.scan.faults,
      entryCount: listed.scan.count,
      cursor: () => listed.cursor(),
      offsetOf: (cursor) => listed.offsetOf(cursor),
      thisUpdate: new Date(thisUpdateMs),
      deltaCrlIndicator: isDelta ? 0n : undefined,
    },
    records: entries.map(({ serialNumber, intendedSeconds }) => ({
      serialNumber,
      intendedAt: new Date(intendedSeconds * 1000),
    })),
  })
}

/**
 * Whether it is the same scope, possibly with further names: a certificate with one of the old names stays in
 * it.
 */
function isSameScope(list: Crl, previous: Crl): boolean {
  const value = (one: Crl): Uint8Array =>
    one.extension(extensionOids.issuingDistributionPoint)?.value ?? nothing
  if (equalBytes(value(list), value(previous))) return true
  const [names, before] = [urisOf(list), urisOf(previous)]
  return before !== undefined && names !== undefined && before.every((uri) => names.includes(uri))
}

/** The URIs of a scope that contains only URIs. */
function urisOf({ issuingDistributionPoint: scope }: Crl): readonly string[] | undefined {
  const { onlyContainsUserCerts, onlyContainsCaCerts, onlyContainsAttributeCerts, onlySomeReasons } =
    scope ?? {}
  const isNarrow =
    onlyContainsUserCerts === true || onlyContainsCaCerts === true || onlyContainsAttributeCerts === true
  if (isNarrow || onlySomeReasons !== undefined || scope?.name === undefined || !('fullName' in scope.name))
    return undefined
  const uris = scope.name.fullName.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
  return uris.length === scope.name.fullName.length ? uris : undefined
}

function lintUpdates(input: CrlLintInput): string | undefined {
  const { list, previous, maxTtlSeconds = Infinity, acceptedMs = Infinity } = input
  const { thisUpdate, nextUpdate, issuer, tbs } = list
  if (nextUpdate === undefined || thisUpdate.getTime() >= nextUpdate.getTime())
    return 'nextUpdate is not after thisUpdate'
  if (nextUpdate.getTime() - thisUpdate.getTime() > maxTtlSeconds * 1000)
    return 'nextUpdate is later than the profile allows'
  const previousMs = previous?.thisUpdate.getTime() ?? -Infinity
  if (thisUpdate.getTime() < previousMs && previousMs <= acceptedMs + toleratedRegressMs)
    return 'thisUpdate is before that of the previous CRL'
  // UTCTime before 2050, GeneralizedTime after: both are determined by the issuer's parser.
  const times = Buffer.concat([encodeTime(thisUpdate.getTime()), encodeTime(nextUpdate.getTime())])
  const at = issuer.der.byteOffset - tbs.byteOffset + issuer.der.length
  return equalBytes(tbs.subarray(at, at + times.length), times)
    ? undefined
    : 'a time is not encoded as UTCTime until 2049 and GeneralizedTime from 2050'
}

function lintReasonsAndDates({ list, records }: LintedEntries): string | undefined {
  const isDelta = list.deltaCrlIndicator !== undefined
  const latest = list.thisUpdate.getTime()
  const cursor = list.cursor()
  for (let at = 0; cursor.next(); at++) {
    if (cursor.reasonCode === unspecified)
      return 'an entry has the reason "unspecified", which must be absent'
    if (cursor.isReasonCritical) return 'a reason code is critical'
    if (cursor.reasonCode === removeFromCrl && !isDelta)
      return 'a complete CRL has an entry with removeFromCRL'
    if (cursor.revocationMs > latest) return 'a revocation date is after thisUpdate'
    const intended = records?.[at]?.intendedAt.getTime() ?? -Infinity
    if (cursor.revocationMs < Math.min(wholeSecond(intended), latest))
      return 'a revocation date is before the notBefore of its certificate'
  }
  return undefined
}

/** The entries equal the revocations in the store, one for one. */
function lintAgainstRecords({ list, records }: LintedEntries): string | undefined {
  if (records === undefined) return undefined
  if (records.length !== list.entryCount)
    return `the CRL has ${list.entryCount} entries; the store has ${records.length} revocations`
  const cursor = list.cursor()
  for (const { serialNumber } of records) {
    if (!cursor.next() || !hasSerial(cursor, serialNumber))
      return `expected ${serialNumber}, found another entry`
  }
  return undefined
}

function isPositive({ bytes, serialStart, serialEnd }: RevokedEntryCursor): boolean {
  const first = bytes[serialStart] as number
  return first < 0x80 && (first > 0 || serialEnd - serialStart > 1)
}

/** Compared digit by digit: creating a string for each entry would cost more than all other lints. */
function hasSerial({ bytes, serialStart, serialEnd }: RevokedEntryCursor, text: string): boolean {
  const start = bytes[serialStart] === 0 && serialEnd - serialStart > 1 ? serialStart + 1 : serialStart
  if (text.length !== 2 * (serialEnd - start)) return false
  for (let at = start, digit = 0; at < serialEnd; at++, digit += 2) {
    const octet = bytes[at] as number
    if (
      text.charCodeAt(digit) !== hexDigits.charCodeAt(octet >> 4) ||
      text.charCodeAt(digit + 1) !== hexDigits.charCodeAt(octet & 15)
    )
      return false
  }
  return true
}

/** The serial number of an entry as text. */
export function crlSerialText({ bytes, serialStart, serialEnd }: RevokedEntryCursor): string {
  return Buffer.from(bytes.subarray(serialStart, serialEnd)).toString('hex').toUpperCase()
}

const nothing = new Uint8Array(0)
const hexDigits = '0123456789ABCDEF'
/** CRLReason: RFC 5280 §5.3.1. */
const unspecified = 0
const removeFromCrl = 8
