// The fuzzer at work, briefly: it finds what it should in a broken parser, and nothing in ours. `npm run fuzz` goes on for longer.

import { describe, expect, it } from 'vitest'
import { PkiError } from '../../src/errors/index.ts'
import { fuzzTarget } from '../fuzz/fuzz-target.ts'
import { targets } from '../fuzz/targets.ts'

describe('npm run fuzz', () => {
  it.each(targets.map((target) => [target.name, target] as const))('%s: 500 runs without a finding', (_name, target) => {
    expect(fuzzTarget(target, 500, 7).findings).toEqual([])
  })

  it('repeats itself by its seed', () => {
    const [target] = targets
    expect(fuzzTarget(target!, 300, 11).refused).toEqual(fuzzTarget(target!, 300, 11).refused)
  })

  it('tells another error from a refusal', () => {
    let count = 0
    const broken = { name: 'broken', input: () => 'x', run: () => {
      throw ++count % 100 === 0 ? new TypeError('oops') : new PkiError('ERR_DER', 'no')
    } }
    expect(fuzzTarget(broken, 300, 1).findings).toHaveLength(3)
  })
})
