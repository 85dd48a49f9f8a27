// The contract of whatever signs: a software key, a PKCS#11 session pool, a remote service.

import type { PublicKey } from './public-key.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

/** How a signature is asked for. */
export interface SignOptions {
  /** Ends the waiting for a backend that is busy: ERR_ABORTED. A signature that was begun is made. Software keys do not wait. */
  readonly signal?: AbortSignal | undefined
}

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
  sign(data: Uint8Array, options?: SignOptions): Uint8Array | Promise<Uint8Array>
}
