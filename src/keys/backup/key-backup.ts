// EncryptedKeyBackup: one private key, encrypted under a passphrase or for a
// recipient's key (format: docs/key-backup.md).

import { readOptions } from '../../internal/options.ts'
import {
  KeyObject,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { decodeBase64 } from '../../internal/bytes.ts'
import { deriveKey, isAffordable, requireNewPassphrase } from '../../internal/passphrase.ts'
import type { ScryptCost } from '../../internal/passphrase.ts'
import { PublicKey } from '../../x509/index.ts'
import { importPrivateKey } from '../private-key/private-key.ts'
import {
  isKeyAlgorithm,
  keyAlgorithmOf,
  keyIdPattern,
  requireKeyId,
  requirePrivateKey,
} from '../key-algorithm.ts'
import type { KeyAlgorithm } from '../key-algorithm.ts'

/**
 * How a backup is encrypted: with a passphrase, or for an X25519 key pair,
 * whose public half is enough to create one.
 */
export type BackupProtection =
  | {
      /** Choose a long one: scrypt makes each guess cost 128 MiB of memory. Text is encoded as UTF-8. */
      readonly passphrase: string | Uint8Array
    }
  | {
      /** An X25519 key: public to create a backup, private to decrypt it. */
      readonly recipient: KeyObject
    }

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

/** The description of the key in a backup, which is not encrypted. @inline */
export interface BackedUpKey {
  readonly keyId: string
  readonly algorithm: KeyAlgorithm
  /** The creation time of the key. */
  readonly created: Date
}

/**
 * Encrypts a private key.
 *
 * @throws ERR_INVALID_ARGUMENT for a recipient other than an X25519 key, an empty passphrase, a malformed id,
 * an algorithm that the key does not have
 */
export async function sealKeyBackup(
  key: KeyObject,
  about: BackedUpKey,
  protection: BackupProtection,
): Promise<EncryptedKeyBackup> {
  requirePrivateKey(key)
  const { keyId, algorithm, created } = readOptions<BackedUpKey>('sealKeyBackup', about, {
    keyId: 'required',
    algorithm: 'required',
    created: 'required',
  })
  if (!(created instanceof Date) || Number.isNaN(created.getTime()))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'created must be a valid Date, the creation time of the key')
  if (typeof algorithm !== 'string' || algorithmOf(key, algorithm) !== algorithm) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `the key is not a ${algorithm} key`)
  }
  const given = readGiven(protection)
  const { contentKey, description } =
    'recipient' in given ? sealForRecipient(given.recipient) : await sealForPassphrase(given.passphrase)
  const header = {
    version: 1,
    keyId: requireKeyId(keyId),
    algorithm,
    created: created.toISOString(),
    protection: description,
  } as const
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', contentKey, nonce)
  cipher.setAAD(authenticated(header))
  const plain = key.export({ type: 'pkcs8', format: 'der' })
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  plain.fill(0)
  contentKey.fill(0)
  return {
    ...header,
    nonce: nonce.toString('base64'),
    ciphertext: ciphertext.toString('base64'),
    checksum: checksumOf(ciphertext),
  }
}

/**
 * Decrypts a backup.
 *
 * @throws ERR_KEY_BACKUP for a backup that is malformed, damaged, of another version, or whose key does not
 * match its description; ERR_KEY_PASSPHRASE for a wrong key
 */
export async function openKeyBackup(
  backup: EncryptedKeyBackup,
  protection: BackupProtection,
): Promise<KeyObject> {
  const { nonce, ciphertext, header } = readBackup(backup)
  const given = readGiven(protection)
  const contentKey =
    'recipient' in given
      ? openForRecipient(header, given.recipient)
      : await openForPassphrase(header, given.passphrase)
  let plain: Buffer
  try {
    const decipher = createDecipheriv('aes-256-gcm', contentKey, nonce)
    decipher.setAAD(authenticated(header))
    decipher.setAuthTag(ciphertext.subarray(-16))
    plain = Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()])
  } catch {
    throw new PkiError(
      'ERR_KEY_PASSPHRASE',
      `the backup of ${header.keyId} does not decrypt: wrong passphrase or key, or changed header`,
    )
  } finally {
    contentKey.fill(0)
  }
  try {
    const key = importPrivateKey(plain)
    if (algorithmOf(key, header.algorithm) === header.algorithm) return key
    throw new PkiError(
      'ERR_KEY_BACKUP',
      `the algorithm of the key in the backup of ${header.keyId} is not ${header.algorithm}`,
    )
  } finally {
    plain.fill(0)
  }
}

/** The algorithm of the key; `named` decides between PKCS#1 v1.5 and PSS. */
function algorithmOf(key: KeyObject, named: KeyAlgorithm): KeyAlgorithm {
  return keyAlgorithmOf(PublicKey.from(key), { pss: named.startsWith('RSA-PSS') })
}

/** The member that is given; undefined members count as absent. @throws ERR_INVALID_ARGUMENT */
function readGiven(protection: BackupProtection | null | undefined): BackupProtection {
  const { passphrase, recipient } = readOptions<Partial<Record<string, unknown>>>(
    'BackupProtection',
    protection ?? {},
    { passphrase: 'optional', recipient: 'optional' },
  )
  if (recipient instanceof KeyObject) return { recipient }
  if (recipient === undefined && (typeof passphrase === 'string' || passphrase instanceof Uint8Array))
    return { passphrase }
  throw new PkiError('ERR_INVALID_ARGUMENT', 'protection must have either a passphrase or a recipient')
}

interface Sealed {
  readonly contentKey: Buffer
  readonly description: EncryptedKeyBackup['protection']
}

async function sealForPassphrase(passphrase: string | Uint8Array): Promise<Sealed> {
  requireNewPassphrase(passphrase)
  const salt = randomBytes(16)
  const contentKey = await deriveKey(passphrase, salt, scryptCost, 'ERR_KEY_BACKUP')
  return { contentKey, description: { kind: 'scrypt', salt: salt.toString('base64'), ...scryptCost } }
}

/**
 * ECIES with X25519 and HKDF-SHA-256 (RFC 7748, RFC 5869): an ephemeral key;
 * both public keys enter the derivation.
 */
function sealForRecipient(recipient: KeyObject): Sealed {
  const publicKey = x25519Public(recipient)
  const ephemeral = generateKeyPairSync('x25519')
  const ephemeralKey = rawPublic(ephemeral.publicKey)
  const contentKey = agree(ephemeral.privateKey, publicKey, ephemeralKey, rawPublic(publicKey))
  return {
    contentKey,
    description: {
      kind: 'x25519',
      ephemeralKey: ephemeralKey.toString('base64'),
      recipientKeyId: recipientKeyId(publicKey),
    },
  }
}

async function openForPassphrase(backup: Header, passphrase: string | Uint8Array): Promise<Buffer> {
  const { protection } = backup
  if (protection.kind !== 'scrypt')
    throw new PkiError(
      'ERR_KEY_BACKUP',
      `the backup of ${backup.keyId} is encrypted for a recipient's key; a passphrase was given`,
    )
  const { N, r, p } = protection
  if (!isAffordable({ N, r, p }, scryptCost))
    throw new PkiError('ERR_KEY_BACKUP', 'the scrypt parameters of the backup are out of range')
  return deriveKey(passphrase, base64(protection.salt, 'salt'), { N, r, p }, 'ERR_KEY_BACKUP')
}

function openForRecipient(backup: Header, recipient: KeyObject): Buffer {
  const { protection } = backup
  if (protection.kind !== 'x25519')
    throw new PkiError(
      'ERR_KEY_BACKUP',
      `the backup of ${backup.keyId} is encrypted with a passphrase; a recipient's key was given`,
    )
  if (recipient.type !== 'private')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      "the recipient's private key is required to decrypt a backup; found a public key",
    )
  const publicKey = x25519Public(recipient)
  if (recipientKeyId(publicKey) !== protection.recipientKeyId) {
    throw new PkiError('ERR_KEY_PASSPHRASE', `the backup of ${backup.keyId} is for another recipient`)
  }
  const raw = base64(protection.ephemeralKey, 'ephemeral key')
  try {
    const ephemeral = createPublicKey({
      key: { kty: 'OKP', crv: 'X25519', x: raw.toString('base64url') },
      format: 'jwk',
    })
    return agree(recipient, ephemeral, raw, rawPublic(publicKey))
  } catch {
    throw new PkiError('ERR_KEY_BACKUP', 'the ephemeral key of the backup is malformed')
  }
}

function agree(privateKey: KeyObject, publicKey: KeyObject, ephemeral: Buffer, recipient: Buffer): Buffer {
  const secret = diffieHellman({ privateKey, publicKey })
  const key = Buffer.from(
    hkdfSync('sha256', secret, Buffer.concat([ephemeral, recipient]), 'spiffe-pki key backup v1', 32),
  )
  secret.fill(0)
  return key
}

function readBackup(backup: EncryptedKeyBackup): { nonce: Buffer; ciphertext: Buffer; header: Header } {
  const found = backup as unknown as Record<string, unknown> | null
  const text = (name: string): string => {
    const value = found?.[name]
    if (typeof value !== 'string' || value.length > 64 * 1024)
      throw new PkiError('ERR_KEY_BACKUP', `the backup has no member ${name}`)
    return value
  }
  if (found?.['version'] !== 1) throw new PkiError('ERR_KEY_BACKUP', 'the version of the backup is not 1')
  const ciphertext = base64(text('ciphertext'), 'ciphertext')
  const nonce = base64(text('nonce'), 'nonce')
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

function base64(text: string, what: string): Buffer {
  try {
    return Buffer.from(decodeBase64(text))
  } catch (cause) {
    throw new PkiError('ERR_KEY_BACKUP', `the ${what} of the backup is not canonical base64`, { cause })
  }
}

type Header = Pick<EncryptedKeyBackup, 'version' | 'keyId' | 'algorithm' | 'created' | 'protection'>

/** The authenticated header: its members in this order, as JSON. */
function authenticated({ version, keyId, algorithm, created, protection }: Header): Buffer {
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

function x25519Public(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'x25519')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the recipient of a backup must be an X25519 key')
  return key.type === 'private' ? createPublicKey(key) : key
}

function rawPublic(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}

function recipientKeyId(key: KeyObject): string {
  return createHash('sha256').update(rawPublic(key)).digest('hex').slice(0, 32)
}

function checksumOf(ciphertext: Buffer): string {
  return createHash('sha256').update(ciphertext).digest('hex')
}

/** OWASP's recommendation for interactive use is 2^17, 8, 1: 128 MiB and about a third of a second. */
const scryptCost: ScryptCost = { N: 2 ** 17, r: 8, p: 1 }
/** Salts and keys may have a tenth of this length. */
const maxShortText = 1024
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/
