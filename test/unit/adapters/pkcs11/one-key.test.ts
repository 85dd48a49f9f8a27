// What is wrong with one key is not wrong with the token: logins for each signature, failures by key, public
// halves, vendors' templates.

import { describe, expect, it } from 'vitest'
import { ck } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import type { Attribute } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { createRootCertificate } from '../../../../src/ca/index.ts'
import { code } from '../../../support/codes.ts'
import { CkrError, data, fakeSetup, signsRight } from '../../../support/fake-token.ts'
import type { FakeSetup } from '../../../support/fake-token.ts'

type FakeObject = ReturnType<FakeSetup['objectsOf']>[number]
const only = (objects: readonly FakeObject[]): FakeObject => {
  expect(objects).toHaveLength(1)
  return objects[0]!
}
/** Takes objects of a class out of the token. */
const remove = ({ token, objectsOf }: FakeSetup, objectClass: number): void => {
  const doomed = new Set(objectsOf(objectClass))
  for (const [number, object] of token.objects) if (doomed.has(object)) token.objects.delete(number)
}
const ulong = (value: number): Buffer => {
  const octets = Buffer.alloc(8)
  octets.writeUInt32LE(value)
  return octets
}

describe('a key with CKA_ALWAYS_AUTHENTICATE', () => {
  async function setup(pin: () => string) {
    const fake = fakeSetup()
    const keys = await fake.open({ pin })
    await keys.generateKey('ca', 'P-256')
    only(fake.objectsOf(ck.CKO_PRIVATE_KEY)).attributes.set(ck.CKA_ALWAYS_AUTHENTICATE, Buffer.of(1))
    return { ...fake, keys, signer: (await keys.getSigner('ca'))! }
  }

  it('signs, with a login for each signature, also many at once', async () => {
    const { keys, signer, token } = await setup(() => '1234')
    await Promise.all(Array.from({ length: 20 }, () => signsRight(signer)))
    expect(token.sentPins).toHaveLength(21)
    await keys[Symbol.asyncDispose]()
  })

  it.each([0xa0, 0xa3, 0xa4, 0x80000001])(
    'whose login is refused with %i leaves the other keys of the token at work',
    async (value) => {
      for (const maxSessions of [1, 8]) {
        const fake = fakeSetup()
        await using keys = await fake.open({ maxSessions })
        await keys.generateKey('ca', 'P-256')
        only(fake.objectsOf(ck.CKO_PRIVATE_KEY)).attributes.set(ck.CKA_ALWAYS_AUTHENTICATE, Buffer.of(1))
        const signer = (await keys.getSigner('ca'))!
        const good = await keys.generateKey('good', 'P-256')
        fake.library.onCall = (name, args) => {
          if (name === 'C_Login' && args[1] === ck.CKU_CONTEXT_SPECIFIC) throw new CkrError(value)
        }
        for (let i = 0; i < 5; i++) {
          await expect(signer.sign(data)).rejects.toThrow(code('ERR_HSM_PIN'))
          await signsRight(good)
        }
        // The user's login, and one attempt for the key.
        expect(fake.library.calls.filter((name) => name === 'C_Login')).toHaveLength(2)
        expect(keys.health).toBe('pin-refused')
        expect(keys.sessions.open).toBeLessThanOrEqual(maxSessions)
      }
    },
  )

  it('signs where the token says that the user is logged in already', async () => {
    const { keys, signer, library } = await setup(() => '1234')
    library.onCall = (name, args) => {
      if (name !== 'C_Login' || args[1] !== ck.CKU_CONTEXT_SPECIFIC) return
      for (const session of library.tokens[0]!.sessions.values()) session.contextLogin = true
      throw new CkrError(0x100)
    }
    await signsRight(signer)
    expect(keys.health).toBe('ready')
    await keys[Symbol.asyncDispose]()
  })

  it('does not have a PIN sent again that its login refused', async () => {
    let pin = '1234'
    const { keys, signer, token } = await setup(() => pin)
    pin = '0000'
    for (let i = 0; i < 5; i++) await expect(signer.sign(data)).rejects.toThrow(code('ERR_HSM_PIN'))
    expect(token.sentPins).toEqual(['1234', '0000'])
    await keys[Symbol.asyncDispose]()
  })
})

describe('failures of one key', () => {
  it.each([0x06, 0x30, 0x60, 0x82, 0x101, 0x80000001])(
    'with %i leave the token at work, and the key is tried again when it works',
    async (value) => {
      const fake = fakeSetup()
      await using keys = await fake.open()
      const broken = await keys.generateKey('broken', 'P-256')
      const good = await keys.generateKey('good', 'P-256')
      const key = fake.objectsOf(ck.CKO_PRIVATE_KEY)[0]!
      const number = [...fake.token.objects].find(([, object]) => object === key)![0]
      let fails = true
      fake.library.onCall = (name, [, , handle]) => {
        if (fails && name === 'C_SignInit' && (handle as Buffer).readUInt32LE(0) === number)
          throw new CkrError(value)
      }
      for (let i = 0; i < 12; i++) {
        await expect(broken.sign(data)).rejects.toThrow(/failed|not tried/)
        expect(keys.health).toBe('ready')
        await signsRight(good)
      }
      const before = fake.library.calls.filter((name) => name === 'C_SignInit').length
      await expect(broken.sign(data)).rejects.toThrow(/not tried: \d+ operations with this key/)
      expect(fake.library.calls.filter((name) => name === 'C_SignInit').length).toBe(before)
      fails = false
      fake.clock.advance(2_000)
      await signsRight(broken)
      await signsRight(broken)
      expect([fake.library.misuse, fake.token.sentPins.length]).toEqual([[], fake.token.sentPins.length])
    },
  )

  it('with a device error connect the token anew once, and not for each call', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    const broken = await keys.generateKey('broken', 'P-256')
    fake.library.onCall = (name) => {
      if (name === 'C_SignInit') throw new CkrError(0x30)
    }
    for (let i = 0; i < 4; i++) await expect(broken.sign(data)).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    expect(fake.library.calls.filter((name) => name === 'C_GetSlotList').length).toBeLessThanOrEqual(3)
  })

  it('that a new connection cures are not seen by the caller (a device session that timed out)', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    const signer = await keys.generateKey('ca', 'P-256')
    let lost = true
    fake.library.onCall = (name) => {
      if (name === 'C_GetSlotList') lost = false
      if (lost && name === 'C_SignInit') throw new CkrError(0x30)
    }
    await signsRight(signer)
    expect(keys.health).toBe('ready')
  })
})

describe('a private key without a public object', () => {
  it('is an RSA key with its modulus', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    const made = await keys.generateKey('ca', 'RSA-2048')
    const { attributes } = only(fake.objectsOf(ck.CKO_PUBLIC_KEY))
    const key = only(fake.objectsOf(ck.CKO_PRIVATE_KEY))
    for (const types of [[ck.CKA_MODULUS, ck.CKA_PUBLIC_EXPONENT], [ck.CKA_MODULUS]]) {
      key.attributes.delete(ck.CKA_PUBLIC_EXPONENT)
      for (const type of types) key.attributes.set(type, attributes.get(type)!)
      remove(fake, ck.CKO_PUBLIC_KEY)
      const found = (await keys.getSigner('ca'))!
      expect(found.publicKey.equals(made.publicKey)).toBe(true)
      await signsRight(found)
    }
  })

  it.each<[string, (fake: FakeSetup, spki: Uint8Array) => void]>([
    [
      'CKA_PUBLIC_KEY_INFO',
      (fake, spki) =>
        only(fake.objectsOf(ck.CKO_PRIVATE_KEY)).attributes.set(ck.CKA_PUBLIC_KEY_INFO, Buffer.from(spki)),
    ],
    [
      'its point',
      (fake) => {
        const { attributes } = only(fake.objectsOf(ck.CKO_PUBLIC_KEY))
        for (const type of [ck.CKA_EC_PARAMS, ck.CKA_EC_POINT])
          only(fake.objectsOf(ck.CKO_PRIVATE_KEY)).attributes.set(type, attributes.get(type)!)
      },
    ],
  ])('is an EC key with %s', async (_what, add) => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    const made = await keys.generateKey('ca', 'P-256')
    add(fake, made.publicKey.spki)
    remove(fake, ck.CKO_PUBLIC_KEY)
    await signsRight((await keys.getSigner('ca'))!)
  })

  it('has the key of a certificate in the token, also of two with one key', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    const made = await keys.generateKey('ca', 'P-256')
    const certificate = await createRootCertificate(made, { subject: 'CN=ca', trustDomain: 'example.org' })
    const other = await createRootCertificate(await (await fakeSetup().open()).generateKey('ca', 'P-256'), {
      subject: 'CN=ca',
      trustDomain: 'example.org',
    })
    const { attributes } = only(fake.objectsOf(ck.CKO_PRIVATE_KEY))
    remove(fake, ck.CKO_PUBLIC_KEY)
    await expect(keys.getSigner('ca')).rejects.toThrow(/pkcs11-tool.*publicKey/)
    let number = 900
    const addCertificate = (der: Uint8Array): void => {
      const values: [number, Buffer][] = [
        [ck.CKA_CLASS, ulong(ck.CKO_CERTIFICATE)],
        [ck.CKA_ID, attributes.get(ck.CKA_ID)!],
        [ck.CKA_LABEL, attributes.get(ck.CKA_LABEL)!],
        [ck.CKA_VALUE, Buffer.from(der)],
      ]
      fake.token.objects.set(number++, { attributes: new Map(values), key: undefined })
    }
    for (let i = 0; i < 2; i++) {
      addCertificate(certificate.der)
      await signsRight((await keys.getSigner('ca'))!)
    }
    addCertificate(other.der)
    await expect(keys.getSigner('ca')).rejects.toThrow(code('ERR_HSM_KEY_AMBIGUOUS'))
    await signsRight((await keys.getSigner('ca', undefined, { publicKey: certificate.publicKey }))!)
    await signsRight(await keys.signerOf(attributes.get(ck.CKA_ID)!, { publicKey: certificate.publicKey }))
    // A public key that is not its own: no signature leaves, also where the caller checks.
    const wrong = await keys.getSigner('ca', undefined, { publicKey: other.publicKey })
    await expect(wrong!.sign(data)).rejects.toThrow(code('ERR_HSM_SIGNATURE'))
  })

  it('pairs by its label where it has no CKA_ID, and is found by any label', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    for (const id of ['a', 'b']) await keys.generateKey(id, 'P-256')
    const labels: Readonly<Record<string, string>> = { a: 'Issuing CA 2026', b: 'Würzel (alt): 1' }
    for (const { attributes } of fake.token.objects.values()) {
      attributes.set(ck.CKA_ID, Buffer.alloc(0))
      attributes.set(ck.CKA_LABEL, Buffer.from(labels[attributes.get(ck.CKA_LABEL)!.toString()]!))
    }
    await signsRight((await keys.getSigner('Issuing CA 2026'))!)
    await expect(keys.getSigner('Würzel (alt): 1')).rejects.toThrow(/signerOf/)
    await signsRight(await keys.signerOf({ label: 'Würzel (alt): 1' }))
    for (const selector of [{}, { label: undefined }, { objectId: new Uint8Array(0) }, { lable: 'x' }])
      await expect(keys.signerOf(selector as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe("a vendor's template", () => {
  type Template = readonly Attribute[]
  const value = (template: Template, type: number) => template.find((one) => one.type === type)?.value
  const lengthOfId = (template: Template): number => (value(template, ck.CKA_ID) as Buffer).length
  it.each<[string, (publicTemplate: Template, privateTemplate: Template) => boolean]>([
    ['CKA_PRIVATE of the public half', (pub) => value(pub, ck.CKA_PRIVATE) === false],
    ['a CKA_ID of more than two octets', (pub) => lengthOfId(pub) > 2],
    ['CKA_DERIVE', (_pub, prv) => value(prv, ck.CKA_DERIVE) !== undefined],
    [
      'CKA_UNWRAP, and a long CKA_ID',
      (pub, prv) => value(prv, ck.CKA_UNWRAP) !== undefined || lengthOfId(pub) > 2,
    ],
  ])('that refuses %s: keys are made, found, rotated, listed and destroyed', async (_what, refuses) => {
    for (const returnValue of [0x10, 0x12, 0x13, 0xd0, 0xd1]) {
      const fake = fakeSetup()
      fake.library.onCall = (name, args) => {
        if (name === 'C_GenerateKeyPairAsync' && refuses(args[2] as Template, args[3] as Template))
          throw new CkrError(returnValue)
      }
      for (const start of [1, 2]) {
        await using keys = await fake.open()
        if (start === 1) for (const id of ['root', 'issuing']) await keys.generateKey(id, 'P-256')
        for (const id of ['root', 'issuing']) await signsRight((await keys.getSigner(id))!)
        await expect(keys.generateKey('root', 'P-256')).rejects.toThrow(code('ERR_KEY_EXISTS'))
      }
      await using keys = await fake.open()
      await keys.rotateKey('root')
      const listed = (await keys.listKeys()).map(({ id, version, current }) => `${id}/${version}/${current}`)
      expect(listed).toEqual(['issuing/1/true', 'root/1/false', 'root/2/true'])
      await signsRight((await keys.getSigner('root', 1))!)
      await keys.destroyKey('root')
      await keys.destroyKey('issuing')
      expect(fake.token.objects.size).toBe(0)
    }
  })

  it('that refuses all leaves nothing behind, and the error names the attributes', async () => {
    const fake = fakeSetup()
    await using keys = await fake.open()
    fake.library.onCall = (name) => {
      if (name === 'C_GenerateKeyPairAsync') throw new CkrError(0x13)
    }
    await expect(keys.generateKey('ca', 'P-256')).rejects.toThrow(
      /CKR_ATTRIBUTE_VALUE_INVALID.*CKA_ID.*CKA_SENSITIVE/,
    )
    expect(fake.token.objects.size).toBe(0)
  })

  it('whatever is read back wrong, the pair is destroyed by its handles', async () => {
    for (const type of [ck.CKA_ID, ck.CKA_LABEL, ck.CKA_SENSITIVE, ck.CKA_LOCAL]) {
      const fake = fakeSetup()
      await using keys = await fake.open()
      fake.library.onRead = (_class, read, found) =>
        read === type ? Buffer.from([7, ...found.subarray(1)]) : found
      await expect(keys.generateKey('ca', 'P-256')).rejects.toThrow(/CKA_/)
      expect(fake.token.objects.size).toBe(0)
    }
  })
})
