// A signer as a WebCrypto provider.

import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { inspect } from 'node:util'
import { Crypto as PeculiarCrypto } from '@peculiar/webcrypto'
import * as peculiar from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { SoftwareSigner, bridgeToWebCrypto } from '../../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../../src/keys/index.ts'
import { Certificate, CertificateRequest } from '../../../src/x509/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'

const algorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-PSS-2048']

/** A key that is elsewhere: it answers late, and there is nothing else to ask it. */
async function elsewhere(algorithm: KeyAlgorithm): Promise<Signer> {
  const { publicKey, signatureAlgorithm, ...rest } = await SoftwareSigner.generate(algorithm).then(
    (made) => ({
      publicKey: made.publicKey,
      signatureAlgorithm: made.signatureAlgorithm,
      sign: (data: Uint8Array) => made.sign(data),
    }),
  )
  return { id: 'elsewhere', publicKey, signatureAlgorithm, sign: async (data) => rest.sign(data) }
}

describe('bridgeToWebCrypto', () => {
  it.each(algorithms)('lets @peculiar/x509 make a request and a certificate with %s', async (algorithm) => {
    const signer = await elsewhere(algorithm)
    const { crypto, keys } = await bridgeToWebCrypto(signer)
    const request = await peculiar.Pkcs10CertificateRequestGenerator.create(
      { name: 'CN=bridge', keys, signingAlgorithm: keys.privateKey.algorithm },
      crypto,
    )
    expect(
      CertificateRequest.from(new Uint8Array(request.rawData)).verify().publicKey.equals(signer.publicKey),
    ).toBe(true)
    const made = await peculiar.X509CertificateGenerator.createSelfSigned(
      { name: 'CN=bridge', keys, extensions: [new peculiar.BasicConstraintsExtension(true)] },
      crypto,
    )
    const certificate = Certificate.from(new Uint8Array(made.rawData))
    expect(certificate.signatureAlgorithm.signatureAlgorithm).toBe(signer.signatureAlgorithm)
    expect(certificate.verifySignatureBy(signer.publicKey)).toBe(true)
    expect(await made.verify({ signatureOnly: true }, crypto)).toBe(true)
  })

  it('signs for the key of somebody else', async () => {
    const { crypto, keys } = await bridgeToWebCrypto(await elsewhere('P-384'))
    const leaf = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'sign',
      'verify',
    ])
    const made = await peculiar.X509CertificateGenerator.create(
      { subject: 'CN=leaf', issuer: 'CN=ca', publicKey: leaf.publicKey, signingKey: keys.privateKey },
      crypto,
    )
    expect(await made.verify({ publicKey: keys.publicKey, signatureOnly: true }, crypto)).toBe(true)
  })

  it.each(['K-256', 'brainpoolP256r1'])(
    'certifies a key of %s, which Node has not, with @peculiar/webcrypto as the software provider',
    async (namedCurve) => {
      const software = new PeculiarCrypto()
      const before = peculiar.cryptoProvider.get()
      const signer = await elsewhere('P-256')
      const { crypto, keys } = await bridgeToWebCrypto(signer, {
        crypto: software as unknown as webcrypto.Crypto,
      })
      const algorithm = { name: 'ECDSA', namedCurve, hash: 'SHA-256' }
      await expect(webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])).rejects.toThrow()
      const holder = (await crypto.subtle.generateKey(algorithm, true, [
        'sign',
        'verify',
      ])) as webcrypto.CryptoKeyPair
      const request = await peculiar.Pkcs10CertificateRequestGenerator.create(
        { name: 'CN=holder', keys: holder, signingAlgorithm: algorithm },
        crypto,
      )
      expect(await request.verify(crypto)).toBe(true)
      const made = await peculiar.X509CertificateGenerator.create(
        {
          subject: 'CN=holder',
          issuer: 'CN=ca',
          publicKey: request.publicKey,
          signingKey: keys.privateKey,
          extensions: [new peculiar.BasicConstraintsExtension(false)],
        },
        crypto,
      )
      expect(await made.verify({ publicKey: keys.publicKey, signatureOnly: true }, crypto)).toBe(true)
      expect(Certificate.from(new Uint8Array(made.rawData)).verifySignatureBy(signer.publicKey)).toBe(true)
      expect(peculiar.cryptoProvider.get()).toBe(before)
    },
  )

  it('sets no global provider', async () => {
    const before = peculiar.cryptoProvider.get()
    const global = globalThis.crypto
    const { crypto } = await bridgeToWebCrypto(await elsewhere('P-256'))
    expect(peculiar.cryptoProvider.get()).toBe(before)
    expect(globalThis.crypto).toBe(global)
    expect(crypto).not.toBe(before)
  })

  it('takes another provider for everything but the signature', async () => {
    const asked: string[] = []
    const subtle = new Proxy(webcrypto.subtle, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target)
        return typeof member !== 'function'
          ? member
          : (...args: unknown[]): unknown => {
              asked.push(String(name))
              return Reflect.apply(member, target, args)
            }
      },
    })
    const other = { subtle, getRandomValues: <T>(array: T): T => array } as unknown as webcrypto.Crypto
    const { crypto, keys } = await bridgeToWebCrypto(await elsewhere('P-521'), { crypto: other })
    const data = Buffer.from('data')
    const algorithm = { name: 'ECDSA', hash: 'SHA-512' }
    const signature = await crypto.subtle.sign(algorithm, keys.privateKey, data)
    expect(signature.byteLength).toBe(132)
    expect(await crypto.subtle.verify(algorithm, keys.publicKey, signature, data)).toBe(true)
    expect(asked).toEqual(['importKey', 'verify'])
    expect(crypto.getRandomValues(new Uint8Array(4))).toEqual(new Uint8Array(4))
    const refusing = {
      subtle: { importKey: async () => Promise.reject(new Error('unknown curve')) },
    } as unknown as webcrypto.Crypto
    await expect(bridgeToWebCrypto(await elsewhere('P-521'), { crypto: refusing })).rejects.toThrow(
      code('ERR_KEY_UNSUPPORTED'),
    )
  })

  it('pads short r and s to the length of the curve', async () => {
    const { publicKey } = await SoftwareSigner.generate('P-256')
    const signing = (der: string): Signer => ({
      id: 'fixed',
      publicKey,
      signatureAlgorithm: 'ecdsa-with-SHA256',
      sign: () => Buffer.from(der, 'hex'),
    })
    const signed = async (der: string): Promise<string> => {
      const { crypto, keys } = await bridgeToWebCrypto(signing(der))
      return Buffer.from(
        await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, keys.privateKey, new ArrayBuffer(1)),
      ).toString('hex')
    }
    expect(await signed('3007020101020200ff')).toBe(`${'00'.repeat(31)}01${'00'.repeat(31)}ff`)
    for (const wrong of [
      '',
      '3006020101020181',
      '300702010102010100',
      `3026020101022100${'00'.repeat(31)}01`,
      `3026022101${'00'.repeat(32)}020101`,
    ])
      await expect(signed(wrong)).rejects.toThrow(code('ERR_DER'))
  })

  it.each<[KeyAlgorithm, unknown]>([
    ['P-256', { name: 'ECDSA', hash: 'SHA-384' }],
    ['P-256', { name: 'ECDSA' }],
    ['P-256', 'Ed25519'],
    ['P-256', null],
    ['Ed25519', { name: 'ECDSA', hash: 'SHA-256' }],
    ['RSA-2048', { name: 'RSA-PSS', saltLength: 32 }],
    ['RSA-2048', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' }],
    ['RSA-PSS-2048', { name: 'RSA-PSS', saltLength: 20 }],
  ])('signs with %s by its one algorithm, not by %j', async (algorithm, asked) => {
    const { crypto, keys } = await bridgeToWebCrypto(await SoftwareSigner.generate(algorithm))
    await expect(crypto.subtle.sign(asked as never, keys.privateKey, new Uint8Array(1))).rejects.toThrow(
      code('ERR_ALGORITHM_MISMATCH'),
    )
  })

  it('gives the private key to nobody', async () => {
    const signer = await SoftwareSigner.generate('P-256')
    const { crypto, keys } = await bridgeToWebCrypto(signer)
    await expect(crypto.subtle.exportKey('pkcs8', keys.privateKey)).rejects.toThrow(
      code('ERR_KEY_NOT_EXTRACTABLE'),
    )
    await expect(crypto.subtle.wrapKey('pkcs8', keys.privateKey, keys.publicKey, 'AES-KW')).rejects.toThrow(
      code('ERR_KEY_NOT_EXTRACTABLE'),
    )
    await expect(
      crypto.subtle.verify('Ed25519', keys.privateKey, new Uint8Array(1), new Uint8Array(1)),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(
      crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, keys.privateKey, 'text' as never),
    ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    const secret = signer.privateKey().export({ format: 'jwk' }).d!
    const shown =
      inspect([crypto, keys], { depth: 12, showHidden: true, showProxy: true }) + JSON.stringify(keys)
    for (const hidden of [secret, Buffer.from(secret, 'base64url').toString('hex')])
      expect(shown).not.toContain(hidden)
  })

  it('shows an algorithm that cannot be changed, and is not what it goes by', async () => {
    const { crypto, keys } = await bridgeToWebCrypto(await elsewhere('RSA-PSS-2048'))
    const algorithm = keys.privateKey.algorithm as unknown as {
      name: string
      hash: { name: string }
      saltLength: number
      publicExponent: Uint8Array
    }
    for (const change of [
      () => (algorithm.hash.name = 'SHA-1'),
      () => (algorithm.saltLength = 20),
      () => (algorithm.name = 'RSASSA-PKCS1-v1_5'),
      () => keys.privateKey.usages.push('decrypt'),
      () => ((keys.privateKey as { extractable: boolean }).extractable = true),
    ])
      expect(change).toThrow(TypeError)
    algorithm.publicExponent[0] = 3
    expect(
      (await crypto.subtle.sign({ name: 'RSA-PSS', saltLength: 32 }, keys.privateKey, new Uint8Array(1)))
        .byteLength,
    ).toBe(256)
  })

  it(
    'signs with its own key only: that of another bridge is nothing to it, that of the platform is ' +
      "the platform's",
    async () => {
      const [one, other] = [
        await bridgeToWebCrypto(await elsewhere('P-256')),
        await bridgeToWebCrypto(await elsewhere('P-256')),
      ]
      const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
      await expect(
        one.crypto.subtle.sign(algorithm, other.keys.privateKey, new Uint8Array(1)),
      ).rejects.toThrow()
      await expect(webcrypto.subtle.sign(algorithm, one.keys.privateKey, new Uint8Array(1))).rejects.toThrow()
      const own = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
        'sign',
        'verify',
      ])
      const signature = await one.crypto.subtle.sign(algorithm, own.privateKey, new Uint8Array(1))
      expect(await webcrypto.subtle.verify(algorithm, own.publicKey, signature, new Uint8Array(1))).toBe(true)
      expect(
        await one.crypto.subtle.verify(algorithm, one.keys.publicKey, signature, new Uint8Array(1)),
      ).toBe(false)
      // A look-alike of the handle is no key.
      await expect(
        one.crypto.subtle.sign(algorithm, { ...one.keys.privateKey }, new Uint8Array(1)),
      ).rejects.toThrow()
      expect(structuredClone({ ...one.keys.privateKey })).not.toHaveProperty('sign')
    },
  )

  it(
    'leaves digests and random numbers to the provider, and answers every other use of its key by ' +
      'a code',
    async () => {
      const { crypto, keys } = await bridgeToWebCrypto(await elsewhere('P-256'))
      expect(Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(0))).toString('hex')).toMatch(
        /^e3b0c442/,
      )
      expect(crypto.randomUUID()).toMatch(/^[0-9a-f-]{36}$/)
      const { subtle } = crypto as unknown as {
        subtle: Record<string, (...args: unknown[]) => Promise<unknown>>
      }
      for (const format of ['pkcs8', 'jwk', 'raw', 'spki'])
        await expect(subtle['exportKey']!(format, keys.privateKey)).rejects.toThrow(
          code('ERR_KEY_NOT_EXTRACTABLE'),
        )
      const calls: readonly [string, readonly unknown[]][] = [
        ['encrypt', ['RSA-OAEP', keys.privateKey, new Uint8Array(1)]],
        ['decrypt', ['RSA-OAEP', keys.privateKey, new Uint8Array(1)]],
        ['deriveBits', ['ECDH', keys.privateKey, 8]],
        ['deriveKey', ['ECDH', keys.privateKey, 'AES-GCM', true, []]],
        ['verify', ['ECDSA', keys.privateKey, new Uint8Array(1), new Uint8Array(1)]],
        ['unwrapKey', ['raw', new Uint8Array(1), keys.privateKey, 'AES-KW', 'AES-GCM', true, []]],
      ]
      for (const [name, args] of calls)
        await expect(subtle[name]!(...args)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})
