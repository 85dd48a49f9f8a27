// Exports of ca for storage adapters only: the conversion of records, lists and authorities to rows, and the
// common errors.
export { cursorAfterChange, readCertificateQuery, readRevocationsQuery } from './records/certificate-query.ts'
export {
  readFencedOptions,
  readPruneOptions,
  readPublishOptions,
  readRevocation,
  readRevokeOptions,
  readWriteOptions,
} from './records/store-options.ts'
export {
  intentColumns,
  intentValues,
  recordColumns,
  recordOfRow,
  statusColumns,
  statusOfRow,
  revokedRecordOfRow,
  unrecordedValues,
} from './rows/certificate-row.ts'
export {
  authorityColumns,
  authorityOfRow,
  authorityValues,
  crlColumns,
  crlNumberOfRow,
  crlOfRow,
  crlValues,
} from './rows/list-rows.ts'
export { blockColumns, blockOfRow, blockValues } from './rows/block-row.ts'
export {
  oneTimeColumns,
  oneTimeKey,
  oneTimeValueOf,
  oneTimeValues,
  oneTimeValuesFull,
  readMaxOneTimeValues,
} from './rows/one-time-row.ts'
export { FrozenContent } from './authority/certificate-content.ts'
export { RowReader } from './rows/row-reader.ts'
export type { ColumnValue, Row } from './rows/row-reader.ts'
export { cursorAfterRows, revocationsStatement, searchStatement } from './rows/search-statement.ts'
export type { Dialect } from './rows/search-statement.ts'
export {
  serialExists,
  idempotencyKeyUsed,
  certificateUnknown,
  notRenewable,
  otherOutcome,
  notOnHold,
  requireClock,
  staleFence,
  otherList,
  otherVersion,
} from './rows/refusals.ts'
export {
  blockedSubjectText,
  blocksOfRevoked,
  blockingSubjects,
  blocksFull,
  maxRenewalBlocks,
  renewalBlocked,
} from './blocks/renewal-blocks.ts'
export type { BlockedSubject, RenewalBlock, RenewalBlockStore } from './blocks/renewal-blocks.ts'
export { replacesRevocation } from './crl/revocation-reason.ts'
export { shardNamedIn } from './crl/crl-shards.ts'
export type { CertificateWorkers } from './authority/certificate-workers.ts'
export { keyIdentifierOf } from './records/certificate-record.ts'
export type { CertificateState, KeyIdentifier, Revocation } from './records/certificate-record.ts'
export { revocationReasons } from './crl/revocation-reason.ts'
export type { StoredCrl } from './crl/crl-store.ts'
export type {
  CertificateQuery,
  IssuanceOutcome,
  Page,
  PruneOptions,
  PruneResult,
  RevocationsQuery,
  RecordedStatus,
  RevokedRecord,
  RevokeOptions,
  WriteOptions,
} from './records/certificate-store.ts'
export type { SequencedEntry } from './records/audit-store.ts'
export { requireLeaseTerms } from './records/lease-store.ts'
export type { Fence, Lease } from './records/lease-store.ts'
export { measuredStorage } from './measured/measured-calls.ts'
export { openRotatingAuthority } from './rotation/rotating-authority.ts'
export { callRemoteCa } from './registration/remote-call.ts'
export { certificatesOf, isSelfSigned } from './registration/remote-certificates.ts'
export type { CertificateId, IssuanceIntent } from './records/certificate-record.ts'
export type { AuthorityRecord } from './records/authority-store.ts'
export type { RotatingAuthority } from './rotation/rotation-contract.ts'
