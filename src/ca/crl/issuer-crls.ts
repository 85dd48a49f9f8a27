// The CRLs of every key that a CA signs or has signed with.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { Certificate } from '../../x509/index.ts'
import type { Crl, Signer } from '../../x509/index.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { IssueCrlOptions } from './crl-issuer.ts'
import { completeList } from './crl-shards.ts'
import { CrlPublisher } from './publishing/crl-publisher.ts'
import type { CrlSettings } from './publishing/scope-lists.ts'

/**
 * One publisher a key. A key that was rotated away keeps its publisher until
 * its last certificate has expired.
 */
export class IssuerCrls {
  readonly #settings: CrlSettings
  readonly #publishers = new Map<string, CrlPublisher>()
  /** When the CA was last known to sign with a key. */
  readonly #usedMs = new Map<string, number>()

  constructor(settings: CrlSettings) {
    this.#settings = settings
  }

  /**
   * Adds the key of a CA certificate; a renewed certificate of the same key takes the place of the old one.
   */
  add({ certificate, signer }: { readonly certificate: Certificate; readonly signer: Signer }): void {
    const key = keyOf(certificate)
    this.#usedMs.set(key, this.#settings.clock.now())
    if (this.#publishers.get(key)?.certificate.equals(certificate) !== true)
      this.#publishers.set(key, new CrlPublisher(certificate, signer, this.#settings))
  }

  /**
   * The list of one key.
   * @throws ERR_INVALID_ARGUMENT for a certificate of another CA; as `CrlPublisher.issue`
   */
  async issue(current: Certificate, options: IssueCrlOptions | undefined): Promise<Crl> {
    const { issuer, fresh, shard, delta } = readOptions('issueCrl', options, {
      issuer: 'guard',
      fresh: 'optional',
      shard: 'guard',
      delta: 'guard',
    })
    const certificate = issuer === undefined ? current : Certificate.from(issuer)
    const publisher = this.#publishers.get(keyOf(certificate))
    if (publisher === undefined)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `issueCrl: ${certificate.subject.toString()} is not a CA certificate that this CA signs or has ` +
          'signed with',
      )
    if (delta === true && !this.#hasDeltas)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'issueCrl: delta CRLs are not made; crlDistribution of the CA has no deltaTtlSeconds',
      )
    const list = listNameOf(shard)
    await publisher.requireShard(list)
    return publisher.issue({ shard: list, delta: delta === true, fresh: fresh === true })
  }

  /**
   * Every list of the current key, then those of the other keys that are in use or have certificates which
   * are not expired.
   */
  async issueAll(current: Certificate, alsoInUse: readonly Certificate[] = []): Promise<readonly Crl[]> {
    for (const used of [current, ...alsoInUse]) this.#usedMs.set(keyOf(used), this.#settings.clock.now())
    await this.#dropEnded()
    const currentKey = keyOf(current)
    const publishers = [...this.#publishers].sort(
      ([a], [b]) => Number(b === currentKey) - Number(a === currentKey),
    )
    const lists = await Promise.all(publishers.map(([, publisher]) => this.#issueAllOf(publisher)))
    return Object.freeze(lists.flat())
  }

  async #issueAllOf(publisher: CrlPublisher): Promise<readonly Crl[]> {
    const lists: Crl[] = []
    const add = async (shard: string): Promise<void> => {
      const wanted = { shard, fresh: false }
      lists.push(await publisher.issue({ ...wanted, delta: false }))
      if (this.#hasDeltas) lists.push(await publisher.issue({ ...wanted, delta: true }))
    }
    // The complete list first: what it reads tells which shards there are.
    await add(completeList)
    for (const shard of await publisher.shards()) await add(shard)
    return lists
  }

  get #hasDeltas(): boolean {
    return this.#settings.distribution.deltaTtlSeconds !== undefined
  }

  /**
   * A key needs no lists once its last certificate was on a list that was issued after it expired, or the CA
   * certificate itself expired. One that was in use a moment ago may get a certificate yet: another rotation
   * may end while this one asks the store, and what was prepared before a rotation is signed after it.
   */
  async #dropEnded(): Promise<void> {
    const { storage, clock, ttlSeconds } = this.#settings
    const nowMs = clock.now()
    for (const [key, { certificate, issuer }] of this.#publishers) {
      if (nowMs - (this.#usedMs.get(key) ?? nowMs) < recentMs) continue
      const notAfterFrom = new Date(nowMs - ttlSeconds * 1000)
      const { items } = await storage.certificates.query({ issuer, notAfterFrom, limit: 1 })
      if (items.length > 0 && nowMs < certificate.notAfterMs) continue
      // It may have come back into use meanwhile.
      if (nowMs - (this.#usedMs.get(key) ?? nowMs) < recentMs) continue
      this.#publishers.delete(key)
      this.#usedMs.delete(key)
    }
  }
}

/** Longer than what is prepared may wait for its signature. */
const recentMs = 120_000

function keyOf(certificate: Certificate): string {
  return keyIdentifierOf(certificate.subjectKeyIdentifier ?? new Uint8Array())
}

function listNameOf(shard: unknown = completeList): string {
  return String(shard)
}
