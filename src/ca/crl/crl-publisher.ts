// The CRLs of one CA key, complete, sharded and delta: numbered and kept in the CrlStore, compared with the
// last one before they are published.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { Turns } from '../../internal/turns/turns.ts'
import type { Clock } from '../../runtime/index.ts'
import type { Certificate, Crl, Signer } from '../../x509/index.ts'
import { parseCrlInTurns } from '../../x509/internal.ts'
import type { CaStorage } from '../records/ca-storage.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import { compareWithPublished } from './crl-comparison.ts'
import { completeList, crlUrl, deltaName, isDeltaName, shardNames } from './crl-shards.ts'
import type { ReadCrlDistribution } from './crl-shards.ts'
import { CrlSigner } from './crl-signer.ts'
import { isCurrent, nextNumber, wholeSecond } from './crl-times.ts'
import { EntryRuns } from './entry-runs.ts'
import type { ListedEntry } from './entry-runs.ts'
import { RevocationTable, isOf } from './revocation-table.ts'

/** What lists are made with. */
export interface CrlSettings {
  readonly storage: CaStorage
  /** From one complete list to its nextUpdate. */
  readonly ttlSeconds: number
  readonly distribution: ReadCrlDistribution
  readonly clock: Clock
}

/** Which list is asked for. */
export interface WantedCrl {
  readonly shard: string
  readonly delta: boolean
  /** Signs a list even where the last one is current. */
  readonly fresh: boolean
}

/** The lists of one scope. */
interface Scope {
  readonly shard: string
  /** The last lists that were read or published. */
  complete: Crl | undefined
  delta: Crl | undefined
  /** The version of the entries that each has; undefined where it is not known. */
  completeVersion: number | undefined
  deltaVersion: number | undefined
  /** Whether the last lists were read from the store. */
  isRead: boolean
}

/** Issues the lists of one CA certificate, one at a time. */
export class CrlPublisher {
  readonly certificate: Certificate
  /** The key identifier that records and lists are kept under. */
  readonly issuer: KeyIdentifier
  readonly #settings: CrlSettings
  readonly #table: RevocationTable
  readonly #signer: CrlSigner
  readonly #scopes = new Map<string, Scope>()
  /** The latest thisUpdate of all lists: no later list has an earlier one, nor an entry that is later. */
  #latestMs = 0
  #last: Promise<unknown> = Promise.resolve()
  /** The lists that the store had when they were first asked for. */
  #stored: readonly string[] | undefined
  /** Lists that wait for their turn, by what is asked for. */
  readonly #waiting = new Map<string, Promise<Crl>>()

  constructor(certificate: Certificate, signer: Signer, settings: CrlSettings) {
    this.certificate = certificate
    this.issuer = keyIdentifierOf(certificate.subjectKeyIdentifier as Uint8Array)
    this.#settings = settings
    this.#table = new RevocationTable(settings.storage.certificates, this.issuer)
    this.#signer = new CrlSigner(certificate, signer)
  }

  /**
   * The current list. Calls that come while a list is in progress share the next one: what the one in
   * progress read may be older than what the caller has just revoked.
   */
  issue(wanted: WantedCrl): Promise<Crl> {
    const { shard, delta, fresh } = wanted
    const key = `${shard} ${delta ? 'delta' : 'complete'}`
    const waiting = this.#waiting.get(`${key} fresh`) ?? (fresh ? undefined : this.#waiting.get(key))
    if (waiting !== undefined) return waiting
    const place = fresh ? `${key} fresh` : key
    const made = this.#last
      .catch(() => undefined)
      .then(() => {
        this.#waiting.delete(place)
        return this.#issue(wanted)
      })
    this.#last = made
    this.#waiting.set(place, made)
    return made
  }

  /**
   * The shards of this key: those that new certificates stand in, those that have a list or a revoked
   * certificate from a time when the number of shards was another.
   */
  async shards(): Promise<readonly string[]> {
    const { crls } = this.#settings.storage
    this.#stored ??= (await crls.list())
      .filter(({ issuer }) => issuer === this.issuer)
      .map(({ shard }) => shard)
    const names = [
      ...shardNames(this.#settings.distribution),
      ...this.#stored.filter((name) => name !== completeList && !isDeltaName(name)),
      ...this.#table.shards,
    ]
    return [...new Set(names)].filter((name) => name !== completeList)
  }

  /** @throws ERR_CRL_SHARD_UNKNOWN */
  async requireShard(shard: string): Promise<void> {
    if (shard === completeList || (await this.shards()).includes(shard)) return
    const { shards } = this.#settings.distribution
    throw new PkiError(
      'ERR_CRL_SHARD_UNKNOWN',
      `issueCrl: ${this.certificate.subject.toString()} has no CRL shard ` +
        `${JSON.stringify(shard.slice(0, 64))}; ` +
        (shards === 0 ? 'its lists are not divided' : `its shards are 0 to ${shards - 1}`),
    )
  }

  async #issue(wanted: WantedCrl): Promise<Crl> {
    for (let attempt = 1; ; attempt++) {
      const scope = this.#scopeOf(wanted.shard)
      try {
        return await this.#attempt(scope, wanted)
      } catch (error) {
        scope.isRead = false
        // Another process has published in the meantime: its list is the one to compare with.
        if (!isPkiError(error, 'ERR_STORE_CONFLICT') || attempt >= maxAttempts) throw error
      }
    }
  }

  #scopeOf(shard: string): Scope {
    let scope = this.#scopes.get(shard)
    if (scope === undefined) {
      const nothing = { complete: undefined, delta: undefined }
      scope = { shard, ...nothing, completeVersion: undefined, deltaVersion: undefined, isRead: false }
      this.#scopes.set(shard, scope)
    }
    return scope
  }

  async #attempt(scope: Scope, { delta, fresh }: WantedCrl): Promise<Crl> {
    const { clock, distribution } = this.#settings
    const turns = new Turns()
    const wasRead = scope.isRead
    if (!wasRead) await this.#read(scope, turns)
    const { runs, lookBackMs } = await this.#runsOf(scope, turns)
    // After the answer of the store, so that nothing in it is later than the list; never before the last
    // list, where the clock was set back.
    const thisUpdateMs = Math.max(wholeSecond(clock.now()), this.#latestMs)
    this.#requireCertificate(thisUpdateMs)
    if (!wasRead) await this.#compare(scope, runs, thisUpdateMs, turns)
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
      const stored = await crls.last(this.issuer, name)
      return stored && (await parseCrlInTurns(stored.crl, turns))
    }
    scope.complete = await read(scope.shard)
    scope.delta =
      this.#settings.distribution.deltaTtlSeconds === undefined
        ? undefined
        : await read(deltaName(scope.shard))
    this.#latestMs = Math.max(this.#latestMs, timeOf(scope.complete), timeOf(scope.delta))
    scope.completeVersion = undefined
    scope.deltaVersion = undefined
    scope.isRead = true
  }

  async #runsOf(
    { shard, complete }: Scope,
    turns: Turns,
  ): Promise<{ readonly runs: EntryRuns; readonly lookBackMs: number }> {
    const { clock, ttlSeconds } = this.#settings
    const nowMs = wholeSecond(clock.now())
    // RFC 5280 §3.3: an entry stays until it was on a list that was issued after its certificate expired.
    const lookBackMs = Math.min(nowMs - ttlSeconds * 1000, complete?.thisUpdate.getTime() ?? Infinity)
    await this.#table.update(lookBackMs, Math.max(nowMs, this.#latestMs), turns)
    return { runs: await this.#table.runsOf(shard, turns), lookBackMs }
  }

  /** @throws ERR_LINT */
  async #compare(scope: Scope, runs: EntryRuns, nowMs: number, turns: Turns): Promise<void> {
    if (this.#settings.distribution.deltaTtlSeconds !== undefined) runs.trackChanges()
    const { complete: list, shard } = scope
    if (list === undefined) return
    const { certificates: store } = this.#settings.storage
    const comparison = { list, shard, runs, table: this.#table, store, issuer: this.issuer, nowMs }
    if (await compareWithPublished(comparison, turns)) scope.completeVersion = runs.version
  }

  async #complete(scope: Scope, runs: EntryRuns, thisUpdateMs: number, turns: Turns): Promise<Crl> {
    const { ttlSeconds, distribution } = this.#settings
    const { shard, complete: previous, delta } = scope
    const url = shard === completeList ? undefined : this.#urlOf(shard)
    if (shard !== completeList && url === undefined && previous === undefined)
      throw new PkiError(
        'ERR_CRL_SHARD_UNKNOWN',
        `issueCrl: certificates stand in the CRL shard ${JSON.stringify(shard)}, which has no list, and ` +
          'without ' +
          'the url of crlDistribution that they name none can be made',
      )
    const crlNumber = nextNumber(
      this.#numberFrom(thisUpdateMs),
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

  /** RFC 5280 §5.2.4: what has changed since the last complete list of the same scope. */
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
        crlNumber: nextNumber(this.#numberFrom(thisUpdateMs), [base.crlNumber, previous?.crlNumber], 'delta'),
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
    return crlUrl(this.#settings.distribution, this.issuer, shard, kind)
  }

  /** Milliseconds and not the whole second of the list: a store that was restored may lack this second's. */
  #numberFrom(thisUpdateMs: number): number {
    return Math.max(thisUpdateMs, Math.floor(this.#settings.clock.now()))
  }

  #requireCertificate(thisUpdateMs: number): void {
    const { subject, notAfter, notAfterMs } = this.certificate
    if (thisUpdateMs < notAfterMs) return
    throw new PkiError(
      'ERR_CA_EXPIRED',
      `${subject.toString()} is valid until ${notAfter.toISOString()} and signs no CRL after; ` +
        `the clock says ${new Date(this.#settings.clock.now()).toISOString()}`,
    )
  }

  /** @throws ERR_STORE_CONFLICT where another process has published */
  async #publish(shard: string, list: Crl, expectedNumber: bigint | undefined): Promise<void> {
    const { crlNumber, der, thisUpdate, nextUpdate } = list
    await this.#settings.storage.crls.publish(
      {
        issuer: this.issuer,
        ...{ shard, number: crlNumber as bigint, crl: der, thisUpdate, nextUpdate: nextUpdate as Date },
      },
      { expectedNumber },
    )
    this.#latestMs = Math.max(this.#latestMs, thisUpdate.getTime())
  }
}

function highest(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a
}

function timeOf(list: Crl | undefined): number {
  return list?.thisUpdate.getTime() ?? 0
}

/** Of publishing, where other processes publish at the same time. */
const maxAttempts = 5
