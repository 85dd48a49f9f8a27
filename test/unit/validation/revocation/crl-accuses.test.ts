// A list that may not clear a certificate and still accuses: RFC 5280 §5.1.2.6, §5.2, §5.3; and one that is
// used for nothing.

import { describe, expect, it } from 'vitest'
import {
  boolean,
  element,
  encodeTime,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
} from '../../../../src/der/index.ts'
import { combineRevocationCheckers, createCrlChecker } from '../../../../src/validation/index.ts'
import type { RevocationMode } from '../../../../src/validation/revocation/revocation-mode.ts'
import { Crl, extensionOids } from '../../../../src/x509/index.ts'
import type { CrlFields } from '../../../../src/x509/crl/crl-builder.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import { at, editedList, judge, makeChain, makeLeaf, makeList, newSigner } from '../test-pki.ts'
import type { ListEdits } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const [beside, unlisted] = [await makeLeaf(ca), await makeLeaf(ca)]
const rootList = await makeList(root)

const text = (tag: number, value: string): Uint8Array => element(tag, Buffer.from(value))
const date = encodeTime(at(-5).getTime())
const extension = (type: string, value: Uint8Array, critical = false): Uint8Array =>
  sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value))
const reason = (number: number): Uint8Array =>
  extension(extensionOids.reasonCode, element(10, Uint8Array.of(number)))
const entry = (certificate: Certificate, ...rest: readonly Uint8Array[]): Uint8Array =>
  sequence(integer(certificate.serialNumberBytes), ...rest)
const withExtensions = (certificate: Certificate, ...extensions: readonly Uint8Array[]): Uint8Array =>
  entry(certificate, date, sequence(...extensions))

const plain = [{ serialNumber: beside.serialNumber, revocationDate: at(-5) }]
/** A signed list with these entries, and these extensions instead of its own. */
const listOf = async (edits: ListEdits): Promise<Crl> =>
  Crl.parse(await editedList(ca, { ...edits, fields: { entries: plain, ...edits.fields } }))

const judged = (mode: RevocationMode, certificate: Certificate, ...lists: Crl[]): string =>
  judge(chain, createCrlChecker({ lists: [rootList, ...lists], mode }), certificate)

const oddEntries: readonly (readonly [string, (certificate: Certificate) => Uint8Array])[] = [
  ['the reason 7', (one) => withExtensions(one, reason(7))],
  ['the reason 99', (one) => withExtensions(one, reason(99))],
  [
    'a reason of two octets',
    (one) => withExtensions(one, extension(extensionOids.reasonCode, element(10, Uint8Array.of(0, 1)))),
  ],
  [
    'a reason that is an INTEGER',
    (one) => withExtensions(one, extension(extensionOids.reasonCode, integer(1))),
  ],
  ['two reasons', (one) => withExtensions(one, reason(1), reason(4))],
  ['a date without seconds', (one) => entry(one, text(0x17, '2601010000Z'))],
  ['a date with a fraction', (one) => entry(one, text(0x18, '20260101000000.5Z'))],
  ['a date with a zone', (one) => entry(one, text(0x17, '260101000000+0100'))],
  ['a date that does not exist', (one) => entry(one, text(0x17, '260230000000Z'))],
  ['a date of another type', (one) => entry(one, text(0x16, '260101000000Z'))],
  ['no date', (one) => entry(one)],
  [
    'a fraction in the invalidity date',
    (one) => withExtensions(one, extension(extensionOids.invalidityDate, text(0x18, '20260101000000.123Z'))),
  ],
  [
    'an invalidity date in UTCTime',
    (one) => withExtensions(one, extension(extensionOids.invalidityDate, text(0x17, '260101000000Z'))),
  ],
  ['an empty list of extensions', (one) => entry(one, date, sequence())],
  [
    'an explicit FALSE',
    (one) => entry(one, date, sequence(sequence(oid('1.2.3'), boolean(false), octetString(nullElement())))),
  ],
  ['extensions of another type', (one) => entry(one, date, integer(1))],
  ['more behind the extensions', (one) => entry(one, date, sequence(reason(1)), nullElement())],
  [
    'an issuer without names',
    (one) => withExtensions(one, extension(extensionOids.certificateIssuer, sequence(), true)),
  ],
]

describe('an entry that is odd', () => {
  it.each(oddEntries)('with %s: the list accuses whom it lists, and clears nobody', async (_what, odd) => {
    for (const entries of [
      [odd(leaf), entry(beside, date)],
      [entry(beside, date), odd(leaf)],
    ]) {
      const list = await listOf({ entries })
      for (const mode of ['soft-fail', 'hard-fail'] as const) {
        expect([judged(mode, leaf, list), judged(mode, beside, list)]).toEqual(['ERR_REVOKED', 'ERR_REVOKED'])
        expect(judged(mode, unlisted, list)).toBe(mode === 'soft-fail' ? 'good' : 'ERR_REVOCATION_UNKNOWN')
      }
    }
  })

  it.each<[string, Uint8Array]>([
    ['no serial number', sequence(date)],
    ['a serial number without content', sequence(element(2), date)],
    ['a serial number of 1,025 octets', sequence(element(2, new Uint8Array(1025).fill(1)), date)],
    ['a serial number of another type', sequence(element(4, Uint8Array.of(5)), date)],
    ['nothing inside', sequence()],
    ['another type', integer(5)],
  ])('with %s: the others are found', async (_what, odd) => {
    const list = await listOf({ entries: [odd, entry(leaf, date), odd] })
    expect(list.entryFaults.map(({ index, serialNumber }) => [index, serialNumber])).toEqual([
      [0, undefined],
      [2, undefined],
    ])
    expect([judged('soft-fail', leaf, list), judged('hard-fail', leaf, list)]).toEqual([
      'ERR_REVOKED',
      'ERR_REVOKED',
    ])
    expect(judged('hard-fail', unlisted, list)).toBe('ERR_REVOCATION_UNKNOWN')
  })

  it('is named by its place, its serial number and what is wrong', async () => {
    const list = await listOf({ entries: [entry(beside, date), withExtensions(leaf, reason(7))] })
    const checker = createCrlChecker({ lists: [rootList, list], mode: 'hard-fail' })
    const found: string[] = []
    judge(
      chain,
      {
        check: (query) => {
          const rejection = checker.check(query)
          if (rejection !== undefined) found.push(rejection.message)
          return rejection
        },
      },
      unlisted,
    )
    expect(found).toEqual([
      expect.stringContaining(`entry 1 (serial number ${leaf.serialNumber}): reasonCode`),
    ])
  })

  it('takes nothing from other lists: an older one that is in order still clears', async () => {
    const odd = await listOf({ entries: [withExtensions(leaf, reason(7))], fields: { crlNumber: 2 } })
    expect(judged('hard-fail', unlisted, odd, await makeList(ca))).toBe('good')
    expect(judged('hard-fail', leaf, odd, await makeList(ca))).toBe('ERR_REVOKED')
  })

  it('in a list past its time accuses for good, and holds nobody', async () => {
    const stale = { thisUpdate: at(-3), nextUpdate: at(-2) }
    const odd = withExtensions(unlisted, reason(7))
    const entries = [odd, withExtensions(leaf, reason(1)), withExtensions(beside, reason(6))]
    const list = await listOf({ entries, fields: stale })
    expect([leaf, beside, unlisted].map((one) => judged('soft-fail', one, list))).toEqual([
      'ERR_REVOKED',
      'good',
      'ERR_REVOKED',
    ])
  })

  it('in a delta: it accuses, completes nothing and lifts nothing', async () => {
    const held = {
      serialNumber: leaf.serialNumber,
      revocationDate: at(-5),
      reason: 'certificateHold' as const,
    }
    const base = await makeList(ca, { entries: [held] })
    const delta = await listOf({
      entries: [withExtensions(beside, reason(7)), withExtensions(leaf, reason(8))],
      fields: { crlNumber: 2, deltaCrlIndicator: 1 },
    })
    expect([leaf, beside, unlisted].map((one) => judged('hard-fail', one, base, delta))).toEqual([
      'ERR_REVOKED',
      'ERR_REVOKED',
      'good',
    ])
  })
})

describe('a delta without the list that it completes', () => {
  const delta = (entries: CrlFields['entries'], fields: Partial<CrlFields> = {}): Promise<Crl> =>
    makeList(ca, { crlNumber: 2, deltaCrlIndicator: 1, entries, ...fields })
  const revoked = { serialNumber: leaf.serialNumber, revocationDate: at(-5) }
  it.each<[string, () => Promise<Crl[]>, string, string]>([
    ['accuses', async () => [await delta([revoked])], 'ERR_REVOKED', 'ERR_REVOKED'],
    ['clears nobody', async () => [await delta([])], 'good', 'ERR_REVOCATION_UNKNOWN'],
    [
      'that lifts a hold is the newest word, and no more than that',
      async () => [
        await delta([{ ...revoked, reason: 'certificateHold' }]),
        await delta([{ ...revoked, reason: 'removeFromCRL' }], { crlNumber: 3 }),
      ],
      'good',
      'ERR_REVOCATION_UNKNOWN',
    ],
    [
      'of another key mutes nothing',
      async () => [
        await delta([revoked]),
        await makeList(
          { name: ca.name, signer: newSigner() },
          { crlNumber: 3, deltaCrlIndicator: 1, entries: [{ ...revoked, reason: 'removeFromCRL' }] },
        ),
      ],
      'ERR_REVOKED',
      'ERR_REVOKED',
    ],
    [
      'is heard beside a list that cannot clear',
      async () => [await listOf({ entries: [withExtensions(beside, reason(7))] }), await delta([revoked])],
      'ERR_REVOKED',
      'ERR_REVOKED',
    ],
  ])('%s', async (_what, lists, soft, hard) => {
    const all = await lists()
    expect([judged('soft-fail', leaf, ...all), judged('hard-fail', leaf, ...all)]).toEqual([soft, hard])
  })
})

const number = extension(extensionOids.crlNumber, integer(1))
const keyIdentifier = extension(
  extensionOids.authorityKeyIdentifier,
  sequence(element(0x80, ca.signer.publicKey.keyIdentifier)),
)

describe('an extension of the list', () => {
  const accusing: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['no CRL number', [keyIdentifier]],
    ['a CRL number below zero', [keyIdentifier, extension(extensionOids.crlNumber, integer(-7))]],
    [
      'a CRL number of 30 octets',
      [extension(extensionOids.crlNumber, element(2, new Uint8Array(30).fill(1)))],
    ],
    ['a CRL number of another type', [extension(extensionOids.crlNumber, octetString(Uint8Array.of(1)))]],
    ['a critical CRL number', [keyIdentifier, extension(extensionOids.crlNumber, integer(1), true)]],
    [
      'a critical key identifier',
      [number, extension(extensionOids.authorityKeyIdentifier, sequence(), true)],
    ],
    ['a malformed key identifier', [number, extension(extensionOids.authorityKeyIdentifier, integer(1))]],
    ['a critical freshest CRL', [number, extension(extensionOids.freshestCrl, sequence(), true)]],
    [
      'a critical information access',
      [number, extension(extensionOids.authorityInfoAccess, sequence(), true)],
    ],
    [
      'an empty distribution point',
      [number, extension(extensionOids.issuingDistributionPoint, sequence(), true)],
    ],
    [
      'a distribution point with an explicit FALSE',
      [
        number,
        extension(extensionOids.issuingDistributionPoint, sequence(element(0x81, Uint8Array.of(0))), true),
      ],
    ],
    [
      'a distribution point of another type',
      [number, extension(extensionOids.issuingDistributionPoint, octetString(), true)],
    ],
  ]
  it.each(accusing)('that is odd accuses and does not clear: %s', async (_what, extensions) => {
    const list = await listOf({ entries: [entry(leaf, date)], extensions })
    for (const mode of ['soft-fail', 'hard-fail'] as const) {
      expect(judged(mode, leaf, list)).toBe('ERR_REVOKED')
      expect(judged(mode, unlisted, list)).toBe(mode === 'soft-fail' ? 'good' : 'ERR_REVOCATION_UNKNOWN')
    }
  })

  it.each<[string, () => Promise<Crl>]>([
    [
      'in the list (§5.2)',
      () =>
        listOf({
          entries: [entry(leaf, date)],
          extensions: [number, extension('1.2.3', nullElement(), true)],
        }),
    ],
    [
      'in the entry (§5.3)',
      () => listOf({ entries: [withExtensions(leaf, extension('1.2.3', nullElement(), true))] }),
    ],
    [
      'in another entry (§5.3)',
      () =>
        listOf({
          entries: [withExtensions(beside, extension('1.2.3', nullElement(), true)), entry(leaf, date)],
        }),
    ],
    [
      'in an odd entry',
      () => listOf({ entries: [withExtensions(leaf, reason(7), extension('1.2.3', nullElement(), true))] }),
    ],
    [
      'beside a malformed one',
      () =>
        listOf({
          entries: [entry(leaf, date)],
          extensions: [
            extension(extensionOids.crlNumber, integer(-1)),
            extension('1.2.3', nullElement(), true),
          ],
        }),
    ],
    [
      'in a delta',
      () =>
        listOf({
          entries: [entry(leaf, date)],
          extensions: [
            number,
            extension(extensionOids.deltaCrlIndicator, integer(0), true),
            extension('1.2.3', nullElement(), true),
          ],
        }),
    ],
  ])('that is critical and not known: the list is used for nothing, %s', async (_what, make) => {
    const list = await make()
    expect([judged('soft-fail', leaf, list), judged('hard-fail', leaf, list)]).toEqual([
      'good',
      'ERR_REVOCATION_UNKNOWN',
    ])
  })

  it('that makes it a list of other certificates: it does not accuse', async () => {
    const scope = extension(
      extensionOids.issuingDistributionPoint,
      sequence(element(0x82, Uint8Array.of(0xff))),
      true,
    )
    for (const odd of [number, extension(extensionOids.crlNumber, integer(-1))]) {
      const list = await listOf({ entries: [entry(leaf, date)], extensions: [odd, scope] })
      expect(judged('soft-fail', leaf, list)).toBe('good')
    }
  })
})

describe('reasons', () => {
  const messageOf = (...lists: Crl[]): string => {
    const answers: string[] = []
    const checker = createCrlChecker({ lists: [rootList, ...lists], mode: 'hard-fail' })
    judge(chain, {
      check: (query) => {
        const rejection = checker.check(query)
        if (rejection !== undefined) answers.push(rejection.message)
        return rejection
      },
    })
    return answers.join('\n')
  }

  it('of every list are kept, in any order', async () => {
    const lists = [
      await makeList(ca, { thisUpdate: at(-3), nextUpdate: at(-2), crlNumber: 4 }),
      await makeList({ name: ca.name, signer: newSigner() }, { crlNumber: 3 }),
      await listOf({ entries: [withExtensions(beside, reason(7))] }),
    ]
    for (const order of [lists, lists.toReversed()]) {
      const message = messageOf(...order)
      expect(message).toContain('nextUpdate has passed')
      expect(message).toContain('signature')
      expect(message).toContain('entry 0')
    }
  })

  it('of every source are kept', async () => {
    const stale = createCrlChecker({
      lists: [rootList, await makeList(ca, { thisUpdate: at(-3), nextUpdate: at(-2) })],
      mode: 'hard-fail',
    })
    const none = createCrlChecker({ lists: [rootList], mode: 'hard-fail' })
    for (const sources of [
      [stale, none],
      [none, stale],
    ]) {
      const both = combineRevocationCheckers(sources)
      let message = ''
      judge(chain, {
        check: (query) => {
          const rejection = both.check(query)
          message = rejection?.message ?? message
          return rejection
        },
      })
      expect(message).toContain('nextUpdate has passed')
      expect(message).toContain('its issuer is not the issuer of the certificate')
    }
  })
})

describe('several entries of one certificate', () => {
  const removed = withExtensions(leaf, reason(8))
  const held = withExtensions(leaf, reason(6))
  const bare = entry(leaf, date)
  it.each<readonly [string, readonly Uint8Array[]]>([
    ['removed and revoked', [removed, withExtensions(leaf, reason(1))]],
    ['revoked and removed', [withExtensions(leaf, reason(1)), removed]],
    ['removed and revoked without a reason', [removed, bare]],
    ['removed and held', [removed, held]],
    ['removed, held and revoked', [removed, held, bare]],
    ['removed a hundred times, and revoked', [...Array.from({ length: 100 }, () => removed), bare]],
    ['removed, and held a hundred times', [removed, ...Array.from({ length: 100 }, () => held)]],
    [
      'removed, and revoked with a padded number',
      [removed, sequence(element(2, Buffer.concat([Buffer.of(0), leaf.serialNumberBytes])), date)],
    ],
    ['removed, and revoked by an entry of another type', [removed, Uint8Array.from(bare).fill(0x31, 0, 1)]],
  ])('%s: nothing in one list lifts what it says', async (_what, entries) => {
    for (const fields of [{ crlNumber: 2 }, { crlNumber: 2, deltaCrlIndicator: 1 }]) {
      const list = await listOf({ entries, fields })
      const base = await makeList(ca, { entries: [] })
      expect([judged('soft-fail', leaf, base, list), judged('hard-fail', leaf, base, list)]).toEqual([
        'ERR_REVOKED',
        'ERR_REVOKED',
      ])
    }
  })

  it('held and revoked: a list past its time accuses for good', async () => {
    const list = await listOf({ entries: [held, bare], fields: { thisUpdate: at(-3), nextUpdate: at(-2) } })
    expect(judged('soft-fail', leaf, list)).toBe('ERR_REVOKED')
  })

  it('of which each is removed: the list clears', async () => {
    expect(judged('hard-fail', leaf, await listOf({ entries: [removed, removed] }))).toBe('good')
  })
})
