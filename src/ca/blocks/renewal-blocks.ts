// The contract of the block-list: identities, keys and certificates that get no further certificate, and
// issuers that are revoked.

import type { SpiffeId } from '../../spiffe/index.ts'
import { PkiError } from '../../errors/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { AuthorityRecord } from '../records/authority-store.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { CertificateId, IssuanceIntent, KeyIdentifier } from '../records/certificate-record.ts'
import type { WriteOptions } from '../records/certificate-store.ts'

/**
 * The subject of a block: an identity, the key of a certificate holder by its identifier, or one certificate.
 *
 * @inline
 */
export type BlockedSubject =
  | { readonly identity: SpiffeId }
  | { readonly keyIdentifier: KeyIdentifier }
  | { readonly certificate: CertificateId }

/** An issuer whose authority is revoked; `AuthorityStore.update` adds the block. @inline */
interface BlockedIssuer {
  readonly issuer: KeyIdentifier
}

/** One entry of the block-list. @inline */
export interface RenewalBlock {
  readonly subject: BlockedSubject | BlockedIssuer
  /** The reason, as text of 1 to 1,024 characters. */
  readonly reason: string
  readonly since: Date
}

/**
 * The block-list of a CA. `recordIntent` and the outcome of a signature look it up inside their transaction,
 * so that no blocked certificate is recorded as issued after `add` has resolved.
 *
 * @inline
 */
export interface RenewalBlockStore {
  /**
   * Adds a block, or replaces that of the same subject.
   * @throws ERR_STORE_FULL above 100,000 blocks
   */
  add(block: RenewalBlock, options?: WriteOptions): Promise<void>
  /** Removes a block; false if there is none, and then nothing is written. */
  remove(subject: RenewalBlock['subject'], options?: WriteOptions): Promise<boolean>
  /** All blocks, by subject. */
  list(): Promise<readonly RenewalBlock[]>
}

/** Maximum number of blocks in one store. */
export const maxRenewalBlocks = 100_000

/** A subject as text; equal subjects have equal text. */
export function blockedSubjectText(subject: RenewalBlock['subject']): string {
  if ('issuer' in subject) return issuerText(subject.issuer)
  if ('identity' in subject) return identityText(subject.identity.toString())
  if ('keyIdentifier' in subject) return keyText(subject.keyIdentifier)
  return certificateText(subject.certificate)
}

/** The blocks that a change of authorities adds in its transaction: one for each revoked authority. */
export function blocksOfRevoked(records: readonly AuthorityRecord[]): readonly RenewalBlock[] {
  return records.flatMap(({ id, state, since, certificate }) => {
    const octets = state === 'revoked' ? Certificate.parse(certificate).subjectKeyIdentifier : undefined
    if (octets === undefined) return []
    return [{ subject: { issuer: keyIdentifierOf(octets) }, reason: `the authority ${id} is revoked`, since }]
  })
}

/** The subjects that would block an intent, as text. */
export function blockingSubjects({
  issuer,
  identity,
  keyIdentifier,
  renews,
}: Pick<IssuanceIntent, 'issuer' | 'keyIdentifier' | 'renews'> & {
  readonly identity: SpiffeId | string
}): string[] {
  const subjects = [issuerText(issuer), identityText(identity.toString()), keyText(keyIdentifier)]
  if (renews !== undefined) subjects.push(certificateText(renews))
  return subjects
}

/** The error for a full list. */
export function blocksFull(): PkiError {
  return new PkiError('ERR_STORE_FULL', `the block-list has ${maxRenewalBlocks} entries, the maximum`)
}

/**
 * The error for an intent with a blocked subject. If the subject is the issuer, the caller can retry: another
 * issuer succeeds.
 */
export function renewalBlocked(subject: string, reason: string): PkiError {
  if (subject.startsWith(issuerText('' as KeyIdentifier)))
    return new PkiError(
      'ERR_PREPARED_EXPIRED',
      `${subject} is blocked and signs nothing: ${reason.slice(0, 200)}`,
    )
  return new PkiError('ERR_RENEWAL_BLOCKED', `${subject} is on the block-list: ${reason.slice(0, 200)}`)
}

const issuerText = (issuer: KeyIdentifier): string => `issuer ${issuer}`
const identityText = (identity: string): string => `identity ${identity}`
const keyText = (keyIdentifier: string): string => `key ${keyIdentifier}`
const certificateText = ({ issuer, serialNumber }: CertificateId): string =>
  `certificate ${issuer} ${serialNumber}`
