// Determines why a certificate, request, list or OCSP response does not verify with a key, and never reports
// an unsupported algorithm as a bad signature.

import { toHex } from '../../internal/bytes.ts'
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
  if (!signatureAlgorithms[name].keys.includes(algorithm))
    return `it is signed with ${name}, but the key of its issuer is ${algorithm}`
  return verifySignature(key, signed.signatureAlgorithm, signed.tbs, signed.signature)
    ? undefined
    : 'its signature does not verify with the key of its issuer'
}

/** The name of an algorithm and the parameters that make it unsupported. */
export function describeSignatureAlgorithm({
  signatureAlgorithm,
  oid,
  parameters,
}: AlgorithmIdentifier): string {
  if (signatureAlgorithm !== undefined) return signatureAlgorithm
  const name = names[oid]
  const found = name === undefined ? oid : `${name} (${oid})`
  if (parameters === undefined) return `${found} without parameters`
  const octets = toHex(parameters.subarray(0, 64))
  return octets === '0500' ? `${found} with NULL parameters` : `${found} with the parameters ${octets}`
}

/**
 * Names of common algorithms: those of the table, whose parameters may be
 * wrong, and those that are never accepted.
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
  '1.3.101.112': 'Ed25519',
  '1.3.101.113': 'Ed448',
}
