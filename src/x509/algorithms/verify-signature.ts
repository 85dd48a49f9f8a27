// Verification of one signature with node:crypto, after key, algorithm and encoding are checked.

import { constants, verify } from 'node:crypto'
import type { KeyObject, VerifyKeyObjectInput } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import type { AlgorithmIdentifier, SignatureAlgorithm } from './signature-algorithm.ts'
import { PublicKey, keyForOneUse } from './public-key.ts'
import { signatureAlgorithms } from './signature-algorithm.ts'

/** The encoding of an ECDSA signature: DER `ECDSA-Sig-Value` (X.509) or `r || s` (JWS, PKCS#11). */
export type EcdsaEncoding = 'der' | 'ieee-p1363'

/**
 * Whether `signature` over `data` was made with the private half of `key`.
 *
 * False also for an unsupported algorithm or key, a key of another type than the algorithm requires, and a
 * malformed key or signature: it never throws because of the input.
 *
 * @throws ERR_INVALID_ARGUMENT if the key is not a `PublicKey`, or data or signature are not octets
 */
export function verifySignature(
  key: PublicKey,
  algorithm: AlgorithmIdentifier | SignatureAlgorithm,
  data: Uint8Array,
  signature: Uint8Array,
  encoding: EcdsaEncoding = 'der',
): boolean {
  requireKey(key)
  requireOctets(data, 'the signed data')
  requireOctets(signature, 'the signature')
  try {
    const input = verificationInput(key, algorithm, encoding)
    return input !== undefined && verify(input.hash, data, input.key, signature)
  } catch {
    return false
  }
}

/**
 * Like `verifySignature`, for a key that is used once, such as the key of a request. The imported key is not
 * kept, which costs less than a `KeyObject`. An algorithm with a salt length (RSASSA-PSS) is verified by
 * `verifySignature`.
 */
export function verifySignatureOnce(
  key: PublicKey,
  algorithm: AlgorithmIdentifier,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const name = algorithm.signatureAlgorithm
  if (name === undefined || signatureAlgorithms[name].saltLength !== undefined)
    return verifySignature(key, algorithm, data, signature)
  try {
    const { hash, keys } = signatureAlgorithms[name]
    const { algorithm: kind } = key.info
    return kind !== undefined && keys.includes(kind) && verify(hash, data, keyForOneUse(key), signature)
  } catch {
    return false
  }
}

function requireKey(key: PublicKey): void {
  if (!(key instanceof PublicKey))
    throw new PkiError('ERR_INVALID_ARGUMENT', `the key must be a PublicKey, found a ${typeof key}`)
}

/**
 * Like `verifySignature`, on Node's thread pool, for a caller whose thread has other work. It costs the
 * calling thread about 20 µs.
 */
export async function verifySignatureAsync(
  key: PublicKey,
  algorithm: AlgorithmIdentifier | SignatureAlgorithm,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const input = verificationInput(key, algorithm, 'der')
  if (input === undefined) return false
  return new Promise((resolve) => {
    verify(input.hash, data, input.key, signature, (error, holds) => resolve(error === null && holds))
  })
}

interface VerificationInput {
  readonly hash: string | undefined
  readonly key: KeyObject | VerifyKeyObjectInput
}

/**
 * The arguments for `node:crypto`; undefined if the key is not valid for the algorithm. @throws for a key
 * that cannot be imported
 */
function verificationInput(
  key: PublicKey,
  algorithm: AlgorithmIdentifier | SignatureAlgorithm,
  encoding: EcdsaEncoding,
): VerificationInput | undefined {
  const name = typeof algorithm === 'string' ? algorithm : algorithm.signatureAlgorithm
  if (name === undefined) return undefined
  const row = signatureAlgorithms[name]
  const { hash } = row
  const { algorithm: keyAlgorithm, pss } = key.info
  if (keyAlgorithm === undefined || !row.keys.includes(keyAlgorithm)) return undefined
  const keyObject = key.keyObject()
  if (row.saltLength !== undefined) {
    const saltLength = typeof algorithm === 'string' ? row.saltLength : (algorithm.saltLength as number)
    // RFC 4055 §3.3: the parameters of the key restrict the signature: same hash, at least that salt length.
    if (pss !== undefined && (pss.hash !== hash || saltLength < pss.saltLength)) return undefined
    return { hash, key: { key: keyObject, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength } }
  }
  if (encoding === 'ieee-p1363') return { hash, key: { key: keyObject, dsaEncoding: encoding } }
  return { hash, key: keyObject }
}
