// Encrypted PKCS#8 as this package writes it: PBES2 (RFC 8018 section 6.2),
// scrypt (RFC 7914 section 7), AES-256-CBC.

import { createCipheriv, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { integer, octetString, oid, sequence } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import {
  deriveKey,
  deriveKeySync,
  isAffordable,
  requireNewPassphrase,
  requirePassphrase,
} from '../../internal/passphrase.ts'
import type { ScryptCost } from '../../internal/passphrase.ts'
import { requirePrivateKey } from '../key-algorithm.ts'
import { decipherKey, readEncryptedKey } from './password-based-encryption.ts'
import { pbes2Oids } from './pbe-schemes.ts'
import { loadPrivateKey } from './private-key-info.ts'

/** The output of the key derivation. */
export interface Pkcs8Secret {
  /**
   * The output of scrypt, from which other keys can be derived by HKDF (RFC 5869), such as the key of a MAC:
   * CBC does not authenticate. Overwrite it with zeros after use.
   */
  readonly secret: Buffer
  /** The salt of scrypt. */
  readonly salt: Uint8Array
}

/**
 * Encrypts a private key for a file, off the event loop. `openssl pkcs8` decrypts the DER.
 *
 * @throws ERR_INVALID_ARGUMENT for a key that is not private; a passphrase that is empty, ends in a line
 *   feed, or is neither text nor octets
 */
export async function encryptPkcs8(
  key: KeyObject,
  passphrase: string | Uint8Array,
): Promise<Pkcs8Secret & { readonly der: Uint8Array }> {
  requirePrivateKey(key)
  const salt = randomBytes(16)
  const secret = await deriveKey(requireNewPassphrase(passphrase), salt, ownCost, 'ERR_INTERNAL')
  return { der: encode(key, secret, salt), secret, salt }
}

/** Like `encryptPkcs8`, on the event loop. @throws as `encryptPkcs8` */
export function encryptPkcs8Sync(key: KeyObject, passphrase: string | Uint8Array): Uint8Array {
  const salt = randomBytes(16)
  const secret = deriveKeySync(requireNewPassphrase(passphrase), salt, ownCost)
  const der = encode(key, secret, salt)
  secret.fill(0)
  return der
}

/**
 * Decrypts the output of `encryptPkcs8`, off the event loop. The key is not
 * checked: `importPrivateKey` does that.
 *
 * @throws ERR_LIMIT_EXCEEDED for a scrypt cost above twice our own; ERR_KEY_UNSUPPORTED for other schemes
 * @throws ERR_KEY_MALFORMED
 * @throws ERR_KEY_PASSPHRASE, ERR_INVALID_ARGUMENT
 */
export async function decryptPkcs8(
  der: Uint8Array,
  passphrase: string | Uint8Array,
): Promise<Pkcs8Secret & { readonly key: KeyObject }> {
  requirePassphrase(passphrase)
  // The caller may change its octets while scrypt runs.
  const copy = Uint8Array.from(der)
  const encrypted = readEncryptedKey(copy)
  if (
    encrypted.kind !== 'pbes2' ||
    encrypted.derivation.kind !== 'scrypt' ||
    encrypted.cipher !== 'aes-256-cbc'
  ) {
    throw new PkiError('ERR_KEY_UNSUPPORTED', 'the private key is not encrypted with scrypt and AES-256-CBC')
  }
  const { salt, cost } = encrypted.derivation
  if (!isAffordable(cost, ownCost)) {
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `scrypt with N = ${cost.N}, r = ${cost.r}, p = ${cost.p} costs more than twice the cost of this ` +
        'package',
    )
  }
  const secret = await deriveKey(passphrase, salt, cost, 'ERR_KEY_MALFORMED')
  let plain: Buffer | undefined
  try {
    plain = decipherKey(encrypted, secret, encrypted.iv, passphrase)
    return { key: loadPrivateKey(plain, 'PKCS#8'), secret, salt }
  } catch (error) {
    secret.fill(0)
    throw error
  } finally {
    plain?.fill(0)
  }
}

function encode(key: KeyObject, secret: Uint8Array, salt: Uint8Array): Uint8Array {
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-cbc', secret, iv)
  const plain = key.export({ type: 'pkcs8', format: 'der' })
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()])
  plain.fill(0)
  const { N, r, p } = ownCost
  const derivation = sequence(
    oid(pbes2Oids.scrypt),
    sequence(octetString(salt), integer(N), integer(r), integer(p), integer(secret.length)),
  )
  return sequence(
    sequence(oid(pbes2Oids.pbes2), sequence(derivation, sequence(oid(pbes2Oids.aes256Cbc), octetString(iv)))),
    octetString(encrypted),
  )
}

/** OpenSSL's tools give scrypt 32 MiB, which allows N = 2^14; OWASP recommends p = 5 with it. */
const ownCost: ScryptCost = { N: 2 ** 14, r: 8, p: 5 }
