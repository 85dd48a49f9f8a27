// The lists that a checker is given: one odd among good ones, a function, clocks, age, octets that change.

import { describe, expect, it } from 'vitest'
import { createCrlChecker, createOcspChecker } from '../../../../src/validation/index.ts'
import type { IgnoredInput } from '../../../../src/validation/ignored-input.ts'
import type { CrlCheckerOptions } from '../../../../src/validation/revocation/crl/crl-checker.ts'
import { Crl } from '../../../../src/x509/index.ts'
import type { CrlFields } from '../../../../src/x509/crl/crl-builder.ts'
import type { CrlInput } from '../../../../src/x509/crl/crl.ts'
import { at, judge, makeChain, makeList, resign } from '../test-pki.ts'

const chain = await makeChain()
const { root, ca, leaf } = chain
const rootList = await makeList(root)
const list = await makeList(ca)
const revoked = { serialNumber: leaf.serialNumber, revocationDate: at(-5), reason: 'keyCompromise' as const }
const accusing = await makeList(ca, { crlNumber: 2, entries: [revoked] })
const seconds = (count: number): Date => at(count / 3600)

const judged = (lists: CrlCheckerOptions['lists'], options: Partial<CrlCheckerOptions> = {}): string =>
  judge(chain, createCrlChecker({ lists, mode: 'hard-fail', ...options }))

describe('a list that cannot be read', () => {
  const cut = list.der.subarray(0, -9)
  const text = 'no list at all'
  const empty = new Uint8Array(0)

  it('is left out and reported; the others are used', () => {
    const ignored: IgnoredInput[] = []
    const onIgnoredList = (each: IgnoredInput): void => void ignored.push(each)
    expect(judged([cut, rootList, text, list, empty], { onIgnoredList })).toBe('good')
    expect(ignored.map(({ option, index, code }) => [option, index, code])).toEqual([
      ['lists', 0, 'ERR_DER'],
      ['lists', 2, 'ERR_PEM'],
      ['lists', 4, 'ERR_DER'],
    ])
    expect(judged([cut, rootList, accusing])).toBe('ERR_REVOKED')
    expect(judged([rootList, cut])).toBe('ERR_REVOCATION_UNKNOWN')
  })

  it('of no type of list is a mistake of the caller, with its place', () => {
    expect(() => createCrlChecker({ lists: [rootList, 5 as never], mode: 'soft-fail' })).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining('lists[1]'),
      }),
    )
  })
})

describe('lists as a function', () => {
  it('are those of each verification', () => {
    let lists: CrlInput[] = [rootList, list]
    const checker = createCrlChecker({ lists: () => lists, mode: 'hard-fail' })
    expect(judge(chain, checker)).toBe('good')
    lists = [rootList, list, accusing]
    expect(judge(chain, checker)).toBe('ERR_REVOKED')
    lists = []
    expect(judge(chain, checker)).toBe('ERR_REVOCATION_UNKNOWN')
    lists = [rootList.toPem(), list.der]
    expect(judge(chain, checker)).toBe('good')
  })

  it('are read once while they stay the same, also where the array is changed in place', () => {
    const ignored: IgnoredInput[] = []
    const lists: CrlInput[] = [rootList, list, new Uint8Array([0x30])]
    const checker = createCrlChecker({
      lists: () => lists,
      mode: 'hard-fail',
      onIgnoredList: (each) => ignored.push(each),
    })
    for (let times = 0; times < 3; times++) expect(judge(chain, checker)).toBe('good')
    expect(ignored).toHaveLength(1)
    lists[1] = accusing
    expect(judge(chain, checker)).toBe('ERR_REVOKED')
  })

  it('that fail are no verdict: the error is the one that was thrown', () => {
    const failure = new Error('the disk is gone')
    const failing = createCrlChecker({
      lists: () => {
        throw failure
      },
      mode: 'soft-fail',
    })
    expect(() => judge(chain, failing)).toThrow(failure)
    const responses = createOcspChecker({
      responses: () => {
        throw failure
      },
      mode: 'soft-fail',
    })
    expect(() => judge(chain, responses)).toThrow(failure)
  })

  it.each([
    ['a promise', Promise.resolve([])],
    ['nothing', undefined],
    ['one list', list],
  ])('that return %s refuse, in soft-fail too', (_what, answer) => {
    const checker = createCrlChecker({ lists: () => answer as never, mode: 'soft-fail' })
    expect(judge(chain, checker)).toBe('ERR_INVALID_ARGUMENT')
  })
})

describe('clocks and age', () => {
  const madeAt = (thisUpdate: Date): Promise<Crl> => makeList(ca, { thisUpdate, nextUpdate: at(5) })

  it.each([
    ['30 s ahead', 30, {}, 'good'],
    ['60 s ahead', 60, {}, 'good'],
    ['61 s ahead', 61, {}, 'ERR_REVOCATION_UNKNOWN'],
    ['30 s ahead, and no skew is allowed', 30, { clockSkewSeconds: 0 }, 'ERR_REVOCATION_UNKNOWN'],
    ['300 s ahead, as is allowed', 300, { clockSkewSeconds: 300 }, 'good'],
  ])('an issuer whose clock is %s', async (_what, ahead, options, wanted) => {
    expect(judged([rootList, await madeAt(seconds(ahead))], options)).toBe(wanted)
  })

  const withoutNextUpdate = async (fields: Partial<CrlFields> = {}): Promise<Crl> => {
    const made = await makeList(ca, fields)
    return Crl.parse(await resign(made.tbs, ca.signer, (parts) => [...parts.slice(0, 4), ...parts.slice(5)]))
  }

  it.each<[string, Partial<CrlFields>, Partial<CrlCheckerOptions>, string]>([
    ['counts for as long as the caller says', {}, { maxAgeSeconds: 3601 }, 'good'],
    ['counts no longer', {}, { maxAgeSeconds: 3599 }, 'ERR_REVOCATION_UNKNOWN'],
    ['clears nobody where the caller says nothing', {}, {}, 'ERR_REVOCATION_UNKNOWN'],
    ['accuses for good all the same', { entries: [revoked] }, {}, 'ERR_REVOKED'],
    [
      'holds nobody where the caller says nothing',
      { entries: [{ ...revoked, reason: 'certificateHold' }] },
      { mode: 'soft-fail' },
      'good',
    ],
    [
      'holds within the age',
      { entries: [{ ...revoked, reason: 'certificateHold' }] },
      { maxAgeSeconds: 7200 },
      'ERR_REVOKED',
    ],
  ])('a list without nextUpdate %s', async (_what, fields, options, wanted) => {
    const own = await withoutNextUpdate(fields)
    expect(own.nextUpdate).toBeUndefined()
    const scope = { scope: 'leaf' as const }
    expect(judged([own], { ...scope, ...options })).toBe(wanted)
  })
})

describe('octets and arrays', () => {
  it('that change afterwards change no checker', () => {
    const bytes = Uint8Array.from(accusing.der)
    const lists: CrlInput[] = [rootList, bytes]
    const checker = createCrlChecker({ lists, mode: 'soft-fail' })
    bytes.fill(0)
    lists.length = 0
    expect(judge(chain, checker)).toBe('ERR_REVOKED')
  })
})
