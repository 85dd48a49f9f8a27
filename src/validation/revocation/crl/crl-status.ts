// The status of one certificate from the available CRLs (RFC 5280 §6.3.3, steps (a) to (l)).

import { allReasons } from '../../../x509/internal.ts'
import type { Crl, RevokedEntry } from '../../../x509/index.ts'
import type { DistributionPoint, ReasonFlags } from '../../../x509/internal.ts'
import type { RevocationQuery } from '../../revocation-contract.ts'
import { Reasons } from '../reasons.ts'
import { findDelta } from './crl-delta.ts'
import type { CrlIssuers } from './crl-issuers.ts'
import {
  accuses,
  clearingFault,
  findEntry,
  freshnessFault,
  isForGood,
  isFromFuture,
  unusableFault,
} from './crl-lists.ts'
import type { CrlTimes } from './crl-lists.ts'
import {
  countOfNames,
  explicitPoints,
  implicitPoint,
  mayBeAbout,
  namesOfPoint,
  scopeFault,
} from './crl-scope.ts'
import type { CoveredNames } from './crl-scope.ts'

/** The status according to the lists. */
export type CrlStatus =
  | { readonly status: 'revoked'; readonly entry: RevokedEntry }
  | { readonly status: 'good' }
  | { readonly status: 'unknown'; readonly reason: string }

/** Settings for the use of lists. */
export interface CrlSettings extends CrlTimes {
  /** Grouped as by `byScope`. */
  readonly scopes: readonly (readonly Crl[])[]
  /**
   * Lists with a malformed extension: they cannot show a good status, but their revocations count.
   */
  readonly accusing: readonly Crl[]
  /** The first list that cannot be read, or has an extension that cannot; reported if no list answers. */
  readonly malformed: string | undefined
  readonly issuers: CrlIssuers
  readonly covered: CoveredNames
}

/** @throws ERR_PATH_BUDGET; the errors of reading a malformed extension */
export function crlStatus(query: RevocationQuery, settings: CrlSettings): CrlStatus {
  // A list signed by the certificate's own key is used only if no other list answers: a compromised CRL
  // issuer must not clear itself. RFC 5280 §6.3.3 has no rule against using such a list, and CAs that change
  // keys depend on it.
  const accusation = accusationOf(query, settings)
  if (accusation !== undefined) return { status: 'revoked', entry: accusation }
  const search = new StatusSearch(query, settings, false)
  const first = search.run()
  return first.status === 'unknown' && search.ownWordWasLeftOut
    ? new StatusSearch(query, settings, true).run()
    : first
}

/**
 * The entry in a current list with a malformed extension: the list is signed by the issuer, or by the CRL
 * issuer that the certificate names, which is bound by RFC 5280 §5.2.
 */
function accusationOf(query: RevocationQuery, settings: CrlSettings): RevokedEntry | undefined {
  if (settings.accusing.length === 0) return undefined
  const points = explicitPoints(query.certificate)
  const comparisons = points.reduce((sum, { crlIssuer = [] }) => sum + crlIssuer.length, 1)
  for (const list of settings.accusing) {
    query.budget.spend('nameComparisons', comparisons)
    if (!mayBeAbout(list, query.certificate) || unusableFault(list) !== undefined) continue
    const entry = findEntry(list, query)
    if (entry === undefined || !accuses(list, entry, query.time, settings)) continue
    if (settings.issuers.keyOf(list, query).key !== undefined) return entry
  }
  return undefined
}

/**
 * Reads the newest list of each applicable scope, even if other lists have already covered every reason. The
 * RFC permits stopping there, but a current list with a revocation would be missed.
 */
class StatusSearch {
  readonly #query: RevocationQuery
  readonly #settings: CrlSettings
  /** Whether a list counts that is signed by the certificate in question. */
  readonly #ownWordCounts: boolean
  readonly #answers = new Map<Crl, CrlStatus>()
  #covered: ReasonFlags = 0
  readonly #reasons = new Reasons()
  /** Why the lists do not cover the certificate. */
  readonly #elsewhere = new Reasons()
  /** Whether a list signed by the certificate in question was skipped. */
  ownWordWasLeftOut = false

  constructor(query: RevocationQuery, settings: CrlSettings, ownWordCounts: boolean) {
    this.#query = query
    this.#settings = settings
    this.#ownWordCounts = ownWordCounts
  }

  run(): CrlStatus {
    const { certificate } = this.#query
    for (const point of [...explicitPoints(certificate), implicitPoint(certificate)]) {
      const namesOf = this.#namesOf(point)
      for (const scope of this.#settings.scopes) {
        const revoked = this.#askScope(scope, point, namesOf)
        if (revoked !== undefined) return revoked
      }
    }
    return this.#covered === allReasons
      ? { status: 'good' }
      : { status: 'unknown', reason: this.#whyUnknown() }
  }

  /** The first list of a scope that answers; only "revoked" ends the search. */
  #askScope(
    scope: readonly Crl[],
    point: DistributionPoint,
    namesOf: () => readonly string[],
  ): CrlStatus | undefined {
    for (const list of scope) {
      if (list.deltaCrlIndicator !== undefined) continue
      // (d), (e)
      const inList = list.issuingDistributionPoint?.onlySomeReasons ?? allReasons
      const interim = (point.reasons ?? allReasons) & inList & allReasons
      if (interim === 0 || !this.#isAbout(list, point, namesOf)) continue
      const answer = this.#answers.get(list) ?? this.#askList(list, scope)
      this.#answers.set(list, answer)
      if (answer.status === 'revoked') return answer
      if (answer.status === 'good') {
        this.#covered |= interim
        return undefined
      }
      this.#reasons.add(answer.reason)
    }
    return this.#askDeltasAlone(scope, point, namesOf)
  }

  /**
   * Deltas without a complete list cannot show a good status, but their revocations count. The newest delta
   * that lists the certificate is used.
   */
  #askDeltasAlone(
    scope: readonly Crl[],
    point: DistributionPoint,
    namesOf: () => readonly string[],
  ): CrlStatus | undefined {
    const { time, certificate } = this.#query
    for (const delta of scope) {
      if (delta.deltaCrlIndicator === undefined || unusableFault(delta) !== undefined) continue
      if (!this.#isAbout(delta, point, namesOf)) continue
      const entry = findEntry(delta, this.#query)
      if (entry === undefined) {
        this.#elsewhere.add('it is a delta list, and its complete list is not available')
        continue
      }
      const { key } = this.#settings.issuers.keyOf(delta, this.#query)
      if (key === undefined || (!this.#ownWordCounts && key.equals(certificate.publicKey))) continue
      return accuses(delta, entry, time, this.#settings) ? { status: 'revoked', entry } : undefined
    }
    return undefined
  }

  #isAbout(list: Crl, point: DistributionPoint, namesOf: () => readonly string[]): boolean {
    const { certificate, budget } = this.#query
    budget.spend('nameComparisons', 2 + (point.crlIssuer?.length ?? 0))
    const fault = scopeFault(list, certificate, point, namesOf, this.#settings.covered)
    if (fault !== undefined) this.#elsewhere.add(fault)
    return fault === undefined
  }

  /** Steps (a) and (c) to (k) for one complete list. */
  #askList(list: Crl, scope: readonly Crl[]): CrlStatus {
    const { issuers } = this.#settings
    const unusable = unusableFault(list)
    if (unusable !== undefined) return { status: 'unknown', reason: unusable }
    const { key, fault = '' } = issuers.keyOf(list, this.#query)
    if (key === undefined) return { status: 'unknown', reason: fault }
    if (!this.#ownWordCounts && key.equals(this.#query.certificate.publicKey)) {
      this.ownWordWasLeftOut = true
      return { status: 'unknown', reason: 'it is signed with the key of the certificate itself' }
    }
    const defect = fault === '' ? clearingFault(list) : fault
    if (defect !== undefined) {
      const entry = findEntry(list, this.#query)
      return entry !== undefined && accuses(list, entry, this.#query.time, this.#settings)
        ? { status: 'revoked', entry }
        : { status: 'unknown', reason: defect }
    }
    const { delta, accusation } = findDelta(list, scope, key, this.#query, this.#settings)
    return accusation === undefined ? this.#read(list, delta) : { status: 'revoked', entry: accusation }
  }

  /** RFC 5280 §5.2.4: list and delta are treated as one list, with thisUpdate and nextUpdate of the delta. */
  #read(list: Crl, delta: Crl | undefined): CrlStatus {
    const { time } = this.#query
    const base = findEntry(list, this.#query)
    const stale = freshnessFault(list, time, this.#settings)
    if (stale !== undefined && (delta === undefined || isFromFuture(list, time, this.#settings))) {
      // An outdated list cannot show a good status; its permanent revocations still count.
      return base !== undefined && isForGood(base)
        ? { status: 'revoked', entry: base }
        : { status: 'unknown', reason: stale }
    }
    const entry = delta === undefined ? base : (findEntry(delta, this.#query) ?? base)
    // (k): an entry "removeFromCRL" ends a hold. §5.3.1 allows it in delta lists only; step (k) processes it
    // in either kind of list, as OpenSSL does.
    return entry === undefined || entry.reason === 'removeFromCRL'
      ? { status: 'good' }
      : { status: 'revoked', entry }
  }

  /** Preparing a name for comparison costs several comparisons. */
  #namesOf(point: DistributionPoint): () => readonly string[] {
    const count = countOfNames(point)
    let names: readonly string[] | undefined
    return () => {
      this.#query.budget.spend('nameComparisons', names === undefined ? 4 * count : count)
      return (names ??= namesOfPoint(point, this.#query.certificate))
    }
  }

  #whyUnknown(): string {
    const reasons = this.#reasons.isEmpty ? this.#elsewhere : this.#reasons
    const found = reasons.isEmpty
      ? 'no list covers it'
      : `a list was found, but ${reasons.join('; another was found, but ')}`
    const more = this.#reasons.isEmpty ? this.#malformed() + this.#namedPoints() : ''
    return this.#covered === 0
      ? found + more
      : `the available lists do not cover every reason; ${found}${more}`
  }

  #malformed(): string {
    const { malformed } = this.#settings
    return malformed === undefined ? '' : `, and one is malformed: ${malformed}`
  }

  /** The distribution points of the certificate, to name a missing shard. */
  #namedPoints(): string {
    const uris = explicitPoints(this.#query.certificate).flatMap(({ name }) =>
      name !== undefined && 'fullName' in name
        ? name.fullName.flatMap((one) => (one.type === 'uri' ? [one.value] : []))
        : [],
    )
    const shown = uris.slice(0, 2).map((uri) => JSON.stringify(uri.slice(0, 256)))
    return shown.length === 0 ? '' : `; its certificate names the distribution point ${shown.join(' or ')}`
  }
}
