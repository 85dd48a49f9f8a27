// Encrypts a private key under a passphrase or for a recipient's key, and decrypts it.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { passphraseHint } from '../../internal/passphrase.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { PublicKey } from '../../x509/index.ts'
import { keyAlgorithmOf, requireKeyId, requirePrivateKey } from '../key-algorithm.ts'
import type { KeyAlgorithm } from '../key-algorithm.ts'
import { importPrivateKey } from '../private-key/private-key.ts'
import { openContentKey, sealContentKey } from './backup-protection.ts'
import type { BackupProtection } from './backup-protection.ts'
import { authenticated, checksumOf, readBackup } from './encrypted-key-backup.ts'
import type { EncryptedKeyBackup } from './encrypted-key-backup.ts'

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
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `created must be a valid Date, the creation time of the key, found ${nameOf(created)}`,
    )
  if (typeof algorithm !== 'string' || algorithmOf(key, algorithm) !== algorithm) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `the key is not a ${algorithm} key`)
  }
  const { contentKey, description } = await sealContentKey(protection)
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
  const contentKey = await openContentKey(header, protection)
  let plain: Buffer
  try {
    const decipher = createDecipheriv('aes-256-gcm', contentKey, nonce)
    decipher.setAAD(authenticated(header))
    decipher.setAuthTag(ciphertext.subarray(-16))
    plain = Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()])
  } catch {
    throw new PkiError(
      'ERR_KEY_PASSPHRASE',
      `the backup of ${header.keyId} does not decrypt: wrong passphrase or key, or changed header` +
        passphraseHint('passphrase' in protection ? protection.passphrase : undefined),
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
