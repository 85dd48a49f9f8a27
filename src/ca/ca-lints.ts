// What a CA certificate and a revocation list must be before they leave: each rule by itself. Numbers as in the list of lints.

import { encodeTime } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { equalBytes } from '../internal/bytes.ts'
import { TrustDomain } from '../spiffe/index.ts'
import { assembleSigned, encodeTbsCertificate, extensionOids } from '../x509/index.ts'
import type { Certificate, RevocationList, RevokedEntryCursor } from '../x509/index.ts'
import type { CertificateRecord } from './certificate-store.ts'

/** What a lint of a CA certificate looks at. */
export interface CaLintInput {
  /** The CA certificate that was just signed and is not out yet. */
  readonly certificate: Certificate
  /** The certificate itself where it is self-signed. */
  readonly issuer: Certificate
  /** For a cross-certificate: the one that its CA has already. */
  readonly existing?: Certificate | undefined
}

/** What a lint of a revocation list looks at; what is not given is not looked at. */
export interface ListLintInput {
  /** The list that was just signed and is not out yet. */
  readonly list: RevocationList
  /** The CA whose list it is. */
  readonly issuer: Certificate
  /** The number of the list before it. */
  readonly lastNumber: bigint
  /** The list before it in this process; undefined for the first. */
  readonly previous?: PublishedList | undefined
  /** What the store wants listed, in the order of the entries. */
  readonly records?: readonly CertificateRecord[] | undefined
  /** From one list to the next update, at most. */
  readonly maximumTtlSeconds?: number | undefined
  /** Most octets that its DER may have. */
  readonly maximumOctets?: number | undefined
}

/** The list before, and until when each of its certificates is valid, in the order of its entries. */
export interface PublishedList {
  /** The list that was given out. */
  readonly list: RevocationList
  /** When the certificate of each entry expires, in the order of the entries; milliseconds since 1970. */
  readonly notAfterMs: Float64Array
}

/** One rule: what is wrong, or undefined. */
export interface CaLint<Input> {
  /** `L36`, `L43`, … as docs/guides/ca.md counts them. */
  readonly id: string
  /** The clause that the rule is from. */
  readonly clause: string
  /** What is wrong in words, or undefined. */
  readonly check: (input: Input) => string | undefined
}

/**
 * Holds an input to every rule of a list, such as `caLints` or `listLints`.
 *
 * @throws ERR_LINT for the first rule that is broken: a fault of this package or of its configuration
 */
export function runLints<Input>(lints: readonly CaLint<Input>[], input: Input): void {
  for (const { id, clause, check } of lints) {
    let fault: string | undefined
    try {
      fault = check(input)
    } catch (cause) {
      throw new PkiError('ERR_LINT', `${id} (${clause}): it cannot be read`, { cause })
    }
    if (fault !== undefined) throw new PkiError('ERR_LINT', `${id} (${clause}): ${fault}`)
  }
}

/** For roots, intermediates and certificates for the key of another CA, when they are made. */
export const caLints: readonly CaLint<CaLintInput>[] = [
  {
    id: 'L9',
    clause: 'RFC 5280 §4.1.2.8',
    check: ({ certificate }) => (certificate.hasUniqueIdentifiers ? 'a unique identifier' : undefined),
  },
  { id: 'L34', clause: 'X.690 §10', check: lintEncoding },
  {
    id: 'L36',
    clause: 'RFC 5280 §4.2.1.9',
    check: ({ certificate, issuer }) => {
      if (
        certificate.basicConstraints?.ca !== true ||
        certificate.extension(extensionOids.basicConstraints)?.critical !== true
      )
        return 'basic constraints are not a critical "CA"'
      return certificate !== issuer && certificate.basicConstraints.pathLength === undefined
        ? 'an intermediate of any path length'
        : undefined
    },
  },
  {
    id: 'L37',
    clause: 'RFC 5280 §4.2.1.3, X-9',
    check: ({ certificate: { keyUsage }, certificate }) => {
      const exact = keyUsage?.names.length === 2 && keyUsage.has('keyCertSign') && keyUsage.has('cRLSign')
      return exact && certificate.extension(extensionOids.keyUsage)?.critical === true
        ? undefined
        : 'key usage is not a critical keyCertSign and cRLSign'
    },
  },
  {
    id: 'L38',
    clause: 'RFC 5280 §4.1.2.6, §4.2.1.2',
    check: ({ certificate, issuer }) => {
      if (certificate.subjectKeyIdentifier === undefined || certificate.subject.isEmpty)
        return 'no subject key identifier, or no subject'
      return equalBytes(certificate.issuer.der, issuer.subject.der) &&
        certificate.verifySignatureBy(issuer.publicKey)
        ? undefined
        : 'it is not signed by its issuer'
    },
  },
  {
    id: 'L39',
    clause: 'X-4, ID-11',
    check: ({ certificate }) => {
      for (const name of certificate.subjectAltName ?? []) {
        if (name.type === 'uri' && name.value !== TrustDomain.parse(name.value).idString)
          return `${name.value} is no trust domain`
      }
      return undefined
    },
  },
  {
    id: 'L40',
    clause: 'RFC 5280 §4.2.1.10',
    check: ({ certificate }) => {
      const { nameConstraints } = certificate
      if (nameConstraints === undefined) return undefined
      if (certificate.extension(extensionOids.nameConstraints)?.critical !== true)
        return 'name constraints are not critical'
      const trees = [...nameConstraints.permitted, ...nameConstraints.excluded]
      return trees.length > 0 && trees.every(({ minimum, maximum }) => minimum === 0 && maximum === undefined)
        ? undefined
        : 'name constraints that say nothing, or have a minimum or maximum'
    },
  },
  {
    id: 'L41',
    clause: 'RFC 5280 §4.1.2.5',
    check: ({ certificate, issuer }) =>
      certificate.notBeforeMs < certificate.notAfterMs &&
      certificate.notBeforeMs >= issuer.notBeforeMs &&
      certificate.notAfterMs <= issuer.notAfterMs
        ? undefined
        : "the validity is empty, or reaches beyond the issuer's",
  },
  {
    id: 'L42',
    clause: 'RFC 5280 §4.2.1.2',
    check: ({ certificate, existing }) => {
      if (existing === undefined) return undefined
      if (
        !equalBytes(certificate.subject.der, existing.subject.der) ||
        !certificate.publicKey.equals(existing.publicKey)
      )
        return 'a cross-certificate for another subject or key'
      const identifier = existing.subjectKeyIdentifier
      return identifier === undefined || equalBytes(identifier, certificate.subjectKeyIdentifier ?? nothing)
        ? undefined
        : 'a cross-certificate with another key identifier'
    },
  },
]

/** For revocation lists, before they are given out. Those that look at entries read them in place. */
export const listLints: readonly CaLint<ListLintInput>[] = [
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
        return 'no list of version 2 whose number is greater than the last'
      if (list.extension(extensionOids.crlNumber)?.critical === true) return 'the number is critical'
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
    id: 'L45',
    clause: 'RFC 5280 §5.1.2.6',
    check: ({ list }) => {
      const cursor = list.cursor()
      for (let before = -Infinity; cursor.next(); before = cursor.revocationMs) {
        if (!isPositive(cursor)) return 'a serial number that is not positive'
        if (cursor.revocationMs < before) return 'entries that are not in the order of their revocation'
        if (list.offsetOf(cursor) !== cursor.start) return 'a serial number twice'
      }
      return undefined
    },
  },
  { id: 'L46', clause: 'RFC 5280 §5.3.1, §5.1.2.6', check: lintReasonsAndDates },
  {
    id: 'L47',
    clause: 'RFC 5280 §5.2.5',
    check: ({ list, previous }) => {
      const point = list.extension(extensionOids.issuingDistributionPoint)
      if (point?.critical === false) return 'the issuing distribution point is not critical'
      if (list.issuingDistributionPoint?.indirectCrl === true)
        return 'an indirect list: a CA lists what it issued'
      const before = previous?.list.extension(extensionOids.issuingDistributionPoint)
      return previous === undefined || equalBytes(point?.value ?? nothing, before?.value ?? nothing)
        ? undefined
        : 'the scope is not that of the list before'
    },
  },
  {
    id: 'L48',
    clause: 'RFC 5280 §5.1.2.3, §6.3.3 (f)',
    check: ({ list, issuer }) => {
      if (issuer.keyUsage?.has('cRLSign') === false) return 'the CA may not sign revocation lists'
      return equalBytes(list.issuer.der, issuer.subject.der)
        ? undefined
        : "the issuer is not the CA certificate's subject"
    },
  },
  { id: 'L49', clause: 'RFC 5280 §3.3', check: (input) => lintAgainstRecords(input) ?? lintRemoved(input) },
  {
    id: 'L50',
    clause: 'RFC 5280 §5.2.4',
    check: ({ list, lastNumber, maximumOctets = Infinity }) => {
      const base = list.deltaCrlIndicator
      if (base !== undefined && base > lastNumber) return 'a delta to a list that there was not'
      if (list.extension(extensionOids.deltaCrlIndicator)?.critical === false)
        return 'a delta that does not say so critically'
      return list.der.length > maximumOctets
        ? `a list of ${list.der.length} octets; at most ${maximumOctets} are given out`
        : undefined
    },
  },
]

/** Encoded anew from what was read it is the same octets, and Node reads it too. */
function lintEncoding({ certificate }: CaLintInput): string | undefined {
  const { issuer, subject, publicKey, notBefore, notAfter, serialNumber, extensions, signature } = certificate
  const algorithm = certificate.signatureAlgorithm.signatureAlgorithm
  if (algorithm === undefined) return 'a signature algorithm that is none of ours'
  const tbs = encodeTbsCertificate(
    { issuer, subject, publicKey, notBefore, notAfter, serialNumber, extensions: { other: extensions } },
    algorithm,
  )
  certificate.toNode()
  return equalBytes(assembleSigned(tbs, algorithm, signature), certificate.der)
    ? undefined
    : 'encoded anew it is another certificate'
}

function lintUpdates({ list, previous, maximumTtlSeconds = Infinity }: ListLintInput): string | undefined {
  const { thisUpdate, nextUpdate, issuer, tbs } = list
  if (nextUpdate === undefined || thisUpdate.getTime() >= nextUpdate.getTime())
    return 'the next update is not after this one'
  if (nextUpdate.getTime() - thisUpdate.getTime() > maximumTtlSeconds * 1000)
    return 'the next update is later than the profile has it'
  if (previous !== undefined && thisUpdate.getTime() < previous.list.thisUpdate.getTime())
    return 'older than the list before'
  // UTCTime before 2050, GeneralizedTime after: both follow the issuer.
  const times = Buffer.concat([encodeTime(thisUpdate.getTime()), encodeTime(nextUpdate.getTime())])
  const at = issuer.der.byteOffset - tbs.byteOffset + issuer.der.length
  return equalBytes(tbs.subarray(at, at + times.length), times)
    ? undefined
    : 'a time of the form of another century'
}

function lintReasonsAndDates({ list, records }: ListLintInput): string | undefined {
  const isDelta = list.deltaCrlIndicator !== undefined
  const latest = list.thisUpdate.getTime()
  const cursor = list.cursor()
  for (let at = 0; cursor.next(); at++) {
    if (cursor.reasonCode === unspecified) return 'the reason "unspecified", which is left out'
    if (cursor.isReasonCritical) return 'a critical reason'
    if (cursor.reasonCode === removeFromCrl && !isDelta) return 'a removal in a list that is complete'
    if (cursor.revocationMs > latest) return 'a revocation that is later than the list'
    const intended = records?.[at]?.intendedAt.getTime() ?? -Infinity
    if (cursor.revocationMs < Math.min(wholeSecond(intended), latest))
      return 'a revocation that is earlier than its certificate'
  }
  return undefined
}

/** The entries are what the store has, one for one. */
function lintAgainstRecords({ list, records }: ListLintInput): string | undefined {
  if (records === undefined) return undefined
  if (records.length !== list.entryCount)
    return `${list.entryCount} entries for ${records.length} revocations in the store`
  const cursor = list.cursor()
  for (const { serialNumber } of records) {
    if (!cursor.next() || !hasSerial(cursor, serialNumber))
      return `another entry where ${serialNumber} is wanted`
  }
  return undefined
}

/** "An entry MUST NOT be removed from the CRL until it appears on one regularly scheduled CRL issued beyond the revoked certificate's validity period." */
function lintRemoved({ list, previous }: ListLintInput): string | undefined {
  if (previous === undefined || list.deltaCrlIndicator !== undefined) return undefined
  const before = previous.list.thisUpdate.getTime()
  const cursor = previous.list.cursor()
  for (let at = 0; cursor.next(); at++) {
    const mayGo = (previous.notAfterMs[at] ?? Infinity) < before
    if (!mayGo && list.offsetOf(cursor) < 0)
      return `${serialText(cursor)} is not listed any more, and was still valid at the list before`
  }
  return undefined
}

function isPositive({ bytes, serialStart, serialEnd }: RevokedEntryCursor): boolean {
  const first = bytes[serialStart] as number
  return first < 0x80 && (first > 0 || serialEnd - serialStart > 1)
}

/** Digit by digit: a text for each entry would cost more than the rest of the lints. */
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

function serialText({ bytes, serialStart, serialEnd }: RevokedEntryCursor): string {
  return Buffer.from(bytes.subarray(serialStart, serialEnd)).toString('hex').toUpperCase()
}

/** What a list can say: RFC 5280 §5.1.2.4 has no fractions. */
export function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

const nothing = new Uint8Array(0)
const hexDigits = '0123456789ABCDEF'
/** CRLReason: RFC 5280 §5.3.1. */
const unspecified = 0
const removeFromCrl = 8
