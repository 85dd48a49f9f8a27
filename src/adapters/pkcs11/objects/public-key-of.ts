// Finds the public half of a private key: its public object, the private
// key's own attributes, or a certificate.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import { keyAlgorithmOf } from '../../../keys/internal.ts'
import type { KeyAlgorithm } from '../../../keys/index.ts'
import { Certificate, PublicKey } from '../../../x509/index.ts'
import { ck } from '../cryptoki/cryptoki.ts'
import type { Cryptoki, Handle } from '../cryptoki/cryptoki.ts'
import { curveOf, ecSpki, ed25519Spki, rsaSpki } from './ec-point.ts'
import { attributes, findCounterparts, optionalAttribute } from './key-objects.ts'
import type { TokenObject } from './key-objects.ts'
import type { KeyTag } from './key-name.ts'

/**
 * The public half of a private key, from the first of: the public object with its CKA_ID; CKA_PUBLIC_KEY_INFO
 * of the private key; its modulus and public exponent, or its point; a certificate with its CKA_ID.
 *
 * @throws ERR_HSM_KEY_AMBIGUOUS, ERR_KEY_NOT_FOUND, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
export function readPublicKey(cryptoki: Cryptoki, session: Handle, key: TokenObject): PublicKey {
  const unusable: string[] = []
  const publicKey =
    imported(fromPublicObject(cryptoki, session, key)) ??
    fromInfo(optionalAttribute(cryptoki, session, key.handle, ck.CKA_PUBLIC_KEY_INFO), unusable) ??
    imported(fromPrivateKey(cryptoki, session, key.handle)) ??
    fromCertificate(cryptoki, session, key, unusable)
  if (publicKey !== undefined) return publicKey
  const also = unusable.map((what) => `; ${what}`).join('')
  throw new PkiError(
    'ERR_KEY_NOT_FOUND',
    `the token has the private key ${JSON.stringify(key.label)} (CKA_ID ${shownId(key)}) and neither a ` +
      `public object nor a usable certificate with its CKA_ID${also}: write one of them into the token ` +
      '(pkcs11-tool --write-object FILE --type pubkey --id ID), ' +
      'or give publicKey to getSigner or signerOf, for example that of the CA certificate',
  )
}

/** Imported now, so that an invalid point is found before the first signature. */
function imported(key: PublicKey | Uint8Array | undefined): PublicKey | undefined {
  if (key === undefined) return undefined
  const publicKey = PublicKey.from(key)
  publicKey.keyObject()
  return publicKey
}

function fromInfo(spki: Uint8Array | undefined, unusable: string[]): PublicKey | undefined {
  return readable(() => imported(spki), 'its CKA_PUBLIC_KEY_INFO is not a public key', unusable)
}

/** What cannot be read is passed over, and noted: another source may have the key. */
function readable<Read>(read: () => Read, fault: string, unusable: string[]): Read | undefined {
  try {
    return read()
  } catch (error) {
    if (!isPkiError(error)) throw error
    unusable.push(`${fault} (${error.message})`)
    return undefined
  }
}

/**
 * The signature algorithm of a key. For RSA its tag decides between PSS and
 * PKCS#1 v1.5; a key of another program signs with PKCS#1 v1.5. Any logged-in
 * program can write CKA_ID, so everything else is read from the key.
 *
 * @throws ERR_ALGORITHM_MISMATCH for a tag that names another algorithm; ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED
 */
export function algorithmOf(tag: KeyTag | undefined, publicKey: PublicKey): KeyAlgorithm {
  const algorithm = keyAlgorithmOf(publicKey, { pss: tag?.algorithm.startsWith('RSA-PSS') ?? false })
  if (tag === undefined || tag.algorithm === algorithm) return algorithm
  throw new PkiError(
    'ERR_ALGORITHM_MISMATCH',
    `the key in the token is ${algorithm}; expected ${tag.algorithm} by its CKA_ID or CKA_LABEL`,
  )
}

/**
 * Compares a given public key with what the private key shows of itself: its type, curve and modulus. A wrong
 * one would fail at the first signature, where nothing tells what is wrong.
 *
 * @throws ERR_ALGORITHM_MISMATCH
 */
export function requireMatchingKey(
  cryptoki: Cryptoki,
  session: Handle,
  { handle, tag }: TokenObject,
  given: PublicKey,
): void {
  const optional = (type: number): Buffer | undefined => optionalAttribute(cryptoki, session, handle, type)
  const keyType = optional(ck.CKA_KEY_TYPE)
  const named = tag?.algorithm.replace('RSA-PSS', 'RSA')
  const found = keyType === undefined ? undefined : typeNames[ulong(keyType)]
  const algorithm = keyAlgorithmOf(given)
  const isType = found === undefined || found === algorithm.replace(/^P-.*$/, 'EC').replace(/^RSA-.*$/, 'RSA')
  const parameters = found === 'EC' ? optional(ck.CKA_EC_PARAMS) : undefined
  const curve = parameters === undefined ? (named ?? algorithm) : curveOf(parameters)
  const modulus = found === 'RSA' ? optional(ck.CKA_MODULUS) : undefined
  const shown = isType ? (curve ?? 'on another curve') : found
  if (!isType || curve !== algorithm) {
    throw new PkiError(
      'ERR_ALGORITHM_MISMATCH',
      `the given publicKey is ${algorithm}, and the private key in the token is ${shown}; give the public ` +
        'key of this private key',
    )
  }
  if (modulus !== undefined && !Buffer.from(given.spki).includes(modulus.subarray(firstNonZero(modulus)))) {
    throw new PkiError(
      'ERR_ALGORITHM_MISMATCH',
      'the modulus of the given publicKey is not that of the private key in the token; give the public ' +
        'key of this private key',
    )
  }
}

function fromPublicObject(cryptoki: Cryptoki, session: Handle, key: TokenObject): Uint8Array | undefined {
  const found = findCounterparts(cryptoki, session, ck.CKO_PUBLIC_KEY, key)
  const [handle] = found
  if (handle === undefined) return undefined
  if (found.length > 1) {
    throw new PkiError(
      'ERR_HSM_KEY_AMBIGUOUS',
      `${found.length} public keys in the token have the CKA_ID ${shownId(key)} and the label ` +
        JSON.stringify(key.label),
    )
  }
  const keyType = keyTypeOf(cryptoki, session, handle)
  if (keyType === ck.CKK_RSA) {
    const [modulus, exponent] = attributes(cryptoki, session, handle, [
      ck.CKA_MODULUS,
      ck.CKA_PUBLIC_EXPONENT,
    ])
    return rsaSpki(modulus as Buffer, exponent as Buffer)
  }
  const [parameters, point] = attributes(cryptoki, session, handle, [ck.CKA_EC_PARAMS, ck.CKA_EC_POINT])
  return ecOrEdwards(keyType, parameters as Buffer, point as Buffer)
}

/**
 * PKCS #11 v3.0 section 2.1.3: an RSA private key has its modulus. Some
 * tokens keep the point with an EC private key.
 */
function fromPrivateKey(cryptoki: Cryptoki, session: Handle, handle: Handle): Uint8Array | undefined {
  const optional = (type: number): Buffer | undefined => optionalAttribute(cryptoki, session, handle, type)
  const keyType = keyTypeOf(cryptoki, session, handle)
  if (keyType === ck.CKK_RSA) {
    const modulus = optional(ck.CKA_MODULUS)
    // The exponent may be missing: it is then 65537, the only accepted value.
    const exponent = optional(ck.CKA_PUBLIC_EXPONENT) ?? Buffer.from('010001', 'hex')
    return modulus === undefined ? undefined : rsaSpki(modulus, exponent)
  }
  const parameters = optional(ck.CKA_EC_PARAMS)
  const point = optional(ck.CKA_EC_POINT)
  return parameters === undefined || point === undefined ? undefined : ecOrEdwards(keyType, parameters, point)
}

/** PKCS #11 v3.0 section 4.6.3: the CKA_ID of a certificate is that of its key pair. */
function fromCertificate(
  cryptoki: Cryptoki,
  session: Handle,
  key: TokenObject,
  unusable: string[],
): PublicKey | undefined {
  const keys = findCounterparts(cryptoki, session, ck.CKO_CERTIFICATE, key).flatMap((handle) => {
    const der = optionalAttribute(cryptoki, session, handle, ck.CKA_VALUE)
    const read = (): PublicKey[] => (der === undefined ? [] : [Certificate.parse(der).publicKey])
    return readable(read, 'a certificate object does not parse', unusable) ?? []
  })
  const [first] = keys
  // A renewed certificate may have the same key.
  if (first !== undefined && keys.some((one) => !one.equals(first))) {
    throw new PkiError(
      'ERR_HSM_KEY_AMBIGUOUS',
      `certificates of different keys in the token have the CKA_ID ${shownId(key)}; give publicKey`,
    )
  }
  return imported(first)
}

function ecOrEdwards(keyType: number, parameters: Buffer, point: Buffer): Uint8Array {
  if (keyType === ck.CKK_EC) return ecSpki(parameters, point)
  if (keyType === ck.CKK_EC_EDWARDS) return ed25519Spki(parameters, point)
  throw new PkiError(
    'ERR_KEY_UNSUPPORTED',
    `the token has a key of the type 0x${keyType.toString(16)}; expected CKK_RSA, CKK_EC or CKK_EC_EDWARDS`,
  )
}

function keyTypeOf(cryptoki: Cryptoki, session: Handle, handle: Handle): number {
  const keyType = ulong(attributes(cryptoki, session, handle, [ck.CKA_KEY_TYPE])[0] as Buffer)
  if (keyType === ck.CKK_RSA || keyType === ck.CKK_EC || keyType === ck.CKK_EC_EDWARDS) return keyType
  throw new PkiError(
    'ERR_KEY_UNSUPPORTED',
    `the token has a key of the type 0x${keyType.toString(16)}; expected CKK_RSA, CKK_EC or CKK_EC_EDWARDS`,
  )
}

/**
 * CK_ULONG of this machine, little-endian wherever PKCS #11 libraries run; types are small.
 * @throws ERR_KEY_MALFORMED
 */
function ulong(value: Buffer): number {
  if (value.length < 4 || value.length > 8) {
    throw new PkiError('ERR_KEY_MALFORMED', `CKA_KEY_TYPE has ${value.length} octets in the token`)
  }
  return value.readUInt32LE(0)
}

function firstNonZero(octets: Buffer): number {
  return Math.max(
    0,
    octets.findIndex((octet) => octet !== 0),
  )
}

const typeNames: Readonly<Record<number, string>> = {
  [ck.CKK_RSA]: 'RSA',
  [ck.CKK_EC]: 'EC',
  [ck.CKK_EC_EDWARDS]: 'Ed25519',
}

function shownId({ objectId }: TokenObject): string {
  return objectId.length === 0 ? 'empty' : objectId.toString('hex')
}
