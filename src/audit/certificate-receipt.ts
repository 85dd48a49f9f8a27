// Receipts of certificates as self-contained text (C2SP tlog-proof): the record of the issuance, its place in
// the log, the proof and the signed checkpoint, verified with only the keys of logs.

import { createHash } from 'node:crypto'
import { PkiError, isPkiError } from '../errors/index.ts'
import { decodeBase64, encodeBase64 } from '../internal/encodings/base64.ts'
import { readOptions } from '../internal/options.ts'
import type { ReceiptChecker } from '../svid/internal.ts'
import { Certificate } from '../x509/index.ts'
import type { AuditReceipt } from './audit-receipt.ts'
import { verifyAuditReceipt } from './audit-receipt.ts'
import { decodeAuditRecord } from './audit-record.ts'
import type { NoteKey } from './signed-note.ts'

/** Options of `createReceiptChecker`. @inline */
export interface ReceiptCheckerOptions {
  /** The keys of the accepted logs: `log.key`, or the result of `parseNoteKey`. At least one. */
  readonly logs: readonly NoteKey[]
  /** Witnesses each of which must have cosigned the checkpoint of a receipt. Default: none. */
  readonly witnesses?: readonly NoteKey[]
}

/**
 * Verifies that a certificate is in the audit log of its CA, by the receipt that its holder sent. With it,
 * `X509SvidValidator` refuses a certificate that is in none of the accepted logs.
 *
 * @throws ERR_INVALID_ARGUMENT without a log
 * @example
 * ```ts
 * const receipts = createReceiptChecker({ logs: [log.key] })
 * const validator = new X509SvidValidator({ bundles, receipts })
 * const proven = validator.verify(chain, { receipt: 'c2sp.org/tlog-proof@v1…' }).ok
 * ```
 */
export function createReceiptChecker(options: ReceiptCheckerOptions): ReceiptChecker {
  const { logs, witnesses = [] } = readOptions<ReceiptCheckerOptions>('createReceiptChecker', options, {
    logs: 'required',
    witnesses: 'guard',
  })
  const areKeys = (list: readonly unknown[]): boolean =>
    Array.isArray(list) && list.every((key) => typeof (Object(key) as Partial<NoteKey>).name === 'string')
  if (!areKeys(logs) || logs.length === 0 || !areKeys(witnesses))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createReceiptChecker: logs must be a list of at least one key, and witnesses a list of keys',
    )
  const known: readonly NoteKey[] = [...logs]
  const cosigners: readonly NoteKey[] = [...witnesses]
  return Object.freeze<ReceiptChecker>({
    verify(leaf, text) {
      if (text === undefined) throw fault('the certificate was presented without a receipt')
      const { entry, ...receipt } = parseCertificateReceipt(text)
      const origin = receipt.checkpoint.slice(0, receipt.checkpoint.indexOf('\n'))
      // A log whose key was replaced has two keys under one name.
      const keys = known.filter(({ name }) => name === origin)
      if (keys.length === 0)
        throw fault(`the receipt is of the log ${JSON.stringify(origin.slice(0, 100))}, which is not known`)
      verifyByOneOf(keys, (key) => verifyAuditReceipt(entry, receipt, key, cosigners))
      requireIssuance(entry, Certificate.from(leaf))
      return true
    },
  })
}

/** @throws the error of `verify` for the last key, if it fails for every key */
function verifyByOneOf([key, ...others]: readonly NoteKey[], verify: (key: NoteKey) => void): void {
  try {
    verify(key as NoteKey)
  } catch (error) {
    if (others.length === 0 || !isPkiError(error, 'ERR_NOTE_INVALID')) throw error
    verifyByOneOf(others, verify)
  }
}

/** A receipt with the record that it proves, as text. */
export function formatCertificateReceipt(
  entry: Uint8Array,
  { index, proof, checkpoint }: AuditReceipt,
): string {
  const hashes = proof.map((hash) => `${encodeBase64(hash)}\n`).join('')
  return `${firstLine}\nextra ${encodeBase64(entry)}\nindex ${index}\n${hashes}\n${checkpoint}`
}

/** @throws ERR_AUDIT_LOG, ERR_BASE64 */
function parseCertificateReceipt(text: string): AuditReceipt & { readonly entry: Uint8Array } {
  if (typeof text !== 'string' || text.length > maxLength)
    throw fault(`a receipt must be text of at most ${maxLength} characters`)
  const end = text.indexOf('\n\n')
  const [first, extra = '', place = '', ...hashes] = text.slice(0, Math.max(0, end)).split('\n')
  if (
    end < 0 ||
    first !== firstLine ||
    !extra.startsWith('extra ') ||
    !/^index (0|[1-9]\d{0,15})$/.test(place)
  )
    throw fault(`a receipt must begin with ${firstLine}, a record and an index`)
  return {
    entry: decodeBase64(extra.slice('extra '.length)),
    index: Number(place.slice('index '.length)),
    proof: hashes.map((hash) => decodeBase64(hash)),
    checkpoint: text.slice(end + 2),
  }
}

/**
 * Checks that the record is about the issuance of exactly this certificate. @throws ERR_AUDIT_LOG, ERR_JSON
 */
function requireIssuance(entry: Uint8Array, leaf: Certificate): void {
  const { event, certificateSha256 } = decodeAuditRecord(entry)
  const wanted = createHash('sha256').update(leaf.der).digest('hex')
  if ((event === 'issued' || event === 'renewed') && certificateSha256 === wanted) return
  throw fault(
    `the receipt proves the record ${JSON.stringify(event.slice(0, 32))} of the certificate with ` +
      `SHA-256 ${String(certificateSha256).slice(0, 64)}; the certificate has ${wanted}`,
  )
}

function fault(reason: string): PkiError {
  return new PkiError('ERR_AUDIT_LOG', reason)
}

const firstLine = 'c2sp.org/tlog-proof@v1'
/** A record in base64, 64 hashes, and a checkpoint with some cosignatures. */
const maxLength = 128 * 1024
