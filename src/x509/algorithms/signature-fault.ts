// Determines why a certificate, request, list or OCSP response does not verify with a key, and never reports
// an unsupported algorithm as a bad signature.

import { tags } from '../../der/index.ts'
import { toHex } from '../../internal/bytes.ts'
import { curveByName } from './curves.ts'
import { foreignName } from './foreign-algorithms.ts'
import type { AlgorithmIdentifier } from './signature-algorithm.ts'
import type { PublicKey } from './public-key.ts'
import { signatureAlgorithms } from './signature-algorithm.ts'
import { verifySignature } from './verify-signature.ts'

/**
 * The signed octets of an object, the algorithm, and the signature: of a certificate, request, CRL or OCSP
 * response.
 */
export interface SignedObject {
  /** The signed octets. */
  readonly tbs: Uint8Array
  /** The algorithm that the object names. */
  readonly signatureAlgorithm: AlgorithmIdentifier
  /** The content of the signature BIT STRING. */
  readonly signature: Uint8Array
}

/**
 * Why `signed` does not verify with `key`, as the end of a sentence; undefined if it verifies. An algorithm
 * that is unsupported, or not valid for the key, is reported as such.
 */
export function signatureFault(signed: SignedObject, key: PublicKey): string | undefined {
  const { signatureAlgorithm: name } = signed.signatureAlgorithm
  if (name === undefined)
    return (
      `it is signed with ${describeSignatureAlgorithm(signed.signatureAlgorithm)}, which is not ` +
      'supported'
    )
  const { algorithm, problem } = key.info
  if (algorithm === undefined)
    return `the key of its issuer is not supported: ${problem?.detail ?? 'an unknown kind of key'}`
  return verifySignature(key, signed.signatureAlgorithm, signed.tbs, signed.signature)
    ? undefined
    : unverifiedReason(signed, key, 'the key of its issuer')
}

/**
 * The end of a sentence about a signature that did not verify: an algorithm of another key, a hash that the
 * key does not allow, and an ECDSA signature in the form of other standards are named.
 */
export function unverifiedReason(
  { signatureAlgorithm, signature }: Omit<SignedObject, 'tbs'>,
  key: PublicKey,
  ofKey: string,
): string {
  const { signatureAlgorithm: name } = signatureAlgorithm
  const { algorithm, pss } = key.info
  if (name !== undefined && algorithm !== undefined) {
    const row = signatureAlgorithms[name]
    if (!row.keys.includes(algorithm)) return `it is signed with ${name}, but ${ofKey} is ${algorithm}`
    if (pss !== undefined && pss.hash !== row.hash)
      return `it is signed with ${name}, but ${ofKey} signs with ${String(pss.hash)} only (RFC 4055 3.3)`
    const curve = curveByName(algorithm)
    if (curve !== undefined && signature[0] !== tags.sequence)
      return (
        'its signature is not an ECDSA-Sig-Value (RFC 3279 2.2.3)' +
        (signature.length === 2 * curve.octets ? '; it may be r || s, the form of JWS and WebCrypto' : '')
      )
  }
  return `its signature does not verify with ${ofKey}`
}

/** The name of an algorithm and the parameters that make it unsupported. */
export function describeSignatureAlgorithm({
  signatureAlgorithm,
  oid,
  parameters,
}: AlgorithmIdentifier): string {
  if (signatureAlgorithm !== undefined) return signatureAlgorithm
  const name = names[oid] ?? foreignName(oid)
  const found = name === undefined ? oid : `${name} (${oid})`
  if (parameters === undefined) return `${found} without parameters`
  const octets = toHex(parameters.subarray(0, 64))
  return octets === '0500' ? `${found} with NULL parameters` : `${found} with the parameters ${octets}`
}

/**
 * Names of common algorithms: those of the table, whose parameters may be wrong, and those that are never
 * accepted. An algorithm of one kind of key alone has the OID and the name of the key.
 */
const names: Readonly<Record<string, string | undefined>> = {
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption',
  '1.2.840.113549.1.1.10': 'RSASSA-PSS',
  '1.2.840.113549.1.1.11': 'sha256WithRSAEncryption',
  '1.2.840.113549.1.1.12': 'sha384WithRSAEncryption',
  '1.2.840.113549.1.1.13': 'sha512WithRSAEncryption',
  '1.2.840.113549.1.1.14': 'sha224WithRSAEncryption',
  '1.2.840.10040.4.3': 'dsa-with-SHA1',
  '1.2.840.10045.4.1': 'ecdsa-with-SHA1',
  '1.2.840.10045.4.3.1': 'ecdsa-with-SHA224',
  '1.2.840.10045.4.3.2': 'ecdsa-with-SHA256',
  '1.2.840.10045.4.3.3': 'ecdsa-with-SHA384',
  '1.2.840.10045.4.3.4': 'ecdsa-with-SHA512',
  '1.2.840.113549.1.1.2': 'md2WithRSAEncryption',
  '2.16.840.1.101.3.4.3.2': 'dsa-with-SHA256',
  '2.16.840.1.101.3.4.3.9': 'ecdsa-with-SHA3-224',
  '2.16.840.1.101.3.4.3.10': 'ecdsa-with-SHA3-256',
  '2.16.840.1.101.3.4.3.11': 'ecdsa-with-SHA3-384',
  '2.16.840.1.101.3.4.3.12': 'ecdsa-with-SHA3-512',
  '2.16.840.1.101.3.4.3.14': 'RSASSA-PKCS1-v1_5 with SHA3-256',
  '1.2.156.10197.1.501': 'SM2 with SM3',
  '1.2.643.7.1.1.3.2': 'GOST R 34.10-2012 with 256 bits',
  '1.2.643.7.1.1.3.3': 'GOST R 34.10-2012 with 512 bits',
  '1.3.6.1.5.5.7.6.2': 'id-alg-noSignature (RFC 5272)',
  '1.3.101.112': 'Ed25519',
}
