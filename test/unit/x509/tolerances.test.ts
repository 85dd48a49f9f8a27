// Tolerances: each is off by default and accepts only its own input.

import { describe, expect, test } from 'vitest'
import { tolerances } from '../../../src/x509/tolerances.ts'
import { readTolerances } from '../../../src/x509/internal.ts'
import type { Tolerance } from '../../../src/x509/internal.ts'

describe('readTolerances', () => {
  test('copies, removes duplicates and freezes', () => {
    const given: Tolerance[] = ['empty-extensions', 'empty-extensions']
    const read = readTolerances('test', given)
    given.push('version-1-anchor')
    expect(read).toEqual(['empty-extensions'])
    expect(Object.isFrozen(read)).toBe(true)
  })

  test.each([[['everything']], [[1]], ['empty-extensions'], [null]])('refuses %j', (given) => {
    expect(() => readTolerances('test', given as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })

  test('each says what it accepts, which clause forbids it, and the risk', () => {
    for (const { accepts, clause, risk } of Object.values(tolerances)) {
      expect(accepts).not.toBe('')
      expect(clause).toMatch(/^(RFC 5280|X\.6[89]0)/)
      expect(risk).not.toBe('')
    }
  })
})
