// Conversion of elliptic curve points and signatures between tokens and
// X.509 (RFC 5480 §2.2, RFC 3279 §2.2.3).

import {
  bitString,
  oid,
  readOid,
  readWhole,
  readerOf,
  sequence,
  tags,
  unsignedInteger,
} from '../../../der/index.ts'
import type { DerReader } from '../../../der/index.ts'
import { PkiError } from '../../../errors/index.ts'
import { curves, namedOid } from '../../../x509/internal.ts'
import type { CurveName } from '../../../x509/internal.ts'

/** CKA_EC_PARAMS of a curve. */
export function ecParameters(curve: CurveName): Buffer {
  return Buffer.from(oid(curves[curve].oid))
}

/**
 * CKA_EC_PARAMS of Ed25519: PrintableString "edwards25519", the form of PKCS
 * #11 v3.0 §2.3.10 that SoftHSM supports.
 */
export const edwards25519Parameters: Buffer = Buffer.from('130c656477617264733235353139', 'hex')

/**
 * CKA_EC_PARAMS of Ed25519 as an object identifier (RFC 8410 section 3), which PKCS #11 v3.1 has and other
 * tokens require.
 */
export const ed25519Identifier: Buffer = Buffer.from('06032b6570', 'hex')

/**
 * The curve of CKA_EC_PARAMS, which has it as an object identifier, or as a name in a PrintableString
 * (PKCS #11 v3.0 section 2.3.3). Undefined for other curves.
 */
export function curveOf(parameters: Uint8Array): CurveName | undefined {
  const byOid = (Object.keys(curves) as CurveName[]).find((name) => ecParameters(name).equals(parameters))
  return byOid ?? curveNames.get(nameOfCurve(parameters) ?? '')
}

/**
 * SubjectPublicKeyInfo of an EC key from CKA_EC_PARAMS and CKA_EC_POINT.
 *
 * The point should be a DER OCTET STRING; a bare point, as some modules return it, is accepted too.
 *
 * @throws ERR_KEY_UNSUPPORTED for another curve, ERR_KEY_MALFORMED for a point that is not valid for the
 * curve
 */
export function ecSpki(parameters: Uint8Array, ecPoint: Uint8Array): Uint8Array {
  const curve = curveOf(parameters)
  if (curve === undefined) {
    throw new PkiError(
      'ERR_KEY_UNSUPPORTED',
      `the token has a key on the curve ${curveText(parameters)}; supported are P-256, P-384 and P-521`,
    )
  }
  const octets = 1 + 2 * curves[curve].octets
  const point = pointOctets(ecPoint, octets)
  if (point[0] !== 4) throw new PkiError('ERR_KEY_MALFORMED', 'the EC point in the token is not uncompressed')
  return sequence(sequence(oid('1.2.840.10045.2.1'), ecParameters(curve)), bitString(point))
}

/**
 * SubjectPublicKeyInfo of an Ed25519 key from CKA_EC_PARAMS and CKA_EC_POINT (RFC 8410 section 4).
 * @throws ERR_KEY_UNSUPPORTED for Ed448, ERR_KEY_MALFORMED
 */
export function ed25519Spki(parameters: Uint8Array, ecPoint: Uint8Array): Uint8Array {
  if (nameOfCurve(parameters) === 'edwards448' || Buffer.from(parameters).equals(ed448Identifier))
    throw new PkiError('ERR_KEY_UNSUPPORTED', 'the token has a key on the curve Ed448; supported is Ed25519')
  return sequence(sequence(oid('1.3.101.112')), bitString(pointOctets(ecPoint, 32)))
}

/** SubjectPublicKeyInfo of an RSA key from CKA_MODULUS and CKA_PUBLIC_EXPONENT (RFC 8017 §A.1.1). */
export function rsaSpki(modulus: Uint8Array, publicExponent: Uint8Array): Uint8Array {
  const key = sequence(unsignedInteger(modulus), unsignedInteger(publicExponent))
  return sequence(sequence(oid('1.2.840.113549.1.1.1'), Uint8Array.of(tags.null, 0)), bitString(key))
}

/**
 * Converts `r || s` of the token to ECDSA-Sig-Value, in one allocation,
 * because it happens for every signature.
 * @throws ERR_HSM_SIGNATURE for a wrong length, or 0
 */
export function ecdsaSignatureToDer(raw: Uint8Array, coordinateOctets: number): Uint8Array {
  if (raw.length !== 2 * coordinateOctets) {
    throw new PkiError(
      'ERR_HSM_SIGNATURE',
      `the ECDSA signature has ${String(raw.length)} octets; expected ${String(2 * coordinateOctets)}`,
    )
  }
  const r = firstOctet(raw, 0, coordinateOctets)
  const s = firstOctet(raw, coordinateOctets, raw.length)
  const rPad = (raw[r] as number) >> 7
  const sPad = (raw[s] as number) >> 7
  const rOctets = coordinateOctets - r + rPad
  const sOctets = raw.length - s + sPad
  const content = 4 + rOctets + sOctets
  const header = content < 0x80 ? 2 : 3
  // 139 octets at most, with P-521.
  const out = new Uint8Array(header + content)
  out[0] = tags.sequence
  if (header === 3) out[1] = 0x81
  out[header - 1] = content
  out[header] = tags.integer
  out[header + 1] = rOctets
  for (let from = r, to = header + 2 + rPad; from < coordinateOctets; from++, to++)
    out[to] = raw[from] as number
  const second = header + 2 + rOctets
  out[second] = tags.integer
  out[second + 1] = sOctets
  for (let from = s, to = second + 2 + sPad; from < raw.length; from++, to++) out[to] = raw[from] as number
  return out
}

/** The offset where the magnitude begins in `from` to `to`. */
function firstOctet(raw: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) if (raw[at] !== 0) return at
  throw new PkiError('ERR_HSM_SIGNATURE', 'r or s of the ECDSA signature is 0')
}

function pointOctets(ecPoint: Uint8Array, octets: number): Uint8Array {
  if (ecPoint.length === octets) return ecPoint
  let reader: DerReader
  try {
    reader = readWhole(ecPoint, tags.octetString, 'CKA_EC_POINT')
  } catch (cause) {
    throw new PkiError(
      'ERR_KEY_MALFORMED',
      `CKA_EC_POINT of ${String(ecPoint.length)} octets is neither a point nor a DER OCTET STRING`,
      { cause },
    )
  }
  const point = ecPoint.subarray(reader.offset, reader.end)
  if (point.length !== octets)
    throw new PkiError(
      'ERR_KEY_MALFORMED',
      `the EC point has ${String(point.length)} octets; expected ${String(octets)}`,
    )
  return point
}

/** The content of a PrintableString. */
function nameOfCurve(parameters: Uint8Array): string | undefined {
  const isString = parameters[0] === tags.printableString && parameters[1] === parameters.length - 2
  return isString ? Buffer.from(parameters.subarray(2)).toString('latin1') : undefined
}

/** Names of SEC 2, X9.62 and FIPS 186. */
const curveNames: ReadonlyMap<string, CurveName> = new Map([
  ['secp256r1', 'P-256'],
  ['prime256v1', 'P-256'],
  ['P-256', 'P-256'],
  ['secp384r1', 'P-384'],
  ['P-384', 'P-384'],
  ['secp521r1', 'P-521'],
  ['P-521', 'P-521'],
])
const ed448Identifier = Buffer.from('06032b6571', 'hex')

/** The object identifier of the curve and its name, or the name alone; other parameters in hexadecimal. */
function curveText(parameters: Uint8Array): string {
  const name = nameOfCurve(parameters)
  if (name !== undefined) return JSON.stringify(name.slice(0, 64))
  try {
    return namedOid(readOid(readerOf(parameters), 'curve'))
  } catch {
    return Buffer.from(parameters.subarray(0, 64)).toString('hex')
  }
}
