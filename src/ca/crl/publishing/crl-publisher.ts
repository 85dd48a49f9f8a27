// The CRLs of one CA key: one list is made at a time, calls for the same list share it, and a list is made
// again if another process has published one in the meantime.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import type { Certificate, Crl, Signer } from '../../../x509/index.ts'
import { keyIdentifierOf } from '../../records/certificate-record.ts'
import type { KeyIdentifier } from '../../records/certificate-record.ts'
import { completeList, isDeltaName, shardNames } from '../crl-shards.ts'
import { RevocationTable } from '../revocation-table.ts'
import { CrlSigner } from './crl-signer.ts'
import { ScopeLists } from './scope-lists.ts'
import type { CrlSettings, WantedCrl } from './scope-lists.ts'

/** Issues the lists of one CA certificate, one at a time. */
export class CrlPublisher {
  readonly certificate: Certificate
  /** The key identifier under which records and lists are stored. */
  readonly issuer: KeyIdentifier
  readonly #settings: CrlSettings
  readonly #table: RevocationTable
  readonly #lists: ScopeLists
  #last: Promise<unknown> = Promise.resolve()
  /** The names of the lists that the store had at the first call. */
  #stored: readonly string[] | undefined
  /** Lists that wait for their turn, by the requested list. */
  readonly #waiting = new Map<string, Promise<Crl>>()

  constructor(certificate: Certificate, signer: Signer, settings: CrlSettings) {
    this.certificate = certificate
    this.issuer = keyIdentifierOf(certificate.subjectKeyIdentifier as Uint8Array)
    this.#settings = settings
    this.#table = new RevocationTable(settings.storage.certificates, this.issuer)
    this.#lists = new ScopeLists(this, new CrlSigner(certificate, signer), this.#table, settings)
  }

  /**
   * The current list. Calls during the creation of a list share the next list, because the list in progress
   * may lack a revocation that the caller has just made.
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
   * The shards of this key: the shards of new certificates, and shards that have a list or a revoked
   * certificate from a time with another number of shards.
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
      try {
        return await this.#lists.current(wanted)
      } catch (error) {
        // Another process has published in the meantime: its list is the one to compare with.
        if (!isPkiError(error, 'ERR_STORE_CONFLICT') || attempt >= maxAttempts) throw error
      }
    }
  }
}

/** Maximum number of attempts to publish while other processes publish at the same time. */
const maxAttempts = 5
