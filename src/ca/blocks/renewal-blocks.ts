// The contract of the block-list: identities, keys and certificates that get no further certificate.

import type { SpiffeId } from '../../spiffe/index.ts'
import { PkiError } from '../../errors/index.ts'
import type { CertificateId, IssuanceIntent, KeyIdentifier } from '../records/certificate-record.ts'
import type { WriteOptions } from '../records/certificate-store.ts'

/**
 * What is blocked: an identity, the key of a subject by its identifier, or one certificate.
 *
 * @inline
 */
export type BlockedSubject =
  | { readonly identity: SpiffeId }
  | { readonly keyIdentifier: KeyIdentifier }
  | { readonly certificate: CertificateId }

/** One entry of the block-list. @inline */
export interface RenewalBlock {
  readonly subject: BlockedSubject
  /** Why, in words: 1 to 1,024 characters. */
  readonly reason: string
  readonly since: Date
}

/**
 * The block-list of a CA. `recordIntent` and the outcome of a signature look it up inside their transaction,
 * so that nothing blocked is recorded as issued once `add` has resolved.
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
  remove(subject: BlockedSubject, options?: WriteOptions): Promise<boolean>
  /** All blocks, by subject. */
  list(): Promise<readonly RenewalBlock[]>
}

/** The most blocks of one store. */
export const maxRenewalBlocks = 100_000

/** A subject as text; the text of two subjects is equal where they are. */
export function blockedSubjectText(subject: BlockedSubject): string {
  if ('identity' in subject) return identityText(subject.identity.toString())
  if ('keyIdentifier' in subject) return keyText(subject.keyIdentifier)
  return certificateText(subject.certificate)
}

/** The subjects that would block an intent, as text. */
export function blockingSubjects({
  identity,
  keyIdentifier,
  renews,
}: Pick<IssuanceIntent, 'keyIdentifier' | 'renews'> & { readonly identity: SpiffeId | string }): string[] {
  const subjects = [identityText(identity.toString()), keyText(keyIdentifier)]
  if (renews !== undefined) subjects.push(certificateText(renews))
  return subjects
}

/** The list is full. */
export function blocksFull(): PkiError {
  return new PkiError('ERR_STORE_FULL', `the block-list has ${maxRenewalBlocks} entries, the maximum`)
}

/** A subject of the intent is on the list. */
export function renewalBlocked(subject: string, reason: string): PkiError {
  return new PkiError('ERR_RENEWAL_BLOCKED', `${subject} is on the block-list: ${reason.slice(0, 200)}`)
}

const identityText = (identity: string): string => `identity ${identity}`
const keyText = (keyIdentifier: string): string => `key ${keyIdentifier}`
const certificateText = ({ issuer, serialNumber }: CertificateId): string =>
  `certificate ${issuer} ${serialNumber}`
