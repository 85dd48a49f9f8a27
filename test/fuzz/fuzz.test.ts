// A short run of the fuzzer, which `npm run fuzz` does at length: it finds the faults of a broken parser, and
// none in ours.

import { describe, expect, it } from 'vitest'
import { PkiError } from '../../src/errors/index.ts'
import { fuzzTarget } from './fuzz-target.ts'
import { targets } from './targets.ts'

describe('npm run fuzz', () => {
  it.each(targets.map((target) => [target.name, target] as const))(
    '%s: 500 runs without a finding',
    (_name, target) => {
      // How long it takes is no business of a test on a machine that others use too.
      expect(fuzzTarget(target, 500, 7, { now: () => 0 })).toMatchObject({ runs: 500, findings: [] })
    },
  )

  it('repeats itself by its seed', () => {
    const [target] = targets
    expect(fuzzTarget(target!, 300, 11).refused).toEqual(fuzzTarget(target!, 300, 11).refused)
  })

  it('tells another error from a refusal', () => {
    let count = 0
    const broken = {
      name: 'broken',
      input: () => 'x',
      run: () => {
        throw ++count % 100 === 0 ? new TypeError('oops') : new PkiError('ERR_DER', 'no')
      },
    }
    expect(fuzzTarget(broken, 300, 1).findings).toHaveLength(3)
  })

  it.each([
    { what: 'what is slow four times over', slow: () => true, findings: [{ problem: 'took 51 ms' }] },
    {
      what: 'nothing of what was slow three times, and not the fourth',
      slow: (run: number) => run <= 3,
      findings: [],
    },
  ])('tells $what', ({ slow, findings }) => {
    let [ms, run] = [0, 0]
    const target = {
      name: 'slow',
      input: () => 'x',
      run: () => {
        if (slow(++run)) ms += 51
      },
    }
    expect(fuzzTarget(target, 1, 1, { now: () => ms }).findings).toMatchObject(findings)
  })
})
