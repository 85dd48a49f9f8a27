// Signs linted bytes, and returns only a signature that verifies.

import { PkiError } from '../../errors/index.ts'
import type { Turns } from '../../internal/turns/turns.ts'
import { verifySignature } from '../../x509/index.ts'
import { verifySignatureAsync } from '../../x509/internal.ts'
import type { PublicKey, SignatureAlgorithm, Signer } from '../../x509/index.ts'

/**
 * The signature over `tbs`, of a CA certificate or a CRL, if it verifies with the key and the algorithm named
 * in it. A faulty signature must not leave the process: it can reveal the key (Boneh, DeMillo, Lipton 1997),
 * and no relying party accepts it.
 *
 * @throws ERR_CA_SIGNATURE; the errors of the signer
 */
export async function signChecked(
  tbs: Uint8Array,
  algorithm: SignatureAlgorithm,
  signer: Signer,
  publicKey: PublicKey,
): Promise<Uint8Array> {
  // The signer may be foreign code: it gets a copy, so that it cannot change the bytes that are verified.
  const signature = requireSignature(await signer.sign(new Uint8Array(tbs)))
  if (verifySignature(publicKey, algorithm, tbs, signature)) return signature
  throw unverified(signer.id)
}

/**
 * Like `signChecked`, for many megabytes. It blocks the event loop only for the time of a copy: software keys
 * sign on the thread pool, where the signature is verified as well.
 *
 * @throws as `signChecked`
 */
export async function signLongChecked(
  tbs: Uint8Array,
  algorithm: SignatureAlgorithm,
  signer: Signer,
  publicKey: PublicKey,
  turns: Turns,
): Promise<Uint8Array> {
  if (tbs.length <= shortOctets) return signChecked(tbs, algorithm, signer, publicKey)
  const copy = new Uint8Array(tbs.length)
  for (let at = 0; at < tbs.length; at += pieceOctets) {
    copy.set(tbs.subarray(at, at + pieceOctets), at)
    await turns.give()
  }
  await turns.wait()
  const signature = requireSignature(await signer.sign(copy))
  await turns.wait()
  if (await verifySignatureAsync(publicKey, algorithm, tbs, signature)) return signature
  throw unverified(signer.id)
}

/** The result of a signer, if it can be a signature. @throws ERR_CA_SIGNATURE */
export function requireSignature(signature: unknown): Uint8Array {
  if (signature instanceof Uint8Array && signature.length > 0 && signature.length <= maxSignatureOctets)
    return signature
  throw new PkiError('ERR_CA_SIGNATURE', 'the signer returned an empty or oversized signature')
}

/** The error for a signature that does not verify. */
export function unverified(keyId: string): PkiError {
  return new PkiError(
    'ERR_CA_SIGNATURE',
    `the signature by key ${keyId} does not verify with the key of the CA certificate; it was discarded`,
  )
}

/** RSA of 16,384 bits. */
const maxSignatureOctets = 2048
/** Octets that are hashed in a fraction of a millisecond. */
const shortOctets = 64 * 1024
const pieceOctets = 1024 * 1024
