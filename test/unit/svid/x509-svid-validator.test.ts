// X.509-SVIDs by rule number.

import { beforeAll, describe, expect, it } from 'vitest'
import type { PkiErrorCode } from '../../../src/errors/index.ts'
import { matchMemberOf } from '../../../src/spiffe/index.ts'
import { TrustBundle, TrustBundleSet, X509Svid, X509SvidValidator, hasBothTlsPurposes, parseSpiffeBundle, verifyX509Svid } from '../../../src/svid/index.ts'
import type { X509SvidOptions } from '../../../src/svid/index.ts'
import { DistinguishedName, extensionOids, generalName, keyPurposeOids } from '../../../src/x509/index.ts'
import type { Certificate, ExtensionFields } from '../../../src/x509/index.ts'
import { makeAuthority, makeLeaf, time } from '../validation/test-pki.ts'
import type { Authority } from '../validation/test-pki.ts'

const id = 'spiffe://example.org/ns/prod/sa/api'
const subject = DistinguishedName.parse('CN=api')
let root: Authority
let intermediate: Authority
let foreign: Authority
let bundles: TrustBundleSet
beforeAll(async () => {
  root = await makeAuthority('root')
  intermediate = await makeAuthority('intermediate', root)
  foreign = await makeAuthority('foreign')
  bundles = new TrustBundleSet([
    new TrustBundle('example.org', { x509Authorities: [root.certificate] }),
    new TrustBundle('foreign.org', { x509Authorities: [foreign.certificate] }),
    new TrustBundle('empty.org'),
  ])
})
const leafOf = (extensions: ExtensionFields = {}, issuer = intermediate): Promise<Certificate> =>
  makeLeaf(issuer, { subject, extensions: { subjectAltName: [generalName.uri(id)], ...extensions } })
const code = (wanted: PkiErrorCode): unknown => expect.objectContaining({ code: wanted })

describe('verifyX509Svid', () => {
  it.each<[string, ExtensionFields, X509SvidOptions]>([
    ['a leaf below an intermediate', {}, {}],
    ['X-1 names of other kinds, any number', { subjectAltName: [generalName.dns('a.example'), generalName.uri(id), generalName.dns('b.example'), generalName.ip('10.0.0.1')] }, {}],
    ['X-6 no basic constraints', { basicConstraints: undefined }, {}],
    ['X-9 keyEncipherment and keyAgreement', { keyUsage: ['digitalSignature', 'keyEncipherment', 'keyAgreement'] }, {}],
    ['X-10 no purposes', { extendedKeyUsage: undefined }, { extendedKeyUsage: 'serverAuth' }],
    ['the ID that is wanted', {}, { id }],
    ['the trust domain that is wanted', {}, { id: matchMemberOf('example.org') }],
  ])('accepts %s', async (_name, extensions, options) => {
    const verdict = verifyX509Svid([await leafOf(extensions), intermediate.certificate], { bundles, time, ...options })
    expect(verdict).toMatchObject({ ok: true })
    if (verdict.ok) expect([verdict.id.toString(), verdict.path.certificates.length]).toEqual([id, 3])
  })

  it.each<[string, ExtensionFields, X509SvidOptions, PkiErrorCode]>([
    ['X-1 no URI', { subjectAltName: [generalName.dns('a.example')] }, {}, 'ERR_SVID_LEAF'],
    ['X-1 no names', { subjectAltName: undefined }, {}, 'ERR_SVID_LEAF'],
    ['X-1 two IDs', { subjectAltName: [generalName.uri(id), generalName.uri(`${id}2`)] }, {}, 'ERR_SVID_LEAF'],
    ['X-1 the ID twice', { subjectAltName: [generalName.uri(id), generalName.uri(id)] }, {}, 'ERR_SVID_LEAF'],
    ['X-1 a URI of another scheme', { subjectAltName: [generalName.uri('https://a.example/'), generalName.uri(id)] }, {}, 'ERR_SVID_LEAF'],
    ['X-2 no path', { subjectAltName: [generalName.uri('spiffe://example.org')] }, {}, 'ERR_SVID_LEAF'],
    ['X-6 a CA', { basicConstraints: { ca: true }, keyUsage: ['digitalSignature', 'keyCertSign'] }, {}, 'ERR_SVID_LEAF'],
    ['X-8 no key usage', { keyUsage: undefined }, {}, 'ERR_SVID_LEAF'],
    ['X-9 no digitalSignature', { keyUsage: ['keyAgreement'] }, {}, 'ERR_SVID_LEAF'],
    ['X-12 cRLSign', { keyUsage: ['digitalSignature', 'cRLSign'] }, {}, 'ERR_SVID_LEAF'],
    ['X-12 another scheme', { subjectAltName: [generalName.uri('https://example.org/ns/prod/sa/api')] }, {}, 'ERR_SVID_LEAF'],
    ['X-12 a slash at the end', { subjectAltName: [generalName.uri(`${id}/`)] }, {}, 'ERR_SVID_LEAF'],
    ['X-15 an empty bundle', { subjectAltName: [generalName.uri('spiffe://empty.org/a')] }, {}, 'ERR_BUNDLE_NOT_FOUND'],
    ['B-6 a trust domain without a bundle', { subjectAltName: [generalName.uri('spiffe://unknown.org/a')] }, {}, 'ERR_BUNDLE_NOT_FOUND'],
    ['F-4 a trust domain with another bundle', { subjectAltName: [generalName.uri('spiffe://foreign.org/a')] }, {}, 'ERR_PATH_ISSUER_UNKNOWN'],
    ['X-10 another purpose', { extendedKeyUsage: [keyPurposeOids.clientAuth] }, { extendedKeyUsage: 'serverAuth' }, 'ERR_PATH_EXTENDED_KEY_USAGE'],
    ['X-11 expired', {}, { time: new Date('2027-06-01T00:00:00Z') }, 'ERR_PATH_EXPIRED'],
    ['another ID', {}, { id: `${id}2` }, 'ERR_SPIFFE_ID_MISMATCH'],
    ['an asynchronous matcher', {}, { id: (async () => Promise.resolve(false)) as never }, 'ERR_SPIFFE_ID_MISMATCH'],
  ])('refuses %s', async (name, extensions, options, wanted) => {
    const verdict = verifyX509Svid([await leafOf(extensions), intermediate.certificate], { bundles, time, ...options })
    expect(verdict).toMatchObject({ ok: false, rejected: [{ code: wanted }] })
    const rule = /^X-(?:[1269]|8|12|15) /.exec(name)?.[0].trim()
    if (rule !== undefined && !verdict.ok) expect(verdict.rejected[0]?.rule).toBe(rule)
  })

  it.each([
    [true, true],
    [false, false],
  ])('X-3 an empty subject with a critical alternative name, %s: %s', async (subjectAltNameCritical, ok) => {
    const leaf = await makeLeaf(intermediate, { subject: DistinguishedName.of([]), extensions: { subjectAltName: [generalName.uri(id)], subjectAltNameCritical } })
    const verdict = verifyX509Svid([leaf, intermediate.certificate], { bundles, time })
    expect(verdict.ok).toBe(ok)
    if (!verdict.ok) expect(verdict.rejected[0]).toMatchObject({ code: 'ERR_SVID_LEAF', rule: 'X-3' })
  })

  it.each([
    ['spiffe://example.org', true],
    ['spiffe://example.org/', true], // ID-11
    ['spiffe://example.org/ca', false],
    ['spiffe://EXAMPLE.org', false],
  ])('X-4 a CA with the ID %s: %s', async (name, ok) => {
    const issuer = await makeAuthority('issuer', root, { extensions: { subjectAltName: [generalName.uri(name)] } })
    const verdict = verifyX509Svid([await leafOf({}, issuer), issuer.certificate], { bundles, time })
    expect(verdict.ok).toBe(ok)
    if (!verdict.ok) expect(verdict.rejected[0]).toMatchObject({ code: 'ERR_SVID_ISSUER', rule: 'X-4' })
  })

  it('X-4 a CA that breaks the rule closes its own path, not one that leads past it', async () => {
    // Its key identifier is another, so it is tried last.
    const good = await makeAuthority('issuer', root, { extensions: { subjectKeyIdentifier: Uint8Array.of(9) } })
    const bad = await Promise.all(['/ca', '/other'].map((path) => makeAuthority('issuer', root, { signer: good.signer, extensions: { subjectAltName: [generalName.uri(`spiffe://example.org${path}`)] } })))
    const leaf = await leafOf({}, good)
    const certificates = [...bad, good].map(({ certificate }) => certificate)
    for (const order of [certificates, [...certificates].reverse()]) expect(verifyX509Svid([leaf, Uint8Array.of(1), ...order], { bundles, time }).ok).toBe(true)
    expect(verifyX509Svid([leaf, ...certificates.slice(0, 2)], { bundles, time })).toMatchObject({ ok: false, rejected: [{ code: 'ERR_SVID_ISSUER', rule: 'X-4' }] })
    const wanted = { ok: false, rejected: [{ code: 'ERR_SPIFFE_ID_MISMATCH' }] }
    expect(verifyX509Svid([leaf, ...certificates], { bundles, time, id: `${id}2` })).toMatchObject(wanted)
  })

  it('X-5 refuses the authority itself, and chains that are empty or no certificates', async () => {
    for (const chain of [[root.certificate], [], [new Uint8Array()], [Uint8Array.of(0x30, 0)], [(await leafOf()).der.subarray(1)]]) {
      expect(verifyX509Svid(chain, { bundles, time }).ok).toBe(false)
    }
  })

  it('refuses below an authority whose time is over, or whose ID has a path', async () => {
    const expired = await makeAuthority('expired', undefined, { notAfter: new Date('2026-02-01T00:00:00Z') })
    const named = await makeAuthority('named', undefined, { extensions: { subjectAltName: [generalName.uri('spiffe://example.org/ca')] } })
    for (const [authority, wanted] of [[expired, 'ERR_PATH_EXPIRED'], [named, 'ERR_SVID_ISSUER']] as const) {
      const verdict = verifyX509Svid([await leafOf({}, authority)], { bundles: new TrustBundle('example.org', { x509Authorities: [authority.certificate] }), time })
      expect(verdict).toMatchObject({ ok: false, rejected: [{ code: wanted }] })
    }
  })

  it('X-14 an authority that is malformed takes no other with it', async () => {
    const other = [{ oid: extensionOids.nameConstraints, critical: true, value: Uint8Array.of(0x30, 0) }]
    const { certificate: malformed } = await makeAuthority('malformed', undefined, { extensions: { other } })
    const chain = [await leafOf(), intermediate.certificate]
    const ask = (...x509Authorities: Certificate[]): unknown => verifyX509Svid(chain, { bundles: new TrustBundle('example.org', { x509Authorities }), time })
    expect(ask(malformed, root.certificate)).toMatchObject({ ok: true })
    expect(ask(malformed)).toMatchObject({ ok: false, rejected: [{ code: 'ERR_BUNDLE_NOT_FOUND', rule: 'X-15' }] })
    const keys = [malformed, root.certificate].map(({ der }) => ({ kty: 'EC', use: 'x509-svid', x5c: [Buffer.from(der).toString('base64')] }))
    expect(parseSpiffeBundle(JSON.stringify({ keys }), { trustDomain: 'example.org' }).x509Authorities).toHaveLength(1)
  })

  it('follows the bundle as it changes', async () => {
    const set = new TrustBundleSet(bundles.bundles)
    const validator = new X509SvidValidator({ bundles: set, time })
    const chain = [await leafOf(), intermediate.certificate]
    expect([validator.verify(chain).ok, validator.verify(chain).ok]).toEqual([true, true])
    set.set(new TrustBundle('example.org', { x509Authorities: [foreign.certificate] }))
    expect(validator.verify(chain).ok).toBe(false)
    set.delete('example.org')
    expect(validator.verify(chain)).toMatchObject({ ok: false, rejected: [{ code: 'ERR_BUNDLE_NOT_FOUND', rule: 'X-15' }] })
  })
})

describe('X509Svid', () => {
  it('reads a chain and gives it back', async () => {
    const leaf = await leafOf()
    const svid = X509Svid.fromPem(leaf.toPem() + intermediate.certificate.toPem())
    expect([svid.id.toString(), svid.certificates.length, svid.toPem()]).toEqual([id, 2, leaf.toPem() + intermediate.certificate.toPem()])
    expect(hasBothTlsPurposes(svid.leaf)).toBe(true)
    expect(hasBothTlsPurposes(await leafOf({ extendedKeyUsage: [keyPurposeOids.clientAuth] }))).toBe(false)
  })

  it('refuses what is no leaf', () => {
    expect(() => new X509Svid([])).toThrow(code('ERR_SVID_LEAF'))
    expect(() => new X509Svid([root.certificate])).toThrow(code('ERR_SVID_LEAF'))
  })
})
