// Public keys and signature algorithms, judged by their bytes: RFC 3279, RFC 4055, RFC 5480, RFC 5758, RFC
// 8410.

import { constants, createPrivateKey, generateKeyPairSync, hash, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  element,
  explicit,
  integer,
  nullElement,
  octetString,
  oid,
  sequence,
  unsignedInteger,
  utf8String,
} from '../../../src/der/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../../src/keys/index.ts'
import { PublicKey, peerCertificates, verifySignature } from '../../../src/x509/index.ts'
import { AlgorithmIdentifier, signatureAlgorithms } from '../../../src/x509/internal.ts'
import type { SignatureAlgorithm } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { certificateDer, concat, fromHex, hex, spki as p256 } from './encodings.ts'

const ecKey = '1.2.840.10045.2.1'
const curve = { p256: oid('1.2.840.10045.3.1.7'), p384: oid('1.3.132.0.34'), p224: oid('1.3.132.0.33') }
const point = (octets: number, first = 4): Uint8Array =>
  Uint8Array.from({ length: octets }, (_, i) => (i === 0 ? first : 1))
const spkiOf = (type: string, parameters: readonly Uint8Array[], key: Uint8Array): Uint8Array =>
  sequence(sequence(oid(type), ...parameters), bitString(key))
const rsaType = '1.2.840.113549.1.1.1'
const pssType = '1.2.840.113549.1.1.10'
const modulus = (bits: number): Uint8Array =>
  Uint8Array.from({ length: bits / 8 }, (_, i) => (i === 0 ? 0x80 : 0x0b))
const rsaKey = (n: Uint8Array, e: Uint8Array = Uint8Array.of(1, 0, 1)): Uint8Array =>
  sequence(unsignedInteger(n), unsignedInteger(e))
const rsa = (n: Uint8Array, e?: Uint8Array): Uint8Array => spkiOf(rsaType, [nullElement()], rsaKey(n, e))
const spkiDer = (key: KeyObject): Uint8Array => Uint8Array.from(key.export({ type: 'spki', format: 'der' }))
const exported = {
  'P-384': spkiDer(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
  'P-521': spkiDer(generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey),
  'P-224': spkiDer(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey),
  secp256k1: spkiDer(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
  explicit: spkiDer(generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).publicKey),
  Ed25519: spkiDer(generateKeyPairSync('ed25519').publicKey),
  Ed448: spkiDer(generateKeyPairSync('ed448').publicKey),
  X25519: spkiDer(generateKeyPairSync('x25519').publicKey),
  RSA: spkiDer(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey),
  DSA: spkiDer(generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).publicKey),
}
const privatePem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
})
const pssPair = generateKeyPairSync('rsa-pss', {
  modulusLength: 2048,
  hashAlgorithm: 'sha256',
  mgf1HashAlgorithm: 'sha256',
  saltLength: 32 as never,
})
const sha = (arc: number, ...parameters: readonly Uint8Array[]): Uint8Array =>
  sequence(oid(`2.16.840.1.101.3.4.2.${arc}`), ...parameters)
const mgf1 = (digest: Uint8Array): Uint8Array => sequence(oid('1.2.840.113549.1.1.8'), digest)
const pss = (...parameters: readonly Uint8Array[]): Uint8Array =>
  sequence(oid(pssType), sequence(...parameters))

describe('a public key is described by its bytes', () => {
  it.each<readonly [string, Uint8Array, string, number]>([
    ['P-256', p256, 'P-256', 256],
    ['P-384', exported['P-384'], 'P-384', 384],
    ['P-521', exported['P-521'], 'P-521', 521],
    ['Ed25519', exported.Ed25519, 'Ed25519', 256],
    ['RSA', exported.RSA, 'RSA', 2048],
    ['RSA of 1024 bits, which is weak and well-formed', rsa(modulus(1024)), 'RSA', 1024],
    ['RSA of 2041 bits', rsa(concat(Uint8Array.of(1), modulus(2040))), 'RSA', 2041],
    ['RSA with an exponent of 3', rsa(modulus(2048), Uint8Array.of(3)), 'RSA', 2048],
    ['RSA-PSS with parameters', spkiDer(pssPair.publicKey), 'RSA-PSS', 2048],
    ['RSA-PSS without parameters', spkiOf(pssType, [], rsaKey(modulus(2048))), 'RSA-PSS', 2048],
  ])('%s', (_what, spki, algorithm, bits) => {
    const key = PublicKey.fromSpki(spki)
    expect([key.algorithm, key.bits, key.info.problem]).toEqual([algorithm, bits, undefined])
    expect(hex(key.keyIdentifier)).toBe(hash('sha256', key.subjectPublicKey).slice(0, 40))
    expect(key.keyIdentifier).toBe(key.keyIdentifier)
    expect(PublicKey.from(spki).equals(key)).toBe(true)
    expect(PublicKey.fromSpki(concat(Uint8Array.of(1), spki).subarray(1)).info).toEqual(key.info)
  })

  it.each<readonly [Uint8Array, RegExp]>([
    [exported['P-224'], /curve 1\.3\.132\.0\.33 \(P-224\); expected RSA, EC on P-256/],
    [exported.secp256k1, /\(secp256k1\)/],
    [exported.Ed448, /a key of the algorithm 1\.3\.101\.113 \(Ed448\)/],
    [exported.DSA, /\(DSA\)/],
    [spkiOf(ecKey, [curve.p256], point(65, 6)), /hybrid form/],
  ])('names what the public key is: case %#', (spki, message) => {
    expect(() => PublicKey.from(spki).checkStrength()).toThrow(message)
  })

  it.each<readonly [string, Uint8Array, string]>([
    ['P-224', exported['P-224'], 'ERR_KEY_UNSUPPORTED'],
    ['secp256k1', exported.secp256k1, 'ERR_KEY_UNSUPPORTED'],
    ['explicit EC parameters', exported.explicit, 'ERR_KEY_EXPLICIT_PARAMETERS'],
    ['an EC key without curve', spkiOf(ecKey, [], point(65)), 'ERR_KEY_UNSUPPORTED'],
    ['an EC key whose curve is implicit', spkiOf(ecKey, [nullElement()], point(65)), 'ERR_KEY_UNSUPPORTED'],
    ['a compressed point', spkiOf(ecKey, [curve.p256], point(33, 2)), 'ERR_KEY_UNSUPPORTED'],
    ['a hybrid point', spkiOf(ecKey, [curve.p256], point(65, 6)), 'ERR_KEY_MALFORMED'],
    ['the point at infinity', spkiOf(ecKey, [curve.p256], point(1, 0)), 'ERR_KEY_MALFORMED'],
    ['no point', spkiOf(ecKey, [curve.p256], new Uint8Array(0)), 'ERR_KEY_MALFORMED'],
    ['a point of another curve', spkiOf(ecKey, [curve.p384], point(65)), 'ERR_KEY_MALFORMED'],
    ['Ed448', exported.Ed448, 'ERR_KEY_UNSUPPORTED'],
    ['X25519', exported.X25519, 'ERR_KEY_UNSUPPORTED'],
    ['DSA', exported.DSA, 'ERR_KEY_UNSUPPORTED'],
    ['Ed25519 with parameters', spkiOf('1.3.101.112', [nullElement()], point(32)), 'ERR_KEY_MALFORMED'],
    ['Ed25519 of 31 octets', spkiOf('1.3.101.112', [], point(31)), 'ERR_KEY_MALFORMED'],
    ['RSA without NULL', spkiOf(rsaType, [], rsaKey(modulus(2048))), 'ERR_KEY_MALFORMED'],
    ['RSA with other parameters', spkiOf(rsaType, [sequence()], rsaKey(modulus(2048))), 'ERR_KEY_MALFORMED'],
    ['RSA of nothing', spkiOf(rsaType, [nullElement()], new Uint8Array(0)), 'ERR_KEY_MALFORMED'],
    [
      'RSA with more inside',
      spkiOf(rsaType, [nullElement()], sequence(unsignedInteger(modulus(2048)), integer(65537), integer(1))),
      'ERR_KEY_MALFORMED',
    ],
    [
      'RSA with more behind',
      spkiOf(rsaType, [nullElement()], concat(rsaKey(modulus(2048)), nullElement())),
      'ERR_KEY_MALFORMED',
    ],
    [
      'RSA with a negative modulus',
      spkiOf(rsaType, [nullElement()], sequence(element(2, modulus(2048)), integer(65537))),
      'ERR_KEY_MALFORMED',
    ],
    [
      'RSA with a padded modulus',
      spkiOf(
        rsaType,
        [nullElement()],
        sequence(element(2, concat(fromHex('0000'), modulus(2048))), integer(65537)),
      ),
      'ERR_KEY_MALFORMED',
    ],
    ['RSA with an even modulus', rsa(concat(modulus(2040), Uint8Array.of(2))), 'ERR_KEY_MALFORMED'],
    ['RSA with an even exponent', rsa(modulus(2048), Uint8Array.of(2)), 'ERR_KEY_MALFORMED'],
    ['RSA with an exponent of 1', rsa(modulus(2048), Uint8Array.of(1)), 'ERR_KEY_MALFORMED'],
    ['RSA with an exponent of 0', rsa(modulus(2048), Uint8Array.of(0)), 'ERR_KEY_MALFORMED'],
    ['RSA of 8200 bits', rsa(modulus(8200)), 'ERR_KEY_UNSUPPORTED'],
    [
      'RSA with an exponent of 9 octets',
      rsa(modulus(2048), new Uint8Array(9).fill(1)),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'RSA-PSS with SHA-1, the default',
      spkiOf(pssType, [sequence()], rsaKey(modulus(2048))),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'RSA-PSS with two hashes',
      spkiOf(pssType, [sequence(explicit(0, sha(1)), explicit(1, mgf1(sha(2))))], rsaKey(modulus(2048))),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'RSA-PSS with parameters that are none',
      spkiOf(pssType, [nullElement()], rsaKey(modulus(2048))),
      'ERR_KEY_MALFORMED',
    ],
    ['a key that is not known', spkiOf('1.2.3.4', [], point(8)), 'ERR_KEY_UNSUPPORTED'],
  ])('%s is described, and refused when it is used', (_what, spki, wanted) => {
    const key = PublicKey.from(spki)
    expect([key.algorithm, key.bits, key.info.problem?.code]).toEqual([undefined, 0, wanted])
    expect(() => key.keyObject()).toThrow(code(wanted))
    expect(() => {
      key.checkStrength()
    }).toThrow(code(wanted))
    for (const name of Object.keys(signatureAlgorithms) as SignatureAlgorithm[])
      expect(verifySignature(key, name, p256, p256)).toBe(false)
  })

  it.each<readonly [string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'ERR_DER'],
    ['a key without algorithm', sequence(bitString(point(65))), 'ERR_DER'],
    ['an algorithm without type', sequence(sequence(), bitString(point(65))), 'ERR_DER'],
    [
      'a type that is cut off',
      sequence(sequence(fromHex('06022a81')), bitString(point(65))),
      'ERR_OID_INVALID',
    ],
    [
      'a curve that is cut off',
      sequence(sequence(oid(ecKey), fromHex('06022a81')), bitString(point(65))),
      'ERR_OID_INVALID',
    ],
    ['two parameters', spkiOf(ecKey, [curve.p256, nullElement()], point(65)), 'ERR_DER'],
    [
      'an OCTET STRING for the key',
      sequence(sequence(oid(ecKey), curve.p256), octetString(point(65))),
      'ERR_DER',
    ],
    [
      'a key of bits that are no octets',
      sequence(sequence(oid(ecKey), curve.p256), element(3, concat(Uint8Array.of(1), fromHex('04fe')))),
      'ERR_DER',
    ],
    [
      'more behind the key',
      sequence(sequence(oid(ecKey), curve.p256), bitString(point(65)), nullElement()),
      'ERR_DER',
    ],
    ['more behind it all', concat(p256, nullElement()), 'ERR_DER'],
    ['more than 2048 octets', spkiOf(rsaType, [nullElement()], new Uint8Array(2048)), 'ERR_KEY_MALFORMED'],
  ])('%s is no key', (_what, spki, wanted) => {
    expect(() => PublicKey.from(spki)).toThrow(code(wanted))
    expect(() => PublicKey.fromSpki(spki).algorithm).toThrow(code(wanted))
    expect(verifySignature(PublicKey.fromSpki(spki), 'ecdsa-with-SHA256', p256, p256)).toBe(false)
  })

  it('is taken in every form', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = PublicKey.from(publicKey)
    const forms = [
      key,
      privateKey,
      key.spki,
      Buffer.from(key.spki),
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ]
    for (const form of forms) expect(PublicKey.from(form).equals(key)).toBe(true)
    expect(PublicKey.from(key)).toBe(key)
    expect(key.keyObject()).toBe(publicKey)
  })

  it.each<readonly [string, unknown, string]>([
    ['undefined', undefined, 'ERR_INVALID_ARGUMENT'],
    ['an object', {}, 'ERR_INVALID_ARGUMENT'],
    ['text that is no PEM', 'MFkw', 'ERR_KEY_MALFORMED'],
    ['the PEM text of a private key', privatePem, 'ERR_KEY_MALFORMED'],
    ['text beyond reason', ' '.repeat(20_000), 'ERR_INVALID_ARGUMENT'],
  ])('is not %s', (_what, input, wanted) => {
    expect(() => PublicKey.from(input as never)).toThrow(code(wanted))
  })
})

describe('a key that is prepared', () => {
  it.each(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-PSS-2048', 'Ed25519'] as const)(
    'verifies as one that is not: %s',
    async (algorithm) => {
      const signer = await SoftwareSigner.generate(algorithm)
      const key = PublicKey.fromSpki(signer.publicKey.spki)
      await key.prepare()
      await key.prepare()
      const data = Buffer.from('data')
      const signature = await signer.sign(data)
      expect(verifySignature(key, signer.signatureAlgorithm, data, signature)).toBe(true)
      expect(verifySignature(key, signer.signatureAlgorithm, Buffer.from('other'), signature)).toBe(false)
      expect(spkiDer(key.keyObject())).toEqual(Uint8Array.from(signer.publicKey.spki))
      expect(key.isOnCurve).toBe(true)
    },
  )

  it.each([
    {
      what: 'is not on its curve',
      spki: spkiOf(ecKey, [curve.p256], point(65)),
      wanted: 'ERR_KEY_MALFORMED',
    },
    {
      what: 'is at infinity',
      spki: spkiOf(ecKey, [curve.p256], Uint8Array.of(0)),
      wanted: 'ERR_KEY_MALFORMED',
    },
    { what: 'is of another curve', spki: exported.secp256k1, wanted: 'ERR_KEY_UNSUPPORTED' },
    { what: 'is no key', spki: Uint8Array.of(0x30, 0), wanted: 'ERR_DER' },
  ])('is refused where it is used, not before: one that $what', async ({ spki, wanted }) => {
    const key = PublicKey.fromSpki(spki)
    await key.prepare()
    expect(() => key.keyObject()).toThrow(code(wanted))
    expect(
      verifySignature(
        key,
        'ecdsa-with-SHA256',
        Buffer.from('data'),
        Uint8Array.of(0x30, 6, 2, 1, 1, 2, 1, 1),
      ),
    ).toBe(false)
  })
})

describe('strength', () => {
  const product = [...Array(168).keys()]
    .filter((n) => n > 2 && [...Array(n).keys()].slice(2).every((d) => n % d !== 0))
    .reduce((all, prime) => all * BigInt(prime), 1n)
  const octetsOf = (number: bigint): Uint8Array => fromHex(number.toString(16).padStart(512, '0'))
  const hasSmallFactor = (number: bigint): boolean =>
    [...Array(752).keys()].slice(2).some((n) => number % BigInt(n) === 0n)
  /** 1 modulo every prime up to 167: a power of 65537 modulo each, as the broken generator made them. */
  const roca = (() => {
    for (let factor = 2n ** 2047n / product + 2n; ; factor++)
      if (factor % 2n === 0n && !hasSmallFactor(product * factor + 1n)) return product * factor + 1n
  })()
  const withoutSmallFactors = (from: bigint): bigint => {
    for (let number = from | 1n; ; number += 2n) if (!hasSmallFactor(number)) return number
  }
  /** Two numbers of 1024 bits that are this far apart, or little more. */
  const closeFactors = (distance: bigint): bigint => {
    const low = withoutSmallFactors(2n ** 1024n - 2n ** 900n)
    return low * withoutSmallFactors(low + distance + 2n)
  }
  const sound = PublicKey.fromSpki(exported.RSA).info.modulus as Uint8Array

  it.each<readonly [string, Uint8Array, Parameters<PublicKey['checkStrength']>[0], string | undefined]>([
    ['P-256', p256, undefined, undefined],
    ['RSA of 2048 bits', exported.RSA, undefined, undefined],
    ['RSA of 2048 bits where 3072 are wanted', exported.RSA, { minRsaBits: 3072 }, 'ERR_KEY_WEAK'],
    [
      'RSA of 2048 bits where 1024 are the most',
      exported.RSA,
      { minRsaBits: 1024, maxRsaBits: 1024 },
      'ERR_KEY_UNSUPPORTED',
    ],
    ['RSA of 1024 bits', rsa(modulus(1024)), undefined, 'ERR_KEY_WEAK'],
    [
      'RSA of 2047 bits',
      rsa(concat(Uint8Array.of(0x40), modulus(2048).subarray(1))),
      undefined,
      'ERR_KEY_WEAK',
    ],
    ['RSA with an exponent of 3', rsa(sound, Uint8Array.of(3)), undefined, 'ERR_KEY_WEAK'],
    [
      'RSA with an exponent of 3 where any odd one will do',
      rsa(sound, Uint8Array.of(3)),
      { rsaExponent: 'odd' },
      undefined,
    ],
    ['a fewest that is no number', exported.RSA, { minRsaBits: Number.NaN }, 'ERR_INVALID_ARGUMENT'],
    ['a most that is no number', exported.RSA, { maxRsaBits: Number.NaN }, 'ERR_INVALID_ARGUMENT'],
    [
      'an exponent that is a number',
      rsa(sound, Uint8Array.of(3)),
      { rsaExponent: 65537 as never },
      'ERR_INVALID_ARGUMENT',
    ],
    ['the same for a key that has none', p256, { rsaExponent: 65537 as never }, 'ERR_INVALID_ARGUMENT'],
    [
      'RSA with a modulus that 751 divides',
      rsa(octetsOf(751n * ((2n ** 2047n / 751n + 1n) | 1n))),
      undefined,
      'ERR_KEY_WEAK',
    ],
    ['RSA whose factors are close to each other', rsa(octetsOf(closeFactors(0n))), undefined, 'ERR_KEY_WEAK'],
    [
      'RSA whose factors are as close as a hundred steps find',
      rsa(octetsOf(closeFactors(2n ** 514n))),
      undefined,
      'ERR_KEY_WEAK',
    ],
    ['RSA whose factors are further apart', rsa(octetsOf(closeFactors(2n ** 520n))), undefined, undefined],
    [
      'RSA of the square of a factor',
      rsa(octetsOf(withoutSmallFactors(2n ** 1024n - 2n ** 900n) ** 2n)),
      undefined,
      'ERR_KEY_WEAK',
    ],
    ['RSA of the generator with the fingerprint', rsa(octetsOf(roca)), undefined, 'ERR_KEY_WEAK'],
  ])('%s', (_what, spki, policy, wanted) => {
    const check = (): void => {
      PublicKey.from(spki).checkStrength(policy)
    }
    if (wanted === undefined) expect(check).not.toThrow()
    else expect(check).toThrow(code(wanted))
  })

  it('is judged by each policy, though it was strong by another', () => {
    const key = PublicKey.from(exported.RSA)
    key.checkStrength()
    expect(() => {
      key.checkStrength({ minRsaBits: 3072 })
    }).toThrow(code('ERR_KEY_WEAK'))
  })
})

describe('an algorithm identifier', () => {
  it.each(Object.values(signatureAlgorithms).map((info) => [info.name, info] as const))(
    '%s is what the table says',
    (name, { identifier, saltLength }) => {
      const read = AlgorithmIdentifier.parse(identifier)
      expect([read.signatureAlgorithm, read.saltLength]).toEqual([name, saltLength])
      expect(AlgorithmIdentifier.parse(concat(Uint8Array.of(1), identifier).subarray(1))).toBe(read)
      expect(hex(sequence(oid(read.oid), ...(read.parameters === undefined ? [] : [read.parameters])))).toBe(
        hex(identifier),
      )
    },
  )

  const salt = (octets: number): Uint8Array => explicit(2, integer(octets))
  it.each<readonly [string, Uint8Array, SignatureAlgorithm | undefined, number | undefined]>([
    [
      'RSASSA-PSS with another salt',
      pss(explicit(0, sha(1)), explicit(1, mgf1(sha(1))), salt(20)),
      'rsassa-pss-SHA256',
      20,
    ],
    [
      'RSASSA-PSS with the salt left out, which is 20',
      pss(explicit(0, sha(2, nullElement())), explicit(1, mgf1(sha(2)))),
      'rsassa-pss-SHA384',
      20,
    ],
    [
      'RSASSA-PSS with the trailer written out',
      pss(explicit(0, sha(3)), explicit(1, mgf1(sha(3))), salt(64), explicit(3, integer(1))),
      'rsassa-pss-SHA512',
      64,
    ],
    [
      'RSASSA-PSS with another trailer',
      pss(explicit(0, sha(1)), explicit(1, mgf1(sha(1))), salt(32), explicit(3, integer(2))),
      undefined,
      32,
    ],
    ['RSASSA-PSS with SHA-1, the default', pss(), undefined, 20],
    [
      'RSASSA-PSS with two hashes',
      pss(explicit(0, sha(1)), explicit(1, mgf1(sha(2))), salt(32)),
      undefined,
      32,
    ],
    ['RSASSA-PSS with SHA-224', pss(explicit(0, sha(4)), explicit(1, mgf1(sha(4))), salt(28)), undefined, 28],
    [
      'RSASSA-PSS with another mask',
      pss(explicit(0, sha(1)), explicit(1, sequence(oid('1.2.3')))),
      undefined,
      20,
    ],
    ['RSASSA-PSS without parameters', sequence(oid(pssType)), undefined, undefined],
    ['RSASSA-PSS with NULL', sequence(oid(pssType), nullElement()), undefined, undefined],
    [
      'RSASSA-PSS with a negative salt',
      pss(explicit(0, sha(1)), explicit(1, mgf1(sha(1))), salt(-1)),
      undefined,
      undefined,
    ],
    [
      'RSASSA-PSS with fields out of order',
      pss(explicit(1, mgf1(sha(1))), explicit(0, sha(1))),
      undefined,
      undefined,
    ],
    [
      'RSASSA-PSS with a hash that has parameters',
      pss(explicit(0, sha(1, sequence())), explicit(1, mgf1(sha(1)))),
      undefined,
      undefined,
    ],
    ['ECDSA with NULL', sequence(oid('1.2.840.10045.4.3.2'), nullElement()), undefined, undefined],
    [
      'RSA with SHA-256 without NULL (RFC 4055 §5)',
      sequence(oid('1.2.840.113549.1.1.11')),
      'sha256WithRSAEncryption',
      undefined,
    ],
    [
      'RSA with SHA-384 without NULL',
      sequence(oid('1.2.840.113549.1.1.12')),
      'sha384WithRSAEncryption',
      undefined,
    ],
    [
      'RSA with SHA-512 without NULL',
      sequence(oid('1.2.840.113549.1.1.13')),
      'sha512WithRSAEncryption',
      undefined,
    ],
    ['RSA with SHA-224 without NULL', sequence(oid('1.2.840.113549.1.1.14')), undefined, undefined],
    ['RSA with SHA-1 without NULL', sequence(oid('1.2.840.113549.1.1.5')), undefined, undefined],
    ['RSA with other parameters', sequence(oid('1.2.840.113549.1.1.11'), sequence()), undefined, undefined],
    ['Ed25519 with NULL', sequence(oid('1.3.101.112'), nullElement()), undefined, undefined],
    ['RSA with SHA-1', sequence(oid('1.2.840.113549.1.1.5'), nullElement()), undefined, undefined],
    ['RSA with MD5', sequence(oid('1.2.840.113549.1.1.4'), nullElement()), undefined, undefined],
    ['ECDSA with SHA-1', sequence(oid('1.2.840.10045.4.1')), undefined, undefined],
    ['one that is not known', sequence(oid('1.2.3.4'), utf8String('x')), undefined, undefined],
  ])('%s', (_what, der, name, saltLength) => {
    const read = AlgorithmIdentifier.parse(der)
    expect([read.signatureAlgorithm, read.saltLength]).toEqual([name, saltLength])
    expect(hex(read.der)).toBe(hex(der))
  })

  it.each<readonly [string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'ERR_DER'],
    ['an empty sequence', sequence(), 'ERR_DER'],
    ['a type alone', oid('1.2.3'), 'ERR_DER'],
    ['two parameters', sequence(oid('1.2.3'), nullElement(), nullElement()), 'ERR_DER'],
    ['more behind it', concat(sequence(oid('1.2.3')), nullElement()), 'ERR_DER'],
    ['a type that is cut off', sequence(fromHex('06022a81')), 'ERR_OID_INVALID'],
  ])('is not %s', (_what, der, wanted) => {
    expect(() => AlgorithmIdentifier.parse(der)).toThrow(code(wanted))
  })
})

describe('verifySignature', () => {
  const data = Buffer.from('data')
  const algorithms: readonly KeyAlgorithm[] = [
    'P-256',
    'P-384',
    'P-521',
    'Ed25519',
    'RSA-2048',
    'RSA-PSS-2048',
  ]

  it.each(algorithms)(
    'by %s is true for its own key, algorithm and data, and for nothing else',
    async (algorithm) => {
      const signer = await SoftwareSigner.generate(algorithm)
      const signature = await signer.sign(data)
      const { publicKey, signatureAlgorithm } = signer
      for (const name of Object.keys(signatureAlgorithms) as SignatureAlgorithm[]) {
        expect(verifySignature(publicKey, name, data, signature)).toBe(name === signatureAlgorithm)
        expect(
          verifySignature(
            publicKey,
            AlgorithmIdentifier.parse(signatureAlgorithms[name].identifier),
            data,
            signature,
          ),
        ).toBe(name === signatureAlgorithm)
      }
      for (const other of algorithms)
        expect(
          verifySignature(
            (await SoftwareSigner.generate(other)).publicKey,
            signatureAlgorithm,
            data,
            signature,
          ),
        ).toBe(false)
      expect(verifySignature(publicKey, signatureAlgorithm, Buffer.from('date'), signature)).toBe(false)
      for (const broken of [
        new Uint8Array(0),
        signature.subarray(1),
        signature.subarray(0, -1),
        concat(signature, Uint8Array.of(0)),
        Uint8Array.from(signature).fill(0),
      ])
        expect(verifySignature(publicKey, signatureAlgorithm, data, broken)).toBe(false)
      for (let at = 0; at < signature.length; at += 7) {
        const flipped = Uint8Array.from(signature)
        flipped[at] = (flipped[at] as number) ^ 1
        expect(verifySignature(publicKey, signatureAlgorithm, data, flipped)).toBe(false)
      }
      expect(
        verifySignature(publicKey, AlgorithmIdentifier.parse(sequence(oid('1.2.3.4'))), data, signature),
      ).toBe(false)
    },
  )

  it('knows both encodings of ECDSA, and which one it was asked for', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = PublicKey.from(publicKey)
    for (const encoding of ['der', 'ieee-p1363'] as const) {
      const signature = sign('sha256', data, { key: privateKey, dsaEncoding: encoding })
      for (const asked of ['der', 'ieee-p1363'] as const)
        expect(
          verifySignature(PublicKey.fromSpki(key.spki), 'ecdsa-with-SHA256', data, signature, asked),
        ).toBe(asked === encoding)
    }
  })

  it('holds an RSA-PSS key to its parameters (RFC 4055 §3.3)', () => {
    const key = PublicKey.from(spkiDer(pssPair.publicKey))
    expect(key.info.pss).toEqual({ hash: 'sha256', saltLength: 32 })
    const plain = createPrivateKey({
      key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
        type: 'pkcs8',
        format: 'der',
      }),
      format: 'der',
      type: 'pkcs8',
    })
    const padding = constants.RSA_PKCS1_PSS_PADDING
    const named = (arc: number, octets: number): AlgorithmIdentifier =>
      AlgorithmIdentifier.parse(
        pss(
          explicit(0, sha(arc, nullElement())),
          explicit(1, mgf1(sha(arc, nullElement()))),
          explicit(2, integer(octets)),
        ),
      )
    const own = sign('sha256', data, { key: pssPair.privateKey, padding, saltLength: 32 })
    expect(verifySignature(key, 'rsassa-pss-SHA256', data, own)).toBe(true)
    expect(
      verifySignature(
        key,
        named(1, 40),
        data,
        sign('sha256', data, { key: pssPair.privateKey, padding, saltLength: 40 }),
      ),
    ).toBe(true)
    expect(verifySignature(key, named(1, 20), data, own)).toBe(false)
    expect(verifySignature(key, named(3, 64), data, own)).toBe(false)
    expect(verifySignature(key, 'sha256WithRSAEncryption', data, own)).toBe(false)
    for (const octets of [0, 20, 32, 100]) {
      const signature = sign('sha256', data, { key: plain, padding, saltLength: octets })
      expect(verifySignature(PublicKey.from(plain), named(1, octets), data, signature)).toBe(true)
      expect(verifySignature(PublicKey.from(plain), named(1, octets + 1), data, signature)).toBe(false)
    }
    expect(verifySignature(PublicKey.from(plain), named(1, 2 ** 31 - 1), data, own)).toBe(false)
  })
})

describe('the certificates of a peer', () => {
  interface Peer {
    raw?: Uint8Array
    issuerCertificate?: Peer
  }
  const socket = (peer: Peer | undefined): TLSSocket =>
    ({ getPeerCertificate: () => peer }) as unknown as TLSSocket
  const der = (serial: number): Uint8Array => certificateDer({ serialNumber: integer(serial) })

  it('are read up to the one that is its own issuer', () => {
    const root: Peer = { raw: der(2) }
    root.issuerCertificate = root
    expect(
      peerCertificates(socket({ raw: der(1), issuerCertificate: root })).map(
        ({ serialNumber }) => serialNumber,
      ),
    ).toEqual(['01', '02'])
    expect(peerCertificates(socket({ raw: der(1) })).map(({ serialNumber }) => serialNumber)).toEqual(['01'])
  })

  it('are none where none was sent', () => {
    expect(peerCertificates(socket({}))).toEqual([])
    expect(peerCertificates(socket(undefined))).toEqual([])
  })

  it('end at the limit, though they go in a circle', () => {
    const one: Peer = { raw: der(1) }
    one.issuerCertificate = { raw: der(2), issuerCertificate: one }
    expect(peerCertificates(socket(one))).toHaveLength(11)
    expect(peerCertificates(socket(one), 3)).toHaveLength(3)
  })

  it('are strict DER', () => {
    expect(() => peerCertificates(socket({ raw: concat(der(1), nullElement()) }))).toThrow(code('ERR_DER'))
  })
})
