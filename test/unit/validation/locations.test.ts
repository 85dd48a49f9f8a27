// Extensions that only say where something is, and texts for people: RFC 5280 section 6 does not read them.

import { describe, expect, it } from 'vitest'
import { element, explicit, ia5String, oid, sequence, tags } from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createCrlChecker, validationProfiles, verifyPath } from '../../../src/validation/index.ts'
import { buildCertificate, buildCrl, extensionOids as oids } from '../../../src/x509/index.ts'

const sectionSix = { ...validationProfiles.rfc5280, certificateRules: 'path' } as const
const signer = await SoftwareSigner.generate('P-256')
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
const { keyIdentifier } = signer.publicKey
const root = await buildCertificate(
  {
    ...validity,
    issuer: 'CN=root',
    subject: 'CN=root',
    publicKey: signer.publicKey,
    extensions: {
      basicConstraints: { ca: true },
      keyUsage: ['keyCertSign', 'cRLSign'],
      subjectKeyIdentifier: keyIdentifier,
    },
  },
  signer,
)
const uri = (text: string): Uint8Array => ia5String(text, 0x86)
const point = (text: string): Uint8Array => sequence(sequence(explicit(0, explicit(0, uri(text)))))
const access = (text: string): Uint8Array => sequence(sequence(oid('1.3.6.1.5.5.7.48.2'), uri(text)))
const notice = (...texts: readonly Uint8Array[]): Uint8Array =>
  sequence(
    sequence(
      oid('1.2.3.4'),
      sequence(...texts.map((text) => sequence(oid('1.3.6.1.5.5.7.2.2'), sequence(text)))),
    ),
  )
const cases: readonly (readonly [string, string, Uint8Array])[] = [
  ['cRLDistributionPoints', oids.crlDistributionPoints, point('ldap:///CN=a b?list')],
  ['cRLDistributionPoints', oids.crlDistributionPoints, sequence()],
  ['authorityInfoAccess', oids.authorityInfoAccess, access('file://\\\\host\\a.crt')],
  ['authorityInfoAccess', oids.authorityInfoAccess, sequence()],
  ['issuerAltName', oids.issuerAltName, sequence()],
  // Many CAs write the accents of their language into a notice of type IA5String.
  ['certificatePolicies', oids.certificatePolicies, notice(element(tags.ia5String, Uint8Array.of(0xe9)))],
  ['certificatePolicies', oids.certificatePolicies, notice()],
]

describe.each(cases)('%s (%s) that is odd', (name, type, value) => {
  const leafWith = (critical: boolean): ReturnType<typeof buildCertificate> =>
    buildCertificate(
      {
        ...validity,
        issuer: 'CN=root',
        subject: 'CN=leaf',
        publicKey: signer.publicKey,
        extensions: { authorityKeyIdentifier: keyIdentifier, other: [{ oid: type, critical, value }] },
      },
      signer,
    )

  it('is passed over by the rules of section 6, and refused by name by those of section 4', async () => {
    const leaf = await leafWith(false)
    expect(verifyPath(leaf, { anchors: [root], profile: sectionSix }).ok).toBe(true)
    const verdict = verifyPath(leaf, { anchors: [root], profile: 'rfc5280' })
    expect(verdict).toMatchObject({ ok: false, rejected: [{ code: 'ERR_PATH_PROFILE' }] })
    expect(verdict.ok ? '' : verdict.rejected[0]?.message).toContain(name)
    const critical = await leafWith(true)
    expect(verifyPath(critical, { anchors: [root], profile: sectionSix }).ok).toBe(false)
  })

  it('does not mute a list that revokes the certificate', async () => {
    const leaf = await leafWith(false)
    const list = await buildCrl(
      {
        issuer: 'CN=root',
        thisUpdate: new Date(Date.now() - 1000),
        nextUpdate: validity.notAfter,
        crlNumber: 1,
        authorityKeyIdentifier: keyIdentifier,
        entries: [{ serialNumber: leaf.serialNumber, revocationDate: new Date(Date.now() - 1000) }],
      },
      signer,
    )
    const revocation = createCrlChecker({ lists: [list], mode: 'soft-fail' })
    const verdict = verifyPath(leaf, {
      anchors: [root],
      profile: sectionSix,
      revocation,
    })
    expect(verdict).toMatchObject({ ok: false, rejected: [{ code: 'ERR_REVOKED' }] })
  })
})
