// What a validator remembers of a signature counts for the key that verified it, and for no other key of the
// same name.

import { describe, expect, it } from 'vitest'
import { createPathValidator } from '../../../src/validation/index.ts'
import { makeAuthority, makeLeaf, rejectionOf, time } from './test-pki.ts'

const root = await makeAuthority('root')
/** Two CAs with one name, each with a key of its own. No key identifier tells them apart. */
const extensions = { subjectKeyIdentifier: undefined } as const
const [one, other] = await Promise.all([
  makeAuthority('same', root, { extensions }),
  makeAuthority('same', root, { extensions }),
])
const leaf = await makeLeaf(one, { extensions: { authorityKeyIdentifier: undefined } })
const below = await makeAuthority('below', one, { extensions: { authorityKeyIdentifier: undefined } })
const leafBelow = await makeLeaf(below)

const kept = (): ReturnType<typeof createPathValidator> =>
  createPathValidator({ anchors: [root.certificate], profile: 'spiffe', time })

describe('a validator that is kept', () => {
  it('verifies a remembered leaf again under another key of its issuer', () => {
    const validator = kept()
    expect(rejectionOf(validator.verify(leaf, { intermediates: [one.certificate] }))).toBeUndefined()
    expect(validator.verify(leaf, { intermediates: [one.certificate] })).toMatchObject({ ok: true })
    expect(rejectionOf(validator.verify(leaf, { intermediates: [other.certificate] }))).toBe(
      'ERR_PATH_SIGNATURE',
    )
  })

  it('verifies a remembered intermediate again under another key of its issuer', () => {
    const validator = kept()
    const path = [below.certificate, one.certificate]
    expect(rejectionOf(validator.verify(leafBelow, { intermediates: path }))).toBeUndefined()
    expect(
      rejectionOf(validator.verify(leafBelow, { intermediates: [below.certificate, other.certificate] })),
    ).toBe('ERR_PATH_SIGNATURE')
  })
})
