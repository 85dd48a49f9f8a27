// EncryptedPrivateKeyInfo (RFC 5958 §3) with PBES2 (RFC 8018 §6.2), scrypt (RFC 7914 §7) and AES-256-CBC: the strongest that OpenSSL's tools open.

import { createCipheriv, createDecipheriv, createPrivateKey, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  integer,
  octetString,
  oid,
  oidContent,
  readWhole,
  sequence,
  smallInteger,
  tags,
} from '../der/index.ts'
import type { DerReader } from '../der/index.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import {
  deriveKey,
  deriveKeySync,
  isAffordable,
  requireNewPassphrase,
  requirePassphrase,
} from '../internal/passphrase.ts'
import type { ScryptCost } from '../internal/passphrase.ts'
import { requirePrivateKey } from './key-algorithm.ts'

/** What the passphrase of an encrypted key gave. */
export interface Pkcs8Secret {
  /** Where other keys can be made of it, by HKDF (RFC 5869): CBC says nothing of who wrote the file. To be filled with zeros after use. */
  readonly secret: Buffer
  /** That of scrypt. */
  readonly salt: Uint8Array
}

/**
 * Encrypts a private key for a file, off the event loop: DER that `openssl pkcs8` opens.
 *
 * @throws ERR_INVALID_ARGUMENT for a key that is not private, a passphrase that is empty or neither text nor octets
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

/** As `encryptPkcs8`, on the event loop. @throws as `encryptPkcs8` */
export function encryptPkcs8Sync(key: KeyObject, passphrase: string | Uint8Array): Uint8Array {
  const salt = randomBytes(16)
  const secret = deriveKeySync(requireNewPassphrase(passphrase), salt, ownCost)
  const der = encode(key, secret, salt)
  secret.fill(0)
  return der
}

/**
 * Opens what `encryptPkcs8` wrote, off the event loop. The key is not judged: `importPrivateKey` does that.
 *
 * @throws ERR_KEY_MALFORMED for other schemes too, and a cost above twice our own; ERR_KEY_PASSPHRASE; ERR_INVALID_ARGUMENT
 */
export async function decryptPkcs8(
  der: Uint8Array,
  passphrase: string | Uint8Array,
): Promise<Pkcs8Secret & { readonly key: KeyObject }> {
  requirePassphrase(passphrase)
  const { salt, cost, iv, encrypted } = read(der)
  const secret = await deriveKey(passphrase, salt, cost, 'ERR_KEY_MALFORMED')
  let plain: Buffer | undefined
  try {
    const decipher = createDecipheriv('aes-256-cbc', secret, iv)
    plain = Buffer.concat([decipher.update(encrypted), decipher.final()])
    return { key: createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' }), secret, salt }
  } catch {
    secret.fill(0)
    // One wrong passphrase in 256 gives padding that looks right; the platform's error is not kept, it may quote the plain text.
    throw new PkiError('ERR_KEY_PASSPHRASE', 'the private key does not open with this passphrase')
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

interface Parts {
  readonly salt: Uint8Array
  readonly cost: ScryptCost
  readonly iv: Uint8Array
  readonly encrypted: Uint8Array
}

function read(der: Uint8Array): Parts {
  try {
    return readParts(der)
  } catch (cause) {
    if (isPkiError(cause, 'ERR_KEY_MALFORMED')) throw cause
    throw new PkiError('ERR_KEY_MALFORMED', 'the bytes are no EncryptedPrivateKeyInfo', { cause })
  }
}

function readParts(der: Uint8Array): Parts {
  const outer = readWhole(der, tags.sequence, 'EncryptedPrivateKeyInfo')
  const algorithm = outer.expect(tags.sequence, 'encryptionAlgorithm').inner()
  requireOid(algorithm, pbes2Oids.pbes2)
  const parameters = algorithm.expect(tags.sequence, 'PBES2-params').inner()
  const kdf = parameters.expect(tags.sequence, 'keyDerivationFunc').inner()
  requireOid(kdf, pbes2Oids.scrypt)
  const scryptParameters = kdf.expect(tags.sequence, 'scrypt-params').inner()
  const salt = scryptParameters.expect(tags.octetString, 'salt').content()
  const [N, r, p] = ['costParameter', 'blockSize', 'parallelizationParameter'].map((what) =>
    smallInteger(scryptParameters.expect(tags.integer, what), what),
  ) as [number, number, number]
  if (!isAffordable({ N, r, p }, ownCost))
    throw new PkiError('ERR_KEY_MALFORMED', 'scrypt parameters that are out of range')
  const scheme = parameters.expect(tags.sequence, 'encryptionScheme').inner()
  requireOid(scheme, pbes2Oids.aes256Cbc)
  const iv = scheme.expect(tags.octetString, 'IV').content()
  if (iv.length !== 16) throw new PkiError('ERR_KEY_MALFORMED', `an IV of ${iv.length} octets`)
  const encrypted = outer.expect(tags.octetString, 'encryptedData').content()
  outer.finish('EncryptedPrivateKeyInfo')
  return { salt, cost: { N, r, p }, iv, encrypted }
}

function requireOid(reader: DerReader, wanted: string): void {
  const found = oidContent(reader.expect(tags.oid, 'algorithm'))
  if (found !== wanted)
    throw new PkiError('ERR_KEY_MALFORMED', `algorithm ${found} where ${wanted} is wanted`)
}

/** The most memory that OpenSSL gives scrypt by default (32 MiB) allows N = 2^14; OWASP then asks for p = 5. */
const ownCost: ScryptCost = { N: 2 ** 14, r: 8, p: 5 }
/** RFC 8018 §A.4, RFC 7914 §7, RFC 3565 §4.1. */
export const pbes2Oids = {
  pbes2: '1.2.840.113549.1.5.13',
  scrypt: '1.3.6.1.4.1.11591.4.11',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const
