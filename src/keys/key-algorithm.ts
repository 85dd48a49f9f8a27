// Key algorithms with their signature algorithms, and the syntax of key ids.

import { nameOf, readOptions } from '../internal/options.ts'
import { KeyObject, generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { PkiError } from '../errors/index.ts'
import { PublicKey } from '../x509/index.ts'
import { signatureAlgorithms } from '../x509/internal.ts'
import type { SignatureAlgorithm } from '../x509/index.ts'

/**
 * A type of key. `RSA-…` signs by PKCS#1 v1.5; `RSA-PSS-…` is an rsaEncryption key that signs by PSS.
 */
export type KeyAlgorithm =
  | 'P-256'
  | 'P-384'
  | 'P-521'
  | 'Ed25519'
  | 'RSA-2048'
  | 'RSA-3072'
  | 'RSA-4096'
  | 'RSA-PSS-2048'
  | 'RSA-PSS-3072'
  | 'RSA-PSS-4096'

/** Every `KeyAlgorithm` with the signature algorithm of its signers. */
export const keyAlgorithms: Readonly<Record<KeyAlgorithm, SignatureAlgorithm>> = {
  'P-256': 'ecdsa-with-SHA256',
  'P-384': 'ecdsa-with-SHA384',
  'P-521': 'ecdsa-with-SHA512',
  Ed25519: 'Ed25519',
  'RSA-2048': 'sha256WithRSAEncryption',
  'RSA-3072': 'sha256WithRSAEncryption',
  'RSA-4096': 'sha256WithRSAEncryption',
  'RSA-PSS-2048': 'rsassa-pss-SHA256',
  'RSA-PSS-3072': 'rsassa-pss-SHA256',
  'RSA-PSS-4096': 'rsassa-pss-SHA256',
}

/** Ids are used as names of files and labels of tokens, so they contain only characters that both allow. */
export const keyIdPattern: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** The id of a key: text that matches `keyIdPattern`. @throws ERR_INVALID_ARGUMENT for anything else */
export function requireKeyId(id: string | undefined): string {
  // A pattern converts other types to text: undefined would become a key with the id "undefined".
  if (typeof id === 'string' && keyIdPattern.test(id)) return id
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    'a key id must be 1 to 128 letters, digits, dots, hyphens and underscores, the first a letter or digit',
  )
}

/** ERR_KEY_EXISTS: the key manager already has a key with this id. `where` is appended: ` in the token`. */
export function keyExists(id: string, where = ''): PkiError {
  return new PkiError('ERR_KEY_EXISTS', `a key with the id ${id} exists${where}`)
}

/** ERR_KEY_NOT_FOUND: the key manager has no key with this id, or not this version of it. */
export function keyNotFound(id: string, version?: number, where = ''): PkiError {
  return new PkiError(
    'ERR_KEY_NOT_FOUND',
    version === undefined ? `no key${where} has the id ${id}` : `key ${id} has no version ${version}${where}`,
  )
}

/** Whether `name` is a `KeyAlgorithm`. */
export function isKeyAlgorithm(name: string): name is KeyAlgorithm {
  return Object.hasOwn(keyAlgorithms, name)
}

/** The name as a `KeyAlgorithm`. @throws ERR_KEY_UNSUPPORTED for an unknown name */
export function requireKeyAlgorithm(name: string): KeyAlgorithm {
  const text = typeof name === 'string' ? name : nameOf(name)
  if (typeof name === 'string' && isKeyAlgorithm(name)) return name
  throw new PkiError(
    'ERR_KEY_UNSUPPORTED',
    `unknown key algorithm ${text}; expected one of ${Object.keys(keyAlgorithms).join(', ')}`,
  )
}

/**
 * The algorithm of an existing key. RSA keys sign by PKCS#1 v1.5 unless
 * `pss` is set or the key is restricted to PSS.
 *
 * @throws ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
export function keyAlgorithmOf(
  publicKey: PublicKey,
  options: { readonly pss?: boolean | undefined } = {},
): KeyAlgorithm {
  const { pss } = readOptions<{ readonly pss?: boolean | undefined }>('keyAlgorithmOf', options, {
    pss: 'optional',
  })
  if (!(publicKey instanceof PublicKey))
    throw new PkiError('ERR_INVALID_ARGUMENT', `publicKey must be a PublicKey, found ${nameOf(publicKey)}`)
  publicKey.checkStrength()
  const { algorithm, bits } = publicKey
  if (algorithm !== 'RSA' && algorithm !== 'RSA-PSS') return requireKeyAlgorithm(algorithm ?? 'unknown')
  return requireKeyAlgorithm(`RSA-${pss === true || algorithm === 'RSA-PSS' ? 'PSS-' : ''}${bits}`)
}

/**
 * The signature algorithm of a key. An id-RSASSA-PSS key may be restricted to one hash and a minimum salt
 * length (RFC 4055 §3.1): then that hash is used, with a salt of the same length.
 *
 * @throws ERR_KEY_UNSUPPORTED if the salt would have to be longer than the hash
 */
export function signatureAlgorithmOf(publicKey: PublicKey, algorithm: KeyAlgorithm): SignatureAlgorithm {
  const { pss } = publicKey.info
  if (pss?.hash === undefined) return keyAlgorithms[algorithm]
  const name = `rsassa-pss-SHA${pss.hash.slice(3)}` as SignatureAlgorithm
  const { saltLength = 0 } = signatureAlgorithms[name]
  if (pss.saltLength > saltLength) {
    throw new PkiError(
      'ERR_KEY_UNSUPPORTED',
      `the RSASSA-PSS key requires a salt of ${pss.saltLength} octets; with ${pss.hash} it has ` +
        `${saltLength} here`,
    )
  }
  return name
}

/** The key, if it is a private key. @throws ERR_INVALID_ARGUMENT for anything else */
export function requirePrivateKey(key: KeyObject): KeyObject {
  const type: string = key instanceof KeyObject ? key.type : typeof key
  if (type !== 'private')
    throw new PkiError('ERR_INVALID_ARGUMENT', `found a ${type} key, expected a private KeyObject`)
  return key
}

/** A new private key from the platform's generator, off the event loop. @throws ERR_KEY_UNSUPPORTED */
export async function generatePrivateKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const generate = promisify(generateKeyPair)
  const bits = /^RSA-(?:PSS-)?(\d{4})$/.exec(requireKeyAlgorithm(algorithm))?.[1]
  if (bits !== undefined)
    return (await generate('rsa', { modulusLength: Number(bits), publicExponent: 0x10001 })).privateKey
  if (algorithm === 'Ed25519') return (await generate('ed25519')).privateKey
  return (await generate('ec', { namedCurve: algorithm })).privateKey
}
