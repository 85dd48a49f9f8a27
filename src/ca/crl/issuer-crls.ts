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
 * One publisher for each key. After a rotation the old key keeps its publisher until its last certificate has
 * expired.
 */
export class IssuerCrls {
  readonly #settings: CrlSettings
  readonly #keys = new Map<string, ListedKey>()

  constructor(settings: CrlSettings) {
    this.#settings = settings
  }

  /** Adds the key of a CA certificate; a renewed certificate of the same key replaces the old one. */
  add({ certificate, signer }: { readonly certificate: Certificate; readonly signer: Signer }): void {
    const usedMs = this.#settings.clock.now()
    const known = this.#keys.get(keyOf(certificate))
    if (known?.publisher.certificate.equals(certificate) === true) known.usedMs = usedMs
    else
      this.#keys.set(keyOf(certificate), {
        publisher: new CrlPublisher(certificate, signer, this.#settings),
        usedMs,
      })
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
    const publisher = this.#keys.get(keyOf(certificate))?.publisher
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
   * Every list of the current key, then those of the other keys that are in use or have unexpired
   * certificates.
   */
  async issueAll(current: Certificate, alsoInUse: readonly Certificate[] = []): Promise<readonly Crl[]> {
    for (const used of [current, ...alsoInUse]) {
      const key = this.#keys.get(keyOf(used))
      if (key !== undefined) key.usedMs = this.#settings.clock.now()
    }
    await this.#dropEnded()
    const currentKey = keyOf(current)
    const keys = [...this.#keys].sort(([a], [b]) => Number(b === currentKey) - Number(a === currentKey))
    const lists = await Promise.all(keys.map(([, { publisher }]) => this.#issueAllOf(publisher)))
    return Object.freeze(lists.flat())
  }

  async #issueAllOf(publisher: CrlPublisher): Promise<readonly Crl[]> {
    const lists: Crl[] = []
    const add = async (shard: string): Promise<void> => {
      const wanted = { shard, fresh: false }
      lists.push(await publisher.issue({ ...wanted, delta: false }))
      if (this.#hasDeltas) lists.push(await publisher.issue({ ...wanted, delta: true }))
    }
    // The complete list first, because it reads which shards exist.
    await add(completeList)
    for (const shard of await publisher.shards()) await add(shard)
    return lists
  }

  get #hasDeltas(): boolean {
    return this.#settings.distribution.deltaTtlSeconds !== undefined
  }

  /**
   * A key needs no lists after its last certificate was on a list that was issued after that certificate
   * expired, or after the CA certificate itself expired. A key that was in use recently may still sign a
   * certificate: another rotation may end during the call of the store, and certificates that were prepared
   * before a rotation are signed after it.
   */
  async #dropEnded(): Promise<void> {
    const { storage, clock, ttlSeconds } = this.#settings
    const nowMs = clock.now()
    for (const [key, listed] of this.#keys) {
      const { certificate, issuer } = listed.publisher
      const isRecent = (): boolean => nowMs - listed.usedMs < recentMs
      if (isRecent()) continue
      const notAfterFrom = new Date(nowMs - ttlSeconds * 1000)
      const { items } = await storage.certificates.query({ issuer, notAfterFrom, limit: 1 })
      if (items.length > 0 && nowMs < certificate.notAfterMs) continue
      // The key may be in use again meanwhile, also with another certificate.
      if (!isRecent() && this.#keys.get(key) === listed) this.#keys.delete(key)
    }
  }
}

interface ListedKey {
  readonly publisher: CrlPublisher
  /** When the CA was last known to sign with the key. */
  usedMs: number
}

/** Longer than the time that a prepared certificate may wait for its signature. */
const recentMs = 120_000

function keyOf(certificate: Certificate): string {
  return keyIdentifierOf(certificate.subjectKeyIdentifier ?? new Uint8Array())
}

function listNameOf(shard: unknown = completeList): string {
  return String(shard)
}
