// Whose signature a CRL carries, and whether that key may sign CRLs. RFC 5280 §6.3.3 (f) and (g).
// Which certificates a CRL is about: its issuing distribution point against a certificate's distribution point. RFC 5280 §6.3.3 (b).
// The status of one certificate from the CRLs at hand: RFC 5280 §6.3.3, steps (a) to (l).

import { sequence } from '../../der/index.ts'
import { equalBytes, toHex } from '../../internal/bytes.ts'
import { allReasons, DistinguishedName, encodeGeneralName, extensionOids } from '../../x509/index.ts'
import type {
  Certificate,
  DistributionPoint,
  DistributionPointName,
  GeneralName,
  IssuingDistributionPoint,
  PublicKey,
  ReasonFlags,
  RevocationList,
  RevokedEntry,
} from '../../x509/index.ts'
import type { RevocationQuery } from '../revocation-contract.ts'

/** Finds the keys of CRLs, and remembers which key signed which list. */
export class CrlIssuers {
  readonly #certificates: readonly Certificate[]
  readonly #signedBy = new WeakMap<RevocationList, PublicKey>()

  /** `certificates`: of CRL issuers that are not in the path. */
  constructor(certificates: readonly Certificate[]) {
    this.#certificates = certificates
  }

  /** The key that signed the list, if it may; otherwise why not. @throws ERR_PATH_BUDGET */
  keyOf(
    list: RevocationList,
    query: RevocationQuery,
  ): { readonly key: PublicKey } | { readonly fault: string } {
    let fault = 'nobody of the name of its issuer is known'
    // Who stands in the path is verified, and ends at the same anchor.
    for (const authority of [query.issuer, ...(query.above ?? [])]) {
      if (!authority.subject.equals(list.issuer)) continue
      if (authority.certificate?.keyUsage?.has('cRLSign') === false) fault = 'its issuer may not sign CRLs'
      else if (this.#isSignedBy(list, authority.publicKey, query)) return { key: authority.publicKey }
      else fault = 'its signature does not verify'
    }
    for (const certificate of this.#candidates(list)) {
      if (!this.#isSignedBy(list, certificate.publicKey, query)) {
        fault = 'its signature does not verify'
        continue
      }
      const refused = query.verifyAuthority(certificate, 'crl')
      if (refused === undefined) return { key: certificate.publicKey }
      fault = `its issuer is refused: ${refused.message}`
    }
    return { fault }
  }

  /** Certificates of the issuer's name, those of the key that the list names first. */
  #candidates(list: RevocationList): readonly Certificate[] {
    const wanted = list.authorityKeyIdentifier?.keyIdentifier
    const named = this.#certificates.filter((certificate) => certificate.subject.equals(list.issuer))
    if (wanted === undefined) return named
    const fits = (certificate: Certificate): boolean =>
      certificate.subjectKeyIdentifier !== undefined && equalBytes(certificate.subjectKeyIdentifier, wanted)
    return [...named.filter(fits), ...named.filter((certificate) => !fits(certificate))]
  }

  #isSignedBy(list: RevocationList, key: PublicKey, { budget }: RevocationQuery): boolean {
    if (this.#signedBy.get(list)?.equals(key) === true) return true
    budget.spendSignatureCheck(key.bits)
    if (!list.verifySignatureBy(key)) return false
    this.#signedBy.set(list, key)
    return true
  }
}

/** Why a list is not about a certificate at a distribution point; undefined = it is. */
function scopeFault(
  list: RevocationList,
  certificate: Certificate,
  point: DistributionPoint,
  namesOf: () => readonly string[],
  { covered }: CrlSettings,
): string | undefined {
  const scope = list.issuingDistributionPoint
  if (point.crlIssuer === undefined) {
    if (!list.issuer.equals(certificate.issuer)) return 'its issuer is not the one of the certificate'
  } else {
    // §6.3.3 (b)(1): "verify that the issuer field in the complete CRL matches cRLIssuer in the DP and that the complete CRL contains
    // an issuing distribution point extension with the indirectCRL boolean asserted".
    if (!directoryNames(point.crlIssuer).some((name) => name.equals(list.issuer)))
      return 'its issuer is not the one that the distribution point names'
    if (scope?.indirectCrl !== true && !list.issuer.equals(certificate.issuer))
      return 'it is not an indirect list'
  }
  return scope === undefined
    ? undefined
    : (kindFault(scope, certificate) ?? nameFault(scope, list, namesOf, covered))
}

/** The point that a certificate without the extension has: its issuer's name, all reasons (§6.3.3, last paragraph). */
function implicitPoint(certificate: Certificate): DistributionPoint {
  return {
    name: { fullName: [{ type: 'directoryName', name: certificate.issuer }] },
    reasons: undefined,
    crlIssuer: undefined,
  }
}

/** The directory names among general names. */
function directoryNames(names: readonly GeneralName[]): readonly DistinguishedName[] {
  return names.flatMap((name) => (name.type === 'directoryName' ? [name.name] : []))
}

/** §6.3.3 (b)(2)(ii) to (iv). */
function kindFault(scope: IssuingDistributionPoint, certificate: Certificate): string | undefined {
  const isCa = certificate.basicConstraints?.ca === true
  if (scope.onlyContainsUserCerts && isCa) return 'it is about end entities alone'
  if (scope.onlyContainsCaCerts && !isCa) return 'it is about CAs alone'
  return scope.onlyContainsAttributeCerts ? 'it is about attribute certificates alone' : undefined
}

/** §6.3.3 (b)(2)(i): one name is in both; a point without a name stands for its issuer's names. */
function nameFault(
  scope: IssuingDistributionPoint,
  list: RevocationList,
  namesOf: () => readonly string[],
  covered: CrlSettings['covered'],
): string | undefined {
  if (scope.name === undefined) return undefined
  let names = covered.get(list)
  if (names === undefined) covered.set(list, (names = new Set(pointKeys(scope.name, list.issuer))))
  return namesOf().some((key) => names.has(key)) ? undefined : 'its distribution point is another'
}

/** What a point is called, or its issuer where it has no name. */
function namesOfPoint(point: DistributionPoint, certificate: Certificate): readonly string[] {
  const base = directoryNames(point.crlIssuer ?? [])[0] ?? certificate.issuer
  return point.name === undefined ? (point.crlIssuer ?? []).map(nameKey) : pointKeys(point.name, base)
}

function countOfNames({ name, crlIssuer }: DistributionPoint): number {
  return (crlIssuer?.length ?? 0) + (name !== undefined && 'fullName' in name ? name.fullName.length : 1)
}

/** Equal for equal names. */
function pointKeys(name: DistributionPointName, base: DistinguishedName): readonly string[] {
  if ('fullName' in name) return name.fullName.map(nameKey)
  const relative = DistinguishedName.fromDer(sequence(name.nameRelativeToCrlIssuer)).comparisonKey
  return [`directoryName ${base.isEmpty ? relative : `${base.comparisonKey}\u0001${relative}`}`]
}

function nameKey(name: GeneralName): string {
  return name.type === 'directoryName'
    ? `directoryName ${name.name.comparisonKey}`
    : toHex(encodeGeneralName(name))
}

/** What the lists say. */
export type CrlStatus =
  | { readonly status: 'revoked'; readonly entry: RevokedEntry }
  | { readonly status: 'good' }
  | { readonly status: 'unknown'; readonly reason: string }

/** How lists are used. */
export interface CrlSettings {
  /** As `byScope` has them. */
  readonly scopes: readonly (readonly RevocationList[])[]
  /** Why there may be nothing about a certificate. */
  readonly nothingFound: string
  readonly issuers: CrlIssuers
  /** The names of the scope of a list, made once. */
  readonly covered: WeakMap<RevocationList, ReadonlySet<string>>
  /** Oldest `thisUpdate` that is taken, in milliseconds before the time of the verification. */
  readonly maximumAgeMs: number
}

/** @throws ERR_PATH_BUDGET; what reading a malformed extension throws */
export function crlStatus(query: RevocationQuery, settings: CrlSettings): CrlStatus {
  // A CRL issuer that was caught must not clear itself while somebody else has something to say. Where nobody has, its word is all there is
  // (RFC 5280 §6.3.3 has no rule against it, and CAs that change keys depend on it).
  const ownWord = { counts: false, heard: false }
  const first = statusFrom(query, settings, ownWord)
  return first.status === 'unknown' && ownWord.heard
    ? statusFrom(query, settings, { counts: true, heard: false })
    : first
}

/** Whether a list that the certificate in question signed itself counts, and whether there was one. */
interface OwnWord {
  readonly counts: boolean
  heard: boolean
}

/**
 * Asks the newest list of each scope that can answer, also where others have covered every reason before: the RFC may stop there, and a
 * current list that accuses would not be heard.
 */
function statusFrom(query: RevocationQuery, settings: CrlSettings, ownWord: OwnWord): CrlStatus {
  const { certificate } = query
  const answers = new Map<RevocationList, CrlStatus>()
  let covered: ReasonFlags = 0
  let reason: string | undefined
  const explicit = certificate.crlDistributionPoints ?? []
  for (const point of [...explicit, implicitPoint(certificate)]) {
    const count = countOfNames(point)
    let names: readonly string[] | undefined
    const namesOf = (): readonly string[] => {
      // To write a name for comparison costs several comparisons.
      query.budget.spend('nameComparisons', names === undefined ? 4 * count : count)
      return (names ??= namesOfPoint(point, certificate))
    }
    for (const scope of settings.scopes) {
      for (const list of scope) {
        if (list.deltaCrlIndicator !== undefined) continue
        // (d), (e)
        const interim =
          (point.reasons ?? allReasons) &
          (list.issuingDistributionPoint?.onlySomeReasons ?? allReasons) &
          allReasons
        if (interim === 0) continue
        query.budget.spend('nameComparisons', 2 + (point.crlIssuer?.length ?? 0))
        const fault = scopeFault(list, certificate, point, namesOf, settings)
        if (fault !== undefined) {
          reason = fault
          continue
        }
        const answer = answers.get(list) ?? askList(list, scope, query, settings, ownWord)
        answers.set(list, answer)
        if (answer.status === 'revoked') return answer
        if (answer.status === 'unknown') {
          reason = answer.reason
          continue
        }
        covered |= interim
        break
      }
    }
  }
  if (covered === allReasons) return { status: 'good' }
  const found = reason === undefined ? settings.nothingFound : `a list was found and ${reason}`
  return {
    status: 'unknown',
    reason: covered === 0 ? found : `the lists at hand do not cover every reason; ${found}`,
  }
}

/** Steps (a) and (c) to (k) for one complete list. */
function askList(
  list: RevocationList,
  scope: readonly RevocationList[],
  query: RevocationQuery,
  settings: CrlSettings,
  ownWord: OwnWord,
): CrlStatus {
  const critical = unknownCritical(list)
  if (critical !== undefined)
    return {
      status: 'unknown',
      reason: `it has the critical extension ${critical}, which is not known, or must not be critical`,
    }
  // RFC 5280 §5.2.3: "Conforming CRL issuers MUST include this extension in all CRLs"; without it the order of lists cannot be told.
  if (list.version === 2 && list.crlNumber === undefined)
    return { status: 'unknown', reason: 'it has no CRL number' }
  const signed = settings.issuers.keyOf(list, query)
  if ('fault' in signed) return { status: 'unknown', reason: signed.fault }
  if (!ownWord.counts && signed.key.equals(query.certificate.publicKey)) {
    ownWord.heard = true
    return { status: 'unknown', reason: 'it is signed with the very key in question' }
  }
  const base = findEntry(list, query)
  const { delta, accusation } = findDelta(list, scope, signed.key, query, settings)
  if (accusation !== undefined) return { status: 'revoked', entry: accusation }
  const stale = freshnessFault(list, query.time, settings.maximumAgeMs)
  // RFC 5280 §5.2.4: both together are one list, with thisUpdate and nextUpdate of the delta.
  if (stale !== undefined && (delta === undefined || isFromFuture(list, query.time))) {
    // A list that is past its time cannot clear anybody; what it revoked for good stays revoked.
    return base !== undefined && isForGood(base)
      ? { status: 'revoked', entry: base }
      : { status: 'unknown', reason: stale }
  }
  const entry = delta === undefined ? base : (findEntry(delta, query) ?? base)
  // (k): an entry "removeFromCRL" takes a certificate off hold. §5.3.1 has it in deltas alone, and step (k) in either; OpenSSL as well.
  return entry === undefined || entry.reason === 'removeFromCRL'
    ? { status: 'good' }
    : { status: 'revoked', entry }
}

interface FoundDelta {
  readonly delta?: RevocationList | undefined
  /** What a newer delta has revoked that cannot complete the list. */
  readonly accusation?: RevokedEntry | undefined
}

/**
 * Steps (c) and (h): the newest current delta of the same scope and key, whose base is not newer than the list and which is newer itself. Newer
 * ones that are past their time, or build on a list that is not at hand, complete nothing and clear nobody. What they revoked is revoked all
 * the same: for good where they are past their time, as in a complete list.
 */
function findDelta(
  list: RevocationList,
  scope: readonly RevocationList[],
  key: PublicKey,
  query: RevocationQuery,
  settings: CrlSettings,
): FoundDelta {
  const number = list.crlNumber
  if (number === undefined) return {}
  for (const delta of scope) {
    const from = delta.deltaCrlIndicator
    if (from === undefined || (delta.crlNumber ?? -1n) < number) continue
    if (!sameExtension(delta, list, extensionOids.authorityKeyIdentifier)) continue
    if (unknownCritical(delta) !== undefined || isFromFuture(delta, query.time)) continue
    const current = freshnessFault(delta, query.time, settings.maximumAgeMs) === undefined
    const completes = current && from <= number
    // Looked up before its signature is checked: a caller may keep any number of deltas of the past.
    const entry = completes ? undefined : findEntry(delta, query)
    if (
      !completes &&
      (entry === undefined || !(isForGood(entry) || (current && entry.reason !== 'removeFromCRL')))
    )
      continue
    const signed = settings.issuers.keyOf(delta, query)
    if ('key' in signed && signed.key.equals(key))
      return entry === undefined ? { delta } : { accusation: entry }
  }
  return {}
}

/** Whether an entry holds whatever comes later: no hold, and not its end (RFC 5280 §5.3.1). */
function isForGood({ reason }: RevokedEntry): boolean {
  return reason !== 'certificateHold' && reason !== 'removeFromCRL'
}

/** Entries of one serial number are compared one by one, and may name any number of issuers; to read a name costs some twenty comparisons. */
function findEntry(list: RevocationList, { certificate, budget }: RevocationQuery): RevokedEntry | undefined {
  const own = list.issuer.equals(certificate.issuer)
  if (!own && list.issuingDistributionPoint?.indirectCrl !== true) return undefined
  // An issuer that an entry names is read in any list: one that is not indirect has no use for it, and nobody is cleared for that.
  return list.find(certificate.serialNumberBytes, (names: readonly GeneralName[] | undefined) => {
    budget.spend('nameComparisons', names === undefined ? 1 : 20 * (1 + names.length))
    return names === undefined ? own : directoryNames(names).some((name) => name.equals(certificate.issuer))
  })
}

/** Step (a): current at the time of the verification; the last second belongs to it. */
function freshnessFault(list: RevocationList, time: Date, maximumAgeMs: number): string | undefined {
  if (isFromFuture(list, time)) return 'it is from the future'
  const now = time.getTime()
  // RFC 5280 §5.1.2.5: "Conforming CRL issuers MUST include the nextUpdate field in all CRLs."
  if (list.nextUpdate === undefined) return 'it does not say when the next one comes'
  if (now >= list.nextUpdate.getTime() + 1000) return 'it is past its next update'
  return now - list.thisUpdate.getTime() > maximumAgeMs
    ? 'it is older than this verification takes'
    : undefined
}

function isFromFuture(list: RevocationList, time: Date): boolean {
  return time.getTime() < list.thisUpdate.getTime()
}

function unknownCritical(list: RevocationList): string | undefined {
  return (
    list.extensions.find(({ oid, critical }) => critical && !mayBeCritical.has(oid))?.oid ??
    list.unknownCriticalEntryExtension
  )
}

function sameExtension(a: RevocationList, b: RevocationList, oid: string): boolean {
  const [left, right] = [a.extension(oid)?.value, b.extension(oid)?.value]
  return left === undefined || right === undefined ? left === right : equalBytes(left, right)
}

/**
 * Lists by issuer and scope, the newest of each first by its CRL number (RFC 5280 §5.2.3): an older list must neither clear nor accuse where a
 * newer one has answered. Those of version 1 have no numbers, and are apart.
 *
 * @throws what reading a malformed issuer or extension throws
 */
export function byScope(lists: readonly RevocationList[]): readonly (readonly RevocationList[])[] {
  const scopes = new Map<string, RevocationList[]>()
  for (const list of lists) {
    const scope = list.extension(extensionOids.issuingDistributionPoint)?.value
    const key = `${list.version} ${scope === undefined ? '' : toHex(scope)} ${list.issuer.comparisonKey}`
    const there = scopes.get(key)
    if (there === undefined) scopes.set(key, [list])
    else there.push(list)
  }
  return [...scopes.values()].map((scope) => scope.sort(byNumber))
}

function byNumber(a: RevocationList, b: RevocationList): number {
  const [left, right] = [a.crlNumber ?? -1n, b.crlNumber ?? -1n]
  return left === right ? b.thisUpdate.getTime() - a.thisUpdate.getTime() : left > right ? -1 : 1
}

/** RFC 5280 §5.2.4 and §5.2.5; §5.2.2 leaves it open. The CRL number (§5.2.3), the key identifier (§4.2.1.1) and the freshest CRL (§5.2.6) are not critical. */
const mayBeCritical: ReadonlySet<string> = new Set([
  extensionOids.deltaCrlIndicator,
  extensionOids.issuingDistributionPoint,
  extensionOids.issuerAltName,
])
