// The fixed part of every case: a root, three intermediates and a leaf.

import { createECDH, createHash, createPrivateKey } from 'node:crypto'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { bitString, integer, nullElement, oid, sequence, unsignedInteger } from '../../src/der/index.ts'
import {
  DistinguishedName,
  PublicKey,
  buildCertificate,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import type { Certificate, GeneralName } from '../../src/x509/index.ts'
import type { ExtensionFields } from '../../src/x509/internal.ts'

export const host = 'web.example'
export const time: Date = new Date('2026-06-01T00:00:00Z')
export const notBefore: Date = new Date('2026-01-01T00:00:00Z')
export const notAfter: Date = new Date('2026-12-31T23:59:59Z')

export interface Issuer {
  readonly name: DistinguishedName
  readonly signer: SoftwareSigner
  readonly certificate: Certificate
}

export interface FixedPki {
  readonly root: Issuer
  readonly intermediates: readonly Issuer[]
  /** A leaf of the first intermediate. */
  readonly leaf: Certificate
}

/** Ed25519, which signs without randomness: a seed gives the same bytes everywhere. */
export function fixedSigner(label: string): SoftwareSigner {
  const seed = createHash('sha256').update(label).digest()
  return new SoftwareSigner(
    createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
      format: 'der',
      type: 'pkcs8',
    }),
  )
}

/** Keys that leaves may have: of every kind, none of them ever signs. */
export function fixedKeys(): readonly PublicKey[] {
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(createHash('sha256').update('P-256').digest())
  const point = sequence(
    sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
    bitString(ecdh.getPublicKey()),
  )
  const modulus = Buffer.concat(
    [0, 1, 2, 3].map((part) => createHash('sha512').update(`modulus ${part}`).digest()),
  )
  modulus[0] = 0xc5
  modulus[255] = (modulus[255] as number) | 1
  const rsa = sequence(
    sequence(oid('1.2.840.113549.1.1.1'), nullElement()),
    bitString(sequence(unsignedInteger(modulus), integer(65537))),
  )
  return [fixedSigner('leaf').publicKey, PublicKey.fromSpki(point), PublicKey.fromSpki(rsa)]
}

export async function fixedPki(): Promise<FixedPki> {
  const root = await makeIssuer('root', undefined, {})
  const net: GeneralName = {
    type: 'ip',
    address: Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0),
    value: '10.0.0.0/8',
  }
  const intermediates = [
    await makeIssuer('open', root, { basicConstraints: { ca: true, pathLength: 1 } }),
    await makeIssuer('bounded', root, {
      nameConstraints: {
        permitted: [
          generalName.dns('example'),
          generalName.uri('.example'),
          generalName.email('example'),
          net,
        ],
        excluded: [generalName.dns('secret.example'), generalName.email('root@example')],
      },
    }),
    await makeIssuer('directory', root, {
      nameConstraints: { permitted: [{ type: 'directoryName', name: DistinguishedName.parse('O=Example') }] },
    }),
  ]
  const [open] = intermediates as [Issuer]
  const leaf = await buildCertificate(
    {
      issuer: open.name,
      subject: DistinguishedName.parse('CN=leaf,O=Example'),
      publicKey: fixedSigner('leaf').publicKey,
      notBefore,
      notAfter,
      serialNumber: Uint8Array.of(9),
      extensions: {
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: [keyPurposeOids.serverAuth],
        subjectAltName: [generalName.dns(host)],
        authorityKeyIdentifier: open.signer.publicKey.keyIdentifier,
      },
    },
    open.signer,
  )
  return { root, intermediates, leaf }
}

async function makeIssuer(
  label: string,
  above: Issuer | undefined,
  extensions: ExtensionFields,
): Promise<Issuer> {
  const signer = fixedSigner(label)
  const name = DistinguishedName.parse(`CN=${label},O=Example`)
  const issuing = above?.signer ?? signer
  const certificate = await buildCertificate(
    {
      issuer: above?.name ?? name,
      subject: name,
      publicKey: signer.publicKey,
      notBefore,
      notAfter,
      serialNumber: Uint8Array.of(1 + label.length),
      extensions: {
        basicConstraints: { ca: true },
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: signer.publicKey,
        authorityKeyIdentifier: issuing.publicKey.keyIdentifier,
        ...extensions,
      },
    },
    issuing,
  )
  return { name, signer, certificate }
}
