// Import and export of private keys: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 (RFC 5915), as PEM or DER.

import { KeyObject, sign, verify } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { requirePassphrase } from '../../internal/passphrase.ts'
import { decodePem, encodePem, foundLabels, looksLikePem } from '../../internal/pem.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { PublicKey } from '../../x509/index.ts'
import { keyAlgorithmOf, requirePrivateKey, signatureAlgorithmOf } from '../key-algorithm.ts'
import { encryptPkcs8Sync } from './encrypted-pkcs8.ts'
import { malformedKey } from './malformed-key.ts'
import { decryptKey, readEncryptedKey } from './password-based-encryption.ts'
import {
  foreignLabel,
  formOfDer,
  formOfLabel,
  refuseForeignDer,
  refuseForeignFormat,
} from './private-key-form.ts'
import { loadPrivateKey } from './private-key-info.ts'

/** Options for reading a private key. @inline */
export interface ImportPrivateKeyOptions {
  /** Decrypts encrypted PKCS#8. Text is encoded as UTF-8. Ignored for a key that is not encrypted. */
  readonly passphrase?: string | Uint8Array | undefined
}

/** Options for writing a private key. @inline */
export interface ExportPrivateKeyOptions {
  /** `pkcs8` for every key, `pkcs1` for RSA, `sec1` for EC. Default `pkcs8`. */
  readonly format?: 'pkcs8' | 'pkcs1' | 'sec1' | undefined
  /**
   * Encrypts the key; PKCS#8 only. PBES2 with scrypt (N = 2^14, r = 8, p = 5) and
   * AES-256-CBC, which takes 100 ms on the event loop; `openssl pkcs8` decrypts it.
   * Absent: the key is written unencrypted. Present but undefined: refused.
   */
  readonly passphrase?: string | Uint8Array
}

/**
 * Reads the only private key of a PEM text, or DER: PKCS#8 of both versions, PKCS#1, SEC 1, encrypted PKCS#8.
 * Its public half is checked like any public key: named curves, RSA of 2048 bits and more, exponent 65537. A
 * public key in the file must belong to the private key.
 *
 * Encryption, decrypted on the event loop: PBES2 (RFC 8018) with PBKDF2 of at most 2,000,000
 * iterations or scrypt of N·r·p up to 2^21 (256 MiB, about two seconds), with AES, Camellia, ARIA, SM4
 * or 3DES in CBC mode; PBE-SHA1-3DES and PBE-SHA1-2DES of PKCS#12 with at most 300,000 iterations. Other
 * schemes, formats of other tools (OpenSSH, PuTTY, PKCS#12, Java key stores) and the traditional encryption
 * of PEM (`Proc-Type`) are ERR_KEY_UNSUPPORTED with the command that converts the file.
 *
 * @throws ERR_PEM, ERR_KEY_MALFORMED, ERR_KEY_PASSPHRASE, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED,
 *   ERR_KEY_EXPLICIT_PARAMETERS, ERR_LIMIT_EXCEEDED
 * @throws ERR_INVALID_ARGUMENT for a KeyObject without a private key, a
 *   passphrase that is neither text nor octets, an unknown option
 * @example
 * ```ts
 * const privateKey = importPrivateKey(pem, { passphrase: readPassphrase() })
 * ```
 */
export function importPrivateKey(
  input: string | Uint8Array | KeyObject,
  options: ImportPrivateKeyOptions = {},
): KeyObject {
  const { passphrase } = readOptions<ImportPrivateKeyOptions>('importPrivateKey', options, {
    passphrase: 'optional',
  })
  if (typeof input !== 'string' && !(input instanceof Uint8Array) && !(input instanceof KeyObject)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `a private key must be a KeyObject, PEM text or DER, found ${nameOf(input)}`,
    )
  }
  const key = requirePrivateKey(input instanceof KeyObject ? input : readKey(input, passphrase))
  const publicKey = PublicKey.from(key)
  signatureAlgorithmOf(publicKey, keyAlgorithmOf(publicKey))
  checkPair(key, publicKey)
  return key
}

/**
 * PEM of a private key.
 *
 * @throws ERR_INVALID_ARGUMENT for a format that the key does not have; a passphrase that is undefined,
 *   empty, or neither text nor octets; a key that is not private
 * @example
 * ```ts
 * const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
 * const encrypted = exportPrivateKey(privateKey, { passphrase: readPassphrase() }) // PKCS#8, scrypt
 * ```
 */
export function exportPrivateKey(key: KeyObject, options: ExportPrivateKeyOptions = {}): string {
  const { format = 'pkcs8', passphrase } = readOptions<ExportPrivateKeyOptions>('exportPrivateKey', options, {
    format: 'optional',
    passphrase: 'guard',
  })
  requirePrivateKey(key)
  if (passphrase !== undefined) {
    if (format !== 'pkcs8') throw new PkiError('ERR_INVALID_ARGUMENT', 'only PKCS#8 can be encrypted')
    // The platform's own export derives the key with 2,048 iterations of PBKDF2,
    // which allows a million guesses a second.
    return encodePem('ENCRYPTED PRIVATE KEY', encryptPkcs8Sync(key, passphrase))
  }
  try {
    return key.export({ type: format, format: 'pem' }) as string
  } catch (cause) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `a key of type ${String(key.asymmetricKeyType)} has no ${format} form`,
      {
        cause,
      },
    )
  }
}

/**
 * The platform does not check that the public half of an RSA key or of a given KeyObject belongs to the
 * private half. A test signature checks it.
 */
function checkPair(key: KeyObject, publicKey: PublicKey): void {
  // A key that is restricted to a hash (RSASSA-PSS) signs only with that hash.
  const algorithm = key.asymmetricKeyType === 'ed25519' ? undefined : (publicKey.info.pss?.hash ?? 'sha256')
  const probe = Buffer.from('test signature: does the public half belong to the private key?')
  let holds: boolean
  try {
    holds = verify(algorithm, probe, publicKey.keyObject(), sign(algorithm, probe, key))
  } catch {
    holds = false
  }
  if (!holds) throw malformedKey('its public key does not belong to the private key')
}

function readKey(input: string | Uint8Array, passphrase: string | Uint8Array | undefined): KeyObject {
  if (input.length > maxOctets) {
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `the private key has ${input.length} characters or octets; the maximum is ${maxOctets}`,
    )
  }
  refuseForeignFormat(typeof input === 'string' ? input : Buffer.from(input).toString('latin1'))
  // Text before a block may begin with 0, which is also the first octet of DER.
  const isPem = typeof input === 'string' || input[0] !== 0x30 || looksLikePem(input)
  return isPem ? readPem(input, passphrase) : readDer(input, passphrase)
}

function readPem(input: string | Uint8Array, passphrase: string | Uint8Array | undefined): KeyObject {
  // openssl ecparam writes an EC PARAMETERS block before the key.
  const blocks = decodePem(input, (label) => label.endsWith('PRIVATE KEY'))
  const [block] = blocks
  if (block === undefined) {
    // Of a file that was read as text, for example a PKCS#12 archive.
    if (typeof input === 'string' && input.startsWith('0')) refuseForeignDer(Buffer.from(input, 'latin1'))
    throw new PkiError('ERR_PEM', `expected a PEM block of a private key, found ${foundLabels(input)}`)
  }
  if (blocks.length !== 1) {
    throw new PkiError('ERR_PEM', `the text has ${blocks.length} private keys; expected one`)
  }
  const stated = formOfLabel(block.label)
  if (stated === undefined) throw foreignLabel(block.label)
  const found = formOfDer(block.der)
  if (found !== stated)
    throw malformedKey(`the PEM label ${block.label} stands for ${stated}, but the content is ${found}`)
  return readDer(block.der, passphrase)
}

function readDer(der: Uint8Array, passphrase: string | Uint8Array | undefined): KeyObject {
  const form = formOfDer(der)
  if (form !== 'encrypted PKCS#8') return loadPrivateKey(der, form)
  const encrypted = readEncryptedKey(der)
  if (passphrase === undefined) {
    throw new PkiError('ERR_KEY_PASSPHRASE', 'the private key is encrypted, but no passphrase was given')
  }
  const octets = Buffer.from(requirePassphrase(passphrase))
  try {
    return loadDecrypted(decryptKey(encrypted, octets))
  } finally {
    octets.fill(0)
  }
}

function loadDecrypted(plain: Buffer): KeyObject {
  try {
    return loadPrivateKey(plain, 'PKCS#8')
  } finally {
    plain.fill(0)
  }
}

const maxOctets = 64 * 1024
