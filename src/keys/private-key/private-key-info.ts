// PrivateKeyInfo and OneAsymmetricKey (RFC 5958 section 2), both versions,
// independent of the OpenSSL release.

import type { KeyObject } from 'node:crypto'
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  integer,
  integerContent,
  nullElement,
  octetString,
  oid as oidElement,
  readOid,
  readWhole,
  sequence,
  smallInteger,
  tags,
  wholeOctetsBitString,
} from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { PublicKey } from '../../x509/index.ts'
import { namedOid, supportedKeys } from '../../x509/internal.ts'
import { ecPublicKeyOid, loadEcPrivateKey, requirePublicKeyOf } from './ec-private-key.ts'
import { malformedKey, readingKey } from './malformed-key.ts'
import { loadPlatformKey } from './platform-key.ts'
import { multiPrime } from './private-key-form.ts'
import type { PrivateKeyForm } from './private-key-form.ts'

/**
 * Loads DER of an unencrypted form.
 * @throws ERR_KEY_MALFORMED, ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS
 */
export function loadPrivateKey(
  der: Uint8Array,
  form: Exclude<PrivateKeyForm, 'encrypted PKCS#8'>,
): KeyObject {
  return readingKey(() => {
    if (form === 'SEC 1') return loadEcPrivateKey(der)
    if (form !== 'PKCS#1') return loadPrivateKeyInfo(der)
    requireRsaNumbers(der, rsaEncryption)
    return load(Buffer.from(der), 'pkcs1', 'PKCS#1')
  })
}

function loadPrivateKeyInfo(der: Uint8Array): KeyObject {
  const info = readInfo(der)
  const key = loadInfo(info)
  requirePublicKeyOf(info.publicKey, key)
  return key
}

/** Releases of OpenSSL before 3.5 refuse version 2, so the key is loaded as version 1. */
function loadInfo({ algorithm, privateKey }: PrivateKeyInfo): KeyObject {
  const identifier = readWhole(algorithm, tags.sequence, 'privateKeyAlgorithm')
  const oid = readOid(identifier, 'privateKeyAlgorithm')
  const name = algorithms[oid]
  if (name === undefined) {
    throw new PkiError(
      'ERR_KEY_UNSUPPORTED',
      `the algorithm ${namedOid(oid)} of the private key is not supported; expected ${supportedKeys}`,
    )
  }
  if (oid === ecPublicKeyOid) {
    if (identifier.done) throw malformedKey('the algorithm of an EC key has no named curve')
    identifier.next('privateKeyAlgorithm parameters')
    return loadEcPrivateKey(privateKey, identifier.element())
  }
  if (oid === ed25519) {
    if (!identifier.done) throw malformedKey('Ed25519 has parameters; expected none (RFC 8410 section 3)')
    // The platform ignores octets after the inner structure.
    readWhole(privateKey, tags.octetString, name)
  } else {
    requireRsaNumbers(privateKey, oid === rsaPss ? algorithm : rsaEncryption)
  }
  const rewritten = Buffer.from(sequence(integer(0), algorithm, octetString(privateKey)))
  try {
    return load(rewritten, 'pkcs8', `a private key of the algorithm ${name}`)
  } finally {
    rewritten.fill(0)
  }
}

/**
 * RFC 8017 section A.1.2. The platform ignores octets after the structure, reads a negative number as a
 * positive one, and loads a key whose primes are 0, and a modulus of any size.
 */
function requireRsaNumbers(der: Uint8Array, algorithm: Uint8Array): void {
  const reader = readWhole(der, tags.sequence, 'RSAPrivateKey')
  const version = smallInteger(reader.expect(tags.integer, 'version'), 'version')
  if (version === 1) throw multiPrime()
  if (version > 1) throw malformedKey(`version ${version} of RSAPrivateKey; expected 0`)
  const numbers: Uint8Array[] = []
  for (const what of rsaNumbers) {
    const content = integerContent(reader.expect(tags.integer, what), what)
    const [first = 0] = content
    if (first === 0 && content.length === 1) throw malformedKey(`${what} is 0`)
    if (first >= 0x80) throw malformedKey(`${what} is negative`)
    numbers.push(reader.element())
  }
  reader.finish('RSAPrivateKey')
  const publicKey = sequence(...numbers.slice(0, 2))
  PublicKey.fromSpki(sequence(algorithm, bitString(publicKey))).checkStrength()
}

const rsaNumbers = [
  'modulus',
  'publicExponent',
  'privateExponent',
  'prime1',
  'prime2',
  'exponent1',
  'exponent2',
  'coefficient',
] as const

interface PrivateKeyInfo {
  /** The AlgorithmIdentifier, whole. */
  readonly algorithm: Uint8Array
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array | undefined
}

function readInfo(der: Uint8Array): PrivateKeyInfo {
  const reader = readWhole(der, tags.sequence, 'PrivateKeyInfo')
  const version = smallInteger(reader.expect(tags.integer, 'version'), 'version')
  if (version > 1) throw malformedKey(`version ${version}; expected 0 (v1) or 1 (v2) (RFC 5958 section 2)`)
  const algorithm = reader.expect(tags.sequence, 'privateKeyAlgorithm').element()
  const privateKey = reader.expect(tags.octetString, 'privateKey').content()
  reader.optional(contextConstructed(0), 'attributes') // attributes, which are not used
  const publicKey = readPublicKey(reader)
  reader.finish('PrivateKeyInfo')
  if (version === 0 && publicKey !== undefined) {
    throw malformedKey('it has version 0 (v1) and a public key, which only v2 has (RFC 5958 section 2)')
  }
  return { algorithm, privateKey, publicKey }
}

/** `[1] IMPLICIT BIT STRING`. Older releases of ring (Rust) tag it explicitly. */
function readPublicKey(reader: DerReader): Uint8Array | undefined {
  if (reader.optional(contextPrimitive(1), 'publicKey')) return wholeOctetsBitString(reader, 'publicKey')
  if (!reader.optional(contextConstructed(1), 'publicKey')) return undefined
  const inner = reader.inner()
  const publicKey = wholeOctetsBitString(inner.expect(tags.bitString, 'publicKey'), 'publicKey')
  inner.finish('publicKey')
  return publicKey
}

function load(key: Buffer, type: 'pkcs8' | 'pkcs1', what: string): KeyObject {
  try {
    return loadPlatformKey({ key, type })
  } catch {
    // The platform's error is not kept as cause: no part of a private key may reach a log.
    throw malformedKey(`the content is not ${what}`)
  }
}

const ed25519 = '1.3.101.112'
const rsaPss = '1.2.840.113549.1.1.10'
const rsaEncryption = sequence(oidElement('1.2.840.113549.1.1.1'), nullElement())
const algorithms: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.1': 'rsaEncryption',
  [rsaPss]: 'id-RSASSA-PSS',
  [ecPublicKeyOid]: 'id-ecPublicKey',
  [ed25519]: 'id-Ed25519',
}
