// SubjectPublicKeyInfo, checked on its DER (RFC 5480, RFC 8017, RFC 4055, RFC 8410), because `node:crypto`
// hides explicit curve parameters and loads RSA-1024 without an error.

import type { DerReader } from '../../der/index.ts'
import { decodeOid, integerContent, readWhole, tags, wholeOctetsBitString } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { freezeDeep } from '../../internal/freeze-deep.ts'
import { curveByOid } from './curves.ts'
import { namedOid } from './foreign-algorithms.ts'
import { parsePssParameters, readAlgorithm } from './signature-algorithm.ts'
import type { HashName, PublicKeyAlgorithm } from './signature-algorithm.ts'

/**
 * The properties of a key, read from its DER; `algorithm` is undefined for
 * an unsupported key, and `problem` gives the reason.
 */
export interface SubjectPublicKeyInfo {
  /** The kind of key; undefined if it cannot be used. */
  readonly algorithm: PublicKeyAlgorithm | undefined
  /** Why it cannot be used; undefined if it can. */
  readonly problem: { readonly code: PkiErrorCode; readonly detail: string } | undefined
  /** Object identifier of the key algorithm, dotted. */
  readonly oid: string
  /** The octets of the subjectPublicKey BIT STRING. */
  readonly subjectPublicKey: Uint8Array
  /** Bits of the field or modulus; 0 if not supported. */
  readonly bits: number
  /** RSA only: unsigned, big-endian, no leading zeros. */
  readonly modulus: Uint8Array | undefined
  /** RSA: the public exponent, big-endian. */
  readonly exponent: Uint8Array | undefined
  /** Only for RSA-PSS keys with parameters: the parameters that signatures must use. */
  readonly pss: { readonly hash: HashName | undefined; readonly saltLength: number } | undefined
}

/**
 * Reads the frame of a SubjectPublicKeyInfo; an unsupported key inside is described, not refused.
 *
 * Frozen. @throws ERR_KEY_MALFORMED, ERR_DER for a malformed frame
 */
export function parseSubjectPublicKeyInfo(spki: Uint8Array): SubjectPublicKeyInfo {
  return isPlainP256(spki) ? plainP256(spki) : freezeDeep(readSubjectPublicKeyInfo(spki))
}

function readSubjectPublicKeyInfo(spki: Uint8Array): SubjectPublicKeyInfo {
  if (spki.length > maxSpkiOctets)
    throw new PkiError(
      'ERR_KEY_MALFORMED',
      `the public key has ${String(spki.length)} octets; the maximum is ${String(maxSpkiOctets)}`,
    )
  const reader = readWhole(spki, tags.sequence, 'SubjectPublicKeyInfo')
  const { oid, parameters } = readAlgorithm(
    reader.expect(tags.sequence, 'SubjectPublicKeyInfo algorithm').inner(),
    'SubjectPublicKeyInfo algorithm',
  )
  const subjectPublicKey = wholeOctetsBitString(
    reader.expect(tags.bitString, 'SubjectPublicKeyInfo subjectPublicKey'),
    'SubjectPublicKeyInfo subjectPublicKey',
  )
  reader.finish('SubjectPublicKeyInfo')

  const info = { ...unsupported, oid, subjectPublicKey }
  if (oid === '1.2.840.10045.2.1') return { ...info, ...judgeEc(parameters, subjectPublicKey) }
  if (oid === '1.2.840.113549.1.1.1') {
    const isNull = parameters?.length === 2 && parameters[0] === tags.null
    return {
      ...info,
      ...(isNull
        ? judgeRsa('RSA', subjectPublicKey)
        : malformed('rsaEncryption parameters that are not NULL (RFC 3279 §2.3.1)')),
    }
  }
  if (oid === '1.2.840.113549.1.1.10') return { ...info, ...judgePss(parameters, subjectPublicKey) }
  if (oid === '1.3.101.112') {
    if (parameters !== undefined) return { ...info, ...malformed('Ed25519 with parameters (RFC 8410 §3)') }
    if (subjectPublicKey.length !== 32)
      return { ...info, ...malformed(`an Ed25519 key of ${String(subjectPublicKey.length)} octets`) }
    return { ...info, algorithm: 'Ed25519', problem: undefined, bits: 256 }
  }
  return {
    ...info,
    problem: { code: 'ERR_KEY_UNSUPPORTED', detail: `a key of the algorithm ${namedOid(oid)}` },
  }
}

/** The encoding of a P-256 key with an uncompressed point, which nearly every certificate and request has. */
function isPlainP256(spki: Uint8Array): boolean {
  if (spki.length !== 91) return false
  for (let i = 0; i < p256Prefix.length; i++) if (spki[i] !== p256Prefix[i]) return false
  return true
}

function plainP256(spki: Uint8Array): SubjectPublicKeyInfo {
  return Object.freeze({
    algorithm: 'P-256',
    problem: undefined,
    bits: 256,
    modulus: undefined,
    exponent: undefined,
    pss: undefined,
    oid: '1.2.840.10045.2.1',
    subjectPublicKey: spki.subarray(p256Prefix.length - 1),
  })
}

type Judgement = Partial<SubjectPublicKeyInfo>

function judgeEc(parameters: Uint8Array | undefined, point: Uint8Array): Judgement {
  if (parameters?.[0] !== tags.oid) {
    // RFC 5480 §2.1.1: specifiedCurve MUST NOT be used.
    if (parameters?.[0] === tags.sequence)
      return {
        problem: {
          code: 'ERR_KEY_EXPLICIT_PARAMETERS',
          detail: 'an EC key with explicit parameters (CVE-2020-0601)',
        },
      }
    return { problem: { code: 'ERR_KEY_UNSUPPORTED', detail: 'an EC key without a named curve' } }
  }
  const curve = curveByOid(decodeOid(parameters, 2))
  if (curve === undefined)
    return {
      problem: {
        code: 'ERR_KEY_UNSUPPORTED',
        detail: `a key on the curve ${namedOid(decodeOid(parameters, 2))}`,
      },
    }
  // RFC 5480 §2.2: every implementation supports uncompressed points;
  // compressed points are refused with their own message.
  if (point[0] === 2 || point[0] === 3)
    return { problem: { code: 'ERR_KEY_UNSUPPORTED', detail: 'a compressed EC point' } }
  if (point[0] === 6 || point[0] === 7) return malformed('an EC point of the hybrid form (RFC 5480 §2.2)')
  if (point[0] !== 4 || point.length !== 1 + 2 * curve.octets)
    return malformed(`an EC point of ${String(point.length)} octets for ${curve.name}`)
  return { algorithm: curve.name, problem: undefined, bits: curve.bits }
}

function judgePss(parameters: Uint8Array | undefined, key: Uint8Array): Judgement {
  const judged = judgeRsa('RSA-PSS', key)
  if (parameters === undefined) return judged
  try {
    const pss = parsePssParameters(parameters)
    if (pss.hash === undefined)
      return {
        problem: { code: 'ERR_KEY_UNSUPPORTED', detail: 'RSASSA-PSS parameters with SHA-1 or two hashes' },
      }
    return { ...judged, pss }
  } catch {
    return malformed('RSASSA-PSS parameters')
  }
}

/** RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017 §A.1.1), both positive. */
function judgeRsa(algorithm: 'RSA' | 'RSA-PSS', key: Uint8Array): Judgement {
  let modulus: Uint8Array
  let exponent: Uint8Array
  try {
    const reader = readWhole(key, tags.sequence, 'RSAPublicKey')
    modulus = positive(reader, 'modulus')
    exponent = positive(reader, 'publicExponent')
    reader.finish('RSAPublicKey')
  } catch {
    return malformed('an RSA public key that is not two positive INTEGERs')
  }
  const bits = modulus.length * 8 - Math.clz32(modulus[0] as number) + 24
  // RFC 8017 §3.1: n is a product of odd primes, e odd and at least 3; with e
  // = 1 a signature is its own digest.
  if (!isOdd(modulus) || !isOdd(exponent) || (exponent.length === 1 && exponent[0] === 1))
    return malformed('an RSA key whose modulus or exponent is even, or whose exponent is 1')
  // Checked before any arithmetic (CVE-2023-29409, CVE-2023-2650).
  if (bits > maxRsaBits || exponent.length > maxExponentOctets)
    return {
      problem: {
        code: 'ERR_KEY_UNSUPPORTED',
        detail: `RSA of ${String(bits)} bits, exponent of ${String(exponent.length)} octets`,
      },
    }
  return { algorithm, problem: undefined, bits, modulus, exponent }
}

function isOdd(magnitude: Uint8Array): boolean {
  return ((magnitude[magnitude.length - 1] as number) & 1) === 1
}

function positive(reader: DerReader, what: string): Uint8Array {
  const content = integerContent(reader.expect(tags.integer, what), what)
  const first = content[0] as number
  if (first >= 0x80 || (first === 0 && content.length === 1))
    throw new PkiError('ERR_KEY_MALFORMED', `${what} is not positive`)
  return first === 0 ? content.subarray(1) : content
}

function malformed(detail: string): Judgement {
  return { problem: { code: 'ERR_KEY_MALFORMED', detail } }
}

/** SEQUENCE, id-ecPublicKey, prime256v1, BIT STRING of 66 octets, 04 before the point. */
const p256Prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')

const unsupported = {
  algorithm: undefined,
  problem: undefined,
  bits: 0,
  modulus: undefined,
  exponent: undefined,
  pss: undefined,
}

/** Enough for RSA-8192 with parameters. */
const maxSpkiOctets = 2048
const maxRsaBits = 8192
const maxExponentOctets = 8
