// Which objects are taken for one with the methods of a contract.

import { expect, it } from 'vitest'
import { checkMethods } from '../../../src/internal/option-types.ts'
import { code } from '../../support/codes.ts'

class Store {
  find(): undefined {
    return undefined
  }
}
class TaggedStore extends Store {
  get [Symbol.toStringTag](): string {
    return 'TaggedStore'
  }
}

const strict = new Proxy(new Store(), {
  get: (target, name) => {
    if (name !== 'find') throw new Error(`nobody asks for ${String(name)}`)
    return target.find.bind(target)
  },
})

it.each([
  ['of a class', new Store()],
  ['of a class with a tag', new TaggedStore()],
  ['behind a Proxy', strict],
])('an object %s is one', (_, store) => {
  expect(() => checkMethods('test', { store }, 'find')).not.toThrow()
})

it.each([[[]], ['find'], [null], [{ find: true }], [new Map()]])('%o is none', (store) => {
  expect(() => checkMethods('test', { store }, 'find')).toThrow(code('ERR_INVALID_ARGUMENT'))
})
