// Every extension of RFC 5280 section 4.2: built and read back, and malformed in every way its ASN.1 and DER
// allow.

import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  element,
  encodeTime,
  explicit,
  ia5String,
  implicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
  setOf,
  utf8String,
} from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import {
  Certificate,
  DistinguishedName,
  buildCertificate,
  extensionOids as oids,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import {
  KeyUsage,
  allReasons,
  anyPolicy,
  encodeAltName,
  encodeBasicConstraints,
  encodeDistributionPoints,
  encodeExtension,
  encodeExtensionFields,
  encodeGeneralName,
  encodeInfoAccess,
  encodeIssuingDistributionPoint,
  encodeNameConstraints,
} from '../../../src/x509/internal.ts'
import type { GeneralName } from '../../../src/x509/index.ts'
import type { Extension } from '../../../src/x509/internal.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import {
  brokenName,
  certificateDer,
  certificateWithExtension,
  concat,
  extensionList,
  fromHex,
  hex,
  privateKey,
} from './encodings.ts'

const signer = new SoftwareSigner(privateKey)
const subject = DistinguishedName.parse('CN=leaf')
const dns = generalName.dns('a.example')
const uri = generalName.uri('http://crl.example/a.crl')
const directory: GeneralName = { type: 'directoryName', name: DistinguishedName.parse('CN=crl,O=Example') }
const subnet: GeneralName = { type: 'ip', address: fromHex('0a000000ff000000'), value: '10.0.0.0/255.0.0.0' }
const relative = setOf(sequence(oid('2.5.4.3'), utf8String('part 7')))
const tree = (base: GeneralName, minimum = 0, maximum?: number) => ({ base, minimum, maximum })
const other = (type: string, value: Uint8Array, critical = false): ExtensionFields => ({
  other: [{ oid: type, critical, value }],
})
const fullName = { name: { fullName: [uri] }, reasons: undefined, crlIssuer: undefined }

async function built(extensions: ExtensionFields): Promise<Certificate> {
  const dates = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-01-01T00:00:00Z') }
  return buildCertificate(
    { issuer: subject, subject, publicKey: signer.publicKey, ...dates, extensions },
    signer,
  )
}

type Field =
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'subjectAltName'
  | 'issuerAltName'
  | 'subjectKeyIdentifier'
  | 'authorityKeyIdentifier'
  | 'nameConstraints'
  | 'certificatePolicies'
  | 'policyMappings'
  | 'policyConstraints'
  | 'inhibitAnyPolicy'
  | 'crlDistributionPoints'
  | 'freshestCrl'
  | 'authorityInfoAccess'
  | 'subjectInfoAccess'
const fields: readonly Field[] = [
  'basicConstraints',
  'keyUsage',
  'extendedKeyUsage',
  'subjectAltName',
  'issuerAltName',
  'subjectKeyIdentifier',
  'authorityKeyIdentifier',
  'nameConstraints',
  'certificatePolicies',
  'policyMappings',
  'policyConstraints',
  'inhibitAnyPolicy',
  'crlDistributionPoints',
  'freshestCrl',
  'authorityInfoAccess',
  'subjectInfoAccess',
]

const everyKind: readonly GeneralName[] = [
  dns,
  generalName.uri('spiffe://td.example/a'),
  generalName.email('a@example.org'),
  generalName.ip('192.0.2.1'),
  generalName.ip('2001:db8::1'),
  directory,
  { type: 'registeredId', oid: '1.2.3.4' },
  { type: 'otherName', oid: '1.2.3.5', value: utf8String('x') },
  { type: 'x400Address', der: explicit(3, nullElement()) },
  { type: 'ediPartyName', der: explicit(5, explicit(1, utf8String('x'))) },
]

describe('built and read back', () => {
  it.each<readonly [Field, critical: boolean, ExtensionFields, unknown]>([
    ['basicConstraints', true, { basicConstraints: { ca: true } }, { ca: true, pathLength: undefined }],
    [
      'basicConstraints',
      true,
      { basicConstraints: { ca: true, pathLength: 0 } },
      { ca: true, pathLength: 0 },
    ],
    [
      'basicConstraints',
      true,
      { basicConstraints: { ca: true, pathLength: 2 ** 31 - 1 } },
      { ca: true, pathLength: 2 ** 31 - 1 },
    ],
    ['basicConstraints', true, { basicConstraints: { ca: false } }, { ca: false, pathLength: undefined }],
    ['keyUsage', true, { keyUsage: ['digitalSignature'] }, KeyUsage.of('digitalSignature')],
    ['keyUsage', true, { keyUsage: ['cRLSign', 'keyCertSign'] }, KeyUsage.of('keyCertSign', 'cRLSign')],
    ['keyUsage', true, { keyUsage: ['decipherOnly'] }, KeyUsage.of('decipherOnly')],
    [
      'extendedKeyUsage',
      false,
      { extendedKeyUsage: Object.values(keyPurposeOids) },
      Object.values(keyPurposeOids),
    ],
    ['subjectAltName', false, { subjectAltName: everyKind }, everyKind],
    ['subjectAltName', true, { subjectAltName: [dns], subjectAltNameCritical: true }, [dns]],
    ['issuerAltName', false, other(oids.issuerAltName, encodeAltName(everyKind)), everyKind],
    [
      'subjectKeyIdentifier',
      false,
      { subjectKeyIdentifier: signer.publicKey },
      signer.publicKey.keyIdentifier,
    ],
    ['subjectKeyIdentifier', false, { subjectKeyIdentifier: Uint8Array.of(1) }, Uint8Array.of(1)],
    [
      'authorityKeyIdentifier',
      false,
      { authorityKeyIdentifier: Uint8Array.of(1, 2) },
      { keyIdentifier: Uint8Array.of(1, 2) },
    ],
    ['authorityKeyIdentifier', false, other(oids.authorityKeyIdentifier, sequence()), {}],
    [
      'authorityKeyIdentifier',
      false,
      other(
        oids.authorityKeyIdentifier,
        sequence(
          implicit(0, Uint8Array.of(1)),
          explicit(1, encodeGeneralName(directory)),
          implicit(2, fromHex('00ff')),
        ),
      ),
      { keyIdentifier: Uint8Array.of(1), issuer: [directory], serialNumber: 'FF' },
    ],
    [
      'nameConstraints',
      true,
      { nameConstraints: { permitted: [dns, subnet], excluded: [directory] } },
      { permitted: [tree(dns), tree(subnet)], excluded: [tree(directory)] },
    ],
    [
      'nameConstraints',
      true,
      { nameConstraints: { excluded: [dns] } },
      { permitted: [], excluded: [tree(dns)] },
    ],
    [
      'nameConstraints',
      false,
      other(
        oids.nameConstraints,
        encodeNameConstraints({ permitted: [tree(dns, 1, 3)], excluded: [tree(dns, 0, 0)] }),
      ),
      { permitted: [tree(dns, 1, 3)], excluded: [tree(dns, 0, 0)] },
    ],
    [
      'certificatePolicies',
      false,
      { certificatePolicies: ['1.2.3', anyPolicy] },
      [{ policy: '1.2.3' }, { policy: anyPolicy }],
    ],
    [
      'certificatePolicies',
      false,
      other(
        oids.certificatePolicies,
        sequence(sequence(oid('1.2.3'), sequence(sequence(oid('1.3.6.1.5.5.7.2.1'), ia5String('http://a'))))),
      ),
      [{ policy: '1.2.3', qualifiers: sequence(sequence(oid('1.3.6.1.5.5.7.2.1'), ia5String('http://a'))) }],
    ],
    [
      'policyMappings',
      true,
      {
        policyMappings: [
          { issuerDomainPolicy: '1.2.3', subjectDomainPolicy: '1.2.4' },
          { issuerDomainPolicy: '1.2.3', subjectDomainPolicy: '1.2.5' },
        ],
      },
      [
        { issuerDomainPolicy: '1.2.3', subjectDomainPolicy: '1.2.4' },
        { issuerDomainPolicy: '1.2.3', subjectDomainPolicy: '1.2.5' },
      ],
    ],
    [
      'policyConstraints',
      true,
      { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMapping: 200 } },
      { requireExplicitPolicy: 0, inhibitPolicyMapping: 200 },
    ],
    [
      'policyConstraints',
      true,
      { policyConstraints: { requireExplicitPolicy: undefined, inhibitPolicyMapping: 1 } },
      { inhibitPolicyMapping: 1 },
    ],
    ['inhibitAnyPolicy', true, { inhibitAnyPolicy: 0 }, 0],
    ['inhibitAnyPolicy', true, { inhibitAnyPolicy: 128 }, 128],
    [
      'crlDistributionPoints',
      false,
      {
        crlDistributionPoints: [
          fullName,
          { name: { nameRelativeToCrlIssuer: relative }, reasons: allReasons, crlIssuer: [directory] },
          { name: undefined, reasons: 2, crlIssuer: [directory] },
        ],
      },
      [
        fullName,
        { name: { nameRelativeToCrlIssuer: relative }, reasons: allReasons, crlIssuer: [directory] },
        { name: undefined, reasons: 2, crlIssuer: [directory] },
      ],
    ],
    ['freshestCrl', false, other(oids.freshestCrl, encodeDistributionPoints([fullName])), [fullName]],
    [
      'authorityInfoAccess',
      false,
      {
        authorityInfoAccess: [
          { method: '1.3.6.1.5.5.7.48.1', location: uri },
          { method: '1.3.6.1.5.5.7.48.2', location: directory },
        ],
      },
      [
        { method: '1.3.6.1.5.5.7.48.1', location: uri },
        { method: '1.3.6.1.5.5.7.48.2', location: directory },
      ],
    ],
    [
      'subjectInfoAccess',
      false,
      other(oids.subjectInfoAccess, encodeInfoAccess([{ method: '1.3.6.1.5.5.7.48.5', location: uri }])),
      [{ method: '1.3.6.1.5.5.7.48.5', location: uri }],
    ],
  ])('%s, critical %s: %o', async (field, critical, extensions, wanted) => {
    const certificate = await built(extensions)
    expect(certificate.extensions.map(({ oid: type }) => type)).toEqual([oids[field]])
    expect(certificate.extension(oids[field])?.critical).toBe(critical)
    expect(certificate[field]).toEqual(wanted)
    expect(certificate[field]).toBe(certificate[field])
    expect(fields.filter((one) => certificate[one] !== undefined)).toEqual([field])
    expect(() => {
      certificate.checkAll()
    }).not.toThrow()
  })

  it('all at once, in the order of the standard, other extensions behind', async () => {
    const extra: Extension = { oid: '1.2.3.4.5', critical: true, value: fromHex('00') }
    const certificate = await built({
      other: [extra],
      authorityInfoAccess: [{ method: '1.3.6.1.5.5.7.48.1', location: uri }],
      inhibitAnyPolicy: 1,
      crlDistributionPoints: [fullName],
      extendedKeyUsage: [keyPurposeOids.serverAuth],
      policyConstraints: { requireExplicitPolicy: 1, inhibitPolicyMapping: 1 },
      nameConstraints: { permitted: [dns] },
      basicConstraints: { ca: true },
      subjectAltName: [dns],
      policyMappings: [{ issuerDomainPolicy: '1.2.3', subjectDomainPolicy: '1.2.4' }],
      certificatePolicies: ['1.2.3'],
      keyUsage: ['keyCertSign'],
      subjectKeyIdentifier: signer.publicKey,
      authorityKeyIdentifier: signer.publicKey.keyIdentifier,
    })
    expect(certificate.extensions.map(({ oid: type }) => type)).toEqual([
      oids.authorityKeyIdentifier,
      oids.subjectKeyIdentifier,
      oids.keyUsage,
      oids.certificatePolicies,
      oids.policyMappings,
      oids.subjectAltName,
      oids.basicConstraints,
      oids.nameConstraints,
      oids.policyConstraints,
      oids.extendedKeyUsage,
      oids.crlDistributionPoints,
      oids.inhibitAnyPolicy,
      oids.authorityInfoAccess,
      '1.2.3.4.5',
    ])
    expect(certificate.extension('1.2.3.4.5')).toEqual(extra)
    expect(() => {
      certificate.checkAll()
    }).not.toThrow()
  })

  it('subject alternative names are critical where the subject is empty', () => {
    expect(encodeExtensionFields({ subjectAltName: [dns] }, true)[0]?.critical).toBe(true)
    expect(encodeExtensionFields({ subjectAltName: [dns] }, false)[0]?.critical).toBe(false)
    expect(
      encodeExtensionFields({ subjectAltName: [dns], subjectAltNameCritical: false }, true)[0]?.critical,
    ).toBe(false)
  })

  it.each<readonly [string, ExtensionFields, string]>([
    ['a path length below zero', { basicConstraints: { ca: true, pathLength: -1 } }, 'ERR_INVALID_ARGUMENT'],
    [
      'a path length that is no whole number',
      { basicConstraints: { ca: true, pathLength: 1.5 } },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a path length that nobody reads',
      { basicConstraints: { ca: true, pathLength: 2 ** 31 } },
      'ERR_INVALID_ARGUMENT',
    ],
    ['no key usage', { keyUsage: [] }, 'ERR_INVALID_ARGUMENT'],
    [
      'a key usage that is none',
      { keyUsage: ['digitalSignature', 'keyCertsign' as never] },
      'ERR_INVALID_ARGUMENT',
    ],
    ['no purpose', { extendedKeyUsage: [] }, 'ERR_INVALID_ARGUMENT'],
    ['a purpose that is none', { extendedKeyUsage: ['serverAuth'] }, 'ERR_OID_INVALID'],
    ['no subject alternative name', { subjectAltName: [] }, 'ERR_INVALID_ARGUMENT'],
    ['a name with NUL', { subjectAltName: [generalName.dns('a\0')] }, 'ERR_NAME_INVALID'],
    [
      'an IP address of 5 octets',
      { subjectAltName: [{ type: 'ip', address: new Uint8Array(5), value: '' }] },
      'ERR_NAME_INVALID',
    ],
    ['a key identifier of no octets', { subjectKeyIdentifier: new Uint8Array(0) }, 'ERR_INVALID_ARGUMENT'],
    ['name constraints without names', { nameConstraints: {} }, 'ERR_INVALID_ARGUMENT'],
    [
      'an address without mask as constraint',
      { nameConstraints: { permitted: [generalName.ip('10.0.0.0')] } },
      'ERR_NAME_INVALID',
    ],
    ['no policy', { certificatePolicies: [] }, 'ERR_INVALID_ARGUMENT'],
    ['a policy twice', { certificatePolicies: ['1.2.3', '1.2.3'] }, 'ERR_INVALID_ARGUMENT'],
    ['no mapping', { policyMappings: [] }, 'ERR_INVALID_ARGUMENT'],
    [
      'no policy constraint',
      { policyConstraints: { requireExplicitPolicy: undefined, inhibitPolicyMapping: undefined } },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a count below zero',
      { policyConstraints: { requireExplicitPolicy: -1, inhibitPolicyMapping: undefined } },
      'ERR_INVALID_ARGUMENT',
    ],
    ['any policy inhibited after less than nothing', { inhibitAnyPolicy: -1 }, 'ERR_INVALID_ARGUMENT'],
    ['no distribution point', { crlDistributionPoints: [] }, 'ERR_INVALID_ARGUMENT'],
    [
      'a distribution point of reasons only',
      { crlDistributionPoints: [{ name: undefined, reasons: 2, crlIssuer: undefined }] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a distribution point for no reason',
      { crlDistributionPoints: [{ ...fullName, reasons: 0 }] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a distribution point without location',
      { crlDistributionPoints: [{ ...fullName, name: { fullName: [] } }] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a relative name that is no RDN',
      { crlDistributionPoints: [{ ...fullName, name: { nameRelativeToCrlIssuer: sequence() } }] },
      'ERR_DER',
    ],
    ['nowhere to get information', { authorityInfoAccess: [] }, 'ERR_INVALID_ARGUMENT'],
  ])('not built: %s', async (_what, extensions, wanted) => {
    expect(() => encodeExtensionFields(extensions, false)).toThrow(code(wanted))
    await expect(built(extensions)).rejects.toThrow(code(wanted))
  })
})

describe('key usage', () => {
  it('is a set', () => {
    const usage = KeyUsage.of('decipherOnly', 'digitalSignature', 'cRLSign')
    expect(usage.names).toEqual(['digitalSignature', 'cRLSign', 'decipherOnly'])
    expect(String(usage)).toBe('digitalSignature, cRLSign, decipherOnly')
    expect(JSON.stringify(usage)).toBe('["digitalSignature","cRLSign","decipherOnly"]')
    expect([usage.has('cRLSign'), usage.has('keyCertSign'), usage.has('nosuch' as never)]).toEqual([
      true,
      false,
      false,
    ])
    expect(KeyUsage.parse(usage.toDer())).toEqual(usage)
  })

  it.each([
    ['digitalSignature', '03020780'],
    ['contentCommitment', '03020640'],
    ['keyEncipherment', '03020520'],
    ['dataEncipherment', '03020410'],
    ['keyAgreement', '03020308'],
    ['keyCertSign', '03020204'],
    ['cRLSign', '03020102'],
    ['encipherOnly', '03020001'],
    ['decipherOnly', '0303070080'],
  ] as const)('%s is %s', (usage, der) => {
    expect(hex(KeyUsage.of(usage).toDer())).toBe(der)
    expect(KeyUsage.parse(fromHex(der)).names).toEqual([usage])
  })
})

const some = encodeGeneralName(dns)
const generalNames = (...names: readonly Uint8Array[]): Uint8Array => sequence(...names)
const point = (...parts: readonly Uint8Array[]): Uint8Array => sequence(sequence(...parts))
const pointName = explicit(0, explicit(0, encodeGeneralName(uri)))
const twice = (value: Uint8Array): Uint8Array => concat(value, value)
const nothing = new Uint8Array(0)

/** What a list of GeneralNames cannot be. */
const altNames: readonly (readonly [string, Uint8Array, string])[] = [
  ['an empty list', generalNames(), 'ERR_NAME_INVALID'],
  ['a SET', setOf(some), 'ERR_DER'],
  ['a name and no list', some, 'ERR_DER'],
  ['two lists', twice(generalNames(some)), 'ERR_DER'],
  ['a name of no kind', generalNames(utf8String('a')), 'ERR_NAME_INVALID'],
  ['a name that is cut off', sequence(fromHex('820561')), 'ERR_DER'],
  ['a directory name that is malformed', generalNames(explicit(4, brokenName)), 'ERR_NAME_INVALID'],
]
const points: readonly (readonly [string, Uint8Array, string])[] = [
  ['an empty list', sequence(), 'ERR_EXTENSION_MALFORMED'],
  ['a SET', setOf(sequence(pointName)), 'ERR_DER'],
  ['two lists', twice(point(pointName)), 'ERR_DER'],
  ['an empty point', point(), 'ERR_EXTENSION_MALFORMED'],
  ['a point of reasons only', point(fromHex('81020640')), 'ERR_EXTENSION_MALFORMED'],
  ['reasons that end in zero bits', point(pointName, fromHex('81020040')), 'ERR_DER'],
  ['reasons without a bit', point(pointName, fromHex('810100')), 'ERR_DER'],
  ['reasons with unused bits that are set', point(pointName, fromHex('81020641')), 'ERR_DER'],
  ['fields out of order', point(explicit(2, some), pointName), 'ERR_DER'],
  ['a name without a choice', point(explicit(0)), 'ERR_DER'],
  ['a name of two choices', point(explicit(0, explicit(0, some), explicit(0, some))), 'ERR_DER'],
  ['a name of another choice', point(explicit(0, explicit(2, some))), 'ERR_DER'],
  ['a full name without names', point(explicit(0, explicit(0))), 'ERR_NAME_INVALID'],
  ['a relative name without attributes', point(explicit(0, explicit(1))), 'ERR_EXTENSION_MALFORMED'],
  ['a relative name that is none', point(explicit(0, explicit(1, utf8String('a')))), 'ERR_DER'],
  ['an issuer without names', point(explicit(2)), 'ERR_NAME_INVALID'],
  ['more behind a point', point(pointName, nullElement()), 'ERR_DER'],
  [
    '1,001 points',
    sequence(...Array.from({ length: 1001 }, () => sequence(pointName))),
    'ERR_LIMIT_EXCEEDED',
  ],
]
const accesses: readonly (readonly [string, Uint8Array, string])[] = [
  ['an empty list', sequence(), 'ERR_EXTENSION_MALFORMED'],
  ['a SET', setOf(sequence(oid('1.2.3'), some)), 'ERR_DER'],
  ['two lists', twice(sequence(sequence(oid('1.2.3'), some))), 'ERR_DER'],
  ['no location', point(oid('1.2.3')), 'ERR_DER'],
  ['two locations', point(oid('1.2.3'), some, some), 'ERR_DER'],
  ['a method that is none', point(utf8String('ocsp'), some), 'ERR_DER'],
  ['a method that is cut off', point(fromHex('06022a81'), some), 'ERR_OID_INVALID'],
  ['a location of no kind', point(oid('1.2.3'), nullElement()), 'ERR_NAME_INVALID'],
  [
    '1,001 entries',
    sequence(...Array.from({ length: 1001 }, () => sequence(oid('1.2.3'), some))),
    'ERR_LIMIT_EXCEEDED',
  ],
]

const malformed: Readonly<Record<Field, readonly (readonly [string, Uint8Array, string])[]>> = {
  basicConstraints: [
    ['nothing', nothing, 'ERR_DER'],
    ['a SET', element(0x31, boolean(true)), 'ERR_DER'],
    ['two of them', twice(encodeBasicConstraints({ ca: true, pathLength: 1 })), 'ERR_DER'],
    ['cA FALSE, which is the default', sequence(boolean(false)), 'ERR_DER'],
    ['cA neither 00 nor FF', sequence(fromHex('010101')), 'ERR_DER'],
    ['cA of two octets', sequence(fromHex('0102ffff')), 'ERR_DER'],
    ['a path length below zero', sequence(boolean(true), integer(-1)), 'ERR_DER'],
    ['a path length that is padded', sequence(boolean(true), fromHex('02020001')), 'ERR_DER'],
    ['a path length of five octets', sequence(boolean(true), integer(2 ** 32)), 'ERR_DER'],
    ['a path length that is no number', sequence(boolean(true), nullElement()), 'ERR_DER'],
    ['fields out of order', sequence(integer(1), boolean(true)), 'ERR_DER'],
    ['more inside', sequence(boolean(true), integer(1), nullElement()), 'ERR_DER'],
  ],
  keyUsage: [
    ['nothing', nothing, 'ERR_DER'],
    ['an OCTET STRING', octetString(Uint8Array.of(0x80)), 'ERR_DER'],
    ['no bit', fromHex('030100'), 'ERR_DER'],
    ['a zero bit alone', fromHex('03020700'), 'ERR_DER'],
    ['unused bits that are set', fromHex('03020781'), 'ERR_DER'],
    ['eight unused bits', fromHex('03020880'), 'ERR_DER'],
    ['unused bits of no octet', fromHex('030107'), 'ERR_DER'],
    ['three octets', fromHex('030400808001'), 'ERR_DER'],
    ['no content', fromHex('0300'), 'ERR_DER'],
    ['a constructed bit string', fromHex('230403020780'), 'ERR_DER'],
    ['two of them', twice(KeyUsage.of('cRLSign').toDer()), 'ERR_DER'],
  ],
  extendedKeyUsage: [
    ['an empty list', sequence(), 'ERR_EXTENSION_MALFORMED'],
    ['one purpose and no list', oid(keyPurposeOids.serverAuth), 'ERR_DER'],
    ['text', sequence(utf8String('serverAuth')), 'ERR_DER'],
    ['a purpose without content', sequence(fromHex('0600')), 'ERR_OID_INVALID'],
    ['a purpose with a padded arc', sequence(fromHex('06032a8001')), 'ERR_OID_INVALID'],
    ['two lists', twice(sequence(oid('1.2.3'))), 'ERR_DER'],
    ['257 purposes', sequence(...Array.from({ length: 257 }, () => oid('1.2.3'))), 'ERR_LIMIT_EXCEEDED'],
  ],
  subjectAltName: altNames,
  issuerAltName: altNames,
  subjectKeyIdentifier: [
    ['nothing', nothing, 'ERR_DER'],
    ['no octets', octetString(nothing), 'ERR_EXTENSION_MALFORMED'],
    ['a BIT STRING', bitString(Uint8Array.of(1)), 'ERR_DER'],
    ['a constructed OCTET STRING', fromHex('2403040101'), 'ERR_DER'],
    ['two of them', twice(octetString(Uint8Array.of(1))), 'ERR_DER'],
  ],
  authorityKeyIdentifier: [
    ['an OCTET STRING', octetString(Uint8Array.of(1)), 'ERR_DER'],
    ['an issuer without serial number', sequence(explicit(1, some)), 'ERR_EXTENSION_MALFORMED'],
    ['a serial number without issuer', sequence(implicit(2, Uint8Array.of(1))), 'ERR_EXTENSION_MALFORMED'],
    ['an issuer without names', sequence(explicit(1), implicit(2, Uint8Array.of(1))), 'ERR_NAME_INVALID'],
    ['a serial number that is padded', sequence(explicit(1, some), implicit(2, fromHex('0001'))), 'ERR_DER'],
    ['a serial number without content', sequence(explicit(1, some), implicit(2, nothing)), 'ERR_DER'],
    [
      'a serial number of 1,025 octets',
      sequence(explicit(1, some), implicit(2, new Uint8Array(1025).fill(1))),
      'ERR_SERIAL_INVALID',
    ],
    ['a constructed key identifier', sequence(explicit(0, octetString(Uint8Array.of(1)))), 'ERR_DER'],
    [
      'fields out of order',
      sequence(explicit(1, some), implicit(2, Uint8Array.of(1)), implicit(0, Uint8Array.of(1))),
      'ERR_DER',
    ],
    ['two of them', twice(sequence()), 'ERR_DER'],
  ],
  nameConstraints: [
    ['an empty sequence', sequence(), 'ERR_EXTENSION_MALFORMED'],
    ['no permitted subtree', sequence(explicit(0)), 'ERR_EXTENSION_MALFORMED'],
    ['no excluded subtree', sequence(explicit(0, sequence(some)), explicit(1)), 'ERR_EXTENSION_MALFORMED'],
    ['fields out of order', sequence(explicit(1, sequence(some)), explicit(0, sequence(some))), 'ERR_DER'],
    ['a name and no subtree', sequence(explicit(0, some)), 'ERR_DER'],
    ['a subtree without name', sequence(explicit(0, sequence())), 'ERR_DER'],
    [
      'a minimum of 0, which is the default',
      sequence(explicit(0, sequence(some, implicit(0, Uint8Array.of(0))))),
      'ERR_DER',
    ],
    [
      'a minimum below zero',
      sequence(explicit(0, sequence(some, implicit(0, Uint8Array.of(0xff))))),
      'ERR_DER',
    ],
    [
      'a maximum that is padded',
      sequence(explicit(0, sequence(some, implicit(1, fromHex('0001'))))),
      'ERR_DER',
    ],
    [
      'a maximum before the minimum',
      sequence(explicit(0, sequence(some, implicit(1, Uint8Array.of(1)), implicit(0, Uint8Array.of(1))))),
      'ERR_DER',
    ],
    ['an address without mask', sequence(explicit(0, sequence(fromHex('87040a000000')))), 'ERR_NAME_INVALID'],
    ['more inside', sequence(explicit(0, sequence(some)), nullElement()), 'ERR_DER'],
    ['two of them', twice(sequence(explicit(0, sequence(some)))), 'ERR_DER'],
    [
      '10,001 subtrees',
      sequence(explicit(0, ...Array.from({ length: 10_001 }, () => sequence(some)))),
      'ERR_LIMIT_EXCEEDED',
    ],
  ],
  certificatePolicies: [
    ['an empty list', sequence(), 'ERR_EXTENSION_MALFORMED'],
    ['a policy and no information', sequence(oid('1.2.3')), 'ERR_DER'],
    ['information without policy', point(), 'ERR_DER'],
    [
      'a policy twice',
      sequence(sequence(oid('1.2.3')), sequence(oid('1.2.4')), sequence(oid('1.2.3'))),
      'ERR_EXTENSION_MALFORMED',
    ],
    [
      'more behind the qualifiers',
      point(oid('1.2.3'), sequence(sequence(oid('1.2.3'), nullElement())), nullElement()),
      'ERR_DER',
    ],
    ['a policy that is cut off', point(fromHex('06022a81')), 'ERR_OID_INVALID'],
    ['two lists', twice(point(oid('1.2.3'))), 'ERR_DER'],
    [
      '1,001 policies',
      sequence(...Array.from({ length: 1001 }, (_, i) => sequence(oid(`1.2.${i}`)))),
      'ERR_LIMIT_EXCEEDED',
    ],
  ],
  policyMappings: [
    ['an empty list', sequence(), 'ERR_EXTENSION_MALFORMED'],
    ['half a mapping', point(oid('1.2.3')), 'ERR_DER'],
    ['three policies', point(oid('1.2.3'), oid('1.2.3'), oid('1.2.3')), 'ERR_DER'],
    ['text', point(oid('1.2.3'), utf8String('b')), 'ERR_DER'],
    ['two lists', twice(point(oid('1.2.3'), oid('1.2.4'))), 'ERR_DER'],
    [
      '1,001 mappings',
      sequence(...Array.from({ length: 1001 }, () => sequence(oid('1.2.3'), oid('1.2.4')))),
      'ERR_LIMIT_EXCEEDED',
    ],
  ],
  policyConstraints: [
    ['an empty sequence', sequence(), 'ERR_EXTENSION_MALFORMED'],
    ['a count below zero', sequence(implicit(0, Uint8Array.of(0x80))), 'ERR_DER'],
    ['a count that is padded', sequence(implicit(0, fromHex('0001'))), 'ERR_DER'],
    ['a count without content', sequence(implicit(1, nothing)), 'ERR_DER'],
    ['a count in explicit form', sequence(explicit(0, integer(1))), 'ERR_DER'],
    [
      'counts out of order',
      sequence(implicit(1, Uint8Array.of(1)), implicit(0, Uint8Array.of(1))),
      'ERR_DER',
    ],
    ['two of them', twice(sequence(implicit(0, Uint8Array.of(1)))), 'ERR_DER'],
  ],
  inhibitAnyPolicy: [
    ['nothing', nothing, 'ERR_DER'],
    ['a number below zero', integer(-1), 'ERR_DER'],
    ['a number that is padded', fromHex('02020001'), 'ERR_DER'],
    ['a number of five octets', integer(2 ** 32), 'ERR_DER'],
    ['an ENUMERATED', fromHex('0a0101'), 'ERR_DER'],
    ['two of them', twice(integer(1)), 'ERR_DER'],
  ],
  crlDistributionPoints: points,
  freshestCrl: points,
  authorityInfoAccess: accesses,
  subjectInfoAccess: accesses,
}

describe('malformed, and refused when it is read', () => {
  it.each(
    Object.entries(malformed).flatMap(([field, rows]) =>
      rows.map((row) => [field as Field, ...row] as const),
    ),
  )('%s: %s', (field, _what, value, wanted) => {
    const certificate = Certificate.parse(certificateWithExtension(oids[field], value))
    for (const one of fields) if (one !== field) expect(certificate[one]).toBeUndefined()
    expect(() => certificate[field]).toThrow(code(wanted))
    expect(() => certificate[field]).toThrow(code(wanted))
    expect(() => {
      certificate.checkAll()
    }).toThrow(code(wanted))
    expect(hex(certificate.extension(oids[field])?.value ?? nothing)).toBe(hex(value))
  })
})

describe('the qualifiers of a policy', () => {
  const nul = nullElement()
  it.each<readonly [string, Uint8Array, string]>([
    ['are an empty list', sequence(), 'ERR_EXTENSION_MALFORMED'],
    ['have one of nothing', sequence(sequence(oid('1.2.3'))), 'ERR_DER'],
    ['have one that is not DER', sequence(sequence(oid('1.2.3'), fromHex('010101'))), 'ERR_DER'],
    ['have one of two values', sequence(sequence(oid('1.2.3'), nul, nul)), 'ERR_DER'],
    [
      'have text with an octet above 7F',
      sequence(sequence(oid('1.2.3'), fromHex('1601e9'))),
      'ERR_STRING_INVALID',
    ],
  ])('that %s do not hide the policy, and are refused by checkAll', (_what, qualifiers, wanted) => {
    const value = sequence(sequence(oid('1.2.3'), qualifiers))
    const extension = encodeExtension({ oid: oids.certificatePolicies, critical: false, value })
    const certificate = Certificate.parse(certificateDer({ rest: [extensionList(extension)] }))
    expect(certificate.certificatePolicies).toEqual([{ policy: '1.2.3', qualifiers }])
    certificate.checkPathFields()
    expect(() => {
      certificate.checkAll()
    }).toThrow(code(wanted))
  })
})

describe('the list of extensions', () => {
  const id = oid('1.2.3.4')
  const value = octetString(nullElement())

  it.each<readonly [string, readonly Uint8Array[], string]>([
    ['is empty', [], 'ERR_DER'],
    [
      'has one type twice',
      [sequence(id, value), sequence(oid('1.2.3.5'), value), sequence(id, value)],
      'ERR_EXTENSION_DUPLICATE',
    ],
    [
      'has a known type twice',
      [sequence(oid(oids.keyUsage), value), sequence(oid(oids.keyUsage), boolean(true), value)],
      'ERR_EXTENSION_DUPLICATE',
    ],
    ['has critical FALSE, which is the default', [sequence(id, boolean(false), value)], 'ERR_DER'],
    ['has critical neither 00 nor FF', [sequence(id, fromHex('010101'), value)], 'ERR_DER'],
    ['has a value that is no OCTET STRING', [sequence(id, nullElement())], 'ERR_DER'],
    ['has a value in pieces', [sequence(id, element(0x24, value))], 'ERR_DER'],
    ['has an extension without value', [sequence(id)], 'ERR_DER'],
    ['has an extension of two values', [sequence(id, value, value)], 'ERR_DER'],
    ['has an extension without type', [sequence(value)], 'ERR_DER'],
    ['has a type without content', [sequence(fromHex('0600'), value)], 'ERR_OID_INVALID'],
    ['has a type that is cut off', [sequence(fromHex('0603551d91'), value)], 'ERR_OID_INVALID'],
    ['has something that is no extension', [setOf(id, value)], 'ERR_DER'],
    [
      'has 101 extensions',
      Array.from({ length: 101 }, (_, i) => sequence(oid(`1.2.3.${i}`), value)),
      'ERR_LIMIT_EXCEEDED',
    ],
  ])('%s', (_what, elements, wanted) => {
    expect(() => Certificate.parse(certificateDer({ rest: [extensionList(...elements)] }))).toThrow(
      code(wanted),
    )
  })

  it('has types known and unknown, of id-ce and not', () => {
    const types = ['2.5.29.0', '2.5.29.127', '2.5.29.128', '2.5.29', '2.5.30.17', '2.999.1', '1.2.3.4']
    const certificate = Certificate.parse(
      certificateDer({
        rest: [
          extensionList(
            ...types.map((type) =>
              encodeExtension({ oid: type, critical: type === '2.999.1', value: nullElement() }),
            ),
          ),
        ],
      }),
    )
    expect(certificate.extensions).toEqual(
      types.map((type) => ({ oid: type, critical: type === '2.999.1', value: nullElement() })),
    )
    expect(certificate.extension('2.5.29.1')).toBeUndefined()
  })
})

describe('a value with a field that it does not have, or of another type', () => {
  const point = { name: { fullName: [generalName.uri('http://a.example/l')] }, reasons: undefined }
  it.each<readonly [string, object]>([
    // A CA whose path length was misspelt could have CAs below it.
    ['a path length', { basicConstraints: { ca: true, pathLen: 0 } }],
    ['a path length of a leaf', { basicConstraints: { ca: false, pathLength: 0 } }],
    ['a constraint', { policyConstraints: { requireExplicitPolicy: 0, inhibitPolicyMappings: 0 } }],
    ['permitted names', { nameConstraints: { permitted: undefined, excluded: [generalName.dns('a.b')] } }],
    ['excluded names', { nameConstraints: { permitted: [generalName.dns('a.b')], excluded: undefined } }],
    ['names', { nameConstraints: { permit: [generalName.dns('a.b')] } }],
    ['a criticality', { other: [{ oid: '1.2.3', crit: true, value: Uint8Array.of(5, 0) }] }],
    [
      'a criticality that is text',
      { subjectAltName: [generalName.dns('a.b')], subjectAltNameCritical: 'no' },
    ],
    ['reasons', { crlDistributionPoints: [{ ...point, crlIssuer: undefined, reason: 2 }] }],
  ])('%s: is refused', (_what, fields) => {
    expect(() => encodeExtensionFields(fields as ExtensionFields, false)).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('a flag of an issuing distribution point: is refused', () => {
    const given = { name: point.name, onlyUserCerts: true } as object
    expect(() => encodeIssuingDistributionPoint(given)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('encoders', () => {
  it('leave defaults out', () => {
    expect(hex(encodeBasicConstraints({ ca: false, pathLength: undefined }))).toBe('3000')
    expect(hex(encodeIssuingDistributionPoint({ onlyContainsUserCerts: false, indirectCrl: true }))).toBe(
      '30038401ff',
    )
    expect(hex(encodeTime(0))).toBe('170d3730303130313030303030305a')
  })
})
