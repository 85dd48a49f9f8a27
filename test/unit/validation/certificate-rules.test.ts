// How certificates must be made, one by one: RFC 5280 section 4 and, where no profile is lenient, its
// encodings.

import { describe, expect, it } from 'vitest'
import {
  bitString,
  boolean,
  element,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
  tags,
  utf8String,
} from '../../../src/der/index.ts'
import { verifyPath } from '../../../src/validation/index.ts'
import type { ProfileName } from '../../../src/validation/profile.ts'
import {
  Certificate,
  DistinguishedName,
  extensionOids as oids,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import {
  encodeBasicConstraints,
  encodeNameConstraints,
  signatureAlgorithms,
} from '../../../src/x509/internal.ts'
import type { CertificateInput, GeneralName } from '../../../src/x509/index.ts'
import type { Extension } from '../../../src/x509/internal.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import {
  certificateParts as place,
  extensionList,
  makeAuthority,
  makeLeaf,
  newSigner,
  rejectionOf,
  resign,
  time,
} from './test-pki.ts'
import type { Authority, Changes } from './test-pki.ts'

const root = await makeAuthority('root')
const issuing = await makeAuthority('issuing', root)

function outcome(
  leaf: CertificateInput,
  profile: ProfileName = 'rfc5280',
  at: Date = time,
  intermediates: readonly CertificateInput[] = [issuing.certificate],
): string {
  return (
    rejectionOf(verifyPath(leaf, { anchors: [root.certificate], intermediates, time: at, profile })) ?? 'ok'
  )
}

/** The code under `rfc5280`, and under `spiffe`, which takes section 6 alone. */
const both = (leaf: CertificateInput, intermediates?: readonly CertificateInput[]): string[] => [
  outcome(leaf, 'rfc5280', time, intermediates),
  outcome(leaf, 'spiffe', time, intermediates),
]
const leafWith = (extensions: ExtensionFields, changes: Changes = {}): Promise<Certificate> =>
  makeLeaf(issuing, { ...changes, extensions })
const names = (...subjectAltName: GeneralName[]): Promise<Certificate> => leafWith({ subjectAltName })

/** A leaf, its signed parts changed. */
async function remade(
  edit: (parts: Uint8Array[]) => Uint8Array[],
  algorithm?: Uint8Array,
): Promise<Uint8Array> {
  return resign((await leafWith({})).tbs, issuing.signer, edit, algorithm)
}

const profile = 'ERR_PATH_PROFILE'

describe('fields', () => {
  it.each<[string, () => Promise<CertificateInput>, string, string]>([
    [
      'a unique identifier of the issuer',
      () => remade((parts) => [...parts.slice(0, 7), element(0x81, Uint8Array.of(0, 1)), ...parts.slice(7)]),
      profile,
      'ok',
    ],
    [
      'a unique identifier of the subject',
      () => remade((parts) => [...parts.slice(0, 7), element(0x82, Uint8Array.of(0, 1)), ...parts.slice(7)]),
      profile,
      'ok',
    ],
    ['version 1', () => remade((parts) => parts.slice(1, 7)), profile, 'ok'],
    [
      'version 2 with extensions',
      () => remade((parts) => [explicit(0, integer(1)), ...parts.slice(1)]),
      'ERR_CERTIFICATE_MALFORMED',
      'ERR_CERTIFICATE_MALFORMED',
    ],
    [
      'version 1 that says so',
      () => remade((parts) => [explicit(0, integer(0)), ...parts.slice(1, 7)]),
      'ERR_DER',
      'ERR_DER',
    ],
    [
      'a negative serial number',
      () => makeLeaf(issuing, { serialNumber: Uint8Array.of(0xff) }),
      profile,
      'ok',
    ],
    [
      'a serial number of 20 octets',
      () => makeLeaf(issuing, { serialNumber: new Uint8Array(20).fill(0x7f) }),
      'ok',
      'ok',
    ],
    [
      'a serial number of 21 octets',
      () =>
        remade((parts) =>
          parts.with(place.serialNumber, element(tags.integer, new Uint8Array(21).fill(0x7f))),
        ),
      'ERR_PATH_PROFILE',
      'ok',
    ],
    [
      'a serial number with a zero in front',
      () => remade((parts) => parts.with(place.serialNumber, element(tags.integer, Uint8Array.of(0, 1)))),
      'ERR_DER',
      'ERR_DER',
    ],
    [
      'an algorithm inside other than outside',
      () =>
        remade((parts) => parts.with(place.algorithm, signatureAlgorithms['ecdsa-with-SHA384'].identifier)),
      'ERR_ALGORITHM_MISMATCH',
      'ERR_ALGORITHM_MISMATCH',
    ],
    [
      'ECDSA with NULL parameters, inside and outside',
      () => remade((parts) => parts.with(place.algorithm, ecdsaWithNull), ecdsaWithNull),
      'ERR_PATH_ALGORITHM',
      'ERR_PATH_ALGORITHM',
    ],
    [
      'an unknown algorithm, inside and outside',
      () => remade((parts) => parts.with(place.algorithm, unknownAlgorithm), unknownAlgorithm),
      'ERR_PATH_ALGORITHM',
      'ERR_PATH_ALGORITHM',
    ],
    [
      'an algorithm that the key does not fit',
      () => remade((parts) => parts.with(place.algorithm, rsaAlgorithm), rsaAlgorithm),
      'ERR_PATH_SIGNATURE',
      'ERR_PATH_SIGNATURE',
    ],
  ])('%s', async (_what, make, strict, lenient) => {
    expect(both(await make())).toEqual([strict, lenient])
  })

  const ecdsaWithNull = sequence(
    element(tags.oid, Buffer.from('2a8648ce3d040302', 'hex')),
    element(tags.null),
  )
  const unknownAlgorithm = sequence(element(tags.oid, Buffer.from('2a0304', 'hex')))
  const rsaAlgorithm = signatureAlgorithms.sha256WithRSAEncryption.identifier

  it('serial number 0 is nothing to refuse an anchor for, an intermediate is', async () => {
    const serialNumber = Uint8Array.of(0)
    const anchor = await makeAuthority('zero', undefined, { serialNumber })
    for (const profileName of ['rfc5280', 'webpki'] as const)
      expect(
        verifyPath(await makeLeaf(anchor), { anchors: [anchor.certificate], time, profile: profileName }).ok,
      ).toBe(true)
    const { certificate } = await makeAuthority('issuing', root, { signer: issuing.signer, serialNumber })
    expect(both(await leafWith({}), [certificate])).toEqual([profile, 'ok'])
  })

  it.each([1, 2] as const)('a certificate of version %i issues none', async (version) => {
    const old = await resign(issuing.certificate.tbs, root.signer, (parts) => [
      ...(version === 1 ? [] : [explicit(0, integer(1))]),
      ...parts.slice(1, 7),
    ])
    expect(both(await leafWith({}), [old])).toEqual([profile, 'ERR_PATH_NOT_CA'])
  })
})

describe('times (§4.1.2.5)', () => {
  const utc = (text: string): Uint8Array => element(tags.utcTime, Buffer.from(text))
  const generalized = (text: string): Uint8Array => element(tags.generalizedTime, Buffer.from(text))
  const begin = utc('260101000000Z')
  it.each<[string, Uint8Array, Uint8Array, string, string]>([
    ['UTCTime 49 is 2049', begin, utc('491231235959Z'), '2026-06-01T00:00:00Z', 'ok'],
    ['UTCTime 50 is 1950', begin, utc('500101000000Z'), '2026-06-01T00:00:00Z', 'ERR_PATH_EXPIRED'],
    [
      'UTCTime 50 is 1950, to begin with',
      utc('500101000000Z'),
      utc('491231235959Z'),
      '2026-06-01T00:00:00Z',
      'ok',
    ],
    ['UTCTime 99 is 1999', utc('991231235959Z'), utc('270101000000Z'), '2026-06-01T00:00:00Z', 'ok'],
    ['GeneralizedTime from 2050 on', begin, generalized('20500101000000Z'), '2026-06-01T00:00:00Z', 'ok'],
    ['GeneralizedTime of no end', begin, generalized('99991231235959Z'), '2026-06-01T00:00:00Z', 'ok'],
    ['the last second', begin, utc('260601000000Z'), '2026-06-01T00:00:00Z', 'ok'],
    ['the second after', begin, utc('260531235959Z'), '2026-06-01T00:00:00Z', 'ERR_PATH_EXPIRED'],
    ['the first second', utc('260601000000Z'), utc('270101000000Z'), '2026-06-01T00:00:00Z', 'ok'],
    [
      'the second before',
      utc('260601000001Z'),
      utc('270101000000Z'),
      '2026-06-01T00:00:00Z',
      'ERR_PATH_NOT_YET_VALID',
    ],
    [
      'an end before the beginning',
      utc('270101000000Z'),
      utc('260101000000Z'),
      '2026-06-01T00:00:00Z',
      'ERR_PATH_EXPIRED',
    ],
    ['the 29th of February', utc('240229000000Z'), utc('280229000000Z'), '2026-06-01T00:00:00Z', 'ok'],
    [
      'the 29th of February of another year',
      utc('250229000000Z'),
      utc('280229000000Z'),
      '2026-06-01T00:00:00Z',
      'ERR_TIME_INVALID',
    ],
    ['a leap second', begin, utc('261231235960Z'), '2026-06-01T00:00:00Z', 'ERR_TIME_INVALID'],
    [
      'GeneralizedTime with a fraction',
      begin,
      generalized('20500101000000.5Z'),
      '2026-06-01T00:00:00Z',
      'ERR_TIME_INVALID',
    ],
    [
      'GeneralizedTime with an offset',
      begin,
      generalized('20500101000000+0000'),
      '2026-06-01T00:00:00Z',
      'ERR_TIME_INVALID',
    ],
    [
      'GeneralizedTime of no zone',
      begin,
      generalized('20500101000000'),
      '2026-06-01T00:00:00Z',
      'ERR_TIME_INVALID',
    ],
    [
      'UTCTime without seconds',
      utc('2601010000Z'),
      utc('2701010000Z'),
      '2026-06-01T00:00:00Z',
      'ERR_TIME_INVALID',
    ],
    ['UTCTime with an offset', begin, utc('270101000000+0100'), '2026-06-01T00:00:00Z', 'ERR_TIME_INVALID'],
    ['text', begin, utf8String('270101000000Z'), '2026-06-01T00:00:00Z', 'ERR_DER'],
  ])('%s', async (_what, notBefore, notAfter, at, wanted) => {
    const leaf = await remade((parts) => parts.with(place.validity, sequence(notBefore, notAfter)))
    expect(outcome(leaf, 'rfc5280', new Date(at))).toBe(wanted)
  })
})

describe('key identifiers (§4.2.1.1, §4.2.1.2)', () => {
  const without = { authorityKeyIdentifier: undefined }

  it('may be left out by who signs himself, not by who has the name of his issuer', async () => {
    const impostor = await makeLeaf(issuing, {
      subject: issuing.name,
      extensions: { authorityKeyIdentifier: undefined },
    })
    expect(both(impostor)).toEqual([profile, 'ok'])
  })

  it.each<[string, () => Promise<readonly [leaf: Certificate, anchor: Certificate]>, string]>([
    [
      'an anchor that names itself, whatever its signature',
      async () => {
        const { certificate } = await makeAuthority('root', undefined, {
          signer: root.signer,
          extensions: without,
        })
        return [await makeLeaf(root), certificate.withSignature(issuing.certificate.signature)]
      },
      'ok',
    ],
    [
      'an anchor that signed itself, whatever name it gives',
      async () => {
        const { certificate } = await makeAuthority(
          'self',
          { name: root.name, signer: issuing.signer },
          { signer: issuing.signer, extensions: without },
        )
        return [
          await makeLeaf({ name: DistinguishedName.parse('CN=self'), signer: issuing.signer }),
          certificate,
        ]
      },
      'ok',
    ],
    [
      'an anchor that another signed',
      async () => {
        const { certificate, ...authority } = await makeAuthority('trusted', root, { extensions: without })
        return [await makeLeaf(authority), certificate]
      },
      profile,
    ],
    [
      'a leaf that signed itself',
      async () => {
        const { certificate } = await makeAuthority('self', undefined, { extensions: without })
        return [certificate, certificate]
      },
      'ok',
    ],
    [
      'a leaf with the key of its issuer and another name',
      async () => [await makeLeaf(root, { signer: root.signer, extensions: without }), root.certificate],
      profile,
    ],
  ])('are not there: %s', async (_what, make, strict) => {
    const [leaf, anchor] = await make()
    expect(
      (['rfc5280', 'spiffe'] as const).map(
        (name) => rejectionOf(verifyPath(leaf, { anchors: [anchor], time, profile: name })) ?? 'ok',
      ),
    ).toEqual([strict, 'ok'])
  })

  it('that do not match refuse nobody', async () => {
    const authorityKeyIdentifier = Uint8Array.of(1, 2, 3)
    expect(outcome(await leafWith({ authorityKeyIdentifier }))).toBe('ok')
    const other = await makeAuthority('issuing', root, {
      signer: issuing.signer,
      extensions: { subjectKeyIdentifier: Uint8Array.of(9), authorityKeyIdentifier },
    })
    expect(outcome(await leafWith({}), 'rfc5280', time, [other.certificate])).toBe('ok')
  })

  it.each<[string, (base: Authority) => ExtensionFields, string]>([
    [
      'an authority key identifier that is critical',
      ({ certificate }) => ({
        authorityKeyIdentifier: undefined,
        other: [{ ...(certificate.extension(oids.authorityKeyIdentifier) as Extension), critical: true }],
      }),
      profile,
    ],
    [
      'a subject key identifier that is critical',
      ({ certificate }) => ({
        subjectKeyIdentifier: undefined,
        other: [{ ...(certificate.extension(oids.subjectKeyIdentifier) as Extension), critical: true }],
      }),
      profile,
    ],
    ['no subject key identifier', () => ({ subjectKeyIdentifier: undefined }), profile],
    ['no authority key identifier', () => ({ authorityKeyIdentifier: undefined }), profile],
    ['no key usage', () => ({ keyUsage: undefined }), profile],
    [
      'policy constraints that are not critical',
      () => ({
        other: [
          { oid: oids.policyConstraints, critical: false, value: sequence(element(0x80, Uint8Array.of(5))) },
        ],
      }),
      profile,
    ],
    [
      'inhibitAnyPolicy that is not critical',
      () => ({ other: [{ oid: oids.inhibitAnyPolicy, critical: false, value: integer(5) }] }),
      profile,
    ],
    [
      'information access that is critical',
      () => ({
        other: [
          {
            oid: oids.authorityInfoAccess,
            critical: true,
            value: sequence(
              sequence(
                element(tags.oid, Buffer.from('2b06010505073001', 'hex')),
                element(0x86, Buffer.from('http://a.example/')),
              ),
            ),
          },
        ],
      }),
      profile,
    ],
  ])('a CA with %s', async (_what, changes, strict) => {
    const { certificate } = await makeAuthority('issuing', root, {
      signer: issuing.signer,
      extensions: changes(issuing),
    })
    expect(both(await leafWith({}), [certificate])).toEqual([strict, 'ok'])
  })

  it('a CA without a subject', async () => {
    const nameless = await makeAuthority('x', root, { subject: DistinguishedName.of([]) })
    expect(both(await makeLeaf(nameless), [nameless.certificate])[0]).toBe(profile)
    const named = await makeAuthority('x', root, {
      subject: DistinguishedName.of([]),
      extensions: { subjectAltName: [generalName.dns('ca.example')] },
    })
    expect(both(named.certificate)).toEqual([profile, 'ok'])
  })
})

describe('extensions', () => {
  const basic = (value: Uint8Array): ExtensionFields => ({
    basicConstraints: undefined,
    other: [{ oid: oids.basicConstraints, critical: true, value }],
  })
  it.each<[string, ExtensionFields, string, string]>([
    [
      'an unknown one that is critical',
      { other: [{ oid: '1.2.3', critical: true, value: integer(1) }] },
      'ERR_PATH_CRITICAL_EXTENSION',
      'ERR_PATH_CRITICAL_EXTENSION',
    ],
    [
      'directory attributes that are critical (§4.2.1.8)',
      { other: [{ oid: oids.subjectDirectoryAttributes, critical: true, value: sequence() }] },
      'ERR_PATH_CRITICAL_EXTENSION',
      'ERR_PATH_CRITICAL_EXTENSION',
    ],
    [
      'noRevAvail that is critical (RFC 9608 §2)',
      { other: [{ oid: oids.noRevAvail, critical: true, value: element(tags.null) }] },
      'ERR_PATH_CRITICAL_EXTENSION',
      'ERR_PATH_CRITICAL_EXTENSION',
    ],
    [
      'an unknown one that is malformed',
      { other: [{ oid: '1.2.3', critical: false, value: Uint8Array.of(0xff) }] },
      'ok',
      'ok',
    ],
    ['no key usage', { keyUsage: undefined }, 'ok', 'ok'],
    [
      'key usage of no bit',
      {
        keyUsage: undefined,
        other: [{ oid: oids.keyUsage, critical: true, value: element(tags.bitString, Uint8Array.of(0)) }],
      },
      'ERR_DER',
      'ERR_DER',
    ],
    ['no basic constraints', { basicConstraints: undefined }, 'ok', 'ok'],
    ['cA FALSE written out', basic(sequence(boolean(false))), 'ERR_DER', 'ERR_DER'],
    ['a path length without cA', basic(sequence(integer(0))), profile, 'ok'],
    [
      'a path length without cA, and no key usage',
      { ...basic(sequence(integer(0))), keyUsage: undefined },
      profile,
      'ok',
    ],
    [
      'a path length of a CA that may not sign',
      {
        ...basic(encodeBasicConstraints({ ca: true, pathLength: 0 })),
        subjectKeyIdentifier: Uint8Array.of(1),
        subjectAltName: undefined,
      },
      profile,
      'ok',
    ],
    [
      'basic constraints that are not critical',
      {
        basicConstraints: undefined,
        other: [{ oid: oids.basicConstraints, critical: false, value: sequence() }],
      },
      'ok',
      'ok',
    ],
    [
      'a negative path length',
      basic(sequence(boolean(true), element(tags.integer, Uint8Array.of(0xff)))),
      'ERR_DER',
      'ERR_DER',
    ],
    [
      'no purpose',
      {
        extendedKeyUsage: undefined,
        other: [{ oid: oids.extendedKeyUsage, critical: false, value: sequence() }],
      },
      'ERR_EXTENSION_MALFORMED',
      'ERR_EXTENSION_MALFORMED',
    ],
    [
      'no alternative name in the list',
      { subjectAltName: undefined, other: [{ oid: oids.subjectAltName, critical: true, value: sequence() }] },
      'ERR_NAME_INVALID',
      'ERR_NAME_INVALID',
    ],
    [
      'an alternative name that is not critical without a subject',
      { subjectAltNameCritical: false },
      profile,
      'ok',
    ],
    [
      'an issuer and no serial number of the authority',
      {
        authorityKeyIdentifier: undefined,
        other: [
          {
            oid: oids.authorityKeyIdentifier,
            critical: false,
            value: sequence(element(0x80, Uint8Array.of(1)), element(0xa1, element(0x82, Buffer.from('a')))),
          },
        ],
      },
      'ERR_EXTENSION_MALFORMED',
      'ERR_EXTENSION_MALFORMED',
    ],
  ])('%s', async (_what, extensions, strict, lenient) => {
    expect(both(await leafWith(extensions))).toEqual([strict, lenient])
  })

  it.each([
    ['one twice', oids.keyUsage, element(tags.bitString, Uint8Array.of(7, 0x80))],
    ['one twice, with the same value', '1.2.3', integer(1)],
  ])('%s', async (_what, oid, value) => {
    const extensions = [1, 2].map(() => ({ oid, critical: false, value }))
    expect(outcome(await remade((parts) => parts.with(place.extensions, extensionList(3, extensions))))).toBe(
      'ERR_EXTENSION_DUPLICATE',
    )
  })

  it('an empty list of them', async () => {
    expect(outcome(await remade((parts) => parts.with(place.extensions, extensionList(3, []))))).toBe(
      'ERR_DER',
    )
  })

  it('a CA in the place of a leaf', async () => {
    const value = encodeBasicConstraints({ ca: true, pathLength: 0 })
    const extensions = {
      ...basic(value),
      keyUsage: ['digitalSignature', 'keyCertSign'],
      subjectKeyIdentifier: newSigner().publicKey,
    } as const
    expect(both(await leafWith(extensions, { subject: DistinguishedName.parse('CN=web') }))).toEqual([
      'ok',
      'ok',
    ])
  })
})

describe('alternative names (§4.2.1.6)', () => {
  const { dns, email, uri } = generalName
  it.each<[string, GeneralName, boolean]>([
    ['a host', dns('web.example'), true],
    ['a host of one label', dns('localhost'), true],
    ['a host in capitals', dns('WEB.Example'), true],
    ['an A-label', dns('xn--bcher-kva.example'), true],
    ['digits in front', dns('1.2.3.example'), true],
    ['a wildcard', dns('*.example.com'), true],
    ['a label of 63', dns(`${'a'.repeat(63)}.example`), true],
    ['a label of 64', dns(`${'a'.repeat(64)}.example`), false],
    ['a name of 253', dns(`${'a.'.repeat(126)}a`), true],
    ['a name of 254', dns(`${'a.'.repeat(126)}aa`), false],
    ['a period at the end', dns('web.example.'), false],
    ['a period in front', dns('.web.example'), false],
    ['an empty label', dns('web..example'), false],
    ['nothing', dns(''), false],
    ['a blank', dns(' '), false],
    ['an underscore', dns('_web.example'), false],
    ['a hyphen at the end of a label', dns('web-.example'), false],
    ['a hyphen in front', dns('-web.example'), false],
    ['a wildcard in the middle', dns('a.*.example'), false],
    ['half a wildcard', dns('w*.example'), false],
    ['two wildcards', dns('*.*.example'), false],
    ['a wildcard alone', dns('*'), false],
    ['an address', dns('192.0.2.1'), false],
    ['a port', dns('web.example:443'), false],
    ['a URI', dns('https://web.example'), false],
    ['a mailbox', email('u@example.com'), true],
    ['a mailbox with dots', email('first.last+tag@mail.example.com'), true],
    ['a quoted mailbox', email('"first last"@example.com'), true],
    ['a quoted mailbox with an escape', email('"a\\"b"@example.com'), true],
    ['a mailbox at an address', email('u@[192.0.2.1]'), true],
    ['a mailbox at an IPv6 address', email('u@[IPv6:2001:db8::1]'), true],
    ['a mailbox with an asterisk', email('*@example.com'), true],
    ['no user', email('@example.com'), false],
    ['no host', email('u@'), false],
    ['neither', email('example.com'), false],
    ['two @', email('a@b@example.com'), false],
    ['two dots', email('a..b@example.com'), false],
    ['a dot in front', email('.a@example.com'), false],
    ['a dot before the @', email('a.@example.com'), false],
    ['angle brackets', email('<u@example.com>'), false],
    ['a name and a mailbox', email('User <u@example.com>'), false],
    ['a host that ends in a period', email('u@example.com.'), false],
    ['a host that begins with a period', email('u@.example.com'), false],
    ['a host with an underscore', email('u@a_b.example'), false],
    ['a host that is a wildcard', email('u@*.example.com'), false],
    ['brackets around no address', email('u@[example.com]'), false],
    ['brackets that do not close', email('u@[192.0.2.1'), false],
    ['brackets that do not close, an octet before the end', email('u@[192.0.2.11'), false],
    ['64 octets of a user', email(`${'a'.repeat(64)}@example.com`), true],
    ['65 octets of a user', email(`${'a'.repeat(65)}@example.com`), false],
    ['a URI with an authority', uri('https://web.example/x?y#z'), true],
    ['a SPIFFE ID', uri('spiffe://example.org/x'), true],
    ['a URI with user and port', uri('https://u:p@web.example:8443/'), true],
    ['a URI at an address', uri('https://192.0.2.1/'), true],
    ['a URI at an IPv6 address', uri('https://[2001:db8::1]:8443/'), true],
    ['a URI without authority', uri('urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6'), true],
    ['a path', uri('/a/b'), false],
    ['a host alone', uri('web.example'), false],
    ['a URI of no scheme', uri('//web.example/'), false],
    ['a scheme alone', uri('https:'), false],
    ['an authority of no host', uri('https:///x'), false],
    ['an authority of a port', uri('https://:443/'), false],
    ['an authority of a user', uri('https://u@/'), false],
    ['brackets around a host', uri('https://[web.example]/'), false],
    ['brackets that do not close', uri('https://[2001:db8::1a/'), false],
    ['an IPv6 address without brackets', uri('https://2001:db8::1/'), false],
  ])('%s', async (_what, name, valid) => {
    const found = outcome(await names(name))
    expect(found).toBe(valid ? 'ok' : profile)
  })

  it.each<[string, Uint8Array]>([
    ['an address of 3 octets', element(0x87, Uint8Array.of(192, 0, 2))],
    ['an address of 5 octets', element(0x87, Uint8Array.of(192, 0, 2, 1, 0))],
    ['an address with a mask', element(0x87, Uint8Array.of(192, 0, 2, 1, 255, 255, 255, 0))],
    ['an address of no octets', element(0x87)],
    ['a host outside ASCII', element(0x82, Buffer.from('b\u00fccher.example'))],
    ['a host with a NUL', element(0x82, Buffer.from('web.example\0.test'))],
    ['a URI with a blank', element(0x86, Buffer.from('https://web.example/a b'))],
    ['a kind that is none', element(0x89, Buffer.from('x'))],
  ])('%s is malformed', async (_what, name) => {
    const leaf = await leafWith({
      subjectAltName: undefined,
      other: [{ oid: oids.subjectAltName, critical: true, value: sequence(name) }],
    })
    expect(both(leaf).every((code) => /^ERR_(NAME|STRING)_INVALID$/.test(code))).toBe(true)
  })
})

describe('purposes and usages that fit each other (§4.2.1.12)', () => {
  it.each<
    [
      keyof typeof keyPurposeOids,
      readonly (
        'digitalSignature' | 'keyEncipherment' | 'keyAgreement' | 'contentCommitment' | 'dataEncipherment'
      )[],
      string,
    ]
  >([
    ['serverAuth', ['keyEncipherment'], 'ok'],
    ['serverAuth', ['keyAgreement'], 'ok'],
    ['serverAuth', ['contentCommitment'], 'ERR_PATH_KEY_USAGE'],
    ['clientAuth', ['keyAgreement'], 'ok'],
    ['clientAuth', ['keyEncipherment'], 'ERR_PATH_KEY_USAGE'],
    ['codeSigning', ['digitalSignature'], 'ok'],
    ['codeSigning', ['keyEncipherment'], 'ERR_PATH_KEY_USAGE'],
    ['emailProtection', ['keyEncipherment'], 'ok'],
    ['emailProtection', ['dataEncipherment'], 'ERR_PATH_KEY_USAGE'],
    ['timeStamping', ['contentCommitment'], 'ok'],
    ['timeStamping', ['keyAgreement'], 'ERR_PATH_KEY_USAGE'],
  ])('%s with %j: %s', async (purpose, keyUsage, wanted) => {
    const leaf = await leafWith({ keyUsage, extendedKeyUsage: [keyPurposeOids[purpose]] })
    const verdict = verifyPath(leaf, {
      anchors: [root.certificate],
      intermediates: [issuing.certificate],
      time,
      extendedKeyUsage: purpose,
    })
    expect(rejectionOf(verdict) ?? 'ok').toBe(wanted)
  })

  it.each<[string, readonly string[] | undefined, readonly string[] | undefined, ProfileName, string]>([
    ['any purpose in the leaf', undefined, [keyPurposeOids.any], 'rfc5280', 'ok'],
    ['any purpose in the CA', [keyPurposeOids.any], [keyPurposeOids.serverAuth], 'rfc5280', 'ok'],
    ['any purpose in the CA of the web', [keyPurposeOids.any], [keyPurposeOids.serverAuth], 'webpki', 'ok'],
    [
      'any purpose in the CA, another in the leaf',
      [keyPurposeOids.any],
      [keyPurposeOids.clientAuth],
      'rfc5280',
      'ERR_PATH_EXTENDED_KEY_USAGE',
    ],
    [
      'another purpose in the CA, any in the leaf',
      [keyPurposeOids.clientAuth],
      [keyPurposeOids.any],
      'rfc5280',
      'ERR_PATH_EXTENDED_KEY_USAGE',
    ],
    [
      'another purpose in the CA, none in the leaf',
      [keyPurposeOids.clientAuth],
      undefined,
      'rfc5280',
      'ERR_PATH_EXTENDED_KEY_USAGE',
    ],
    ['none at all', undefined, undefined, 'rfc5280', 'ok'],
  ])('%s', async (_what, ofCa, ofLeaf, profileName, wanted) => {
    const { certificate } = await makeAuthority('issuing', root, {
      signer: issuing.signer,
      extensions: { extendedKeyUsage: ofCa },
    })
    const verdict = verifyPath(await leafWith({ extendedKeyUsage: ofLeaf }), {
      anchors: [root.certificate],
      intermediates: [certificate],
      time,
      profile: profileName,
      extendedKeyUsage: 'serverAuth',
    })
    expect(rejectionOf(verdict) ?? 'ok').toBe(wanted)
  })
})

describe('path lengths', () => {
  it.each<[string, readonly (readonly [string, number | undefined])[], string]>([
    ['0 above a leaf', [['a', 0]], 'ok'],
    [
      '0 above a CA',
      [
        ['a', 0],
        ['b', undefined],
      ],
      'ERR_PATH_LENGTH',
    ],
    [
      '1 above a CA',
      [
        ['a', 1],
        ['b', undefined],
      ],
      'ok',
    ],
    [
      '1 above two',
      [
        ['a', 1],
        ['b', undefined],
        ['c', undefined],
      ],
      'ERR_PATH_LENGTH',
    ],
    [
      'a wider one below',
      [
        ['a', 0],
        ['b', 5],
      ],
      'ERR_PATH_LENGTH',
    ],
    [
      '0 above a self-issued one',
      [
        ['a', 0],
        ['a', undefined],
      ],
      'ok',
    ],
    [
      '0 above a self-issued one and another',
      [
        ['a', 0],
        ['a', undefined],
        ['b', undefined],
      ],
      'ERR_PATH_LENGTH',
    ],
    [
      '1 above another and a self-issued one',
      [
        ['a', 1],
        ['b', undefined],
        ['b', undefined],
      ],
      'ok',
    ],
    [
      '0 in the self-issued one',
      [
        ['a', undefined],
        ['a', 0],
        ['b', undefined],
      ],
      'ERR_PATH_LENGTH',
    ],
    [
      'the widest number',
      [
        ['a', 0x7fffffff],
        ['b', undefined],
      ],
      'ok',
    ],
  ])('%s', async (_what, chain, wanted) => {
    let authority = root
    const intermediates: Certificate[] = []
    for (const [name, pathLength] of chain) {
      authority = await makeAuthority(name, authority, {
        extensions: { basicConstraints: { ca: true, pathLength } },
      })
      intermediates.push(authority.certificate)
    }
    expect(outcome(await makeLeaf(authority), 'rfc5280', time, intermediates)).toBe(wanted)
  })

  it('of a leaf that is a CA do not count, nor does the leaf', async () => {
    const upper = await makeAuthority('upper', root, {
      extensions: { basicConstraints: { ca: true, pathLength: 0 } },
    })
    const { certificate } = await makeAuthority('leaf', upper, {
      extensions: { basicConstraints: { ca: true, pathLength: 0 } },
    })
    expect(outcome(certificate, 'rfc5280', time, [upper.certificate])).toBe('ok')
  })
})

it('an issuer that is no name leads nowhere', async () => {
  const broken = sequence(
    element(tags.set, sequence(element(tags.oid, Buffer.from('550403', 'hex')), element(tags.null))),
  )
  const leaf = await remade((parts) => parts.with(place.issuer, broken))
  expect(both(leaf).every((code) => code.startsWith('ERR_'))).toBe(true)
})

it('octets after a certificate are none of it', async () => {
  const { der } = await leafWith({})
  expect(outcome(Uint8Array.from([...der, 0]))).toBe('ERR_DER')
  expect(outcome(Certificate.parse(der).withSignature(bitString(octetString(Uint8Array.of(1)))))).toBe(
    'ERR_PATH_SIGNATURE',
  )
})

describe('policy qualifiers (RFC 5280 §4.2.1.4)', () => {
  const policies = (qualifier: string, critical: boolean): ExtensionFields => {
    const value = sequence(
      sequence(
        oid('1.2.3.4'),
        sequence(sequence(oid(qualifier), element(tags.ia5String, Buffer.from('http://cps.example/')))),
      ),
    )
    return { other: [{ oid: oids.certificatePolicies, critical, value }] }
  }
  it.each([
    ['1.3.6.1.5.5.7.2.1', true, 'ok'],
    ['1.3.6.1.5.5.7.2.2', true, 'ok'],
    ['1.2.3.5', false, 'ok'],
    ['1.2.3.5', true, 'ERR_PATH_CRITICAL_EXTENSION'],
  ] as const)('%s, critical %s: %s', async (qualifier, critical, wanted) => {
    expect(both(await leafWith(policies(qualifier, critical)))).toEqual([wanted, wanted])
  })
})

it('an issuer without a name is one of section 6 alone (RFC 5280 §4.1.2.4)', async () => {
  const nameless = { ...root, name: DistinguishedName.of([]) }
  const leaf = await makeLeaf(nameless)
  const anchors = [{ subject: nameless.name, publicKey: root.signer.publicKey }]
  expect(
    (['rfc5280', 'spiffe'] as const).map(
      (profile) => rejectionOf(verifyPath(leaf, { anchors, time, profile })) ?? 'ok',
    ),
  ).toEqual(['ERR_PATH_PROFILE', 'ok'])
})

it(
  'name constraints of the web need not be critical (BR 7.1.2.5.2), others must be (RFC 5280 ' + '§4.2.1.10)',
  async () => {
    const value = encodeNameConstraints({
      permitted: [{ base: generalName.dns('example'), minimum: 0, maximum: undefined }],
      excluded: [],
    })
    const { certificate, ...below } = await makeAuthority('below', root, {
      extensions: {
        extendedKeyUsage: [keyPurposeOids.serverAuth],
        other: [{ oid: oids.nameConstraints, critical: false, value }],
      },
    })
    const leaf = await makeLeaf(below, { extensions: { extendedKeyUsage: [keyPurposeOids.serverAuth] } })
    const judged = (profile: ProfileName): string =>
      rejectionOf(
        verifyPath(leaf, {
          anchors: [root.certificate],
          intermediates: [certificate],
          time,
          profile,
          extendedKeyUsage: 'serverAuth',
        }),
      ) ?? 'ok'
    expect([judged('rfc5280'), judged('webpki')]).toEqual(['ERR_PATH_PROFILE', 'ok'])
  },
)
