// The two forms of an ECDSA signature: DER in X.509 (RFC 3279 §2.2.3), `r || s` in JWS and Web Cryptography.

import { integerContent, readWhole, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'

/**
 * `r || s`, each as long as a coordinate of the curve (RFC 7518 §3.4).
 * @throws ERR_DER for a signature that is not an ECDSA-Sig-Value of this curve
 */
export function joinedEcdsaSignature(der: Uint8Array, octets: number): Uint8Array<ArrayBuffer> {
  const reader = readWhole(der, tags.sequence, 'ECDSA-Sig-Value')
  const joined = new Uint8Array(2 * octets)
  for (const [end, what] of [
    [octets, 'r'],
    [2 * octets, 's'],
  ] as const) {
    const content = integerContent(reader.expect(tags.integer, what), what)
    const magnitude = content[0] === 0 ? content.subarray(1) : content
    if ((content[0] ?? 0x80) >= 0x80 || magnitude.length > octets)
      throw new PkiError('ERR_DER', `ECDSA-Sig-Value: ${what} is out of range for ${String(octets)} octets`)
    joined.set(magnitude, end - magnitude.length)
  }
  reader.finish('ECDSA-Sig-Value')
  return joined
}
