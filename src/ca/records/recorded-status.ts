// The status of a certificate on record, from any store.

import type { CertificateId } from './certificate-record.ts'
import type { CertificateStore, RecordedStatus } from './certificate-store.ts'

/** Undefined where there is no record. It rejects where the store does. */
export function recordedStatus(
  store: Pick<CertificateStore, 'find' | 'statusOf'>,
  id: CertificateId,
): Promise<RecordedStatus | undefined> {
  return store.statusOf === undefined ? store.find(id) : store.statusOf(id)
}
