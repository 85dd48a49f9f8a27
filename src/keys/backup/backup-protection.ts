// The key that encrypts a backup: from a passphrase, or agreed with a recipient.

import {
  KeyObject,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { deriveKey, isAffordable, requireNewPassphrase } from '../../internal/passphrase.ts'
import type { ScryptCost } from '../../internal/passphrase.ts'
import { octetsOf } from './encrypted-key-backup.ts'
import type { BackupHeader, EncryptedKeyBackup } from './encrypted-key-backup.ts'

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

/** The key of the content, and the data from which it can be derived again. */
export interface SealedContentKey {
  readonly contentKey: Buffer
  readonly description: EncryptedKeyBackup['protection']
}

/** A new key for the content of a backup. @throws ERR_INVALID_ARGUMENT, ERR_KEY_BACKUP */
export async function sealContentKey(protection: BackupProtection): Promise<SealedContentKey> {
  const given = readGiven(protection)
  return 'recipient' in given ? sealForRecipient(given.recipient) : sealForPassphrase(given.passphrase)
}

/** The key of the content. @throws ERR_KEY_BACKUP, ERR_KEY_PASSPHRASE, ERR_INVALID_ARGUMENT */
export async function openContentKey(header: BackupHeader, protection: BackupProtection): Promise<Buffer> {
  const given = readGiven(protection)
  return 'recipient' in given
    ? openForRecipient(header, given.recipient)
    : openForPassphrase(header, given.passphrase)
}

async function sealForPassphrase(passphrase: string | Uint8Array): Promise<SealedContentKey> {
  requireNewPassphrase(passphrase)
  const salt = randomBytes(16)
  const contentKey = await deriveKey(passphrase, salt, scryptCost, 'ERR_KEY_BACKUP')
  return { contentKey, description: { kind: 'scrypt', salt: salt.toString('base64'), ...scryptCost } }
}

/**
 * ECIES with X25519 and HKDF-SHA-256 (RFC 7748, RFC 5869): an ephemeral key;
 * both public keys enter the derivation.
 */
function sealForRecipient(recipient: KeyObject): SealedContentKey {
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

async function openForPassphrase(backup: BackupHeader, passphrase: string | Uint8Array): Promise<Buffer> {
  const { protection } = backup
  if (protection.kind !== 'scrypt')
    throw new PkiError(
      'ERR_KEY_BACKUP',
      `the backup of ${backup.keyId} is encrypted for a recipient's key; a passphrase was given`,
    )
  const { N, r, p } = protection
  if (!isAffordable({ N, r, p }, scryptCost))
    throw new PkiError('ERR_KEY_BACKUP', 'the scrypt parameters of the backup are out of range')
  return deriveKey(passphrase, octetsOf(protection.salt, 'salt'), { N, r, p }, 'ERR_KEY_BACKUP')
}

function openForRecipient(backup: BackupHeader, recipient: KeyObject): Buffer {
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
  const raw = octetsOf(protection.ephemeralKey, 'ephemeral key')
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

/** OWASP's recommendation for interactive use is 2^17, 8, 1: 128 MiB and about a third of a second. */
const scryptCost: ScryptCost = { N: 2 ** 17, r: 8, p: 1 }
