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

  test.each<[string, unknown]>([
    ['a Map', new Map([['id', 'x']])],
    ['a Set', new Set(['id'])],
    ['octets', new Uint8Array(0)],
    ['a Date', new Date(0)],
    ['an Error', new Error('id')],
    ['a promise', Promise.resolve({ name: 'a' })],
  ])('refuses %s, whose keys would all be absent', (_, options) => {
    const open: OptionKinds<{ readonly id?: string }> = { id: 'guard' }
    expect(() => readOptions('f', options as { id?: string }, open)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  test('reads the accessors of a class, which enumeration does not show', () => {
    class Settings {
      readonly #peer: string | undefined
      constructor(peer: string | undefined) {
        this.#peer = peer
      }
      get name(): string {
        return 'a'
      }
      get id(): string | undefined {
        return this.#peer
      }
    }
    expect(read(new Settings('x'))).toEqual({ name: 'a', id: 'x' })
    expect(() => read(new Settings(undefined))).toThrow(/the option id is present but undefined/)
  })
})
