// Private keys in and out: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 (RFC 5915), as PEM or DER.

import { KeyObject, createPrivateKey, sign, verify } from 'node:crypto'
import { oidContent, readWhole, smallInteger, tags } from '../der/index.ts'
import type { DerReader } from '../der/index.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import { requirePassphrase } from '../internal/passphrase.ts'
import { decodePem, encodePem, looksLikePem } from '../internal/pem.ts'
import { PublicKey } from '../x509/index.ts'
import { encryptPkcs8Sync, pbes2Oids } from './encrypted-pkcs8.ts'
import { keyAlgorithmOf, requirePrivateKey, signatureAlgorithmOf } from './key-algorithm.ts'

/** How a private key is read. */
export interface ImportPrivateKeyOptions {
  /** For `ENCRYPTED PRIVATE KEY`; asked once. */
  readonly passphrase?: string | Uint8Array | undefined
}

/** How a private key is written. */
export interface ExportPrivateKeyOptions {
  /** `pkcs8` for every key, `pkcs1` for RSA, `sec1` for EC. Default `pkcs8`. */
  readonly format?: 'pkcs8' | 'pkcs1' | 'sec1' | undefined
  /**
   * Encrypts it; PKCS#8 only. By PBES2 with scrypt (N = 2^14, r = 8, p = 5) and AES-256-CBC, a tenth of a second on the event loop;
   * `openssl pkcs8` opens it.
   */
  readonly passphrase?: string | Uint8Array | undefined
}

/**
 * Reads the one private key of a PEM text, or PKCS#8 DER. Its public half is judged as strictly as any other: named curves, RSA from 2048
 * bits, exponent 65537. An encrypted one is opened by PBES2 (PBKDF2, scrypt) or PKCS#12's and PKCS#5's older schemes, on the event loop; a file
 * that asks for more than 2,000,000 rounds, or scrypt of N·r·p above 2^21, is refused before it costs anything.
 *
 * @throws ERR_PEM, ERR_KEY_MALFORMED, ERR_KEY_PASSPHRASE, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS, ERR_LIMIT_EXCEEDED
 * @throws ERR_INVALID_ARGUMENT for a KeyObject that holds no private key, a passphrase that is neither text nor octets
 * @example
 * ```ts
 * const privateKey = importPrivateKey(pem, { passphrase: readPassphrase() })
 * ```
 */
export function importPrivateKey(
  input: string | Uint8Array | KeyObject,
  options: ImportPrivateKeyOptions = {},
): KeyObject {
  if (typeof input !== 'string' && !(input instanceof Uint8Array) && !(input instanceof KeyObject)) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a private key is a KeyObject, PEM text or PKCS#8 DER')
  }
  const key = requirePrivateKey(input instanceof KeyObject ? input : readKey(input, options))
  const publicKey = PublicKey.from(key)
  signatureAlgorithmOf(publicKey, keyAlgorithmOf(publicKey))
  checkPair(key, publicKey)
  return key
}

/**
 * PEM of a private key.
 *
 * @throws ERR_INVALID_ARGUMENT for a format that the key has not, a passphrase that is empty or neither text nor octets, a key that is not private
 * @example
 * ```ts
 * const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
 * const encrypted = exportPrivateKey(privateKey, { passphrase: readPassphrase() }) // PKCS#8, scrypt
 * ```
 */
export function exportPrivateKey(key: KeyObject, options: ExportPrivateKeyOptions = {}): string {
  const { format = 'pkcs8', passphrase } = options
  requirePrivateKey(key)
  if (passphrase !== undefined) {
    if (format !== 'pkcs8') throw new PkiError('ERR_INVALID_ARGUMENT', 'only PKCS#8 is written encrypted')
    // Not by the platform: it would derive the key with 2,048 rounds of PBKDF2, which is a second's work for a guesser of a million passphrases.
    return encodePem('ENCRYPTED PRIVATE KEY', encryptPkcs8Sync(key, passphrase))
  }
  try {
    return key.export({ type: format, format: 'pem' }) as string
  } catch (cause) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `this key has no ${format} form`, { cause })
  }
}

/** OpenSSL takes the public half that a private key carries on trust: one signature tells whether the two belong together. */
function checkPair(key: KeyObject, publicKey: PublicKey): void {
  // A key that is bound to a hash (RSASSA-PSS) takes no other.
  const algorithm = key.asymmetricKeyType === 'ed25519' ? undefined : (publicKey.info.pss?.hash ?? 'sha256')
  const probe = Buffer.from('does the public half belong to it?')
  let holds: boolean
  try {
    holds = verify(algorithm, probe, publicKey.keyObject(), sign(algorithm, probe, key))
  } catch {
    holds = false
  }
  if (!holds)
    throw new PkiError('ERR_KEY_MALFORMED', 'the private key carries a public half that is not its own')
}

function readKey(input: string | Uint8Array, { passphrase }: ImportPrivateKeyOptions): KeyObject {
  if (input.length > maxLength)
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      `a private key of ${input.length} characters; at most ${maxLength} are read`,
    )
  // The text before a block may begin with a 0, which is the first octet of DER too.
  const isPem = typeof input === 'string' || input[0] !== 0x30 || looksLikePem(input)
  if (!isPem) return load({ key: Buffer.from(input), format: 'der', type: 'pkcs8' })
  // An EC PARAMETERS block before the key is what openssl ecparam writes.
  const blocks = decodePem(input).filter(({ label }) => Object.hasOwn(pemTypes, label))
  const [block] = blocks
  if (block === undefined || blocks.length !== 1)
    throw new PkiError('ERR_PEM', `${blocks.length} private keys in the text where one is wanted`)
  const type = pemTypes[block.label]
  const key = Buffer.from(block.der)
  if (block.label !== 'ENCRYPTED PRIVATE KEY') return load({ key, format: 'der', type: type ?? 'pkcs8' })
  if (passphrase === undefined)
    throw new PkiError('ERR_KEY_PASSPHRASE', 'the private key is encrypted and no passphrase was given')
  checkDerivationCost(key)
  return load({ key, format: 'der', type: 'pkcs8', passphrase: Buffer.from(requirePassphrase(passphrase)) })
}

/**
 * The file names the cost of its own key derivation, and the platform would pay any. Parameters of every scheme begin with the salt and a
 * count: RFC 8018 §A.2 (PBKDF2), §A.3 (PBES1), RFC 7292 §C (PKCS#12), RFC 7914 §7 (scrypt: then r and p).
 */
function checkDerivationCost(der: Uint8Array): void {
  let scheme: string
  const counts: number[] = []
  try {
    let algorithm = readWhole(der, tags.sequence, 'EncryptedPrivateKeyInfo')
      .expect(tags.sequence, 'encryptionAlgorithm')
      .inner()
    scheme = readOid(algorithm)
    if (scheme === pbes2Oids.pbes2) {
      algorithm = algorithm
        .expect(tags.sequence, 'PBES2-params')
        .inner()
        .expect(tags.sequence, 'keyDerivationFunc')
        .inner()
      scheme = readOid(algorithm)
    }
    const parameters = algorithm.expect(tags.sequence, 'parameters').inner()
    parameters.next() // the salt
    while (counts.length < 3 && parameters.optional(tags.integer))
      counts.push(smallInteger(parameters, 'cost'))
  } catch (cause) {
    if (isPkiError(cause))
      throw new PkiError('ERR_KEY_MALFORMED', 'the bytes are no EncryptedPrivateKeyInfo', { cause })
    throw cause
  }
  if (scheme !== pbes2Oids.scrypt && !countedSchemes.test(scheme)) {
    throw new PkiError(
      'ERR_KEY_UNSUPPORTED',
      `the private key is encrypted by ${scheme}, which is not known here`,
    )
  }
  const [first = Infinity, ...rest] = counts
  const isExcessiveScrypt =
    [first, ...rest].reduce((product, one) => product * one, 1) > maxScryptCost || rest.length !== 2
  const excessive = scheme === pbes2Oids.scrypt ? isExcessiveScrypt : first > maxIterations
  if (excessive)
    throw new PkiError(
      'ERR_LIMIT_EXCEEDED',
      'the key derivation of the private key costs more than is spent on a file from outside',
    )
}

function readOid(reader: DerReader): string {
  return oidContent(reader.expect(tags.oid, 'algorithm'))
}

/**
 * OpenSSL passes over what follows the key, and takes any form under the label of another. What stands after the version tells the forms
 * apart: an AlgorithmIdentifier (RFC 5958 §2), the key (RFC 5915 §3), the modulus (RFC 8017 §A.1.2).
 */
function checkForm(key: Uint8Array, type: KeyForm): void {
  let found: number
  try {
    const reader = readWhole(key, tags.sequence, 'private key')
    reader.expect(tags.integer, 'version')
    found = reader.next()
  } catch {
    throw new PkiError('ERR_KEY_MALFORMED', `the bytes are no ${type} private key, and nothing else`)
  }
  if (found !== secondTag[type])
    throw new PkiError('ERR_KEY_MALFORMED', `the bytes are no ${type} private key; their label says so`)
}

function load(options: { key: Buffer; format: 'der'; type: KeyForm; passphrase?: Buffer }): KeyObject {
  if (options.passphrase === undefined) checkForm(options.key, options.type)
  try {
    return createPrivateKey(options)
  } catch {
    // The platform's error is not kept as a cause: nothing of a private key may reach a log.
    if (options.passphrase !== undefined)
      throw new PkiError('ERR_KEY_PASSPHRASE', 'the private key does not open with this passphrase')
    throw new PkiError('ERR_KEY_MALFORMED', `the bytes are no ${options.type} private key`)
  }
}

const maxLength = 64 * 1024
/** Three times what OWASP asks of PBKDF2 today, and twice the dearest scrypt that is written here: a second or two. */
const maxIterations = 2_000_000
const maxScryptCost = 2 ** 21
/** PBES1 and PBKDF2 of PKCS#5, and the schemes of PKCS#12. */
const countedSchemes = /^1\.2\.840\.113549\.1\.(?:5\.(?:1|3|4|6|10|11|12)|12\.1\.[1-6])$/
type KeyForm = 'pkcs8' | 'pkcs1' | 'sec1'
const secondTag: Readonly<Record<KeyForm, number>> = {
  pkcs8: tags.sequence,
  pkcs1: tags.integer,
  sec1: tags.octetString,
}
const pemTypes: Readonly<Record<string, KeyForm>> = {
  'PRIVATE KEY': 'pkcs8',
  'ENCRYPTED PRIVATE KEY': 'pkcs8',
  'RSA PRIVATE KEY': 'pkcs1',
  'EC PRIVATE KEY': 'sec1',
}
