// CAs, leaves, lists and answers for tests, made with our own builders; every certificate follows RFC 5280
// unless a test says otherwise.

import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  bitString,
  boolean,
  explicit,
  octetString,
  oid,
  readWhole,
  sequence,
  tags,
} from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { verifyPath } from '../../../src/validation/index.ts'
import type { RevocationChecker, Verdict } from '../../../src/validation/index.ts'
import type { PathValidatorOptions } from '../../../src/validation/path-options.ts'
import {
  DistinguishedName,
  OcspCertificateId,
  buildCertificate,
  buildOcspResponse,
  buildCrl,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import { signatureAlgorithms } from '../../../src/x509/internal.ts'
import type { Certificate, OcspResponse, PublicKey, Crl, Signer } from '../../../src/x509/index.ts'
import type { Extension } from '../../../src/x509/internal.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import type { OcspResponseFields } from '../../../src/x509/ocsp/ocsp-response-builder.ts'
import type { CrlFields } from '../../../src/x509/crl/crl-builder.ts'

/** A name with a key, and a certificate that some issuer gave it. */
export interface Authority {
  readonly certificate: Certificate
  readonly signer: Signer
  readonly name: DistinguishedName
}

/** Who signs: certificates, lists, answers. */
export type Issuer = Pick<Authority, 'name' | 'signer'>

export type OcspAnswer = OcspResponseFields['responses'][number]

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

/** So many hours after `time`. */
export const at = (hours: number): Date => new Date(time.getTime() + hours * 3_600_000)

export function newSigner(namedCurve: 'P-256' | 'P-384' | 'P-521' = 'P-256'): Signer {
  const { privateKey }: { privateKey: KeyObject } = generateKeyPairSync('ec', { namedCurve })
  return new SoftwareSigner(privateKey)
}

/** A CA; self-signed without an issuer. */
export async function makeAuthority(
  name: string,
  issuer?: Issuer,
  changes: Changes = {},
): Promise<Authority> {
  const subject = changes.subject ?? DistinguishedName.parse(`CN=${name}`)
  const signer = changes.signer ?? newSigner()
  const extensions = {
    basicConstraints: { ca: true },
    keyUsage: ['keyCertSign', 'cRLSign'],
    subjectKeyIdentifier: signer.publicKey,
  } as const
  return {
    certificate: await make(
      issuer ?? { name: subject, signer },
      subject,
      signer.publicKey,
      extensions,
      changes,
    ),
    signer,
    name: subject,
  }
}

/** A leaf for `web.example`, good for TLS both ways. */
export async function makeLeaf(issuer: Issuer, changes: Changes = {}): Promise<Certificate> {
  const { publicKey } = changes.signer ?? newSigner()
  return make(
    issuer,
    changes.subject,
    publicKey,
    {
      basicConstraints: { ca: false },
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
      subjectAltName: [generalName.dns('web.example')],
    },
    changes,
  )
}

function make(
  issuer: Issuer,
  subject: DistinguishedName | undefined,
  publicKey: PublicKey,
  extensions: ExtensionFields,
  changes: Changes,
): Promise<Certificate> {
  return buildCertificate(
    {
      issuer: issuer.name,
      subject,
      publicKey,
      notBefore: changes.notBefore ?? notBefore,
      notAfter: changes.notAfter ?? notAfter,
      serialNumber: changes.serialNumber,
      extensions: {
        ...extensions,
        authorityKeyIdentifier: issuer.signer.publicKey.keyIdentifier,
        ...changes.extensions,
      },
    },
    issuer.signer,
  )
}

/** A root, a CA below it, and a leaf of that CA. */
export interface Chain {
  readonly root: Authority
  readonly ca: Authority
  readonly leaf: Certificate
}

export async function makeChain(): Promise<Chain> {
  const root = await makeAuthority('root')
  const ca = await makeAuthority('ca', root)
  return { root, ca, leaf: await makeLeaf(ca) }
}

/** The code of the most telling rejection; undefined where the path is good. */
export function rejectionOf(verdict: Verdict): string | undefined {
  return verdict.ok ? undefined : (verdict.rejected[0]?.code ?? 'no rejection')
}

/** What a checker makes of the leaf of a chain, or of another certificate of its CA: `good`, or a code. */
export function judge(
  { root, ca, leaf }: Chain,
  revocation: RevocationChecker,
  certificate: Certificate = leaf,
  options: Partial<PathValidatorOptions> = {},
): string {
  return (
    rejectionOf(
      verifyPath(certificate, {
        anchors: [root.certificate],
        intermediates: [ca.certificate],
        time,
        revocation,
        ...options,
      }),
    ) ?? 'good'
  )
}

/** A list that has nobody, and counts at `time`. */
export function makeList(by: Issuer, fields: Partial<CrlFields> = {}): Promise<Crl> {
  const authorityKeyIdentifier = by.signer.publicKey.keyIdentifier
  return buildCrl(
    {
      issuer: by.name,
      thisUpdate: at(-1),
      nextUpdate: at(1),
      crlNumber: 1,
      authorityKeyIdentifier,
      entries: [],
      ...fields,
    },
    by.signer,
  )
}

/** Somebody who signs lists, and no certificates. */
export async function makeCrlIssuer(
  issuer: Issuer,
  subject = 'CN=lists',
  extensions: ExtensionFields = {},
): Promise<Authority> {
  const signer = newSigner()
  const name = DistinguishedName.parse(subject)
  const certificate = await makeLeaf(issuer, {
    signer,
    subject: name,
    extensions: {
      keyUsage: ['cRLSign'],
      extendedKeyUsage: undefined,
      subjectAltName: undefined,
      subjectKeyIdentifier: signer.publicKey,
      ...extensions,
    },
  })
  return { certificate, signer, name }
}

/** An answer to OCSP about a certificate of this issuer: good, and of use at `time`. */
export function makeAnswer(
  issuer: Issuer,
  certificate: Certificate,
  changes: Partial<OcspAnswer> = {},
): OcspAnswer {
  const certificateId = OcspCertificateId.of(certificate, {
    subject: issuer.name,
    publicKey: issuer.signer.publicKey,
  })
  return {
    certificateId,
    certificateStatus: { status: 'good' },
    thisUpdate: at(-1),
    nextUpdate: at(1),
    ...changes,
  }
}

/** A response of one answer or more. */
export function respond(
  answers: readonly OcspAnswer[],
  signer: Signer,
  fields: Partial<OcspResponseFields> = {},
): Promise<OcspResponse> {
  return buildOcspResponse({ producedAt: at(-1), responses: answers, ...fields }, signer)
}

/**
 * Somebody who answers for a CA, and whose own status is not asked for: id-pkix-ocsp-nocheck (RFC 6960
 * §4.2.2.2.1).
 */
export function makeResponder(issuer: Issuer, changes: Changes = {}): Promise<Certificate> {
  const other = [{ oid: '1.3.6.1.5.5.7.48.1.5', critical: false, value: Uint8Array.of(5, 0) }]
  const extensions = {
    extendedKeyUsage: [keyPurposeOids.ocspSigning],
    subjectAltName: [generalName.dns('ocsp.example')],
    other,
    ...changes.extensions,
  }
  return makeLeaf(issuer, { subject: DistinguishedName.parse('CN=responder'), ...changes, extensions })
}

/** A copy with one octet changed. */
export function mutate(der: Uint8Array, at: number, xor: number): Uint8Array {
  const copy = Uint8Array.from(der)
  copy[at] = (copy[at] as number) ^ xor
  return copy
}

/** What is signed, its parts changed, signed again: for what no builder of ours makes. */
export async function resign(
  tbs: Uint8Array,
  signer: Signer,
  edit: (parts: Uint8Array[]) => Uint8Array[],
  algorithm: Uint8Array = signatureAlgorithms[signer.signatureAlgorithm].identifier,
): Promise<Uint8Array> {
  const reader = readWhole(tbs, tags.sequence, 'signed bytes')
  const parts: Uint8Array[] = []
  while (!reader.done) {
    reader.next()
    parts.push(reader.element())
  }
  const changed = sequence(...edit(parts))
  return sequence(changed, algorithm, bitString(await signer.sign(changed)))
}

/** What a list has that no builder of ours makes. */
export interface ListEdits {
  /** Encoded entries. */
  readonly entries?: readonly Uint8Array[]
  /** Encoded extensions instead of its own. */
  readonly extensions?: readonly Uint8Array[]
  readonly fields?: Partial<CrlFields>
}

/** DER of a signed list with these entries and extensions. */
export async function editedList(
  by: Issuer,
  { entries, extensions, fields = {} }: ListEdits,
): Promise<Uint8Array> {
  const some = [{ serialNumber: Uint8Array.of(1), revocationDate: at(-5) }]
  const made = await makeList(by, { entries: some, ...fields })
  return resign(made.tbs, by.signer, (parts) => {
    const [last] = parts.slice(-1) as [Uint8Array]
    return [
      ...parts.slice(0, 5),
      entries === undefined ? (parts[5] as Uint8Array) : sequence(...entries),
      extensions === undefined ? last : explicit(0, sequence(...extensions)),
    ]
  })
}

/** Places of the parts of a certificate of version 3. */
export const certificateParts = {
  version: 0,
  serialNumber: 1,
  algorithm: 2,
  issuer: 3,
  validity: 4,
  subject: 5,
  publicKey: 6,
  extensions: 7,
} as const

/** DER of an extension list, as the last part of what is signed has it. */
export function extensionList(tag: number, extensions: readonly Extension[]): Uint8Array {
  const encode = (extension: Extension): Uint8Array =>
    sequence(oid(extension.oid), ...(extension.critical ? [boolean(true)] : []), octetString(extension.value))
  return explicit(tag, sequence(...extensions.map(encode)))
}
