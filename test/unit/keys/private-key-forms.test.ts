// The forms of private keys that other tools write: which are opened, refused by name, or malformed, without
// ever blaming a correct passphrase.

import {
  createCipheriv,
  createPublicKey,
  generateKeyPairSync,
  pbkdf2Sync,
  randomBytes,
  scryptSync,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  element,
  explicit,
  implicit,
  integer,
  octetString,
  oid,
  sequence,
  setOf,
} from '../../../src/der/index.ts'
import { encodePem } from '../../../src/internal/pem.ts'
import { importPrivateKey } from '../../../src/keys/index.ts'
import { ciphers, prfs, unsupportedSchemes } from '../../../src/keys/private-key/pbe-schemes.ts'
import { code } from '../../support/codes.ts'

const passphrase = 'secret'
const salt = randomBytes(8)
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed = generateKeyPairSync('ed25519')
const other = generateKeyPairSync('ed25519')
const plainOf = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' })
const p256 = oid('1.2.840.10045.3.1.7')
const point = Buffer.from(ec.publicKey.export({ type: 'spki', format: 'der' })).subarray(-65)
const scalar = Buffer.from(ec.privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
const edBits = (key: KeyObject): Buffer =>
  Buffer.from(key.export({ type: 'spki', format: 'der' })).subarray(-32)

interface Encryption {
  readonly kdf?: string
  readonly prf?: string | undefined
  readonly cipherOid?: string
  readonly rounds?: number
  readonly keyLength?: number
  readonly secret?: string
}

/** PBES2 over `plain`, made by the platform's primitives. */
function pbes2(plain: Uint8Array, options: Encryption = {}): Uint8Array {
  const { prf, cipherOid = '2.16.840.1.101.3.4.1.42', rounds = 2, keyLength, secret = passphrase } = options
  const { cipher, keyOctets, ivOctets } = ciphers[cipherOid] ?? {
    cipher: 'aes-256-cbc',
    keyOctets: 32,
    ivOctets: 16,
  }
  const iv = randomBytes(ivOctets)
  const key = pbkdf2Sync(
    secret,
    salt,
    rounds,
    keyOctets,
    (prf === undefined ? undefined : prfs[prf]) ?? 'sha1',
  )
  const kdf = sequence(
    oid(options.kdf ?? '1.2.840.113549.1.5.12'),
    sequence(
      octetString(salt),
      integer(rounds),
      ...(keyLength === undefined ? [] : [integer(keyLength)]),
      ...(prf === undefined ? [] : [sequence(oid(prf), Uint8Array.of(5, 0))]),
    ),
  )
  return encrypted(sequence(kdf, sequence(oid(cipherOid), octetString(iv))), sealed(cipher, key, iv, plain))
}

function scrypt(plain: Uint8Array, N: number, r: number, p: number): Uint8Array {
  const iv = randomBytes(16)
  const key = scryptSync(passphrase, salt, 32, { N, r, p, maxmem: 2 ** 30 })
  const kdf = sequence(
    oid('1.3.6.1.4.1.11591.4.11'),
    sequence(octetString(salt), integer(N), integer(r), integer(p)),
  )
  const cipher = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(iv))
  return encrypted(sequence(kdf, cipher), sealed('aes-256-cbc', key, iv, plain))
}

function sealed(cipher: string, key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Buffer {
  const sealing = createCipheriv(cipher, key, iv)
  return Buffer.concat([sealing.update(plain), sealing.final()])
}

const encrypted = (parameters: Uint8Array, content: Uint8Array): Uint8Array =>
  sequence(sequence(oid('1.2.840.113549.1.5.13'), parameters), octetString(content))

/** PBES1 and PKCS#12 schemes have one form of parameters. */
const pbes1 = (scheme: string): Uint8Array =>
  sequence(sequence(oid(scheme), sequence(octetString(salt), integer(2048))), octetString(randomBytes(48)))

const isPbe = (scheme: string): boolean =>
  /^1\.2\.840\.113549\.1\.(?:5\.\d+|12\.1\.\d)$|42\.2|7\.66\.12$/.test(scheme)

/** OneAsymmetricKey. */
const info = (version: number, ...rest: readonly Uint8Array[]): Uint8Array =>
  sequence(integer(version), ...rest)
const edAlgorithm = sequence(oid('1.3.101.112'))
const rsaAlgorithm = sequence(oid('1.2.840.113549.1.1.1'), Uint8Array.of(5, 0))
const ecAlgorithm = sequence(oid('1.2.840.10045.2.1'), p256)
const seed = plainOf(ed.privateKey).subarray(-34) // an OCTET STRING in the OCTET STRING
const attributes = element(
  0xa0,
  sequence(oid('1.2.840.113549.1.9.20'), setOf(element(0x1e, Buffer.from('\0k')))),
)
const publicBits = (bits: Uint8Array): Uint8Array => implicit(1, Buffer.concat([Buffer.of(0), bits]))

describe('an encrypted private key', () => {
  it.each(Object.entries(unsupportedSchemes))('%s is refused by its name: %s', (scheme, name) => {
    const der = isPbe(scheme)
      ? pbes1(scheme)
      : name.startsWith('PBKDF2')
        ? pbes2(plainOf(ec.privateKey), { prf: scheme })
        : pbes2(plainOf(ec.privateKey), { cipherOid: scheme })
    for (const input of [der, encodePem('ENCRYPTED PRIVATE KEY', der)])
      for (const options of [{ passphrase }, {}])
        expect(() => importPrivateKey(input, options)).toThrow(
          expect.objectContaining({
            code: 'ERR_KEY_UNSUPPORTED',
            message: expect.stringContaining(name) as string,
          }) as Error,
        )
  })

  it.each(Object.entries(ciphers).map(([cipherOid, { cipher }]) => [cipher, cipherOid]))(
    'with %s opens, of every kind of key, also in version 2',
    (_name, cipherOid) => {
      for (const key of [ec.privateKey, rsa.privateKey, ed.privateKey])
        expect(importPrivateKey(pbes2(plainOf(key), { cipherOid }), { passphrase }).equals(key)).toBe(true)
      const second = info(1, edAlgorithm, octetString(seed), publicBits(edBits(ed.publicKey)))
      expect(importPrivateKey(pbes2(second, { cipherOid }), { passphrase }).equals(ed.privateKey)).toBe(true)
    },
  )

  it.each([[undefined, 'the default'] as const, ...Object.entries(prfs)])(
    'with the function %s (%s) opens',
    (...[prf]) => {
      for (const options of [{ prf }, { prf, keyLength: 32 }])
        expect(
          importPrivateKey(pbes2(plainOf(ec.privateKey), options), { passphrase }).equals(ec.privateKey),
        ).toBe(true)
    },
  )

  it.each([
    [2 ** 14, 8, 1],
    [2 ** 15, 8, 1],
    [2 ** 16, 8, 2],
    [2 ** 17, 8, 1],
    [2, 1, 2 ** 16],
    [4, 2 ** 16, 1],
  ])('with scrypt of N = %d, r = %d, p = %d opens', (N, r, p) => {
    expect(
      importPrivateKey(scrypt(plainOf(ec.privateKey), N, r, p), { passphrase }).equals(ec.privateKey),
    ).toBe(true)
  })

  it('says that a passphrase is wrong where it is, and what a file has added to it', () => {
    const der = pbes2(plainOf(ec.privateKey))
    expect(() => importPrivateKey(der, { passphrase: 'wrong' })).toThrow(code('ERR_KEY_PASSPHRASE'))
    for (const given of ['secret\n', 'secret\r\n', Buffer.from('secret\n')])
      expect(() => importPrivateKey(der, { passphrase: given })).toThrow(/ends in a line feed/)
    for (const given of ['\uFEFFsecret', Buffer.from('\uFEFFsecret')])
      expect(() => importPrivateKey(der, { passphrase: given })).toThrow(/begins with a byte order mark/)
    expect(() => importPrivateKey(der, { passphrase: Buffer.from('secret', 'utf16le') })).toThrow(/code 0/)
    expect(() => importPrivateKey(der, { passphrase: '' })).toThrow(/the passphrase is empty/)
    const damaged = Buffer.from(der)
    damaged.writeUInt8(damaged.at(-1)! ^ 1, damaged.length - 1)
    expect(() => importPrivateKey(damaged, { passphrase })).toThrow(/or the file is damaged$/)
    expect(() => importPrivateKey(der)).toThrow(/no passphrase was given/)
  })

  it.each<[string, () => Uint8Array, string]>([
    ['no key inside', () => pbes2(Buffer.from('hello')), 'ERR_KEY_MALFORMED'],
    ['a sequence that is no key inside', () => pbes2(sequence(integer(0))), 'ERR_KEY_MALFORMED'],
    ['SEC 1 inside', () => pbes2(ec.privateKey.export({ type: 'sec1', format: 'der' })), 'ERR_KEY_MALFORMED'],
    [
      'a key of another curve inside',
      () => pbes2(plainOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey)),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'iterations of 0',
      () =>
        sequence(
          sequence(oid('1.2.840.113549.1.12.1.3'), sequence(octetString(salt), integer(0))),
          octetString(salt),
        ),
      'ERR_KEY_MALFORMED',
    ],
    [
      'too many iterations',
      () =>
        sequence(
          sequence(oid('1.2.840.113549.1.12.1.3'), sequence(octetString(salt), integer(2_000_001))),
          octetString(salt),
        ),
      'ERR_LIMIT_EXCEEDED',
    ],
    [
      'a key length of another cipher',
      () => pbes2(plainOf(ec.privateKey), { keyLength: 16 }),
      'ERR_KEY_MALFORMED',
    ],
    ['an unknown function', () => pbes2(plainOf(ec.privateKey), { prf: '1.2.3.4' }), 'ERR_KEY_UNSUPPORTED'],
    [
      'an unknown cipher',
      () => pbes2(plainOf(ec.privateKey), { cipherOid: '1.2.3.4' }),
      'ERR_KEY_UNSUPPORTED',
    ],
    ['an unknown derivation', () => pbes2(plainOf(ec.privateKey), { kdf: '1.2.3.4' }), 'ERR_KEY_UNSUPPORTED'],
    [
      'octets after it',
      () => Buffer.concat([pbes2(plainOf(ec.privateKey)), Buffer.of(0)]),
      'ERR_KEY_MALFORMED',
    ],
  ])('with %s is refused for that', (_what, make, wanted) => {
    expect(() => importPrivateKey(make(), { passphrase })).toThrow(code(wanted))
  })
})

describe('what is wrong with a private key is named', () => {
  const jwk = rsa.privateKey.export({ format: 'jwk' })
  const numbers = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'].map((name) => {
    const octets = Buffer.from(jwk[name as keyof typeof jwk] as string, 'base64url')
    return element(2, octets[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), octets]) : octets)
  })
  const rsaKey = (changed: Record<number, Uint8Array>, version = 0): Uint8Array[] => {
    const inner = sequence(integer(version), ...numbers.map((one, index) => changed[index] ?? one))
    return [inner, info(0, rsaAlgorithm, octetString(inner))]
  }
  const hybrid = Buffer.concat([Buffer.of(6 + (point[64]! & 1)), point.subarray(1)])
  const encryptedOf = (octets: number, ...parameters: readonly Uint8Array[]): Uint8Array =>
    sequence(sequence(...parameters), octetString(Buffer.alloc(octets)))
  const pbkdf2 = sequence(oid('1.2.840.113549.1.5.12'), sequence(octetString(salt), integer(2)))
  const pbes2Parameters = sequence(
    pbkdf2,
    sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(Buffer.alloc(16))),
  )
  const pkcs12Parameters = sequence(octetString(salt), integer(2))

  it.each<[string, Uint8Array[] | Uint8Array | string, string, RegExp]>([
    ['primes of 0', rsaKey({ 3: integer(0) }), 'ERR_KEY_MALFORMED', /prime1 is 0/],
    ['a negative modulus', rsaKey({ 0: integer(-5) }), 'ERR_KEY_MALFORMED', /modulus is negative/],
    [
      'three primes inside PKCS#8',
      info(0, rsaAlgorithm, octetString(sequence(integer(1), ...numbers, sequence(sequence(integer(1)))))),
      'ERR_KEY_UNSUPPORTED',
      /more than two primes/,
    ],
    [
      'a hybrid point',
      sequence(integer(1), octetString(scalar), explicit(0, p256), explicit(1, bitString(hybrid))),
      'ERR_KEY_MALFORMED',
      /hybrid form; expected an uncompressed/,
    ],
    [
      'Ed25519 with parameters',
      info(0, sequence(oid('1.3.101.112'), Uint8Array.of(5, 0)), octetString(seed)),
      'ERR_KEY_MALFORMED',
      /Ed25519 has parameters; expected none/,
    ],
    [
      'Ed448',
      plainOf(generateKeyPairSync('ed448').privateKey),
      'ERR_KEY_UNSUPPORTED',
      /1\.3\.101\.113 \(Ed448\).*expected RSA, EC on P-256/,
    ],
    [
      'secp256k1',
      plainOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey),
      'ERR_KEY_UNSUPPORTED',
      /1\.3\.132\.0\.10 \(secp256k1\).*expected P-256/,
    ],
    [
      'the exponent 3',
      plainOf(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey),
      'ERR_KEY_WEAK',
      /exponent is 3; expected 65537/,
    ],
    [
      'a scalar of 0',
      info(0, ecAlgorithm, octetString(sequence(integer(1), octetString(Buffer.alloc(32))))),
      'ERR_KEY_MALFORMED',
      /EC key is 0/,
    ],
    [
      'encrypted data without a block',
      encryptedOf(0, oid('1.2.840.113549.1.5.13'), pbes2Parameters),
      'ERR_KEY_MALFORMED',
      /encryptedData has 0 octets; aes-256-cbc has blocks of 16/,
    ],
    [
      'encrypted data that is cut off',
      encryptedOf(47, oid('1.2.840.113549.1.5.13'), pbes2Parameters),
      'ERR_KEY_MALFORMED',
      /encryptedData has 47 octets/,
    ],
    [
      'encrypted data of PKCS#12 that is cut off',
      encryptedOf(47, oid('1.2.840.113549.1.12.1.3'), pkcs12Parameters),
      'ERR_KEY_MALFORMED',
      /encryptedData has 47 octets; des-ede3-cbc has blocks of 8/,
    ],
    [
      'an unknown cipher',
      encryptedOf(48, oid('1.2.840.113549.1.5.13'), sequence(pbkdf2, sequence(oid('1.2.3.4')))),
      'ERR_KEY_UNSUPPORTED',
      /unknown cipher 1\.2\.3\.4.*openssl pkcs8 -topk8/,
    ],
    [
      'a certificate alone',
      encodePem('CERTIFICATE', Buffer.alloc(8)),
      'ERR_PEM',
      /expected a PEM block of a private key, found only "CERTIFICATE"/,
    ],
    [
      'the key of another program with a longer label',
      '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQVY\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n',
      'ERR_PEM',
      /found only "PGP PRIVATE KEY BLOCK"/,
    ],
    [
      'PKCS#7',
      sequence(oid('1.2.840.113549.1.7.2'), explicit(0, sequence())),
      'ERR_KEY_UNSUPPORTED',
      /a PKCS#7 or CMS file/,
    ],
    [
      'a certificate, request or list as DER',
      sequence(sequence(integer(0)), sequence(oid('1.2.840.10045.4.3.2')), bitString(Buffer.alloc(8))),
      'ERR_KEY_MALFORMED',
      /it is a certificate, a certificate request or a revocation list/,
    ],
    [
      'an RSA public key as DER',
      rsa.publicKey.export({ type: 'pkcs1', format: 'der' }),
      'ERR_KEY_MALFORMED',
      /it is an RSA public key/,
    ],
    [
      'a PKCS#12 archive that was read as text',
      Buffer.from(sequence(integer(3), sequence(oid('1.2.840.113549.1.7.1')), sequence())).toString('latin1'),
      'ERR_KEY_UNSUPPORTED',
      /PKCS#12 archive.*openssl pkcs12/,
    ],
  ])('%s', (_what, inputs, wanted, message) => {
    for (const input of Array.isArray(inputs) ? inputs : [inputs])
      for (const options of [{}, { passphrase }]) {
        const act = () => importPrivateKey(input, options)
        expect(act).toThrow(code(wanted))
        expect(act).toThrow(message)
      }
  })
})

describe('a private key that is not encrypted', () => {
  const ecInner = (...rest: readonly Uint8Array[]): Uint8Array =>
    octetString(sequence(integer(1), octetString(scalar), ...rest))
  const compressed = Buffer.concat([Buffer.of(2 + ((point.at(-1) ?? 0) & 1)), point.subarray(1, 33)])
  const rsaInner = octetString(rsa.privateKey.export({ type: 'pkcs1', format: 'der' }))
  const rsaPublic = rsa.publicKey.export({ type: 'pkcs1', format: 'der' })

  it.each<[string, Uint8Array, KeyObject]>([
    ['SEC 1 as DER', ec.privateKey.export({ type: 'sec1', format: 'der' }), ec.privateKey],
    ['PKCS#1 as DER', rsa.privateKey.export({ type: 'pkcs1', format: 'der' }), rsa.privateKey],
    [
      'version 2 of Ed25519 (BouncyCastle, ring)',
      info(1, edAlgorithm, octetString(seed), publicBits(edBits(ed.publicKey))),
      ed.privateKey,
    ],
    [
      'version 2 with an explicit tag (older ring)',
      info(1, edAlgorithm, octetString(seed), explicit(1, bitString(edBits(ed.publicKey)))),
      ed.privateKey,
    ],
    [
      'version 2 with attributes',
      info(1, edAlgorithm, octetString(seed), attributes, publicBits(edBits(ed.publicKey))),
      ed.privateKey,
    ],
    ['version 2 without a public key', info(1, edAlgorithm, octetString(seed)), ed.privateKey],
    ['version 1 with attributes', info(0, edAlgorithm, octetString(seed), attributes), ed.privateKey],
    ['version 2 of EC', info(1, ecAlgorithm, ecInner(), publicBits(point)), ec.privateKey],
    [
      'version 2 of EC with a compressed point',
      info(1, ecAlgorithm, ecInner(), publicBits(compressed)),
      ec.privateKey,
    ],
    ['version 2 of RSA', info(1, rsaAlgorithm, rsaInner, publicBits(rsaPublic)), rsa.privateKey],
    ['EC without a public key (Java)', info(0, ecAlgorithm, ecInner()), ec.privateKey],
    [
      'EC with the curve twice',
      info(0, ecAlgorithm, ecInner(explicit(0, p256), explicit(1, bitString(point)))),
      ec.privateKey,
    ],
    [
      'EC with a compressed point',
      info(0, ecAlgorithm, ecInner(explicit(1, bitString(compressed)))),
      ec.privateKey,
    ],
    [
      'SEC 1 with a compressed point',
      sequence(integer(1), octetString(scalar), explicit(0, p256), explicit(1, bitString(compressed))),
      ec.privateKey,
    ],
    [
      'SEC 1 without a public key',
      sequence(integer(1), octetString(scalar), explicit(0, p256)),
      ec.privateKey,
    ],
  ])('%s loads', (_what, der, key) => {
    const read = importPrivateKey(der)
    expect(createPublicKey(read).equals(createPublicKey(key))).toBe(true)
  })

  const twoCurves = info(0, ecAlgorithm, ecInner(explicit(0, oid('1.3.132.0.34'))))
  it.each<[string, Uint8Array | string, string]>([
    [
      'version 2 with a foreign public key',
      info(1, edAlgorithm, octetString(seed), publicBits(edBits(other.publicKey))),
      'ERR_KEY_MALFORMED',
    ],
    [
      'version 2 of EC with a foreign public key',
      info(
        1,
        ecAlgorithm,
        ecInner(),
        publicBits(Buffer.concat([point.subarray(0, 64), Buffer.of(point[64]! ^ 1)])),
      ),
      'ERR_KEY_MALFORMED',
    ],
    [
      'version 1 with a public key',
      info(0, edAlgorithm, octetString(seed), publicBits(edBits(ed.publicKey))),
      'ERR_KEY_MALFORMED',
    ],
    ['version 3 that is no archive', info(2, edAlgorithm, octetString(seed)), 'ERR_KEY_MALFORMED'],
    [
      'version 2 with a public key of unused bits',
      info(
        1,
        edAlgorithm,
        octetString(seed),
        implicit(1, Buffer.concat([Buffer.of(1), edBits(ed.publicKey)])),
      ),
      'ERR_KEY_MALFORMED',
    ],
    [
      'version 2 with the public key twice',
      info(
        1,
        edAlgorithm,
        octetString(seed),
        publicBits(edBits(ed.publicKey)),
        publicBits(edBits(ed.publicKey)),
      ),
      'ERR_KEY_MALFORMED',
    ],
    [
      'a seed of 31 octets',
      info(0, edAlgorithm, octetString(octetString(Buffer.alloc(31)))),
      'ERR_KEY_MALFORMED',
    ],
    [
      'a seed that is not wrapped',
      info(0, edAlgorithm, octetString(Buffer.alloc(32, 1))),
      'ERR_KEY_MALFORMED',
    ],
    ['EC with two curves', twoCurves, 'ERR_KEY_MALFORMED'],
    ['EC without a curve', info(0, sequence(oid('1.2.840.10045.2.1')), ecInner()), 'ERR_KEY_MALFORMED'],
    ['SEC 1 without a curve', sequence(integer(1), octetString(scalar)), 'ERR_KEY_MALFORMED'],
    ['SEC 1 of version 2', sequence(integer(2), octetString(scalar), explicit(0, p256)), 'ERR_KEY_MALFORMED'],
    [
      'SEC 1 with a scalar of 0',
      sequence(integer(1), octetString(Buffer.alloc(32)), explicit(0, p256)),
      'ERR_KEY_MALFORMED',
    ],
    [
      'SEC 1 with a scalar above the order',
      sequence(integer(1), octetString(Buffer.alloc(32, 0xff)), explicit(0, p256)),
      'ERR_KEY_MALFORMED',
    ],
    [
      'octets after the inner key',
      info(
        0,
        rsaAlgorithm,
        octetString(
          Buffer.concat([rsa.privateKey.export({ type: 'pkcs1', format: 'der' }), Buffer.of(5, 0)]),
        ),
      ),
      'ERR_KEY_MALFORMED',
    ],
    [
      'DSA as PKCS#8',
      plainOf(generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'DSA in its traditional form',
      sequence(...[0, 23, 11, 3, 5, 7].map((one) => integer(one))),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'RSA with three primes',
      sequence(...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((one) => integer(one)), sequence(sequence(integer(1)))),
      'ERR_KEY_UNSUPPORTED',
    ],
    ['X25519', plainOf(generateKeyPairSync('x25519').privateKey), 'ERR_KEY_UNSUPPORTED'],
    ['Ed448', plainOf(generateKeyPairSync('ed448').privateKey), 'ERR_KEY_UNSUPPORTED'],
    [
      'an algorithm of tomorrow (ML-DSA-65)',
      info(0, sequence(oid('2.16.840.1.101.3.4.3.18')), octetString(Buffer.alloc(32))),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'a curve that the platform lacks',
      info(0, sequence(oid('1.2.840.10045.2.1'), oid('1.2.643.2.2.35.1')), ecInner()),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'SEC 1 on brainpoolP256r1',
      sequence(integer(1), octetString(scalar), explicit(0, oid('1.3.36.3.3.2.8.1.1.7'))),
      'ERR_KEY_UNSUPPORTED',
    ],
    [
      'a PKCS#12 archive (Java keytool)',
      sequence(
        integer(3),
        sequence(oid('1.2.840.113549.1.7.1'), explicit(0, octetString(salt))),
        sequence(salt.length > 0 ? integer(1) : integer(0)),
      ),
      'ERR_KEY_UNSUPPORTED',
    ],
    ['a Java key store', Buffer.from('feedfeed00000002', 'hex'), 'ERR_KEY_UNSUPPORTED'],
    ['a JCEKS key store', Buffer.from('cececece00000002', 'hex'), 'ERR_KEY_UNSUPPORTED'],
    [
      'an OpenSSH key',
      encodePem('OPENSSH PRIVATE KEY', Buffer.from('openssh-key-v1\0')),
      'ERR_KEY_UNSUPPORTED',
    ],
    ['a PuTTY key', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n', 'ERR_KEY_UNSUPPORTED'],
    ['a DSA label', encodePem('DSA PRIVATE KEY', sequence(integer(0))), 'ERR_KEY_UNSUPPORTED'],
    ['a TPM key', encodePem('TSS2 PRIVATE KEY', sequence(integer(0))), 'ERR_KEY_UNSUPPORTED'],
    ['a public key', ec.publicKey.export({ type: 'spki', format: 'der' }), 'ERR_KEY_MALFORMED'],
  ])('%s is refused for what it is', (_what, input, wanted) => {
    for (const options of [{}, { passphrase }])
      expect(() => importPrivateKey(input, options)).toThrow(code(wanted))
  })

  it.each(['RSA PRIVATE KEY', 'EC PRIVATE KEY', 'DSA PRIVATE KEY'])(
    'the traditional encryption of %s is named, with its cipher',
    (label) => {
      for (const end of ['\n', '\r\n'])
        for (const before of [
          '',
          `-----BEGIN EC PARAMETERS-----${end}BggqhkjOPQMBBw==${end}-----END EC PARAMETERS-----${end}`,
        ]) {
          const text =
            `${before}-----BEGIN ${label}-----${end}Proc-Type: ` +
            `4,ENCRYPTED${end}DEK-Info: AES-256-CBC,0123${end}${end}AAAA${end}-----END ${label}-----${end}`
          for (const input of [text, Buffer.from(text)])
            expect(() => importPrivateKey(input, { passphrase })).toThrow(
              expect.objectContaining({
                code: 'ERR_KEY_UNSUPPORTED',
                message: expect.stringContaining('AES-256-CBC') as string,
              }) as Error,
            )
        }
    },
  )

  it('whose curve has a key of each size loads in each form', () => {
    for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve })
      for (const type of ['pkcs8', 'sec1'] as const)
        expect(importPrivateKey(privateKey.export({ type, format: 'der' })).equals(privateKey)).toBe(true)
    }
  })
})
