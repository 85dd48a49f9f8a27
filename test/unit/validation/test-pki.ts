// CAs and leaves for tests, made with our own builder; every certificate follows RFC 5280 unless a test says otherwise.

import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { bitString, boolean, explicit, octetString, oid, readWhole, sequence, tags } from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { DistinguishedName, buildCertificate, generalName, keyPurposeOids, signatureAlgorithms } from '../../../src/x509/index.ts'
import type { Certificate, Extension, ExtensionFields, Signer } from '../../../src/x509/index.ts'

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

/** What is signed, its parts changed, signed again: for what no builder of ours makes. */
export async function resign(tbs: Uint8Array, signer: Signer, edit: (parts: Uint8Array[]) => Uint8Array[], algorithm: Uint8Array = signatureAlgorithms[signer.signatureAlgorithm].identifier): Promise<Uint8Array> {
  const reader = readWhole(tbs, tags.sequence, 'signed bytes')
  const parts: Uint8Array[] = []
  while (!reader.done) {
    reader.next()
    parts.push(reader.element())
  }
  const changed = sequence(...edit(parts))
  return sequence(changed, algorithm, bitString(await signer.sign(changed)))
}

/** Places of the parts of a certificate of version 3. */
export const certificateParts = { version: 0, serialNumber: 1, algorithm: 2, issuer: 3, validity: 4, subject: 5, publicKey: 6, extensions: 7 } as const

/** DER of an extension list, as the last part of what is signed has it. */
export function extensionList(tag: number, extensions: readonly Extension[]): Uint8Array {
  const encode = (extension: Extension): Uint8Array => sequence(oid(extension.oid), ...(extension.critical ? [boolean(true)] : []), octetString(extension.value))
  return explicit(tag, sequence(...extensions.map(encode)))
}
