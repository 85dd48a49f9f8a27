// A private key as stored in a file: encrypted by `encryptPkcs8` (CBC, which
// does not authenticate), with a MAC beside it.

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { decryptPkcs8, encryptPkcs8 } from '../../keys/internal.ts'

/** An encrypted private key and the MAC over it and its description. */
export interface EncryptedPrivateKey {
  readonly der: Uint8Array
  /** HMAC-SHA-256 over the description and the DER, under a key derived from the passphrase. */
  readonly mac: Uint8Array
}

/**
 * Encrypts a private key, with a MAC over it and its description.
 * @throws ERR_INVALID_ARGUMENT for an empty passphrase or one of another type
 */
export async function encryptPrivateKey(
  key: KeyObject,
  passphrase: string | Uint8Array,
  about: string,
): Promise<EncryptedPrivateKey> {
  const { der, secret, salt } = await encryptPkcs8(key, passphrase)
  return { der, mac: macOf(secret, salt, about, der) }
}

/**
 * Decrypts the output of `encryptPrivateKey`.
 * @throws ERR_KEY_MALFORMED, ERR_KEY_PASSPHRASE, ERR_KEY_STORAGE if the file was changed
 */
export async function decryptPrivateKey(
  { der, mac }: EncryptedPrivateKey,
  passphrase: string | Uint8Array,
  about: string,
): Promise<KeyObject> {
  const { key, secret, salt } = await decryptPkcs8(der, passphrase)
  if (timingSafeEqual(macOf(secret, salt, about, der), mac)) return key
  // The content decrypts, so the passphrase is correct and other data was changed.
  throw new PkiError(
    'ERR_KEY_STORAGE',
    'the MAC of the key file does not verify: its key, its description or its path was changed; restore it ' +
      'from a backup',
  )
}

/**
 * One derivation for both: the output of scrypt is the AES key, and HKDF derives the MAC key from it (RFC
 * 5869 §3.2). The scrypt output is overwritten after use.
 */
function macOf(secret: Buffer, salt: Uint8Array, about: string, der: Uint8Array): Buffer {
  const key = Buffer.from(hkdfSync('sha256', secret, salt, 'spiffe-pki key file v1', 32))
  secret.fill(0)
  const mac = createHmac('sha256', key).update(about).update('\0').update(der).digest()
  key.fill(0)
  return mac
}
