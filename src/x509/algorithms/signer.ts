// The contract of whatever signs: a software key, a PKCS#11 session pool, a remote service.

import type { PublicKey } from './public-key.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

/** One private key that may never leave its backend. */
export interface Signer {
  /** The name that its backend knows the key by. */
  readonly id: string
  /** The public half of the key that signs. */
  readonly publicKey: PublicKey
  /** The one algorithm that this signer signs with. */
  readonly signatureAlgorithm: SignatureAlgorithm
  /**
   * The signature over `data` as X.509 carries it: DER `ECDSA-Sig-Value` for ECDSA, plain octets for RSA and Ed25519.
   * Answers at once where the backend can (software EC and Ed25519 keys), else with a promise.
   */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>
}
