// The profile of the web PKI, rule by rule: the Baseline Requirements (BR) as a relying party sees them.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { element, oid, sequence, tags } from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { verifyPath } from '../../../src/validation/index.ts'
import type { ProfileName } from '../../../src/validation/profile.ts'
import {
  Certificate,
  DistinguishedName,
  PublicKey,
  extensionOids as oids,
  generalName,
  keyPurposeOids,
} from '../../../src/x509/index.ts'
import type { CertificateInput, Signer } from '../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import { certificateParts as place, makeAuthority, makeLeaf, rejectionOf, resign, time } from './test-pki.ts'
import type { Changes } from './test-pki.ts'

const root = await makeAuthority('root')
const issuing = await makeAuthority('issuing', root)
const profile = 'ERR_PATH_PROFILE'

describe('the web', () => {
  const rsa2048 = new SoftwareSigner(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
  /** Of a leaf, whose key signs nothing. */
  const rsa2050 = {
    publicKey: PublicKey.from(generateKeyPairSync('rsa', { modulusLength: 2050 }).publicKey),
  } as Signer
  const judged = (leaf: CertificateInput, anchor: Certificate, profileName: ProfileName): string =>
    rejectionOf(
      verifyPath(leaf, { anchors: [anchor], time, profile: profileName, extendedKeyUsage: 'serverAuth' }),
    ) ?? 'ok'

  it.each<[string, ExtensionFields, string]>([
    ['nothing more', {}, 'ok'],
    ['no authority key identifier', { authorityKeyIdentifier: undefined }, 'ok'],
    ['the authority key identifier of another', { authorityKeyIdentifier: Uint8Array.of(1) }, profile],
    ['purposes', { extendedKeyUsage: [keyPurposeOids.serverAuth] }, profile],
  ])('a root with %s', async (_what, extensions, wanted) => {
    const { certificate } = await makeAuthority('root', undefined, { signer: root.signer, extensions })
    const leaf = await makeLeaf(root)
    expect((['webpki', 'rfc5280'] as const).map((name) => judged(leaf, certificate, name))).toEqual([
      wanted,
      'ok',
    ])
    // The same is no fault of a CA that is trusted and not its own issuer.
    const { certificate: trusted, ...authority } = await makeAuthority('trusted', root, {
      extensions: { authorityKeyIdentifier: Uint8Array.of(1), extendedKeyUsage: [keyPurposeOids.serverAuth] },
    })
    expect(judged(await makeLeaf(authority), trusted, 'webpki')).toBe('ok')
  })

  it(
    'an anchor whose algorithm is spelled another way, as nobody relies on its signature (BR ' + '7.1.3.2)',
    async () => {
      const { certificate, ...authority } = await makeAuthority('rsa', undefined, { signer: rsa2048 })
      const absent = sequence(oid('1.2.840.113549.1.1.11'))
      const anchor = Certificate.parse(
        await resign(certificate.tbs, rsa2048, (parts) => parts.with(place.algorithm, absent), absent),
      )
      expect(judged(await makeLeaf(authority), anchor, 'webpki')).toBe('ok')
    },
  )

  it.each<[string, ExtensionFields, Changes, string]>([
    ['a unique subject', {}, {}, 'ok'],
    [
      'an address that is the common name',
      { subjectAltName: [generalName.ip('192.0.2.1')] },
      { subject: DistinguishedName.parse('CN=192.0.2.1') },
      'ok',
    ],
    [
      'the domain of a wildcard that is the common name',
      { subjectAltName: [generalName.dns('*.web.example')] },
      { subject: DistinguishedName.parse('CN=web.example') },
      'ok',
    ],
    [
      'an address in another spelling',
      { subjectAltName: [generalName.ip('2001:db8::1')] },
      { subject: DistinguishedName.parse('CN=2001:DB8::1') },
      profile,
    ],
    [
      'an address in full',
      { subjectAltName: [generalName.ip('2001:db8::1')] },
      { subject: DistinguishedName.parse('CN=2001:db8:0:0:0:0:0:1') },
      profile,
    ],
    [
      'two common names',
      {},
      {
        subject: DistinguishedName.of([
          ['CN', 'web.example'],
          ['CN', 'web.example'],
        ]),
      },
      profile,
    ],
    [
      'a mailbox among the names',
      { subjectAltName: [generalName.dns('web.example'), generalName.email('u@example.com')] },
      {},
      profile,
    ],
    [
      'a URI among the names',
      { subjectAltName: [generalName.dns('web.example'), generalName.uri('https://web.example/')] },
      {},
      profile,
    ],
    [
      'no alternative name',
      { subjectAltName: undefined },
      { subject: DistinguishedName.parse('CN=web.example') },
      profile,
    ],
    [
      'a critical alternative name beside a subject',
      { subjectAltNameCritical: true },
      { subject: DistinguishedName.parse('CN=web.example') },
      profile,
    ],
    ['key agreement of an EC key', { keyUsage: ['digitalSignature', 'keyAgreement'] }, {}, 'ok'],
    ['key encipherment of an EC key', { keyUsage: ['digitalSignature', 'keyEncipherment'] }, {}, profile],
    ['content commitment', { keyUsage: ['digitalSignature', 'contentCommitment'] }, {}, profile],
    [
      'code signing beside TLS',
      { extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.codeSigning] },
      {},
      profile,
    ],
    [
      'a purpose of its own beside TLS',
      { extendedKeyUsage: [keyPurposeOids.serverAuth, '1.3.6.1.4.1.311.20.2.2'] },
      {},
      'ok',
    ],
    [
      'purposes that are critical',
      {
        extendedKeyUsage: undefined,
        other: [
          {
            oid: oids.extendedKeyUsage,
            critical: true,
            value: sequence(element(tags.oid, Buffer.from('2b06010505070301', 'hex'))),
          },
        ],
      },
      {},
      profile,
    ],
    [
      'an authority key identifier that is critical',
      {
        authorityKeyIdentifier: undefined,
        other: [
          {
            oid: oids.authorityKeyIdentifier,
            critical: true,
            value: sequence(element(0x80, Uint8Array.of(1))),
          },
        ],
      },
      {},
      profile,
    ],
    ['an RSA key of 2048 bits', {}, { signer: rsa2048 }, 'ok'],
    [
      'key encipherment of an RSA key',
      { keyUsage: ['digitalSignature', 'keyEncipherment'] },
      { signer: rsa2048 },
      'ok',
    ],
    [
      'key agreement of an RSA key',
      { keyUsage: ['digitalSignature', 'keyAgreement'] },
      { signer: rsa2048 },
      profile,
    ],
    ['an RSA key of 2050 bits', {}, { signer: rsa2050 }, profile],
    [
      'the issuer and serial number of the authority',
      {
        authorityKeyIdentifier: undefined,
        other: [
          {
            oid: oids.authorityKeyIdentifier,
            critical: false,
            value: sequence(
              element(0x80, Uint8Array.of(1)),
              element(0xa1, element(0x82, Buffer.from('a'))),
              element(0x82, Uint8Array.of(1)),
            ),
          },
        ],
      },
      {},
      profile,
    ],
  ])('%s', async (_what, extensions, changes, wanted) => {
    const verdict = verifyPath(await makeLeaf(issuing, { ...changes, extensions }), {
      anchors: [root.certificate],
      intermediates: [issuing.certificate],
      time,
      profile: 'webpki',
      extendedKeyUsage: 'serverAuth',
    })
    expect(rejectionOf(verdict) ?? 'ok').toBe(wanted)
  })
})
