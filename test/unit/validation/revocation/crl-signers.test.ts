// Who may sign a list, and what a list of each kind may say, where the path validator has accepted every
// certificate.

import { describe, expect, it } from 'vitest'
import { createCrlChecker } from '../../../../src/validation/index.ts'
import { Budget } from '../../../../src/validation/budget.ts'
import type { RevocationQuery } from '../../../../src/validation/revocation-contract.ts'
import type { ExtensionFields } from '../../../../src/x509/internal.ts'
import { Crl } from '../../../../src/x509/index.ts'
import { at, makeAuthority, makeLeaf, makeList, resign, time } from '../test-pki.ts'

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
