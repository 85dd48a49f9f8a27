// EncryptedKeyBackup: the envelope of a private key as JSON (format: docs/key-backup.md).

import { createHash } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { decodeBase64 } from '../../internal/encodings/base64.ts'
import { isKeyAlgorithm, keyIdPattern } from '../key-algorithm.ts'
import type { KeyAlgorithm } from '../key-algorithm.ts'

/**
 * A backup as plain JSON values, octets in base64. Everything but `ciphertext` is authenticated and readable.
 */
export interface EncryptedKeyBackup {
  /** The version of the envelope. */
  readonly version: 1
  /** The id of the key, which `restoreKey` uses again. */
  readonly keyId: string
  /** The algorithm of the key, which also determines its signature algorithm. */
  readonly algorithm: KeyAlgorithm
  /** ISO 8601. */
  readonly created: string
  /** How it is encrypted: the parameters of scrypt, or the X25519 keys; octets in base64. */
  readonly protection:
    | {
        readonly kind: 'scrypt'
        readonly salt: string
        readonly N: number
        readonly r: number
        readonly p: number
      }
    | { readonly kind: 'x25519'; readonly ephemeralKey: string; readonly recipientKeyId: string }
  /** AES-256-GCM: 12 octets. */
  readonly nonce: string
  /** PKCS#8, encrypted, followed by the tag of 16 octets. */
  readonly ciphertext: string
  /** SHA-256 of the ciphertext, hexadecimal: distinguishes a damaged backup from a wrong passphrase. */
  readonly checksum: string
}

/** The parts of a backup, checked; nothing is decrypted. @throws ERR_KEY_BACKUP */
export function readBackup(backup: EncryptedKeyBackup): {
  readonly nonce: Buffer
  readonly ciphertext: Buffer
  readonly header: BackupHeader
} {
  const found = backup as unknown as Record<string, unknown> | null
  const text = (name: string): string => {
    const value = found?.[name]
    if (typeof value !== 'string' || value.length > 64 * 1024)
      throw new PkiError('ERR_KEY_BACKUP', `the backup has no member ${name}`)
    return value
  }
  if (found?.['version'] !== 1) {
    const what =
      found?.['version'] === undefined
        ? 'the backup has no member version; expected what backupKey returned, parsed from its JSON'
        : 'the version of the backup is not 1'
    throw new PkiError('ERR_KEY_BACKUP', what)
  }
  const ciphertext = octetsOf(text('ciphertext'), 'ciphertext')
  const nonce = octetsOf(text('nonce'), 'nonce')
  if (nonce.length !== 12 || ciphertext.length < 17)
    throw new PkiError('ERR_KEY_BACKUP', 'the nonce or ciphertext of the backup is too short')
  if (checksumOf(ciphertext) !== text('checksum'))
    throw new PkiError('ERR_KEY_BACKUP', 'the backup is damaged: its checksum differs')
  const algorithm = text('algorithm')
  if (!isKeyAlgorithm(algorithm))
    throw new PkiError('ERR_KEY_BACKUP', 'the backup names an unknown key algorithm')
  const [keyId, created] = [text('keyId'), text('created')]
  // Both are displayed, also in error messages.
  if (!keyIdPattern.test(keyId) || !isoTime.test(created) || Number.isNaN(Date.parse(created))) {
    throw new PkiError('ERR_KEY_BACKUP', 'the id or the time in the backup is malformed')
  }
  return {
    nonce,
    ciphertext,
    header: { version: 1, keyId, algorithm, created, protection: readProtection(found['protection']) },
  }
}

/** The object with exactly its members and their types: the same values are authenticated and used. */
function readProtection(value: unknown): EncryptedKeyBackup['protection'] {
  const {
    kind,
    salt,
    N,
    r,
    p,
    ephemeralKey,
    recipientKeyId: recipient,
  } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const members = Object.keys(value ?? {}).length
  const isShort = (text: unknown): text is string => typeof text === 'string' && text.length <= maxShortText
  const isCost = typeof N === 'number' && typeof r === 'number' && typeof p === 'number'
  if (kind === 'scrypt' && members === 5 && isShort(salt) && isCost) return { kind, salt, N, r, p }
  if (kind === 'x25519' && members === 3 && isShort(ephemeralKey) && isShort(recipient))
    return { kind, ephemeralKey, recipientKeyId: recipient }
  throw new PkiError('ERR_KEY_BACKUP', 'the protection of the backup is malformed, or of an unknown kind')
}

/** Octets of a member. @throws ERR_KEY_BACKUP */
export function octetsOf(text: string, what: string): Buffer {
  try {
    return Buffer.from(decodeBase64(text))
  } catch (cause) {
    throw new PkiError('ERR_KEY_BACKUP', `the ${what} of the backup is not canonical base64`, { cause })
  }
}

/** Everything that is authenticated and not encrypted. */
export type BackupHeader = Pick<
  EncryptedKeyBackup,
  'version' | 'keyId' | 'algorithm' | 'created' | 'protection'
>

/** The authenticated header: its members in this order, as JSON. */
export function authenticated({ version, keyId, algorithm, created, protection }: BackupHeader): Buffer {
  return Buffer.from(
    JSON.stringify([
      version,
      keyId,
      algorithm,
      created,
      Object.entries(protection).sort(([a], [b]) => (a < b ? -1 : 1)),
    ]),
  )
}

/** SHA-256, hexadecimal. */
export function checksumOf(ciphertext: Buffer): string {
  return createHash('sha256').update(ciphertext).digest('hex')
}

/** Salts and keys may have a tenth of this length. */
const maxShortText = 1024
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/
