// A key as a token gives it: its protection, its public half, its signatures; whatever is wrong with one, it
// is not used.

import { ECDH } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ck } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { ecSpki } from '../../../../src/adapters/pkcs11/objects/ec-point.ts'
import { octetString, oid } from '../../../../src/der/index.ts'
import { FailoverKeyManager, MemoryKeyManager } from '../../../../src/keys/index.ts'
import { verifySignature } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { data, fakeSetup, signsRight } from '../../../support/fake-token.ts'

describe('a key', () => {
  it.each(['P-256', 'Ed25519', 'RSA-2048'] as const)(
    'of %s is asked for with all that keeps it in the token, for signing alone',
    async (algorithm) => {
      const { open, objectsOf } = fakeSetup()
      await using keys = await open()
      await keys.generateKey('ca', algorithm)
      const told = (objectClass: number, types: readonly number[]): (number | undefined)[] =>
        types.map((type) => objectsOf(objectClass)[0]!.attributes.get(type)?.[0])
      expect(objectsOf(ck.CKO_PRIVATE_KEY)).toHaveLength(1)
      expect(told(ck.CKO_PRIVATE_KEY, [ck.CKA_TOKEN, ck.CKA_PRIVATE, ck.CKA_SENSITIVE, ck.CKA_SIGN])).toEqual(
        [1, 1, 1, 1],
      )
      expect(
        told(ck.CKO_PRIVATE_KEY, [ck.CKA_EXTRACTABLE, ck.CKA_DECRYPT, ck.CKA_DERIVE, ck.CKA_UNWRAP]),
      ).toEqual([0, 0, 0, 0])
      // CKA_PRIVATE of the public half is left to the token: AWS CloudHSM refuses FALSE.
      expect(told(ck.CKO_PUBLIC_KEY, [ck.CKA_TOKEN, ck.CKA_VERIFY, ck.CKA_PRIVATE])).toEqual([
        1,
        1,
        undefined,
      ])
      for (const objectClass of [ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY])
        expect(objectsOf(objectClass)[0]!.attributes.get(ck.CKA_LABEL)?.toString()).toBe('ca')
    },
  )

  const [zero, one] = [Buffer.of(0), Buffer.of(1)]
  it.each<[string, number, Buffer]>([
    ['that can be read', ck.CKA_SENSITIVE, zero],
    ['whose secrecy is neither yes nor no', ck.CKA_SENSITIVE, Buffer.of(0xff)],
    ['whose secrecy is not told', ck.CKA_SENSITIVE, Buffer.alloc(0)],
    ['whose secrecy is told at length', ck.CKA_SENSITIVE, Buffer.of(1, 1)],
    ['that may leave', ck.CKA_EXTRACTABLE, one],
    ['that may leave, by another number', ck.CKA_EXTRACTABLE, Buffer.of(0xff)],
    ['of which 2 says whether it may leave', ck.CKA_EXTRACTABLE, Buffer.of(2)],
    ['that may leave or not', ck.CKA_EXTRACTABLE, Buffer.alloc(0)],
    ['that may leave, in more octets', ck.CKA_EXTRACTABLE, Buffer.of(0, 1)],
    ['that could be read once', ck.CKA_ALWAYS_SENSITIVE, zero],
    ['that could leave once', ck.CKA_NEVER_EXTRACTABLE, zero],
    ['that was brought in', ck.CKA_LOCAL, zero],
    ['of which nobody knows where it was made', ck.CKA_LOCAL, Buffer.alloc(0)],
  ])('%s is refused, and not kept', async (_what, attribute, value) => {
    const { library, token, open } = fakeSetup()
    await using keys = await open()
    await keys.generateKey('before', 'P-256')
    library.onRead = (objectClass, type, found) =>
      objectClass === ck.CKO_PRIVATE_KEY && type === attribute ? value : found
    await expect(keys.generateKey('ca', 'P-256')).rejects.toThrow(code('ERR_HSM_KEY_PROTECTION'))
    await expect(keys.getSigner('before')).rejects.toThrow(code('ERR_HSM_KEY_PROTECTION'))
    await expect(keys.rotateKey('before')).rejects.toThrow(code('ERR_HSM_KEY_PROTECTION'))
    expect(token.objects.size).toBe(2)
    library.onRead = (_class, _type, found) => found
    await signsRight((await keys.getSigner('before'))!)
  })

  const malformed = 'ERR_KEY_MALFORMED'
  const bare = (point: Buffer): Buffer => point.subarray(2)
  const at = (point: Buffer, first: number): Buffer =>
    Buffer.concat([Buffer.of(4, 65, first), point.subarray(3)])
  it.each<[string, string | undefined, number, (value: Buffer) => Buffer]>([
    ['an OCTET STRING around its point, as it should', undefined, ck.CKA_EC_POINT, (point) => point],
    ['its point bare, as some modules give it', undefined, ck.CKA_EC_POINT, bare],
    [
      'a padded length around its point',
      malformed,
      ck.CKA_EC_POINT,
      (point) => Buffer.concat([Buffer.of(4, 0x81), point.subarray(1)]),
    ],
    [
      'a BIT STRING around its point',
      malformed,
      ck.CKA_EC_POINT,
      (point) => Buffer.concat([Buffer.of(3, 66, 0), bare(point)]),
    ],
    [
      'two OCTET STRINGs around its point',
      malformed,
      ck.CKA_EC_POINT,
      (point) => Buffer.from(octetString(point)),
    ],
    ['something after its point', malformed, ck.CKA_EC_POINT, (point) => Buffer.concat([point, zero])],
    [
      'half a point',
      malformed,
      ck.CKA_EC_POINT,
      (point) => Buffer.from(octetString(bare(point).subarray(0, 33))),
    ],
    [
      'a compressed point',
      malformed,
      ck.CKA_EC_POINT,
      (point) =>
        Buffer.from(
          octetString(
            ECDH.convertKey(bare(point), 'prime256v1', undefined, undefined, 'compressed') as Buffer,
          ),
        ),
    ],
    [
      'a compressed point, bare',
      malformed,
      ck.CKA_EC_POINT,
      (point) => ECDH.convertKey(bare(point), 'prime256v1', undefined, undefined, 'compressed') as Buffer,
    ],
    ['a hybrid point', malformed, ck.CKA_EC_POINT, (point) => at(point, 6)],
    ['a hybrid point of the other sign', malformed, ck.CKA_EC_POINT, (point) => at(point, 7)],
    ['a point without its form', malformed, ck.CKA_EC_POINT, (point) => at(point, 0)],
    [
      'a point that is on no curve',
      malformed,
      ck.CKA_EC_POINT,
      (point) => Buffer.concat([point.subarray(0, -1), Buffer.of(point.at(-1)! ^ 1)]),
    ],
    [
      'the point 0, 0',
      malformed,
      ck.CKA_EC_POINT,
      () => Buffer.from(octetString(Buffer.concat([Buffer.of(4), Buffer.alloc(64)]))),
    ],
    ['the point at infinity', malformed, ck.CKA_EC_POINT, () => Buffer.from(octetString(zero))],
    ['no point', malformed, ck.CKA_EC_POINT, () => Buffer.alloc(0)],
    ['another curve', malformed, ck.CKA_EC_PARAMS, () => Buffer.from('06052b81040022', 'hex')],
    ['secp256k1', 'ERR_KEY_UNSUPPORTED', ck.CKA_EC_PARAMS, () => Buffer.from('06052b8104000a', 'hex')],
    [
      'explicit parameters',
      'ERR_KEY_UNSUPPORTED',
      ck.CKA_EC_PARAMS,
      () => Buffer.from('3081e0020101', 'hex'),
    ],
    [
      'the name of its curve as text',
      'ERR_KEY_UNSUPPORTED',
      ck.CKA_EC_PARAMS,
      () => Buffer.from('130a7365637032353672310a', 'hex'),
    ],
    ['no parameters', 'ERR_KEY_UNSUPPORTED', ck.CKA_EC_PARAMS, () => Buffer.alloc(0)],
    ['the type of DSA', 'ERR_KEY_UNSUPPORTED', ck.CKA_KEY_TYPE, () => Buffer.of(1, 0, 0, 0, 0, 0, 0, 0)],
    [
      'the type of X25519',
      'ERR_KEY_UNSUPPORTED',
      ck.CKA_KEY_TYPE,
      () => Buffer.of(0x41, 0, 0, 0, 0, 0, 0, 0),
    ],
    ['the type of Edwards curves', malformed, ck.CKA_KEY_TYPE, () => Buffer.of(0x40, 0, 0, 0, 0, 0, 0, 0)],
    ['a type of one octet', malformed, ck.CKA_KEY_TYPE, () => Buffer.of(3)],
    ['no type', malformed, ck.CKA_KEY_TYPE, () => Buffer.alloc(0)],
  ])('with %s is read, or refused by a code and not kept', async (_what, wanted, attribute, change) => {
    const { library, token, open } = fakeSetup()
    library.onRead = (objectClass, type, value) =>
      objectClass === ck.CKO_PUBLIC_KEY && type === attribute ? change(value) : value
    await using keys = await open()
    const made = keys.generateKey('ca', 'P-256')
    if (wanted === undefined) await signsRight(await made)
    else {
      await expect(made).rejects.toThrow(code(wanted))
      expect(token.objects.size).toBe(0)
    }
    expect(library.misuse).toEqual([])
  })

  const odd = (bits: number): Buffer => {
    const modulus = Buffer.alloc(Math.ceil(bits / 8), 0xff)
    modulus[0] = 2 ** (((bits - 1) % 8) + 1) - 1
    return modulus
  }
  it.each<[string, number, Buffer | undefined]>([
    ['a modulus of 1024 bits', ck.CKA_MODULUS, odd(1024)],
    ['a modulus of 2047 bits', ck.CKA_MODULUS, odd(2047)],
    ['a modulus of 2049 bits', ck.CKA_MODULUS, odd(2049)],
    ['a modulus of 3072 bits', ck.CKA_MODULUS, odd(3072)],
    ['a modulus of 16384 bits', ck.CKA_MODULUS, odd(16_384)],
    ['an even modulus', ck.CKA_MODULUS, Buffer.alloc(256, 0xfe)],
    ['a modulus of 0', ck.CKA_MODULUS, zero],
    ['no modulus', ck.CKA_MODULUS, Buffer.alloc(0)],
    ['the exponent 3', ck.CKA_PUBLIC_EXPONENT, Buffer.of(3)],
    ['the exponent 1', ck.CKA_PUBLIC_EXPONENT, one],
    ['an even exponent', ck.CKA_PUBLIC_EXPONENT, Buffer.of(1, 0, 0)],
    ['no exponent', ck.CKA_PUBLIC_EXPONENT, Buffer.alloc(0)],
  ])('with %s is refused, and not kept', async (_what, attribute, value) => {
    const { library, token, open } = fakeSetup()
    library.onRead = (objectClass, type, found) =>
      objectClass === ck.CKO_PUBLIC_KEY && type === attribute ? value! : found
    await using keys = await open()
    await expect(keys.generateKey('ca', 'RSA-2048')).rejects.toThrow(
      expect.objectContaining({
        code: expect.stringMatching(
          /^ERR_(KEY_WEAK|KEY_UNSUPPORTED|KEY_MALFORMED|ALGORITHM_MISMATCH)$/,
        ) as unknown,
      }),
    )
    expect(token.objects.size).toBe(0)
  })

  it('with zeros before its modulus is the same key', async () => {
    const { library, open } = fakeSetup()
    library.onRead = (objectClass, type, value) =>
      objectClass === ck.CKO_PUBLIC_KEY && type === ck.CKA_MODULUS
        ? Buffer.concat([Buffer.alloc(3), value])
        : value
    await using keys = await open()
    await signsRight(await keys.generateKey('ca', 'RSA-2048'))
  })

  it.each([
    ['P-256', 'P-384'],
    ['P-256', 'Ed25519'],
    ['P-256', 'RSA-2048'],
    ['RSA-2048', 'RSA-4096'],
    ['RSA-2048', 'P-256'],
  ] as const)('of %s whose CKA_ID says %s is refused', async (is, says) => {
    const { token, open } = fakeSetup()
    await using keys = await open()
    await keys.generateKey('ca', is)
    for (const { attributes } of token.objects.values())
      attributes.set(ck.CKA_ID, Buffer.from(attributes.get(ck.CKA_ID)!.toString().replace(is, says)))
    await expect(keys.getSigner('ca')).rejects.toThrow(code('ERR_ALGORITHM_MISMATCH'))
    await keys.destroyKey('ca')
    expect(token.objects.size).toBe(0)
  })

  it('without its public half, or with two, is not used; and can be destroyed', async () => {
    const { token, open, objectsOf } = fakeSetup()
    await using keys = await open()
    await keys.generateKey('ca', 'P-256')
    const [number, object] = [...token.objects].find(([, one]) => one === objectsOf(ck.CKO_PUBLIC_KEY)[0])!
    token.objects.set(9999, object)
    await expect(keys.getSigner('ca')).rejects.toThrow(code('ERR_HSM_KEY_AMBIGUOUS'))
    token.objects.delete(9999)
    token.objects.delete(number)
    await expect(keys.getSigner('ca')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    expect(await keys.listKeys()).toHaveLength(1)
    await keys.destroyKey('ca')
    expect(token.objects.size).toBe(0)
  })

  it.each<[string, (signature: Buffer) => Buffer]>([
    ['wrong', (signature) => Buffer.from(signature.map((octet, i) => (i === 40 ? octet ^ 1 : octet)))],
    ['of another message', (signature) => Buffer.from(signature).reverse()],
    ['empty', () => Buffer.alloc(0)],
    ['short', (signature) => signature.subarray(1)],
    ['long', (signature) => Buffer.concat([signature, zero])],
    ['of 0', (signature) => Buffer.alloc(signature.length)],
    ['with a number of 0', (signature) => Buffer.concat([signature.subarray(0, 32), Buffer.alloc(32)])],
    ['no octets', () => undefined as never],
  ])(
    'whose signature is %s gives none away, and its session is not used again where it failed',
    async (_what, change) => {
      const { library, open } = fakeSetup()
      library.onSign = change
      await using keys = await open()
      const signer = await keys.generateKey('ca', 'P-256')
      for (let i = 0; i < 10; i++)
        await expect(signer.sign(data)).rejects.toThrow(
          expect.objectContaining({
            code: expect.stringMatching(/^ERR_HSM_(SIGNATURE|REFUSED)$/) as unknown,
          }),
        )
      library.onSign = (signature) => signature
      await signsRight(signer)
      expect(library.openSessions).toBe(keys.sessions.open)
    },
  )

  it('signs octets, and nothing else', async () => {
    const { open } = fakeSetup()
    await using keys = await open()
    const signer = await keys.generateKey('ca', 'P-256')
    for (const wrong of ['text', undefined, 5, [1, 2]])
      await expect(signer.sign(wrong as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    const view = new DataView(new ArrayBuffer(4), 1, 2)
    expect(
      verifySignature(
        signer.publicKey,
        signer.signatureAlgorithm,
        new Uint8Array(2),
        await signer.sign(view as never),
      ),
    ).toBe(true)
  })

  it('that the token has no mechanism for is refused by a code', async () => {
    const { library, token, load, open } = fakeSetup()
    const module = await load()
    await using before = await open({ module })
    await before.generateKey('ca', 'P-256')
    library.mechanisms = [ck.CKM_EDDSA]
    await using keys = await open({ module })
    const refused = (await keys.getSigner('ca'))!.sign(data)
    await expect(refused).rejects.toThrow(code('ERR_ALGORITHM_UNSUPPORTED'))
    await expect(refused).rejects.toThrow(/does not have CKM_ECDSA or CKM_ECDSA_SHA256/)
    // Nothing is made that could not sign.
    for (const algorithm of ['P-256', 'RSA-2048', 'RSA-PSS-3072'] as const)
      await expect(keys.generateKey('web', algorithm)).rejects.toThrow(code('ERR_ALGORITHM_UNSUPPORTED'))
    expect(token.objects.size).toBe(2)
    await signsRight(await keys.generateKey('ed', 'Ed25519'))
  })
})

describe('a signal', () => {
  it('ends the waiting for a session, and nothing that the token was asked', async () => {
    const { open, library } = fakeSetup()
    await using keys = await open({ maxSessions: 1 })
    const signer = await keys.generateKey('ca', 'P-256')
    await signsRight(signer)
    const stop = new AbortController()
    const first = signer.sign(data, { signal: stop.signal })
    const second = signer.sign(data, { signal: stop.signal })
    expect(keys.sessions).toEqual({ open: 1, busy: 1, waiting: 1 })
    stop.abort()
    await expect(second).rejects.toThrow(code('ERR_ABORTED'))
    expect(verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await first)).toBe(true)
    await expect(signer.sign(data, { signal: stop.signal })).rejects.toThrow(code('ERR_ABORTED'))
    await signsRight(signer)
    expect([keys.sessions, keys.health, library.misuse]).toEqual([
      { open: 1, busy: 0, waiting: 0 },
      'ready',
      [],
    ])
  })

  it('reaches the token through a failover, which asks no other for it', async () => {
    const { open } = fakeSetup()
    const token = await open()
    await token.generateKey('ca', 'P-256')
    const other = new MemoryKeyManager()
    await using keys = new FailoverKeyManager({ managers: [token, other] })
    const signer = await keys.getSigner('ca')
    await expect(signer!.sign(data, { signal: AbortSignal.abort() })).rejects.toThrow(code('ERR_ABORTED'))
    expect(
      verifySignature(signer!.publicKey, signer!.signatureAlgorithm, data, await signer!.sign(data)),
    ).toBe(true)
  })
})

describe('what is no id of an object', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['text', 'abcd'],
    ['no octet', new Uint8Array(0)],
  ])('finds no key: %s', async (_what, objectId) => {
    const { open } = fakeSetup()
    await using keys = await open()
    await expect(keys.signerOf(objectId as Uint8Array)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(keys.restoreKey(objectId as never, objectId as never)).rejects.toThrow(
      code('ERR_KEY_NOT_EXTRACTABLE'),
    )
  })
})

it.each([
  [oid('1.3.132.0.10'), /1\.3\.132\.0\.10 \(secp256k1\); supported are P-256, P-384 and P-521/],
  [oid('1.2.3.4'), /on the curve 1\.2\.3\.4;/],
  [Uint8Array.of(0x30, 0), /on the curve 3000;/],
])('a key on another curve is refused by the name of the curve', (parameters, wanted) => {
  expect(() => ecSpki(parameters, octetString(new Uint8Array(65)))).toThrow(
    expect.objectContaining({ code: 'ERR_KEY_UNSUPPORTED', message: expect.stringMatching(wanted) }),
  )
})
