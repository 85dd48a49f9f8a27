// Each lint has a certificate, or a revocation list, that breaks it and nothing before it.

import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
  lintCertificate,
  workloadProfile,
} from '../../../src/ca/index.ts'
import { keyIdentifierOf } from '../../../src/ca/internal.ts'
import { caLints } from '../../../src/ca/lints/ca-lints.ts'
import { leafLints } from '../../../src/ca/lints/leaf-lints.ts'
import { crlEntryLints, crlFieldLints } from '../../../src/ca/lints/crl-lints.ts'
import { runLints } from '../../../src/ca/lints/run-lints.ts'
import type { RevokedRecord } from '../../../src/ca/internal.ts'
import type { LeafLintInput } from '../../../src/ca/lints/leaf-subject.ts'
import type { CrlLintInput } from '../../../src/ca/lints/crl-lints.ts'
import { element, encodeGeneralizedTime, encodeTime, integer, oid, sequence } from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { systemClock } from '../../../src/runtime/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import {
  Certificate,
  DistinguishedName,
  PublicKey,
  Crl,
  buildCertificate,
  buildCrl,
  extensionOids,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import {
  assembleSigned,
  encodeIssuingDistributionPoint,
  serialNumberFromBytes,
} from '../../../src/x509/internal.ts'
import type { CertificateFields } from '../../../src/x509/certificate/certificate-builder.ts'
import type { CrlFields, RevokedCertificate } from '../../../src/x509/crl/crl-builder.ts'
import { newRequest } from '../../support/pki.ts'
import { certificateParts, resign } from '../validation/test-pki.ts'

/** Those of the publisher, which runs the second over each run of entries. */
const crlLints = [...crlFieldLints, ...crlEntryLints]
const now = Math.floor(Date.now() / 1000) * 1000
const caSigner = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(caSigner, { subject: 'CN=root', trustDomain: 'example.org' })
/** The same CA for fifty years. */
const lasting = await createRootCertificate(caSigner, {
  subject: 'CN=root',
  trustDomain: 'example.org',
  ttlSeconds: 50 * 365 * 86_400,
  clock: { ...systemClock, now: () => now - 3_600_000 },
})
/** The same CA, which ends when the longest leaf does. */
const ending = await createRootCertificate(caSigner, {
  subject: 'CN=root',
  trustDomain: 'example.org',
  ttlSeconds: workloadProfile.maxTtlSeconds,
  clock: { ...systemClock, now: () => now },
})
const key = (await SoftwareSigner.generate('P-256')).publicKey
const uri = generalName.uri('spiffe://example.org/web')
const dns = generalName.dns('web.example.org')
type Extensions = NonNullable<CertificateFields['extensions']>
const extensions: Extensions = {
  authorityKeyIdentifier: caSigner.publicKey.keyIdentifier,
  subjectKeyIdentifier: key,
  keyUsage: ['digitalSignature'],
  basicConstraints: { ca: false },
  extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
  subjectAltName: [uri],
}
const fields: CertificateFields = {
  issuer: root.subject,
  publicKey: key,
  notBefore: new Date(now - 120_000),
  notAfter: new Date(now + 3_600_000),
  extensions,
}

async function leaf(
  changes: Partial<CertificateFields> = {},
  changed: Partial<Extensions> = {},
  signer = caSigner,
): Promise<Certificate> {
  return buildCertificate({ ...fields, ...changes, extensions: { ...extensions, ...changed } }, signer)
}

function outcome(certificate: Certificate, changes: Partial<LeafLintInput> = {}): string {
  try {
    lintCertificate({
      certificate,
      issuer: root,
      issuerTrustDomain: TrustDomain.parse('example.org'),
      publicKey: key,
      wantedNames: certificate.subjectAltName ?? [],
      profile: workloadProfile,
      nowMs: now,
      ...changes,
    })
    return 'passes'
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_LINT' })
    return (error as Error).message.split(' ')[0]!
  }
}

/**
 * The certificate with the content of its TBSCertificate changed as hexadecimal text; the lengths are made to
 * fit.
 */
function changed(certificate: Certificate, from: string, to: string): Certificate {
  const hex = Buffer.from(certificate.tbs).toString('hex')
  expect(hex).toContain(from)
  const header = certificate.tbs[1]! < 0x80 ? 2 : (certificate.tbs[1]! & 0x7f) + 2
  const tbs = sequence(Buffer.from(hex.replace(from, to), 'hex').subarray(header))
  return Certificate.parse(
    sequence(
      tbs,
      Buffer.from('300a06082a8648ce3d040302', 'hex'),
      element(3, Uint8Array.of(0), certificate.signature),
    ),
  )
}

/** A GeneralizedTime before 2050 as the end of the validity. */
function longTime(made: Certificate): Certificate {
  const utc = (ms: number): string => Buffer.from(encodeTime(ms)).toString('hex')
  return changed(
    made,
    `301e${utc(made.notBeforeMs)}${utc(made.notAfterMs)}`,
    `3020${utc(made.notBeforeMs)}${Buffer.from(encodeGeneralizedTime(made.notAfterMs)).toString('hex')}`,
  )
}

async function uniquelyIdentified(): Promise<Certificate> {
  const spki = Buffer.from(key.spki).toString('hex')
  return changed(await leaf(), spki, `${spki}810200aa`)
}

const other = (type: string, critical: boolean, value: Uint8Array): Partial<Extensions> => ({
  other: [{ oid: type, critical, value }],
})
const without = (name: keyof Extensions): Partial<Extensions> => ({ [name]: undefined })
const odd = changed(await leaf(), '06082a8648ce3d030107', '06082a8648ce3d030101')
const weak = await SoftwareSigner.generate('RSA-2048')
const small = PublicKey.from(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
const pkcs1WithoutNull = sequence(oid('1.2.840.113549.1.1.11'))
const commonName = (value: Uint8Array): DistinguishedName =>
  DistinguishedName.fromDer(sequence(element(0x31, sequence(element(6, Uint8Array.of(0x55, 4, 3)), value))))
const year2050 = Date.UTC(2050, 0)

type LeafCase = readonly [
  lint: string,
  what: string,
  make: () => Promise<Certificate> | Certificate,
  changes?: Partial<LeafLintInput>,
]
const leafCases: readonly LeafCase[] = [
  [
    'L1',
    'version 1',
    async () => {
      const made = await leaf()
      const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex')
      const validity = sequence(encodeTime(made.notBeforeMs), encodeTime(made.notAfterMs))
      const tbs = sequence(
        element(2, made.serialNumberBytes),
        algorithm,
        made.issuer.der,
        validity,
        made.subject.der,
        made.publicKey.spki,
      )
      return Certificate.parse(sequence(tbs, algorithm, element(3, Uint8Array.of(0), made.signature)))
    },
  ],
  ['L2', 'a short serial number', () => leaf({ serialNumber: Uint8Array.of(1, 2) })],
  ['L2', 'a serial number of 8 octets', () => leaf({ serialNumber: new Uint8Array(8).fill(1) })],
  [
    'L2',
    'a negative serial number',
    async () =>
      changed(
        await leaf({ serialNumber: new Uint8Array(9).fill(0x7f) }),
        `0209${'7f'.repeat(9)}`,
        `0209${'80'.repeat(9)}`,
      ),
  ],
  [
    'L3',
    'a signature algorithm that is none of ours',
    async () =>
      Certificate.parse(
        Buffer.from(
          Buffer.from((await leaf()).der)
            .toString('hex')
            .replaceAll('300a06082a8648ce3d040302', '300a06082a8648ce3d040301'),
          'hex',
        ),
      ),
  ],
  [
    'L3',
    'parameters that are left out',
    async () =>
      Certificate.parse(
        await resign(
          (await leaf({}, {}, weak)).tbs,
          weak,
          (parts) => parts.with(certificateParts.algorithm, pkcs1WithoutNull),
          pkcs1WithoutNull,
        ),
      ),
  ],
  ['L4', 'a key that nobody can use', () => odd, { publicKey: odd.publicKey }],
  ['L4', 'an RSA key of 1024 bits', () => leaf({ publicKey: small }), { publicKey: small }],
  ['L4', "a CA's key that nobody can use", () => leaf(), { issuer: odd }],
  ['L5', 'the name of another CA', () => leaf({ issuer: DistinguishedName.parse('CN=other') })],
  [
    'L5',
    'a CA without a name',
    async () => changed(await leaf(), Buffer.from(root.subject.der).toString('hex'), '3000'),
    { issuer: await leaf() },
  ],
  ['L6', 'an empty validity', () => leaf({ notAfter: fields.notBefore })],
  ['L6', "a validity beyond the CA's", () => leaf({ notAfter: new Date(root.notAfterMs + 1000) })],
  ['L7', 'a validity longer than the profile has', () => leaf({ notAfter: new Date(now + 91 * 86_400_000) })],
  [
    'L6',
    "a validity that begins before the CA's",
    () => leaf({ notBefore: new Date(root.notBeforeMs - 1000) }),
  ],
  [
    'L7',
    'a validity of one second more than the profile has',
    () => leaf({ notAfter: new Date(now + workloadProfile.maxTtlSeconds * 1000 + 1000) }),
  ],
  [
    'L7',
    'more backdating than the profile has',
    () => leaf({ notBefore: new Date(now - (workloadProfile.backdateSeconds + 2) * 1000) }),
    { issuer: lasting },
  ],
  ['L7', 'a beginning in the future', () => leaf({ notBefore: new Date(now + 60_000) })],
  ['L8', 'a GeneralizedTime before 2050', async () => longTime(await leaf())],
  ['L9', 'a unique identifier', uniquelyIdentified],
  [
    'L10',
    'an extension that is malformed',
    () => leaf({}, other(extensionOids.crlDistributionPoints, false, Uint8Array.of(5, 0))),
  ],
  ['L11', 'an extension that no leaf has', () => leaf({}, other('1.2.3.4', false, Uint8Array.of(5, 0)))],
  ['L12', 'another key', () => leaf(), { publicKey: weak.publicKey }],
  [
    'L13',
    "the CA's own key",
    () => leaf({ publicKey: caSigner.publicKey }),
    { publicKey: caSigner.publicKey },
  ],
  ['L14', 'a CA', () => leaf({}, { basicConstraints: { ca: true, pathLength: undefined } })],
  [
    'L14',
    'a path length of no CA',
    () =>
      leaf(
        {},
        {
          ...without('basicConstraints'),
          ...other(extensionOids.basicConstraints, true, sequence(integer(0))),
        },
      ),
  ],
  ['L14', 'no basic constraints', () => leaf({}, without('basicConstraints'))],
  [
    'L14',
    'basic constraints that are not critical',
    () =>
      leaf(
        {},
        { ...without('basicConstraints'), ...other(extensionOids.basicConstraints, false, sequence()) },
      ),
  ],
  ['L15', 'no key usage', () => leaf({}, without('keyUsage'))],
  ['L16', "a CA's key usage", () => leaf({}, { keyUsage: ['digitalSignature', 'keyCertSign'] })],
  ['L16', 'a key usage for lists', () => leaf({}, { keyUsage: ['digitalSignature', 'cRLSign'] })],
  ['L16', 'a key that may not sign', () => leaf({}, { keyUsage: ['keyAgreement'] })],
  ['L17', 'a key usage of RSA', () => leaf({}, { keyUsage: ['digitalSignature', 'keyEncipherment'] })],
  [
    'L17',
    'as many usages as an RSA key has, and others',
    () => leaf({ publicKey: weak.publicKey }, { keyUsage: ['digitalSignature', 'keyAgreement'] }),
    { publicKey: weak.publicKey },
  ],
  ['L18', 'one purpose alone', () => leaf({}, { extendedKeyUsage: [keyPurposeOids.serverAuth] })],
  [
    'L18',
    'as many purposes, of which one is another',
    () => leaf({}, { extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.codeSigning] }),
  ],
  [
    'L18',
    'a purpose more',
    () =>
      leaf(
        {},
        {
          extendedKeyUsage: [
            keyPurposeOids.serverAuth,
            keyPurposeOids.clientAuth,
            keyPurposeOids.codeSigning,
          ],
        },
      ),
  ],
  [
    'L18',
    'purposes where the profile has none',
    () => leaf(),
    { profile: { ...workloadProfile, extendedKeyUsage: [] } },
  ],
  [
    'L18',
    'any purpose, even of the profile',
    () => leaf({}, { extendedKeyUsage: [keyPurposeOids.any] }),
    { profile: { ...workloadProfile, extendedKeyUsage: [keyPurposeOids.any] } },
  ],
  [
    'L18',
    'any purpose',
    () => leaf({}, { extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.any] }),
  ],
  ['L20', 'no alternative name', () => leaf({}, without('subjectAltName'))],
  [
    'L20',
    'no alternative name beside a subject',
    () => leaf({ subject: DistinguishedName.parse('O=Example') }, without('subjectAltName')),
  ],
  [
    'L20',
    'one that is not critical beside an empty subject',
    () => leaf({}, { subjectAltNameCritical: false }),
  ],
  ['L21', 'two URIs', () => leaf({}, { subjectAltName: [uri, generalName.uri('spiffe://example.org/api')] })],
  ['L21', 'no URI', () => leaf({}, { subjectAltName: [dns] })],
  [
    'L22',
    'an ID without a path',
    () => leaf({}, { subjectAltName: [generalName.uri('spiffe://example.org')] }),
  ],
  [
    'L23',
    'an ID of another trust domain',
    () => leaf({}, { subjectAltName: [generalName.uri('spiffe://example.com/web')] }),
  ],
  [
    'L24',
    'a name that nobody decided on',
    () => leaf({}, { subjectAltName: [uri, dns] }),
    { wantedNames: [uri] },
  ],
  ['L24', 'a name less than was decided on', () => leaf(), { wantedNames: [uri, dns] }],
  ['L24', 'another identity', () => leaf(), { wantedNames: [generalName.uri('spiffe://example.org/api')] }],
  [
    'L24',
    'another DNS name',
    () => leaf({}, { subjectAltName: [uri, dns] }),
    { wantedNames: [uri, generalName.dns('api.example.org')] },
  ],
  [
    'L24',
    'the same text as a name of another type',
    () => leaf({}, { subjectAltName: [uri, dns] }),
    { wantedNames: [uri, { type: 'email', value: 'web.example.org' }] },
  ],
  [
    'L24',
    'another address',
    () => leaf({}, { subjectAltName: [uri, generalName.ip('10.0.0.1')] }),
    { wantedNames: [uri, generalName.ip('10.0.0.2')] },
  ],
  ['L25', 'a DNS name twice', () => leaf({}, { subjectAltName: [uri, dns, dns] })],
  [
    'L25',
    'a wildcard over one label',
    () => leaf({}, { subjectAltName: [uri, generalName.dns('*.example')] }),
  ],
  [
    'L25',
    'a DNS name in upper case',
    () => leaf({}, { subjectAltName: [uri, generalName.dns('WEB.example.org')] }),
  ],
  ['L25', 'an address as a DNS name', () => leaf({}, { subjectAltName: [uri, generalName.dns('10.0.0.1')] })],
  [
    'L25',
    'a DNS name of 254 characters',
    () => leaf({}, { subjectAltName: [uri, generalName.dns(`${'a.'.repeat(126)}bc`)] }),
  ],
  [
    'L27',
    'too many names',
    () =>
      leaf(
        {},
        {
          subjectAltName: [
            uri,
            ...Array.from({ length: 100 }, (_, i) => generalName.dns(`n${i}.example.org`)),
          ],
        },
      ),
  ],
  [
    'L27',
    'more than 8 KiB',
    () =>
      leaf(
        {},
        {
          subjectAltName: [
            uri,
            ...Array.from({ length: 90 }, (_, i) =>
              generalName.dns(`n${i}.${'x'.repeat(60)}.${'y'.repeat(30)}.example.org`),
            ),
          ],
        },
      ),
  ],
  ['L28', 'a relative name of two', () => leaf({ subject: DistinguishedName.parse('CN=a+O=b') })],
  ['L28', 'a value of nothing', () => leaf({ subject: commonName(element(0x0c, new Uint8Array())) })],
  ['L28', 'a value that is no text', () => leaf({ subject: commonName(element(5, new Uint8Array())) })],
  ['L28', 'a delete character', () => leaf({ subject: commonName(element(0x0c, Buffer.from('a\u007f'))) })],
  ['L28', 'a control character', () => leaf({ subject: commonName(element(0x0c, Buffer.from('a\u0001'))) })],
  [
    'L28',
    'a value that is too long',
    () => leaf({ subject: commonName(element(0x0c, Buffer.alloc(65, 'a'))) }),
  ],
  ['L29', 'the key identifier of another CA', () => leaf({}, { authorityKeyIdentifier: key.keyIdentifier })],
  [
    'L29',
    'a critical one',
    () =>
      leaf(
        {},
        {
          ...without('authorityKeyIdentifier'),
          ...other(
            extensionOids.authorityKeyIdentifier,
            true,
            sequence(element(0x80, caSigner.publicKey.keyIdentifier)),
          ),
        },
      ),
  ],
  [
    'L29',
    'one with issuer and serial number too',
    () =>
      leaf(
        {},
        {
          ...without('authorityKeyIdentifier'),
          ...other(
            extensionOids.authorityKeyIdentifier,
            false,
            sequence(
              element(0x80, caSigner.publicKey.keyIdentifier),
              element(0xa1, element(0xa4, root.subject.der)),
              element(0x82, Uint8Array.of(1)),
            ),
          ),
        },
      ),
  ],
  ['L30', 'no subject key identifier', () => leaf({}, without('subjectKeyIdentifier'))],
  ['L30', 'one of 19 octets', () => leaf({}, { subjectKeyIdentifier: new Uint8Array(19) })],
  [
    'L30',
    'a critical one',
    () =>
      leaf(
        {},
        {
          ...without('subjectKeyIdentifier'),
          ...other(extensionOids.subjectKeyIdentifier, true, element(4, key.keyIdentifier)),
        },
      ),
  ],
  [
    'L32',
    'a critical distribution point',
    () =>
      leaf(
        {},
        other(
          extensionOids.crlDistributionPoints,
          true,
          sequence(sequence(element(0xa0, element(0xa0, element(0x86, Buffer.from('http://a/crl')))))),
        ),
      ),
  ],
  [
    'L32',
    'a distribution point that is no HTTP address',
    () =>
      leaf(
        {},
        {
          crlDistributionPoints: [
            {
              name: { fullName: [generalName.uri('ldap://a/crl')] },
              reasons: undefined,
              crlIssuer: undefined,
            },
          ],
        },
      ),
  ],
  [
    'L32',
    'a distribution point that is the name of an issuer',
    () =>
      leaf(
        {},
        {
          crlDistributionPoints: [
            {
              name: undefined,
              reasons: undefined,
              crlIssuer: [{ type: 'directoryName', name: root.subject }],
            },
          ],
        },
      ),
  ],
]

describe('lints of leaves', () => {
  it('let a good one pass', async () => {
    expect(outcome(await leaf())).toBe('passes')
    expect(
      outcome(
        await leaf(
          { subject: DistinguishedName.parse('O=Example') },
          {
            subjectAltName: [uri, dns, generalName.ip('10.0.0.1')],
            crlDistributionPoints: [
              {
                name: { fullName: [generalName.uri('http://a/crl')] },
                reasons: undefined,
                crlIssuer: undefined,
              },
            ],
          },
        ),
      ),
    ).toBe('passes')
  })

  it.each<[string, () => Promise<Certificate>, Partial<LeafLintInput>?]>([
    ['a serial number of 9 octets', () => leaf({ serialNumber: new Uint8Array(9).fill(0x7f) })],
    ['a serial number of 20 octets', () => leaf({ serialNumber: new Uint8Array(20).fill(0x7f) })],
    [
      'a subject of 64 characters, with spaces',
      () => leaf({ subject: commonName(element(0x0c, Buffer.from(`a${' '.repeat(62)}b`))) }),
    ],
    ['a CA of no trust domain', () => leaf(), { issuerTrustDomain: undefined }],
    [
      'an address of its CA',
      () =>
        leaf(
          {},
          {
            authorityInfoAccess: [{ method: '1.3.6.1.5.5.7.48.2', location: generalName.uri('http://a/ca') }],
          },
        ),
    ],
    [
      'a DNS name of 253 characters',
      () => leaf({}, { subjectAltName: [uri, generalName.dns(`${'a.'.repeat(126)}b`)] }),
    ],
    [
      'no purposes, where the profile has none',
      () => leaf({}, without('extendedKeyUsage')),
      { profile: { ...workloadProfile, extendedKeyUsage: [] } },
    ],
    [
      'the longest validity of the profile, to the end of its CA',
      () => leaf({ notAfter: new Date(now + workloadProfile.maxTtlSeconds * 1000) }),
      { issuer: ending },
    ],
    ['a beginning at this moment', () => leaf({ notBefore: new Date(now) })],
    [
      'a hundred names',
      () =>
        leaf(
          {},
          {
            subjectAltName: [
              uri,
              ...Array.from({ length: 99 }, (_, i) => generalName.dns(`n${i}.example.org`)),
            ],
          },
        ),
    ],
    [
      'a validity across the end of 2049',
      () => leaf({ notBefore: new Date(year2050 - 120_000), notAfter: new Date(year2050) }),
      { issuer: lasting, nowMs: year2050 - 1000 },
    ],
    [
      'a validity that begins in 2050',
      () => leaf({ notBefore: new Date(year2050), notAfter: new Date(year2050 + 1000) }),
      { issuer: lasting, nowMs: year2050 },
    ],
  ])('let %s pass', async (_what, make, changes) => {
    expect(outcome(await make(), changes)).toBe('passes')
  })

  it('let what a CA issues pass, before and after its signature, read again too', async () => {
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate: root,
      signer: caSigner,
      clock: { ...systemClock, now: () => now },
    })
    const { request } = await newRequest()
    const names = [uri, dns, generalName.ip('fd00::1')]
    for (const subject of [undefined, DistinguishedName.parse('O=Example')]) {
      const { certificate } = await authority.sign(
        await authority.prepare(request, { subjectAltName: names, subject }),
      )
      for (const one of [
        certificate,
        Certificate.parse(certificate.der),
        Certificate.parse(new Uint8Array(Buffer.concat([Buffer.alloc(7), certificate.der])).subarray(7)),
      ]) {
        expect(outcome(one, { publicKey: request.publicKey, wantedNames: names })).toBe('passes')
      }
    }
  })

  it.each(leafCases.map((one) => [one[0], one[1], one] as const))(
    '%s refuses %s',
    async (lint, _, [, , make, changes]) => {
      expect(outcome(await make(), changes)).toBe(lint)
    },
  )

  it('each has a case here, or is one that a lint before it refuses as well', () => {
    const shadowed = ['L19', 'L26', 'L31', 'L34']
    expect(
      leafLints
        .map(({ id }) => id)
        .filter((id) => !shadowed.includes(id) && !leafCases.some(([lint]) => lint === id)),
    ).toEqual([])
  })

  it.each([
    ['L10', () => buildCertificate({ ...fields, extensions: {} }, caSigner)],
    ['L19', () => leaf({}, { keyUsage: ['keyAgreement'] })],
    ['L26', () => leaf({}, { subjectAltName: [uri, generalName.email('a@example.org')] })],
    ['L31', () => leaf({}, { nameConstraints: { permitted: [dns] } })],
    ['L34', uniquelyIdentified],
    ['L34', async () => longTime(await leaf())],
  ] as const)('%s refuses by itself what another would refuse first', async (id, make) => {
    const certificate = await make()
    const lint = leafLints.find((one) => one.id === id)!
    expect(
      lint.check({
        certificate,
        issuer: root,
        issuerTrustDomain: undefined,
        publicKey: key,
        wantedNames: [],
        profile: workloadProfile,
        nowMs: now,
        names: certificate.subjectAltName ?? [],
        id: undefined,
      }),
    ).toBeTypeOf('string')
    expect(outcome(certificate)).not.toBe('passes')
  })
})

describe('lints of CA certificates and lists', () => {
  const caExtensions: Extensions = {
    basicConstraints: { ca: true, pathLength: 0 },
    keyUsage: ['keyCertSign', 'cRLSign'],
    subjectKeyIdentifier: key,
    authorityKeyIdentifier: caSigner.publicKey.keyIdentifier,
  }
  const ca = (
    changes: Partial<CertificateFields> = {},
    other: Partial<Extensions> = {},
  ): Promise<Certificate> =>
    buildCertificate(
      {
        issuer: root.subject,
        subject: DistinguishedName.parse('CN=ca'),
        publicKey: key,
        notBefore: fields.notBefore,
        notAfter: fields.notAfter,
        ...changes,
        extensions: { ...caExtensions, ...other },
      },
      caSigner,
    )
  let otherRoot: Certificate
  beforeAll(async () => {
    otherRoot = await createRootCertificate(await SoftwareSigner.generate('P-384'), {
      subject: 'CN=other root',
      trustDomain: 'example.org',
    })
  })
  const refused = (run: () => void): string => {
    try {
      run()
      return 'passes'
    } catch (error) {
      return (error as Error).message.split(' ')[0]!
    }
  }

  it.each([
    [
      'passes',
      'an intermediate as we make them',
      () =>
        createIntermediateCertificate({ certificate: root, signer: caSigner }, key, {
          subject: 'CN=ca',
          trustDomain: 'example.org',
        }),
    ],
    [
      'passes',
      'a cross-certificate',
      () => createCrossCertificate({ certificate: root, signer: caSigner }, otherRoot, { pathLength: 1 }),
    ],
    [
      'L9',
      'a unique identifier',
      async () =>
        changed(
          await ca(),
          Buffer.from(key.spki).toString('hex'),
          `${Buffer.from(key.spki).toString('hex')}810200aa`,
        ),
    ],
    ['L34', 'what is encoded another way', async () => longTime(await ca())],
    ['L36', 'no CA', () => ca({}, { basicConstraints: { ca: false } })],
    ['L36', 'any path length', () => ca({}, { basicConstraints: { ca: true, pathLength: undefined } })],
    ['L37', 'another key usage', () => ca({}, { keyUsage: ['keyCertSign', 'cRLSign', 'keyEncipherment'] })],
    ['L37', 'no key usage', () => ca({}, { keyUsage: undefined })],
    ['L38', 'no subject key identifier', () => ca({}, { subjectKeyIdentifier: undefined })],
    ['L38', 'the name of another issuer', () => ca({ issuer: DistinguishedName.parse('CN=other') })],
    ['L39', 'a workload for a trust domain', () => ca({}, { subjectAltName: [uri] })],
    [
      'L40',
      'name constraints that are not critical',
      () =>
        ca(
          {},
          other(
            extensionOids.nameConstraints,
            false,
            sequence(element(0xa0, sequence(element(0x82, Buffer.from('example.org'))))),
          ),
        ),
    ],
    ['L41', 'longer than its issuer', () => ca({ notAfter: new Date(root.notAfterMs + 1000) })],
  ] as const)('%s: %s', async (wanted, _, make) => {
    const certificate = await make()
    expect(refused(() => runLints(caLints, { certificate, issuer: root }))).toBe(wanted)
  })

  it.each([
    ['passes', {}],
    ['L42', { subject: DistinguishedName.parse('CN=Ca') }],
    ['L42', { publicKey: caSigner.publicKey }],
    ['L42', { extensions: { ...caExtensions, subjectKeyIdentifier: caSigner.publicKey } }],
  ] as const)('%s for a cross-certificate with %o', async (wanted, changes) => {
    const existing = await ca()
    expect(refused(() => runLints(caLints, { certificate: existing, issuer: root, existing }))).toBe('passes')
    const certificate = await buildCertificate(
      {
        issuer: root.subject,
        subject: existing.subject,
        publicKey: key,
        notBefore: fields.notBefore,
        notAfter: fields.notAfter,
        extensions: caExtensions,
        ...changes,
      },
      caSigner,
    )
    expect(refused(() => runLints(caLints, { certificate, issuer: root, existing }))).toBe(wanted)
  })

  it('lets a root of any path length pass', () => {
    expect(refused(() => runLints(caLints, { certificate: root, issuer: root }))).toBe('passes')
  })

  const serial = (n: number): RevokedCertificate['serialNumber'] => serialNumberFromBytes(Uint8Array.of(1, n))
  const entry = (n: number, secondsAgo = 0, more: Partial<RevokedCertificate> = {}): RevokedCertificate => ({
    serialNumber: serial(n),
    revocationDate: new Date(now - secondsAgo * 1000),
    ...more,
  })
  const record = (n: number, changes: Partial<RevokedRecord> = {}): RevokedRecord => ({
    serialNumber: serialNumberFromBytes(Uint8Array.of(1, n)),
    issuer: keyIdentifierOf(root.subjectKeyIdentifier!),
    notAfter: new Date(now + 1000),
    intendedAt: new Date(now - 900_000),
    shard: '',
    revocation: undefined,
    ...changes,
  })
  const listOf = (changes: Partial<CrlFields> = {}): Promise<Crl> =>
    buildCrl(
      {
        issuer: root.subject,
        thisUpdate: new Date(now),
        nextUpdate: new Date(now + 60_000),
        crlNumber: 1,
        authorityKeyIdentifier: caSigner.publicKey.keyIdentifier,
        entries: [],
        ...changes,
      },
      caSigner,
    )
  /** The list before. */
  const before = async (changes: Partial<CrlFields> = {}): Promise<Partial<CrlLintInput>> => ({
    previous: await listOf({ crlNumber: 0, thisUpdate: new Date(now - 60_000), ...changes }),
  })
  const point = (critical: boolean): Partial<CrlFields> => ({
    other: [
      {
        oid: extensionOids.issuingDistributionPoint,
        critical,
        value: encodeIssuingDistributionPoint({ onlyContainsUserCerts: true }),
      },
    ],
  })
  const reason = (content: number, critical: boolean): Uint8Array =>
    sequence(
      ...[
        element(6, Uint8Array.of(0x55, 0x1d, 0x15)),
        ...(critical ? [element(1, Uint8Array.of(0xff))] : []),
        element(4, element(10, Uint8Array.of(content))),
      ],
    )
  /** A list whose one entry has these extensions, which our builder does not write. */
  const rawEntry = async (...entryExtensions: readonly Uint8Array[]): Promise<Crl> => {
    const made = await listOf({ entries: [entry(1)] })
    const plain = sequence(element(2, Uint8Array.of(1, 1)), encodeTime(now))
    const whole = sequence(element(2, Uint8Array.of(1, 1)), encodeTime(now), sequence(...entryExtensions))
    const hex = Buffer.from(made.tbs)
      .toString('hex')
      .replace(Buffer.from(sequence(plain)).toString('hex'), Buffer.from(sequence(whole)).toString('hex'))
    const tbs = sequence(
      Buffer.from(hex, 'hex').subarray(made.tbs[1]! < 0x80 ? 2 : (made.tbs[1]! & 0x7f) + 2),
    )
    return Crl.parse(assembleSigned(tbs, caSigner.signatureAlgorithm, made.signature))
  }

  type ListCase = readonly [
    lint: string,
    what: string,
    make: () => Promise<Crl>,
    changes?: () => Partial<CrlLintInput> | Promise<Partial<CrlLintInput>>,
  ]
  const listCases: readonly ListCase[] = [
    ['passes', 'an empty list', () => listOf()],
    [
      'passes',
      'entries, as the store and the list before have it',
      () =>
        listOf({
          entries: [
            entry(1, 20, { reason: 'keyCompromise' }),
            entry(200, 10, { invalidityDate: new Date(0) }),
            entry(3),
          ],
        }),
      async () => ({
        records: [record(1), record(200), record(3, { intendedAt: new Date(now + 500) })],
        maxTtlSeconds: 60,
        maxOctets: 1000,
        ...(await before({ entries: [entry(1, 80)] })),
      }),
    ],
    ['L43', 'a number that is not above the last', () => listOf(), () => ({ lastNumber: 1n })],
    ['L43', 'the key identifier of another CA', () => listOf({ authorityKeyIdentifier: key.keyIdentifier })],
    ['L44', 'a next update later than the profile has it', () => listOf(), () => ({ maxTtlSeconds: 59 })],
    [
      'L44',
      'what is older than the list before',
      () => listOf(),
      () => before({ thisUpdate: new Date(now + 1000) }),
    ],
    [
      'L44',
      'a GeneralizedTime before 2050',
      async () => {
        const made = await listOf()
        const utc = Buffer.from(encodeTime(now)).toString('hex')
        const hex = Buffer.from(made.tbs)
          .toString('hex')
          .replace(utc, Buffer.from(encodeGeneralizedTime(now)).toString('hex'))
        return Crl.parse(
          assembleSigned(
            sequence(Buffer.from(hex, 'hex').subarray(made.tbs[1]! < 0x80 ? 2 : (made.tbs[1]! & 0x7f) + 2)),
            caSigner.signatureAlgorithm,
            made.signature,
          ),
        )
      },
    ],
    ['L45', 'a serial number twice', () => listOf({ entries: [entry(1, 20), entry(2, 10), entry(1)] })],
    [
      'L45',
      'a serial number of zero',
      () => listOf({ entries: [{ ...entry(1), serialNumber: Uint8Array.of(0) }] }),
    ],
    [
      'L45',
      'a negative serial number',
      () => listOf({ entries: [{ ...entry(1), serialNumber: Uint8Array.of(0x80, 1) }] }),
    ],
    ['L45', 'entries that are out of order', () => listOf({ entries: [entry(1, 10), entry(2, 20)] })],
    ['L46', 'a reason that is written out and says nothing', () => rawEntry(reason(0, false))],
    ['L46', 'a critical reason', () => rawEntry(reason(1, true))],
    [
      'L46',
      'a removal from a complete list',
      () => listOf({ entries: [entry(1, 0, { reason: 'removeFromCRL' })] }),
    ],
    ['L46', 'a revocation that is to come', () => listOf({ entries: [entry(1, -1)] })],
    [
      'L46',
      'a revocation before the certificate',
      () => listOf({ entries: [entry(1, 901)] }),
      () => ({ records: [record(1)] }),
    ],
    [
      'passes',
      'a removal by a delta',
      () =>
        listOf({ crlNumber: 8, deltaCrlIndicator: 7, entries: [entry(1, 0, { reason: 'removeFromCRL' })] }),
      () => ({ lastNumber: 7n }),
    ],
    ['L47', 'a scope that is not critical', () => listOf(point(false))],
    ['L47', 'a scope that the list before had not', () => listOf(point(true)), () => before()],
    ['L47', 'a scope that the list before had', () => listOf(), () => before(point(true))],
    ['passes', 'the scope of the list before', () => listOf(point(true)), () => before(point(true))],
    ['L47', 'an indirect list', () => listOf({ issuingDistributionPoint: { indirectCrl: true } })],
    ['L48', 'the name of another CA', () => listOf({ issuer: DistinguishedName.parse('CN=other') })],
    [
      'L49',
      'less than the store has',
      () => listOf({ entries: [entry(1)] }),
      () => ({ records: [record(1), record(2)] }),
    ],
    [
      'L49',
      'something else than the store has',
      () => listOf({ entries: [entry(1)] }),
      () => ({ records: [record(2)] }),
    ],
    [
      'L50',
      'a delta to what there is not',
      () => listOf({ crlNumber: 8, deltaCrlIndicator: 7 }),
      () => ({ lastNumber: 6n }),
    ],
    [
      'L50',
      'a delta that is not critical',
      () =>
        listOf({
          crlNumber: 8,
          other: [
            { oid: extensionOids.deltaCrlIndicator, critical: false, value: element(2, Uint8Array.of(7)) },
          ],
        }),
      () => ({ lastNumber: 7n }),
    ],
    ['L50', 'more octets than are given out', () => listOf(), () => ({ maxOctets: 100 })],
  ]

  it.each(listCases.map((one) => [one[0], one[1], one] as const))(
    '%s: a list with %s',
    async (wanted, _, [, , make, changes]) => {
      const input: CrlLintInput = {
        list: await make(),
        issuer: root,
        lastNumber: 0n,
        ...(await changes?.()),
      }
      expect(refused(() => runLints(crlLints, input))).toBe(wanted)
    },
  )

  it('each has a case here', () => {
    expect(crlLints.map(({ id }) => id).filter((id) => !listCases.some(([lint]) => lint === id))).toEqual([])
  })

  it('each has a number of its own', () => {
    for (const lints of [leafLints, caLints, crlLints]) {
      const ids = lints.map(({ id }) => id)
      expect(new Set(ids).size).toBe(ids.length)
    }
  })
})
