// The contract of workers (threads or other helpers) that run the certificate cryptography of a CA.

import type { CertificateRequest, PublicKey, SignatureAlgorithm } from '../../x509/index.ts'
import type { SignOptions } from '../../x509/internal.ts'

/**
 * Verifies requests and signs for a CA. `CertificateWorkerPool` of `spiffe-pki/workers` implements it. Both
 * methods have their own queue: a caller only awaits the result.
 */
export interface CertificateWorkers {
  /** The signing key of the workers: the CA's key. */
  readonly publicKey: PublicKey
  /** The signature algorithm of the workers: that of the CA's signer. */
  readonly signatureAlgorithm: SignatureAlgorithm
  /**
   * Verifies the proof of possession.
   *
   * @throws as `CertificateRequest.verify`; ERR_ABORTED, ERR_OVERLOADED, ERR_CLOSED, ERR_WORKER_LOST
   */
  prove(request: CertificateRequest, options?: SignOptions): Promise<void>
  /**
   * Returns the signature over `tbs`, which must certify `publicKey`, the key of the proven request. The CA
   * verifies the signature.
   *
   * @throws ERR_CA_MATERIAL if `tbs` certifies another key; ERR_CLOSED; ERR_WORKER_LOST if it is unknown
   * whether a signature was made
   */
  sign(tbs: Uint8Array, publicKey: PublicKey, options?: SignOptions): Promise<Uint8Array>
}
