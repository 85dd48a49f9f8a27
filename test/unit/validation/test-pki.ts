// CAs and leaves for tests, made with our own builder; every certificate follows RFC 5280 unless a test says otherwise.

import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { DistinguishedName, buildCertificate, generalName, keyPurposeOids } from '../../../src/x509/index.ts'
import type { ExtensionFields, Signer , Certificate} from '../../../src/x509/index.ts'

/** A name with a key, and a certificate that some issuer gave it. */
export interface Authority {
  readonly certificate: Certificate
  readonly signer: Signer
  readonly name: DistinguishedName
}

/** What a test changes. */
export interface Changes {
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly serialNumber?: Uint8Array
  readonly subject?: DistinguishedName
  /** The key of another authority: a second certificate for the same CA. */
  readonly signer?: Signer
  readonly extensions?: ExtensionFields
}

export const notBefore: Date = new Date('2026-01-01T00:00:00Z')
export const notAfter: Date = new Date('2026-12-31T23:59:59Z')
export const time: Date = new Date('2026-06-01T00:00:00Z')

export function newSigner(): Signer {
  const { privateKey }: { privateKey: KeyObject } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return new SoftwareSigner(privateKey)
}

/** A CA; self-signed without an issuer. */
export async function makeAuthority(name: string, issuer?: Authority, changes: Changes = {}): Promise<Authority> {
  const subject = changes.subject ?? DistinguishedName.parse(`CN=${name}`)
  const signer = changes.signer ?? newSigner()
  const issuing = issuer?.signer ?? signer
  const certificate = await buildCertificate(
    {
      issuer: issuer?.name ?? subject,
      subject,
      publicKey: signer.publicKey,
      notBefore: changes.notBefore ?? notBefore,
      notAfter: changes.notAfter ?? notAfter,
      serialNumber: changes.serialNumber,
      extensions: {
        basicConstraints: { ca: true },
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: signer.publicKey,
        authorityKeyIdentifier: issuing.publicKey.keyIdentifier,
        ...changes.extensions,
      },
    },
    issuing,
  )
  return { certificate, signer, name: subject }
}

/** A leaf for `web.example`, good for TLS both ways. */
export async function makeLeaf(issuer: Authority, changes: Changes = {}): Promise<Certificate> {
  const signer = changes.signer ?? newSigner()
  return buildCertificate(
    {
      issuer: issuer.name,
      subject: changes.subject,
      publicKey: signer.publicKey,
      notBefore: changes.notBefore ?? notBefore,
      notAfter: changes.notAfter ?? notAfter,
      serialNumber: changes.serialNumber,
      extensions: {
        basicConstraints: { ca: false },
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
        subjectAltName: [generalName.dns('web.example')],
        authorityKeyIdentifier: issuer.signer.publicKey.keyIdentifier,
        ...changes.extensions,
      },
    },
    issuer.signer,
  )
}

/** A copy with one octet changed. */
export function mutate(der: Uint8Array, at: number, xor: number): Uint8Array {
  const copy = Uint8Array.from(der)
  copy[at] = (copy[at] as number) ^ xor
  return copy
}
