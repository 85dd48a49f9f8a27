// ECPrivateKey, the form of SEC 1 (RFC 5915 section 3), alone and inside PKCS#8.

import type { KeyObject } from 'node:crypto'
import {
  bitString,
  contextConstructed,
  explicit,
  integer,
  octetString,
  oid,
  readOid,
  readWhole,
  sequence,
  smallInteger,
  tags,
  wholeOctetsBitString,
} from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { PublicKey } from '../../x509/index.ts'
import { curveByOid, namedOid } from '../../x509/internal.ts'
import { malformedKey } from './malformed-key.ts'
import { loadPlatformKey } from './platform-key.ts'

/**
 * Loads an EC key. `curve` is the complete ECParameters of PKCS#8; undefined
 * for SEC 1 alone, which contains its own.
 *
 * The platform loads the key without its public key and computes it. The stated public key is then compared
 * with it. So a compressed point (`openssl ec -conv_form compressed`) is accepted, and the public key of
 * another key is refused.
 *
 * @throws ERR_DER, ERR_KEY_MALFORMED, ERR_KEY_UNSUPPORTED for other curves, ERR_KEY_EXPLICIT_PARAMETERS
 */
export function loadEcPrivateKey(der: Uint8Array, curve?: Uint8Array): KeyObject {
  const { scalar, parameters, publicKey } = readEcPrivateKey(der)
  if (curve !== undefined && parameters !== undefined && !Buffer.from(parameters).equals(curve)) {
    throw malformedKey('the EC key names two different curves')
  }
  const stated = curve ?? parameters
  if (stated === undefined) throw malformedKey('the EC key has no parameters, so its curve is unknown')
  requireBelowOrder(scalar, orderOf(stated))
  const identifier = sequence(oid(ecPublicKeyOid), stated)
  const key = loadScalar(identifier, octetString(scalar))
  requirePublicKeyOf(publicKey, key)
  // Reimported with the computed public key, so that exports contain it, as those of other programs do.
  const { subjectPublicKey } = PublicKey.from(key)
  return loadScalar(identifier, octetString(scalar), explicit(1, bitString(subjectPublicKey)))
}

/** The EC key of a scalar, through PKCS#8. @throws ERR_KEY_MALFORMED */
function loadScalar(identifier: Uint8Array, ...ecPrivateKey: Uint8Array[]): KeyObject {
  const pkcs8 = Buffer.from(
    sequence(integer(0), identifier, octetString(sequence(integer(1), ...ecPrivateKey))),
  )
  try {
    return loadPlatformKey({ key: pkcs8, type: 'pkcs8' })
  } catch {
    // The platform's error is not kept as cause: no part of a private key may reach a log.
    throw malformedKey('the EC key is not between 1 and the order of its curve')
  } finally {
    pkcs8.fill(0)
  }
}

/**
 * Refuses a stated public key that is not that of the private key. A compressed point is compared too.
 * @throws ERR_KEY_MALFORMED
 */
export function requirePublicKeyOf(stated: Uint8Array | undefined, key: KeyObject): void {
  if (stated === undefined || isPublicKeyOf(stated, key)) return
  // SEC 1 section 2.3.3 has no hybrid form; X9.62 had.
  const isHybrid = key.asymmetricKeyType === 'ec' && (stated[0] === 6 || stated[0] === 7)
  throw malformedKey(
    isHybrid
      ? 'its public key has the hybrid form; expected an uncompressed or compressed point'
      : 'its public key does not belong to the private key',
  )
}

/** Whether the octets of a BIT STRING are the public key of this private key. */
function isPublicKeyOf(stated: Uint8Array, key: KeyObject): boolean {
  const { subjectPublicKey } = PublicKey.from(key)
  const [form] = stated
  if (key.asymmetricKeyType !== 'ec' || (form !== 2 && form !== 3)) {
    return Buffer.from(stated).equals(subjectPublicKey)
  }
  // SEC 1 section 2.3.3: the parity of y, then x.
  const half = (subjectPublicKey.length - 1) / 2
  const parity = 2 + ((subjectPublicKey.at(-1) ?? 0) & 1)
  return form === parity && Buffer.from(stated.subarray(1)).equals(subjectPublicKey.subarray(1, 1 + half))
}

interface EcPrivateKey {
  readonly scalar: Uint8Array
  /** ECParameters, whole. */
  readonly parameters: Uint8Array | undefined
  readonly publicKey: Uint8Array | undefined
}

function readEcPrivateKey(der: Uint8Array): EcPrivateKey {
  const reader = readWhole(der, tags.sequence, 'ECPrivateKey')
  const version = smallInteger(reader.expect(tags.integer, 'version'), 'version')
  if (version !== 1) throw malformedKey(`version ${version} of ECPrivateKey; expected 1 (RFC 5915 section 3)`)
  const scalar = reader.expect(tags.octetString, 'privateKey').content()
  let parameters: Uint8Array | undefined
  if (reader.optional(contextConstructed(0), 'parameters')) {
    const inner = reader.inner()
    inner.next('parameters')
    parameters = inner.element()
    inner.finish('parameters')
  }
  let publicKey: Uint8Array | undefined
  if (reader.optional(contextConstructed(1), 'publicKey')) {
    const inner = reader.inner()
    publicKey = wholeOctetsBitString(inner.expect(tags.bitString, 'publicKey'), 'publicKey')
    inner.finish('publicKey')
  }
  reader.finish('ECPrivateKey')
  return { scalar, parameters, publicKey }
}

function orderOf(parameters: Uint8Array): Buffer {
  if (parameters[0] !== tags.oid) {
    // RFC 5480 section 2.1.1: specifiedCurve MUST NOT be used.
    throw new PkiError('ERR_KEY_EXPLICIT_PARAMETERS', 'the EC private key has explicit curve parameters')
  }
  const reader = readWhole(sequence(parameters), tags.sequence, 'parameters')
  const curve = readOid(reader, 'namedCurve')
  const order = curveByOid(curve)?.order
  if (order === undefined) {
    throw new PkiError(
      'ERR_KEY_UNSUPPORTED',
      `the curve ${namedOid(curve)} of the EC private key is not supported; expected P-256, P-384 or P-521`,
    )
  }
  return Buffer.from(order, 'hex')
}

/** The platform reduces larger numbers; some releases load zero. */
function requireBelowOrder(scalar: Uint8Array, order: Buffer): void {
  const excess = Math.max(0, scalar.length - order.length)
  const padded = Buffer.alloc(Math.max(order.length, scalar.length))
  padded.set(scalar, padded.length - scalar.length)
  const isBelow =
    padded.subarray(0, excess).every((octet) => octet === 0) && padded.subarray(excess).compare(order) < 0
  const isZero = padded.every((octet) => octet === 0)
  padded.fill(0)
  if (isZero) throw malformedKey('the EC key is 0')
  if (!isBelow) throw malformedKey('the EC key is not below the order of its curve')
}

/** RFC 5480 section 2.1.1. */
export const ecPublicKeyOid = '1.2.840.10045.2.1'
