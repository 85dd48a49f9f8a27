// From linted bytes to a signature that may leave: prove, sign, check. On this thread, or on others.

import { PkiError } from '../errors/index.ts'
import { verifySignature } from '../x509/index.ts'
import type { CertificateRequest, PublicKey, SignOptions, SignatureAlgorithm, Signer } from '../x509/index.ts'

/** The cryptography of certificates, done elsewhere. `CertificateWorkerPool` of `spiffe-pki/workers` is one. */
export interface CertificateWorkers {
  /** The key that they sign with; they serve the CA that has it. */
  readonly publicKey: PublicKey
  /** The one that they sign with: that of the CA's own signer. */
  readonly signatureAlgorithm: SignatureAlgorithm
  /**
   * Verifies the proof of possession, signs `tbs` only if it holds, and verifies what was signed: the caller does not do it again.
   *
   * @throws what `CertificateRequest.verify` throws, ERR_CA_SIGNATURE; ERR_WORKER_LOST when nobody knows whether it was signed
   */
  proveAndSign(request: CertificateRequest, tbs: Uint8Array): Promise<Uint8Array>
  /** Settles when there is room for another; undefined: there is. Who waits here has nothing prepared yet, and costs little. @throws ERR_CLOSED */
  room?(): Promise<void> | undefined
}

/** What a worker does. @throws what `CertificateRequest.verify` throws, ERR_CA_SIGNATURE; what the signer throws */
export async function proveAndSign(
  request: CertificateRequest,
  tbs: Uint8Array,
  signer: Signer,
): Promise<Uint8Array> {
  await request.publicKey.prepare()
  request.verify()
  return signChecked(tbs, signer.signatureAlgorithm, signer, signer.publicKey)
}

/**
 * The signature over `tbs`, of a certificate or a list, if it verifies by the key and the algorithm that are named in it. A faulty one must not
 * leave: it may tell the key (Bellcore), and nobody could use it.
 *
 * @throws ERR_CA_SIGNATURE; what the signer throws
 */
export function signChecked(
  tbs: Uint8Array,
  algorithm: SignatureAlgorithm,
  signer: Signer,
  publicKey: PublicKey,
  options?: SignOptions,
): Uint8Array | Promise<Uint8Array> {
  // A copy for the signer, which may be anybody's code: the bytes that it is given are not those that are compared.
  const signing = signer.sign(tbs.slice(), options)
  if (signing instanceof Promise)
    return signing.then((signature) => checked(signature, tbs, algorithm, signer, publicKey))
  return checked(signing, tbs, algorithm, signer, publicKey)
}

function checked(
  signature: Uint8Array,
  tbs: Uint8Array,
  algorithm: SignatureAlgorithm,
  signer: Signer,
  publicKey: PublicKey,
): Uint8Array {
  if (verifySignature(publicKey, algorithm, tbs, signature)) return signature
  throw new PkiError(
    'ERR_CA_SIGNATURE',
    `the signature of key ${signer.id} does not verify; it was not let out`,
  )
}
