// A private key as it stands in a file: encrypted by `encryptPkcs8`, whose CBC says nothing of who wrote it; a MAC beside it does.

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { decryptPkcs8, encryptPkcs8 } from '../../keys/index.ts'

/** A private key that is encrypted, and what holds it and its description together. */
export interface EncryptedPrivateKey {
  readonly der: Uint8Array
  /** HMAC-SHA-256 over the description and the DER, under a key that the passphrase gives too. */
  readonly mac: Uint8Array
}

/** Encrypts a private key, with a MAC over it and what is said about it. @throws ERR_INVALID_ARGUMENT for a passphrase that is empty or none */
export async function encryptPrivateKey(
  key: KeyObject,
  passphrase: string | Uint8Array,
  about: string,
): Promise<EncryptedPrivateKey> {
  const { der, secret, salt } = await encryptPkcs8(key, passphrase)
  return { der, mac: macOf(secret, salt, about, der) }
}

/** Opens what `encryptPrivateKey` wrote. @throws ERR_KEY_MALFORMED, ERR_KEY_PASSPHRASE, ERR_KEY_STORAGE for what was changed since */
export async function decryptPrivateKey(
  { der, mac }: EncryptedPrivateKey,
  passphrase: string | Uint8Array,
  about: string,
): Promise<KeyObject> {
  const { key, secret, salt } = await decryptPkcs8(der, passphrase)
  if (timingSafeEqual(macOf(secret, salt, about, der), mac)) return key
  // It opens, so the passphrase is right and something else is wrong.
  throw new PkiError(
    'ERR_KEY_STORAGE',
    'the key file is not as it was written: its key, its description or its place was changed',
  )
}

/** Both are of one derivation: its output is the key of AES, and HKDF makes another of it for the MAC (RFC 5869 §3.2). The former is wiped. */
function macOf(secret: Buffer, salt: Uint8Array, about: string, der: Uint8Array): Buffer {
  const key = Buffer.from(hkdfSync('sha256', secret, salt, 'spiffe-pki key file v1', 32))
  secret.fill(0)
  const mac = createHmac('sha256', key).update(about).update('\0').update(der).digest()
  key.fill(0)
  return mac
}
