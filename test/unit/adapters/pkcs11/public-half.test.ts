// The public half of a key in a token: sources that are none, a wrong one, and curves by name.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ck } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { createRootCertificate } from '../../../../src/ca/index.ts'
import { code } from '../../../support/codes.ts'
import { CkrError, data, fakeSetup, signsRight } from '../../../support/fake-token.ts'
import type { FakeSetup } from '../../../support/fake-token.ts'
import type { KeyAlgorithm } from '../../../../src/keys/index.ts'

const printable = (text: string): Buffer => Buffer.concat([Buffer.of(0x13, text.length), Buffer.from(text)])

async function withKey(algorithm: KeyAlgorithm = 'P-256') {
  const fake = fakeSetup()
  const keys = await fake.open()
  const made = await keys.generateKey('issuing', algorithm)
  const attributesOf = (objectClass: number) => fake.objectsOf(objectClass)[0]!.attributes
  return {
    ...fake,
    keys,
    made,
    privateKey: attributesOf(ck.CKO_PRIVATE_KEY),
    publicKey: attributesOf(ck.CKO_PUBLIC_KEY),
  }
}

function removePublicHalf({ token, objectsOf }: FakeSetup): void {
  const [doomed] = objectsOf(ck.CKO_PUBLIC_KEY)
  for (const [number, object] of token.objects) if (object === doomed) token.objects.delete(number)
}

/** Adds a certificate object with the CKA_ID of the key. */
function addCertificate({ token }: FakeSetup, privateKey: Map<number, Buffer>, der: Uint8Array): void {
  const attributes = new Map([
    [ck.CKA_CLASS, Buffer.from('0100000000000000', 'hex')],
    [ck.CKA_ID, privateKey.get(ck.CKA_ID)!],
    [ck.CKA_LABEL, privateKey.get(ck.CKA_LABEL)!],
    [ck.CKA_VALUE, Buffer.from(der)],
  ])
  token.objects.set(900 + token.objects.size, { attributes, key: undefined })
}

describe('a source of the public key that is not one', () => {
  it('is named where the token has no other', async () => {
    const fake = await withKey()
    removePublicHalf(fake)
    fake.privateKey.set(ck.CKA_PUBLIC_KEY_INFO, Buffer.from('other'))
    addCertificate(fake, fake.privateKey, Buffer.from('other'))
    const failed = fake.keys.getSigner('issuing')
    await expect(failed).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    await expect(failed).rejects.toThrow(
      /CKA_PUBLIC_KEY_INFO is not a public key.*certificate object does not/,
    )
    await expect(failed).rejects.toThrow(/pkcs11-tool.*publicKey/)
  })

  it('is passed over where a certificate has the key', async () => {
    const fake = await withKey()
    const root = await createRootCertificate(fake.made, { subject: 'CN=ca', trustDomain: 'example.org' })
    removePublicHalf(fake)
    fake.privateKey.set(ck.CKA_PUBLIC_KEY_INFO, Buffer.from('other'))
    addCertificate(fake, fake.privateKey, Buffer.from('other'))
    addCertificate(fake, fake.privateKey, root.der)
    await signsRight((await fake.keys.getSigner('issuing'))!)
  })
})

describe('a given public key of another key', () => {
  const rsa = (): ReturnType<typeof generateKeyPairSync> =>
    generateKeyPairSync('rsa', { modulusLength: 2048 })
  const others = {
    'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey,
    Ed25519: generateKeyPairSync('ed25519').publicKey,
    'RSA-2048': rsa().publicKey,
  }
  it.each(['P-384', 'Ed25519', 'RSA-2048'] as const)('of %s is refused and both are named', async (name) => {
    const { keys, privateKey, publicKey } = await withKey()
    privateKey.set(ck.CKA_EC_PARAMS, publicKey.get(ck.CKA_EC_PARAMS)!)
    const objectId = Buffer.of(1)
    for (const attributes of [privateKey, publicKey]) attributes.set(ck.CKA_ID, objectId)
    const failed = keys.signerOf(objectId, { publicKey: others[name] })
    await expect(failed).rejects.toThrow(code('ERR_ALGORITHM_MISMATCH'))
    await expect(failed).rejects.toThrow(
      new RegExp(`publicKey is ${name}, and the private key .* (P-256|EC);`),
    )
  })

  it('of RSA is told by the modulus', async () => {
    const { keys, privateKey, publicKey, made } = await withKey('RSA-2048')
    privateKey.set(ck.CKA_MODULUS, publicKey.get(ck.CKA_MODULUS)!)
    const given = { publicKey: others['RSA-2048'] }
    await expect(keys.getSigner('issuing', undefined, given)).rejects.toThrow(
      /modulus of the given publicKey/,
    )
    await signsRight((await keys.getSigner('issuing', undefined, { publicKey: made.publicKey }))!)
  })

  it('of the same curve is told with the possible causes at the first signature', async () => {
    const { keys } = await withKey()
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const signer = (await keys.getSigner('issuing', undefined, { publicKey }))!
    await expect(signer.sign(data)).rejects.toThrow(/"issuing".*given publicKey, may be of another key/)
  })
})

describe('a curve', () => {
  it.each([
    ['P-256', 'secp256r1'],
    ['P-256', 'prime256v1'],
    ['P-384', 'secp384r1'],
    ['P-521', 'P-521'],
  ] as const)('%s by its name %s is read', async (algorithm, name) => {
    const { keys, publicKey, made } = await withKey(algorithm)
    publicKey.set(ck.CKA_EC_PARAMS, printable(name))
    const signer = (await keys.getSigner('issuing'))!
    expect(signer.publicKey.equals(made.publicKey)).toBe(true)
    await signsRight(signer)
  })

  it.each(['brainpoolP256r1', '__proto__'])('by the name %s is refused by that name', async (name) => {
    const { keys, publicKey } = await withKey()
    publicKey.set(ck.CKA_EC_PARAMS, printable(name))
    await expect(keys.getSigner('issuing')).rejects.toThrow(`the curve "${name}"; supported are`)
  })

  it.each([Buffer.from('06032b6571', 'hex'), printable('edwards448')])(
    'Ed448 is named',
    async (parameters) => {
      const { keys, publicKey } = await withKey('Ed25519')
      publicKey.set(ck.CKA_EC_PARAMS, parameters)
      await expect(keys.getSigner('issuing')).rejects.toThrow(/the curve Ed448; supported is Ed25519/)
    },
  )

  it.each([0x13, 0x130, 0x140])('Ed25519 is made where its name is refused with %i', async (value) => {
    const { library, open } = fakeSetup()
    await using keys = await open()
    library.onCall = (name, args) => {
      const isName = (args[2] as { value: unknown }[] | undefined)?.some(
        ({ value: parameters }) => Buffer.isBuffer(parameters) && parameters[0] === 0x13,
      )
      if (name === 'C_GenerateKeyPairAsync' && isName === true) throw new CkrError(value)
    }
    await signsRight(await keys.generateKey('issuing', 'Ed25519'))
  })
})
