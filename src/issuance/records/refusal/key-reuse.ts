// One key for two identities: its holder can act as both of them.

import type { CertificateRecord, CertificateStore } from '../../../ca/index.ts'
import type { IssuanceIntent } from '../../../ca/internal.ts'
import { PkiError } from '../../../errors/index.ts'
import { ask } from '../store-calls.ts'

/** The handling of a key with certificates of several identities. @inline */
export type KeyReuse = 'allow' | 'report' | 'refuse'

/**
 * The first record of another identity with the same key; failed signings do not count. Called after the
 * intent is recorded, so that at least one of two concurrent requests finds the other.
 */
export async function otherHolderOf(
  store: CertificateStore,
  { keyIdentifier, identity }: Pick<IssuanceIntent, 'keyIdentifier' | 'identity'>,
): Promise<CertificateRecord | undefined> {
  let after: string | undefined
  do {
    const page = await ask(store, (asked) => asked.query({ keyIdentifier, after, limit: 1000 }))
    const other = page.items.find((one) => one.state !== 'failed' && !one.identity.equals(identity))
    if (other !== undefined) return other
    after = page.next
  } while (after !== undefined)
  return undefined
}

/** The refusal. It does not name the other identity, which may be a secret to the caller. */
export function keyReused({ keyIdentifier }: Pick<IssuanceIntent, 'keyIdentifier'>): PkiError {
  return new PkiError(
    'ERR_KEY_REUSED',
    `the key ${keyIdentifier} is also in a certificate of another identity`,
  )
}
