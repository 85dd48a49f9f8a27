// X.509-SVIDs by rule number.

import { describe, expect, it } from 'vitest'
import type { PkiErrorCode } from '../../../src/errors/index.ts'
import { SpiffeId, TrustDomain, match } from '../../../src/spiffe/index.ts'
import {
  JwtAuthority,
  TrustBundle,
  TrustBundleSet,
  X509Svid,
  X509SvidValidator,
  formatSpiffeBundle,
  parseSpiffeBundle,
  verifyX509Svid,
} from '../../../src/svid/index.ts'
import type { X509SvidVerdict } from '../../../src/svid/index.ts'
import type { X509SvidOptions } from '../../../src/svid/internal.ts'
import { explainVerdict } from '../../../src/validation/index.ts'
import { DistinguishedName, extensionOids, generalName, keyPurposeOids } from '../../../src/x509/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../src/x509/internal.ts'
import { code } from '../../support/codes.ts'
import { makeAuthority, makeChain, makeLeaf, rejectionOf, time } from '../validation/test-pki.ts'

const id = 'spiffe://example.org/ns/prod/sa/api'
const subject = DistinguishedName.parse('CN=api')
const { root, ca: intermediate } = await makeChain()
const foreign = await makeAuthority('foreign')
const bundles = new TrustBundleSet([
  new TrustBundle('example.org', { x509Authorities: [root.certificate] }),
  new TrustBundle('foreign.org', { x509Authorities: [foreign.certificate] }),
  new TrustBundle('empty.org'),
])
const leafOf = (extensions: ExtensionFields = {}, issuer = intermediate): Promise<Certificate> =>
  makeLeaf(issuer, { subject, extensions: { subjectAltName: [generalName.uri(id)], ...extensions } })
const jwkOf = ({ publicKey }: Certificate): object => JwtAuthority.from('k', publicKey).toJwk()

function rulesOf(verdict: X509SvidVerdict): readonly string[] {
  return verdict.ok ? [] : verdict.rejected.map(({ rule }) => rule)
}

describe('verifyX509Svid', () => {
  it.each<[string, ExtensionFields, X509SvidOptions]>([
    ['a leaf below an intermediate', {}, {}],
    [
      'X-1 names of other kinds, any number',
      {
        subjectAltName: [
          generalName.dns('a.example'),
          generalName.uri(id),
          generalName.dns('b.example'),
          generalName.ip('10.0.0.1'),
        ],
      },
      {},
    ],
    ['X-6 no basic constraints', { basicConstraints: undefined }, {}],
    [
      'X-9 keyEncipherment and keyAgreement',
      { keyUsage: ['digitalSignature', 'keyEncipherment', 'keyAgreement'] },
      {},
    ],
    ['X-10 no purposes', { extendedKeyUsage: undefined }, { extendedKeyUsage: 'serverAuth' }],
    ['the ID that is wanted', {}, { id }],
    ['the trust domain that is wanted', {}, { id: match.memberOf('example.org') }],
  ])('accepts %s', async (_name, extensions, options) => {
    const verdict = verifyX509Svid([await leafOf(extensions), intermediate.certificate], {
      bundles,
      time,
      ...options,
    })
    expect(verdict).toMatchObject({ ok: true, path: { certificates: { length: 3 } } })
    expect(verdict.ok && verdict.id.toString()).toBe(id)
  })

  it.each<[string, ExtensionFields, X509SvidOptions, PkiErrorCode]>([
    ['X-1 no URI', { subjectAltName: [generalName.dns('a.example')] }, {}, 'ERR_SVID_LEAF'],
    ['X-1 no names', { subjectAltName: undefined }, {}, 'ERR_SVID_LEAF'],
    [
      'X-1 two IDs',
      { subjectAltName: [generalName.uri(id), generalName.uri(`${id}2`)] },
      {},
      'ERR_SVID_LEAF',
    ],
    ['X-1 the ID twice', { subjectAltName: [generalName.uri(id), generalName.uri(id)] }, {}, 'ERR_SVID_LEAF'],
    [
      'X-1 a URI of another scheme',
      { subjectAltName: [generalName.uri('https://a.example/'), generalName.uri(id)] },
      {},
      'ERR_SVID_LEAF',
    ],
    ['X-2 no path', { subjectAltName: [generalName.uri('spiffe://example.org')] }, {}, 'ERR_SVID_LEAF'],
    [
      'X-6 a CA',
      { basicConstraints: { ca: true }, keyUsage: ['digitalSignature', 'keyCertSign'] },
      {},
      'ERR_SVID_LEAF',
    ],
    ['X-8 no key usage', { keyUsage: undefined }, {}, 'ERR_SVID_LEAF'],
    ['X-9 no digitalSignature', { keyUsage: ['keyAgreement'] }, {}, 'ERR_SVID_LEAF'],
    ['X-12 cRLSign', { keyUsage: ['digitalSignature', 'cRLSign'] }, {}, 'ERR_SVID_LEAF'],
    [
      'X-12 another scheme',
      { subjectAltName: [generalName.uri('https://example.org/ns/prod/sa/api')] },
      {},
      'ERR_SVID_LEAF',
    ],
    ['X-12 a slash at the end', { subjectAltName: [generalName.uri(`${id}/`)] }, {}, 'ERR_SVID_LEAF'],
    [
      'X-15 an empty bundle',
      { subjectAltName: [generalName.uri('spiffe://empty.org/a')] },
      {},
      'ERR_BUNDLE_NOT_FOUND',
    ],
    [
      'B-6 a trust domain without a bundle',
      { subjectAltName: [generalName.uri('spiffe://unknown.org/a')] },
      {},
      'ERR_BUNDLE_NOT_FOUND',
    ],
    [
      'F-4 a trust domain with another bundle',
      { subjectAltName: [generalName.uri('spiffe://foreign.org/a')] },
      {},
      'ERR_PATH_ISSUER_UNKNOWN',
    ],
    [
      'X-10 another purpose',
      { extendedKeyUsage: [keyPurposeOids.clientAuth] },
      { extendedKeyUsage: 'serverAuth' },
      'ERR_PATH_EXTENDED_KEY_USAGE',
    ],
    ['X-11 expired', {}, { time: new Date('2027-06-01T00:00:00Z') }, 'ERR_PATH_EXPIRED'],
    ['another ID', {}, { id: `${id}2` }, 'ERR_SPIFFE_ID_MISMATCH'],
    [
      'an asynchronous matcher',
      {},
      { id: (async () => Promise.resolve(false)) as never },
      'ERR_SPIFFE_ID_MISMATCH',
    ],
  ])('refuses %s', async (name, extensions, options, wanted) => {
    const verdict = verifyX509Svid([await leafOf(extensions), intermediate.certificate], {
      bundles,
      time,
      ...options,
    })
    // The rules of SPIFFE stand first in the names of these cases; what RFC 5280 refuses names its own.
    const [, rule] = /^(X-(?:1|2|6|8|9|12|15)) /.exec(name) ?? []
    expect(verdict).toMatchObject({
      ok: false,
      rejected: [{ code: wanted, ...(rule === undefined ? {} : { rule }) }],
    })
  })

  it.each([
    [true, true],
    [false, false],
  ])('X-3 an empty subject with a critical alternative name, %s: %s', async (subjectAltNameCritical, ok) => {
    const leaf = await makeLeaf(intermediate, {
      subject: DistinguishedName.of([]),
      extensions: { subjectAltName: [generalName.uri(id)], subjectAltNameCritical },
    })
    const verdict = verifyX509Svid([leaf, intermediate.certificate], { bundles, time })
    expect(verdict).toMatchObject(ok ? { ok } : { ok, rejected: [{ code: 'ERR_SVID_LEAF', rule: 'X-3' }] })
  })

  it.each([
    ['spiffe://example.org', true],
    ['spiffe://example.org/', true], // ID-11
    ['spiffe://example.org/ca', false],
    ['spiffe://EXAMPLE.org', false],
    ['spiffe://other.org', true], // "MAY sign signing certificates of other trust domains"
    ['https://ca.example/', true],
    ['SPIFFE://example.org', false],
    ['spiffe://example.org//', false],
    ['spiffe://example.org?x', false],
  ])('X-4 a CA with the ID %s: %s', async (name, ok) => {
    const issuer = await makeAuthority('issuer', root, {
      extensions: { subjectAltName: [generalName.uri(name)] },
    })
    const verdict = verifyX509Svid([await leafOf({}, issuer), issuer.certificate], { bundles, time })
    expect(verdict).toMatchObject(ok ? { ok } : { ok, rejected: [{ code: 'ERR_SVID_ISSUER', rule: 'X-4' }] })
  })

  it.each([
    ['two SPIFFE IDs', ['spiffe://example.org', 'spiffe://other.org'], false],
    ['a SPIFFE ID and another URI', ['spiffe://example.org', 'https://ca.example/'], false],
    ['two URIs of other schemes, which make no SVID', ['https://ca.example/', 'https://ca2.example/'], true],
  ] as const)('X-1 a CA with %s', async (_what, names, ok) => {
    const issuer = await makeAuthority('issuer', root, {
      extensions: { subjectAltName: names.map((name) => generalName.uri(name)) },
    })
    const verdict = verifyX509Svid([await leafOf({}, issuer), issuer.certificate], { bundles, time })
    expect(verdict).toMatchObject(
      ok
        ? { ok }
        : { ok, rejected: [{ code: 'ERR_SVID_ISSUER', rule: 'X-1', certificate: issuer.certificate }] },
    )
  })

  it.each([
    ['the host itself', { permitted: [generalName.uri('example.org')] }, true],
    ['a domain below', { permitted: [generalName.uri('.example.org')] }, false],
    ['another host', { permitted: [generalName.uri('other.org')] }, false],
    [
      'another host among more',
      { permitted: [generalName.uri('other.org'), generalName.uri('example.org')] },
      true,
    ],
    ['the host excluded', { excluded: [generalName.uri('example.org')] }, false],
    ['another host excluded', { excluded: [generalName.uri('.example.org')] }, true],
    ['names of another type', { permitted: [generalName.dns('other.org')] }, true],
  ])('X-7 a CA constrained to %s', async (_what, nameConstraints, ok) => {
    const issuer = await makeAuthority('issuer', root, { extensions: { nameConstraints } })
    const verdict = verifyX509Svid([await leafOf({}, issuer), issuer.certificate], { bundles, time })
    expect(rejectionOf(verdict)).toBe(ok ? undefined : 'ERR_PATH_NAME_CONSTRAINTS')
  })

  it.each<[string, boolean, Uint8Array, string | undefined]>([
    ['X-8 key usage, critical', true, Uint8Array.of(3, 2, 7, 0x80), undefined],
    ['X-8 key usage that is not critical', false, Uint8Array.of(3, 2, 7, 0x80), 'X-8'],
    ['X-9 digitalSignature and keyEncipherment', true, Uint8Array.of(3, 2, 5, 0xa0), undefined],
    ['X-9 without digitalSignature', true, Uint8Array.of(3, 2, 5, 0x20), 'X-9'],
    ['X-12 keyCertSign in a leaf', true, Uint8Array.of(3, 2, 2, 0x84), 'X-12'],
    ['X-12 cRLSign in a leaf', true, Uint8Array.of(3, 2, 1, 0x82), 'X-12'],
  ])('%s', async (_what, critical, value, rule) => {
    const verdict = verifyX509Svid(
      [
        await leafOf({ keyUsage: undefined, other: [{ oid: extensionOids.keyUsage, critical, value }] }),
        intermediate.certificate,
      ],
      { bundles, time },
    )
    expect(verdict.ok ? undefined : verdict.rejected[0]?.rule).toBe(rule)
  })

  it('X-4 a CA that breaks the rule closes its own path, not one that leads past it', async () => {
    // Its key identifier is another, so it is tried last.
    const good = await makeAuthority('issuer', root, {
      extensions: { subjectKeyIdentifier: Uint8Array.of(9) },
    })
    const bad = await Promise.all(
      ['/ca', '/other'].map((path) =>
        makeAuthority('issuer', root, {
          signer: good.signer,
          extensions: { subjectAltName: [generalName.uri(`spiffe://example.org${path}`)] },
        }),
      ),
    )
    const leaf = await leafOf({}, good)
    const certificates = [...bad, good].map(({ certificate }) => certificate)
    for (const order of [certificates, [...certificates].reverse()])
      expect(verifyX509Svid([leaf, Uint8Array.of(1), ...order], { bundles, time }).ok).toBe(true)
    expect(rulesOf(verifyX509Svid([leaf, ...certificates.slice(0, 2)], { bundles, time }))).toEqual([
      'X-4',
      'X-4',
    ])
    const wanted = { ok: false, rejected: [{ code: 'ERR_SPIFFE_ID_MISMATCH' }] }
    expect(verifyX509Svid([leaf, ...certificates], { bundles, time, id: `${id}2` })).toMatchObject(wanted)
  })

  it('X-4 an authority, or an intermediate at hand, that breaks the rule does the same', async () => {
    const names = ['/ca', '/other', '/third', '/fourth']
    // Longer, so that it is tried after the others, whatever the order they come in.
    const named = {
      subjectAltName: [generalName.uri('spiffe://example.org'), generalName.dns(`${'a'.repeat(60)}.example`)],
    }
    const right = await makeAuthority('root', undefined, { signer: root.signer, extensions: named })
    const twins = await Promise.all(
      names.map((path) =>
        makeAuthority('root', undefined, {
          signer: root.signer,
          extensions: { subjectAltName: [generalName.uri(`spiffe://example.org${path}`)] },
        }),
      ),
    )
    const anchors = [...twins, right].map(({ certificate }) => certificate)
    const chain = [await leafOf(), intermediate.certificate]
    for (const x509Authorities of [anchors, [...anchors].reverse()]) {
      expect(
        verifyX509Svid(chain, { bundles: new TrustBundle('example.org', { x509Authorities }), time }),
      ).toMatchObject({ ok: true })
    }
    expect(
      verifyX509Svid(chain, {
        bundles: new TrustBundle('example.org', { x509Authorities: anchors.slice(0, -1) }),
        time,
      }),
    ).toMatchObject({ ok: false, rejected: names.map(() => ({ code: 'ERR_SVID_ISSUER', rule: 'X-4' })) })
    const kept = await Promise.all(
      names.map((path) =>
        makeAuthority('ca', root, {
          signer: intermediate.signer,
          extensions: { subjectAltName: [generalName.uri(`spiffe://example.org${path}`)] },
        }),
      ),
    )
    const good = await makeAuthority('ca', root, { signer: intermediate.signer, extensions: named })
    const intermediates = kept.map(({ certificate }) => certificate)
    expect(
      verifyX509Svid([chain[0] as Certificate, good.certificate], { bundles, time, intermediates }),
    ).toMatchObject({ ok: true })
    expect(
      verifyX509Svid([chain[0] as Certificate], {
        bundles,
        time,
        intermediates: [...intermediates, good.certificate],
      }),
    ).toMatchObject({ ok: true })
    expect(verifyX509Svid([chain[0] as Certificate], { bundles, time, intermediates })).toMatchObject({
      ok: false,
      rejected: names.map(() => ({ code: 'ERR_SVID_ISSUER', rule: 'X-4' })),
    })
  })

  it('explains itself as a path does', async () => {
    const verdict = verifyX509Svid([await leafOf(), intermediate.certificate], {
      bundles,
      time,
      id: `${id}2`,
    })
    expect(explainVerdict(verdict).split('\n').slice(0, 2)).toEqual([
      expect.stringMatching(/^Rejected: 1 path tried\./),
      `1. ERR_SPIFFE_ID_MISMATCH: the SPIFFE ID is ${id}, expected ${id}2 [X-12]`,
    ])
    expect(explainVerdict(verifyX509Svid([], { bundles }))).toContain('ERR_SVID_LEAF')
    expect(
      explainVerdict(verifyX509Svid([await leafOf(), intermediate.certificate], { bundles, time })),
    ).toContain('Accepted.')
  })

  it('X-5 refuses the authority itself, and chains that are empty or no certificates', async () => {
    for (const chain of [
      [root.certificate],
      [],
      [new Uint8Array()],
      [Uint8Array.of(0x30, 0)],
      [(await leafOf()).der.subarray(1)],
    ]) {
      expect(verifyX509Svid(chain, { bundles, time }).ok).toBe(false)
    }
  })

  it('refuses below an authority whose time is over, or whose ID has a path', async () => {
    const expired = await makeAuthority('expired', undefined, { notAfter: new Date('2026-02-01T00:00:00Z') })
    const named = await makeAuthority('named', undefined, {
      extensions: { subjectAltName: [generalName.uri('spiffe://example.org/ca')] },
    })
    for (const [authority, wanted] of [
      [expired, 'ERR_PATH_EXPIRED'],
      [named, 'ERR_SVID_ISSUER'],
    ] as const) {
      const verdict = verifyX509Svid([await leafOf({}, authority)], {
        bundles: new TrustBundle('example.org', { x509Authorities: [authority.certificate] }),
        time,
      })
      expect(verdict).toMatchObject({ ok: false, rejected: [{ code: wanted }] })
    }
  })

  it('X-14 an authority that is malformed takes no other with it', async () => {
    const other = [{ oid: extensionOids.nameConstraints, critical: true, value: Uint8Array.of(0x30, 0) }]
    const { certificate: malformed } = await makeAuthority('malformed', undefined, { extensions: { other } })
    const chain = [await leafOf(), intermediate.certificate]
    const ask = (...x509Authorities: Certificate[]): unknown =>
      verifyX509Svid(chain, { bundles: new TrustBundle('example.org', { x509Authorities }), time })
    expect(ask(malformed, root.certificate)).toMatchObject({ ok: true })
    expect(ask(malformed)).toMatchObject({
      ok: false,
      rejected: [
        {
          code: 'ERR_BUNDLE_NOT_FOUND',
          rule: 'X-15',
          // A bundle without authorities says why it has none.
          message: expect.stringContaining('entry 0 (CN=malformed) was skipped: nameConstraints'),
        },
      ],
    })
    // Also where one that breaks X-4 is skipped.
    const named = await makeAuthority('root', undefined, {
      signer: root.signer,
      extensions: { subjectAltName: [generalName.uri('spiffe://example.org/ca')] },
    })
    expect([
      ask(named.certificate),
      ask(malformed, named.certificate),
      ask(malformed, named.certificate, root.certificate),
    ]).toMatchObject([
      { ok: false, rejected: [{ code: 'ERR_SVID_ISSUER' }] },
      { ok: false, rejected: [{ code: 'ERR_SVID_ISSUER' }] },
      { ok: true },
    ])
    const keys = [malformed, root.certificate].map(({ der }) => ({
      kty: 'EC',
      use: 'x509-svid',
      x5c: [Buffer.from(der).toString('base64')],
    }))
    expect(
      parseSpiffeBundle(JSON.stringify({ keys }), { trustDomain: 'example.org' }).x509Authorities,
    ).toHaveLength(1)
  })

  it('spends what it is given, for one verification or for all', async () => {
    const chain = [await leafOf(), intermediate.certificate]
    const [budget, enough] = [{ maxSignatureChecks: 1 }, { maxSignatureChecks: 2 }]
    const wanted = { ok: false, rejected: [{ code: 'ERR_PATH_BUDGET' }] }
    expect(verifyX509Svid(chain, { bundles, time, budget })).toMatchObject(wanted)
    expect(new X509SvidValidator({ bundles, time }).verify(chain, { budget })).toMatchObject(wanted)
    expect(new X509SvidValidator({ bundles, time, budget }).verify(chain, { budget: enough })).toMatchObject({
      ok: true,
      spent: { signatureChecks: 2 },
    })
  })

  it('works out a bundle once', async () => {
    const validator = new X509SvidValidator({ bundles, time })
    const chain = [await leafOf(), intermediate.certificate]
    expect([1, 2].map(() => validator.verify(chain).spent.signatureChecks)).toEqual([2, 0])
  })

  it('asks for revocation where it is told to', async () => {
    const asked: string[] = []
    const revocation = {
      check: ({ certificate }: { certificate: Certificate }) => {
        asked.push(certificate.serialNumber)
        return undefined
      },
    }
    const leaf = await leafOf()
    verifyX509Svid([leaf, intermediate.certificate], { bundles, time, revocation: revocation as never })
    expect(asked).toContain(leaf.serialNumber)
  })

  it('X-13 publishes what consumers read: one certificate, the use, no kid', async () => {
    const document = formatSpiffeBundle(bundles.bundleFor(TrustDomain.parse('example.org')) as TrustBundle)
    const { keys } = JSON.parse(document) as { keys: Record<string, unknown>[] }
    expect(keys.map(({ use, kid, x5c, kty }) => [use, kid, (x5c as string[]).length, kty])).toEqual([
      ['x509-svid', undefined, 1, 'EC'],
    ])
    expect(
      verifyX509Svid([await leafOf(), intermediate.certificate], {
        bundles: parseSpiffeBundle(document, { trustDomain: 'example.org' }),
        time,
      }).ok,
    ).toBe(true)
  })

  it.each<[string, (own: string, other: string) => readonly unknown[], boolean]>([
    ['X-14 the authority as the first value', (own, other) => [own, other], true],
    ['X-14 the authority as the second value', (own, other) => [other, own], false],
    ['X-14 rubbish after the authority', (own) => [own, 'rubbish', null, {}], true],
    ['X-14 rubbish before it', (own) => ['rubbish', own], false],
    ['X-15 no value at all', () => [], false],
  ])('%s', async (_what, x5c, ok) => {
    const [own, other] = [root, foreign].map(({ certificate }) =>
      Buffer.from(certificate.der).toString('base64'),
    ) as [string, string]
    const bundle = parseSpiffeBundle(
      JSON.stringify({ keys: [{ kty: 'EC', use: 'x509-svid', x5c: x5c(own, other) }] }),
      { trustDomain: 'example.org' },
    )
    expect(verifyX509Svid([await leafOf(), intermediate.certificate], { bundles: bundle, time }).ok).toBe(ok)
  })

  it('X-15 a key for JWT-SVIDs vouches for no certificate, though it has one', async () => {
    const entry = {
      ...jwkOf(root.certificate),
      use: 'jwt-svid',
      kid: 'k',
      x5c: [Buffer.from(root.certificate.der).toString('base64')],
    }
    const bundle = parseSpiffeBundle(JSON.stringify({ keys: [entry] }), { trustDomain: 'example.org' })
    expect([bundle.jwtAuthorities.length, bundle.x509Authorities.length]).toEqual([1, 0])
    expect(
      verifyX509Svid([await leafOf(), intermediate.certificate], { bundles: bundle, time }),
    ).toMatchObject({ ok: false, rejected: [{ code: 'ERR_BUNDLE_NOT_FOUND', rule: 'X-15' }] })
  })

  it('F-4 two trust domains with CAs of the same names share nothing, in any order', async () => {
    const twin = await makeAuthority('root')
    const twinIntermediate = await makeAuthority('ca', twin)
    const both = new TrustBundleSet([
      new TrustBundle('example.org', { x509Authorities: [root.certificate] }),
      new TrustBundle('twin.org', { x509Authorities: [twin.certificate] }),
    ])
    const own = await leafOf()
    const twins = await leafOf({ subjectAltName: [generalName.uri('spiffe://twin.org/a')] }, twinIntermediate)
    const forged = await leafOf({ subjectAltName: [generalName.uri(id)] }, twinIntermediate)
    const authorities = [intermediate, twinIntermediate].map(({ certificate }) => certificate)
    // Intermediates that the validator keeps, or that it remembers of verified paths, are of both: only
    // anchors decide.
    const validator = new X509SvidValidator({ bundles: both, intermediates: authorities, time })
    for (let round = 0; round < 3; round++) {
      expect([own, twins].map((leaf) => validator.verify([leaf, ...authorities]).ok)).toEqual([true, true])
      expect(validator.verify([forged, ...authorities])).toMatchObject({ ok: false })
      expect(validator.verify([forged])).toMatchObject({ ok: false })
      expect(validator.verify([forged, twinIntermediate.certificate, twin.certificate])).toMatchObject({
        ok: false,
      })
    }
  })

  it('a bundle that changes while a chain is verified counts from the next one on', async () => {
    const set = new TrustBundleSet(bundles.bundles)
    const revocation = { check: () => (set.set(new TrustBundle('example.org')), undefined) }
    const validator = new X509SvidValidator({ bundles: set, time })
    const chain = [await leafOf(), intermediate.certificate]
    expect(validator.verify(chain, { revocation }).ok).toBe(true)
    expect(validator.verify(chain)).toMatchObject({
      ok: false,
      rejected: [{ code: 'ERR_BUNDLE_NOT_FOUND', rule: 'X-15' }],
    })
    set.set(new TrustBundle('example.org', { x509Authorities: [root.certificate] }))
    expect(validator.verify(chain).ok).toBe(true)
  })

  it('B-6 a source that answers with the bundle of another is believed nothing', async () => {
    const validator = new X509SvidValidator({
      bundles: { bundleFor: () => bundles.bundleFor(TrustDomain.parse('foreign.org')) },
      time,
    })
    expect(validator.verify([await leafOf({}, foreign)])).toMatchObject({
      ok: false,
      rejected: [{ code: 'ERR_BUNDLE_NOT_FOUND' }],
    })
  })

  it.each<[string, X509SvidOptions['id'], boolean]>([
    ['a member of its trust domain', match.memberOf('example.org'), true],
    ['a member of another', match.memberOf('example.or'), false],
    ['one of several', match.oneOf([`${id}2`, id]), true],
    ['none of none', match.oneOf([]), false],
    ['a pattern', match.pathPattern('example.org', '/ns/prod/sa/*'), true],
    ['a pattern of fewer segments', match.pathPattern('example.org', '/ns/prod/*'), false],
    ['an open pattern', match.pathPattern('example.org', '/ns/**'), true],
    ['a function of the caller', (found) => found.segments[1] === 'prod', true],
    ['one that answers with a truth that is not true', (() => 1) as never, false],
    ['one that throws what the package throws', () => SpiffeId.parse('x').hasPath, false],
  ])('authorises by %s', async (_what, wanted, ok) => {
    const verdict = verifyX509Svid([await leafOf(), intermediate.certificate], {
      bundles,
      time,
      ...(wanted === undefined ? {} : { id: wanted }),
    })
    expect(verdict.ok).toBe(ok)
  })

  it.each<[string, X509SvidOptions]>([
    ['a time that is none', { time: new Date(Number.NaN) }],
    ['a purpose that is a misspelt name', { extendedKeyUsage: 'serverauth' }],
    ['a depth that is no count', { maxDepth: -1 }],
  ])('throws for %s, which no peer can send', async (_what, options) => {
    const chain = [await leafOf(), intermediate.certificate]
    expect(() => verifyX509Svid(chain, { bundles, time, ...options })).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('asks no matcher about a peer that is not who it says', async () => {
    let asked = 0
    const forged = await leafOf({}, await makeAuthority('ca', foreign))
    expect(
      verifyX509Svid([forged, intermediate.certificate], { bundles, time, id: () => ++asked > 0 }).ok,
    ).toBe(false)
    expect(asked).toBe(0)
  })

  it('follows the bundle as it changes', async () => {
    const set = new TrustBundleSet(bundles.bundles)
    const validator = new X509SvidValidator({ bundles: set, time })
    const chain = [await leafOf(), intermediate.certificate]
    expect([validator.verify(chain).ok, validator.verify(chain).ok]).toEqual([true, true])
    set.set(new TrustBundle('example.org', { x509Authorities: [foreign.certificate] }))
    expect(validator.verify(chain).ok).toBe(false)
    set.delete('example.org')
    expect(validator.verify(chain)).toMatchObject({
      ok: false,
      rejected: [{ code: 'ERR_BUNDLE_NOT_FOUND', rule: 'X-15' }],
    })
  })
})

describe('X509Svid', () => {
  it('reads a chain and gives it back', async () => {
    const leaf = await leafOf()
    const svid = X509Svid.fromPem(leaf.toPem() + intermediate.certificate.toPem())
    expect([svid.id.toString(), svid.certificates.length, svid.toPem()]).toEqual([
      id,
      2,
      leaf.toPem() + intermediate.certificate.toPem(),
    ])
    expect(svid.hasBothTlsPurposes).toBe(true)
    const forClients = await leafOf({ extendedKeyUsage: [keyPurposeOids.clientAuth] })
    expect(new X509Svid([forClients]).hasBothTlsPurposes).toBe(false)
  })

  it('refuses what is no leaf', () => {
    expect(() => new X509Svid([])).toThrow(code('ERR_SVID_LEAF'))
    expect(() => new X509Svid([root.certificate])).toThrow(code('ERR_SVID_LEAF'))
  })
})
