// What an operator reads when a token fails: token, key, function, return value, next step.

import { describe, expect, it } from 'vitest'
import { ck } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { CkrError, data, fakeSetup } from '../../../support/fake-token.ts'

describe('a failure of a token', () => {
  it.each([
    ['C_SignInit', 0x68, 'C_SignInit', /CKR_KEY_FUNCTION_NOT_PERMITTED.*CKA_SIGN/],
    ['C_SignInit', 0x70, 'C_SignInit', /CKR_MECHANISM_INVALID.*--list-mechanisms/],
    ['C_SignAsync', 0x30, 'C_Sign', /CKR_DEVICE_ERROR/],
    ['C_SignAsync', 0x20, 'C_Sign', /CKR_DATA_INVALID/],
    ['C_FindObjectsInit', 0x12, 'C_FindObjectsInit', /CKR_ATTRIBUTE_TYPE_INVALID/],
    ['C_FindObjects', 0x06, 'C_FindObjects', /CKR_FUNCTION_FAILED/],
  ])('in %s, %i: a signature names token, key and function', async (name, value, shown, words) => {
    const { library, open } = fakeSetup()
    await using keys = await open()
    await keys.generateKey('issuing', 'P-256')
    const signer = (await keys.getSigner('issuing'))!
    library.onCall = (called) => {
      if (called === name) throw new CkrError(value)
    }
    const failed = signer.sign(data)
    await expect(failed).rejects.toThrow(new RegExp(`^token "ca", key "issuing": ${shown} failed: the token`))
    await expect(failed).rejects.toThrow(words)
  })

  it.each([
    [0x31, /no room.*destroy keys/],
    [0x62, /keys of this size/],
    [0x140, /this curve/],
    [0xe2, /write-protected/],
    [0x200, /CKR_FUNCTION_REJECTED$/],
  ])('that makes no key, %i: names them too', async (value, words) => {
    const { library, open } = fakeSetup()
    await using keys = await open()
    library.onCall = (called) => {
      if (called === 'C_GenerateKeyPairAsync') throw new CkrError(value)
    }
    const failed = keys.generateKey('issuing', 'P-256')
    await expect(failed).rejects.toThrow(/^token "ca", key "issuing": C_GenerateKeyPair failed/)
    await expect(failed).rejects.toThrow(words)
  })

  it('at the start names the token, and the next step where no session is left', async () => {
    const { token, open } = fakeSetup()
    token.maxSessions = 0
    await expect(open()).rejects.toThrow(
      /^token "ca": C_OpenSession failed.*CKR_SESSION_COUNT \(end other programs .*maxSessions\)$/,
    )
  })

  it('names the token once, also where the failure is passed on', async () => {
    const { token, open } = fakeSetup()
    await using keys = await open({ maxFailures: 1 })
    const signer = await keys.generateKey('issuing', 'P-256')
    token.remove()
    for (const start of ['', 'not tried: ']) {
      const failure: unknown = await signer.sign(data).catch((error: unknown) => error)
      expect(String(failure)).toContain(`${start}token "ca"`)
      expect(String(failure).match(/token "ca"/g)).toHaveLength(1)
    }
  })
})

it('a key that is not there, or there twice, is told with its token', async () => {
  const { objectsOf, open } = fakeSetup()
  await using keys = await open()
  await keys.generateKey('a', 'P-256')
  await keys.generateKey('b', 'P-256')
  for (const run of [
    () => keys.signerOf(Buffer.of(9)),
    () => keys.destroyKey('none'),
    () => keys.rotateKey('none'),
    () => keys.backupKey('none', { passphrase: 'secret' }),
  ]) {
    await expect(run()).rejects.toThrow(/^token "ca": no .*key in the token has the /)
  }
  for (const [at, { attributes }] of objectsOf(ck.CKO_PRIVATE_KEY).entries()) {
    attributes.set(ck.CKA_LABEL, Buffer.from('twin'))
    attributes.set(ck.CKA_ID, Buffer.of(0x0a, at))
  }
  await expect(keys.getSigner('twin')).rejects.toThrow(
    /^token "ca": 2 private keys .* version 1 of twin; signerOf selects one by its CKA_ID: 0a00, 0a01$/,
  )
  await expect(keys.signerOf({ label: 'twin' })).rejects.toThrow(/^token "ca": 2 private keys in the token/)
})
