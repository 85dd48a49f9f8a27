// PkiError and its catalogue of codes.

import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { PkiError, isPkiError } from '../../../src/errors/index.ts'

describe('PkiError', () => {
  test('carries a code, a message and a cause', () => {
    const cause = new RangeError('underneath')
    const error = new PkiError('ERR_DER', 'found 0x05, wanted SEQUENCE', { cause })
    expect(error).toBeInstanceOf(Error)
    expect(error.code).toBe('ERR_DER')
    expect(error.message).toBe('found 0x05, wanted SEQUENCE')
    expect(error.cause).toBe(cause)
    expect(error.name).toBe('PkiError')
    expect(String(error)).toBe('PkiError: found 0x05, wanted SEQUENCE')
  })

  test('has no cause unless one is given', () => {
    expect('cause' in new PkiError('ERR_DER', 'text')).toBe(false)
    expect('cause' in new PkiError('ERR_DER', 'text', { cause: undefined })).toBe(false)
  })

  test('shows its code when inspected, and the name is not a field', () => {
    const error = new PkiError('ERR_CLOSED', 'closed')
    expect(inspect(error)).toContain("code: 'ERR_CLOSED'")
    expect(Object.keys(error)).toEqual(['code'])
  })

  test('cuts a message that quotes too much from outside', () => {
    const error = new PkiError('ERR_DER', 'x'.repeat(1_000_000))
    expect(error.message.length).toBe(1024)
    expect(error.message.endsWith('…')).toBe(true)
    expect(new PkiError('ERR_DER', 'x'.repeat(1024)).message).toBe('x'.repeat(1024))
  })
})

describe('isPkiError', () => {
  const foreign = Object.assign(new Error('from another copy'), { code: 'ERR_DER' })
  Object.defineProperty(foreign, 'name', { value: 'PkiError' })

  test.each([
    [new PkiError('ERR_DER', 'text'), undefined, true],
    [new PkiError('ERR_DER', 'text'), 'ERR_DER', true],
    [new PkiError('ERR_DER', 'text'), 'ERR_PEM', false],
    [foreign, 'ERR_DER', true],
    [Object.assign(new Error('of node'), { code: 'ERR_DER' }), undefined, false],
    [{ name: 'PkiError', code: 'ERR_DER' }, undefined, false],
    ['ERR_DER', undefined, false],
    [undefined, undefined, false],
    [null, undefined, false],
  ] as const)('%s with code %s: %s', (value, code, expected) => {
    expect(isPkiError(value, code)).toBe(expected)
  })
})
