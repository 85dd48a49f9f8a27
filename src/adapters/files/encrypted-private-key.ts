// EncryptedPrivateKeyInfo (RFC 5958 §3) with PBES2 (RFC 8018 §6.2), scrypt (RFC 7914 §7) and AES-256-CBC: the strongest that OpenSSL's tools
// open. Derived off the event loop, which the platform's own reader and writer are not. CBC says nothing of who wrote it: a MAC beside it does.

import { createCipheriv, createDecipheriv, createHmac, createPrivateKey, hkdfSync, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { decodeOid, integer, octetString, oid, readWhole, sequence, smallInteger, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'

/** A private key that is encrypted, and what holds it and its description together. */
export interface EncryptedPrivateKey {
  readonly der: Uint8Array
  /** HMAC-SHA-256 over the description and the DER, under a key that the passphrase gives too. */
  readonly mac: Uint8Array
}

/** Encrypts a private key, with a MAC over it and what is said about it. @throws ERR_INVALID_ARGUMENT for a passphrase that is empty or none */
export async function encryptPrivateKey(key: KeyObject, passphrase: string | Uint8Array, about: string): Promise<EncryptedPrivateKey> {
  checkPassphrase(passphrase)
  if (passphrase.length === 0) throw new PkiError('ERR_INVALID_ARGUMENT', 'an empty passphrase protects nothing')
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const secret = await derive(passphrase, salt, cost)
  const cipher = createCipheriv('aes-256-cbc', secret, iv)
  const plain = key.export({ type: 'pkcs8', format: 'der' })
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()])
  plain.fill(0)
  const kdf = sequence(oid(oids.scrypt), sequence(octetString(salt), integer(cost.N), integer(cost.r), integer(cost.p), integer(keyOctets)))
  const der = sequence(sequence(oid(oids.pbes2), sequence(kdf, sequence(oid(oids.aes256Cbc), octetString(iv)))), octetString(encrypted))
  const mac = macOf(secret, salt, about, der)
  secret.fill(0)
  return { der, mac }
}

/** Opens what `encryptPrivateKey` wrote. @throws ERR_KEY_MALFORMED, ERR_KEY_PASSPHRASE, ERR_KEY_STORAGE for what was changed since */
export async function decryptPrivateKey({ der, mac }: EncryptedPrivateKey, passphrase: string | Uint8Array, about: string): Promise<KeyObject> {
  checkPassphrase(passphrase)
  let parsed: Parsed
  try {
    parsed = parse(der)
  } catch (cause) {
    if (isPkiError(cause, 'ERR_KEY_MALFORMED')) throw cause
    throw new PkiError('ERR_KEY_MALFORMED', 'the bytes are no EncryptedPrivateKeyInfo', { cause })
  }
  const { salt, N, r, p, iv, encrypted } = parsed
  const secret = await derive(passphrase, salt, { N, r, p })
  const unchanged = timingSafeEqual(macOf(secret, salt, about, der), mac)
  let plain: Buffer
  try {
    const decipher = createDecipheriv('aes-256-cbc', secret, iv)
    plain = Buffer.concat([decipher.update(encrypted), decipher.final()])
  } catch {
    throw wrongPassphrase()
  } finally {
    secret.fill(0)
  }
  try {
    const key = createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' })
    // It opens, so the passphrase is right and something else is wrong.
    if (!unchanged) throw new PkiError('ERR_KEY_STORAGE', 'the key file is not as it was written: its key, its description or its place was changed')
    return key
  } catch (error) {
    if (isPkiError(error)) throw error
    // One wrong passphrase in 256 gives padding that looks right; the platform's error is not kept, it may quote the plain text.
    throw wrongPassphrase()
  } finally {
    plain.fill(0)
  }
}

/** Both are of one derivation: its output is the key of AES, and HKDF makes another of it for the MAC (RFC 5869 §3.2). */
function macOf(secret: Buffer, salt: Uint8Array, about: string, der: Uint8Array): Buffer {
  const key = Buffer.from(hkdfSync('sha256', secret, salt, 'spiffe-pki key file v1', 32))
  const mac = createHmac('sha256', key).update(about).update('\0').update(der).digest()
  key.fill(0)
  return mac
}

function checkPassphrase(passphrase: string | Uint8Array): void {
  if (typeof passphrase === 'string' || passphrase instanceof Uint8Array) return
  throw new PkiError('ERR_INVALID_ARGUMENT', 'a passphrase is a string or octets')
}

interface Parsed {
  readonly salt: Uint8Array
  readonly N: number
  readonly r: number
  readonly p: number
  readonly iv: Uint8Array
  readonly encrypted: Uint8Array
}

function parse(der: Uint8Array): Parsed {
  const outer = readWhole(der, tags.sequence, 'EncryptedPrivateKeyInfo')
  const algorithm = outer.expect(tags.sequence, 'encryptionAlgorithm').inner()
  requireOid(algorithm, oids.pbes2)
  const parameters = algorithm.expect(tags.sequence, 'PBES2-params').inner()
  const kdf = parameters.expect(tags.sequence, 'keyDerivationFunc').inner()
  requireOid(kdf, oids.scrypt)
  const scryptParameters = kdf.expect(tags.sequence, 'scrypt-params').inner()
  const salt = scryptParameters.expect(tags.octetString, 'salt').content()
  const costs = ['costParameter', 'blockSize', 'parallelizationParameter'].map((what) => smallInteger(scryptParameters.expect(tags.integer, what), what))
  const [N, r, p] = costs as [number, number, number]
  // A file is input: it may not make us spend more than twice what we would.
  if (N < 2 || (N & (N - 1)) !== 0 || r < 1 || p < 1 || N * r * p > 2 * cost.N * cost.r * cost.p) {
    throw new PkiError('ERR_KEY_MALFORMED', 'scrypt parameters that are out of range')
  }
  const scheme = parameters.expect(tags.sequence, 'encryptionScheme').inner()
  requireOid(scheme, oids.aes256Cbc)
  const iv = scheme.expect(tags.octetString, 'IV').content()
  if (iv.length !== 16) throw new PkiError('ERR_KEY_MALFORMED', `an IV of ${iv.length} octets`)
  const encrypted = outer.expect(tags.octetString, 'encryptedData').content()
  outer.finish('EncryptedPrivateKeyInfo')
  return { salt, N, r, p, iv, encrypted }
}

function requireOid(reader: DerReader, wanted: string): void {
  reader.expect(tags.oid, 'algorithm')
  const found = decodeOid(reader.bytes, reader.contentStart, reader.contentEnd)
  if (found !== wanted) throw new PkiError('ERR_KEY_MALFORMED', `algorithm ${found} where ${wanted} is wanted`)
}

function derive(passphrase: string | Uint8Array, salt: Uint8Array, { N, r, p }: { N: number, r: number, p: number }): Promise<Buffer> {
  // What scrypt refuses at once it throws; what the executor throws, rejects.
  return new Promise<Buffer>((resolve, reject) => {
    scrypt(passphrase, salt, keyOctets, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  }).catch((cause: unknown) => {
    throw new PkiError('ERR_KEY_MALFORMED', 'scrypt does not take these parameters', { cause })
  })
}

function wrongPassphrase(): PkiError {
  return new PkiError('ERR_KEY_PASSPHRASE', 'the private key does not open with this passphrase')
}

const keyOctets = 32
/** The most memory that OpenSSL gives scrypt by default (32 MiB) allows N = 2^14; OWASP then asks for p = 5. */
const cost = { N: 2 ** 14, r: 8, p: 5 }
const oids = { pbes2: '1.2.840.113549.1.5.13', scrypt: '1.3.6.1.4.1.11591.4.11', aes256Cbc: '2.16.840.1.101.3.4.1.42' } as const
