// Who may sign a list, and what a list of each kind may say, where the path validator has accepted every
// certificate.

import { describe, expect, it } from 'vitest'
import {
  boolean,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
} from '../../../../src/der/index.ts'
import { createCrlChecker } from '../../../../src/validation/index.ts'
import { Budget } from '../../../../src/validation/budget.ts'
import type { RevocationQuery } from '../../../../src/validation/revocation-contract.ts'
import type { CrlInput, Extension, ExtensionFields } from '../../../../src/x509/internal.ts'
import { Crl, DistinguishedName, extensionOids } from '../../../../src/x509/index.ts'
import type { CrlFields } from '../../../../src/x509/crl/crl-builder.ts'
import { at, editedList, makeAuthority, makeLeaf, makeList, newSigner, resign, time } from '../test-pki.ts'

const ca = await makeAuthority('ca')
const leaf = await makeLeaf(ca)

async function queryOf(extensions: ExtensionFields = {}): Promise<RevocationQuery> {
  const { certificate } = await makeAuthority('ca', undefined, { signer: ca.signer, extensions })
  return {
    certificate: leaf,
    issuer: { subject: ca.name, publicKey: ca.signer.publicKey, certificate },
    time,
    budget: new Budget(),
    verifyAuthority: () => undefined,
  }
}

const judged = (lists: readonly Crl[], query: RevocationQuery): string =>
  createCrlChecker({ lists, mode: 'hard-fail' }).check(query)?.message ?? 'good'

describe('an issuer in the path', () => {
  it.each([
    [['keyCertSign', 'cRLSign'], /^good$/],
    [undefined, /^good$/],
    [['keyCertSign'], /its issuer's key usage lacks cRLSign/],
  ] as const)('with the key usage %j', async (keyUsage, expected) => {
    expect(judged([await makeList(ca)], await queryOf({ keyUsage }))).toMatch(expected)
  })
})

describe('a delta that does not complete the list', () => {
  const delta = (reason: 'certificateHold' | 'removeFromCRL'): Promise<Crl> =>
    makeList(ca, {
      crlNumber: 5,
      deltaCrlIndicator: 3,
      entries: [{ serialNumber: leaf.serialNumber, revocationDate: at(-1), reason }],
    })

  it.each([
    ['certificateHold', false],
    ['removeFromCRL', true],
  ] as const)('with the reason %s revokes, or not: good is %s', async (reason, isGood) => {
    const list = await makeList(ca, { crlNumber: 1 })
    expect(judged([list, await delta(reason)], await queryOf()) === 'good').toBe(isGood)
  })
})

it('a list of the future is named with its time, the tolerance, and the clock', async () => {
  const list = await makeList(ca, { thisUpdate: new Date(time.getTime() + 61_000), nextUpdate: at(1) })
  const query = await queryOf()
  expect(judged([list], query)).toContain(
    'its thisUpdate 2026-06-01T00:01:01.000Z is more than 60 s (clockSkewSeconds) later than the time, ' +
      '2026-06-01T00:00:00.000Z',
  )
  const skewed = createCrlChecker({ lists: [list], mode: 'hard-fail', clockSkewSeconds: 61 })
  expect(skewed.check(query)).toBeUndefined()
})

it('a list of version 1, which has no number, shows a good status', async () => {
  const made = await makeList(ca)
  const der = await resign(made.tbs, ca.signer, (parts) => parts.slice(1, -1))
  const list = Crl.parse(der)
  expect([list.version, list.crlNumber]).toEqual([1, undefined])
  expect(judged([list], await queryOf())).toBe('good')
})

it('the names of a distribution point are counted as comparisons', async () => {
  const spent = async (names: number): Promise<number> => {
    const fullName = Array.from({ length: names }, (_, n) => ({
      type: 'uri' as const,
      value: `http://a/${n}`,
    }))
    const point = { name: { fullName }, reasons: undefined, crlIssuer: undefined }
    const certificate = await makeLeaf(ca, { extensions: { crlDistributionPoints: [point] } })
    const query = { ...(await queryOf()), certificate }
    const name = { fullName: [{ type: 'uri' as const, value: 'http://b/' }] }
    judged([await makeList(ca, { issuingDistributionPoint: { name } })], query)
    return query.budget.spent.nameComparisons
  }
  expect((await spent(101)) - (await spent(1))).toBeGreaterThanOrEqual(400)
})

describe('the names of the issuer of a list are counted as comparisons', () => {
  const other = { name: DistinguishedName.parse('CN=other'), signer: newSigner() }
  const crlIssuer = Array.from({ length: 30 }, (_, n) => ({
    type: 'directoryName' as const,
    name: DistinguishedName.parse(`CN=${n}`),
  }))
  const points = { crlDistributionPoints: [{ name: undefined, reasons: undefined, crlIssuer }] }
  const spent = async (lists: readonly CrlInput[], extensions: ExtensionFields): Promise<number> => {
    const query = { ...(await queryOf()), certificate: await makeLeaf(ca, { extensions }) }
    createCrlChecker({ lists, mode: 'soft-fail' }).check(query)
    return query.budget.spent.nameComparisons
  }

  it.each([
    ['without distribution points', {}, 100, 120],
    ['with 30 names of CRL issuers', points, 50 * 30, 50 * 40],
  ])('in each list of another issuer, %s', async (_what, extensions, least, most) => {
    const list = await makeList(other)
    const lists = await Promise.all(Array.from({ length: 50 }, (_, n) => makeList(other, { crlNumber: n })))
    const count = (await spent(lists, extensions)) - (await spent([list], extensions))
    expect(count).toBeGreaterThanOrEqual((least * 49) / 50)
    expect(count).toBeLessThanOrEqual(most)
  })

  it('in each list with a malformed extension', async () => {
    const number = sequence(oid(extensionOids.crlNumber), octetString(integer(-7)))
    const odd = await Promise.all(
      Array.from({ length: 3 }, () => editedList(other, { extensions: [number] })),
    )
    expect(await spent(odd, points)).toBe(3 * 31)
  })
})

describe('a list that is signed with the key of the certificate itself', () => {
  // A CA that changes keys: the certificate of the new key is signed with the old key, under one name.
  const renewed = makeAuthority('ca', ca)
  const own = async (lists: readonly Crl[]): Promise<string> => {
    const { certificate } = await renewed
    const query = { ...(await queryOf()), certificate }
    const checker = createCrlChecker({ lists, mode: 'hard-fail', issuers: [certificate] })
    return checker.check(query)?.code ?? 'good'
  }
  const entries = async (reason: 'certificateHold' | 'removeFromCRL' | 'keyCompromise') => [
    { serialNumber: (await renewed).certificate.serialNumber, revocationDate: at(-5), reason },
  ]

  it('shows a good status only if no other list answers', async () => {
    const list = await makeList(await renewed, { crlNumber: 2 })
    expect(await own([list])).toBe('good')
    expect(await own([list, await makeList(ca, { entries: await entries('keyCompromise') })])).toBe(
      'ERR_REVOKED',
    )
    expect(await own([list, await makeList(ca, { entries: await entries('certificateHold') })])).toBe(
      'ERR_REVOKED',
    )
  })

  it('lifts no revocation in an older delta, if it is a delta', async () => {
    const delta = { crlNumber: 2, deltaCrlIndicator: 1 }
    const held = await makeList(ca, { ...delta, entries: await entries('certificateHold') })
    const lifted = await makeList(await renewed, {
      ...delta,
      crlNumber: 3,
      entries: await entries('removeFromCRL'),
    })
    expect(await own([held])).toBe('ERR_REVOKED')
    expect(await own([lifted, held])).toBe('ERR_REVOKED')
  })
})

const encoded = ({ oid: type, critical, value }: Extension): Uint8Array =>
  sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value))

describe('a delta with removeFromCRL ends a hold', () => {
  const entry = (reason: 'certificateHold' | 'removeFromCRL') => [
    { serialNumber: leaf.serialNumber, revocationDate: at(-5), reason },
  ]
  const ended = async (fields: Partial<CrlFields>, signer = ca.signer): Promise<boolean> => {
    const list = await makeList(ca, { crlNumber: 5, entries: entry('certificateHold') })
    const lifted = { crlNumber: 6, deltaCrlIndicator: 5, entries: entry('removeFromCRL'), ...fields }
    return judged([list, await makeList({ name: ca.name, signer }, lifted)], await queryOf()) === 'good'
  }

  it.each<[string, Partial<CrlFields>, boolean]>([
    ['its number is higher than that of the list', {}, true],
    ['not if its number is lower', { crlNumber: 4, deltaCrlIndicator: 3 }, false],
    ['not if its base is newer than the list', { crlNumber: 7, deltaCrlIndicator: 6 }, false],
    ['not if it has another key identifier', { authorityKeyIdentifier: Uint8Array.of(1) }, false],
    ['not if it has expired', { thisUpdate: at(-3), nextUpdate: at(-2) }, false],
    ['not if it is of the future', { thisUpdate: at(1), nextUpdate: at(2) }, false],
  ])('%s', async (_what, fields, expected) => {
    expect(await ended(fields)).toBe(expected)
  })

  it('not if another key has signed it', async () => {
    expect(await ended({}, newSigner())).toBe(false)
  })
})

it('a delta with a critical extension that is not supported revokes nothing', async () => {
  const entries = [{ serialNumber: leaf.serialNumber, revocationDate: at(-5) }]
  const made = await makeList(ca, { crlNumber: 6, deltaCrlIndicator: 5, entries })
  const unknown = sequence(oid('1.2.3'), boolean(true), octetString(nullElement()))
  const delta = await resign(made.tbs, ca.signer, (parts) => [
    ...parts.slice(0, -1),
    explicit(0, sequence(...made.extensions.map(encoded), unknown)),
  ])
  const list = await makeList(ca, { crlNumber: 5 })
  expect(judged([list, made], await queryOf())).not.toBe('good')
  expect(judged([list, Crl.parse(delta)], await queryOf())).toBe('good')
})

it('a permanent revocation in a delta of the future does not count yet', async () => {
  const entries = [{ serialNumber: leaf.serialNumber, revocationDate: at(-5) }]
  const future = { thisUpdate: at(1), nextUpdate: at(2), crlNumber: 2, deltaCrlIndicator: 1, entries }
  expect(judged([await makeList(ca), await makeList(ca, future)], await queryOf())).toBe('good')
})

it('a complete list for other reasons than those of the point is not read as a delta', async () => {
  const name = { fullName: [{ type: 'uri' as const, value: 'http://a/' }] }
  const point = { name, reasons: 1 << 1, crlIssuer: undefined }
  const certificate = await makeLeaf(ca, { extensions: { crlDistributionPoints: [point] } })
  const list = await makeList(ca, {
    entries: [{ serialNumber: certificate.serialNumber, revocationDate: at(-5), reason: 'certificateHold' }],
    issuingDistributionPoint: { name, onlySomeReasons: 1 << 2 },
  })
  expect(judged([list], { ...(await queryOf()), certificate })).toMatch(/it has another distribution point/)
})
