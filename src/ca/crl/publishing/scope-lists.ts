// The complete and the delta list of each scope of a CA key: numbered and kept in the CrlStore, compared with
// the last one before they are published.

import { PkiError } from '../../../errors/index.ts'
import { Turns } from '../../../internal/turns/turns.ts'
import type { Clock } from '../../../runtime/index.ts'
import type { Certificate, Crl } from '../../../x509/index.ts'
import { parseCrlInTurns } from '../../../x509/internal.ts'
import type { CaStorage } from '../../records/ca-storage.ts'
import type { KeyIdentifier } from '../../records/certificate-record.ts'
import { completeList, crlUrl, deltaName } from '../crl-shards.ts'
import type { ReadCrlDistribution } from '../crl-shards.ts'
import { isCurrent, nextNumber, wholeSecond } from '../crl-times.ts'
import { EntryRuns } from '../entry-runs.ts'
import type { ListedEntry } from '../entry-runs.ts'
import { isOf } from '../revocation-table.ts'
import type { RevocationTable } from '../revocation-table.ts'
import { compareWithPublished } from './crl-comparison.ts'
import type { CrlSigner } from './crl-signer.ts'
import { ListTimes } from './list-times.ts'

/** The settings of lists. */
export interface CrlSettings {
  readonly storage: CaStorage
  /** Time from a complete list to its nextUpdate. */
  readonly ttlSeconds: number
  readonly distribution: ReadCrlDistribution
  readonly clock: Clock
}

/** The requested list. */
export interface WantedCrl {
  readonly shard: string
  readonly delta: boolean
  /** Signs a new list even if the last one is current. */
  readonly fresh: boolean
}

/** The CA certificate that signs the lists, and the key identifier under which they are stored. */
interface ListIssuer {
  readonly certificate: Certificate
  readonly issuer: KeyIdentifier
}

/** The lists of one scope. */
interface Scope {
  readonly shard: string
  /** The last lists that were read or published. */
  complete: Crl | undefined
  delta: Crl | undefined
  /** The version of the entries in each list; undefined if it is not known. */
  completeVersion: number | undefined
  deltaVersion: number | undefined
  /** Whether the last lists were read from the store. */
  isRead: boolean
  /** The entries that the versions refer to; they are created again if the table must read older changes. */
  runs: EntryRuns | undefined
}

/** Makes the lists of one CA certificate, of which only one may be in progress. */
export class ScopeLists {
  readonly #ca: ListIssuer
  readonly #signer: CrlSigner
  readonly #table: RevocationTable
  readonly #settings: CrlSettings
  readonly #scopes = new Map<string, Scope>()
  readonly #times: ListTimes

  constructor(ca: ListIssuer, signer: CrlSigner, table: RevocationTable, settings: CrlSettings) {
    this.#ca = ca
    this.#signer = signer
    this.#table = table
    this.#settings = settings
    this.#times = new ListTimes(settings)
  }

  /**
   * The last list if it is current, otherwise a new one.
   *
   * @throws ERR_STORE_CONFLICT if another process has published: the next call reads its list;
   *   ERR_CRL_SHARD_UNKNOWN, ERR_CA_EXPIRED, ERR_LINT; as `CrlSigner.sign`
   */
  async current(wanted: WantedCrl): Promise<Crl> {
    const scope = this.#scopeOf(wanted.shard)
    try {
      return await this.#attempt(scope, wanted)
    } catch (error) {
      scope.isRead = false
      throw error
    }
  }

  #scopeOf(shard: string): Scope {
    let scope = this.#scopes.get(shard)
    if (scope === undefined) {
      const nothing = { complete: undefined, delta: undefined, runs: undefined }
      scope = { shard, ...nothing, completeVersion: undefined, deltaVersion: undefined, isRead: false }
      this.#scopes.set(shard, scope)
    }
    return scope
  }

  async #attempt(scope: Scope, { delta, fresh }: WantedCrl): Promise<Crl> {
    const { distribution } = this.#settings
    const turns = new Turns()
    if (!scope.isRead) await this.#read(scope, turns)
    await this.#leaveLaterClock(scope)
    const { runs, lookBackMs, thisUpdateMs } = await this.#runsOf(scope, turns)
    this.#requireCertificate(thisUpdateMs)
    if (scope.runs !== runs) await this.#compare(scope, runs, thisUpdateMs, turns)
    await this.#table.dropExpired(runs, lookBackMs, turns)
    const last = scope.complete
    const isKept =
      last !== undefined &&
      isCurrent(last, thisUpdateMs) &&
      (distribution.deltaTtlSeconds !== undefined || scope.completeVersion === runs.version)
    const complete =
      isKept && !(fresh && !delta) ? last : await this.#complete(scope, runs, thisUpdateMs, turns)
    return delta ? this.#delta(scope, complete, runs, { thisUpdateMs, fresh }, turns) : complete
  }

  /** The last lists of a scope, as the store has them. */
  async #read(scope: Scope, turns: Turns): Promise<void> {
    const { crls } = this.#settings.storage
    const read = async (name: string): Promise<Crl | undefined> => {
      const stored = await crls.last(this.#ca.issuer, name)
      return stored && (await parseCrlInTurns(stored.crl, turns))
    }
    scope.complete = await read(scope.shard)
    scope.delta =
      this.#settings.distribution.deltaTtlSeconds === undefined
        ? undefined
        : await read(deltaName(scope.shard))
    this.#times.note([scope.complete, scope.delta])
    scope.runs = undefined
    scope.isRead = true
  }

  async #leaveLaterClock({ complete, delta }: Scope): Promise<void> {
    const all = (): readonly (Crl | undefined)[] =>
      [...this.#scopes.values()].flatMap((scope) => [scope.complete, scope.delta])
    // The entries in the table have dates of the later clock.
    if (await this.#times.leaveLaterClock([complete, delta], all)) this.#table.forget()
  }

  async #runsOf(
    { shard, complete }: Scope,
    turns: Turns,
  ): Promise<{ readonly runs: EntryRuns; readonly lookBackMs: number; readonly thisUpdateMs: number }> {
    const { clock, ttlSeconds } = this.#settings
    const nowMs = wholeSecond(clock.now())
    // RFC 5280 §3.3: an entry stays until it was on a list that was issued after its certificate expired.
    const lookBackMs = Math.min(nowMs - ttlSeconds * 1000, complete?.thisUpdate.getTime() ?? Infinity)
    // The time of the list is the time when its entries were read, so no entry is later.
    const thisUpdateMs = await this.#table.update(lookBackMs, () => this.#times.now(), turns)
    return { runs: await this.#table.runsOf(shard, turns), lookBackMs, thisUpdateMs }
  }

  /**
   * Versions of other entries cannot be compared with these, so the changes since the complete list are found
   * by comparing the entries. @throws ERR_LINT
   */
  async #compare(scope: Scope, runs: EntryRuns, nowMs: number, turns: Turns): Promise<void> {
    scope.runs = runs
    scope.completeVersion = undefined
    scope.deltaVersion = undefined
    if (this.#settings.distribution.deltaTtlSeconds !== undefined) runs.trackChanges()
    const { complete: list, shard } = scope
    if (list === undefined) return
    const { certificates: store } = this.#settings.storage
    const comparison = { list, shard, runs, table: this.#table, store, issuer: this.#ca.issuer, nowMs }
    if (await compareWithPublished(comparison, turns)) scope.completeVersion = runs.version
  }

  async #complete(scope: Scope, runs: EntryRuns, thisUpdateMs: number, turns: Turns): Promise<Crl> {
    const { ttlSeconds, distribution } = this.#settings
    const { shard, complete: previous, delta } = scope
    const url = shard === completeList ? undefined : this.#urlOf(shard)
    if (shard !== completeList && url === undefined && previous === undefined)
      throw new PkiError(
        'ERR_CRL_SHARD_UNKNOWN',
        `issueCrl: the CRL shard ${JSON.stringify(shard)} has certificates and no list yet; its first list ` +
          'requires the url of crlDistribution that the certificates name',
      )
    const crlNumber = nextNumber(
      this.#times.numberFrom(thisUpdateMs),
      [previous?.crlNumber, delta?.crlNumber],
      'complete',
    )
    const list = await this.#signer.sign(
      {
        ...{ runs, thisUpdateMs, crlNumber, previous },
        ttlSeconds,
        url,
        freshestUrl: distribution.deltaTtlSeconds === undefined ? undefined : this.#urlOf(shard, 'delta'),
        lastNumber: highest(previous?.crlNumber, delta?.crlNumber),
        acceptedMs: this.#times.isOfLaterClock(previous) ? thisUpdateMs : undefined,
      },
      turns,
    )
    await this.#publish(shard, list, previous?.crlNumber)
    scope.complete = list
    scope.completeVersion = runs.version
    scope.deltaVersion = undefined
    if (distribution.deltaTtlSeconds !== undefined) runs.trackChanges()
    return list
  }

  /** RFC 5280 §5.2.4: the changes since the last complete list of the same scope. */
  async #delta(
    scope: Scope,
    base: Crl,
    runs: EntryRuns,
    { thisUpdateMs, fresh }: { readonly thisUpdateMs: number; readonly fresh: boolean },
    turns: Turns,
  ): Promise<Crl> {
    const { delta: previous, shard } = scope
    const isKept =
      previous !== undefined && isCurrent(previous, thisUpdateMs) && scope.deltaVersion === runs.version
    if (isKept && !fresh) return previous
    const list = await this.#signer.sign(
      {
        runs: await EntryRuns.of(this.#changedOf(runs, shard), turns),
        thisUpdateMs,
        crlNumber: nextNumber(
          this.#times.numberFrom(thisUpdateMs),
          [base.crlNumber, previous?.crlNumber],
          'delta',
        ),
        baseNumber: base.crlNumber,
        // The scope of a delta is that of its base.
        previous: base,
        ttlSeconds: this.#settings.distribution.deltaTtlSeconds as number,
        // Its names are those of the base.
        url: undefined,
        lastNumber: highest(base.crlNumber, previous?.crlNumber),
      },
      turns,
    )
    await this.#publish(deltaName(shard), list, previous?.crlNumber)
    scope.delta = list
    scope.deltaVersion = runs.version
    return list
  }

  #changedOf(runs: EntryRuns, shard: string): readonly ListedEntry[] {
    const entries: ListedEntry[] = []
    for (const [serialNumber, before] of runs.changed) {
      const entry = this.#table.find(serialNumber)
      const isListed = entry !== undefined && isOf(entry, shard)
      entries.push(isListed ? entry : { ...before, reason: 'removeFromCRL' })
    }
    return entries
  }

  #urlOf(shard: string, kind?: 'delta'): string | undefined {
    return crlUrl(this.#settings.distribution, this.#ca.issuer, shard, kind)
  }

  #requireCertificate(thisUpdateMs: number): void {
    const { subject, notAfter, notAfterMs } = this.#ca.certificate
    if (thisUpdateMs < notAfterMs) return
    throw new PkiError(
      'ERR_CA_EXPIRED',
      `${subject.toString()} is valid until ${notAfter.toISOString()} and signs no CRL after that; ` +
        `the time is ${new Date(this.#settings.clock.now()).toISOString()}`,
    )
  }

  /** @throws ERR_STORE_CONFLICT if another process has published */
  async #publish(shard: string, list: Crl, expectedNumber: bigint | undefined): Promise<void> {
    const { crlNumber, der, thisUpdate, nextUpdate } = list
    await this.#settings.storage.crls.publish(
      {
        issuer: this.#ca.issuer,
        ...{ shard, number: crlNumber as bigint, crl: der, thisUpdate, nextUpdate: nextUpdate as Date },
      },
      { expectedNumber },
    )
    this.#times.note([list])
  }
}

function highest(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a
}
