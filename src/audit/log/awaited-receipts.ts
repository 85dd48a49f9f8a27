// Receipts of entries that are not in the log yet, for the callers that wait for them.

import { PkiError } from '../../errors/index.ts'
import type { AuditReceipt } from '../audit-receipt.ts'
import { formatCertificateReceipt } from '../certificate-receipt.ts'
import { leafHash } from '../merkle-tree.ts'

interface Awaited {
  readonly entry: Uint8Array
  readonly resolve: (receipt: string) => void
  readonly reject: (error: unknown) => void
  /** Undefined until the entry has an index. */
  index: number | undefined
}

/** Callers that wait for a receipt, by the hash of the entry. */
export class AwaitedReceipts {
  readonly #awaited = new Map<string, Awaited>()

  /** @throws ERR_ABORTED; the errors of creating the receipt */
  async of(entry: Uint8Array, signal: AbortSignal): Promise<string> {
    if (signal.aborted) throw aborted()
    const name = nameOf(entry)
    let stop = (): void => undefined
    try {
      return await new Promise<string>((resolve, reject) => {
        stop = () => {
          reject(aborted())
        }
        signal.addEventListener('abort', stop)
        this.#awaited.set(name, { entry, resolve, reject, index: undefined })
      })
    } finally {
      signal.removeEventListener('abort', stop)
      this.#awaited.delete(name)
    }
  }

  /** Records the indexes of entries that the log has added. */
  placed(batch: readonly { readonly index: number; readonly entry: Uint8Array }[]): void {
    if (this.#awaited.size === 0) return
    for (const { index, entry } of batch) {
      const awaited = this.#awaited.get(nameOf(entry))
      if (awaited !== undefined) awaited.index = index
    }
  }

  /**
   * Must be called when a checkpoint of `size` entries was published: `receiptOf` creates the receipt of each
   * of them.
   */
  async settle(size: number, receiptOf: (index: number) => Promise<AuditReceipt>): Promise<void> {
    for (const { entry, index, resolve, reject } of [...this.#awaited.values()]) {
      if (index === undefined || index >= size) continue
      await receiptOf(index).then((receipt) => resolve(formatCertificateReceipt(entry, receipt)), reject)
    }
  }
}

function nameOf(entry: Uint8Array): string {
  return Buffer.from(leafHash(entry)).toString('base64')
}

function aborted(): PkiError {
  return new PkiError('ERR_ABORTED', 'aborted while waiting for the receipt of an audit record')
}
