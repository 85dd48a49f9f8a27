// Cases from a seed: fields at random, then (mostly) octets changed with DER in mind, then (mostly) signed
// again, so that what is inside is judged and not only the signature.

import { boolean, integer, octetString, sequence, utf8String } from '../../src/der/index.ts'
import {
  DistinguishedName,
  buildCertificateRequest,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import { assembleSigned, encodeTbsCertificate, encodeTbsCrl } from '../../src/x509/internal.ts'
import type { GeneralName } from '../../src/x509/index.ts'
import type { ExtensionFields, KeyUsageName } from '../../src/x509/internal.ts'
import type { SoftwareSigner } from '../../src/keys/index.ts'
import { mutateDer } from '../fuzz/mutate.ts'
import { SeededRandom } from '../fuzz/random.ts'
import type { Case, Question } from './opinion.ts'
import { fixedKeys, fixedSigner, host, notAfter, notBefore } from './pki.ts'
import type { FixedPki, Issuer } from './pki.ts'

/** Endless cases; the same for the same seed. */
export async function* generateCases(pki: FixedPki, seed: number): AsyncGenerator<Case, never, undefined> {
  const random = new SeededRandom(seed)
  let previous: Uint8Array = pki.leaf.tbs
  for (;;) {
    const question = random.pick(questions)
    const { tbs, signer } = await signedPart(question, pki, random)
    yield { question, der: finish(tbs, signer, random, previous) }
    previous = tbs
  }
}

function finish(
  tbs: Uint8Array,
  signer: SoftwareSigner,
  random: SeededRandom,
  other: Uint8Array,
): Uint8Array {
  const sign = (bytes: Uint8Array): Uint8Array =>
    assembleSigned(bytes, 'Ed25519', signer.sign(bytes) as Uint8Array)
  const choice = random.integer(10)
  if (choice < 3) return sign(tbs)
  return choice < 9 ? sign(mutateDer(tbs, random, other)) : mutateDer(sign(tbs), random, other)
}

async function signedPart(
  question: Question,
  pki: FixedPki,
  random: SeededRandom,
): Promise<{ tbs: Uint8Array; signer: SoftwareSigner }> {
  switch (question) {
    case 'leaf':
    case 'server': {
      const issuer = random.pick(pki.intermediates)
      return {
        tbs: certificatePart(issuer, subjectOf(random), random, leafExtensions(issuer, random)),
        signer: issuer.signer,
      }
    }
    case 'issuer': {
      const subject = pki.intermediates[0] as Issuer
      return {
        tbs: certificatePart(pki.root, subject.name, random, authorityExtensions(pki.root, random), subject),
        signer: pki.root.signer,
      }
    }
    case 'request': {
      const signer = fixedSigner('request')
      const request = await buildCertificateRequest(
        {
          subject: subjectOf(random),
          extensions: {
            subjectAltName: namesOf(random),
            ...(random.integer(2) === 0 ? { keyUsage: ['digitalSignature'] } : {}),
          },
        },
        signer,
      )
      return { tbs: request.info, signer }
    }
    case 'list':
      return { tbs: listPart(pki.root, random), signer: pki.root.signer }
  }
}

function certificatePart(
  issuer: Issuer,
  subject: DistinguishedName,
  random: SeededRandom,
  extensions: ExtensionFields,
  authority?: Issuer,
): Uint8Array {
  return encodeTbsCertificate(
    {
      issuer: issuer.name,
      subject,
      publicKey: authority?.signer.publicKey ?? random.pick(keys),
      ...random.pick(periods),
      serialNumber: random.pick(serials),
      extensions,
    },
    'Ed25519',
  )
}

function leafExtensions(issuer: Issuer, random: SeededRandom): ExtensionFields {
  if (random.integer(30) === 0) return {}
  return {
    authorityKeyIdentifier: issuer.signer.publicKey.keyIdentifier,
    subjectAltName: namesOf(random),
    ...random.pick<ExtensionFields>([
      {},
      { basicConstraints: { ca: false } },
      { basicConstraints: { ca: true } },
      { basicConstraints: { ca: true, pathLength: 0 } },
    ]),
    ...random.pick<ExtensionFields>([{}, { keyUsage: random.pick(usages) }]),
    ...random.pick<ExtensionFields>([{}, { extendedKeyUsage: random.pick(purposes) }]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      { certificatePolicies: ['2.23.140.1.2.1', '1.2.3.4'] },
      { certificatePolicies: ['2.5.29.32.0'] },
    ]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined } },
      { inhibitAnyPolicy: 0 },
    ]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      {
        authorityInfoAccess: [
          { method: '1.3.6.1.5.5.7.48.1', location: generalName.uri('http://ocsp.example/') },
        ],
      },
    ]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      {},
      { nameConstraints: { permitted: [generalName.dns('example')] } },
    ]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      {},
      {},
      { other: [unknown(false)] },
      { other: [unknown(true)] },
    ]),
  }
}

function authorityExtensions(issuer: Issuer, random: SeededRandom): ExtensionFields {
  return {
    authorityKeyIdentifier: issuer.signer.publicKey.keyIdentifier,
    ...random.pick<ExtensionFields>([
      { basicConstraints: { ca: true } },
      { basicConstraints: { ca: true } },
      { basicConstraints: { ca: true, pathLength: 0 } },
      { basicConstraints: { ca: false } },
      {},
    ]),
    ...random.pick<ExtensionFields>([
      { keyUsage: ['keyCertSign'] },
      { keyUsage: ['keyCertSign', 'cRLSign'] },
      { keyUsage: ['cRLSign'] },
      {},
    ]),
    ...random.pick<ExtensionFields>([{}, {}, { nameConstraints: random.pick(constraints) }]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      { certificatePolicies: ['1.2.3.4'] },
      {
        certificatePolicies: ['1.2.3.4'],
        policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: undefined },
      },
    ]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      {
        certificatePolicies: ['1.2.3.4'],
        policyMappings: [{ issuerDomainPolicy: '1.2.3.4', subjectDomainPolicy: '1.2.3.5' }],
      },
    ]),
    ...random.pick<ExtensionFields>([{}, {}, {}, { extendedKeyUsage: random.pick(purposes) }]),
    ...random.pick<ExtensionFields>([
      {},
      {},
      {},
      {},
      { other: [unknown(false)] },
      { other: [unknown(true)] },
    ]),
  }
}

function listPart(issuer: Issuer, random: SeededRandom): Uint8Array {
  return encodeTbsCrl(
    {
      issuer: issuer.name,
      thisUpdate: notBefore,
      nextUpdate: notAfter,
      crlNumber: random.integer(1000),
      authorityKeyIdentifier: issuer.signer.publicKey.keyIdentifier,
      entries: Array.from({ length: random.integer(4) }, (_, at) => ({
        serialNumber: Uint8Array.of(at + 1, random.integer(256)),
        revocationDate: notBefore,
        ...(random.integer(2) === 0 ? { reason: 'keyCompromise' as const } : {}),
        ...(random.integer(4) === 0 ? { invalidityDate: notBefore } : {}),
      })),
      ...(random.integer(6) === 0 ? { deltaCrlIndicator: 1 } : {}),
      ...(random.integer(6) === 0 ? { other: [unknown(random.integer(2) === 0)] } : {}),
    },
    'Ed25519',
  )
}

function subjectOf(random: SeededRandom): DistinguishedName {
  return DistinguishedName.parse(random.pick(subjects))
}

function namesOf(random: SeededRandom): GeneralName[] {
  const names = random.integer(2) === 0 ? [generalName.dns(host)] : []
  for (let count = (names.length === 0 ? 1 : 0) + random.integer(3); count > 0; count--)
    names.push(random.pick(alternatives))
  return names
}

function unknown(critical: boolean): { oid: string; critical: boolean; value: Uint8Array } {
  return {
    oid: '1.2.3.4.5',
    critical,
    value: sequence(integer(1), boolean(true), octetString(utf8String('x'))),
  }
}

const keys = fixedKeys()
const questions: readonly Question[] = [
  ...Array.from({ length: 21 }, () => 'leaf' as const),
  ...Array.from({ length: 21 }, () => 'server' as const),
  'issuer',
  'issuer',
  'request',
  'request',
  'request',
  'list',
  'list',
  'list',
]
const subjects = [
  'CN=web.example,O=Example',
  'CN=web,O=Example,C=DE',
  'O=Other',
  'O=Example,CN=x+OU=y',
  '',
  'emailAddress=u@example,O=Example',
  'emailAddress=u@other.test,O=Example',
  'DC=web,DC=example',
  'CN=Bücher,O=Example',
]
const serials = [
  Uint8Array.of(1),
  Uint8Array.of(0x7f, 1, 2, 3),
  Uint8Array.of(0, 0xff, 1),
  new Uint8Array(20).fill(0x11),
  new Uint8Array(16).fill(0x42),
]
const periods = [
  { notBefore, notAfter },
  { notBefore, notAfter },
  { notBefore, notAfter },
  { notBefore, notAfter: new Date('2026-02-01T00:00:00Z') },
  { notBefore: new Date('2026-08-01T00:00:00Z'), notAfter },
  { notBefore: new Date('1950-01-01T00:00:00Z'), notAfter: new Date('9999-12-31T23:59:59Z') },
]
const usages: readonly (readonly KeyUsageName[])[] = [
  ['digitalSignature'],
  ['digitalSignature', 'keyEncipherment'],
  ['keyAgreement'],
  ['keyCertSign'],
  ['contentCommitment'],
  ['cRLSign'],
]
const purposes: readonly (readonly string[])[] = [
  [keyPurposeOids.serverAuth],
  [keyPurposeOids.clientAuth],
  [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
  [keyPurposeOids.any],
  ['1.2.3.4'],
]
const constraints: readonly NonNullable<ExtensionFields['nameConstraints']>[] = [
  { permitted: [generalName.dns('example')] },
  { permitted: [generalName.dns('other.test')] },
  { excluded: [generalName.dns('web.example')] },
  { permitted: [generalName.email('example')] },
  { excluded: [generalName.uri('.example')] },
]
const alternatives: readonly GeneralName[] = [
  ...[
    'a.example',
    '*.example',
    '*.web.example',
    'secret.example',
    'x.secret.example',
    'other.test',
    'WEB.EXAMPLE',
    'under_score.example',
    'a.example.',
    'a..example',
    '',
  ].map(generalName.dns),
  ...[
    'https://a.example/x',
    'https://example/',
    'spiffe://td.example/a',
    'https://10.0.0.1/',
    'urn:x:y',
    'https://a.example:8443',
    'https://u@other.test@a.example/',
    'not-a-uri',
  ].map(generalName.uri),
  ...[
    'u@example',
    'root@example',
    'ROOT@example',
    'u@a.example',
    'u@other.test',
    'example',
    'a@b@example',
    '"a b"@example',
  ].map(generalName.email),
  ...['10.1.2.3', '192.0.2.1', '2001:db8::1', '::ffff:10.1.2.3'].map(generalName.ip),
  { type: 'directoryName', name: DistinguishedName.parse('CN=x,O=Example') },
  { type: 'directoryName', name: DistinguishedName.parse('CN=x,O=EXAMPLE') },
  { type: 'directoryName', name: DistinguishedName.parse('O=Other') },
  { type: 'registeredId', oid: '1.2.3.4' },
  { type: 'otherName', oid: '1.3.6.1.4.1.311.20.2.3', value: utf8String('u@example') },
]
