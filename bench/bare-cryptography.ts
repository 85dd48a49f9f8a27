// The cryptography of a certificate and nothing else: what issuing is measured against, on one thread and on
// two.

import { KeyObject, createPublicKey, sign, verify, webcrypto } from 'node:crypto'
import type { CertificateRequest } from '../src/x509/index.ts'

/** What the calls work on; a thread can be started with it. */
export interface BareInput {
  /** What a request's holder signed, and with what result. */
  readonly info: Uint8Array
  readonly signature: Uint8Array
  /** The P-256 key of the request, in both forms that it has there. */
  readonly spki: Uint8Array
  readonly point: Uint8Array
  /** The CA's. */
  readonly privateKey: KeyObject
}

export function bareInput(
  { info, signature, publicKey }: CertificateRequest,
  privateKey: KeyObject,
): BareInput {
  return { info, signature, spki: publicKey.spki, point: publicKey.subjectPublicKey, privateKey }
}

/**
 * Import the key, verify the request, sign, verify what was signed. `bySubtle` imports the key by WebCrypto,
 * as we do before OpenSSL 3.2: the fastest import there is, for whoever can wait for a promise.
 */
export function bareCryptography(input: BareInput, bySubtle = false): () => Promise<void> {
  const { info, signature, privateKey } = input
  const caKey = createPublicKey(privateKey)
  // The fastest import of these on this Node, from what a request holds: a JWK before OpenSSL 3.2, SPKI
  // after.
  const spki = Buffer.from(input.spki)
  const slowSpki = /^3\.[01]\./.test(process.versions.openssl ?? '')
  const importKey = (): KeyObject =>
    slowSpki
      ? createPublicKey({
          key: {
            kty: 'EC',
            crv: 'P-256',
            x: spki.toString('base64url', 27, 59),
            y: spki.toString('base64url', 59, 91),
          },
          format: 'jwk',
        })
      : createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const point = input.point as Uint8Array<ArrayBuffer>
  const importBySubtle = async (): Promise<KeyObject> =>
    KeyObject.from(
      await webcrypto.subtle.importKey('raw', point, { name: 'ECDSA', namedCurve: 'P-256' }, true, [
        'verify',
      ]),
    )
  return async () => {
    if (!verify('sha256', info, bySubtle ? await importBySubtle() : importKey(), signature))
      throw new Error('the request does not verify')
    const made = sign('sha256', info, privateKey)
    if (!verify('sha256', info, caKey, made)) throw new Error('the signature does not verify')
  }
}
