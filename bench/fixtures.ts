// The keys and certificates that rows work on: a CA of three certificates in P-256, and one of RSA-2048.

import { generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  DistinguishedName,
  PublicKey,
  buildCertificate,
  generalName,
  keyPurposeOids,
} from '../src/x509/index.ts'
import type { Certificate, Signer } from '../src/x509/index.ts'

/** A key pair with its signer. */
export interface BenchKey {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly signer: Signer
}

export function p256Key(id: string): BenchKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    privateKey,
    publicKey,
    signer: {
      id,
      publicKey: PublicKey.from(publicKey),
      signatureAlgorithm: 'ecdsa-with-SHA256',
      sign: (data) => sign('sha256', data, privateKey),
    },
  }
}

export interface BenchChain {
  readonly leaf: Certificate
  readonly intermediate: Certificate
  readonly root: Certificate
}

/** leaf ← intermediate ← root, valid now, the leaf an X.509-SVID. */
export async function p256Chain(): Promise<BenchChain> {
  const [root, intermediate, leaf] = [p256Key('root'), p256Key('intermediate'), p256Key('leaf')]
  const rootName = DistinguishedName.of([
    ['O', 'bench'],
    ['CN', 'root'],
  ])
  const intermediateName = DistinguishedName.of([
    ['O', 'bench'],
    ['CN', 'intermediate'],
  ])
  const now = Date.now()
  const validity = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) }
  const ca = (pathLength: number | undefined): { ca: true; pathLength: number | undefined } => ({
    ca: true,
    pathLength,
  })
  const rootCertificate = await buildCertificate(
    {
      issuer: rootName,
      subject: rootName,
      publicKey: root.signer.publicKey,
      ...validity,
      extensions: {
        basicConstraints: ca(undefined),
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: root.signer.publicKey,
      },
    },
    root.signer,
  )
  const intermediateCertificate = await buildCertificate(
    {
      issuer: rootName,
      subject: intermediateName,
      publicKey: intermediate.signer.publicKey,
      ...validity,
      extensions: {
        basicConstraints: ca(0),
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: intermediate.signer.publicKey,
        authorityKeyIdentifier: root.signer.publicKey.keyIdentifier,
      },
    },
    root.signer,
  )
  const leafCertificate = await buildCertificate(
    {
      issuer: intermediateName,
      publicKey: leaf.signer.publicKey,
      ...validity,
      extensions: {
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
        basicConstraints: { ca: false },
        subjectAltName: [generalName.uri('spiffe://example.org/ns/prod/sa/api')],
        subjectKeyIdentifier: leaf.signer.publicKey,
        authorityKeyIdentifier: intermediate.signer.publicKey.keyIdentifier,
      },
    },
    intermediate.signer,
  )
  return { leaf: leafCertificate, intermediate: intermediateCertificate, root: rootCertificate }
}
