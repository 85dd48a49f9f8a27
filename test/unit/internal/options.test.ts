// The reader of options objects: unknown, missing and undefined keys.

import { describe, expect, test } from 'vitest'
import { readOptions } from '../../../src/internal/options.ts'
import type { OptionKinds } from '../../../src/internal/options.ts'
import { code } from '../../support/codes.ts'

interface Options {
  readonly name: string
  readonly clock?: (() => number) | undefined
  readonly id?: string
}
const kinds: OptionKinds<Options> = { name: 'required', clock: 'optional', id: 'guard' }
const read = (options: unknown): Options => readOptions('f', options as Options, kinds)

describe('readOptions', () => {
  test('gives a frozen copy of what is there', () => {
    const given = { name: 'a', id: 'x', clock: undefined }
    const options = read(given)
    expect(options).toEqual({ name: 'a', id: 'x' })
    expect(Object.isFrozen(options)).toBe(true)
    given.id = 'y'
    expect(options.id).toBe('x')
  })

  test('reads inherited keys, each once', () => {
    let reads = 0
    const parent = {
      get id(): string {
        return `read ${++reads}`
      },
    }
    expect(read(Object.assign(Object.create(parent), { name: 'a' }))).toEqual({ name: 'a', id: 'read 1' })
  })

  test.each<[string, unknown]>([
    ['an unknown key', { name: 'a', polcy: 1 }],
    ['an unknown key whose value is undefined', { name: 'a', polcy: undefined }],
    ['a guard that is undefined', { name: 'a', id: undefined }],
    ['a required key that is missing', { id: 'x' }],
    ['a required key that is undefined', { name: undefined }],
    ['nothing, where a key is required', undefined],
    ['null', null],
    ['an array', []],
    ['a text', 'name'],
    ['a function', () => undefined],
    ['a key of Object.prototype', { name: 'a', toString: 'x' }],
    ['__proto__ as an own key', JSON.parse('{"name":"a","__proto__":{"id":"x"}}')],
  ])('refuses %s', (_, options) => {
    expect(() => read(options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
