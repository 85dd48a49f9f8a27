// The Signer contract, implemented by software keys, PKCS#11 session pools and remote services.

import type { PublicKey } from './public-key.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

/** Options of one signature. @inline */
export interface SignOptions {
  /**
   * Ends the wait for a busy backend with ERR_ABORTED. A signature that has
   * started is completed. Software keys do not wait.
   */
  readonly signal?: AbortSignal | undefined
}

/** One private key, which stays in its backend. */
export interface Signer {
  /** The name of the key in its backend. */
  readonly id: string
  /** The public half of the key that signs. */
  readonly publicKey: PublicKey
  /** The only algorithm of this signer. */
  readonly signatureAlgorithm: SignatureAlgorithm
  /**
   * Returns the signature over `data` in the encoding of X.509: DER `ECDSA-Sig-Value` for ECDSA, plain octets
   * for
   * RSA and Ed25519. Synchronous where the backend allows it (software EC and Ed25519 keys), else a promise.
   */
  sign(data: Uint8Array, options?: SignOptions): Uint8Array | Promise<Uint8Array>
}
