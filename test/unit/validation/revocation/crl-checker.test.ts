// What a list says of a certificate, and what a checker makes of it: RFC 5280 §6.3.3.

import { describe, expect, it } from 'vitest'
import { PkiError } from '../../../../src/errors/index.ts'
import { createCrlChecker } from '../../../../src/validation/index.ts'
import type { CrlCheckerOptions } from '../../../../src/validation/revocation/index.ts'
import { generalName } from '../../../../src/x509/index.ts'
import type { Crl } from '../../../../src/x509/index.ts'
import type { CrlFields } from '../../../../src/x509/crl/crl-builder.ts'
import { code } from '../../../support/codes.ts'
import { at, judge, makeChain, makeCrlIssuer, makeLeaf, makeList } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const crlIssuer = await makeCrlIssuer(ca)
const distribution = { fullName: [generalName.uri('http://crl.example/1')] }
const revoked = {
  serialNumber: leaf.serialNumber,
  revocationDate: at(-0.5),
  reason: 'keyCompromise' as const,
}
const list = (fields: Partial<CrlFields> = {}, by: Parameters<typeof makeList>[0] = ca): Promise<Crl> =>
  makeList(by, fields)
const rootList = await list({}, root)

async function outcome(
  lists: readonly Crl[],
  options: Partial<CrlCheckerOptions> = {},
  certificate = leaf,
): Promise<string> {
  return judge(
    chain,
    createCrlChecker({ lists: [rootList, ...lists], mode: 'hard-fail', ...options }),
    certificate,
  )
}

describe('CRL checks', () => {
  it.each([
    { what: 'a current list without the leaf', lists: () => list(), wanted: 'good' },
    {
      what: 'a current list with the leaf',
      lists: () => list({ entries: [revoked] }),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'a list with another certificate',
      lists: () => list({ entries: [{ ...revoked, serialNumber: ca.certificate.serialNumber }] }),
      wanted: 'good',
    },
    {
      what: 'a list past its next update',
      lists: () => list({ thisUpdate: at(-3), nextUpdate: at(-2) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a stale list with the leaf',
      lists: () => list({ thisUpdate: at(-3), nextUpdate: at(-2), entries: [revoked] }),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'a stale list with the leaf on hold',
      lists: () =>
        list({
          thisUpdate: at(-3),
          nextUpdate: at(-2),
          entries: [{ ...revoked, reason: 'certificateHold' }],
        }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a list from the future',
      lists: () => list({ thisUpdate: at(0.5), nextUpdate: at(2) }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a list signed by somebody else',
      lists: () => list({}, { ...ca, signer: root.signer }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'an unknown critical extension',
      lists: () => list({ other: [{ oid: '1.2.3', critical: true, value: Uint8Array.of(5, 0) }] }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a list about CAs alone',
      lists: () => list({ issuingDistributionPoint: { onlyContainsCaCerts: true } }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a list about end entities',
      lists: () => list({ issuingDistributionPoint: { onlyContainsUserCerts: true } }),
      wanted: 'good',
    },
    {
      what: 'a list about some reasons',
      lists: () => list({ issuingDistributionPoint: { onlySomeReasons: 2 } }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a list of another distribution point',
      lists: () => list({ issuingDistributionPoint: { name: distribution } }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'a delta without a base, which accuses',
      lists: () => list({ deltaCrlIndicator: 1, crlNumber: 2, entries: [revoked] }),
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'a delta without a base',
      lists: () => list({ deltaCrlIndicator: 1, crlNumber: 2 }),
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
  ])('$what: $wanted', async ({ lists, wanted }) => {
    expect(await outcome([await lists()])).toBe(wanted)
  })

  it('takes reasons together from several lists', async () => {
    expect(
      await outcome([
        await list({ issuingDistributionPoint: { onlySomeReasons: 0x0e } }),
        await list({ crlNumber: 2, issuingDistributionPoint: { onlySomeReasons: 0x1f0 } }),
      ]),
    ).toBe('good')
  })

  it('believes the newer of two lists', async () => {
    expect(await outcome([await list(), await list({ crlNumber: 2, entries: [revoked] })])).toBe(
      'ERR_REVOKED',
    )
  })

  it('completes a list by its delta', async () => {
    expect(
      await outcome([await list(), await list({ crlNumber: 2, deltaCrlIndicator: 1, entries: [revoked] })]),
    ).toBe('ERR_REVOKED')
    const held = await list({ entries: [{ ...revoked, reason: 'certificateHold' }] })
    expect(await outcome([held])).toBe('ERR_REVOKED')
    expect(
      await outcome([
        held,
        await list({
          crlNumber: 2,
          deltaCrlIndicator: 1,
          entries: [{ ...revoked, reason: 'removeFromCRL' }],
        }),
      ]),
    ).toBe('good')
    expect(
      await outcome([
        held,
        await list({
          crlNumber: 2,
          deltaCrlIndicator: 2,
          entries: [{ ...revoked, reason: 'removeFromCRL' }],
        }),
      ]),
    ).toBe('ERR_REVOKED')
  })

  it('follows an indirect list to its issuer', async () => {
    const point = [
      {
        name: distribution,
        reasons: undefined,
        crlIssuer: [{ type: 'directoryName' as const, name: crlIssuer.name }],
      },
    ]
    const certificate = await makeLeaf(ca, { extensions: { crlDistributionPoints: point } })
    const scope = { name: distribution, indirectCrl: true }
    const entry = { serialNumber: certificate.serialNumber, revocationDate: at(-0.5) }
    const named = { ...entry, certificateIssuer: [{ type: 'directoryName' as const, name: ca.name }] }
    const indirect = (entries: CrlFields['entries']): Promise<Crl> =>
      list({ issuingDistributionPoint: scope, entries }, crlIssuer)
    expect(await outcome([await indirect([])], { issuers: [crlIssuer.certificate] }, certificate)).toBe(
      'ERR_REVOCATION_UNKNOWN',
    ) // the issuer's own status is not known
    const own = await list() // about the CRL issuer
    expect(await outcome([own, await indirect([])], { issuers: [crlIssuer.certificate] }, certificate)).toBe(
      'good',
    )
    expect(
      await outcome([own, await indirect([named])], { issuers: [crlIssuer.certificate] }, certificate),
    ).toBe('ERR_REVOKED')
  })

  it.each([
    {
      what: 'soft-fail lets an unknown status through',
      options: { mode: 'soft-fail' as const },
      lists: () => [],
      wanted: 'good',
    },
    {
      what: 'soft-fail believes a list',
      options: { mode: 'soft-fail' as const },
      lists: async () => [await list({ entries: [revoked] })],
      wanted: 'ERR_REVOKED',
    },
    {
      what: 'off asks nobody',
      options: { mode: 'off' as const },
      lists: async () => [await list({ entries: [revoked] })],
      wanted: 'good',
    },
    {
      what: 'an age limit',
      options: { maxAgeSeconds: 1800 },
      lists: async () => [await list()],
      wanted: 'ERR_REVOCATION_UNKNOWN',
    },
    {
      what: 'the leaf alone',
      options: { scope: 'leaf' as const },
      lists: async () => [await list()],
      wanted: 'good',
    },
  ])('$what', async ({ options, lists, wanted }) => {
    expect(await outcome(await lists(), options)).toBe(wanted)
  })

  it.each<[string, object]>([
    ['an age that is none', { maxAgeSeconds: Number.NaN }],
    ['a mode that is misspelt', { mode: 'hardfail' }],
    ['a mode that is switched off in other words', { mode: false }],
    ['no mode', { mode: undefined }],
    ['a scope that is misspelt', { scope: 'leafs' }],
  ])('refuses %s', (_what, options) => {
    expect(() => createCrlChecker({ lists: [], mode: 'hard-fail', ...options })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('asks with the scope "leaf" about the target, a CA or not', async () => {
    const about = (lists: readonly Crl[], mode: 'hard-fail' | 'soft-fail'): string =>
      judge(chain, createCrlChecker({ lists, mode, scope: 'leaf' }), ca.certificate)
    const accusing = await list(
      { entries: [{ serialNumber: ca.certificate.serialNumber, revocationDate: at(-0.5) }] },
      root,
    )
    expect([about([accusing], 'soft-fail'), about([rootList], 'hard-fail'), about([], 'hard-fail')]).toEqual([
      'ERR_REVOKED',
      'good',
      'ERR_REVOCATION_UNKNOWN',
    ])
  })
})

describe('a fault while lists are read', () => {
  const failing = (lists: () => never): CrlCheckerOptions => ({ lists, mode: 'soft-fail', scope: 'leaf' })

  it('refuses the certificate, also where an unknown status would not', async () => {
    const checker = createCrlChecker(
      failing(() => {
        throw new PkiError('ERR_DER', 'a list that cannot be read')
      }),
    )
    expect(judge(await makeChain(), checker)).toBe('ERR_DER')
  })

  it('refuses the certificate where the function answers with a promise', async () => {
    const checker = createCrlChecker(failing(() => Promise.resolve([]) as never))
    expect(judge(await makeChain(), checker)).toBe('ERR_INVALID_ARGUMENT')
  })

  it('of any other kind is thrown: it is no property of the certificate', async () => {
    const checker = createCrlChecker(
      failing(() => {
        throw new TypeError('a bug of the host')
      }),
    )
    const chain = await makeChain()
    expect(() => judge(chain, checker)).toThrow(TypeError)
  })
})
