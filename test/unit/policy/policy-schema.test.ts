// The published JSON Schema has the keys that the reader takes: an unknown key makes the reader name them
// all.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createRulePolicy } from '../../../src/policy/index.ts'

interface Schema {
  readonly properties: Readonly<Record<string, unknown>>
}
const schema = JSON.parse(
  readFileSync(new URL('../../../docs/policy.schema.json', import.meta.url), 'utf8'),
) as Schema & {
  properties: { revocation: Schema }
  $defs: { rule: { properties: { during: { items: Schema }; rateLimit: Schema } } & Schema }
}

function keysOf(document: object): string[] {
  try {
    createRulePolicy(document as never)
  } catch (error) {
    const [, keys] = /expected one of (.*)$/.exec((error as Error).message) ?? []
    if (keys !== undefined) return keys.split(', ').toSorted()
  }
  throw new Error('the reader took an unknown key')
}

it('docs/policy.schema.json', () => {
  const policy = { trustDomain: 'example.org', rules: [] }
  const rule = { name: 'r', identity: '*' }
  const { properties } = schema.$defs.rule
  const within = (part: object) => ({ ...policy, rules: [{ ...rule, ...part }] })
  expect(keysOf({ ...policy, x: 1 })).toEqual(Object.keys(schema.properties).toSorted())
  expect(keysOf(within({ x: 1 }))).toEqual(Object.keys(properties).toSorted())
  expect(keysOf(within({ during: [{ x: 1 }] }))).toEqual(
    Object.keys(properties.during.items.properties).toSorted(),
  )
  expect(keysOf({ ...policy, revocation: { x: 1 } })).toEqual(
    Object.keys(schema.properties.revocation.properties).toSorted(),
  )
  const rateLimit = { per: 'all', count: 1, windowSeconds: 1, x: 1 }
  expect(keysOf(within({ rateLimit }))).toEqual(Object.keys(properties.rateLimit.properties).toSorted())
})
