// An authority without certificates, which a proxy is given if it must trust no authority.

import { SoftwareSigner } from '../../../keys/index.ts'
import { buildCertificate } from '../../../x509/index.ts'
import type { Certificate } from '../../../x509/index.ts'

/**
 * A self-signed CA certificate whose private key is discarded before this returns. Envoy rejects an empty
 * list of authorities and keeps the previous one, so a removed trust domain would stay trusted (rules B-4,
 * F-14). The key is created anew each time, because a key in the package would be known to everyone.
 */
export async function createNoAuthority(): Promise<Certificate> {
  const signer = await SoftwareSigner.generate('P-256')
  return buildCertificate(
    {
      issuer: 'CN=no authority',
      subject: 'CN=no authority',
      publicKey: signer.publicKey,
      notBefore: new Date(0),
      notAfter: new Date('9999-12-31T23:59:59Z'),
      extensions: {
        basicConstraints: { ca: true, pathLength: 0 },
        keyUsage: ['keyCertSign'],
      },
    },
    signer,
  )
}
