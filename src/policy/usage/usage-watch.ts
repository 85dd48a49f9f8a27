// Observes issuance by identity and reports an identity whose pattern differs from its own history or from
// that of the others.

import { PkiError } from '../../errors/index.ts'
import { sourceOfAddress } from '../../internal/ip-address.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { RobustScale } from './robust-scale.ts'
import { UsageTable } from './usage-table.ts'

/** One certificate that was issued. @inline */
export interface CertificateUsage {
  readonly identity: SpiffeId | string
  /** Its validity. */
  readonly ttlSeconds: number
  /** The address that the request came from. */
  readonly source?: string | undefined
  /** An identifier of the subject key, such as the hexadecimal digest of its SPKI. */
  readonly keyId?: string | undefined
}

/** Why an identity is unusual. @inline */
export type UsageReason = 'rate' | 'hour' | 'source' | 'key-reuse' | 'shared-key' | 'lifetime'

/** An identity that is unusual. @inline */
export interface UsageAlert {
  readonly identity: string
  /** 0 to 100. */
  readonly score: number
  /** The contributions of the last certificate to the score, in descending order. */
  readonly reasons: readonly { readonly reason: UsageReason; readonly risk: number }[]
  readonly at: Date
}

/** Options of `UsageWatch`. @inline */
export interface UsageWatchOptions {
  /** Called for each alert, at most once an hour per identity. Errors that it throws are ignored. */
  readonly onAlert: (alert: UsageAlert) => void
  /**
   * The number of identities to remember. Each takes 104 bytes, including its key, allocated at the start.
   * Default 131,072; at most 4,194,304.
   */
  readonly maxIdentities?: number | undefined
  /** The score of an alert, 1 to 100. Default 50. */
  readonly alertScore?: number | undefined
  /**
   * The number of certificates before the first score; for one identity, a quarter of it. Default 64.
   */
  readonly minCertificates?: number | undefined
  readonly clock?: Pick<Clock, 'now'> | undefined
}

/**
 * Counts certificates by identity, and compares each with those of the same identity and of all.
 * `createIssuanceService({ usage })` calls `record` for each certificate that was issued.
 *
 * The score is a hint for operators and not a policy: an identity with one request an hour from its usual
 * source is never reported, for any use of the certificate.
 *
 * @example
 * ```ts
 * const usage = new UsageWatch({
 *   onAlert: ({ identity, score, reasons }) => console.warn(identity, score, reasons),
 * })
 * ```
 */
export class UsageWatch {
  readonly #onAlert: (alert: UsageAlert) => void
  readonly #alertScore: number
  readonly #minCertificates: number
  readonly #clock: Pick<Clock, 'now'>
  readonly #identities: UsageTable
  /** The identity that used each key: one row per key, with the identity in `lastKey`. */
  readonly #keys: UsageTable
  readonly #rates = new RobustScale()
  readonly #lifetimes = new RobustScale()

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(options: UsageWatchOptions) {
    const read = readOptions('UsageWatch', options, {
      onAlert: 'required',
      maxIdentities: 'optional',
      alertScore: 'optional',
      minCertificates: 'optional',
      clock: 'optional',
    })
    if (typeof read.onAlert !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `UsageWatch: onAlert must be a function, found ${nameOf(read.onAlert)}`,
      )
    this.#onAlert = read.onAlert
    const size = requireCount('maxIdentities', read.maxIdentities ?? 131_072, 8, 4_194_304)
    this.#alertScore = requireCount('alertScore', read.alertScore ?? 50, 1, 100)
    this.#minCertificates = requireCount('minCertificates', read.minCertificates ?? 64, 8)
    this.#clock = read.clock ?? systemClock
    this.#identities = new UsageTable(size)
    this.#keys = new UsageTable(size)
  }

  /** The memory of the tables in bytes, which is constant. */
  get bytes(): number {
    return this.#identities.bytes + this.#keys.bytes
  }

  /** Counts one certificate, and reports its identity if the score reaches the threshold. */
  record(used: CertificateUsage): void {
    const { identity, ttlSeconds, source, keyId } = used
    const name = identity.toString()
    const nowMs = this.#clock.now()
    const table = this.#identities
    const row = table.take(table.digest(name))
    const known = (table.total[row] as number) >= this.#minCertificates / 4
    const risks: { reason: UsageReason; risk: number }[] = []
    const judge = (reason: UsageReason, risk: number): void => {
      if (risk > 0) risks.push({ reason, risk })
    }
    this.#age(row, nowMs)
    judge('rate', this.#rateRisk(row))
    judge('lifetime', this.#lifetimeRisk(ttlSeconds))
    judge('hour', this.#bitRisk(table.hours, row, new Date(nowMs).getUTCHours(), 24, known))
    if (source !== undefined) {
      const bit = Number(table.digest(`source ${sourceOfAddress(source)}`) & 31n)
      judge('source', this.#bitRisk(table.sources, row, bit, 32, known))
    }
    if (keyId !== undefined) {
      judge('key-reuse', this.#reuseRisk(row, keyId))
      judge('shared-key', this.#sharedRisk(name, keyId, nowMs))
    }
    table.total[row] = Math.min((table.total[row] as number) + 1, 0xffff_ffff)
    // Independent signs: 1 − Π(1 − risk).
    const left = risks.reduce((rest, { risk }) => rest * (1 - risk), 1 - (table.score[row] as number) / 100)
    table.score[row] = 100 * (1 - left)
    this.#report(name, row, nowMs, risks)
  }

  /** The score of an identity now, 0 to 100; 0 for one that is not remembered. */
  riskOf(id: SpiffeId | string): number {
    const row = this.#identities.find(this.#identities.digest(id.toString()))
    if (row < 0) return 0
    const ageMs = Math.max(this.#clock.now() - (this.#identities.seenMs[row] as number), 0)
    return Math.round((this.#identities.score[row] as number) * 2 ** (-ageMs / dayMs))
  }

  /** The rate decays within an hour; the score halves each day. */
  #age(row: number, nowMs: number): void {
    const { rate, score, seenMs } = this.#identities
    const ageMs = Math.max(nowMs - (seenMs[row] as number), 0)
    rate[row] = (rate[row] as number) * Math.exp(-ageMs / hourMs) + 1
    score[row] = (score[row] as number) * 2 ** (-ageMs / dayMs)
    seenMs[row] = Math.max(nowMs, 1)
  }

  #rateRisk(row: number): number {
    const rate = this.#identities.rate[row] as number
    const risk = this.#rates.total < this.#minCertificates ? 0 : riskOfScore(this.#rates.score(rate))
    this.#rates.add(rate)
    return risk
  }

  /** Only longer validities: a short one is not a risk. */
  #lifetimeRisk(ttlSeconds: number): number {
    const hours = ttlSeconds / 3600
    const risk = this.#lifetimes.total < this.#minCertificates ? 0 : riskOfScore(this.#lifetimes.score(hours))
    this.#lifetimes.add(hours)
    return risk
  }

  /** A new value: the fewer values the identity had before, the more unusual it is. */
  #bitRisk(column: Uint32Array, row: number, bit: number, width: number, known: boolean): number {
    const before = column[row] as number
    const mask = (1 << bit) >>> 0
    if ((before & mask) !== 0) return 0
    column[row] = (before | mask) >>> 0
    return known ? 0.4 * (1 - bitsOf(before) / width) : 0
  }

  /** A key that is used repeatedly is not rotated. */
  #reuseRisk(row: number, keyId: string): number {
    const { lastKey, keyUses } = this.#identities
    const key = Number(this.#keys.digest(keyId) & 0xffff_ffffn)
    if (lastKey[row] !== key) {
      lastKey[row] = key
      keyUses[row] = 1
      return 0
    }
    const uses = Math.min((keyUses[row] as number) + 1, 0xffff_ffff)
    keyUses[row] = uses
    return uses > maxKeyUses ? 0.1 : 0
  }

  /** One key for two identities: one holder has the key of the other. */
  #sharedRisk(name: string, keyId: string, nowMs: number): number {
    const row = this.#keys.take(this.#keys.digest(keyId))
    const holder = Number(this.#identities.digest(name) & 0xffff_ffffn)
    const isNew = this.#keys.seenMs[row] === 0
    const before = this.#keys.lastKey[row]
    this.#keys.seenMs[row] = Math.max(nowMs, 1)
    this.#keys.lastKey[row] = holder
    return !isNew && before !== holder ? 0.6 : 0
  }

  #report(
    identity: string,
    row: number,
    nowMs: number,
    risks: { reason: UsageReason; risk: number }[],
  ): void {
    const { score, alertedMs } = this.#identities
    const now = score[row] as number
    if (now < this.#alertScore || risks.length === 0) return
    if ((alertedMs[row] as number) !== 0 && nowMs - (alertedMs[row] as number) < hourMs) return
    alertedMs[row] = Math.max(nowMs, 1)
    const reasons = Object.freeze(
      risks.toSorted((a, b) => b.risk - a.risk).map((one) => Object.freeze({ ...one })),
    )
    try {
      this.#onAlert(Object.freeze({ identity, score: Math.round(now), reasons, at: new Date(nowMs) }))
    } catch {
      // An error in the callback must not prevent issuance.
    }
  }
}

/** 0 up to z = 3.5 (Iglewicz and Hoaglin), 1 from 10 on. */
function riskOfScore(z: number): number {
  return Math.min(Math.max((z - 3.5) / 6.5, 0), 1)
}

function bitsOf(mask: number): number {
  let count = 0
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++
  return count
}

const hourMs = 3600 * 1000
const dayMs = 24 * hourMs
const maxKeyUses = 8
