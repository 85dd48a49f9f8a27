// EncryptedPrivateKeyInfo (RFC 5958 section 3): its scheme, the cost of its
// key derivation, and its decryption.

import { createDecipheriv, getCiphers, pbkdf2Sync, scryptSync } from 'node:crypto'
import { readOid, readWhole, smallInteger, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { passphraseHint } from '../../internal/passphrase.ts'
import type { ScryptCost } from '../../internal/passphrase.ts'
import { malformedKey, readingKey } from './malformed-key.ts'
import { derivePkcs12 } from './pkcs12-key-derivation.ts'
import type { Pkcs12Derivation } from './pkcs12-key-derivation.ts'
import type { CipherRow } from './pbe-schemes.ts'
import { ciphers, pbes2Oids, pbkdf2Oid, pkcs12TripleDes, prfs, unsupportedSchemes } from './pbe-schemes.ts'

/** The key derivation of PBES2: RFC 8018 section A.2, RFC 7914 section 7. */
type KeyDerivation =
  | { readonly kind: 'scrypt'; readonly salt: Uint8Array; readonly cost: ScryptCost }
  | { readonly kind: 'pbkdf2'; readonly salt: Uint8Array; readonly rounds: number; readonly hash: string }

interface Encryption {
  readonly cipher: string
  readonly keyOctets: number
  readonly encrypted: Uint8Array
}

/** PBES2 (RFC 8018 section 6.2) with its parameters. */
export interface Pbes2 extends Encryption {
  readonly kind: 'pbes2'
  readonly derivation: KeyDerivation
  readonly iv: Uint8Array
}

/** A scheme of PKCS#12 (RFC 7292 appendix C) with its parameters; the IV is derived too. */
export interface Pkcs12Encryption extends Encryption {
  readonly kind: 'pkcs12'
  readonly derivation: Pkcs12Derivation
  readonly ivOctets: number
}

/**
 * Reads the parameters of an encrypted private key. The file determines the cost of its key derivation, so
 * the cost is limited before a key is derived.
 *
 * @throws ERR_KEY_MALFORMED; ERR_KEY_UNSUPPORTED, which names the scheme; ERR_LIMIT_EXCEEDED for the cost
 */
export function readEncryptedKey(der: Uint8Array): Pbes2 | Pkcs12Encryption {
  return readingKey(() => {
    const outer = readWhole(der, tags.sequence, 'EncryptedPrivateKeyInfo')
    const algorithm = outer.expect(tags.sequence, 'encryptionAlgorithm').inner()
    const encrypted = outer.expect(tags.octetString, 'encryptedData').content()
    outer.finish('EncryptedPrivateKeyInfo')
    const scheme = readOid(algorithm, 'algorithm')
    if (scheme === pbes2Oids.pbes2) {
      return readPbes2(algorithm.expect(tags.sequence, 'PBES2-params').inner(), encrypted)
    }
    const row = pkcs12TripleDes[scheme]
    if (row === undefined) throw unsupported('scheme', scheme)
    return readPkcs12(algorithm.expect(tags.sequence, 'pkcs-12PbeParams').inner(), encrypted, row)
  })
}

/**
 * The PrivateKeyInfo of an encrypted key, on the event loop. The caller overwrites it with zeros after use.
 *
 * @throws ERR_KEY_PASSPHRASE; ERR_KEY_MALFORMED if it decrypts to something other than a private key
 */
export function decryptKey(key: Pbes2 | Pkcs12Encryption, passphrase: Uint8Array): Buffer {
  const secret =
    key.kind === 'pbes2'
      ? deriveSync(key.derivation, key.keyOctets, passphrase)
      : derivePkcs12(key.derivation, 'key', key.keyOctets, passphrase)
  const iv = key.kind === 'pbes2' ? key.iv : derivePkcs12(key.derivation, 'iv', key.ivOctets, passphrase)
  try {
    return decipherKey(key, secret, iv, passphrase)
  } finally {
    secret.fill(0)
  }
}

/** Decrypts with the key derived from the passphrase. @throws ERR_KEY_PASSPHRASE, ERR_KEY_MALFORMED */
export function decipherKey(
  { cipher, encrypted }: Encryption,
  secret: Uint8Array,
  iv: Uint8Array,
  passphrase: string | Uint8Array,
): Buffer {
  let plain: Buffer
  try {
    const decipher = createDecipheriv(cipher, secret, iv)
    plain = Buffer.concat([decipher.update(encrypted), decipher.final()])
  } catch {
    // The platform's error is not kept as cause: no part of a private key may reach a log.
    throw wrongPassphrase(passphrase)
  }
  if (isOneSequence(plain)) return plain
  const paddingOctets = encrypted.length - plain.length
  plain.fill(0)
  // With a wrong passphrase the padding is valid with one octet once in 256 times, and with two or more once
  // in 65,000 times.
  if (paddingOctets === 1) throw wrongPassphrase(passphrase)
  throw malformedKey('the decrypted content is not a private key; the file is damaged')
}

/** CBC does not authenticate, so a damaged file looks like this too. */
function wrongPassphrase(passphrase: string | Uint8Array): PkiError {
  return new PkiError(
    'ERR_KEY_PASSPHRASE',
    'the private key does not decrypt with this passphrase, or the file is damaged' +
      passphraseHint(passphrase),
  )
}

function readPbes2(parameters: DerReader, encrypted: Uint8Array): Pbes2 {
  const kdf = parameters.expect(tags.sequence, 'keyDerivationFunc').inner()
  const scheme = parameters.expect(tags.sequence, 'encryptionScheme').inner()
  parameters.finish('PBES2-params')
  const kdfOid = readOid(kdf, 'algorithm')
  const cipherOid = readOid(scheme, 'algorithm')
  if (kdfOid !== pbes2Oids.scrypt && kdfOid !== pbkdf2Oid) throw unsupported('key derivation', kdfOid)
  const row = ciphers[cipherOid]
  if (row === undefined) throw unsupported('cipher', cipherOid)
  const { cipher, keyOctets, ivOctets } = row
  if (!getCiphers().includes(cipher)) throw unsupportedByPlatform(cipher)
  const iv = scheme.expect(tags.octetString, 'IV').content()
  scheme.finish('encryptionScheme')
  if (iv.length !== ivOctets) {
    throw malformedKey(`the IV for ${cipher} has ${iv.length} octets; expected ${ivOctets}`)
  }
  const kdfParameters = kdf.expect(tags.sequence, 'parameters of the key derivation').inner()
  kdf.finish('keyDerivationFunc')
  requireBlocks(cipher, encrypted, ivOctets)
  const derivation =
    kdfOid === pbkdf2Oid ? readPbkdf2(kdfParameters, keyOctets) : readScrypt(kdfParameters, keyOctets)
  return { kind: 'pbes2', derivation, cipher, keyOctets, iv, encrypted }
}

function readPkcs12(
  parameters: DerReader,
  encrypted: Uint8Array,
  { cipher, keyOctets, ivOctets }: CipherRow,
): Pkcs12Encryption {
  const salt = parameters.expect(tags.octetString, 'salt').content()
  const rounds = smallInteger(parameters.expect(tags.integer, 'iterations'), 'iterations')
  parameters.finish('pkcs-12PbeParams')
  requireRounds(rounds, maxPkcs12Rounds)
  requireBlocks(cipher, encrypted, ivOctets)
  return { kind: 'pkcs12', derivation: { salt, rounds }, cipher, keyOctets, ivOctets, encrypted }
}

/** CBC with the padding of RFC 8018 section 6.1.1 has whole blocks, at least one, under every passphrase. */
function requireBlocks(cipher: string, encrypted: Uint8Array, octets: number): void {
  if (encrypted.length > 0 && encrypted.length % octets === 0) return
  throw malformedKey(`encryptedData has ${encrypted.length} octets; ${cipher} has blocks of ${octets}`)
}

function readPbkdf2(parameters: DerReader, keyOctets: number): KeyDerivation {
  const salt = parameters.expect(tags.octetString, 'salt').content()
  const rounds = smallInteger(parameters.expect(tags.integer, 'iterationCount'), 'iterationCount')
  readKeyLength(parameters, keyOctets)
  // RFC 8018 section A.2: hmacWithSHA1 is the default.
  let prf = '1.2.840.113549.2.7'
  if (!parameters.done) prf = readOid(parameters.expect(tags.sequence, 'prf').inner(), 'prf algorithm')
  parameters.finish('PBKDF2-params')
  const hash = prfs[prf]
  if (hash === undefined) throw unsupported('pseudorandom function', prf)
  requireRounds(rounds, maxRounds)
  return { kind: 'pbkdf2', salt, rounds, hash }
}

function readScrypt(parameters: DerReader, keyOctets: number): KeyDerivation {
  const salt = parameters.expect(tags.octetString, 'salt').content()
  const [N, r, p] = ['costParameter', 'blockSize', 'parallelizationParameter'].map((what) =>
    smallInteger(parameters.expect(tags.integer, what), what),
  ) as [number, number, number]
  readKeyLength(parameters, keyOctets)
  parameters.finish('scrypt-params')
  // RFC 7914 section 2: N is a power of two below 2^(128·r/8).
  if (N < 2 || (N & (N - 1)) !== 0 || r < 1 || p < 1 || Math.log2(N) >= 16 * r) {
    throw malformedKey(`invalid scrypt parameters N = ${N}, r = ${r}, p = ${p}`)
  }
  if (N * r * p > maxScryptCost) {
    throw tooCostly(`scrypt with N·r·p = ${N * r * p}; the maximum is ${maxScryptCost}`)
  }
  return { kind: 'scrypt', salt, cost: { N, r, p } }
}

function readKeyLength(parameters: DerReader, keyOctets: number): void {
  if (!parameters.optional(tags.integer, 'keyLength')) return
  const found = smallInteger(parameters, 'keyLength')
  if (found !== keyOctets) throw malformedKey(`keyLength is ${found} octets; the cipher needs ${keyOctets}`)
}

function requireRounds(rounds: number, maximum: number): void {
  if (rounds < 1) throw malformedKey('the iteration count is 0')
  if (rounds > maximum) throw tooCostly(`${rounds} iterations; the maximum is ${maximum}`)
}

function deriveSync(derivation: KeyDerivation, keyOctets: number, passphrase: Uint8Array): Buffer {
  if (derivation.kind === 'pbkdf2') {
    return pbkdf2Sync(passphrase, derivation.salt, derivation.rounds, keyOctets, derivation.hash)
  }
  const { N, r, p } = derivation.cost
  // RFC 7914 section 6: B has 128·r·p octets, V has 128·r·N. The platform's default limit is 32 MiB.
  const maxmem = 128 * r * (N + p + 2) + 2 ** 20
  return scryptSync(passphrase, derivation.salt, keyOctets, { N, r, p, maxmem })
}

function isOneSequence(plain: Uint8Array): boolean {
  try {
    readWhole(plain, tags.sequence, 'PrivateKeyInfo')
    return true
  } catch {
    return false
  }
}

function unsupported(role: string, oid: string): PkiError {
  return unsupportedByPlatform(unsupportedSchemes[oid] ?? `the unknown ${role} ${oid}`)
}

function unsupportedByPlatform(name: string): PkiError {
  return new PkiError(
    'ERR_KEY_UNSUPPORTED',
    `the private key is encrypted with ${name}, which is not supported; convert the file: ` +
      'openssl pkcs8 -topk8 -provider legacy -provider default -in OLD -out NEW',
  )
}

function tooCostly(what: string): PkiError {
  return new PkiError('ERR_LIMIT_EXCEEDED', `the key derivation of the private key has ${what}`)
}

/** Three times OWASP's recommendation for PBKDF2-HMAC-SHA-256: one to two seconds. */
const maxRounds = 2_000_000
/** PKCS#12 calls a hash function of the platform for each: one to two seconds. */
const maxPkcs12Rounds = 300_000
/** 256 MiB of memory, one to two seconds; four times the cost that `exportPrivateKey` writes. */
const maxScryptCost = 2 ** 21
