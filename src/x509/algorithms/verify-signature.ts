// Verification of one signature. node:crypto decides; this decides what it is asked.

import { KeyObject, constants, verify } from 'node:crypto'
import type { SigningOptions, VerifyKeyObjectInput } from 'node:crypto'
import type { AlgorithmIdentifier, SignatureAlgorithm } from './signature-algorithm.ts'
import type { OneShotKey, PublicKey } from './public-key.ts'
import { signatureAlgorithms } from './signature-algorithm.ts'

/** How the octets of an ECDSA signature are written: DER `ECDSA-Sig-Value` (X.509) or `r || s` (JWS, PKCS#11). */
export type EcdsaEncoding = 'der' | 'ieee-p1363'

/**
 * Whether `signature` over `data` was made with the private half of `key`.
 *
 * False also for an algorithm or key that is not supported, a key that does not fit the algorithm, and a key or signature that is
 * malformed: it never throws for input.
 */
export function verifySignature(
  key: PublicKey,
  algorithm: AlgorithmIdentifier | SignatureAlgorithm,
  data: Uint8Array,
  signature: Uint8Array,
  encoding: EcdsaEncoding = 'der',
): boolean {
  const name = typeof algorithm === 'string' ? algorithm : algorithm.signatureAlgorithm
  if (name === undefined) return false
  const row = signatureAlgorithms[name]
  try {
    const { algorithm: keyAlgorithm, pss } = key.info
    if (keyAlgorithm === undefined || !row.keys.includes(keyAlgorithm)) return false
    const keyOrInput = key.verificationKey()
    if (row.saltLength !== undefined) {
      const saltLength = typeof algorithm === 'string' ? row.saltLength : (algorithm.saltLength as number)
      // RFC 4055 §3.3: the parameters of the key bind the signature: same hash, at least that much salt.
      if (pss !== undefined && (pss.hash !== row.hash || saltLength < pss.saltLength)) return false
      return verify(
        row.hash,
        data,
        withOptions(keyOrInput, { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
        signature,
      )
    }
    if (encoding === 'ieee-p1363')
      return verify(row.hash, data, withOptions(keyOrInput, { dsaEncoding: encoding }), signature)
    return verify(row.hash, data, keyOrInput, signature)
  } catch {
    return false
  }
}

function withOptions(key: KeyObject | OneShotKey, options: SigningOptions): VerifyKeyObjectInput {
  return { ...(key instanceof KeyObject ? { key } : key), ...options } as VerifyKeyObjectInput
}
