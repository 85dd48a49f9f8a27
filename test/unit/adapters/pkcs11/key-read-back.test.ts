// Attributes that a token does not give: they are named, and are not taken for a refused template.

import { describe, expect, it } from 'vitest'
import { ck } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { code } from '../../../support/codes.ts'
import { CkrError, fakeSetup } from '../../../support/fake-token.ts'
import type { FakeSetup } from '../../../support/fake-token.ts'

type AttributeName = keyof typeof ck & `CKA_${string}`

/** The token refuses to give an attribute, alone or among others. */
function withhold({ library }: FakeSetup, attribute: AttributeName, value: number): { generated: number } {
  const seen = { generated: 0 }
  library.onCall = (name, args) => {
    if (name === 'C_GenerateKeyPairAsync') seen.generated++
    if (name !== 'C_GetAttributeValue') return
    if ((args[2] as { type: number }[]).some(({ type }) => type === ck[attribute])) throw new CkrError(value)
  }
  return seen
}

describe('an attribute that is read back and not given', () => {
  it.each<AttributeName>([
    'CKA_SENSITIVE',
    'CKA_EXTRACTABLE',
    'CKA_ALWAYS_SENSITIVE',
    'CKA_NEVER_EXTRACTABLE',
    'CKA_LOCAL',
    'CKA_KEY_TYPE',
    'CKA_EC_PARAMS',
    'CKA_EC_POINT',
  ])('%s: is named alone, one pair is made, and destroyed', async (attribute) => {
    for (const value of [0x11, 0x12]) {
      const fake = fakeSetup()
      await using keys = await fake.open()
      const seen = withhold(fake, attribute, value)
      const failure = String(await keys.generateKey('issuing', 'P-256').catch((error: unknown) => error))
      expect(failure.match(/CKA_\w+/g)).toEqual([attribute])
      expect(failure).not.toContain('template')
      expect(seen.generated).toBe(1)
      expect(fake.token.objects.size).toBe(0)
    }
  })

  it.each<[AttributeName, RegExp]>([
    ['CKA_SENSITIVE', /CKA_SENSITIVE of the private key is absent in the token; expected true$/],
    ['CKA_EC_POINT', /does not give CKA_EC_POINT of the object.*CKR_ATTRIBUTE_TYPE_INVALID$/],
  ])('%s: is named where a key is found', async (attribute, words) => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    await keys.generateKey('issuing', 'P-256')
    withhold(fake, attribute, 0x12)
    await expect(keys.getSigner('issuing')).rejects.toThrow(words)
  })

  it('CKA_LABEL that the token changed is shown as it was and is', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    fake.library.onRead = (_class, type, value) => (type === ck.CKA_LABEL ? Buffer.from('short') : value)
    const failure = String(await keys.generateKey('issuing', 'P-256').catch((error: unknown) => error))
    expect(failure).toMatch(/changed CKA_LABEL: "issuing:1:P-256:\w+" was given, and the key has "short"\)$/)
    expect(fake.token.objects.size).toBe(0)
  })

  it('of a pair that cannot be destroyed: both are told, and the pair is destroyed later', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    let fails = true
    fake.library.onCall = (name) => {
      if (fails && name === 'C_DestroyObject') throw new CkrError(0x30)
    }
    fake.library.onRead = (_class, type, value) => (fails && type === ck.CKA_LOCAL ? Buffer.of(0) : value)
    const failed = keys.generateKey('issuing', 'P-256')
    await expect(failed).rejects.toThrow(/CKA_LOCAL .*may remain .*C_DestroyObject.*destroyKey/)
    await expect(failed).rejects.toThrow(code('ERR_HSM_KEY_PROTECTION'))
    fails = false
    await keys.destroyKey('issuing')
    expect(fake.token.objects.size).toBe(0)
  })
})
