// The status of a certificate on record, from any store.

import type { CertificateId } from './certificate-record.ts'
import type { CertificateStore, RecordedStatus } from './certificate-store.ts'

/** The status in the record; undefined if there is no record. Rejects if the store rejects. */
export function recordedStatus(
  store: Pick<CertificateStore, 'find' | 'statusOf'>,
  id: CertificateId,
): Promise<RecordedStatus | undefined> {
  return store.statusOf === undefined ? store.find(id) : store.statusOf(id)
}
