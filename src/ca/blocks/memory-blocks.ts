// The block-list in memory.

import type { IssuanceIntent } from '../records/certificate-record.ts'
import type { WriteOptions } from '../records/certificate-store.ts'
import { checkDates, readWriteOptions } from '../records/store-options.ts'
import {
  blockedSubjectText,
  blockingSubjects,
  blocksFull,
  maxRenewalBlocks,
  renewalBlocked,
} from './renewal-blocks.ts'
import type { RenewalBlock, RenewalBlockStore } from './renewal-blocks.ts'

/** Blocks by the text of their subject. */
export class MemoryBlocks implements RenewalBlockStore {
  readonly #blocks = new Map<string, RenewalBlock>()
  readonly #audit: (entries: readonly Uint8Array[] | undefined) => void

  /** `audit` stores the entries of a write, or throws before it happens. */
  constructor(audit: (entries: readonly Uint8Array[] | undefined) => void) {
    this.#audit = audit
  }

  async add(block: RenewalBlock, options?: WriteOptions): Promise<void> {
    const { audit } = readWriteOptions('add', options)
    checkDates('add', { since: block.since })
    const text = blockedSubjectText(block.subject)
    if (this.#blocks.size >= maxRenewalBlocks && !this.#blocks.has(text)) throw blocksFull()
    this.#audit(audit)
    this.put(block)
  }

  /** Adds a block that is part of another write of the storage. */
  put({ subject, reason, since }: RenewalBlock): void {
    this.#blocks.set(
      blockedSubjectText(subject),
      Object.freeze({ subject: Object.freeze({ ...subject }), reason, since: new Date(since) }),
    )
  }

  async remove(subject: RenewalBlock['subject'], options?: WriteOptions): Promise<boolean> {
    const { audit } = readWriteOptions('remove', options)
    const text = blockedSubjectText(subject)
    if (!this.#blocks.has(text)) return false
    this.#audit(audit)
    return this.#blocks.delete(text)
  }

  async list(): Promise<readonly RenewalBlock[]> {
    const sorted = [...this.#blocks].sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.freeze(sorted.map(([, block]) => Object.freeze({ ...block, since: new Date(block.since) })))
  }

  /** @throws ERR_RENEWAL_BLOCKED, ERR_PREPARED_EXPIRED */
  require(intent: Pick<IssuanceIntent, 'issuer' | 'identity' | 'keyIdentifier' | 'renews'>): void {
    if (this.#blocks.size === 0) return
    for (const subject of blockingSubjects(intent)) {
      const block = this.#blocks.get(subject)
      if (block !== undefined) throw renewalBlocked(subject, block.reason)
    }
  }
}
