// Which lists count, and for what (RFC 5280 §5.2.3 to §5.2.6, §5.3.3, §6.3.3; RFC 9608).

import { describe, expect, it } from 'vitest'
import { integer, oid, sequence, setOf, utf8String } from '../../../../src/der/index.ts'
import { createCrlChecker, createPathValidator } from '../../../../src/validation/index.ts'
import { Budget } from '../../../../src/validation/budget.ts'
import type { RevocationQuery } from '../../../../src/validation/index.ts'
import type { CrlCheckerOptions } from '../../../../src/validation/revocation/index.ts'
import { DistinguishedName, Crl, extensionOids, generalName } from '../../../../src/x509/index.ts'
import { encodeDistributionPoints } from '../../../../src/x509/internal.ts'
import type { Certificate, GeneralName } from '../../../../src/x509/index.ts'
import type { ExtensionFields } from '../../../../src/x509/internal.ts'
import type { CrlFields } from '../../../../src/x509/crl/crl-builder.ts'
import {
  at,
  extensionList,
  judge,
  makeAuthority,
  makeChain,
  makeCrlIssuer,
  makeLeaf,
  makeList,
  newSigner,
  rejectionOf,
  resign,
  time,
} from '../test-pki.ts'

type Entry = CrlFields['entries'] extends Iterable<infer Each> ? Each : never
type Fields = Partial<CrlFields>

const directory = (name: DistinguishedName): GeneralName => ({ type: 'directoryName', name })
const relative = (text: string): { nameRelativeToCrlIssuer: Uint8Array } => ({
  nameRelativeToCrlIssuer: setOf(sequence(oid('2.5.4.3'), utf8String(text))),
})
const point = (...parts: string[]): { fullName: readonly GeneralName[] } => ({
  fullName: parts.map((part) => generalName.uri(`http://crl.example/${part}`)),
})

const chain = await makeChain()
const { root, ca, leaf } = chain
const list = (fields: Fields = {}, by = ca): Promise<Crl> => makeList(by, fields)
const rootList = await list({ thisUpdate: at(-2) }, root)
const revoked: Entry = { serialNumber: leaf.serialNumber, revocationDate: at(-5), reason: 'keyCompromise' }
const held: Entry = { ...revoked, reason: 'certificateHold' }
const lifted: Entry = { ...revoked, reason: 'removeFromCRL' }

/** The list with other extensions. */
async function withExtensions(
  fields: Fields,
  edit: (extensions: Crl['extensions']) => Crl['extensions'],
): Promise<Crl> {
  const made = await list(fields)
  return Crl.parse(
    await resign(made.tbs, ca.signer, (parts) => [
      ...parts.slice(0, -1),
      extensionList(0, edit(made.extensions)),
    ]),
  )
}

/** The same, one extension marked the other way. */
const flipped = (oid: string, fields: Fields = {}): Promise<Crl> =>
  withExtensions(fields, (all) =>
    all.map((each) => (each.oid === oid ? { ...each, critical: !each.critical } : each)),
  )

interface Asked extends Partial<CrlCheckerOptions> {
  readonly certificate?: Certificate
}

async function outcome(
  lists: readonly (Crl | Promise<Crl>)[],
  { certificate = leaf, ...options }: Asked = {},
): Promise<string> {
  return judge(
    chain,
    createCrlChecker({
      lists: [rootList, ...(await Promise.all(lists.map(async (each) => each)))],
      mode: 'hard-fail',
      ...options,
    }),
    certificate,
  )
}

const stale = { thisUpdate: at(-3), nextUpdate: at(-2) }

describe('of several lists', () => {
  it('the highest number of a scope counts, whatever its date and the order they come in', async () => {
    const [older, newer] = [
      await list({ crlNumber: 1 }),
      await list({ crlNumber: 2, thisUpdate: at(-3), entries: [revoked] }),
    ]
    for (const lists of [
      [older, newer],
      [newer, older],
    ]) {
      for (const place of [0, 1, 2]) {
        const all = [...lists.slice(0, place), rootList, ...lists.slice(place)]
        expect(judge(chain, createCrlChecker({ lists: all, mode: 'hard-fail' }))).toBe('ERR_REVOKED')
      }
    }
  })

  it('of two scopes, whose numbers are not one sequence, both are asked', async () => {
    for (const hours of [-2, -0.5]) {
      const whole = list({ crlNumber: 7, thisUpdate: at(hours) })
      expect(
        await outcome([
          whole,
          list({
            crlNumber: 2,
            issuingDistributionPoint: { onlyContainsUserCerts: true },
            entries: [revoked],
          }),
        ]),
      ).toBe('ERR_REVOKED')
    }
  })

  it('an older one of a scope neither clears nor accuses where a newer one has answered', async () => {
    expect(await outcome([list({ entries: [held] }), list({ crlNumber: 2 })])).toBe('good')
    expect(await outcome([list({ ...stale, entries: [revoked] }), list({ crlNumber: 2 })])).toBe('good')
    expect(await outcome([list({ entries: [held] }), list({ crlNumber: 2, ...stale })])).toBe('ERR_REVOKED')
  })

  it.each(['hard-fail', 'soft-fail'] as const)(
    'one that is malformed spoils none of the others: %s',
    async (mode) => {
      const malformed = await withExtensions({}, (all) =>
        all.map((each) =>
          each.oid === extensionOids.crlNumber ? { ...each, value: Uint8Array.of(2, 1, 0xff) } : each,
        ),
      )
      expect(await outcome([malformed], { mode })).toBe(
        mode === 'hard-fail' ? 'ERR_REVOCATION_UNKNOWN' : 'good',
      )
      expect(await outcome([malformed, list()], { mode })).toBe('good')
      expect(await outcome([malformed, list({ entries: [revoked] })], { mode })).toBe('ERR_REVOKED')
    },
  )
})

describe('extensions of a list', () => {
  it.each<[string, () => Promise<Crl>, string]>([
    [
      'a CRL number that is critical (§5.2.3)',
      () => flipped(extensionOids.crlNumber),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'a key identifier that is critical (§4.2.1.1)',
      () => flipped(extensionOids.authorityKeyIdentifier),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'a scope that is not critical, and holds',
      () =>
        flipped(extensionOids.issuingDistributionPoint, {
          issuingDistributionPoint: { onlyContainsCaCerts: true },
        }),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'a delta that does not say so critically, and is one',
      () => flipped(extensionOids.deltaCrlIndicator, { crlNumber: 2, deltaCrlIndicator: 1 }),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'no CRL number',
      () => withExtensions({}, (all) => all.filter(({ oid }) => oid !== extensionOids.crlNumber)),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'no key identifier',
      () =>
        withExtensions({}, (all) => all.filter(({ oid }) => oid !== extensionOids.authorityKeyIdentifier)),
      'good',
    ],
    [
      'about attribute certificates',
      () => list({ issuingDistributionPoint: { onlyContainsAttributeCerts: true } }),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'an indirect list of the issuer itself',
      () => list({ issuingDistributionPoint: { indirectCrl: true } }),
      'good',
    ],
  ])('%s', async (_what, make, wanted) => {
    expect(await outcome([make()])).toBe(wanted)
  })
})

describe('a list about one kind of certificates', () => {
  it.each<
    [
      string,
      NonNullable<Fields['issuingDistributionPoint']>,
      NonNullable<Fields['issuingDistributionPoint']>,
      string,
    ]
  >([
    ['its own kind', { onlyContainsCaCerts: true }, { onlyContainsUserCerts: true }, 'good'],
    [
      'end entities alone, and the certificate is of a CA',
      { onlyContainsUserCerts: true },
      { onlyContainsUserCerts: true },
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'CAs alone, and the certificate is of an end entity',
      { onlyContainsCaCerts: true },
      { onlyContainsCaCerts: true },
      'ERR_REVOCATION_UNKNOWN',
    ],
  ])('%s', async (_what, ofRoot, ofCa, wanted) => {
    const lists = [
      await list({ issuingDistributionPoint: ofRoot }, root),
      await list({ issuingDistributionPoint: ofCa }),
    ]
    expect(judge(chain, createCrlChecker({ lists, mode: 'hard-fail' }))).toBe(wanted)
  })
})

describe('a delta', () => {
  const delta = (fields: Fields): Promise<Crl> => list({ crlNumber: 2, deltaCrlIndicator: 1, ...fields })
  it.each<[string, () => Promise<Crl>[], string]>([
    ['completes a list past its time (§5.2.4)', () => [list(stale), delta({})], 'good'],
    ['completes it, and revokes', () => [list(stale), delta({ entries: [revoked] })], 'ERR_REVOKED'],
    [
      'completes it, and lifts a hold',
      () => [list({ ...stale, entries: [held] }), delta({ entries: [lifted] })],
      'good',
    ],
    [
      'completes it, and leaves what it revoked',
      () => [list({ ...stale, entries: [revoked] }), delta({})],
      'ERR_REVOKED',
    ],
    ['that is past its time completes nothing', () => [list(stale), delta(stale)], 'ERR_REVOCATION_UNKNOWN'],
    [
      'that is past its time revokes for good all the same',
      () => [list(), delta({ ...stale, entries: [revoked] })],
      'ERR_REVOKED',
    ],
    [
      'that is past its time revokes for good, an older one being current',
      () => [list(), delta({}), delta({ ...stale, crlNumber: 3, entries: [revoked] })],
      'ERR_REVOKED',
    ],
    [
      'that is past its time is superseded by a current one',
      () => [list(), delta({ ...stale, entries: [revoked] }), delta({ crlNumber: 3 })],
      'good',
    ],
    ['that is past its time holds nobody', () => [list(), delta({ ...stale, entries: [held] })], 'good'],
    [
      'that is past its time is superseded by a list',
      () => [list({ crlNumber: 3 }), delta({ ...stale, entries: [revoked] })],
      'good',
    ],
    [
      'of the future revokes nobody yet',
      () => [list(), delta({ thisUpdate: at(0.5), nextUpdate: at(2), entries: [revoked] })],
      'good',
    ],
    [
      'that is past its time lifts nothing',
      () => [list({ entries: [held] }), delta({ ...stale, entries: [lifted] })],
      'ERR_REVOKED',
    ],
    [
      'completes no list of the future',
      () => [list({ thisUpdate: at(0.5), nextUpdate: at(2) }), delta({})],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'whose base is newer than the list',
      () => [list(stale), delta({ crlNumber: 3, deltaCrlIndicator: 2 })],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'whose base is newer than the list revokes all the same',
      () => [list(), delta({ crlNumber: 3, deltaCrlIndicator: 2, entries: [revoked] })],
      'ERR_REVOKED',
    ],
    [
      'whose base is newer than the list holds',
      () => [list(), delta({ crlNumber: 3, deltaCrlIndicator: 2, entries: [held] })],
      'ERR_REVOKED',
    ],
    [
      'whose base is newer than the list holds nobody past its time',
      () => [list(), delta({ ...stale, crlNumber: 3, deltaCrlIndicator: 2, entries: [held] })],
      'good',
    ],
    [
      'whose base is newer than the list lifts nothing',
      () => [list({ entries: [held] }), delta({ crlNumber: 3, deltaCrlIndicator: 2, entries: [lifted] })],
      'ERR_REVOKED',
    ],
    [
      'that is older than the list',
      () => [list({ crlNumber: 5, entries: [held] }), delta({ entries: [lifted] })],
      'ERR_REVOKED',
    ],
    [
      'of another scope',
      () => [
        list({ entries: [held] }),
        delta({ issuingDistributionPoint: { onlyContainsUserCerts: true }, entries: [lifted] }),
      ],
      'ERR_REVOKED',
    ],
    [
      'the newest of several',
      () => [list(), delta({ entries: [held] }), delta({ crlNumber: 3, entries: [lifted] })],
      'good',
    ],
    [
      'the newest of several, the other way',
      () => [list(), delta({ entries: [lifted] }), delta({ crlNumber: 3, entries: [held] })],
      'ERR_REVOKED',
    ],
  ])('%s', async (_what, lists, wanted) => {
    expect(await outcome(lists())).toBe(wanted)
  })

  it('of another key under the same name lifts nothing (§6.3.3 (h))', async () => {
    const namesake = await makeAuthority('ca', root)
    const authorityKeyIdentifier = ca.signer.publicKey.keyIdentifier
    const foreign = list(
      { crlNumber: 2, deltaCrlIndicator: 1, authorityKeyIdentifier, entries: [lifted] },
      namesake,
    )
    expect(await outcome([list({ entries: [held] }), foreign], { issuers: [namesake.certificate] })).toBe(
      'ERR_REVOKED',
    )
  })
})

describe('an entry "removeFromCRL" in a complete list (§5.3.1, §6.3.3 (k))', () => {
  it.each<[string, () => Promise<Crl>, string]>([
    ['clears', () => list({ entries: [lifted] }), 'good'],
    ['says nothing past its time', () => list({ ...stale, entries: [lifted] }), 'ERR_REVOCATION_UNKNOWN'],
  ])('%s', async (_what, make, wanted) => {
    expect(await outcome([make()])).toBe(wanted)
  })

  it('past its time, with a delta of the past that says it too', async () => {
    expect(
      await outcome([list(stale), list({ ...stale, crlNumber: 2, deltaCrlIndicator: 1, entries: [lifted] })]),
    ).toBe('ERR_REVOCATION_UNKNOWN')
  })
})

describe('the issuer that an entry names (§5.3.3)', () => {
  const other = { serialNumber: Uint8Array.of(1, 2), revocationDate: at(-5) }
  const foreigner = [directory(DistinguishedName.parse('CN=somebody else'))]
  const unknown = 'ERR_REVOCATION_UNKNOWN'
  it.each<[string, () => readonly Entry[], string, string]>([
    [
      'is the issuer of the certificate',
      () => [{ ...revoked, certificateIssuer: [directory(ca.name)] }],
      'ERR_REVOKED',
      'ERR_REVOKED',
    ],
    [
      'is it in another spelling',
      () => [{ ...revoked, certificateIssuer: [directory(DistinguishedName.parse('CN= CA '))] }],
      'ERR_REVOKED',
      'ERR_REVOKED',
    ],
    ['is somebody else', () => [{ ...revoked, certificateIssuer: foreigner }], 'good', unknown],
    [
      'holds for the entries that follow',
      () => [{ ...other, certificateIssuer: foreigner }, revoked],
      'good',
      'ERR_REVOKED',
    ],
    [
      'holds until the next is named',
      () => [
        { ...other, certificateIssuer: foreigner },
        { ...revoked, certificateIssuer: [directory(ca.name)] },
      ],
      'ERR_REVOKED',
      'ERR_REVOKED',
    ],
    [
      'does not hold for the entries before',
      () => [revoked, { ...other, certificateIssuer: foreigner }],
      'ERR_REVOKED',
      'ERR_REVOKED',
    ],
    [
      'is no directory name',
      () => [{ ...revoked, certificateIssuer: [generalName.dns('ca')] }],
      'good',
      unknown,
    ],
  ])('%s', async (_what, entries, inIndirect, inDirect) => {
    // A list without the flag has entries of its own issuer only: one that names another shows nothing as
    // good, and those after it inherit no issuer.
    for (const indirectCrl of [false, true]) {
      const wanted = indirectCrl ? inIndirect : inDirect
      const made = await list({
        entries: entries(),
        ...(indirectCrl ? { issuingDistributionPoint: { indirectCrl } } : {}),
      })
      expect(await outcome([made])).toBe(wanted)
      expect([made.has(leaf.serialNumber), made.find(leaf.serialNumber) !== undefined]).toEqual([
        wanted === 'ERR_REVOKED',
        wanted === 'ERR_REVOKED',
      ])
    }
  })
})

describe('distribution points', () => {
  const certificateWith = (
    crlDistributionPoints: NonNullable<ExtensionFields['crlDistributionPoints']>,
  ): Promise<Certificate> => makeLeaf(ca, { extensions: { crlDistributionPoints } })
  const none = { reasons: undefined, crlIssuer: undefined }

  it.each<[string, () => Fields[], string]>([
    [
      'both parts of the reasons',
      () => [
        { issuingDistributionPoint: { name: point('a'), onlySomeReasons: 0x0e } },
        { issuingDistributionPoint: { name: point('b'), onlySomeReasons: 0x1f0 } },
      ],
      'good',
    ],
    [
      'one part of the reasons',
      () => [{ issuingDistributionPoint: { name: point('a'), onlySomeReasons: 0x0e } }],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'parts that leave one out',
      () => [
        { issuingDistributionPoint: { name: point('a'), onlySomeReasons: 0x0e } },
        { issuingDistributionPoint: { name: point('b'), onlySomeReasons: 0x0f0 } },
      ],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      "the right lists at each other's place",
      () => [
        { issuingDistributionPoint: { name: point('b'), onlySomeReasons: 0x0e } },
        { issuingDistributionPoint: { name: point('a'), onlySomeReasons: 0x1f0 } },
      ],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'one of several names of a list',
      () => [
        { issuingDistributionPoint: { name: point('x', 'a'), onlySomeReasons: 0x0e } },
        { issuingDistributionPoint: { name: point('b', 'y') } },
      ],
      'good',
    ],
    ['a list without a scope', () => [{}], 'good'],
  ])('%s', async (_what, lists, wanted) => {
    const certificate = await certificateWith([
      { ...none, name: point('a'), reasons: 0x0e },
      { ...none, name: point('b'), reasons: 0x1f0 },
    ])
    expect(
      await outcome(
        lists().map((fields) => list(fields)),
        { certificate },
      ),
    ).toBe(wanted)
  })

  it.each<[string, () => Fields['issuingDistributionPoint'], string]>([
    ['the same part of a name', () => ({ name: relative('part') }), 'good'],
    ['the same in another spelling', () => ({ name: relative('PART') }), 'good'],
    [
      'the whole name',
      () => ({
        name: {
          fullName: [
            directory(
              DistinguishedName.of([
                ['CN', 'ca'],
                ['CN', 'part'],
              ]),
            ),
          ],
        },
      }),
      'good',
    ],
    ['another part', () => ({ name: relative('other') }), 'ERR_REVOCATION_UNKNOWN'],
    [
      'the part alone',
      () => ({ name: { fullName: [directory(DistinguishedName.parse('CN=part'))] } }),
      'ERR_REVOCATION_UNKNOWN',
    ],
    // What a certificate without a point has (§6.3.3)
    ['the issuer alone', () => ({ name: { fullName: [directory(ca.name)] } }), 'good'],
  ])('relative to the name of the issuer: %s', async (_what, issuingDistributionPoint, wanted) => {
    const certificate = await certificateWith([{ ...none, name: relative('part') }])
    const scope = issuingDistributionPoint()
    const fields = scope === undefined ? {} : { issuingDistributionPoint: scope }
    expect(await outcome([list(fields)], { certificate })).toBe(wanted)
  })

  it.each<[string, () => GeneralName, () => GeneralName, string]>([
    [
      'the same URI',
      () => generalName.uri('http://crl.example/a'),
      () => generalName.uri('http://crl.example/a'),
      'good',
    ],
    [
      'a URI in another case, which another resource may have',
      () => generalName.uri('http://crl.example/a'),
      () => generalName.uri('http://crl.example/A'),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'a longer URI',
      () => generalName.uri('http://crl.example/a'),
      () => generalName.uri('http://crl.example/ab'),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'the same text as another kind',
      () => generalName.dns('crl.example'),
      () => generalName.email('crl.example'),
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'a directory name in another spelling',
      () => directory(DistinguishedName.parse('CN=a')),
      () => directory(DistinguishedName.parse('CN= A')),
      'good',
    ],
  ])('named by %s', async (_what, ofPoint, ofList, wanted) => {
    const certificate = await certificateWith([{ ...none, name: { fullName: [ofPoint()] } }])
    expect(
      await outcome([list({ issuingDistributionPoint: { name: { fullName: [ofList()] } } })], {
        certificate,
      }),
    ).toBe(wanted)
  })

  it('a part that revokes is believed alone', async () => {
    const certificate = await certificateWith([{ ...none, name: point('a'), reasons: 0x0e }])
    const entries = [{ serialNumber: certificate.serialNumber, revocationDate: at(-5) }]
    expect(
      await outcome(
        [list({ issuingDistributionPoint: { name: point('a'), onlySomeReasons: 0x0e }, entries })],
        { certificate },
      ),
    ).toBe('ERR_REVOKED')
  })

  it('a point that names another issuer needs an indirect list of that issuer', async () => {
    const crlIssuer = await makeCrlIssuer(ca)
    const certificate = await certificateWith([
      { name: point('a'), reasons: undefined, crlIssuer: [directory(crlIssuer.name)] },
    ])
    const issuers = [crlIssuer.certificate]
    const about = list({ entries: [] }) // of the CRL issuer
    const ask = (fields: Fields): Promise<string> =>
      outcome([about, list(fields, crlIssuer)], { certificate, issuers, mode: 'hard-fail' })
    // The list of the CA itself covers the certificate too: take it away from there.
    const scoped = list({ issuingDistributionPoint: { name: point('elsewhere') } })
    expect(
      await outcome([scoped, list({ issuingDistributionPoint: { name: point('a') } }, crlIssuer)], {
        certificate,
        issuers,
      }),
    ).toBe('ERR_REVOCATION_UNKNOWN')
    // Nor is an indirect list of anybody else the one.
    expect(
      await outcome([list({ issuingDistributionPoint: { name: point('a'), indirectCrl: true } })], {
        certificate,
        issuers,
      }),
    ).toBe('ERR_REVOCATION_UNKNOWN')
    const serial = { serialNumber: certificate.serialNumber, revocationDate: at(-5) }
    expect(
      await ask({
        thisUpdate: at(-0.5),
        issuingDistributionPoint: { name: point('a'), indirectCrl: true },
        entries: [{ ...serial, certificateIssuer: [directory(ca.name)] }],
      }),
    ).toBe('ERR_REVOKED')
    expect(
      await ask({
        thisUpdate: at(-0.5),
        issuingDistributionPoint: { name: point('a'), indirectCrl: true },
        entries: [serial],
      }),
    ).toBe('good')
    expect(
      await ask({
        thisUpdate: at(-0.5),
        issuingDistributionPoint: { name: point('b'), indirectCrl: true },
        entries: [{ ...serial, certificateIssuer: [directory(ca.name)] }],
      }),
    ).toBe('good')
  })
})

describe('who signs lists', () => {
  it('has a signature that is checked, also where the leaf is known', async () => {
    // The name of the CA, and a signature that is not the CA's.
    const forger = await makeCrlIssuer({ ...ca, signer: newSigner() }, 'CN=ca')
    const validator = createPathValidator({
      anchors: [root.certificate],
      intermediates: [ca.certificate],
      time,
      profile: 'spiffe',
    })
    expect(validator.verify(leaf).ok).toBe(true)
    const lists = [rootList, await list({ entries: [revoked] }), await list({ crlNumber: 9 }, forger)]
    const revocation = createCrlChecker({ lists, issuers: [forger.certificate], mode: 'hard-fail' })
    expect(rejectionOf(validator.verify(leaf, { revocation }))).toBe('ERR_REVOKED')
  })

  it('may be anybody above in the path, and needs no certificate beside it', async () => {
    const crlDistributionPoints = [
      { name: point('a'), reasons: undefined, crlIssuer: [directory(root.name)] },
    ]
    const certificate = await makeLeaf(ca, { extensions: { crlDistributionPoints } })
    const accused = [
      {
        serialNumber: certificate.serialNumber,
        revocationDate: at(-5),
        certificateIssuer: [directory(ca.name)],
      },
    ]
    const indirect = (entries: CrlFields['entries'], by = root): Promise<Crl> =>
      list({ crlNumber: 2, issuingDistributionPoint: { name: point('a'), indirectCrl: true }, entries }, by)
    expect(await outcome([indirect([])], { certificate })).toBe('good')
    expect(await outcome([indirect(accused)], { certificate })).toBe('ERR_REVOKED')
    expect(await outcome([indirect([], { ...root, signer: newSigner() })], { certificate })).toBe(
      'ERR_REVOCATION_UNKNOWN',
    )
    expect(await outcome([indirect([])])).toBe('ERR_REVOCATION_UNKNOWN') // a leaf that does not name it
  })

  it('is found among others of the same name, by the key identifier of the list or without', async () => {
    const [namesake, stranger] = [await makeCrlIssuer(ca, 'CN=ca'), await makeCrlIssuer(ca, 'CN=ca')]
    const own = list({ crlNumber: 1 }) // tells of the issuers of lists
    const made = await list({ crlNumber: 2, entries: [revoked] }, namesake)
    const bare = await withExtensions({ crlNumber: 2, entries: [revoked] }, (all) =>
      all.filter(({ oid: type }) => type !== extensionOids.authorityKeyIdentifier),
    )
    const issuers = [stranger.certificate, namesake.certificate]
    expect(await outcome([own, made], { issuers })).toBe('ERR_REVOKED')
    expect(await outcome([own, bare], { issuers })).toBe('ERR_REVOKED')
    expect(await outcome([made], { issuers: [stranger.certificate] })).toBe('ERR_REVOCATION_UNKNOWN')
    // Nobody vouches for the other list
    expect(await outcome([own, made], { issuers: [stranger.certificate] })).toBe('good')
  })

  it('is held to the name constraints of the CAs above', async () => {
    const nameConstraints = { permitted: [directory(DistinguishedName.parse('O=fine'))] }
    const constrained = await makeAuthority('constrained', root, { extensions: { nameConstraints } })
    const asked = async (subject: string): Promise<string> => {
      const crlIssuer = await makeCrlIssuer(constrained, subject)
      const crlDistributionPoints = [
        { name: point('a'), reasons: undefined, crlIssuer: [directory(crlIssuer.name)] },
      ]
      const certificate = await makeLeaf(constrained, {
        subject: DistinguishedName.parse('CN=leaf,O=fine'),
        extensions: { crlDistributionPoints },
      })
      const aboutLists = createCrlChecker({
        lists: [await list({}, constrained), rootList],
        mode: 'hard-fail',
      })
      const aboutLeaf = createCrlChecker({
        lists: [await list({ issuingDistributionPoint: { name: point('a'), indirectCrl: true } }, crlIssuer)],
        issuers: [crlIssuer.certificate],
        mode: 'hard-fail',
      })
      const check = (query: RevocationQuery) =>
        (query.certificate === certificate ? aboutLeaf : aboutLists).check(query)
      return judge({ root, ca: constrained, leaf: certificate }, { check })
    }
    expect([await asked('CN=lists,O=fine'), await asked('CN=lists,O=other')]).toEqual([
      'good',
      'ERR_REVOCATION_UNKNOWN',
    ])
  })

  it('does not clear itself while its CA has something to say', async () => {
    const name = DistinguishedName.parse('CN=lists')
    const crlDistributionPoints = [{ name: point('a'), reasons: undefined, crlIssuer: [directory(name)] }]
    const crlIssuer = await makeCrlIssuer(ca, 'CN=lists', { crlDistributionPoints })
    const certificate = await makeLeaf(ca, { extensions: { crlDistributionPoints } })
    const own = list(
      { thisUpdate: at(-0.5), issuingDistributionPoint: { name: point('a'), indirectCrl: true } },
      crlIssuer,
    )
    const issuers = [crlIssuer.certificate]
    const accused = { serialNumber: crlIssuer.certificate.serialNumber, revocationDate: at(-5) }
    // Scoped so that it tells of the CRL issuer (its point), not of the leaf.
    expect(await outcome([own], { certificate, issuers })).toBe('good') // nobody else says anything
    const verdictOfIssuer = await outcome([own, list({ entries: [accused] })], {
      certificate: crlIssuer.certificate,
      issuers,
    })
    expect(verdictOfIssuer).toBe('ERR_REVOKED')
    expect(await outcome([own, list()], { certificate: crlIssuer.certificate, issuers })).toBe('good')
  })

  it.each([
    ['P-256', 1],
    ['P-384', 6],
  ] as const)('costs what its key costs: %s', async (namedCurve, cost) => {
    const signer = newSigner(namedCurve)
    const issuer = await makeAuthority('issuer', root, { signer })
    const certificate = await makeLeaf(issuer)
    const named = { subject: issuer.name, publicKey: signer.publicKey, certificate: issuer.certificate }
    const checker = createCrlChecker({ lists: [await list({}, issuer)], mode: 'hard-fail' })
    // And the second time nothing.
    for (const wanted of [cost, 0]) {
      const budget = new Budget()
      expect(
        checker.check({ certificate, issuer: named, time, budget, verifyAuthority: () => undefined }),
      ).toBeUndefined()
      expect(budget.spent.signatureChecks).toBe(wanted)
    }
  })
})

describe('a certificate of which nothing will ever be said (RFC 9608)', () => {
  const extension = (value: Uint8Array = Uint8Array.of(5, 0)): ExtensionFields['other'] => [
    { oid: extensionOids.noRevAvail, critical: false, value },
  ]
  it.each<[string, () => Promise<Certificate>, (certificate: Certificate) => Promise<Crl>[], string]>([
    ['needs no list', () => makeLeaf(ca, { extensions: { other: extension() } }), () => [], 'good'],
    [
      'is refused where a list has it all the same',
      () => makeLeaf(ca, { extensions: { other: extension() } }),
      ({ serialNumber }) => [list({ entries: [{ serialNumber, revocationDate: at(-5) }] })],
      'ERR_REVOKED',
    ],
    [
      'that names a distribution point says two things',
      () =>
        makeLeaf(ca, {
          extensions: {
            other: extension(),
            crlDistributionPoints: [{ name: point('a'), reasons: undefined, crlIssuer: undefined }],
          },
        }),
      () => [],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'that names a delta list says two things',
      () =>
        makeLeaf(ca, {
          extensions: {
            other: [
              ...(extension() ?? []),
              {
                oid: extensionOids.freshestCrl,
                critical: false,
                value: encodeDistributionPoints([
                  { name: point('a'), reasons: undefined, crlIssuer: undefined },
                ]),
              },
            ],
          },
        }),
      () => [],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'that names an OCSP responder says two things',
      () =>
        makeLeaf(ca, {
          extensions: {
            other: extension(),
            authorityInfoAccess: [
              { method: '1.3.6.1.5.5.7.48.1', location: generalName.uri('http://ocsp.example/') },
            ],
          },
        }),
      () => [],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'that names where its issuer is',
      () =>
        makeLeaf(ca, {
          extensions: {
            other: extension(),
            authorityInfoAccess: [
              { method: '1.3.6.1.5.5.7.48.2', location: generalName.uri('http://ca.example/') },
            ],
          },
        }),
      () => [],
      'good',
    ],
    [
      'with another value',
      () => makeLeaf(ca, { extensions: { other: extension(integer(1)) } }),
      () => [],
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'as one of a CA',
      async () => (await makeAuthority('below', ca, { extensions: { other: extension() } })).certificate,
      () => [],
      'ERR_REVOCATION_UNKNOWN',
    ],
  ])('%s', async (_what, make, lists, wanted) => {
    const certificate = await make()
    expect(await outcome(lists(certificate), { certificate })).toBe(wanted)
  })
})
